/**
 * A record as it lies in memory. Its bytes are one string of one-byte characters: id ‖ commitment ‖ sealed body. A Uint8Array of its own
 * would cost some three hundred bytes of objects beside what it holds, and a shared one would keep what was deleted.
 */
import { Buffer } from 'node:buffer';
import { RECORD_CHARGE_BYTES } from '../limits.ts';
import { COMMITMENT_BYTES, encodeFields, RECORD_ID_BYTES, SEAL_BYTES } from './record.ts';
import type { Epoch } from '../identity.ts';
import type { StoredRecord } from './interface.ts';
import type { Header } from './record.ts';
import type { VectorClock } from './version.ts';

const SEALED_AT = RECORD_ID_BYTES + COMMITMENT_BYTES;

export interface Stored extends StoredRecord {
  clock: VectorClock;
  /** Under whose key the body is sealed; of no meaning without one. */
  epoch: Epoch;
  bytes: string;
  /** When it was deleted or seen expired, by elapsed time; `undefined` while it is alive. */
  deadSinceMs: number | undefined;
  /** Neighbours in the order of use, while it is alive. */
  older: Stored | undefined;
  newer: Stored | undefined;
}

export interface Parts {
  readonly sequence: number;
  readonly clock: VectorClock;
  readonly epoch: Epoch;
  /** 16 bytes. */
  readonly id: Uint8Array;
  /** nonce ‖ ciphertext ‖ tag; none when it is dead. */
  readonly sealed: Uint8Array | undefined;
  readonly deadSinceMs: number | undefined;
}

export function storedOf(header: Header, { sequence, clock, epoch, id, sealed, deadSinceMs }: Parts): Stored {
  const { appId, key, kind, incarnation, counter, ms, logical, origin, expiresAtMs, commitment } = header;
  const fields = { appId, key, kind, incarnation, counter, ms, logical, origin, expiresAtMs };
  const bytes = packed(Buffer.concat(sealed ? [id, commitment, sealed] : [id, commitment]));
  return { ...fields, sequence, clock, epoch, bytes, deadSinceMs, older: undefined, newer: undefined };
}

export function idOf({ bytes }: Stored): Uint8Array {
  return unpacked(bytes.slice(0, RECORD_ID_BYTES));
}

/** The id as it is kept in sets and compared. */
export function idTextOf({ bytes }: Stored): string {
  return copied(bytes.slice(0, RECORD_ID_BYTES));
}

/** 22 characters of base64url: what callers know of a record's id. */
export function versionOf(id: Uint8Array): string {
  return Buffer.from(id.buffer, id.byteOffset, id.byteLength).toString('base64url');
}

function commitmentOf({ bytes }: Stored): Uint8Array {
  return unpacked(bytes.slice(RECORD_ID_BYTES, SEALED_AT));
}

/** Empty when it is dead. */
export function sealedOf({ bytes }: Stored): Uint8Array {
  return unpacked(bytes.slice(SEALED_AT));
}

export function headerBytesOf(record: Stored): Uint8Array {
  return encodeFields(record, commitmentOf(record));
}

/** Deleted, or its value was wiped after its expiry. */
export function isDead({ deadSinceMs }: Stored): boolean {
  return deadSinceMs !== undefined;
}

export function isExpired({ expiresAtMs }: Pick<StoredRecord, 'expiresAtMs'>, nowMs: number): boolean {
  return expiresAtMs !== 0 && expiresAtMs <= nowMs;
}

export function reseal(record: Stored, epoch: Epoch, sealed: Uint8Array): void {
  record.bytes = packed(Buffer.concat([unpacked(record.bytes.slice(0, SEALED_AT)), sealed]));
  record.epoch = epoch;
}

/** Its value is gone; who it was stays. */
export function wipe(record: Stored, elapsedMs: number): void {
  record.bytes = copied(record.bytes.slice(0, SEALED_AT));
  record.deadSinceMs = elapsedMs;
}

/** What a quota charges for it. */
export function chargeOf(record: Stored): number {
  return chargeFor(record.key, isDead(record) ? 0 : record.bytes.length - SEALED_AT - SEAL_BYTES);
}

export function chargeFor(key: string, valueBytes: number): number {
  return Buffer.byteLength(key) + valueBytes + RECORD_CHARGE_BYTES;
}

/** Bytes as one-byte characters. */
export function packed(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}

export function unpacked(text: string): Uint8Array {
  const bytes = Buffer.from(text, 'latin1');
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** A slice of a string keeps all of it in memory. */
function copied(text: string): string {
  return packed(unpacked(text));
}
