/**
 * The KV store of one node (`docs/protocol.md` clause 13): writes by its apps, merges from its peers, expiry and collection, over one set
 * of indexes. Synchronous, with injected clock, randomness and keys; no operation looks at more records than it returns or changes.
 */
import { Buffer } from 'node:buffer';
import {
  COLLECTED_REMEMBERED_MAX,
  LOSERS_REMEMBERED_MAX,
  LIST_BYTES_MAX,
  LIST_EXPIRED_MAX,
  MESSAGE_LIFETIME_MS,
  STORE_MAINTENANCE_RECORDS,
} from '../limits.ts';
import { equalBytes, hex } from '../wire/bytes.ts';
import { createBodies } from './bodies.ts';
import { compareTimes, createHybridClock, rankOfTime } from './clock.ts';
import { createIndexes } from './indexes.ts';
import { createMerging } from './merging.ts';
import { createPrinter, printBytes } from './prints.ts';
import { INCARNATION_BYTES } from './record.ts';
import { idOf, isDead, isExpired, packed, versionOf } from './stored.ts';
import { createRemembered } from './remembered.ts';
import { createRenewal } from './renewal.ts';
import { collect, expire, expireDue, wasCollected } from './shelf.ts';
import { createWriting } from './writing.ts';
import type { Indexes } from './indexes.ts';
import type { Digest, Found, Page, Store, StoreDependencies, TimeRange } from './interface.ts';
import type { Shelf } from './shelf.ts';
import type { Stored } from './stored.ts';

export type * from './interface.ts';

export function createStore(dependencies: StoreDependencies): Store {
  const { self, clock, random, keys } = dependencies;
  const indexes = createIndexes();
  const bodies = createBodies(keys, random);
  const newIncarnation = () => hex(random.bytes(INCARNATION_BYTES));
  const shelf: Shelf = {
    ...dependencies,
    indexes,
    bodies,
    time: createHybridClock(clock, self),
    names: new Map(),
    lostTo: new WeakMap(),
    collected: createRemembered(COLLECTED_REMEMBERED_MAX),
    losers: createRemembered(LOSERS_REMEMBERED_MAX),
    counts: { conflicts: 0, evictions: 0, expiries: 0, collected: 0 },
    incarnation: newIncarnation(),
    counter: 0,
    sequence: 0,
  };
  const { put, remove } = createWriting(shelf);
  const { merge } = createMerging(shelf);
  const renewal = createRenewal(shelf);

  function get(appId: Stored['appId'], key: string): Found | undefined {
    const record = indexes.find(appId, key);
    if (!record || isDead(record)) return undefined;
    if (isExpired(record, clock.nowMs())) {
      expire(shelf, record);
      return undefined;
    }
    const value = bodies.value(record);
    indexes.namespace(appId)?.touch(record);
    return { value, version: versionOf(idOf(record)), updatedAtMs: record.ms, expiresAtMs: record.expiresAtMs || null };
  }

  function list(appId: Stored['appId'], prefix: string, after: string | undefined, limit: number): Page {
    const nowMs = clock.nowMs();
    const start = after !== undefined && after >= prefix ? after : undefined;
    const isBefore = start === undefined ? (key: string) => key < prefix : (key: string) => key <= start;
    const keysFound: string[] = [];
    const expired: Stored[] = [];
    const soonest = indexes.orders().byExpiry.first();
    // Records are spread over all memory: none is looked up for its expiry while nothing has expired.
    const isAnyOver = soonest !== undefined && isExpired(soonest, nowMs);
    let bytesLeft = LIST_BYTES_MAX;
    let last: string | undefined;
    let next: string | undefined;
    for (const key of indexes.namespace(appId)?.keys.from((each) => (isBefore(each) ? -1 : 0)) ?? []) {
      if (!key.startsWith(prefix)) break;
      const isFull = keysFound.length >= limit || bytesLeft <= 0 || expired.length >= LIST_EXPIRED_MAX;
      if (isFull) {
        next = last;
        break;
      }
      last = key;
      const record = isAnyOver ? indexes.find(appId, key) : undefined;
      if (record && isExpired(record, nowMs)) expired.push(record);
      else keysFound.push(key);
      bytesLeft -= Buffer.byteLength(key);
    }
    // Seen to be over is over, whatever the clock says next.
    for (const record of expired) expire(shelf, record);
    return { keys: keysFound, next };
  }

  function digest(): Digest | undefined {
    const epoch = keys.current();
    const key = epoch === undefined ? undefined : keys.digestKey(epoch);
    if (epoch === undefined || !key) return undefined;
    if (indexes.printer()?.epoch !== epoch || !indexes.printer()?.isUnder(key)) indexes.printWith(createPrinter(epoch, key));
    return digestOver(indexes, epoch);
  }

  return {
    incarnation: () => shelf.incarnation,
    sequence: () => shelf.sequence,
    get,
    list,
    put,
    delete: remove,
    merge,
    held: indexes.find,
    lostTo: (record) => shelf.lostTo.get(record),
    has({ id, ...time }) {
      if (wasCollected(shelf, packed(id))) return true;
      for (const record of indexes.orders().byTime.from((each) => compareTimes(each, time), rankOfTime(time))) {
        if (compareTimes(record, time) !== 0) return false;
        if (equalBytes(idOf(record), id)) return true;
      }
      return false;
    },
    offerOf: (record) => ({ ms: record.ms, logical: record.logical, origin: record.origin, id: idOf(record as Stored) }),
    travelling(record) {
      const stored = record as Stored;
      const isLost = !isDead(stored) && renewal.isDoubtful(stored) && !bodies.isReadable(stored);
      return isLost ? undefined : bodies.travelling(stored);
    },
    changes: (afterSequence) => indexes.orders().bySequence.after(afterSequence),
    digest,
    maintain(isGone) {
      expireDue(shelf, STORE_MAINTENANCE_RECORDS);
      renewal.piece(isGone);
    },
    collect(throughSequence) {
      const matureMs = clock.elapsedMs() - MESSAGE_LIFETIME_MS;
      const looked = taken(
        indexes.orders().byDeath.from(() => 0),
        STORE_MAINTENANCE_RECORDS,
      );
      const done = looked.filter(({ deadSinceMs, sequence }) => (deadSinceMs ?? Infinity) <= matureMs && sequence <= throughSequence);
      for (const record of done) collect(shelf, record);
      return done.length;
    },
    forget() {
      indexes.clear();
      shelf.collected.clear();
      shelf.losers.clear();
      renewal.restart();
      Object.assign(shelf, { incarnation: newIncarnation(), counter: 0, sequence: 0 });
    },
    gauges() {
      const keysAlive = indexes.aliveCount();
      const tombstones = indexes.orders().bySequence.size() - keysAlive;
      return { namespaces: indexes.namespaces(), keys: keysAlive, tombstones, bytes: indexes.totalBytes(), ...shelf.counts };
    },
  };
}

