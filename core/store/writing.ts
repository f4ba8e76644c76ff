/**
 * Writes of this node's own apps: judged first, by version, quota and clock; then done in one step, or not at all. Room is charged at
 * admission. A delete is a write like any other; so is an eviction.
 */
import { assert, Refusal } from '../errors.ts';
import { EVICTION_LOOKS_MAX, STORE_MAINTENANCE_RECORDS, TOMBSTONES_PER_APP_MAX } from '../limits.ts';
import { commitTo, COMMITMENT_BYTES, encodeHeader, isKey, recordId, sealBody } from './record.ts';
import { expire, expireDue } from './shelf.ts';
import { chargeFor, chargeOf, idOf, isDead, isExpired, storedOf, versionOf } from './stored.ts';
import { incremented, pruned } from './version.ts';
import type { AppId } from '../identity.ts';
import type { Sealing } from './bodies.ts';
import type { Deleted, PutOptions, WriteOptions, Written } from './interface.ts';
import type { Header } from './record.ts';
import type { Shelf } from './shelf.ts';
import type { Stored } from './stored.ts';

const EXPIRED_AT_A_WRITE_MAX = 64;
const NO_COMMITMENT = new Uint8Array(COMMITMENT_BYTES);

interface Writing {
  put(appId: AppId, key: string, value: Uint8Array, options?: PutOptions): Written;
  remove(appId: AppId, key: string, options?: WriteOptions): Deleted;
}

/** What a write that may happen is sealed under, and the record that it replaces. */
interface Judged {
  readonly sealing: Sealing;
  readonly held: Stored | undefined;
}

