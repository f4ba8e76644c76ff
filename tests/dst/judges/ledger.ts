/**
 * What really is in every store: each change of each node is read off and judged as it happens, so that what nodes say can be compared
 * with what they hold. It knows all records there ever were.
 */
import * as limits from '../../../core/limits.ts';
import { versionOf } from '../../../core/store/stored.ts';
import { createCollecting } from './collecting.ts';
import { createHolders } from './holders.ts';
import { hold } from './invariants.ts';
import { isLater, placeOf } from './known.ts';
import { createRoom } from './room.ts';
import { VALUE_MARK } from '../world/world.ts';
import type { StoredRecord } from '../../../core/store/interface.ts';
import type { Stored } from '../../../core/store/stored.ts';
import type { Holders } from './holders.ts';
import type { Known } from './known.ts';
import type { Boot } from '../world/node.ts';
import type { World } from '../world/world.ts';

/** What one boot holds, by app and key. */
export interface Shelf {
  incarnation: string;
  readonly held: Map<string, Known>;
  /** What its store held when it was last looked at. */
  readonly standing: Set<StoredRecord>;
  /** Since when each record was seen dead. */
  readonly deadSinceMs: Map<string, number>;
  /** When each place last changed, or was emptied. */
  readonly changedAtMs: Map<string, number>;
  readonly usedBytes: Map<bigint, number>;
  /** Versions of what it has collected, and the latest of each place. */
  readonly gone: Set<string>;
  readonly lastGone: Map<string, Known>;
  /** Requests of apps that are under way here and may delete, by place; one that was given up may do so for ever. */
  readonly deletes: Map<string, number>;
  /** Those that may evict, by app. */
  readonly evictors: Map<bigint, number>;
  /** Requests of apps, evictions and collections, counted here. */
  requests: number;
  evictions: number;
  collections: number;
  /** What an app was deleting while it was taken behind another value: by its delete, or evicted before it. */
  deletedOrEvicted: number;
  /** When it was last seen alive. */
  seenAtMs: number;
  lastOwn: Known | undefined;
  hasForgotten: boolean;
}

export interface Ledger {
  shelf(boot: Boot): Shelf;
  known(version: string): Known | undefined;
  /** The latest tombstone that was collected of each place. */
  readonly collected: ReadonlyMap<string, Known>;
  readonly holders: Holders;
  observe(boot: Boot): void;
}

interface Seen {
  readonly came: readonly StoredRecord[];
  readonly left: readonly StoredRecord[];
  readonly hasDied: boolean;
}

export function createLedger(world: World): Ledger {
  const shelves = new Map<Boot, Shelf>();
  const records = new Map<string, Known>();
  const dots = new Map<string, string>();
  const dead = new WeakSet<StoredRecord>();
  const holders = createHolders(world, shelves);
  const collecting = createCollecting(world, shelves);
  const room = createRoom(world, holders);
  const { collected } = collecting;

  function shelf(boot: Boot): Shelf {
    const known = shelves.get(boot);
    if (known) return known;
    const counts = { requests: 0, evictions: 0, collections: 0, deletedOrEvicted: 0, seenAtMs: world.timeline.nowMs() };
    const fresh: Shelf = {
      ...{ incarnation: boot.kms.store.incarnation(), held: new Map(), standing: new Set(), deadSinceMs: new Map() },
      ...{ usedBytes: new Map(), gone: new Set(), lastGone: new Map(), changedAtMs: new Map(), deletes: new Map(), evictors: new Map() },
      ...{ ...counts, lastOwn: undefined, hasForgotten: false },
    };
    shelves.set(boot, fresh);
    return fresh;
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
    shelf.standing.add(record);
    shelf.held.set(known.place, known);
    shelf.changedAtMs.set(known.place, world.timeline.nowMs());
    if (!known.holders.has(boot)) known.holders.set(boot, { sinceMs: world.timeline.nowMs(), nodeMs: boot.nowMs(), over: before });
  }

  /** What came into the store since the last look, and what left it; what died meanwhile is noted. */
  function look({ kms: { store } }: Boot, { standing, deadSinceMs }: Shelf): Seen {
    const came: StoredRecord[] = [];
    let stayed = 0;
    let hasDied = false;
    for (const record of store.changes(0)) {
      if (standing.has(record)) stayed += 1;
      else came.push(record);
      if ((record as Stored).deadSinceMs === undefined || dead.has(record)) continue;
      dead.add(record);
      hasDied = true;
      deadSinceMs.set(versionOf(store.offerOf(record).id), world.timeline.nowMs());
    }
    if (stayed === standing.size) return { came, left: [], hasDied };
    const there = new Set(store.changes(0));
    return { came, left: [...standing].filter((record) => !there.has(record)), hasDied };
  }

  /** Where nothing came in its place. */
  function judgeLeaving(boot: Boot, shelf: Shelf, { came, left }: Seen): void {
    const places = new Set(left.length > 0 ? came.map(({ appId, key }) => placeOf(appId, key)) : []);
    for (const record of left) {
      shelf.standing.delete(record);
      const place = placeOf(record.appId, record.key);
      const known = shelf.held.get(place);
      if (!known || places.has(place)) continue;
      shelf.held.delete(place);
      shelf.changedAtMs.set(place, world.timeline.nowMs());
      collecting.judge(boot, shelf, known, record as Stored);
    }
  }

  return {
    shelf,
    collected,
    holders,
    known: (version) => records.get(version),
    observe(boot) {
      const { store } = boot.kms;
      const mine = shelf(boot);
      mine.seenAtMs = world.timeline.nowMs();
      if (mine.incarnation !== store.incarnation()) {
        Object.assign(mine, { incarnation: store.incarnation(), lastOwn: undefined, hasForgotten: true });
        for (const each of [mine.held, mine.standing, mine.gone, mine.lastGone, mine.usedBytes]) each.clear();
      }
      const seen = look(boot, mine);
      const { came, left, hasDied } = seen;
      if (came.length + left.length === 0 && !hasDied) return;
      judgeLeaving(boot, mine, seen);
      room.judgeEvictions(boot, mine, came);
      room.judgeTombstones(boot, mine, came);
      for (const record of came) judgeChange(boot, mine, record);
      const areOwn = came.every(({ incarnation }) => incarnation === mine.incarnation);
      room.judgeRoom(boot, mine, areOwn);
    },
  };
}
