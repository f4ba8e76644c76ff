/** What the parts of a store share: its indexes, its clocks, its counts. Belongs to one store and is seen by nobody else. */
import { NAMES_SHARED_MAX } from '../limits.ts';
import { compareTimes } from './clock.ts';
import { idTextOf, isExpired } from './stored.ts';
import type { Bodies } from './bodies.ts';
import type { HybridClock } from './clock.ts';
import type { Indexes } from './indexes.ts';
import type { StoredRecord, StoreDependencies } from './interface.ts';
import type { Remembered } from './remembered.ts';
import type { Stored } from './stored.ts';

/** What is left of a tombstone for a while, so that who collects later does not bring it back. */
export type Collected = Pick<Stored, 'appId' | 'key' | 'ms' | 'logical' | 'origin'>;

export interface Shelf extends StoreDependencies {
  readonly indexes: Indexes;
  readonly bodies: Bodies;
  readonly time: HybridClock;
  /** Records whose place a concurrent one took, with its version: as long as somebody asks about them. */
  readonly lostTo: WeakMap<StoredRecord, string>;
  /** Collected tombstones by id. */
  readonly collected: Remembered<Collected>;
  /** Names that records share. */
  readonly names: Map<string, string>;
  /** Ids of peers' records that lost to one here which had not seen them: a push whose answer was lost is told again. */
  readonly losers: Remembered<true>;
  readonly counts: { conflicts: number; evictions: number; expiries: number; collected: number };
  incarnation: string;
  /** The dot of the last write here: it never restarts within an incarnation. */
  counter: number;
  sequence: number;
}

/** Takes out a tombstone whose time has come. */
export function collect({ collected, indexes, counts }: Shelf, record: Stored): void {
  const { appId, key, ms, logical, origin } = record;
  collected.set(idTextOf(record), { appId, key, ms, logical, origin });
  indexes.remove(record);
  counts.collected += 1;
}

/** One string for equal ones: those that come with records are new each time. */
export function shared<T extends string>({ names }: Shelf, name: T): T {
  const known = names.get(name);
  if (known !== undefined) return known as T;
  if (names.size >= NAMES_SHARED_MAX) names.clear();
  names.set(name, name);
  return name;
}

/** Whether a tombstone of that id was collected and nothing older has come to its key since. */
export function wasCollected({ collected, indexes }: Shelf, id: string): boolean {
  const gone = collected.get(id);
  if (!gone) return false;
  const held = indexes.find(gone.appId, gone.key);
  return !held || compareTimes(held, gone) > 0;
}

/** The value is wiped and the record stays, as a tombstone would. */
export function expire({ indexes, clock, counts }: Shelf, record: Stored): void {
  indexes.expire(record, clock.elapsedMs());
  counts.expiries += 1;
}

/** Of the expiries that are due, so many. */
export function expireDue(shelf: Shelf, max: number): void {
  const nowMs = shelf.clock.nowMs();
  for (let done = 0; done < max; done += 1) {
    const record = shelf.indexes.orders().byExpiry.first();
    if (!record || !isExpired(record, nowMs)) return;
    expire(shelf, record);
  }
}
