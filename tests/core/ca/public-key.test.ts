import { ed25519 } from '@noble/curves/ed25519.js';
import { p256, p384, p521 } from '@noble/curves/nist.js';
import { describe, expect, it } from 'vitest';
import { bytesOf, encodeDer, objectId, parseDer, sequence } from '../../../core/ca/der.ts';
import { kindOfKey } from '../../../core/ca/public-key.ts';
import { concat, hex } from '../../../core/wire/bytes.ts';
import { flipped } from '../fakes.ts';
import { ecSigning, ed25519Signing, number, rsaSpki, secp256k1Signing, unsigned } from './fixtures.ts';
import type { Element } from '../../../core/ca/der.ts';

const kindOf = (spki: Uint8Array) => kindOfKey(parseDer(spki, 16) as Element);
const HEAD = {
  p256: bytesOf('3059301306072a8648ce3d020106082a8648ce3d030107034200'),
  p384: bytesOf('3076301006072a8648ce3d020106052b81040022036200'),
  ed25519: bytesOf('302a300506032b6570032100'),
};
const curveSpki = (curve: string, point: Uint8Array) =>
  sequence(sequence(objectId('1.2.840.10045.2.1'), objectId(curve)), encodeDer(0x03, Uint8Array.of(0), point));
const P256 = '1.2.840.10045.3.1.7';
const P384 = '1.3.132.0.34';
const point = p256.getPublicKey(new Uint8Array(32).fill(5), false);
const bigPoint = p384.getPublicKey(new Uint8Array(48).fill(5), false);

describe('a key on a curve', () => {
  it.each([
    ['P-256', ecSigning('P-256').spki],
    ['P-384', ecSigning('P-384').spki],
    ['Ed25519', ed25519Signing().spki],
  ])('is taken when it is %s', (kind, spki) => expect(kindOf(spki)).toBe(kind));
  it.each<[string, Uint8Array]>([
    ['a P-256 point off the curve', concat(HEAD.p256, flipped(point, 64))],
    ['a P-384 point off the curve', concat(HEAD.p384, flipped(bigPoint, 96))],
    ['a P-256 coordinate beyond the field', concat(HEAD.p256, Uint8Array.of(4), new Uint8Array(32).fill(0xff), point.subarray(33))],
    ['the P-256 point 0, 0', concat(HEAD.p256, Uint8Array.of(4), new Uint8Array(64))],
    ['the P-384 point 0, 0', concat(HEAD.p384, Uint8Array.of(4), new Uint8Array(96))],
    ['the point at infinity', curveSpki(P256, Uint8Array.of(0))],
    ['infinity in 65 zero bytes', concat(HEAD.p256, new Uint8Array(65))],
    ['a compressed P-256 point', curveSpki(P256, p256.getPublicKey(new Uint8Array(32).fill(5), true))],
    ['a compressed P-384 point', curveSpki(P384, p384.getPublicKey(new Uint8Array(48).fill(5), true))],
    ['a hybrid point', concat(HEAD.p256, Uint8Array.of(6 + ((point[64] as number) & 1)), point.subarray(1))],
    ['no point', curveSpki(P256, new Uint8Array(0))],
    ['a P-256 point on P-384', curveSpki(P384, point)],
    ['P-192', curveSpki('1.2.840.10045.3.1.1', new Uint8Array(49).fill(4))],
    ['P-521', curveSpki('1.3.132.0.35', p521.getPublicKey(new Uint8Array(66).fill(1), false))],
    ['secp256k1', secp256k1Signing().spki],
    ['P-256 with unused bits', concat(HEAD.p256.subarray(0, 25), Uint8Array.of(1), point)],
    ['a curve by its parameters', sequence(sequence(objectId('1.2.840.10045.2.1'), sequence()), encodeDer(0x03, Uint8Array.of(0), point))],
    [
      'a curve that is implied',
      sequence(sequence(objectId('1.2.840.10045.2.1'), bytesOf('0500')), encodeDer(0x03, Uint8Array.of(0), point)),
    ],
    ['a third element', sequence(concat(HEAD.p256, point).subarray(2), bytesOf('0500'))],
    ['X25519', concat(bytesOf('302a300506032b656e032100'), new Uint8Array(32).fill(9))],
    ['Ed448', concat(bytesOf('3043300506032b6571033a00'), new Uint8Array(57).fill(9))],
    ['Ed25519 with parameters', concat(bytesOf('302c300706032b65700500032100'), ed25519.getPublicKey(new Uint8Array(32).fill(1)))],
    ['Ed25519 off the curve', concat(HEAD.ed25519, bytesOf(`02${'00'.repeat(31)}`))],
    ['nothing at all', sequence()],
  ])('is refused when it is %s', (_what, spki) => {
    expect(parseDer(spki, 16)).toBeDefined();
    expect(kindOf(spki)).toBeUndefined();
  });
  // RFC 8032 has eight of them; for each, signatures exist that nobody's key made.
  it('is refused when it is one of the Ed25519 points of small order', () => {
    const torsion = ed25519.Point.fromBytes(bytesOf('c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a'));
    const small = Array.from({ length: 7 }, (_, index) => torsion.multiplyUnsafe(BigInt(index + 1)).toBytes());
    expect(new Set([...small, ed25519.Point.ZERO.toBytes()].map(hex)).size).toBe(8);
    for (const key of [...small, ed25519.Point.ZERO.toBytes()]) expect(kindOf(concat(HEAD.ed25519, key))).toBeUndefined();
  });
});

