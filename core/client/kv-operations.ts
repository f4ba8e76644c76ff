/**
 * What may be asked of the KV store (`docs/protocol.md` clause 13), as an app names it and as it goes on the wire. Throws
 * `bad_argument` for what every node would refuse.
 */
import { BATCH_OPERATIONS_MAX, KEY_BYTES_MAX, LIST_KEYS_MAX, OPERATORS_MAX, TTL_MS_MAX, VALUE_BYTES_MAX } from '../limits.ts';
import { base64, utf8 } from '../wire/bytes.ts';
import { isPlainText } from '../wire/text.ts';
import { isJsonObject, unknownMember } from '../wire/json.ts';
import { KmsError, printable } from './error.ts';
import type { Json } from '../wire/json.ts';

/** Of a value that is put. */
export interface ValueOptions {
  /** How long it can be read, 1 to 315,360,000,000 (ten years); default for ever. */
  readonly ttlMs?: number;
  /** When the app's quota is full: refuse (default), or delete what was used least recently to make room. */
  readonly whenFull?: 'refuse' | 'evict';
}

/** Of a put or a delete. */
export interface VersionOptions {
  /** Only when this version is there now; `null`: only when nothing is. */
  readonly ifVersion?: string | null;
}

/** Of a call that writes. */
export interface ReplicaOptions {
  /** On how many nodes the writes must lie before the answer comes without delay; default 2, or 1 where there is one node. */
  readonly minReplicas?: number | 'majority';
}

/** Of a page of keys. */
export interface ListOptions {
  /** Keys that begin so; default all. */
  readonly prefix?: string;
  /** Keys in the page, 1 to 10,000; default as many. */
  readonly limit?: number;
  /** Where the page before ended; a page names its own. */
  readonly cursor?: string | null;
}

export type KvOperation =
  | ({ readonly op: 'put'; readonly key: string; readonly value: Uint8Array | string } & ValueOptions & VersionOptions)
  | ({ readonly op: 'delete'; readonly key: string } & VersionOptions)
  | { readonly op: 'get'; readonly key: string }
  | ({ readonly op: 'list' } & ListOptions);

export type WireOperation = { readonly [name: string]: Json | undefined };

const OPTIONS = {
  put: ['key', 'value', 'ttlMs', 'whenFull', 'ifVersion'],
  delete: ['key', 'ifVersion'],
  get: ['key'],
  list: ['prefix', 'limit', 'cursor'],
} as const satisfies Record<KvOperation['op'], readonly string[]>;

export function wireOperations(operations: readonly KvOperation[]): readonly WireOperation[] {
  if (!Array.isArray(operations) || operations.length === 0 || operations.length > BATCH_OPERATIONS_MAX)
    throw bad(`operations must be a list of 1 to ${BATCH_OPERATIONS_MAX}.`);
  return operations.map(wireOperation);
}

/** Of any type that an app without a compiler may hand in. */
export function wireOperation(operation: object): WireOperation {
  if (!isJsonObject(operation) || typeof operation['op'] !== 'string' || !Object.hasOwn(OPTIONS, operation['op']))
    throw bad('an operation must have an op that is put, get, delete or list.');
  const asked = operation as KvOperation;
  const known = OPTIONS[asked.op];
  const stranger = unknownMember(operation, ['op', ...known]);
  if (stranger !== undefined) throw bad(`${asked.op} has no ${printable(stranger)}; it has ${known.join(', ')}.`);
  switch (asked.op) {
    case 'put': {
      const { ttlMs, whenFull } = asked;
      if (ttlMs !== undefined && !isWhole(ttlMs, TTL_MS_MAX)) throw bad(`ttlMs must be a whole number from 1 to ${TTL_MS_MAX}.`);
      if (whenFull !== undefined && whenFull !== 'refuse' && whenFull !== 'evict') throw bad('whenFull must be "refuse" or "evict".');
      const value = base64(bytesOf(asked.value));
      return { op: 'put', key: keyOf(asked.key), value, ttl_ms: ttlMs, when_full: whenFull, if_version: versionOf(asked) };
    }
    case 'delete':
      return { op: 'delete', key: keyOf(asked.key), if_version: versionOf(asked) };
    case 'get':
      return { op: 'get', key: keyOf(asked.key) };
    case 'list':
      return { op: 'list', ...listOf(asked) };
  }
}

function listOf({ prefix, limit, cursor }: ListOptions): WireOperation {
  if (prefix !== undefined && !isPlainText(prefix, KEY_BYTES_MAX)) throw bad(`prefix must be a text of at most ${TEXT}.`);
  if (limit !== undefined && !isWhole(limit, LIST_KEYS_MAX)) throw bad(`limit must be a whole number from 1 to ${LIST_KEYS_MAX}.`);
  if (cursor !== undefined && cursor !== null && !(typeof cursor === 'string' && /^[\w-]+$/.test(cursor)))
    throw bad('cursor must be what a page named, or null.');
  return { prefix, limit, cursor: cursor ?? undefined };
}

/** For the wire's `min_replicas`. */
export function replicasOf({ minReplicas }: ReplicaOptions): number | 'majority' | undefined {
  if (minReplicas !== undefined && minReplicas !== 'majority' && !isWhole(minReplicas, OPERATORS_MAX))
    throw bad(`minReplicas must be a whole number from 1 to ${OPERATORS_MAX}, or "majority".`);
  return minReplicas;
}

export function isVersion(value: unknown): value is string {
  return typeof value === 'string' && /^[\w-]{22}$/.test(value);
}

const TEXT = `${KEY_BYTES_MAX} bytes of well-formed UTF-8 without control characters`;

function keyOf(key: unknown): string {
  if (!isPlainText(key, KEY_BYTES_MAX) || key === '') throw bad(`key must be a text of 1 to ${TEXT}.`);
  return key;
}

function bytesOf(value: unknown): Uint8Array {
  const bytes = typeof value === 'string' && value.isWellFormed() ? utf8(value) : value;
  if (!(bytes instanceof Uint8Array) || bytes.length > VALUE_BYTES_MAX)
    throw bad(`value must be a Uint8Array or a well-formed text, at most ${VALUE_BYTES_MAX} bytes.`);
  return bytes;
}

function versionOf({ ifVersion }: VersionOptions): string | null | undefined {
  if (ifVersion !== undefined && ifVersion !== null && !isVersion(ifVersion))
    throw bad('ifVersion must be a version as an answer named it, or null.');
  return ifVersion;
}

function isWhole(value: unknown, max: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= max;
}

function bad(message: string): KmsError {
  return new KmsError('bad_argument', message);
}
