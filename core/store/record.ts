/**
 * Records (`docs/protocol.md` clause 13.2). The header is the record's identity and never changes; the sealed body and the vector clock
 * hang on it. The body is sealed under the app's data key of some epoch with the header as associated data, so it fits no other app,
 * key, time or writer. The header commits to the value under a random key that is sealed with it: peers compare it, it tells nothing,
 * and it outlives every epoch.
 */
import { Buffer } from 'node:buffer';
import { digestOf } from '../crypto/digest.ts';
import { hmacSha256 } from '../crypto/hmac.ts';
import { openBytes, sealBytes, AEAD_NONCE_BYTES, AEAD_TAG_BYTES } from '../crypto/aead.ts';
import { KEY_BYTES_MAX } from '../limits.ts';
import { parseAppId, parseWallet } from '../identity.ts';
import { concat, equalBytes, hex, parseUtf8, utf8 } from '../wire/bytes.ts';
import { isPlainText } from '../wire/text.ts';
import type { AppId, Epoch } from '../identity.ts';
import type { Random } from '../ports.ts';
import type { HybridTime } from './clock.ts';
import type { VectorClock } from './version.ts';

/** Which write, of all there ever were: 128 random bits of a boot, as hex, and a count that never restarts within it. */
export interface Dot {
  readonly incarnation: string;
  readonly counter: number;
}

export type RecordKind = 'value' | 'tombstone';

export interface Header extends Dot, HybridTime {
  readonly appId: AppId;
  readonly key: string;
  readonly kind: RecordKind;
  /** Milliseconds since 1970; 0: never. */
  readonly expiresAtMs: number;
  /** HMAC-SHA256 of the value under its random key; 32 zero bytes for a tombstone. */
  readonly commitment: Uint8Array;
}

/** A record as it travels. A tombstone and a value past its expiry travel with an empty body, sealed as well. */
export interface TravellingRecord {
  /** As `encodeHeader` makes it. */
  readonly header: Uint8Array;
  readonly clock: VectorClock;
  readonly epoch: Epoch;
  readonly isEmpty: boolean;
  /** nonce ‖ ciphertext ‖ tag. */
  readonly sealed: Uint8Array;
}

export const INCARNATION_BYTES = 16;
export const RECORD_ID_BYTES = 16;
export const COMMITMENT_BYTES = 32;
const COMMITMENT_KEY_BYTES = 32;
/** What sealing adds to a value. */
export const SEAL_BYTES = AEAD_NONCE_BYTES + COMMITMENT_KEY_BYTES + AEAD_TAG_BYTES;

const VERSION = 1;
const KINDS: readonly RecordKind[] = ['value', 'tombstone'];
const INCARNATION_AT = 2;
const COUNTER_AT = INCARNATION_AT + INCARNATION_BYTES;
const MS_AT = COUNTER_AT + 8;
const LOGICAL_AT = MS_AT + 8;
const ORIGIN_AT = LOGICAL_AT + 4;
const EXPIRES_AT = ORIGIN_AT + 20;
const APP_AT = EXPIRES_AT + 8;
const COMMITMENT_AT = APP_AT + 32;
const KEY_AT = COMMITMENT_AT + COMMITMENT_BYTES;

/** Well-formed Unicode without control characters, 1 to 512 bytes of UTF-8: what an app may name, and so all that a peer may. */
export function isKey(text: string): boolean {
  return text !== '' && isPlainText(text, KEY_BYTES_MAX);
}

/** Fields of fixed length first, big-endian, then the key in UTF-8: one encoding for one header. */
export function encodeHeader(header: Header): Uint8Array {
  return encodeFields(header, header.commitment);
}

