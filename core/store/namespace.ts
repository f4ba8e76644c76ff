/** What one app holds on this node: its records by key, the keys that can be read in order, what all charge, and which was used last. */
import { createSortedIndex } from './sorted.ts';
import { chargeOf, isDead } from './stored.ts';
import type { SortedIndex } from './sorted.ts';
import type { Stored } from './stored.ts';

export interface Namespace {
  find(key: string): Stored | undefined;
  /** Of all its records, as quotas charge. */
  usedBytes(): number;
  size(): number;
  deadCount(): number;
  /** Of alive records, ascending. */
  readonly keys: Pick<SortedIndex<string>, 'from'>;
  /** Puts a record in the place of another of its key, or of nothing; takes one away; keys that stay alive cost nothing in order. */
  change(before: Stored | undefined, after: Stored | undefined): void;
  /** Makes it the one used last. */
  touch(record: Stored): void;
  /** Alive, the one used least recently first. */
  leastUsed(): Generator<Stored>;
}

export function createNamespace(): Namespace {
  const records = new Map<string, Stored>();
  const keys = createSortedIndex<string>({ compare: (a, b) => (a < b ? -1 : a > b ? 1 : 0) });
  let usedBytes = 0;
  let oldest: Stored | undefined;
  let newest: Stored | undefined;

  function link(record: Stored): void {
    record.older = newest;
    if (newest) newest.newer = record;
    newest = record;
    oldest ??= record;
  }

  function unlink(record: Stored): void {
    const { older, newer } = record;
    if (older) older.newer = newer;
    else oldest = newer;
    if (newer) newer.older = older;
    else newest = older;
    record.older = undefined;
    record.newer = undefined;
  }

  return {
    find: (key) => records.get(key),
    usedBytes: () => usedBytes,
    size: () => records.size,
    deadCount: () => records.size - keys.size(),
    keys,
    change(before, after) {
      usedBytes += (after ? chargeOf(after) : 0) - (before ? chargeOf(before) : 0);
      if (after) records.set(after.key, after);
      else if (before) records.delete(before.key);
      const wasAlive = before !== undefined && !isDead(before);
      const isAlive = after !== undefined && !isDead(after);
      if (wasAlive) unlink(before);
      if (isAlive) link(after);
      if (wasAlive && !isAlive) keys.delete(before.key);
      if (isAlive && !wasAlive) keys.add(after.key);
    },
    touch(record) {
      if (record === newest) return;
      unlink(record);
      link(record);
    },
    *leastUsed() {
      for (let record = oldest; record; record = record.newer) yield record;
    },
  };
}
