import { describe, expect, it } from 'vitest';
import { encodeEnvelope, parseEnvelope } from '../../../core/wire/envelope.ts';
import { asView } from '../fakes.ts';

const wire = { sender_tee_pubkey: '3076ab', nonce: '000102030405060708090a0b', encrypted_data: 'ff'.repeat(16) };
const parsed = {
  kind: 'envelope',
  envelope: {
    senderTeePubkey: Uint8Array.of(0x30, 0x76, 0xab),
    nonce: Uint8Array.from({ length: 12 }, (_, index) => index),
    encrypted: new Uint8Array(16).fill(255),
  },
};
const parse = (change: object) => parseEnvelope(JSON.stringify({ ...wire, ...change }));

describe('an envelope', () => {
  it('is read', () => expect(parse({})).toEqual(parsed));
  it('is read with 0x and in upper case', () =>
    expect(parse({ sender_tee_pubkey: '0x3076AB', nonce: '0X000102030405060708090A0B', encrypted_data: `0x${'FF'.repeat(16)}` })).toEqual(
      parsed,
    ));
  it('is read with fields beyond the three, which change nothing', () => expect(parse({ version: 2, __proto: {} })).toEqual(parsed));
  it('is read with the 32-byte nonce of older platforms', () => expect(parse({ nonce: '00'.repeat(32) }).kind).toBe('envelope'));
  it.each([0, 11, 13, 16, 24, 31, 33])('is refused with a nonce of %i bytes', (length) =>
    expect(parse({ nonce: '00'.repeat(length) }).kind).toBe('malformed'),
  );
  it.each([0, 4, 12, 15])('U-17 is refused with %i bytes where a tag of sixteen must be', (length) =>
    expect(parse({ encrypted_data: '00'.repeat(length) }).kind).toBe('malformed'),
  );
  it.each(['sender_tee_pubkey', 'nonce', 'encrypted_data'])('is malformed, not plaintext, without %s', (field) =>
    expect(parse({ [field]: undefined }).kind).toBe('malformed'),
  );
  it.each<[string, unknown]>([
    ['no hex', 'zz'],
    ['an odd digit', '000'],
    ['a number', 7],
    ['null', null],
    ['a list', ['00']],
    ['an object', {}],
  ])('is refused when a field is %s', (_what, value) => {
    for (const field of ['sender_tee_pubkey', 'nonce', 'encrypted_data']) expect(parse({ [field]: value }).kind).toBe('malformed');
  });
  it('is written as lower-case hex without 0x, sorted, and read back', () => {
    const text = encodeEnvelope(parsed.envelope);
    expect(text).toBe(`{"encrypted_data":"${'ff'.repeat(16)}","nonce":"000102030405060708090a0b","sender_tee_pubkey":"3076ab"}`);
    expect(parseEnvelope(text)).toEqual(parsed);
  });
  it('is written from views as from bytes', () => {
    const { senderTeePubkey, nonce, encrypted } = parsed.envelope;
    expect(encodeEnvelope({ senderTeePubkey: asView(senderTeePubkey), nonce: asView(nonce), encrypted: asView(encrypted) })).toBe(
      encodeEnvelope(parsed.envelope),
    );
  });
});

describe('a body that is none', () => {
  it('R-1 is named plaintext, so that it can be refused as such', () => {
    expect(parseEnvelope('{"path":"disk"}')).toEqual({ kind: 'plaintext' });
    expect(parseEnvelope('{}')).toEqual({ kind: 'plaintext' });
  });
  it.each(['', 'null', '[]', '"x"', '{', 'key=value'])('is malformed when it is %j', (text) =>
    expect(parseEnvelope(text)).toEqual({ kind: 'malformed' }),
  );
});
