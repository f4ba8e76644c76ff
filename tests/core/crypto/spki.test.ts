import { createECDH, createPublicKey } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { P256_SPKI_HEAD, P384_SPKI_HEAD, p384PointOf, p384SpkiOf, SECP256K1_SPKI_HEAD } from '../../../core/crypto/spki.ts';
import { concat, hex, parseHex } from '../../../core/wire/bytes.ts';
import { asView } from '../fakes.ts';

const HEAD_BYTES = P384_SPKI_HEAD.length / 2;
const ecdh = createECDH('secp384r1');
ecdh.generateKeys();
const point = new Uint8Array(ecdh.getPublicKey());
const spki = p384SpkiOf(point);

const pointOf = (curve: string, form?: 'compressed' | 'hybrid') => {
  const key = createECDH(curve);
  key.generateKeys();
  return new Uint8Array(key.getPublicKey(null, form));
};

it.each([
  ['prime256v1', P256_SPKI_HEAD],
  ['secp256k1', SECP256K1_SPKI_HEAD],
  ['secp384r1', P384_SPKI_HEAD],
])('a point of %s behind its head is a key to the host', (curve, head) => {
  const der = concat(parseHex(head) as Uint8Array, pointOf(curve));
  expect(createPublicKey({ key: Buffer.from(der), format: 'der', type: 'spki' }).asymmetricKeyDetails?.namedCurve).toBe(curve);
});

describe('the point of a P-384 key', () => {
  it('is the one that was written', () => {
    expect(p384PointOf(spki)).toEqual(point);
    expect(p384PointOf(asView(spki))).toEqual(point);
  });

  it('is none where a byte before it is another', () => {
    for (let at = 0; at <= HEAD_BYTES; at += 1) {
      const bent = spki.slice();
      bent[at] = (bent[at] ?? 0) ^ 1;
      expect(p384PointOf(bent), String(at)).toBeUndefined();
    }
  });

  it.each([
    ['nothing', new Uint8Array(0)],
    ['the head alone', spki.subarray(0, HEAD_BYTES)],
    ['a point alone', point],
    ['a byte less', spki.subarray(0, -1)],
    ['a byte more', concat(spki, Uint8Array.of(0))],
    ['a compressed point', p384SpkiOf(pointOf('secp384r1', 'compressed'))],
    ['a point in the hybrid form', p384SpkiOf(pointOf('secp384r1', 'hybrid'))],
    ['a key of P-256', concat(parseHex(P256_SPKI_HEAD) as Uint8Array, pointOf('prime256v1'))],
    [
      'another head before a point of its length',
      concat(parseHex(P384_SPKI_HEAD.replace('2b81040022', '2b81040023')) as Uint8Array, point),
    ],
  ])('is not in %s', (_what, bytes) => expect(p384PointOf(bytes), hex(bytes)).toBeUndefined());
});
