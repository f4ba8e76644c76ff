/** The CA key against its formula in `docs/protocol.md` clause 12.1, computed by the host's own HKDF, arithmetic and ECDSA. */
import { createPublicKey, hkdfSync, verify } from 'node:crypto';
import { p256 } from '@noble/curves/nist.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { caPublicKey, signAsCa } from '../../../core/crypto/ca-key.ts';
import { concat, hex, parseHex, utf8 } from '../../../core/wire/bytes.ts';
import vectors from '../../vectors/ca.json' with { type: 'json' };
import { epochOf } from '../fakes.ts';

const SPKI_HEAD = parseHex('3059301306072a8648ce3d020106082a8648ce3d030107034200') as Uint8Array;
const secret = parseHex(vectors.secret) as Uint8Array;
const [e0, e1] = [epochOf(0), epochOf(1)];

function pointByFormula(ofSecret: Uint8Array, epoch: number): string {
  const seed = new Uint8Array(hkdfSync('sha256', ofSecret, utf8(`nova-kms:internal:ca:epoch:${epoch}`), new Uint8Array(0), 48));
  const scalar = (BigInt(`0x${hex(seed)}`) % (p256.Point.Fn.ORDER - 1n)) + 1n;
  return hex(p256.Point.BASE.multiply(scalar).toBytes(false));
}

describe('the CA key', () => {
  it.each(vectors.cas)('of epoch $epoch is the one of the vectors', ({ epoch, publicKey }) => {
    expect(hex(caPublicKey(secret, epochOf(epoch)))).toBe(publicKey);
    expect(pointByFormula(secret, epoch)).toBe(publicKey);
  });
  it('is that of the formula for any secret and epoch', () =>
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), fc.nat(), (any, epoch) => {
        expect(hex(caPublicKey(any, epochOf(epoch)))).toBe(pointByFormula(any, epoch));
      }),
      { numRuns: 50 },
    ));
  it('is another for every epoch and every secret', () => {
    const secrets = [secret, secret.toReversed(), new Uint8Array(32), new Uint8Array(32).fill(0xff)];
    expect(new Set(secrets.flatMap((each) => [hex(caPublicKey(each, e0)), hex(caPublicKey(each, e1))])).size).toBe(8);
  });
  it('signs what the host verifies, the same every time', () => {
    const message = utf8('a certificate');
    const signature = signAsCa(secret, e0, message);
    expect(hex(signAsCa(secret, e0, message))).toBe(hex(signature));
    const spki = concat(SPKI_HEAD, caPublicKey(secret, e0));
    const key = createPublicKey({ key: spki as Buffer, format: 'der', type: 'spki' });
    expect(verify('sha256', message, key, signature)).toBe(true);
    expect(verify('sha256', utf8('another'), key, signature)).toBe(false);
  });
  it('leaves the secret as it was', () => {
    const given = secret.slice();
    signAsCa(given, e0, utf8('x'));
    expect(given).toEqual(secret);
  });
});
