/** A cursor opens for the app and the prefix that it was sealed for, on every node that holds its epoch, and for nothing else. */
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openCursor, sealCursor } from '../../../core/store/cursor.ts';
import { KEY_BYTES_MAX } from '../../../core/limits.ts';
import { createRandom, epochOf } from '../fakes.ts';
import type { AppId, Epoch } from '../../../core/identity.ts';

const appId = 9n as AppId;
const listing = { appId, prefix: 'a/' };
const keysOf = (...held: readonly number[]) => ({
  recordKey: (app: AppId, epoch: Epoch) =>
    held.includes(epoch) ? new Uint8Array(createHash('sha256').update(`${app} ${epoch}`).digest()) : undefined,
});
const keys = keysOf(0, 1);
const seal = (key: string, of = listing, epoch = 1, random = createRandom('cursors')) => {
  const cursor = sealCursor(of, key, epochOf(epoch), keys, random);
  if (cursor === undefined) throw new Error('no cursor');
  return cursor;
};

describe('a cursor', () => {
  it('opens to the key that it was sealed with, on another node and after a rotation', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1, maxLength: 128 }), fc.constantFrom(0, 1), (key, epoch) => {
        const wellFormed = key.toWellFormed();
        expect(openCursor(listing, seal(wellFormed, listing, epoch), keysOf(0, 1, 2))).toBe(wellFormed);
      }),
    );
  });

  it('names the longest key, and is itself short enough for a URL', () => {
    const longest = 'x'.repeat(KEY_BYTES_MAX);
    const cursor = seal(longest);
    expect([openCursor(listing, cursor, keys), cursor.length < 750, /^[\w-]+$/.test(cursor)]).toEqual([longest, true, true]);
  });

  it('does not show the key, and is another each time', () => {
    const random = createRandom('cursors');
    const [first, second] = [seal('a/secret-name', listing, 1, random), seal('a/secret-name', listing, 1, random)];
    expect(first).not.toBe(second);
    expect(Buffer.from(first, 'base64url').toString('latin1')).not.toContain('secret-name');
  });

  it.each([
    ['another app', { appId: 10n as AppId, prefix: 'a/' }],
    ['another prefix', { appId, prefix: 'a' }],
    ['a longer prefix', { appId, prefix: 'a/b' }],
    ['no prefix', { appId, prefix: '' }],
    ['an app whose id begins alike', { appId: ((9n << 8n) | 0x61n) as AppId, prefix: '/' }],
  ])('does not open for %s', (_what, other) => expect(openCursor(other, seal('a/key'), keys)).toBeUndefined());

  it('does not open once its epoch is gone, nor under another epoch', () => {
    expect(openCursor(listing, seal('a/key', listing, 0), keysOf(1))).toBeUndefined();
    const bytes = Buffer.from(seal('a/key'), 'base64url');
    bytes[7] = 0;
    expect(openCursor(listing, bytes.toString('base64url'), keys)).toBeUndefined();
  });

  it('does not open with any bit turned over, cut short or extended', () => {
    const bytes = Buffer.from(seal('a/key'), 'base64url');
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const turned = Buffer.from(bytes);
      turned[bit >> 3] = (turned[bit >> 3] as number) ^ (1 << (bit & 7));
      expect(openCursor(listing, turned.toString('base64url'), keys)).toBeUndefined();
    }
    for (let length = 0; length < bytes.length; length += 1)
      expect(openCursor(listing, bytes.subarray(0, length).toString('base64url'), keys)).toBeUndefined();
    expect(openCursor(listing, Buffer.concat([bytes, Buffer.of(0)]).toString('base64url'), keys)).toBeUndefined();
  });

  it.each(['', '=', 'A', '++++', '*', ' ', 'é', 'A'.repeat(100_000), '_'.repeat(64)])('is not %.20s', (text) =>
    expect(openCursor(listing, text, keys)).toBeUndefined(),
  );

  it('has one spelling: padded, in the other alphabet, or with other spare bits, it is none', () => {
    const cursor = seal('a/key');
    const spare = cursor.slice(0, -1) + String.fromCharCode(cursor.charCodeAt(cursor.length - 1) + 1);
    expect(cursor.length % 4).not.toBe(0);
    for (const other of [`${cursor}=`, `${cursor}+`, `${cursor}/`, spare]) expect(openCursor(listing, other, keys)).toBeUndefined();
  });

  it('is not made without a key of its epoch', () =>
    expect(sealCursor(listing, 'a/key', epochOf(7), keys, createRandom('x'))).toBeUndefined());
});
