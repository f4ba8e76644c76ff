/** Keys as SubjectPublicKeyInfo (RFC 5480), in the one form that they have here: a named curve and the point, uncompressed. */
import { concat, hex, parseHex } from '../wire/bytes.ts';

/** What stands before the point, as hex, the same for every key of a curve. P-256: before a point of 65 bytes. */
export const P256_SPKI_HEAD = '3059301306072a8648ce3d020106082a8648ce3d030107034200';
/** Of secp256k1, before a point of 65 bytes: how a wallet's key is written. */
export const SECP256K1_SPKI_HEAD = '3056301006072a8648ce3d020106052b8104000a034200';
/** Before a point of 97 bytes. */
export const P384_SPKI_HEAD = '3076301006072a8648ce3d020106052b81040022036200';

const P384_POINT_BYTES = 97;
const UNCOMPRESSED = 0x04;

/** DER of a P-384 point, uncompressed. */
export function p384SpkiOf(point: Uint8Array): Uint8Array {
  return concat(parseHex(P384_SPKI_HEAD) as Uint8Array, point);
}

/** The point of a P-384 key. `undefined` for any other bytes; whether it is on the curve says who computes with it. */
export function p384PointOf(spki: Uint8Array): Uint8Array | undefined {
  const headBytes = P384_SPKI_HEAD.length / 2;
  const point = spki.subarray(headBytes);
  if (point.length !== P384_POINT_BYTES || point[0] !== UNCOMPRESSED) return undefined;
  return hex(spki.subarray(0, headBytes)) === P384_SPKI_HEAD ? point : undefined;
}
