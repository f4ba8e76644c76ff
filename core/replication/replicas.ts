/**
 * How many nodes hold a write (`docs/protocol.md` clause 13.5), as far as their answers say: never more than that.
 */
import { endOf } from './pushes.ts';
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
  function count(records: readonly StoredRecord[]): ReplicaCount {
    const superseded = new Map<StoredRecord, string>();
    let replicas = 1 + membership.others().length;
    for (const record of records) {
      const version = store.lostTo(record) ?? pushes.supersededBy(record);
      if (version !== undefined) superseded.set(record, version);
      // Who holds what followed it here needs it no more.
      replicas = Math.min(replicas, 1 + cursors.holders(store.held(record.appId, record.key) ?? record));
    }
    return { replicas, superseded };
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
        if (standing.replicas >= Math.min(wanted, 1 + membership.others().length) || leftMs <= 0) return standing;
        const { moved, stop } = nextMove();
        await endOf(moved, leftMs, clock).finally(stop);
      }
    },
  };
}