function digestOver(indexes: Indexes, epoch: Digest['epoch']): Digest {
  const bound = (time: TimeRange['from']) => (record: Stored) => (time ? compareTimes(record, time) : -1);
  const countBefore = (time: TimeRange['from'], open: number) => (time ? indexes.orders().byTime.below(bound(time)).count : open);
  return {
    epoch,
    fingerprint({ from, to }) {
      const upper = to ? indexes.orders().byTime.below(bound(to)) : indexes.orders().byTime.total();
      if (!from) return { count: upper.count, print: printBytes(upper.print) };
      const lower = indexes.orders().byTime.below(bound(from));
      return {
        count: upper.count - lower.count,
        print: printBytes(upper.print.map((lane, index) => lane - (lower.print[index] as number))),
      };
    },
    cuts({ from, to }, parts) {
      const first = countBefore(from, 0);
      const count = countBefore(to, indexes.orders().byTime.size()) - first;
      const ranks = Array.from({ length: parts - 1 }, (_, part) => first + Math.floor(((part + 1) * count) / parts));
      const distinct = [...new Set(ranks)].filter((rank) => rank > first && rank < first + count);
      return distinct.flatMap((rank) => {
        const record = indexes.orders().byTime.at(rank);
        return record ? [{ ms: record.ms, logical: record.logical, origin: record.origin }] : [];
      });
    },
    *records({ from, to }) {
      for (const record of indexes.orders().byTime.from(from ? bound(from) : () => 0)) {
        if (to && compareTimes(record, to) >= 0) return;
        yield record;
      }
    },
  };
}

function taken<T>(items: Iterable<T>, max: number): T[] {
  const first: T[] = [];
  for (const item of items) {
    if (first.length >= max) break;
    first.push(item);
  }
  return first;
}
