/**
 * Keys of one peer session (`docs/protocol.md` clause 7.3): ephemeral P-384 ECDH, then HKDF with the hash of both hellos as
 * salt. A hello that was altered in one byte gives other keys, and the keys die with the session.
 */
import { createECDH } from 'node:crypto';
import { hkdf } from '@noble/hashes/hkdf.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { Refusal } from '../errors.ts';
import { AEAD_KEY_BYTES } from '../crypto/aead.ts';
import { concat, utf8 } from '../wire/bytes.ts';
import type { Random } from '../ports.ts';

/** An uncompressed P-384 point (SEC 1): the form that an attestation document carries. */
export const EPHEMERAL_BYTES = 97;
const P384_SCALAR_BYTES = 48;

export interface Ephemeral {
  readonly publicKey: Uint8Array;
  /** The shared x-coordinate, 48 bytes. Throws `frame_malformed` for what is no point of the curve. */
  agree(theirs: Uint8Array): Uint8Array;
}

export interface DirectionalKeys {
  readonly toResponder: Uint8Array;
  readonly toInitiator: Uint8Array;
}

/** A key of 48 bytes of `random`, used for one session and forgotten. */
export function createEphemeral(random: Random): Ephemeral {
  const ecdh = createECDH('secp384r1');
  ecdh.setPrivateKey(random.bytes(P384_SCALAR_BYTES));
  return {
    publicKey: new Uint8Array(ecdh.getPublicKey()),
    agree(theirs) {
      try {
        return new Uint8Array(ecdh.computeSecret(theirs));
      } catch (error) {
        throw new Refusal('frame_malformed', 'the ephemeral key is no point of P-384', error);
      }
    },
  };
}

/** `shared` as `agree` gives it; hello and answer, byte for byte as they were sent. 32 bytes for each direction. */
export function deriveSessionKeys(shared: Uint8Array, request: Uint8Array, answer: Uint8Array): DirectionalKeys {
  const transcript = sha256(concat(lengthOf(request), request, lengthOf(answer), answer));
  const keys = hkdf(sha256, shared, transcript, utf8('nova-kms:session:1'), 2 * AEAD_KEY_BYTES);
  return { toResponder: keys.slice(0, AEAD_KEY_BYTES), toInitiator: keys.slice(AEAD_KEY_BYTES) };
}

function lengthOf(bytes: Uint8Array): Uint8Array {
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, bytes.length);
  return length;
}
