/** What an operator may know of the replication: how far each peer is, and what was found and refused. */
import { LAG_COUNTED_MAX } from '../limits.ts';
import type { Wallet } from '../identity.ts';
import type { Clock } from '../ports.ts';
import type { Store } from '../store/interface.ts';
import type { AntiEntropyCounts } from './anti-entropy.ts';
import type { Cursor, Cursors } from './cursors.ts';
import type { Intake, NackCounts } from './intake.ts';
import type { Peers } from '../cluster/peers.ts';

export interface PeerReport {
  readonly wallet: Wallet;
  /** Of its store, hex; `null` before first contact. */
  readonly incarnation: string | null;
  readonly lastContactAtMs: number | null;
  /** Up to which change of this node's it has answered. */
  readonly cursor: number;
  readonly isBased: boolean;
  readonly isReady: boolean;
  /** Changes it has not taken, counted up to `LAG_COUNTED_MAX`. */
  readonly lagRecords: number;
  /** For how long at most it has not had everything. */
  readonly lagMs: number;
  /** Records that it refuses now, and all of its records that were refused here, by reason. */
  readonly refusedThere: NackCounts;
  readonly refusedHere: NackCounts;
}

export interface ReplicationReport {
  readonly isReady: boolean;
  readonly peers: readonly PeerReport[];
  /** Since the boot: rounds that this node began, what they found, and bytes of snapshots that it pulled. */
  readonly totals: AntiEntropyCounts & { readonly snapshotBytes: number };
}

export interface ReportSources {
  readonly store: Store;
  readonly cursors: Cursors;
  readonly intake: Intake;
  readonly peers: Peers;
  readonly clock: Clock;
}

export function reportOn(wallet: Wallet, { store, cursors, intake, peers, clock }: ReportSources): PeerReport {
  const cursor = cursors.of(wallet);
  const { lastContactAtMs } = peers.contact(wallet);
  const lagRecords = lagOf(store, cursor);
  const base = { wallet, lastContactAtMs, lagRecords, refusedHere: intake.refusedOf(wallet) };
  const lagMs = lagRecords === 0 ? 0 : clock.elapsedMs() - (cursor?.caughtUpAtMs ?? 0);
  if (!cursor) return { ...base, lagMs, incarnation: null, cursor: 0, isBased: false, isReady: false, refusedThere: {} };
  const { incarnation, acked, isBased } = cursor;
  return { ...base, lagMs, incarnation, cursor: acked, isBased, isReady: cursor.isReady, refusedThere: refusedBy(cursor) };
}

function refusedBy({ refused }: Cursor): NackCounts {
  const counts: NackCounts = {};
  for (const { reason } of refused.values()) counts[reason] = (counts[reason] ?? 0) + 1;
  return counts;
}

/** Changes that the peer has not taken: those after its cursor, but for its own, and those that it lacks or refused. Looks at so many. */
function lagOf(store: Store, cursor: Cursor | undefined): number {
  let count = cursor ? cursor.owed.size + cursor.refused.size : 0;
  let looks = 0;
  for (const { incarnation } of store.changes(cursor?.acked ?? 0)) {
    if (looks >= LAG_COUNTED_MAX) break;
    looks += 1;
    if (incarnation !== cursor?.incarnation) count += 1;
  }
  return Math.min(count, LAG_COUNTED_MAX);
}
