/** What the store offers and needs (`docs/protocol.md` clause 13). Everything is synchronous: nothing interleaves in it. */
import type { AppId, Epoch, Wallet } from '../identity.ts';
import type { Clock, Random } from '../ports.ts';
import type { HybridTime } from './clock.ts';
import type { Header, TravellingRecord } from './record.ts';
import type { VectorClock } from './version.ts';

/** Data keys, from the vault. */
export interface DataKeys {
  /** The epoch under which new records are sealed: active at the confirmed block, and held. */
  current(): Epoch | undefined;
  recordKey(appId: AppId, epoch: Epoch): Uint8Array | undefined;
  /** 32 bytes: under it the fingerprints of a digest are made. */
  digestKey(epoch: Epoch): Uint8Array | undefined;
}

/** A record as it is held. Its fields belong to the store; others read them only. */
export interface StoredRecord extends Omit<Header, 'commitment'> {
  /** The store's number of the change that brought it, from 1 up. */
  readonly sequence: number;
  readonly clock: VectorClock;
}

/** Of the value itself, never of its bytes in memory. */
export interface Found {
  readonly value: Uint8Array;
  /** 22 characters of base64url: the record's id. */
  readonly version: string;
  readonly updatedAtMs: number;
  readonly expiresAtMs: number | null;
}

export interface WriteOptions {
  /** The version that must be there now; `null`: nothing may be there. */
  readonly ifVersion?: string | null;
}

export interface PutOptions extends WriteOptions {
  readonly ttlMs?: number;
  /** What to do when the quota is full: refuse, or delete least recently used records to make room. */
  readonly whenFull?: 'refuse' | 'evict';
}

export interface Written {
  readonly record: StoredRecord;
  readonly version: string;
  readonly updatedAtMs: number;
  readonly expiresAtMs: number | null;
  /** Keys deleted to make room. */
  readonly evicted: readonly string[];
}

export interface Deleted extends Written {
  readonly existed: boolean;
}

export interface Page {
  readonly keys: readonly string[];
  /** The key after which the next page begins; `undefined` at the end. */
  readonly next: string | undefined;
}

/** Why a peer's record is not taken. `unknown_epoch` is nobody's fault; a full store is not the peer's. */
export type NackReason = 'future_record' | 'unknown_epoch' | 'bad_record' | 'equivocation' | 'quota_exceeded' | 'store_full';

export type Merged =
  /** `stored`: ours now. `equal`: we had it (or had collected it). */
  | { readonly kind: 'stored' | 'equal' }
  /** A later record of that key is held here: one that had not seen it (`isConcurrent`), or one that followed it. */
  | { readonly kind: 'superseded'; readonly version: string; readonly isConcurrent: boolean }
  | { readonly kind: 'refused'; readonly reason: NackReason };

/** Where a record lies in the digest's order, with its id: enough to know whether it is held. */
export interface Offer extends HybridTime {
  /** 16 bytes. */
  readonly id: Uint8Array;
}

/** Count and summed keyed prints of the records in a range of times. */
export interface Fingerprint {
  readonly count: number;
  /** 16 bytes. */
  readonly print: Uint8Array;
}

/** Half-open range of the digest's order; `undefined` is open on that side. */
export interface TimeRange {
  readonly from: HybridTime | undefined;
  readonly to: HybridTime | undefined;
}

export interface Digest {
  /** The epoch of whose key its prints are. */
  readonly epoch: Epoch;
  fingerprint(range: TimeRange): Fingerprint;
  /** Inner bounds that cut this store's records of the range into `parts` of about equal count; fewer when there are fewer. */
  cuts(range: TimeRange, parts: number): HybridTime[];
  records(range: TimeRange): Iterable<StoredRecord>;
}

export interface StoreGauges {
  readonly namespaces: number;
  /** Values that can be read. */
  readonly keys: number;
  /** Tombstones and expired values, until they are collected. */
  readonly tombstones: number;
  /** As quotas charge. */
  readonly bytes: number;
  readonly conflicts: number;
  readonly evictions: number;
  readonly expiries: number;
  readonly collected: number;
}

export interface Store {
  /** Hex of 16 random bytes: of this boot, or since `forget`. */
  incarnation(): string;
  /** The number of the last change. */
  sequence(): number;
  /** Throws `fetching_secret` when the record's epoch is not held. */
  get(appId: AppId, key: string): Found | undefined;
  /** Keys with a readable value after `after`, ascending by UTF-16 code units. */
  list(appId: AppId, prefix: string, after: string | undefined, limit: number): Page;
  /** Throws `version_conflict`, `quota_exceeded`, `store_full`, `tombstones_full`, `clock_unusable`, `fetching_secret`. */
  put(appId: AppId, key: string, value: Uint8Array, options?: PutOptions): Written;
  /** Idempotent; writes a tombstone also for a key that is not held. */
  delete(appId: AppId, key: string, options?: WriteOptions): Deleted;

  merge(record: TravellingRecord): Merged;
  /** What stands under that key now, a tombstone too. */
  held(appId: AppId, key: string): StoredRecord | undefined;
  /** The version of the record that took this one's place here by a merge, without having seen it. */
  lostTo(record: StoredRecord): string | undefined;
  /** Whether that record is held, or was collected. */
  has(offer: Offer): boolean;
  offerOf(record: StoredRecord): Offer;
  /** As it travels now. `undefined` when the key of its body, or the current one for an empty body, is not held. */
  travelling(record: StoredRecord): TravellingRecord | undefined;
  /** Records with a later sequence, ascending. Must not be walked across a change. */
  changes(afterSequence: number): Iterable<StoredRecord>;
  /** `undefined` while no key of the current epoch is held. */
  digest(): Digest | undefined;

  /** Expiries that are due, re-sealing under the current epoch, records of epochs that are gone: a bounded piece of each. */
  maintain(isGone: (epoch: Epoch) => boolean): void;
  /**
   * Collects tombstones that are old enough, with a sequence up to `throughSequence`: the last that every live member had acknowledged
   * `MESSAGE_LIFETIME_MS` ago, so that no frame of before can still arrive. A bounded piece.
   */
  collect(throughSequence: number): number;
  /** Everything, with a new incarnation: this node was no member for so long that others may have collected without it. */
  forget(): void;
  gauges(): StoreGauges;
}

export interface StoreDependencies {
  readonly self: Wallet;
  readonly clock: Clock;
  readonly random: Random;
  readonly keys: DataKeys;
  /** Wallets of the live members, this node's among them. */
  readonly members: () => ReadonlySet<Wallet>;
  /** Whether so many other members hold the record that this node may delete it to make room. */
  readonly isReplicated: (record: StoredRecord) => boolean;
  readonly quotaBytes: number;
  /** What all apps together may take of memory, by this node's own admission. */
  readonly memoryBytesMax: number;
  /** Whether this node has not all data yet: then what members hold has no quota here. */
  readonly isCatchingUp: () => boolean;
}
