/**
 * The KV store of the calling app (`docs/protocol.md` clause 13): put, get, delete, list, and batches of them. What is asked is judged
 * and done in one synchronous stretch; then a write waits a moment for its replicas and says how many there are.
 */
import { safeNumber } from '../core/chain/registry.ts';
import { usableBlocks } from '../core/chain/view.ts';
import { Refusal } from '../core/errors.ts';
import {
  BATCH_OPERATIONS_PER_REQUEST,
  BATCH_ANSWER_BYTES_MAX,
  DATA_BODY_BYTES_MAX,
  DELETE_BODY_BYTES_MAX,
  LIST_BYTES_MAX,
  REPLICAS_MS_MAX,
} from '../core/limits.ts';
import { openCursor, sealCursor } from '../core/store/cursor.ts';
import { base64, utf8 } from '../core/wire/bytes.ts';
import { parseBatch, parseDelete, parseKeyPath, parseListQuery, parsePut, wantedReplicas } from './data-requests.ts';
import { refusalBody } from './reply.ts';
import type { Caller } from '../core/auth/standing.ts';
import type { Kms } from '../core/kms.ts';
import type { StoredRecord, Written } from '../core/store/interface.ts';
import type { Json, JsonObject } from '../core/wire/json.ts';
import type { GetOperation, ListOperation, OpenCursor, Operation, WantedReplicas, Write } from './data-requests.ts';
import type { Allowance, Endpoint, Outcome, Query } from './sealed.ts';

type Members = { readonly [name: string]: Json };

/** What an operation has to tell, and the record if it wrote one. */
interface Done {
  readonly told: Members;
  readonly written?: { readonly record: StoredRecord; readonly isConditional: boolean };
}

/** What one answer may hold. Throws the reason for which there is no more. */
interface Room {
  bytesLeft(): number;
  take(bytes: number): void;
}

interface Replicated {
  readonly replicas: number;
  readonly superseded: ReadonlyMap<StoredRecord, string>;
}

export const put = writing(parsePut, DATA_BODY_BYTES_MAX);
export const remove = writing(parseDelete, DELETE_BODY_BYTES_MAX);
export const list = reading(({ search }, open) => parseListQuery(search, open));
export const get = reading(({ pathname }) => parseKeyPath(pathname));

/** Each operation has its own status, and those that fail leave the others as they are. */
export const batch: Endpoint = {
  work: (kms, caller, body, allowance) => {
    const { operations, replicas } = parseBatch(body, cursorOpener(kms, caller));
    takeRate(kms, caller, operations.length);
    const room = batchRoomOf(allowance);
    const results = operations.map((operation) => attempted(() => perform(kms, caller, operation, room)));
    return batched(kms, caller, results, replicas, allowance);
  },
  bodyBytesMax: DATA_BODY_BYTES_MAX,
  requireMore: requireData,
};

function writing(parse: (body: JsonObject) => Write<Operation>, bodyBytesMax: number): Endpoint {
  return {
    work: (kms, caller, body, allowance) => {
      const { operation, replicas } = parse(body);
      return written(kms, caller, perform(kms, caller, operation, roomOf(allowance)), replicas, allowance);
    },
    bodyBytesMax,
    requireMore: requireData,
  };
}

function reading(parse: (url: URL, open: OpenCursor) => Operation): Query {
  return {
    work: (kms, caller, url, allowance) => {
      const operation = parse(url, cursorOpener(kms, caller));
      return { body: { ...ofApp(caller), ...perform(kms, caller, operation, roomOf(allowance)).told } };
    },
    requireMore: requireData,
  };
}

/** A large batch counts as several requests; the first was counted on the road. Throws `rate_limited`. */
function takeRate({ callerRate }: Kms, { wallet }: Caller, operations: number): void {
  for (let counted = BATCH_OPERATIONS_PER_REQUEST; counted < operations; counted += BATCH_OPERATIONS_PER_REQUEST)
    if (!callerRate.take(wallet)) throw new Refusal('rate_limited', `a batch of ${operations} operations`);
}

/** Throws the reason for which this node has not all the data yet. */
function requireData({ replication }: Kms): void {
  const gate = replication.gate();
  if (gate.kind === 'waiting') throw new Refusal(gate.reason, gate.detail);
}

function perform(kms: Kms, caller: Caller, operation: Operation, room: Room): Done {
  const { store } = kms;
  const { appId } = caller;
  switch (operation.op) {
    case 'put': {
      const { key, value, options } = operation;
      const done = store.put(appId, key, value, options);
      const { version, updatedAtMs, expiresAtMs, evicted } = done;
      kms.audit.record('value_written', { ...kms.audit.named(appId, key), version, bytes: value.length });
      for (const name of evicted) kms.audit.record('value_evicted', { ...kms.audit.named(appId, name), version });
      const told = { key, version, updated_at_ms: updatedAtMs, expires_at_ms: expiresAtMs };
      return { told: evicted.length > 0 ? { ...told, evicted: evicted.length } : told, written: writtenBy(done, options.ifVersion) };
    }
    case 'delete': {
      const { key, options } = operation;
      const done = store.delete(appId, key, options);
      const { existed, version, updatedAtMs } = done;
      kms.audit.record('value_deleted', { ...kms.audit.named(appId, key), version, existed });
      const told = { key, deleted: true, existed, version, updated_at_ms: updatedAtMs };
      return { told, written: writtenBy(done, options.ifVersion) };
    }
    case 'get':
      return { told: read(kms, caller, operation, room) };
    case 'list':
      return { told: page(kms, caller, operation, room) };
  }
}

function writtenBy({ record }: Written, ifVersion: string | null | undefined): NonNullable<Done['written']> {
  return { record, isConditional: ifVersion !== undefined };
}

