/**
 * Which public keys get a certificate (`docs/protocol.md` clause 12.3). A key goes into the certificate byte for byte, so each kind has
 * exactly one encoding here, and no room for anything else.
 */
import { ed25519 } from '@noble/curves/ed25519.js';
import { p256, p384 } from '@noble/curves/nist.js';
import { P256_SPKI_HEAD, P384_SPKI_HEAD } from '../crypto/spki.ts';
import { RSA_BITS_MAX, RSA_BITS_MIN, RSA_EXPONENT_MAX, RSA_EXPONENT_MIN } from '../limits.ts';
import { equalBytes, hex } from '../wire/bytes.ts';
import { BIT_STRING, bytesOf, childrenOf, isPositive, parseDer, SEQUENCE } from './der.ts';
import type { Element } from './der.ts';

export type KeyKind = 'P-256' | 'P-384' | 'Ed25519' | 'RSA';

/** SubjectPublicKeyInfo up to the key itself, whose length it fixes. RFC 5480 (named curve, the point uncompressed) and RFC 8410. */
const FIXED: readonly { kind: KeyKind; head: Uint8Array; isGood: (key: Uint8Array) => boolean }[] = [
  {
    kind: 'P-256',
    head: bytesOf(P256_SPKI_HEAD),
    isGood: (key) => p256.utils.isValidPublicKey(key, false),
  },
  {
    kind: 'P-384',
    head: bytesOf(P384_SPKI_HEAD),
    isGood: (key) => p384.utils.isValidPublicKey(key, false),
  },
  { kind: 'Ed25519', head: bytesOf('302a300506032b6570032100'), isGood: isEd25519Key },
];

/** rsaEncryption with its NULL (RFC 3279 §2.3.1). */
const RSA_ALGORITHM = bytesOf('300d06092a864886f70d0101010500');

/** The kind of a SubjectPublicKeyInfo, or `undefined` when it is none that is taken. */
export function kindOfKey(spki: Element): KeyKind | undefined {
  const fixed = FIXED.find(({ head }) => startsWith(spki.whole, head));
  if (fixed) return fixed.isGood(spki.whole.subarray(fixed.head.length)) ? fixed.kind : undefined;
  return isRsaKey(spki) ? 'RSA' : undefined;
}

function startsWith(bytes: Uint8Array, head: Uint8Array): boolean {
  return equalBytes(bytes.subarray(0, head.length), head);
}

/** On the curve (RFC 8032 §5.1.3), and not one of the eight points for which anybody can sign. */
function isEd25519Key(key: Uint8Array): boolean {
  return ed25519.utils.isValidPublicKey(key, false) && !ed25519.Point.fromBytes(key).isSmallOrder();
}

function isRsaKey(spki: Element): boolean {
  const [algorithm, key, ...rest] = childrenOf(spki);
  if (!algorithm || !key || rest.length > 0 || !equalBytes(algorithm.whole, RSA_ALGORITHM)) return false;
  if (key.tag !== BIT_STRING || key.content[0] !== 0) return false;
  const numbers = parseDer(key.content.subarray(1), 2);
  if (numbers?.tag !== SEQUENCE) return false;
  const [modulus, exponent, ...more] = childrenOf(numbers).map(positive);
  return modulus !== undefined && exponent !== undefined && more.length === 0 && isGoodRsa(modulus, exponent);
}

function isGoodRsa(modulus: bigint, exponent: bigint): boolean {
  const bits = modulus.toString(2).length;
  if (bits < RSA_BITS_MIN || bits > RSA_BITS_MAX || modulus % 2n === 0n) return false;
  return exponent % 2n === 1n && exponent >= RSA_EXPONENT_MIN && exponent <= RSA_EXPONENT_MAX;
}

function positive(element: Element): bigint | undefined {
  return isPositive(element) ? BigInt(`0x${hex(element.content)}`) : undefined;
}
