/** P-256 keys as certificates carry them (RFC 5480), and ECDSA with SHA-256 over them, its nonce by RFC 6979. */
import { p256 } from '@noble/curves/nist.js';
import { concat, hex, parseHex } from '../wire/bytes.ts';
import { P256_SPKI_HEAD } from './spki.ts';

/** PKCS #8 (RFC 5958) around an ECPrivateKey (RFC 5915): up to the scalar of 32 bytes, and from there to the point. */
const PKCS8_HEAD = '308187020100301306072a8648ce3d020106082a8648ce3d030107046d306b0201010420';
const PKCS8_MIDDLE = 'a144034200';

export interface P256Key {
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Uint8Array;
  /** PKCS #8, DER. */
  readonly pkcs8: Uint8Array;
  /** DER. */
  readonly sign: (message: Uint8Array) => Uint8Array;
}

/** 48 random bytes, reduced (FIPS 186-5 A.2.1). */
export const P256_SEED_BYTES = 48;

/** The key of `P256_SEED_BYTES` random bytes: the same for the same seed. */
export function p256Key(seed: Uint8Array): P256Key {
  const scalar = p256.utils.randomSecretKey(seed);
  const point = p256.getPublicKey(scalar, false);
  return {
    spki: concat(bytes(P256_SPKI_HEAD), point),
    pkcs8: concat(bytes(PKCS8_HEAD), scalar, bytes(PKCS8_MIDDLE), point),
    sign: (message) => p256.sign(message, scalar, { format: 'der', lowS: false }),
  };
}

/** False for any bytes that are no signature of that key. `spki` as `p256Key` writes it. */
export function isSignedByP256(spki: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  const head = bytes(P256_SPKI_HEAD);
  const point = spki.subarray(head.length);
  if (hex(spki.subarray(0, head.length)) !== P256_SPKI_HEAD || !p256.utils.isValidPublicKey(point, false)) return false;
  try {
    return p256.verify(signature, message, point, { format: 'der', lowS: false });
  } catch {
    // The library throws for what is no DER of two numbers; there is nothing else in this block to fail.
    return false;
  }
}

function bytes(text: string): Uint8Array {
  return parseHex(text) as Uint8Array;
}
