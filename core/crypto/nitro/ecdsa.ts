/** ECDSA on P-384 with SHA-384 (FIPS 186-5), verified by the host: the one algorithm of documents and of their certificates. */
import { createPublicKey, verify } from 'node:crypto';
import { childrenOf, encodeDer, INTEGER, isPositive, parseDer, SEQUENCE, sequence } from '../../ca/der.ts';
import { concat } from '../../wire/bytes.ts';
import { p384PointOf } from '../spki.ts';

const SCALAR_BYTES = 48;
/** r‖s. */
export const SIGNATURE_BYTES = 2 * SCALAR_BYTES;

/** `signature` is r‖s. False for any bytes that are no signature of that key. */
export function isSignedRaw(spki: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (signature.length !== SIGNATURE_BYTES) return false;
  return isSignedDer(spki, message, sequence(scalar(signature.subarray(0, SCALAR_BYTES)), scalar(signature.subarray(SCALAR_BYTES))));
}

/** `signature` is an ECDSA-Sig-Value (RFC 3279 §2.2.3), in DER. False for any bytes that are no signature of that key. */
export function isSignedDer(spki: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (!p384PointOf(spki) || !isTwoNumbers(signature)) return false;
  try {
    return verify('sha384', message, createPublicKey({ key: spki as Buffer, format: 'der', type: 'spki' }), signature);
  } catch {
    // The host throws for a point that is not on the curve; there is nothing else in this block to fail.
    return false;
  }
}

function scalar(bytes: Uint8Array): Uint8Array {
  const first = bytes.findIndex((byte) => byte !== 0);
  const digits = bytes.subarray(first < 0 ? bytes.length - 1 : first);
  return encodeDer(INTEGER, (digits[0] as number) < 0x80 ? digits : concat(Uint8Array.of(0), digits));
}

/** Above zero, in their shortest form, and no longer than scalars. */
function isTwoNumbers(der: Uint8Array): boolean {
  const root = parseDer(der, 1);
  const numbers = root?.tag === SEQUENCE ? childrenOf(root) : [];
  return numbers.length === 2 && numbers.every((number) => isPositive(number) && number.content.length <= SCALAR_BYTES + 1);
}
