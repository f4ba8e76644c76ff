/** Judges of what stores hold in all: quotas and their gauge, evictions, tombstones. */
import * as limits from '../../../core/limits.ts';
import { hold } from './invariants.ts';
import { placeOf } from './ledger.ts';
import type { StoredRecord } from '../../../core/store/interface.ts';
import type { Stored } from '../../../core/store/stored.ts';
import type { Known, Shelf } from './ledger.ts';
import type { Boot } from '../world/node.ts';
import type { World } from '../world/world.ts';

export interface Room {
  judgeRoom(boot: Boot, shelf: Shelf, areOwn: boolean): void;
  judgeEvictions(boot: Boot, shelf: Shelf, changes: readonly StoredRecord[], evictions: number): void;
  judgeTombstones(boot: Boot, shelf: Shelf, changes: readonly StoredRecord[]): void;
}

const RECORD_BYTES = 16 + 32;
const SEALED_BYTES = 12 + 32 + 16;

/** As a quota charges it, from the record's bytes alone. */
export function chargeOf(record: StoredRecord): number {
  const { bytes, deadSinceMs, key } = record as Stored;
  return Buffer.byteLength(key) + 256 + (deadSinceMs === undefined ? bytes.length - RECORD_BYTES - SEALED_BYTES : 0);
}

export function createRoom(world: World, holdersOf: (known: Known) => Boot[]): Room {
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

  /** An app that has all the tombstones it may have adds no more keys. */
  function judgeTombstones(boot: Boot, shelf: Shelf, changes: readonly StoredRecord[]): void {
    const isNew = ({ incarnation, appId, key }: StoredRecord) => incarnation === shelf.incarnation && !shelf.held.has(placeOf(appId, key));
    for (const { appId } of changes.filter(isNew)) {
      const dead = [...boot.kms.store.changes(0)].filter((each) => each.appId === appId && (each as Stored).deadSinceMs !== undefined);
      const isBounded = dead.length <= limits.TOMBSTONES_PER_APP_MAX;
      hold('I22', isBounded, () => `${boot.name} took another key of app ${appId}, which has ${dead.length} tombstones`);
    }
  }

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

  return { judgeRoom, judgeEvictions, judgeTombstones };
}
