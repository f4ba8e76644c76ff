/**
 * Every order that records are kept in, changed in one place: by app and key, by sequence, by time with prints, by expiry and by death.
 * A record is in all of them that concern it, or in none.
 */
import { RECORD_CHARGE_BYTES, RECORD_MEMORY_BYTES } from '../limits.ts';
import { compareTimes, rankOfTime } from './clock.ts';
import { createChangeLog } from './log.ts';
import { createNamespace } from './namespace.ts';
import { createSortedIndex } from './sorted.ts';
import { chargeOf, idOf, isDead, wipe } from './stored.ts';
import type { AppId } from '../identity.ts';
import type { ChangeLog } from './log.ts';
import type { Namespace } from './namespace.ts';
import type { Printer } from './prints.ts';
import type { Print, SortedIndex } from './sorted.ts';
import type { Stored } from './stored.ts';

interface Orders {
  readonly bySequence: ChangeLog;
  /** Ascending by hybrid time, with sums of prints. */
  readonly byTime: SortedIndex<Stored>;
  /** Alive and with an expiry. */
  readonly byExpiry: SortedIndex<Stored>;
  /** Dead, those that have been longest first. */
  readonly byDeath: SortedIndex<Stored>;
}

export interface Indexes {
  /** For reading only. */
  orders(): Orders;
  namespace(appId: AppId): Namespace | undefined;
  namespaces(): number;
  find(appId: AppId, key: string): Stored | undefined;
  /** Takes the place of the record that is under its key. */
  put(record: Stored): void;
  remove(record: Stored): void;
  /** Alive until now; its value is forgotten. */
  expire(record: Stored, elapsedMs: number): void;
  printer(): Printer | undefined;
  /** From now on prints are made by this one; all of them are made anew. */
  printWith(printer: Printer): void;
  totalBytes(): number;
  /** What all of it takes in memory, about. */
  memoryBytes(): number;
  aliveCount(): number;
  clear(): void;
}

const NO_PRINT: Print = new Int32Array(4);

export function createIndexes(): Indexes {
  const namespaces = new Map<AppId, Namespace>();
  let printer: Printer | undefined;
  let orders = createOrders(printOf);
  let totalBytes = 0;
  let aliveCount = 0;

  function printOf(record: Stored): Print {
    return printer?.print(idOf(record)) ?? NO_PRINT;
  }

  function change(before: Stored | undefined, after: Stored | undefined): void {
    const appId = (after ?? before)?.appId;
    if (appId === undefined) return;
    const namespace = namespaces.get(appId) ?? createNamespace();
    if (before) leaveState(before);
    namespace.change(before, after);
    if (after) enterState(after);
    if (namespace.size() === 0) namespaces.delete(appId);
    else namespaces.set(appId, namespace);
  }

  function enterState(record: Stored): void {
    totalBytes += chargeOf(record);
    if (isDead(record)) return orders.byDeath.add(record);
    aliveCount += 1;
    if (record.expiresAtMs !== 0) orders.byExpiry.add(record);
  }

  function leaveState(record: Stored): void {
    totalBytes -= chargeOf(record);
    if (isDead(record)) return void orders.byDeath.delete(record);
    aliveCount -= 1;
    if (record.expiresAtMs !== 0) orders.byExpiry.delete(record);
  }

  const find = (appId: AppId, key: string) => namespaces.get(appId)?.find(key);

  return {
    orders: () => orders,
    namespace: (appId) => namespaces.get(appId),
    namespaces: () => namespaces.size,
    find,
    put(record) {
      const before = find(record.appId, record.key);
      if (before) {
        orders.bySequence.delete(before);
        orders.byTime.delete(before);
      }
      orders.bySequence.add(record);
      orders.byTime.add(record);
      change(before, record);
    },
    remove(record) {
      orders.bySequence.delete(record);
      orders.byTime.delete(record);
      change(record, undefined);
    },
    expire(record, elapsedMs) {
      change(record, undefined);
      wipe(record, elapsedMs);
      change(undefined, record);
    },
    printer: () => printer,
    printWith(next) {
      printer = next;
      const byTime = createSortedIndex({ compare: compareByTime, rankOf: rankOfTime, printOf });
      for (const record of orders.byTime.from(() => 0)) byTime.add(record);
      orders = { ...orders, byTime };
    },
    totalBytes: () => totalBytes,
    memoryBytes: () => totalBytes + orders.bySequence.size() * (RECORD_MEMORY_BYTES - RECORD_CHARGE_BYTES),
    aliveCount: () => aliveCount,
    clear() {
      namespaces.clear();
      orders = createOrders(printOf);
      totalBytes = 0;
      aliveCount = 0;
    },
  };
}

function createOrders(printOf: (record: Stored) => Print): Orders {
  return {
    bySequence: createChangeLog(),
    byTime: createSortedIndex({ compare: compareByTime, rankOf: rankOfTime, printOf }),
    byExpiry: createSortedIndex({
      compare: (a, b) => a.expiresAtMs - b.expiresAtMs || a.sequence - b.sequence,
      rankOf: (record) => record.expiresAtMs,
    }),
    byDeath: createSortedIndex({ compare: (a, b) => deathOf(a) - deathOf(b) || a.sequence - b.sequence, rankOf: deathOf }),
  };
}

/** No two records share a time, unless somebody lies: then their ids decide. */
function compareByTime(a: Stored, b: Stored): number {
  return compareTimes(a, b) || (a.bytes < b.bytes ? -1 : a.bytes > b.bytes ? 1 : 0);
}

function deathOf({ deadSinceMs }: Stored): number {
  return deadSinceMs ?? 0;
}
