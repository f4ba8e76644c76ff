/**
 * How many nodes hold a write (`docs/protocol.md` clause 13.5), as far as their answers say: never more than that.
 */
import { versionOf } from '../store/stored.ts';
import { endOf } from '../deadline.ts';
import type { Clock } from '../ports.ts';
import type { Store, StoredRecord } from '../store/interface.ts';
import type { Cursors } from './cursors.ts';
import type { Membership } from './membership.ts';
import type { Pushes } from './pushes.ts';

export interface ReplicaCount {
  /** How many nodes hold every one of the records, this one among them. */
  readonly replicas: number;
  /** The version of the later record of its key, for those that have lost to one. */
  readonly superseded: ReadonlyMap<StoredRecord, string>;
}

export interface Replicas {
  /** Until so many nodes, this one included, or all members hold every record; at most that long. */
  wait(records: readonly StoredRecord[], wanted: number, timeoutMs: number): Promise<ReplicaCount>;
}

export interface ReplicasDependencies {
  readonly store: Store;
  readonly cursors: Cursors;
  readonly pushes: Pushes;
  readonly membership: Membership;
  readonly clock: Clock;
}

export function createReplicas({ store, cursors, pushes, membership, clock }: ReplicasDependencies): Replicas {
  /** A peer's word that a later record won is believed once that record has come. */
  function winnerOver(record: StoredRecord, held: StoredRecord | undefined): string | undefined {
    const lost = store.lostTo(record);
    if (lost !== undefined || pushes.supersededBy(record) === undefined) return lost;
    const isFromElsewhere = held !== undefined && held !== record && held.incarnation !== store.incarnation();
    return isFromElsewhere ? versionOf(store.offerOf(held).id) : undefined;
  }

  function count(records: readonly StoredRecord[]): ReplicaCount & { readonly isSettled: boolean } {
    const superseded = new Map<StoredRecord, string>();
    let replicas = 1 + membership.others().length;
    let isSettled = true;
    for (const record of records) {
      const held = store.held(record.appId, record.key);
      const version = winnerOver(record, held);
      if (version !== undefined) superseded.set(record, version);
      else if (pushes.supersededBy(record) !== undefined) isSettled = false;
      // Who holds what followed it here needs it no more.
      replicas = Math.min(replicas, 1 + cursors.holders(held ?? record));
    }
    return { replicas, superseded, isSettled };
  }

  function nextMove(): { readonly moved: Promise<void>; readonly stop: () => void } {
    const { promise, resolve } = Promise.withResolvers<void>();
    return { moved: promise, stop: cursors.watch(resolve) };
  }

  return {
    async wait(records, wanted, timeoutMs) {
      const untilMs = clock.elapsedMs() + timeoutMs;
      for (;;) {
        const standing = count(records);
        const leftMs = untilMs - clock.elapsedMs();
        const isEnough = standing.replicas >= Math.min(wanted, 1 + membership.others().length) && standing.isSettled;
        if (isEnough || leftMs <= 0) return { replicas: standing.replicas, superseded: standing.superseded };
        const { moved, stop } = nextMove();
        await endOf(moved, leftMs, clock).finally(stop);
      }
    },
  };
}
