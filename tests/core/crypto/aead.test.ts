import { describe, expect, it } from 'vitest';
import { openBytes, sealBytes } from '../../../core/crypto/aead.ts';
import { concat, hex, parseHex, utf8 } from '../../../core/wire/bytes.ts';
import { asView, flipped } from '../fakes.ts';

const key = Uint8Array.from({ length: 32 }, (_, index) => index);
const nonce = Uint8Array.from({ length: 12 }, (_, index) => 100 + index);
const plaintext = utf8('a small message');
const associated = utf8('where it belongs');
const sealed = sealBytes(key, nonce, plaintext, associated);

describe('AES-256-GCM', () => {
  it('meets test case 16 of the GCM specification', () => {
    const bytes = (text: string) => parseHex(text) as Uint8Array;
    const gcmKey = bytes('feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308');
    const text = bytes(
      'd9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39',
    );
    const answer = sealBytes(gcmKey, bytes('cafebabefacedbaddecaf888'), text, bytes('feedfacedeadbeeffeedfacedeadbeefabaddad2'));
    expect(hex(answer)).toBe(
      '522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b',
    );
  });
  it('opens what it sealed', () => expect(openBytes(key, nonce, sealed, associated)).toEqual(plaintext));
  it('opens views as the bytes that they show', () =>
    expect(openBytes(asView(key), asView(nonce), asView(sealed), asView(associated))).toEqual(plaintext));
  it('seals and opens an empty message', () =>
    expect(openBytes(key, nonce, sealBytes(key, nonce, new Uint8Array(0), associated), associated)).toEqual(new Uint8Array(0)));
  it('refuses every flipped bit', () => {
    for (let index = 0; index < sealed.length; index += 1)
      for (let bit = 0; bit < 8; bit += 1) expect(openBytes(key, nonce, flipped(sealed, index, bit), associated)).toBeUndefined();
  });
  it('U-17 refuses a tag of any length but sixteen', () => {
    const ciphertext = sealed.subarray(0, plaintext.length);
    const tag = sealed.subarray(plaintext.length);
    for (const length of [0, 4, 8, 12, 13, 14, 15])
      expect(openBytes(key, nonce, concat(ciphertext, tag.subarray(0, length)), associated)).toBeUndefined();
    expect(openBytes(key, nonce, concat(ciphertext, tag, Uint8Array.of(0)), associated)).toBeUndefined();
    expect(openBytes(key, nonce, concat(ciphertext, tag), associated)).toEqual(plaintext);
  });
  it('U-17 refuses less than a tag of an empty message', () => {
    const empty = sealBytes(key, nonce, new Uint8Array(0), associated);
    for (const length of [0, 4, 12, 15]) expect(openBytes(key, nonce, empty.subarray(0, length), associated)).toBeUndefined();
  });
  it('refuses another key, nonce or place', () => {
    expect(openBytes(flipped(key), nonce, sealed, associated)).toBeUndefined();
    expect(openBytes(key, flipped(nonce), sealed, associated)).toBeUndefined();
    expect(openBytes(key, nonce, sealed, flipped(associated))).toBeUndefined();
    expect(openBytes(key, nonce, sealed, new Uint8Array(0))).toBeUndefined();
  });
  it.each([
    [16, 12],
    [31, 12],
    [33, 12],
    [32, 0],
    [32, 11],
    [32, 16],
  ])('takes no key of %i and nonce of %i bytes', (keyBytes, nonceBytes) => {
    const [oddKey, oddNonce] = [new Uint8Array(keyBytes), new Uint8Array(nonceBytes)];
    expect(() => sealBytes(oddKey, oddNonce, plaintext, associated)).toThrow('must hold');
    expect(() => openBytes(oddKey, oddNonce, sealed, associated)).toThrow('must hold');
  });
});
