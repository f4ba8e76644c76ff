/**
 * What may be asked of the KV store (`docs/protocol.md` clause 13): every field of a sealed body, a query or a path, read strictly and
 * before anything is done. Throws a reason for the first that is wrong. Pure.
 */
import { Refusal } from '../core/errors.ts';
import { BATCH_OPERATIONS_MAX, KEY_BYTES_MAX, LIST_KEYS_MAX, OPERATORS_MAX, TTL_MS_MAX, VALUE_BYTES_MAX } from '../core/limits.ts';
import { isKey } from '../core/store/record.ts';
import { parseBase64 } from '../core/wire/bytes.ts';
import { isPlainText } from '../core/wire/text.ts';
import { isJsonObject, unknownMember } from '../core/wire/json.ts';
import type { Blocks } from '../core/chain/view.ts';
import type { PutOptions, WriteOptions } from '../core/store/interface.ts';
import type { RequestReason } from '../core/errors.ts';
import type { JsonObject } from '../core/wire/json.ts';

export interface PutOperation {
  readonly op: 'put';
  readonly key: string;
  readonly value: Uint8Array;
  readonly options: PutOptions;
}

export interface DeleteOperation {
  readonly op: 'delete';
  readonly key: string;
  readonly options: WriteOptions;
}

export interface GetOperation {
  readonly op: 'get';
  readonly key: string;
}

export interface ListOperation {
  readonly op: 'list';
  readonly prefix: string;
  readonly limit: number;
  /** The last key of the page before. */
  readonly after: string | undefined;
}

export type Operation = PutOperation | DeleteOperation | GetOperation | ListOperation;

/** On how many nodes a write has to lie; `undefined`: the default. */
export type WantedReplicas = number | 'majority' | undefined;

/** The key that a cursor of this prefix names; `undefined` for what is no such cursor. */
export type OpenCursor = (prefix: string, cursor: string) => string | undefined;

export interface Write<Op> {
  readonly operation: Op;
  readonly replicas: WantedReplicas;
}

export interface BatchRequest {
  readonly operations: readonly Operation[];
  readonly replicas: WantedReplicas;
}

/** Below it every path is a key. */
export const DATA_PATH = '/kms/data/';

const FIELDS = {
  put: ['key', 'value', 'ttl_ms', 'if_version', 'when_full'],
  delete: ['key', 'if_version'],
  get: ['key'],
  list: ['prefix', 'limit', 'cursor'],
} as const satisfies Record<Operation['op'], readonly string[]>;

/** Names of a list's query, and what is said of a value that is none. */
const MALFORMED: readonly (readonly [string, RequestReason])[] = [
  ['prefix', 'prefix_malformed'],
  ['limit', 'limit_malformed'],
  ['cursor', 'cursor_malformed'],
];

export function parsePut(body: JsonObject): Write<PutOperation> {
  requireKnown(body, [...FIELDS.put, 'min_replicas']);
  return { operation: putOf(body), replicas: replicasOf(body) };
}

export function parseDelete(body: JsonObject): Write<DeleteOperation> {
  requireKnown(body, [...FIELDS.delete, 'min_replicas']);
  return { operation: deleteOf(body), replicas: replicasOf(body) };
}

/** All of it or nothing: a refusal names the operation by its index. */
export function parseBatch(body: JsonObject, open: OpenCursor): BatchRequest {
  requireKnown(body, ['operations', 'min_replicas']);
  const { operations } = body;
  if (!Array.isArray(operations) || operations.length === 0 || operations.length > BATCH_OPERATIONS_MAX)
    throw new Refusal('operations_malformed', 'no list of as many as may be');
  return {
    operations: operations.map((each: unknown, index) => located(index, () => operationOf(each, open))),
    replicas: replicasOf(body),
  };
}

/** Of `GET /kms/data`: `search` as the URL has it, with its `?` or empty. */
export function parseListQuery(search: string, open: OpenCursor): ListOperation {
  const named = new Map<string, string>();
  for (const pair of search === '' ? [] : search.slice(1).split('&')) {
    const at = pair.indexOf('=');
    const name = MALFORMED.find(([known]) => known === pair.slice(0, at < 0 ? undefined : at));
    if (!name) throw new Refusal('field_unknown', 'in the query');
    // A plus is a space here, as forms write it; in a path it is a plus.
    const text = at < 0 || named.has(name[0]) ? undefined : percentDecoded(pair.slice(at + 1).replaceAll('+', ' '));
    if (text === undefined) throw new Refusal(name[1]);
    named.set(name[0], text);
  }
  const limit = named.get('limit');
  if (limit !== undefined && !/^\d{1,5}$/.test(limit)) throw new Refusal('limit_malformed');
  return listOf({ ...Object.fromEntries(named), ...(limit !== undefined && { limit: Number(limit) }) }, open);
}