function read({ store }: Kms, { appId }: Caller, { key }: GetOperation, room: Room): Members {
  // A batch whose answer is full opens no more values.
  room.take(0);
  const found = store.get(appId, key);
  if (!found) throw new Refusal('key_not_found');
  const value = base64(found.value);
  room.take(value.length);
  return { key, value, version: found.version, updated_at_ms: found.updatedAtMs, expires_at_ms: found.expiresAtMs };
}

function page(kms: Kms, caller: Caller, { prefix, limit, after }: ListOperation, room: Room): Members {
  room.take(0);
  const bytesMax = Math.min(LIST_BYTES_MAX, room.bytesLeft());
  const { keys, next } = kms.store.list(caller.appId, prefix, after, limit);
  let bytes = 0;
  const end = keys.findIndex((key) => (bytes += bytesInJson(key)) > bytesMax);
  if (end === 0) room.take(bytes);
  const shown = end < 0 ? keys : keys.slice(0, end);
  const last = end < 0 ? next : shown.at(-1);
  room.take(Math.min(bytes, bytesMax));
  return { keys: shown, count: shown.length, cursor: last === undefined ? null : cursorAfter(kms, caller, prefix, last) };
}

/** With the comma behind it. */
function bytesInJson(key: string): number {
  return utf8(JSON.stringify(key)).length + 1;
}

function cursorAfter(kms: Kms, { appId }: Caller, prefix: string, lastKey: string): string {
  const epoch = usableBlocks(kms.view)?.confirmed.epochs.find(({ state }) => state === 'active')?.epoch;
  const cursor = epoch === undefined ? undefined : sealCursor({ appId, prefix }, lastKey, epoch, kms.vault, kms.random);
  if (cursor === undefined) throw new Refusal('fetching_secret', 'no key for a cursor');
  return cursor;
}

function cursorOpener({ vault }: Kms, { appId }: Caller): OpenCursor {
  return (prefix, cursor) => openCursor({ appId, prefix }, cursor, vault);
}

function ofApp({ appId }: Caller): { readonly app_id: number } {
  return { app_id: safeNumber(appId) };
}

/** The answer is hex of its JSON; its room is held until it is sent. */
function roomOf(allowance: Allowance): Room {
  return {
    bytesLeft: () => Infinity,
    take(bytes) {
      if (!allowance.take(2 * bytes)) throw new Refusal('rate_limited', 'answers in flight');
    },
  };
}

/** Once full it stays so: what comes later in the batch is not even looked for. */
function batchRoomOf(allowance: Allowance): Room {
  const single = roomOf(allowance);
  let bytesLeft = BATCH_ANSWER_BYTES_MAX;
  return {
    bytesLeft: () => bytesLeft,
    take(bytes) {
      if (bytes > bytesLeft) bytesLeft = -1;
      if (bytesLeft < 0) throw new Refusal('answer_too_large');
      single.take(bytes);
      bytesLeft -= bytes;
    },
  };
}

async function written(kms: Kms, caller: Caller, done: Done, wanted: WantedReplicas, allowance: Allowance): Promise<Outcome> {
  const { status, round } = await replicated(kms, [done], wanted, allowance);
  return { status, body: { ...ofApp(caller), ...settled(done, round) } };
}

async function batched(
  kms: Kms,
  caller: Caller,
  results: readonly (Done | Refusal)[],
  wanted: WantedReplicas,
  allowance: Allowance,
): Promise<Outcome> {
  const writes = results.filter((result): result is Done => !(result instanceof Refusal) && result.written !== undefined);
  const { status, round } = await replicated(kms, writes, wanted, allowance);
  const told = results.map((result) => {
    const outcome = result instanceof Refusal ? result : attempted(() => settled(result, round));
    if (!(outcome instanceof Refusal)) return { status: writes.includes(result as Done) ? status : 200, ...outcome };
    kms.audit.count('refused', { reason: outcome.reason });
    const { status: refused, body } = refusalBody(outcome);
    return { status: refused, ...body };
  });
  return { status, body: { ...ofApp(caller), results: told, replicas: writes.length > 0 ? round.replicas : null } };
}

/** A write that a later one of the same batch replaced is not waited for: nobody will ever hold it. */
async function replicated(
  kms: Kms,
  writes: readonly Done[],
  asked: WantedReplicas,
  allowance: Allowance,
): Promise<{ readonly status: 200 | 202; readonly round: Replicated }> {
  const last = new Map(writes.flatMap(({ written: write }) => (write ? [[write.record.key, write.record] as const] : [])));
  if (last.size === 0) return { status: 200, round: { replicas: 0, superseded: new Map() } };
  const wanted = wantedReplicas(asked, usableBlocks(kms.view));
  const timeoutMs = Math.min(REPLICAS_MS_MAX, allowance.leftMs());
  const round = await kms.replication.replicated([...last.values()], wanted, timeoutMs);
  return { status: round.replicas >= wanted ? 200 : 202, round };
}

/** Throws `version_conflict` for a write on condition of a version that lost to a concurrent one: its writer asked to be told. */
function settled({ told, written: write }: Done, { replicas, superseded }: Replicated): Members {
  if (!write) return told;
  const later = superseded.get(write.record);
  if (later !== undefined && write.isConditional)
    throw new Refusal('version_conflict', 'lost to a concurrent write', undefined, { current_version: later });
  return { ...told, replicas, ...(later !== undefined && { superseded_by: later }) };
}

function attempted<T>(act: () => T): T | Refusal {
  try {
    return act();
  } catch (error) {
    if (error instanceof Refusal) return error;
    throw error;
  }
}
