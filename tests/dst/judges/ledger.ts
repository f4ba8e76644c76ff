/**
 * What really is in every store: each change of each node is read off and judged as it happens, so that what nodes say can be compared
 * with what they hold. It knows all records there ever were.
 */
import * as limits from '../../../core/limits.ts';
import { versionOf } from '../../../core/store/stored.ts';
import { hold } from './invariants.ts';
import { createRoom } from './room.ts';
import { VALUE_MARK } from '../world/world.ts';
import type { StoredRecord } from '../../../core/store/interface.ts';
import type { Stored } from '../../../core/store/stored.ts';
import type { Boot } from '../world/node.ts';
import type { World } from '../world/world.ts';

/** A record as the ledger knows it, from the first time that any node held it. */
export interface Known {
  readonly version: string;
  readonly place: string;
  readonly kind: 'value' | 'tombstone';
  readonly ms: number;
  readonly logical: number;
  readonly origin: string;
  readonly expiresAtMs: number;
  /** Boots that ever held it. */
  readonly holders: Map<Boot, Holding>;
}

interface Holding {
  readonly sinceMs: number;
  /** By the node's own clock. */
  readonly nodeMs: number;
  /** What it took the place of. */
  readonly over: Known | undefined;
}

/** What one boot holds, by app and key. */
export interface Shelf {
  incarnation: string;
  sequence: number;
  readonly held: Map<string, Known>;
  /** Since when each record was seen dead. */
  readonly deadSinceMs: Map<string, number>;
  /** When each place last changed, or was emptied. */
  readonly changedAtMs: Map<string, number>;
  readonly usedBytes: Map<bigint, number>;
  /** Versions of what it has collected. */
  readonly gone: Set<string>;
  collected: number;
  evictions: number;
  expiries: number;
  lastOwn: Known | undefined;
  hasForgotten: boolean;
}

export interface Ledger {
  shelf(boot: Boot): Shelf;
  known(version: string): Known | undefined;
  /** The latest tombstone that was collected of each place. */
  readonly collected: ReadonlyMap<string, Known>;
  /** Boots that hold it, or ever held it, or hold what came later. */
  holdersOf(known: Known): Boot[];
  observe(boot: Boot): void;
}

export const placeOf = (appId: bigint, key: string): string => `${appId}/${key}`;

export function isLater(a: Pick<Known, 'ms' | 'logical' | 'origin'>, b: Pick<Known, 'ms' | 'logical' | 'origin'>): boolean {
  return a.ms - b.ms > 0 || (a.ms === b.ms && (a.logical > b.logical || (a.logical === b.logical && a.origin > b.origin)));
}

