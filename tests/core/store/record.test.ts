import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openBytes, sealBytes } from '../../../core/crypto/aead.ts';
import { KEY_BYTES_MAX, VALUE_BYTES_MAX } from '../../../core/limits.ts';
import {
  commitTo,
  decodeHeader,
  encodeHeader,
  isKey,
  isCommitted,
  openBody,
  recordId,
  sealBody,
  valueOf,
} from '../../../core/store/record.ts';
import { concat, hex, parseUtf8, utf8 } from '../../../core/wire/bytes.ts';
import { asView, createRandom, flipped, START_MS } from '../fakes.ts';
import { a, headerOf, otherApp, walletOf } from './stores.ts';
import type { AppId } from '../../../core/identity.ts';
import type { Header } from '../../../core/store/record.ts';

const KEY_AT = 130;
const COMMITMENT_AT = 98;
const at = { version: 0, kind: 1, counter: 18, ms: 26, expires: 58, app: 66, commitment: COMMITMENT_AT, key: KEY_AT };
const random = createRandom('records');
const dataKey = new Uint8Array(32).fill(7);

const key = fc.string({ unit: 'binary', minLength: 1, maxLength: 130 }).filter((text) => parseUtf8(utf8(text)) === text);
const count = fc.oneof(fc.nat(), fc.constantFrom(0, 1, 2 ** 32, Number.MAX_SAFE_INTEGER), fc.maxSafeNat());
const bytesOf = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const header: fc.Arbitrary<Header> = fc.boolean().chain((isValue) =>
  fc.record({
    appId: fc.bigInt({ min: 1n, max: (1n << 256n) - 1n }).map((id) => id as AppId),
    key: key.filter(isKey),
    kind: fc.constant(isValue ? ('value' as const) : ('tombstone' as const)),
    incarnation: bytesOf(16).map(hex),
    counter: count,
    ms: count,
    logical: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    origin: fc.constantFrom(a, walletOf('0'), walletOf('9')),
    expiresAtMs: isValue ? count : fc.constant(0),
    commitment: isValue ? bytesOf(32) : fc.constant(new Uint8Array(32)),
  }),
);

/** As text, so that views and copies of bytes compare alike. */
const plain = (given: Header | undefined) => given && { ...given, commitment: hex(given.commitment) };

/** A copy: a slice of what the host's pool gave would be a view. */
const encodedOf = (fields: Partial<Header> = {}) => new Uint8Array(encodeHeader(headerOf(fields)));

/** The header of `headerOf` with some of its bytes written over. */
function withBytes(offset: number, bytes: readonly number[] | Uint8Array, fields: Partial<Header> = {}): Uint8Array {
  const encoded = encodedOf(fields);
  encoded.set(bytes, offset);
  return encoded;
}