/** Everything after `/kms/data/`, slashes and all, percent-decoded: one key. */
export function parseKeyPath(pathname: string): GetOperation {
  return { op: 'get', key: keyOf(percentDecoded(pathname.slice(DATA_PATH.length))) };
}

function operationOf(value: unknown, open: OpenCursor): Operation {
  const op = isJsonObject(value) ? value['op'] : undefined;
  if (!isJsonObject(value) || typeof op !== 'string' || !Object.hasOwn(FIELDS, op)) throw new Refusal('operations_malformed', 'no such op');
  const name = op as Operation['op'];
  requireKnown(value, ['op', ...FIELDS[name]]);
  if (name === 'put') return putOf(value);
  if (name === 'delete') return deleteOf(value);
  return name === 'get' ? { op: 'get', key: keyOf(value['key']) } : listOf(value, open);
}

function located<T>(operation: number, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    throw new Refusal(error.reason, `operation ${operation}`, error, { ...error.facts, operation });
  }
}

function putOf(fields: JsonObject): PutOperation {
  const { ttl_ms: ttlMs = 0, when_full: whenFull = 'refuse' } = fields;
  const key = keyOf(fields['key']);
  const value = valueOf(fields['value']);
  if (typeof ttlMs !== 'number' || !Number.isInteger(ttlMs) || ttlMs < 0 || ttlMs > TTL_MS_MAX) throw new Refusal('ttl_malformed');
  if (whenFull !== 'refuse' && whenFull !== 'evict') throw new Refusal('when_full_malformed');
  // Clients of the platform send 0 for what does not expire.
  return { op: 'put', key, value, options: { ...versionOf(fields), whenFull, ...(ttlMs > 0 && { ttlMs }) } };
}

function deleteOf(fields: JsonObject): DeleteOperation {
  return { op: 'delete', key: keyOf(fields['key']), options: versionOf(fields) };
}

function listOf({ prefix = '', limit = LIST_KEYS_MAX, cursor }: JsonObject, open: OpenCursor): ListOperation {
  if (!isPlainText(prefix, KEY_BYTES_MAX)) throw new Refusal('prefix_malformed');
  if (typeof limit !== 'number' || !Number.isInteger(limit) || limit < 1 || limit > LIST_KEYS_MAX) throw new Refusal('limit_malformed');
  if (cursor === undefined) return { op: 'list', prefix, limit, after: undefined };
  const after = typeof cursor === 'string' ? open(prefix, cursor) : undefined;
  if (after === undefined) throw new Refusal('cursor_malformed');
  return { op: 'list', prefix, limit, after };
}

function requireKnown(fields: JsonObject, known: readonly string[]): void {
  if (unknownMember(fields, known) !== undefined) throw new Refusal('field_unknown');
}

function keyOf(value: unknown): string {
  if (typeof value !== 'string' || !isKey(value)) throw new Refusal('key_malformed');
  return value;
}

function valueOf(value: unknown): Uint8Array {
  const bytes = typeof value === 'string' ? parseBase64(value) : undefined;
  if (!bytes) throw new Refusal('value_malformed');
  if (bytes.length > VALUE_BYTES_MAX) throw new Refusal('value_too_large', `${bytes.length} bytes`);
  return bytes;
}

function versionOf({ if_version: ifVersion }: JsonObject): WriteOptions {
  if (ifVersion === undefined) return {};
  if (ifVersion !== null && !(typeof ifVersion === 'string' && /^[\w-]{22}$/.test(ifVersion))) throw new Refusal('version_malformed');
  return { ifVersion };
}

function replicasOf({ min_replicas: wanted }: JsonObject): WantedReplicas {
  if (wanted === undefined || wanted === 'majority') return wanted;
  if (typeof wanted !== 'number' || !Number.isInteger(wanted) || wanted < 1 || wanted > OPERATORS_MAX)
    throw new Refusal('min_replicas_malformed');
  return wanted;
}

/** `undefined` for an escape that is none, and for what is not UTF-8. */
function percentDecoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    if (error instanceof URIError) return undefined;
    throw error;
  }
}

/** How many nodes are to hold a write; by the confirmed chain, this node and every other live one. */
export function wantedReplicas(asked: WantedReplicas, blocks: Blocks | undefined): number {
  const members = blocks?.confirmed.operators.filter(({ live }) => live).length ?? 1;
  if (asked === 'majority') return Math.floor(members / 2) + 1;
  return asked ?? Math.min(2, members);
}
