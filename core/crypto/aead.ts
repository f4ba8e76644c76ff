/** AES-256-GCM, synchronous on every host. The tag is always 16 bytes: shorter ones are refused before the host sees them. */
import { createCipheriv, createDecipheriv } from 'node:crypto';
import { assert } from '../errors.ts';
import { concat } from '../wire/bytes.ts';

export const AEAD_KEY_BYTES = 32;
export const AEAD_NONCE_BYTES = 12;
export const AEAD_TAG_BYTES = 16;

/** ciphertext‖tag. */
export function sealBytes(key: Uint8Array, nonce: Uint8Array, plaintext: Uint8Array, associated: Uint8Array): Uint8Array {
  assert(key.length === AEAD_KEY_BYTES && nonce.length === AEAD_NONCE_BYTES, 'AES-256-GCM takes a 32-byte key and a 12-byte nonce');
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: AEAD_TAG_BYTES });
  cipher.setAAD(associated);
  return concat(cipher.update(plaintext), cipher.final(), cipher.getAuthTag());
}

/** The plaintext, or `undefined` when anything does not authenticate. */
export function openBytes(key: Uint8Array, nonce: Uint8Array, sealed: Uint8Array, associated: Uint8Array): Uint8Array | undefined {
  assert(key.length === AEAD_KEY_BYTES && nonce.length === AEAD_NONCE_BYTES, 'AES-256-GCM takes a 32-byte key and a 12-byte nonce');
  if (sealed.length < AEAD_TAG_BYTES) return undefined;
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: AEAD_TAG_BYTES });
  decipher.setAAD(associated);
  decipher.setAuthTag(sealed.subarray(sealed.length - AEAD_TAG_BYTES));
  const plaintext = decipher.update(sealed.subarray(0, sealed.length - AEAD_TAG_BYTES));
  try {
    // Gives no more bytes: GCM is a stream.
    decipher.final();
    return new Uint8Array(plaintext.buffer, plaintext.byteOffset, plaintext.length);
  } catch {
    // `final` fails for one cause only: the tag does not match.
    return undefined;
  }
}