describe('a header', () => {
  it('reads back as it was written', () =>
    fc.assert(
      fc.property(header, (given) => {
        const bytes = encodeHeader(given);
        expect(plain(decodeHeader(bytes))).toEqual(plain(given));
        expect(plain(decodeHeader(asView(bytes)))).toEqual(plain(given));
      }),
      { numRuns: 500 },
    ));
  it('has one encoding: whatever can be read is written as the same bytes again', () => {
    let readAgain = 0;
    const mutated = fc.tuple(header, fc.nat(300), fc.nat(255)).map(([given, index, byte]) => {
      const bytes = encodeHeader(given);
      bytes[index % bytes.length] = byte;
      return bytes;
    });
    fc.assert(
      fc.property(mutated, (bytes) => {
        const decoded = decodeHeader(bytes);
        if (!decoded) return;
        readAgain += 1;
        expect(hex(encodeHeader(decoded))).toBe(hex(bytes));
      }),
      { numRuns: 2_000 },
    );
    expect(readAgain).toBeGreaterThan(500);
  });
  it('lies where the protocol says', () => {
    const given = headerOf({
      counter: 0x0102,
      ms: 0x0304,
      logical: 0x0506,
      expiresAtMs: 0x0708,
      commitment: new Uint8Array(32).fill(0xcc),
    });
    expect(hex(encodeHeader(given))).toBe(
      [
        '01',
        '00',
        'ab'.repeat(16),
        '0000000000000102',
        '0000000000000304',
        '00000506',
        'bb'.repeat(20),
        '0000000000000708',
        `${'00'.repeat(31)}2b`,
        'cc'.repeat(32),
        hex(utf8('k')),
      ].join(''),
    );
  });
  it.each<[string, Uint8Array]>([
    ['nothing', new Uint8Array(0)],
    ['a header without a key', encodeHeader(headerOf()).subarray(0, KEY_AT)],
    ['half a header', encodeHeader(headerOf()).subarray(0, 60)],
    ['a key of 513 bytes', encodeHeader(headerOf({ key: 'x'.repeat(KEY_BYTES_MAX + 1) }))],
    ['a key of 171 euro signs: 513 bytes', encodeHeader(headerOf({ key: '€'.repeat(171) }))],
    ['version 0', withBytes(at.version, [0])],
    ['version 2', withBytes(at.version, [2])],
    ['a third kind', withBytes(at.kind, [2])],
    ['kind 255', withBytes(at.kind, [255])],
    ['app 0', withBytes(at.app, new Uint8Array(32))],
    ['a counter of 2^53', withBytes(at.counter, [0, 0x20, 0, 0, 0, 0, 0, 0])],
    ['a counter of 2^64 - 1', withBytes(at.counter, new Uint8Array(8).fill(255))],
    ['a time of 2^53', withBytes(at.ms, [0, 0x20, 0, 0, 0, 0, 0, 0])],
    ['an expiry of 2^53', withBytes(at.expires, [0, 0x20, 0, 0, 0, 0, 0, 0])],
    ['a tombstone with an expiry', withBytes(at.expires + 7, [1], { kind: 'tombstone' })],
    ['a tombstone with a commitment', withBytes(at.commitment + 31, [1], { kind: 'tombstone' })],
    ['a key cut inside a character', encodeHeader(headerOf({ key: '€' })).subarray(0, -1)],
    ['a key in Latin-1', concat(encodeHeader(headerOf()), Uint8Array.of(0xe9))],
    ['a slash in two bytes', concat(encodeHeader(headerOf()), Uint8Array.of(0xc0, 0xaf))],
    ['half an astral character in three bytes', concat(encodeHeader(headerOf()), Uint8Array.of(0xed, 0xa0, 0x80))],
  ])('is not %s', (_what, bytes) => expect(decodeHeader(bytes)).toBeUndefined());
  it.each([
    ['a key of 512 bytes', { key: 'x'.repeat(KEY_BYTES_MAX) }],
    ['a key of 128 astral characters', { key: '\u{1f511}'.repeat(128) }],
    ['the key __proto__', { key: '__proto__' }],
    ['a key of one space', { key: ' ' }],
    ['a key that begins with a byte order mark', { key: '\ufeffk' }],
    ['the largest app', { appId: ((1n << 256n) - 1n) as AppId }],
    ['the largest counts', { counter: Number.MAX_SAFE_INTEGER, ms: Number.MAX_SAFE_INTEGER, expiresAtMs: Number.MAX_SAFE_INTEGER }],
  ])('has %s', (_what, fields) => expect(plain(decodeHeader(encodeHeader(headerOf(fields))))).toEqual(plain(headerOf(fields))));
  it('has an id that every bit of it changes', () => {
    const bytes = encodedOf();
    const ids = Array.from({ length: bytes.length * 8 }, (_, bit) => hex(recordId(flipped(bytes, bit >> 3, bit & 7))));
    expect(new Set([...ids, hex(recordId(bytes))]).size).toBe(bytes.length * 8 + 1);
    expect(recordId(bytes)).toHaveLength(16);
    expect(hex(recordId(asView(bytes)))).toBe(hex(recordId(bytes)));
  });
});

