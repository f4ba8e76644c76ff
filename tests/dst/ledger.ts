/**
 * What really is in every store: each change of each node is read off and judged as it happens, so that what nodes say can be compared
 * with what they hold. It knows all records there ever were.
 */
import * as limits from '../../core/limits.ts';
import { versionOf } from '../../core/store/stored.ts';
import { hold } from './invariants.ts';
import type { StoredRecord } from '../../core/store/interface.ts';
import type { Stored } from '../../core/store/stored.ts';
import type { Boot } from './node.ts';
import type { World } from './world.ts';

/** A record as the ledger knows it, from the first time that any node held it. */
export interface Known {
  readonly version: string;
  readonly place: string;
  readonly kind: 'value' | 'tombstone';
  readonly ms: number;
  readonly logical: number;
  readonly origin: string;
  readonly expiresAtMs: number;
  readonly firstSeenMs: number;
  /** Boots that ever held it, or what followed it there. */
  readonly holders: Set<Boot>;
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

const RECORD_BYTES = 16 + 32;
const SEALED_BYTES = 12 + 32 + 16;

/** As a quota charges it, from the record's bytes alone. */
export function chargeOf(record: StoredRecord): number {
  const { bytes, deadSinceMs, key } = record as Stored;
  return Buffer.byteLength(key) + 256 + (deadSinceMs === undefined ? bytes.length - RECORD_BYTES - SEALED_BYTES : 0);
}

export function createLedger(world: World): Ledger {
  const shelves = new Map<Boot, Shelf>();
  const records = new Map<string, Known>();
  const dots = new Map<string, string>();
  const collected = new Map<string, Known>();

  function shelf(boot: Boot): Shelf {
    const known = shelves.get(boot);
    if (known) return known;
    const { store } = boot.kms;
    const fresh = { incarnation: store.incarnation(), sequence: 0, held: new Map(), deadSinceMs: new Map(), collected: 0 };
    shelves.set(boot, {
      ...fresh,
      usedBytes: new Map(),
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
    const fresh = { version, place: placeOf(appId, key), kind, ms, logical, origin, expiresAtMs, firstSeenMs: world.timeline.nowMs() };
    records.set(version, { ...fresh, holders: new Set() });
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
    shelf.held.set(known.place, known);
    shelf.changedAtMs.set(known.place, world.timeline.nowMs());
    known.holders.add(boot);
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
      shelf.changedAtMs.set(place, world.timeline.nowMs());
      const ageMs = world.timeline.nowMs() - (shelf.deadSinceMs.get(known.version) ?? Infinity);
      hold('I12', ageMs >= limits.MESSAGE_LIFETIME_MS, () => `${boot.name} collected ${place} ${ageMs} ms after its end`);
      for (const other of others) {
        const theirs = shelves.get(other)?.held.get(place);
        const isBehind = theirs !== undefined && isLater(known, theirs);
        hold('I12', !isBehind, () => `${boot.name} collected ${place} while ${other.name} holds what it deleted`);
      }
      const last = collected.get(place);
      if (!last || isLater(known, last)) collected.set(place, known);
    }
  }

  /** Own writes stay below the quota, or add nothing; those of others stay below the quotas of all. */
  function judgeRoom(boot: Boot, shelf: Shelf, areOwn: boolean): void {
    const { store, replication } = boot.kms;
    const used = new Map<bigint, number>();
    let all = 0;
    for (const record of store.changes(0)) {
      all += chargeOf(record);
      used.set(record.appId, (used.get(record.appId) ?? 0) + chargeOf(record));
    }
    const { bytes } = store.gauges();
    hold('I8', bytes === all, () => `${boot.name} says that it holds ${bytes} bytes and holds ${all}`);
    const members = Math.max(limits.MERGED_QUOTAS_MIN, world.chain.confirmed().operators.length);
    const quotas = areOwn ? 1 : members;
    for (const [app, sum] of used) {
      const max = Math.max(quotas * limits.APP_QUOTA_BYTES, shelf.usedBytes.get(app) ?? 0);
      const isFree = !areOwn && replication.gate().kind !== 'serving';
      hold('I8', isFree || sum <= max, () => `${boot.name} ${areOwn ? 'admitted' : 'merged'} ${sum} bytes of app ${app}`);
      shelf.usedBytes.set(app, sum);
    }
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
      judgeEvictions(boot, mine, changes, evictions);
      for (const record of changes) judgeChange(boot, mine, record);
      const areOwn = changes.every(({ incarnation }) => incarnation === mine.incarnation);
      judgeRoom(boot, mine, areOwn);
    },
  };

  /** Tombstones that a put made beside its value are evictions: what they took was held by enough other nodes. */
  function judgeEvictions(boot: Boot, shelf: Shelf, changes: readonly StoredRecord[], evictions: number): void {
    const made = evictions - shelf.evictions;
    shelf.evictions = evictions;
    if (made <= 0) return;
    const own = changes.filter(({ incarnation }) => incarnation === shelf.incarnation);
    // The value first, then those that made room for it; what follows are other writes of its batch.
    const at = own.findIndex(({ kind }) => kind === 'value');
    const victims = own.slice(at + 1, at + 1 + made).filter(({ kind }) => at >= 0 && kind === 'tombstone');
    const lacking = made - victims.length;
    hold('I9', lacking <= 0, () => `${boot.name} evicted ${made} records, ${lacking} of them under the key that it wrote`);
    const wanted = Math.min(2, world.chain.confirmed().operators.filter(({ live }) => live).length) - 1;
    for (const { appId, key } of victims) {
      const before = shelf.held.get(placeOf(appId, key));
      const holders = before ? holdersOf(before).filter((each) => each !== boot).length : Infinity;
      hold('I9', holders >= wanted, () => `${boot.name} evicted ${key}, which ${holders} other nodes had`);
    }
  }
}
