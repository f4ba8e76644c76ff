/**
 * Stateless nonces (`docs/protocol.md` clause 2): random bytes and an issue time under a MAC of this boot's key. Issuing
 * stores nothing, so a flood of `/nonce` costs no memory and evicts nobody.
 */
import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { Refusal } from '../errors.ts';
import { NONCE_AHEAD_MAX_MS, NONCE_LIFETIME_MS } from '../limits.ts';
import { base64, concat, equalBytes, parseBase64, utf8 } from '../wire/bytes.ts';
import type { Clock, Random } from '../ports.ts';

const RANDOM_BYTES = 16;
const TIME_BYTES = 8;
const MAC_BYTES = 16;
const NONCE_BYTES = RANDOM_BYTES + TIME_BYTES + MAC_BYTES;

export interface Nonces {
  /** Standard padded base64 of 40 bytes; opaque to clients. */
  issue(): string;
  /** Throws `nonce_malformed`, `nonce_unknown` or `nonce_expired`. Single use is the replay set's business. */
  check(nonce: string): void;
}

export function createNonces({ clock, random }: { clock: Clock; random: Random }): Nonces {
  const keyed = hmac.create(sha256, random.bytes(32)).update(utf8('nova-kms:nonce:'));
  const macOf = (body: Uint8Array) => keyed.clone().update(body).digest().subarray(0, MAC_BYTES);

  return {
    issue() {
      const body = concat(random.bytes(RANDOM_BYTES), encodeTime(clock.nowMs()));
      return base64(concat(body, macOf(body)));
    },
    check(nonce) {
      const bytes = parseBase64(nonce);
      if (bytes?.length !== NONCE_BYTES) throw new Refusal('nonce_malformed');
      const body = bytes.subarray(0, RANDOM_BYTES + TIME_BYTES);
      if (!equalBytes(macOf(body), bytes.subarray(RANDOM_BYTES + TIME_BYTES))) throw new Refusal('nonce_unknown');
      const ageMs = clock.nowMs() - decodeTime(body.subarray(RANDOM_BYTES));
      if (ageMs > NONCE_LIFETIME_MS || ageMs < -NONCE_AHEAD_MAX_MS) throw new Refusal('nonce_expired');
    },
  };
}

function encodeTime(ms: number): Uint8Array {
  const bytes = new Uint8Array(TIME_BYTES);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(ms));
  return bytes;
}

function decodeTime(bytes: Uint8Array): number {
  return Number(new DataView(bytes.buffer, bytes.byteOffset, TIME_BYTES).getBigUint64(0));
}