describe('an RSA key', () => {
  const e = unsigned(65_537n);
  const modulus = (bits: number) => (1n << BigInt(bits - 1)) + 12_345n;
  it.each([2_048, 2_049, 3_072, 4_096, 8_191, 8_192])('is taken with %i bits', (bits) =>
    expect(kindOf(rsaSpki(unsigned(modulus(bits)), e))).toBe('RSA'),
  );
  it.each([8, 512, 1_024, 2_047, 8_193, 16_384])('is refused with %i bits', (bits) =>
    expect(kindOf(rsaSpki(unsigned(bits === 8 ? 187n : modulus(bits)), e))).toBeUndefined(),
  );
  it.each([65_537n, 65_539n, 2n ** 31n - 1n])('is taken with the exponent %i', (exponent) =>
    expect(kindOf(rsaSpki(unsigned(modulus(2_048)), unsigned(exponent)))).toBe('RSA'),
  );
  it.each([0n, 1n, 2n, 3n, 17n, 65_535n, 65_536n, 65_538n, 2n ** 31n, 2n ** 31n + 1n, 2n ** 2_000n + 1n])(
    'is refused with the exponent %i',
    (exponent) => expect(kindOf(rsaSpki(unsigned(modulus(2_048)), unsigned(exponent)))).toBeUndefined(),
  );
  const n = unsigned(modulus(2_048));
  const numbers = (...elements: readonly Uint8Array[]) =>
    sequence(bytesOf('300d06092a864886f70d0101010500'), encodeDer(0x03, Uint8Array.of(0), sequence(...elements)));
  const integer = (bytes: Uint8Array) => encodeDer(0x02, bytes);
  it.each<[string, Uint8Array]>([
    ['an even modulus', rsaSpki(unsigned(modulus(2_048) + 1n), e)],
    ['a negative modulus', rsaSpki(n.subarray(1), e)],
    ['a negative exponent', rsaSpki(n, bytesOf('810001'))],
    ['a modulus with a zero too many', rsaSpki(concat(Uint8Array.of(0), n), e)],
    ['an exponent with a zero too many', rsaSpki(n, concat(Uint8Array.of(0), e))],
    ['an empty modulus', rsaSpki(new Uint8Array(0), e)],
    ['an empty exponent', rsaSpki(n, new Uint8Array(0))],
    ['an exponent of one zero byte', rsaSpki(n, Uint8Array.of(0))],
    ['a third number', numbers(integer(n), integer(e), integer(e))],
    ['one number', numbers(integer(n))],
    ['no numbers', numbers()],
    ['texts for numbers', numbers(encodeDer(0x04, n), encodeDer(0x04, e))],
    [
      'a byte after its numbers',
      sequence(bytesOf('300d06092a864886f70d0101010500'), encodeDer(0x03, bytesOf('00'), sequence(integer(n), integer(e)), bytesOf('00'))),
    ],
    [
      'a SET of numbers',
      sequence(bytesOf('300d06092a864886f70d0101010500'), encodeDer(0x03, bytesOf('00'), encodeDer(0x31, integer(n), integer(e)))),
    ],
    ['its numbers bare', sequence(bytesOf('300d06092a864886f70d0101010500'), sequence(integer(n), integer(e)))],
    ['unused bits', sequence(bytesOf('300d06092a864886f70d0101010500'), encodeDer(0x03, bytesOf('01'), sequence(integer(n), integer(e))))],
    [
      'an OCTET STRING of its numbers',
      sequence(bytesOf('300d06092a864886f70d0101010500'), encodeDer(0x04, bytesOf('00'), sequence(integer(n), integer(e)))),
    ],
    ['no bits', sequence(bytesOf('300d06092a864886f70d0101010500'), encodeDer(0x03))],
    ['no NULL', sequence(bytesOf('300b06092a864886f70d010101'), encodeDer(0x03, bytesOf('00'), sequence(integer(n), integer(e))))],
    [
      'the name of RSA-PSS',
      sequence(bytesOf('300b06092a864886f70d01010a'), encodeDer(0x03, bytesOf('00'), sequence(integer(n), integer(e)))),
    ],
    ['a third element', sequence(rsaSpki(n, e).subarray(4), bytesOf('0500'))],
  ])('is refused with %s', (_what, spki) => {
    expect(parseDer(spki, 16)).toBeDefined();
    expect(kindOf(spki)).toBeUndefined();
  });
  it('is made of the numbers that these tests mean', () => expect(number(unsigned(modulus(2_048)))).toBe(modulus(2_048)));
});