describe('a sealed body', () => {
  const bytes = encodedOf({ commitment: new Uint8Array(32).fill(1) });
  const body = concat(new Uint8Array(32).fill(5), utf8('a value'));
  const sealed = sealBody(dataKey, bytes, body, random);
  const empty = sealBody(dataKey, bytes, new Uint8Array(0), random);
  const opened = (...given: readonly [Uint8Array, Uint8Array, boolean]) => hex(openBody(dataKey, ...given) ?? utf8('none'));

  it('opens under its key and header', () => {
    expect(opened(bytes, sealed, false)).toBe(hex(body));
    expect(opened(asView(bytes), asView(sealed), false)).toBe(hex(body));
    expect(opened(bytes, empty, true)).toBe('');
  });
  it('U-2 sealed without its header opens under every other: what this prevents', () => {
    const nonce = random.bytes(12);
    const loose = sealBytes(dataKey, nonce, body, new Uint8Array(0));
    expect(hex(openBytes(dataKey, nonce, loose, new Uint8Array(0)) ?? utf8('none'))).toBe(hex(body));
  });
  it('U-2 does not open when any bit of the header, of itself or of the key is another', () => {
    for (let bit = 0; bit < bytes.length * 8; bit += 1)
      expect(openBody(dataKey, flipped(bytes, bit >> 3, bit & 7), sealed, false)).toBeUndefined();
    for (let bit = 0; bit < sealed.length * 8; bit += 1)
      expect(openBody(dataKey, bytes, flipped(sealed, bit >> 3, bit & 7), false)).toBeUndefined();
    for (let bit = 0; bit < 256; bit += 1) expect(openBody(flipped(dataKey, bit >> 3, bit & 7), bytes, sealed, false)).toBeUndefined();
  });
  it.each<[string, Partial<Header>]>([
    ['app', { appId: otherApp }],
    ['key', { key: 'l' }],
    ['kind', { kind: 'tombstone' }],
    ['boot', { incarnation: 'ac'.repeat(16) }],
    ['write', { counter: 2 }],
    ['time', { ms: START_MS + 1 }],
    ['counter of its time', { logical: 1 }],
    ['writer', { origin: a }],
    ['expiry', { expiresAtMs: 1 }],
    ['commitment', { commitment: new Uint8Array(32).fill(2) }],
  ])('U-2 does not open for another %s', (_what, fields) => {
    const other = encodeHeader(headerOf({ commitment: new Uint8Array(32).fill(1), ...fields }));
    expect(openBody(dataKey, other, sealed, false)).toBeUndefined();
  });
  it('U-2 is no empty body, and an empty body is none', () => {
    expect(openBody(dataKey, bytes, sealed, true)).toBeUndefined();
    expect(openBody(dataKey, bytes, empty, false)).toBeUndefined();
  });
  it.each([0, 11, 12, 27])('does not open when only %i bytes of it are there', (length) =>
    expect(openBody(dataKey, bytes, sealed.subarray(0, length), false)).toBeUndefined(),
  );
  it('is another each time', () => {
    const again = sealBody(dataKey, bytes, body, random);
    expect(hex(again)).not.toBe(hex(sealed));
    expect(opened(bytes, again, false)).toBe(hex(body));
  });
});

describe('a commitment', () => {
  it.each([0, 1, VALUE_BYTES_MAX])('gives its value of %i bytes back, and no other', (length) => {
    const value = random.bytes(32).slice(0, Math.min(length, 32));
    const whole = concat(value, new Uint8Array(length - value.length));
    const { commitment, body } = commitTo(whole, random);
    expect(isCommitted(body, commitment)).toBe(true);
    expect(hex(valueOf(body))).toBe(hex(whole));
    expect(isCommitted(body, flipped(commitment))).toBe(false);
    expect(isCommitted(flipped(body), commitment)).toBe(false);
    expect(isCommitted(concat(body, Uint8Array.of(0)), commitment)).toBe(false);
    expect(isCommitted(body.subarray(0, -1), commitment)).toBe(false);
    expect(isCommitted(flipped(body, body.length - 1, 7), commitment)).toBe(false);
  });
  it('tells nothing of the value: the same value twice has two', () =>
    expect(hex(commitTo(utf8('yes'), random).commitment)).not.toBe(hex(commitTo(utf8('yes'), random).commitment)));
  it.each([0, 1, 31])('is of no body with %i bytes', (length) =>
    expect(isCommitted(new Uint8Array(length), new Uint8Array(32))).toBe(false),
  );
  it('is to none of the bytes that come back later: a caller may write over its value', () => {
    const value = utf8('a value');
    const { commitment, body } = commitTo(value, random);
    value.fill(0);
    expect([isCommitted(body, commitment), hex(valueOf(body))]).toEqual([true, hex(utf8('a value'))]);
  });
});
