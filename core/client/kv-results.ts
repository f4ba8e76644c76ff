/**
 * What a node answers to a batch (`docs/protocol.md` clause 13), read strictly against what was asked. The node has vouched for it by
 * then; that it is of this app and of these keys is checked here. Throws `AttemptFailed` for everything else.
 */
import { KEY_BYTES_MAX, VALUE_BYTES_MAX } from '../limits.ts';
import { parseBase64 } from '../wire/bytes.ts';
import { isPlainText } from '../wire/text.ts';
import { isJsonObject } from '../wire/json.ts';
import { AttemptFailed, printable } from './error.ts';
import { isVersion } from './kv-operations.ts';
import type { AppId } from '../identity.ts';
import type { JsonObject } from '../wire/json.ts';
import type { Facts } from './error.ts';
import type { WireOperation } from './kv-operations.ts';

export interface KvValue {
  readonly value: Uint8Array;
  /** Of this write of this key and no other: what `ifVersion` takes. */
  readonly version: string;
  readonly updatedAtMs: number;
  readonly expiresAtMs: number | null;
}

/** What every write tells. */
export interface KvWrite {
  readonly version: string;
  readonly updatedAtMs: number;
  /** On how many nodes it lies, the one that answered among them. */
  readonly replicas: number;
  /** Whether these are as many as were asked for. When not, it stands all the same, and the others get it as soon as they can. */
  readonly isReplicated: boolean;
  /** The version of another write that was later, and won. */
  readonly supersededBy: string | undefined;
}

export interface KvPut extends KvWrite {
  readonly expiresAtMs: number | null;
  /** How many keys were deleted to make room. */
  readonly evicted: number;
}

export interface KvDelete extends KvWrite {
  /** Whether there was a value. */
  readonly existed: boolean;
}

export interface KvPage {
  /** Ascending by UTF-16 code units. */
  readonly keys: readonly string[];
  /** For the next page; `null` at the end. */
  readonly cursor: string | null;
}

/** Of one operation, by the node. */
export interface KvRefusal {
  readonly reason: string;
  readonly status: number;
  readonly message: string;
  readonly facts: Facts;
}

export type KvResult =
  | ({ readonly kind: 'put' } & KvPut)
  | ({ readonly kind: 'delete' } & KvDelete)
  /** `undefined`: there is no such key on that node, or its value has expired. */
  | { readonly kind: 'get'; readonly found: KvValue | undefined }
  | ({ readonly kind: 'list' } & KvPage)
  | ({ readonly kind: 'refused' } & KvRefusal);

/** One result for each operation, in their order. */
export function readResults(answer: JsonObject, operations: readonly WireOperation[], appId: AppId): readonly KvResult[] {
  const { app_id: named, results } = answer;
  const isOurs = typeof named === 'number' && Number.isSafeInteger(named) && BigInt(named) === appId;
  if (!isOurs) throw other('the answer is of another app');
  if (!Array.isArray(results) || results.length !== operations.length) throw other('the answer has not one result for each operation');
  return operations.map((operation, index) => readResult(results[index], operation));
}

function readResult(result: unknown, asked: WireOperation): KvResult {
  if (!isJsonObject(result)) throw other('a result is no object');
  const { status } = result;
  if (status !== 200 && status !== 202) return readRefusal(result, asked);
  if (asked['op'] === 'list') return { kind: 'list', ...readPage(result, asked) };
  if (result['key'] !== asked['key']) throw other('a result is of another key');
  if (asked['op'] === 'get') return { kind: 'get', found: readValue(result) };
  const write = readWrite(result, status === 200);
  if (asked['op'] === 'put') return { kind: 'put', ...write, ...readPut(result, asked) };
  const { deleted, existed } = result;
  if (deleted !== true || typeof existed !== 'boolean') throw other('a result says of no delete');
  return { kind: 'delete', ...write, existed };
}

function readWrite(result: JsonObject, isReplicated: boolean): KvWrite {
  const { replicas, superseded_by: supersededBy } = result;
  if (typeof replicas !== 'number' || !Number.isSafeInteger(replicas) || replicas < 1) throw other('a write names no replicas');
  if (supersededBy !== undefined && !isVersion(supersededBy)) throw other('a write is superseded by no version');
  return { ...readStamp(result), replicas, isReplicated, supersededBy };
}

function readStamp({ version, updated_at_ms: updatedAtMs }: JsonObject): { readonly version: string; readonly updatedAtMs: number } {
  if (!isVersion(version) || !isCount(updatedAtMs)) throw other('a result names no version and time');
  return { version, updatedAtMs };
}

function readPut(result: JsonObject, { ttl_ms: ttlMs }: WireOperation): { readonly expiresAtMs: number | null; readonly evicted: number } {
  const { expires_at_ms: expiresAtMs, evicted = 0 } = result;
  const expires = ttlMs === undefined ? expiresAtMs === null : isCount(expiresAtMs);
  if (!expires || !isCount(evicted)) throw other('a put has another expiry than was asked for');
  return { expiresAtMs: expiresAtMs as number | null, evicted };
}

function readValue(result: JsonObject): KvValue {
  const { value: encoded, expires_at_ms: expiresAtMs } = result;
  const value = typeof encoded === 'string' ? parseBase64(encoded) : undefined;
  if (!value || value.length > VALUE_BYTES_MAX) throw other('a value is none');
  if (expiresAtMs !== null && !isCount(expiresAtMs)) throw other('a value has no expiry, not even null');
  return { value, ...readStamp(result), expiresAtMs };
}

function readPage(result: JsonObject, { prefix = '', limit = Infinity }: WireOperation): KvPage {
  const { keys, count, cursor } = result;
  const isPage = Array.isArray(keys) && keys.length === count && keys.length <= (limit as number);
  if (!isPage || !keys.every((key) => isPlainText(key, KEY_BYTES_MAX) && key !== '' && key.startsWith(prefix as string)))
    throw other('a page has other keys than were asked for');
  const texts: readonly string[] = keys;
  if (texts.some((key, index) => index > 0 && key <= (texts[index - 1] as string))) throw other('a page is not in order');
  const isEnd = cursor === null;
  if (!isEnd && !(typeof cursor === 'string' && /^[\w-]+$/.test(cursor) && texts.length > 0))
    throw other('a page has no cursor, not even null');
  return { keys: texts, cursor: isEnd ? null : (cursor as string) };
}

/** A key that is not there is no refusal to whoever gets it. */
function readRefusal({ status, code, reason, message, ...rest }: JsonObject, { op }: WireOperation): KvResult {
  const isStatus = typeof status === 'number' && Number.isInteger(status) && status >= 400 && status <= 599;
  if (!isStatus || typeof code !== 'string' || typeof reason !== 'string' || !/^[a-z_]{1,40}$/.test(reason) || typeof message !== 'string')
    throw other('a result is neither done nor refused');
  if (op === 'get' && reason === 'key_not_found') return { kind: 'get', found: undefined };
  return { kind: 'refused', reason, status, message: printable(message), facts: readFacts(rest) };
}

function readFacts(members: JsonObject): Facts {
  const facts: [string, string | number | null][] = [];
  for (const [name, value] of Object.entries(members)) {
    if (value === null || typeof value === 'number') facts.push([name, value]);
    else if (typeof value === 'string') facts.push([name, printable(value)]);
    else throw other('a refusal has facts that are none');
  }
  const { current_version: version = null } = Object.fromEntries(facts);
  if (version !== null && !isVersion(version)) throw other('a refusal names no version');
  return Object.fromEntries(facts);
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function other(what: string): AttemptFailed {
  return new AttemptFailed('other_answer', what);
}
