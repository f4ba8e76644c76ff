/** HMAC-SHA256 (RFC 2104), by the host: values are long. */
import { createHmac } from 'node:crypto';

/** 32 bytes. */
export function hmacSha256(key: Uint8Array, message: Uint8Array): Uint8Array {
  return new Uint8Array(createHmac('sha256', key).update(message).digest());
}
