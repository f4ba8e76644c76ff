/** Key derivation (`docs/protocol.md` clause 6): HKDF-SHA256 (RFC 5869) with domains that cannot meet. */
import { hkdf } from '@noble/hashes/hkdf.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { keccak_256 } from '@noble/hashes/sha3.js';
import { hex, utf8 } from '../wire/bytes.ts';
import type { AppId, Epoch, Hash } from '../identity.ts';

export const SECRET_BYTES = 32;

/** What internal keys are for. Apps cannot name these: they live under a salt of their own. */
export type InternalPurpose = 'audit' | 'ca' | 'data';

export interface AppDerivation {
  readonly appId: AppId;
  readonly epoch: Epoch;
  readonly path: string;
  readonly context: string;
  readonly lengthBytes: number;
}

/** `lengthBytes` bytes from a secret of 32 (clause 6.2). What may be asked was judged before: up to 1,024 bytes, plain texts. */
export function deriveAppKey(secret: Uint8Array, derivation: AppDerivation): Uint8Array {
  const salt = `nova-kms:app:${derivation.appId}:epoch:${derivation.epoch}`;
  return hkdf(sha256, secret, utf8(salt), utf8(derivationInfo(derivation.path, derivation.context)), derivation.lengthBytes);
}

/**
 * `path`, or `path:context`. In the path `%` and `:` are percent-escaped, so the first `:` is always ours and two
 * different requests never share an `info`.
 */
export function derivationInfo(path: string, context: string): string {
  const escaped = path.replaceAll('%', '%25').replaceAll(':', '%3A');
  return context === '' ? escaped : `${escaped}:${context}`;
}

/** `use` names one key of a purpose that has several. */
export function deriveInternalKey(secret: Uint8Array, purpose: InternalPurpose, epoch: Epoch, lengthBytes: number, use = ''): Uint8Array {
  return hkdf(sha256, secret, utf8(`nova-kms:internal:${purpose}:epoch:${epoch}`), utf8(use), lengthBytes);
}

/** What the chain holds of a secret: keccak256 of its 32 bytes. */
export function secretHash(secret: Uint8Array): Hash {
  return `0x${hex(keccak_256(secret))}` as Hash;
}
