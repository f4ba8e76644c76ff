/**
 * Merging what a peer sends (`docs/protocol.md` clause 13.3). Refused is what comes from the future, is of an epoch that is not held, or
 * does not open; of the rest the later time wins, on every node the same. Any age is taken. Merging is commutative, associative and
 * idempotent.
 */
import { CLOCK_SKEW_MAX_MS, MERGED_QUOTAS_MIN, OPERATORS_MAX, STORE_MERGED_PERCENT, TTL_MS_MAX, VALUE_BYTES_MAX } from '../limits.ts';
import { ZERO_WALLET } from '../identity.ts';
import { compareTimes, rankOfTime } from './clock.ts';
import { decodeHeader, recordId, SEAL_BYTES } from './record.ts';
import { shared, wasCollected } from './shelf.ts';
import { chargeFor, chargeOf, idOf, idTextOf, isDead, isExpired, reseal, storedOf, packed, versionOf } from './stored.ts';
import { areConcurrent, mergeClocks, pruned } from './version.ts';
import type { Merged, NackReason } from './interface.ts';
import type { Header, TravellingRecord } from './record.ts';
import type { Shelf } from './shelf.ts';
import type { Stored } from './stored.ts';
import type { VectorClock } from './version.ts';

export function createMerging(shelf: Shelf): { merge(record: TravellingRecord): Merged } {
  const { indexes, bodies, time, clock, members, quotaBytes, memoryBytesMax, counts } = shelf;

  const refused = (reason: NackReason): Merged => ({ kind: 'refused', reason });

  function isMember(wallet: Stored['origin']): boolean {
    return members().has(wallet);
  }

  /** Only what a node of this protocol makes: a tombstone has no body, and a value lives at most as long as a caller may ask. */
  function isShaped(header: Header, { isEmpty, sealed }: TravellingRecord): boolean {
    const { kind, expiresAtMs, ms } = header;
    if (kind === 'tombstone') return isEmpty;
    if (expiresAtMs > ms + TTL_MS_MAX + CLOCK_SKEW_MAX_MS || sealed.length > VALUE_BYTES_MAX + SEAL_BYTES) return false;
    // A body that is gone before its time is no record: clocks may be ahead, the sender's and that of whoever it has it from.
    return isEmpty ? isExpired(header, clock.nowMs() + 2 * CLOCK_SKEW_MAX_MS) : sealed.length >= SEAL_BYTES;
  }

  /** A dot or a time that is another record's: its writer, or the peer, is lying. */
  function isForged(header: Header, held: Stored | undefined): boolean {
    if (held && held.incarnation === header.incarnation && held.counter === header.counter) return true;
    // One moment has room for one record of each member there may be: more could not be compared range by range.
    let sameMoment = 0;
    const moment = { ms: header.ms, logical: header.logical, origin: ZERO_WALLET };
    for (const record of indexes.orders().byTime.from((each) => compareTimes(each, moment), rankOfTime(moment))) {
      if (record.ms !== header.ms || record.logical !== header.logical) return false;
      sameMoment += 1;
      if (record.origin === header.origin || sameMoment >= OPERATORS_MAX) return true;
    }
    return false;
  }

  /** From further ahead than clocks differ: a write, or an end that has come for the sender only. It may come again. */
  function isFromFuture(header: Header, { isEmpty }: TravellingRecord): boolean {
    const isEarlyEnd = isEmpty && header.kind === 'value' && !isExpired(header, clock.nowMs() + CLOCK_SKEW_MAX_MS);
    return time.isTooFar(header) || isEarlyEnd;
  }

  /** Members may each have filled the quota while they were apart; what shrinks is always taken. */
  function roomReason(header: Header, charge: number, held: Stored | undefined): NackReason | undefined {
    const growth = charge - (held ? chargeOf(held) : 0);
    if (growth <= 0) return undefined;
    const used = indexes.namespace(header.appId)?.usedBytes() ?? 0;
    const isOver = used + growth > quotaBytes * Math.max(MERGED_QUOTAS_MIN, members().size);
    // A newcomer takes what the others hold, also what members that have left once brought.
    if (isOver && !shelf.isCatchingUp()) return 'quota_exceeded';
    return indexes.memoryBytes() + growth > (memoryBytesMax * STORE_MERGED_PERCENT) / 100 ? 'store_full' : undefined;
  }

  function learn(held: Stored, theirs: VectorClock): void {
    held.clock = pruned(mergeClocks(held.clock, theirs), isMember);
  }

  /** Of members only, and sharing their names. */
  function known(theirs: VectorClock): VectorClock {
    return pruned(theirs, isMember).map(({ wallet, count }) => ({ wallet: shared(shelf, wallet), count }));
  }

  function keep(received: Header, { epoch }: TravellingRecord, id: Uint8Array, sealed: Uint8Array | undefined, seen: VectorClock): void {
    shelf.sequence += 1;
    const header = { ...received, origin: shared(shelf, received.origin), incarnation: shared(shelf, received.incarnation) };
    const deadSinceMs = sealed ? undefined : clock.elapsedMs();
    indexes.put(storedOf(header, { sequence: shelf.sequence, clock: seen, epoch, id, sealed, deadSinceMs }));
  }

  /** The same record, whose body is of an epoch that is not held here any more, and theirs of one that is. */
  function heal(held: Stored, header: Header, theirs: TravellingRecord): void {
    const isLost = !isDead(held) && !theirs.isEmpty && !shelf.keys.recordKey(held.appId, held.epoch);
    if (isLost && bodies.judge(theirs, header) === 'authentic') reseal(held, theirs.epoch, theirs.sealed);
  }

  return {
    merge(travelling) {
      const header = decodeHeader(travelling.header);
      if (!header || !isShaped(header, travelling)) return refused('bad_record');
      const id = recordId(travelling.header);
      const held = indexes.find(header.appId, header.key);
      const theirs = known(travelling.clock);
      if (held && idTextOf(held) === packed(id)) {
        learn(held, theirs);
        heal(held, header, travelling);
        return { kind: 'equal' };
      }
      if (wasCollected(shelf, packed(id))) return { kind: 'equal' };
      if (isFromFuture(header, travelling)) return refused('future_record');
      const verdict = bodies.judge(travelling, header);
      if (verdict !== 'authentic') return refused(verdict);
      time.observe(header);
      if (isForged(header, held)) return refused('equivocation');
      const isConcurrent = held !== undefined && areConcurrent(pruned(held.clock, isMember), theirs);
      if (isConcurrent) counts.conflicts += 1;
      if (held && compareTimes(held, header) > 0) {
        learn(held, theirs);
        if (isConcurrent) shelf.losers.set(packed(id), true);
        return { kind: 'superseded', version: versionOf(idOf(held)), isConcurrent: isConcurrent || shelf.losers.get(packed(id)) === true };
      }
      const sealed = travelling.isEmpty || isExpired(header, clock.nowMs()) ? undefined : travelling.sealed;
      const reason = roomReason(header, chargeFor(header.key, sealed ? sealed.length - SEAL_BYTES : 0), held);
      if (reason) return refused(reason);
      if (isConcurrent) shelf.lostTo.set(held, versionOf(id));
      keep(header, travelling, id, sealed, held ? pruned(mergeClocks(held.clock, theirs), isMember) : theirs);
      return { kind: 'stored' };
    },
  };
}
