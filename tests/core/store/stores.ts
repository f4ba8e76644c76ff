/**
 * Stores for tests: seeded, on a virtual clock, with plain key tables. What a lying member could make is made here as well, with
 * the same keys and none of the store's own judgement.
 */
import { createHash } from 'node:crypto';
import { STORE_MEMORY_BYTES_MAX, CLOCK_SKEW_MAX_MS, RECORD_CHARGE_BYTES } from '../../../core/limits.ts';
import { commitTo, encodeHeader, sealBody, COMMITMENT_BYTES, SEAL_BYTES } from '../../../core/store/record.ts';
import { createStore } from '../../../core/store/store.ts';
import { hex, parseUtf8, utf8 } from '../../../core/wire/bytes.ts';
import { createClock, createRandom, epochOf, START_MS } from '../fakes.ts';
import type { AppId, Epoch, Wallet } from '../../../core/identity.ts';
import type { DataKeys, Digest, Merged, Store, StoredRecord } from '../../../core/store/interface.ts';
import type { Header, TravellingRecord } from '../../../core/store/record.ts';
import type { VectorClock } from '../../../core/store/version.ts';
import type { VirtualClock } from '../fakes.ts';

export const [e0, e1, e2] = [epochOf(0), epochOf(1), epochOf(2)];
export const [app, otherApp] = [43n as AppId, 44n as AppId];
export const walletOf = (digit: string) => `0x${digit.repeat(40)}` as Wallet;
export const [a, b, c] = [walletOf('a'), walletOf('b'), walletOf('c')];
export const ALL = { from: undefined, to: undefined } as const;
export const QUOTA_BYTES = 1 << 20;

/** Keys of any epoch that is held, each of its app and epoch. Nodes of one cluster share one table or have one each. */
export interface KeyTable extends DataKeys {
  epoch: Epoch | undefined;
  readonly held: Set<Epoch>;
}

export function createKeyTable(...epochs: readonly Epoch[]): KeyTable {
  const known = new Map<string, Uint8Array>();
  function key(use: string, epoch: Epoch): Uint8Array | undefined {
    if (!table.held.has(epoch)) return undefined;
    const name = `${use} of ${epoch}`;
    const found = known.get(name) ?? new Uint8Array(createHash('sha256').update(name).digest());
    known.set(name, found);
    return found;
  }
  const table: KeyTable = {
    epoch: epochs.at(-1),
    held: new Set(epochs),
    current: () => (table.epoch !== undefined && table.held.has(table.epoch) ? table.epoch : undefined),
    recordKey: (appId, epoch) => key(`records of ${appId}`, epoch),
    digestKey: (epoch) => key('digests', epoch),
  };
  return table;
}

export interface TestStore extends Store {
  readonly wallet: Wallet;
  readonly clock: VirtualClock;
  readonly members: Set<Wallet>;
  readonly keys: DataKeys;
  /** What `isReplicated` answers. */
  replicated: (record: StoredRecord) => boolean;
}

export interface Given {
  readonly wallet?: Wallet;
  readonly clock?: VirtualClock;
  readonly keys?: DataKeys;
  readonly members?: Set<Wallet>;
  readonly quotaBytes?: number;
  readonly isCatchingUp?: boolean;
  readonly memoryBytesMax?: number;
  readonly seed?: string;
}

export function storeOf({ wallet = a, clock = createClock(), members = new Set([a, b, c]), ...given }: Given = {}): TestStore {
  const {
    keys = createKeyTable(e0),
    quotaBytes = QUOTA_BYTES,
    isCatchingUp = false,
    memoryBytesMax = STORE_MEMORY_BYTES_MAX,
    seed = '',
  } = given;
  const random = createRandom(`store of ${wallet}${seed}`);
  const isReplicated = (record: StoredRecord) => made.replicated(record);
  const store = createStore({
    self: wallet,
    clock,
    random,
    keys,
    members: () => members,
    isReplicated,
    isCatchingUp: () => isCatchingUp,
    memoryBytesMax,
    quotaBytes,
  });
  const made: TestStore = { ...store, wallet, clock, members, keys, replicated: () => true };
  return made;
}

/** Three stores of one cluster, with one clock and one table of keys. */
export function clusterOf(given: Given = {}): [TestStore, TestStore, TestStore] {
  const shared = { clock: createClock(), keys: createKeyTable(e0), ...given };
  const members = given.members ?? new Set([a, b, c]);
  const one = (wallet: Wallet) => storeOf({ ...shared, members, wallet });
  return [one(a), one(b), one(c)];
}

/** The text that can be read there. */
export function read(store: Store, key: string, appId = app): string | undefined {
  const found = store.get(appId, key);
  return found && parseUtf8(found.value);
}

