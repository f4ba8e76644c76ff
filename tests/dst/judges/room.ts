/** Judges of what stores hold in all: quotas and their gauge, evictions, tombstones. */
import * as limits from '../../../core/limits.ts';
import { hold } from './invariants.ts';
import { placeOf } from './known.ts';
import type { StoredRecord } from '../../../core/store/interface.ts';
import type { Stored } from '../../../core/store/stored.ts';
import type { Holders } from './holders.ts';
import type { Shelf } from './ledger.ts';
import type { Boot } from '../world/node.ts';
import type { World } from '../world/world.ts';

export interface Room {
  judgeRoom(boot: Boot, shelf: Shelf, areOwn: boolean): void;
  judgeEvictions(boot: Boot, shelf: Shelf, came: readonly StoredRecord[]): void;
  judgeTombstones(boot: Boot, shelf: Shelf, changes: readonly StoredRecord[]): void;
}

const RECORD_BYTES = 16 + 32;
const SEALED_BYTES = 12 + 32 + 16;

/** As a quota charges it, from the record's bytes alone. */
export function chargeOf(record: StoredRecord): number {
  const { bytes, deadSinceMs, key } = record as Stored;
  return Buffer.byteLength(key) + 256 + (deadSinceMs === undefined ? bytes.length - RECORD_BYTES - SEALED_BYTES : 0);
}

export function createRoom(world: World, holders: Holders): Room {
  /** Own writes stay below the quota, or add nothing; those of others stay below the quotas of all. */
  function judgeRoom(boot: Boot, shelf: Shelf, areOwn: boolean): void {
    const { store, replication } = boot.kms;
    const used = new Map<bigint, number>();
    let [all, alive, dead] = [0, 0, 0];
    for (const record of store.changes(0)) {
      all += chargeOf(record);
      if ((record as Stored).deadSinceMs === undefined) alive += 1;
      else dead += 1;
      used.set(record.appId, (used.get(record.appId) ?? 0) + chargeOf(record));
    }
    const { bytes, keys, tombstones, namespaces, evictions, collected } = store.gauges();
    hold('I8', bytes === all, () => `${boot.name} says that it holds ${bytes} bytes and holds ${all}`);
    const unsure = Math.max(0, Math.min(evictions - shelf.evictions, shelf.deletedOrEvicted));
    const told = [keys, tombstones, namespaces, evictions, collected].join();
    const seen = [alive, dead, used.size, shelf.evictions + unsure, shelf.collections].join();
    hold('I8', told === seen, () => `${boot.name} counts ${told} keys, tombstones, namespaces, evictions and collections: it has ${seen}`);
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

  /** A delete that no app asked for is an eviction: it follows the value that it makes room for, and others hold what it takes. */
  function judgeEvictions(boot: Boot, shelf: Shelf, came: readonly StoredRecord[]): void {
    const wanted = Math.min(2, world.chain.confirmed().operators.filter(({ live }) => live).length) - 1;
    let last: StoredRecord | undefined;
    for (const record of came) {
      if (record.incarnation !== shelf.incarnation) continue;
      const follows = last?.counter === record.counter - 1;
      last = record;
      const place = placeOf(record.appId, record.key);
      if (record.kind === 'value') continue;
      if (shelf.deletes.has(place)) {
        if (follows) shelf.deletedOrEvicted += 1;
        continue;
      }
      shelf.evictions += 1;
      hold('I9', shelf.evictors.has(record.appId), () => `${boot.name} evicted ${place}, and no request of its app allows it`);
      const before = shelf.held.get(place);
      const isAlive = before?.kind === 'value' && !shelf.deadSinceMs.has(before.version);
      hold('I9', isAlive, () => `${boot.name} deleted ${place}, which nobody asked for, and which was not there`);
      hold('I9', follows, () => `${boot.name} evicted ${place}, and what it was to make room for is not there`);
      const others = before ? holders.besides(boot, before) : 0;
      hold('I9', others >= wanted, () => `${boot.name} evicted ${place}, which ${others} other nodes had`);
    }
  }

  return { judgeRoom, judgeEvictions, judgeTombstones };
}
