/**
 * Verifies an attestation document of AWS Nitro Enclaves: that the holder of a root vouches, at a given time, for what an enclave runs and
 * for the bytes that it asked to have signed. Pure, and no policy: whether that is the enclave one wants says
 * `core/crypto/nitro/policy.ts`.
 */
import { keccak_256 } from '@noble/hashes/sha3.js';
import { ATTESTATION_BYTES_MAX } from '../../limits.ts';
import { concat, hex } from '../../wire/bytes.ts';
import { checkPath, checkSignatures, readChain } from './chain.ts';
import { parseCoseSign1 } from './cose.ts';
import { parseDocument } from './document.ts';
import { isSignedRaw } from './ecdsa.ts';
import { Unverified } from './fault.ts';
import type { Hash } from '../../identity.ts';
import type { Certificate } from './certificate.ts';
import type { Document } from './document.ts';
import type { AttestationFault } from './fault.ts';

export interface Attestation {
  readonly moduleId: string;
  /** When the document was made, by the clock of the enclave's host. */
  readonly timeMs: number;
  readonly pcrs: ReadonlyMap<number, Uint8Array>;
  /** PCR 0, 1 and 2 are all zero: the host can read this enclave, and its code is measured by nobody. */
  readonly isDebug: boolean;
  /** keccak256(PCR0‖PCR1‖PCR2), as the registry has it. */
  readonly measurement: Hash;
  readonly publicKey: Uint8Array | undefined;
  readonly userData: Uint8Array | undefined;
  readonly nonce: Uint8Array | undefined;
}

export interface Trust {
  /** DER of the one certificate that is believed by itself. */
  readonly root: Uint8Array;
  /** The time at which every certificate must be valid. */
  readonly nowMs: number;
  /** How far that clock may be from the enclave's host's: a leaf that was just made begins before or after. */
  readonly skewMsMax: number;
}

export type Verdict =
  | { readonly kind: 'verified'; readonly attestation: Attestation }
  /** `detail` is for a log; it holds no bytes of the document but names of members and ids of extensions. */
  | { readonly kind: 'refused'; readonly why: AttestationFault; readonly detail: string };

/** For any bytes at all. What is cheap is checked first; whoever made up a leaf costs two verifications of a signature, and a whole chain nine. */
export function verifyAttestation(bytes: Uint8Array, { root, nowMs, skewMsMax }: Trust): Verdict {
  try {
    if (bytes.length > ATTESTATION_BYTES_MAX) throw new Unverified('too_large', `${bytes.length} bytes`);
    const { payload, message, signature } = parseCoseSign1(bytes);
    const document = parseDocument(payload);
    const chain = readChain(document.bundle, document.certificate, root);
    checkPath(chain, nowMs, skewMsMax);
    const leaf = chain.at(-1) as Certificate;
    if (!isSignedRaw(leaf.spki, message, signature)) throw new Unverified('document_signature_invalid', 'not signed by its leaf');
    checkSignatures(chain);
    return { kind: 'verified', attestation: attestationOf(document) };
  } catch (error) {
    if (error instanceof Unverified) return { kind: 'refused', why: error.why, detail: error.message };
    throw error;
  }
}

/** With bytes of its own. */
function attestationOf({ moduleId, timeMs, pcrs, publicKey, userData, nonce }: Document): Attestation {
  const measured = concat(...[0, 1, 2].map((index) => pcrs.get(index) as Uint8Array));
  return {
    moduleId,
    timeMs,
    pcrs: new Map([...pcrs].map(([index, digest]) => [index, digest.slice()])),
    isDebug: measured.every((byte) => byte === 0),
    measurement: `0x${hex(keccak_256(measured))}` as Hash,
    publicKey: publicKey?.slice(),
    userData: userData?.slice(),
    nonce: nonce?.slice(),
  };
}
