/** SHA-256 (FIPS 180-4), where bytes are named by their digest. */
import { sha256 } from '@noble/hashes/sha2.js';
import { encodeContentDigest } from '../wire/httpsig.ts';

/** 32 bytes. */
export function digestOf(bytes: Uint8Array): Uint8Array {
  return sha256(bytes);
}

/** The `Content-Digest` field of a body (RFC 9530). */
export function contentDigestOf(body: Uint8Array): string {
  return encodeContentDigest(digestOf(body));
}