export function createWriting(shelf: Shelf): Writing {
  const { indexes, bodies, time, clock, random, self, members, quotaBytes, memoryBytesMax } = shelf;

  /** Before anything changes: then a write is done whole or not at all. */
  function judge(appId: AppId, key: string, options: WriteOptions): Judged {
    assert(isKey(key), 'callers have judged the key');
    expireDue(shelf, EXPIRED_AT_A_WRITE_MAX);
    time.requireUsable();
    const sealing = bodies.sealing(appId);
    return { sealing, held: judgeVersion(appId, key, options) };
  }

  /** What is held now, dead or alive; throws `version_conflict` when the caller expects something else. */
  function judgeVersion(appId: AppId, key: string, { ifVersion }: WriteOptions): Stored | undefined {
    const held = indexes.find(appId, key);
    if (isReadable(held) && isExpired(held, clock.nowMs())) expire(shelf, held);
    const current = isReadable(held) ? versionOf(idOf(held)) : null;
    if (ifVersion !== undefined && ifVersion !== current)
      throw new Refusal('version_conflict', 'another version is there', undefined, { current_version: current });
    return held;
  }

  /** Throws `quota_exceeded` or `store_full` when what is held cannot grow by so much. */
  function judgeRoom(appId: AppId, growth: number): void {
    const missing = missingRoom(appId, growth);
    if (missing.ofAll > 0) throw new Refusal('store_full', `${indexes.memoryBytes()} bytes in all`);
    if (missing.ofApp > 0) throw full(appId, growth);
  }

  function missingRoom(appId: AppId, growth: number): { readonly ofApp: number; readonly ofAll: number } {
    if (growth <= 0) return { ofApp: 0, ofAll: 0 };
    const used = usedBytes(appId);
    return { ofApp: used + growth - quotaBytes, ofAll: indexes.memoryBytes() + growth - memoryBytesMax };
  }

  function usedBytes(appId: AppId): number {
    return indexes.namespace(appId)?.usedBytes() ?? 0;
  }

  function full(appId: AppId, neededBytes: number): Refusal {
    const facts = { used_bytes: usedBytes(appId), quota_bytes: quotaBytes, needed_bytes: neededBytes };
    return new Refusal('quota_exceeded', JSON.stringify(facts), undefined, facts);
  }

  /** Throws `tombstones_full` when an app has so many that no more key may come, and in time go. */
  function judgeTombstones(appId: AppId, added: number): void {
    const count = indexes.namespace(appId)?.deadCount() ?? 0;
    if (count + added <= TOMBSTONES_PER_APP_MAX) return;
    const facts = { tombstones: count, tombstones_max: TOMBSTONES_PER_APP_MAX };
    throw new Refusal('tombstones_full', JSON.stringify(facts), undefined, facts);
  }

  /** The records to delete for so much room, least recently used first. Throws `quota_exceeded` when they do not make it. */
  function victimsFor(appId: AppId, key: string, missing: number, growth: number): Stored[] {
    const victims: Stored[] = [];
    let left = missing;
    let looks = 0;
    for (const record of indexes.namespace(appId)?.leastUsed() ?? []) {
      if (left <= 0 || looks >= EVICTION_LOOKS_MAX) break;
      looks += 1;
      const freed = chargeOf(record) - chargeFor(record.key, 0);
      if (record.key === key || freed === 0 || !shelf.isReplicated(record)) continue;
      victims.push(record);
      left -= freed;
    }
    if (left > 0) throw full(appId, growth);
    return victims;
  }

  function makeRoom(appId: AppId, key: string, growth: number, whenFull: PutOptions['whenFull']): Stored[] {
    if (missingRoom(appId, growth).ofApp > 0) expireDue(shelf, STORE_MAINTENANCE_RECORDS);
    const { ofApp, ofAll } = missingRoom(appId, growth);
    if (ofApp <= 0 || ofAll > 0 || whenFull !== 'evict') {
      judgeRoom(appId, growth);
      return [];
    }
    const victims = victimsFor(appId, key, ofApp, growth);
    judgeTombstones(appId, victims.length);
    return victims;
  }

  /** The one place where a dot, a time and a sequence are given out. */
  function write(
    fields: Pick<Header, 'appId' | 'key' | 'kind' | 'commitment'>,
    { sealing, held }: Judged,
    ttlMs: number | undefined,
    body: Uint8Array | undefined,
  ): Written {
    const now = time.next();
    const expiresAtMs = ttlMs === undefined ? 0 : clock.nowMs() + ttlMs;
    shelf.counter += 1;
    shelf.sequence += 1;
    const header: Header = { ...fields, ...now, incarnation: shelf.incarnation, counter: shelf.counter, expiresAtMs };
    const bytes = encodeHeader(header);
    const seen = pruned(held?.clock ?? [], (wallet) => members().has(wallet));
    const record = storedOf(header, {
      sequence: shelf.sequence,
      clock: incremented(seen, self),
      epoch: sealing.epoch,
      id: recordId(bytes),
      sealed: body && sealBody(sealing.key, bytes, body, random),
      deadSinceMs: body ? undefined : clock.elapsedMs(),
    });
    indexes.put(record);
    return { record, version: versionOf(idOf(record)), updatedAtMs: record.ms, expiresAtMs: expiresAtMs || null, evicted: [] };
  }

  function bury({ appId, key }: Pick<Stored, 'appId' | 'key'>, judged: Judged): Written {
    return write({ appId, key, kind: 'tombstone', commitment: NO_COMMITMENT }, judged, undefined, undefined);
  }

  return {
    put(appId, key, value, options = {}) {
      const judged = judge(appId, key, options);
      const { sealing, held } = judged;
      if (!held) judgeTombstones(appId, 1);
      const growth = chargeFor(key, value.length) - (held ? chargeOf(held) : 0);
      const victims = makeRoom(appId, key, growth, options.whenFull);
      const { commitment, body } = commitTo(value, random);
      const written = write({ appId, key, kind: 'value', commitment }, judged, options.ttlMs, body);
      for (const victim of victims) bury(victim, { sealing, held: victim });
      shelf.counts.evictions += victims.length;
      return { ...written, evicted: victims.map((victim) => victim.key) };
    },
    remove(appId, key, options = {}) {
      const judged = judge(appId, key, options);
      const existed = isReadable(judged.held);
      if (!judged.held) {
        judgeTombstones(appId, 1);
        judgeRoom(appId, chargeFor(key, 0));
      }
      return { ...bury({ appId, key }, judged), existed };
    },
  };
}

/** Not deleted, nor wiped after its expiry. */
function isReadable(held: Stored | undefined): held is Stored {
  return held !== undefined && !isDead(held);
}
