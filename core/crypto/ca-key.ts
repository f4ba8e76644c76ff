/**
 * The CA key of an epoch (`docs/protocol.md` clause 12.1): P-256, from the epoch's secret under the internal purpose `ca`. Made for
 * one call and forgotten after it; the vault alone calls here.
 */
import { p256 } from '@noble/curves/nist.js';
import { deriveInternalKey } from './kdf.ts';
import type { Epoch } from '../identity.ts';

/** 128 bits more than the order has, so that the reduction is uniform but for one part in 2^128. */
const SEED_BYTES = 48;

/** The point, uncompressed: 65 bytes, 0x04 first. */
export function caPublicKey(secret: Uint8Array, epoch: Epoch): Uint8Array {
  return withScalar(secret, epoch, (scalar) => p256.getPublicKey(scalar, false));
}

/** ECDSA with SHA-256 as DER, its nonce by RFC 6979: every node signs the same bytes alike. */
export function signAsCa(secret: Uint8Array, epoch: Epoch, message: Uint8Array): Uint8Array {
  return withScalar(secret, epoch, (scalar) => p256.sign(message, scalar, { format: 'der', lowS: false }));
}

function withScalar<T>(secret: Uint8Array, epoch: Epoch, work: (scalar: Uint8Array) => T): T {
  const seed = deriveInternalKey(secret, 'ca', epoch, SEED_BYTES);
  // FIPS 186-5 A.2.1: (seed mod (n − 1)) + 1, the seed read big-endian.
  const scalar = p256.utils.randomSecretKey(seed);
  try {
    return work(scalar);
  } finally {
    seed.fill(0);
    scalar.fill(0);
  }
}
