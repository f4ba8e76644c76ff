/** The watch finds a secret in every form that a log or an answer may give it, wherever it stands; and nothing that merely looks like one. */
import { hkdfSync, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { createMatcher } from './matcher.ts';
import { piecesOf } from './forms.ts';

const SECRET = Buffer.from('7f03e1c4599a62d80b4f17ee3a90c55d26fb81047ce2339d58a6b0f4619b2ec7', 'hex');
const HEX = SECRET.toString('hex');
const matcher = createMatcher([{ what: 'the secret', bytes: SECRET }]);
const found = (text: Uint8Array | string): string[] => [...new Set(matcher.hits(Buffer.from(text)).map(({ what }) => what))];
const base64At = (before: number) => Buffer.concat([randomBytes(before), SECRET, randomBytes(5)]).toString('base64');

describe('X-15 a planted leak', () => {
  it.each<[string, Uint8Array | string]>([
    ['hex', HEX],
    ['hex behind 0x', `{"detail":"0x${HEX}"}`],
    ['upper-case hex', HEX.toUpperCase()],
    ['hex inside a longer token', `${'ab'.repeat(301)}${HEX}${'cd'.repeat(77)}`],
    ['hex at an odd place of a longer token', `a${HEX}b`],
    ['the first half of it', HEX.slice(0, 32)],
    ['the second half of it', HEX.slice(32)],
    ['base64', SECRET.toString('base64')],
    ['base64url', SECRET.toString('base64url')],
    ['base64 of something longer, at the first alignment', base64At(30)],
    ['base64 of something longer, at the second', base64At(31)],
    ['base64 of something longer, at the third', base64At(32)],
    ['a header', `HTTP/1.1 200 OK\r\nx-kms-debug: ${SECRET.toString('base64')}\r\n\r\n`],
    ['a header in the clear', Buffer.concat([Buffer.from('HTTP/1.1 200 OK\r\nx: '), SECRET, Buffer.from('\r\n')])],
    ['raw bytes in a sealed-looking body', Buffer.concat([randomBytes(1_003), SECRET, randomBytes(9)])],
    ['decimal', BigInt(`0x${HEX}`).toString()],
    ['a JSON array', JSON.stringify([...SECRET])],
    ['a JSON array as people print it', JSON.stringify([...SECRET]).replaceAll(',', ', ')],
    ['JSON of the bytes', JSON.stringify({ key: new Uint8Array(SECRET) })],
    ['JSON of a buffer', JSON.stringify(SECRET)],
    ['an inspected buffer', inspect(SECRET)],
    ['a Latin-1 text in JSON', JSON.stringify(SECRET.toString('latin1'))],
    ['bytes decoded as UTF-8', JSON.stringify({ x: 1, text: SECRET.toString('utf8') })],
  ])('is found as %s', (_form, text) => expect(found(text)).toEqual(['the secret']));

  it('is found wherever it begins', () =>
    fc.assert(
      fc.property(fc.nat(300), fc.nat(300), fc.constantFrom('hex', 'base64', 'latin1'), (before, after, form) => {
        const text = Buffer.concat([randomBytes(before), Buffer.from(SECRET.toString(form), 'latin1'), randomBytes(after)]);
        expect(found(text)).toEqual(['the secret']);
      }),
    ));

  it('is named among many thousand secrets', () => {
    const many = Array.from({ length: 3_000 }, (_, index) => ({
      what: `secret ${index}`,
      bytes: Buffer.from(hkdfSync('sha256', SECRET, '', `${index}`, 32)),
    }));
    const { hits, secrets } = createMatcher(many);
    const leaked = (many[2_717]?.bytes ?? SECRET).toString('base64');
    expect([secrets, ...new Set(hits(Buffer.from(`{"event":"x","detail":"${leaked}"}`)).map(({ what }) => what))]).toEqual([
      3_000,
      'secret 2717',
    ]);
  });
});

describe('what merely looks like a secret', () => {
  it.each<[string, Uint8Array | string]>([
    ['random bytes', randomBytes(4_096).toString('hex')],
    ['its beginning, shorter than a piece', HEX.slice(0, 30)],
    ['its pieces cut short at both ends', `${HEX.slice(1, 32)} ${HEX.slice(32, 63)}`],
    ['both halves with one digit changed', `${HEX.replace('e1c4', 'e1c5').replace('81047c', '81057c')}`],
    ['the digits backwards', [...HEX].toReversed().join('')],
    ['the other case in base64', SECRET.toString('base64').toLowerCase()],
    ['nothing', ''],
  ])('is not found: %s', (_what, text) => expect(found(text)).toEqual([]));

  it('is not found with one bit turned over in each half, but for the outermost, which base64 may share with its neighbours', () =>
    fc.assert(
      fc.property(fc.integer({ min: 8, max: 119 }), fc.integer({ min: 8, max: 119 }), (first, second) => {
        const altered = Buffer.from(SECRET);
        altered[first >> 3] = (altered[first >> 3] ?? 0) ^ (1 << (first & 7));
        altered[16 + (second >> 3)] = (altered[16 + (second >> 3)] ?? 0) ^ (1 << (second & 7));
        for (const form of ['hex', 'base64', 'latin1'] as const) expect(found(Buffer.from(altered.toString(form), 'latin1'))).toEqual([]);
      }),
    ));

  it('is not searched at all when it is short, padding or a number', () => {
    expect(piecesOf(Buffer.alloc(32))).toEqual([]);
    expect(piecesOf(Buffer.from(`${'00'.repeat(30)}01ff`, 'hex'))).toEqual([]);
    expect(piecesOf(SECRET.subarray(0, 15))).toEqual([]);
    expect(piecesOf(SECRET.subarray(0, 17))).toEqual([0, 1]);
    expect(piecesOf(SECRET)).toEqual([0, 16]);
  });
});