export function createLedger(world: World): Ledger {
  const shelves = new Map<Boot, Shelf>();
  const records = new Map<string, Known>();
  const dots = new Map<string, string>();
  const collected = new Map<string, Known>();
  const room = createRoom(world, holdersOf);

  function shelf(boot: Boot): Shelf {
    const known = shelves.get(boot);
    if (known) return known;
    const { store } = boot.kms;
    const fresh = { incarnation: store.incarnation(), sequence: 0, held: new Map(), deadSinceMs: new Map(), collected: 0 };
    shelves.set(boot, {
      ...fresh,
      usedBytes: new Map(),
      gone: new Set(),
      changedAtMs: new Map(),
      evictions: 0,
      expiries: 0,
      lastOwn: undefined,
      hasForgotten: false,
    });
    return shelves.get(boot) as Shelf;
  }

  function knownOf(boot: Boot, record: StoredRecord): Known {
    const { store } = boot.kms;
    const version = versionOf(store.offerOf(record).id);
    const known = records.get(version);
    if (known) return known;
    const { appId, key, kind, ms, logical, origin, expiresAtMs, incarnation, counter } = record;
    for (const name of [`${incarnation}:${counter}`, `${ms}:${logical}:${origin}`]) {
      hold('I10', !dots.has(name), () => `${name} is of ${dots.get(name)} and of ${version}`);
      dots.set(name, version);
    }
    const fresh = { version, place: placeOf(appId, key), kind, ms, logical, origin, expiresAtMs };
    records.set(version, { ...fresh, holders: new Map() });
    return records.get(version) as Known;
  }

  function judgeTime(boot: Boot, shelf: Shelf, known: Known, isOwn: boolean): void {
    const aheadMs = known.ms - boot.nowMs();
    const isHeld = aheadMs <= limits.CLOCK_SKEW_MAX_MS + (isOwn ? limits.CLOCK_SKEW_SLACK_MS : 0);
    hold('I11', isHeld, () => `${boot.name} took ${known.place} from ${aheadMs} ms ahead of its clock`);
    if (!isOwn) return;
    const last = shelf.lastOwn;
    hold('I11', !last || isLater(known, last), () => `${boot.name} gave ${known.place} a time before that of ${last?.place}`);
    shelf.lastOwn = known;
  }

  /** A change that put a record in its place. */
  function judgeChange(boot: Boot, shelf: Shelf, record: StoredRecord): void {
    const known = knownOf(boot, record);
    const before = shelf.held.get(known.place);
    judgeTime(boot, shelf, known, record.incarnation === shelf.incarnation);
    hold('I3', !before || isLater(known, before), () => `${boot.name} put ${known.place} back from ${before?.version} to ${known.version}`);
    const gone = collected.get(known.place);
    const isBack = gone !== undefined && known.kind === 'value' && isLater(gone, known);
    hold('I3', !isBack, () => `${boot.name} took ${known.place} ${known.version}, which ${gone?.version} had deleted and was collected`);
    hold('I3', !shelf.gone.has(known.version), () => `${boot.name} took ${known.place} ${known.version} again, which it had collected`);
    const isPlain = (record as Stored).bytes.includes(VALUE_MARK);
    hold('I16', !isPlain, () => `${boot.name} stores ${known.place} as it is`);
    shelf.held.set(known.place, known);
    shelf.changedAtMs.set(known.place, world.timeline.nowMs());
    if (!known.holders.has(boot)) known.holders.set(boot, { sinceMs: world.timeline.nowMs(), nodeMs: boot.nowMs(), over: before });
  }

  function noteDeaths(boot: Boot, shelf: Shelf): void {
    for (const record of boot.kms.store.changes(0)) {
      if ((record as Stored).deadSinceMs === undefined) continue;
      const version = versionOf(boot.kms.store.offerOf(record).id);
      if (!shelf.deadSinceMs.has(version)) shelf.deadSinceMs.set(version, world.timeline.nowMs());
    }
  }

  function judgeCollection(boot: Boot, shelf: Shelf): void {
    const live = new Set(world.chain.confirmed().operators.flatMap((operator) => (operator.live ? [operator.wallet] : [])));
    const others = world.running().filter((other) => other !== boot && live.has(other.kms.identity.wallet));
    for (const [place, known] of shelf.held) {
      const at = place.indexOf('/');
      if (boot.kms.store.held(BigInt(place.slice(0, at)) as never, place.slice(at + 1))) continue;
      shelf.held.delete(place);
      shelf.gone.add(known.version);
      shelf.changedAtMs.set(place, world.timeline.nowMs());
      const ageMs = world.timeline.nowMs() - (shelf.deadSinceMs.get(known.version) ?? Infinity);
      hold('I12', ageMs >= limits.MESSAGE_LIFETIME_MS, () => `${boot.name} collected ${place} ${ageMs} ms after its end`);
      for (const other of others) {
        const theirs = shelves.get(other)?.held.get(place);
        const isBehind = theirs !== undefined && isLater(known, theirs);
        hold('I12', !isBehind, () => `${boot.name} collected ${place} while ${other.name} holds what it deleted`);
        judgeDelay(boot, other, known);
      }
      const last = collected.get(place);
      if (!last || isLater(known, last)) collected.set(place, known);
    }
  }

  /** What was before the tombstone on another node may be under way for a while longer. */
  function judgeDelay(boot: Boot, other: Boot, known: Known): void {
    const taken = known.holders.get(other);
    // Of a node that has just started this one may not know yet; nor does that bring anything back.
    const isSettled = world.timeline.nowMs() - other.startedAtMs > 2 * limits.MESSAGE_LIFETIME_MS;
    if (!taken?.over || !isSettled || shelf(other).hasForgotten) return;
    const agoMs = world.timeline.nowMs() - taken.sinceMs;
    hold('I12', agoMs >= limits.MESSAGE_LIFETIME_MS, () => `${boot.name} collected ${known.place} ${agoMs} ms after ${other.name} took it`);
  }

  function holdersOf(known: Known): Boot[] {
    const holds = ([boot, { held }]: [Boot, Shelf]) => {
      const theirs = held.get(known.place);
      return known.holders.has(boot) || (theirs !== undefined && isLater(theirs, known));
    };
    return [...shelves].filter(holds).map(([boot]) => boot);
  }

  return {
    shelf,
    collected,
    known: (version) => records.get(version),
    holdersOf,
    observe(boot) {
      const { store } = boot.kms;
      const mine = shelf(boot);
      if (mine.incarnation !== store.incarnation()) {
        Object.assign(mine, { incarnation: store.incarnation(), sequence: 0, lastOwn: undefined, hasForgotten: true });
        mine.held.clear();
        mine.gone.clear();
        mine.usedBytes.clear();
      }
      const { collected: count, expiries, evictions } = store.gauges();
      if (count !== mine.collected) judgeCollection(boot, mine);
      const hasChanged = store.sequence() !== mine.sequence;
      if (hasChanged || expiries !== mine.expiries) noteDeaths(boot, mine);
      Object.assign(mine, { collected: count, expiries });
      if (!hasChanged) return;
      const changes = [...store.changes(mine.sequence)];
      mine.sequence = store.sequence();
      room.judgeEvictions(boot, mine, changes, evictions);
      room.judgeTombstones(boot, mine, changes);
      for (const record of changes) judgeChange(boot, mine, record);
      const areOwn = changes.every(({ incarnation }) => incarnation === mine.incarnation);
      room.judgeRoom(boot, mine, areOwn);
    },
  };
}