/** The same, from a record whose commitment lies elsewhere. */
export function encodeFields(header: Omit<Header, 'commitment'>, commitment: Uint8Array): Uint8Array {
  // Small and short-lived, so from the host's pool: every read and write makes one.
  const bytes = Buffer.allocUnsafe(KEY_AT + Buffer.byteLength(header.key));
  bytes[0] = VERSION;
  bytes[1] = header.kind === 'value' ? 0 : 1;
  bytes.write(header.incarnation, INCARNATION_AT, 'hex');
  writeCount(bytes, header.counter, COUNTER_AT);
  writeCount(bytes, header.ms, MS_AT);
  bytes.writeUInt32BE(header.logical, LOGICAL_AT);
  bytes.write(header.origin.slice(2), ORIGIN_AT, 'hex');
  writeCount(bytes, header.expiresAtMs, EXPIRES_AT);
  bytes.write(header.appId.toString(16).padStart(64, '0'), APP_AT, 'hex');
  bytes.set(commitment, COMMITMENT_AT);
  bytes.write(header.key, KEY_AT, 'utf8');
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** `undefined` for what `encodeHeader` never makes. */
export function decodeHeader(bytes: Uint8Array): Header | undefined {
  if (bytes.length <= KEY_AT || bytes.length > KEY_AT + KEY_BYTES_MAX || bytes[0] !== VERSION) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const kind = KINDS[bytes[1] as number];
  const key = parseUtf8(bytes.subarray(KEY_AT));
  const counter = safeCount(view.getBigUint64(COUNTER_AT));
  const ms = safeCount(view.getBigUint64(MS_AT));
  const expiresAtMs = safeCount(view.getBigUint64(EXPIRES_AT));
  const appId = parseAppId(BigInt(`0x${hex(bytes.subarray(APP_AT, COMMITMENT_AT))}`));
  const origin = parseWallet(hex(bytes.subarray(ORIGIN_AT, EXPIRES_AT)));
  if (!kind || key === undefined || !isKey(key) || appId === undefined || !origin) return undefined;
  if (counter === undefined || ms === undefined || expiresAtMs === undefined) return undefined;
  const commitment = bytes.slice(COMMITMENT_AT, KEY_AT);
  if (kind === 'tombstone' && (expiresAtMs !== 0 || commitment.some((byte) => byte !== 0))) return undefined;
  const incarnation = hex(bytes.subarray(INCARNATION_AT, COUNTER_AT));
  return { incarnation, counter, ms, logical: view.getUint32(LOGICAL_AT), origin, appId, key, kind, expiresAtMs, commitment };
}

/** The first 16 bytes of the header's SHA-256: equal for the same record, on every node. */
export function recordId(header: Uint8Array): Uint8Array {
  return digestOf(header).slice(0, RECORD_ID_BYTES);
}

export interface Committed {
  readonly commitment: Uint8Array;
  /** commitment key ‖ value: what is sealed. */
  readonly body: Uint8Array;
}

export function commitTo(value: Uint8Array, random: Random): Committed {
  const key = random.bytes(COMMITMENT_KEY_BYTES);
  return { commitment: hmacSha256(key, value), body: concat(key, value) };
}

/** Whether an opened body holds the value that the header commits to. */
export function isCommitted(body: Uint8Array, commitment: Uint8Array): boolean {
  if (body.length < COMMITMENT_KEY_BYTES) return false;
  return equalBytes(hmacSha256(body.subarray(0, COMMITMENT_KEY_BYTES), valueOf(body)), commitment);
}

/** The value of a body that was compared with its commitment when it came. */
export function valueOf(body: Uint8Array): Uint8Array {
  return body.subarray(COMMITMENT_KEY_BYTES);
}

/** nonce ‖ ciphertext ‖ tag of `body`, bound to the header. */
export function sealBody(key: Uint8Array, header: Uint8Array, body: Uint8Array, random: Random): Uint8Array {
  const nonce = random.bytes(AEAD_NONCE_BYTES);
  const isEmpty = body.length === 0;
  return concat(nonce, sealBytes(key, nonce, isEmpty ? emptyBody() : body, associatedOf(header, isEmpty)));
}

/** `undefined` when it does not authenticate under that key and header. */
export function openBody(key: Uint8Array, header: Uint8Array, sealed: Uint8Array, isEmpty: boolean): Uint8Array | undefined {
  if (sealed.length < AEAD_NONCE_BYTES) return undefined;
  const body = openBytes(key, sealed.subarray(0, AEAD_NONCE_BYTES), sealed.subarray(AEAD_NONCE_BYTES), associatedOf(header, isEmpty));
  if (!isEmpty || !body) return body;
  return equalBytes(body, emptyBody()) ? new Uint8Array(0) : undefined;
}

/** What an empty body is sealed as: workerd opens no ciphertext of no bytes. */
function emptyBody(): Uint8Array {
  return Uint8Array.of(0);
}

function associatedOf(header: Uint8Array, isEmpty: boolean): Uint8Array {
  // From the host's pool, as it is gone at once: memory of its own costs more than the copy.
  return Buffer.concat([isEmpty ? EMPTY_LABEL : VALUE_LABEL, header]);
}

const VALUE_LABEL = utf8('nova-kms:record:1:value:');
const EMPTY_LABEL = utf8('nova-kms:record:1:empty:');

function safeCount(value: bigint): number | undefined {
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : undefined;
}

/** A safe integer as 64 bits, big-endian. */
function writeCount(bytes: Buffer, count: number, at: number): void {
  bytes.writeUInt32BE(Math.floor(count / 2 ** 32), at);
  bytes.writeUInt32BE(count % 2 ** 32, at + 4);
}