export function recordOf(store: Store, key: string, appId = app): StoredRecord {
  for (const record of store.changes(0)) if (record.key === key && record.appId === appId) return record;
  throw new Error(`no record of ${key}`);
}

export function sent(store: Store, record: StoredRecord): TravellingRecord {
  const travelling = store.travelling(record);
  if (!travelling) throw new Error('it does not travel');
  return travelling;
}

/** The record under a key, as it travels now. */
export function sentOf(store: Store, key: string, appId = app): TravellingRecord {
  return sent(store, recordOf(store, key, appId));
}

export function allSent(store: Store, afterSequence = 0): TravellingRecord[] {
  return [...store.changes(afterSequence)].map((record) => sent(store, record));
}

/** All that one store has, merged into another. */
export function pass(from: Store, to: Store): Merged[] {
  return allSent(from).map((record) => to.merge(record));
}

export function word(merged: Merged): string {
  return merged.kind === 'refused' ? merged.reason : merged.kind;
}

export function digestOf(store: Store): Digest {
  const digest = store.digest();
  if (!digest) throw new Error('no key to make prints with');
  return digest;
}

/** Count and print of everything, as text. */
export function printOf(store: Store): string {
  const { count, print } = digestOf(store).fingerprint(ALL);
  return `${count} ${hex(print)}`;
}

/** What is there by the store's records alone: what its gauges must say, without its books. */
export function counted(store: Store, appId?: AppId): { keys: number; tombstones: number; bytes: number; namespaces: number } {
  const records = [...store.changes(0)].filter((record) => appId === undefined || record.appId === appId);
  const bodies = records.map((record) => ({ record, ...sent(store, record) }));
  const keys = bodies.filter(({ isEmpty }) => !isEmpty);
  return {
    namespaces: new Set(records.map((record) => record.appId)).size,
    keys: keys.length,
    tombstones: bodies.length - keys.length,
    bytes:
      records.reduce((sum, { key }) => sum + utf8(key).length + RECORD_CHARGE_BYTES, 0) +
      keys.reduce((sum, { sealed }) => sum + sealed.length - SEAL_BYTES, 0),
  };
}

/** What must not move when an operation is refused. */
export function stateOf(store: Store): object {
  const records = [...store.changes(0)].map((record) => `${record.sequence} ${hex(sent(store, record).header)}`);
  const { namespaces, keys, tombstones, bytes, evictions, expiries, collected } = store.gauges();
  const gauges = { namespaces, keys, tombstones, bytes, evictions, expiries, collected };
  return { sequence: store.sequence(), incarnation: store.incarnation(), print: printOf(store), records, gauges };
}

/** Everything that can be read, by app and key, without using it. */
export function readable(store: Store, apps: readonly AppId[] = [app, otherApp]): Record<string, string | undefined> {
  const keys = apps.flatMap((appId) => store.list(appId, '', undefined, 10_000).keys.map((key) => ({ appId, key })));
  return Object.fromEntries(keys.map(({ appId, key }) => [`${appId} ${key}`, read(store, key, appId)]));
}

export const headerOf = (fields: Partial<Header> = {}): Header => ({
  appId: app,
  key: 'k',
  kind: 'value',
  incarnation: 'ab'.repeat(16),
  counter: 1,
  ms: START_MS,
  logical: 0,
  origin: b,
  expiresAtMs: 0,
  commitment: new Uint8Array(COMMITMENT_BYTES),
  ...fields,
});

export interface Forgery {
  readonly header?: Partial<Header>;
  readonly value?: Uint8Array;
  readonly keys?: DataKeys;
  readonly epoch?: Epoch;
  readonly clock?: VectorClock;
  readonly isEmpty?: boolean;
}

/** A record that a member with the keys could make: whole, unless `header` says otherwise. Empty when a tombstone, or when asked. */
export function forged(forgery: Forgery = {}): TravellingRecord {
  const { value = utf8('v'), keys = createKeyTable(e0), epoch = e0, clock = [{ wallet: b, count: 1 }] } = forgery;
  const random = createRandom(`forged ${JSON.stringify({ ...forgery.header, appId: String(forgery.header?.appId) })}`);
  const isTombstone = forgery.header?.kind === 'tombstone';
  const isEmpty = forgery.isEmpty ?? isTombstone;
  const { commitment, body } = commitTo(value, random);
  const fields = headerOf({ ...(isTombstone ? {} : { commitment }), ...forgery.header });
  const header = new Uint8Array(encodeHeader(fields));
  const key = keys.recordKey(fields.appId, epoch);
  if (!key) throw new Error('a forger needs the key');
  return { header, clock, epoch, isEmpty, sealed: sealBody(key, header, isEmpty ? new Uint8Array(0) : body, random) };
}

export const farthestMs = (clock: VirtualClock) => clock.nowMs() + CLOCK_SKEW_MAX_MS;
