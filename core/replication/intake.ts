/**
 * Records of a peer on their way into the store (`docs/protocol.md` clause 13.3). What is refused is counted under the peer, and logged
 * where the peer is to blame.
 */
import { Refusal } from '../errors.ts';
import { LOGGED_LIES_BURST, LOGGED_LIES_PER_SECOND, OPERATORS_MAX } from '../limits.ts';
import { createRate } from '../auth/rate.ts';
import type { Wallet } from '../identity.ts';
import type { Clock, Log } from '../ports.ts';
import type { Merged, NackReason, Store } from '../store/interface.ts';
import type { TravellingRecord } from '../store/record.ts';

export type NackCounts = Partial<Record<NackReason, number>>;

export interface Taken {
  /** How many changed something here. */
  readonly stored: number;
  /** How many this node could not take, for a reason that may pass; and those that are too far in the future yet. */
  readonly refused: number;
  readonly future: number;
}

export interface Intake {
  /** One verdict for each record, in their order. */
  merge(peer: Wallet, records: readonly TravellingRecord[]): Merged[];
  /** Records of an answer. Throws `peer_answer_odd` when there is one that no honest peer holds; the others are kept. */
  takeAnswer(peer: Wallet, records: readonly TravellingRecord[]): Taken;
  /** How many of that peer's were refused here. */
  refusedOf(peer: Wallet): NackCounts;
  retain(wallets: readonly Wallet[]): void;
}

export interface IntakeDependencies {
  readonly store: Pick<Store, 'merge'>;
  readonly clock: Clock;
  readonly log: Log;
  /** Called when the store has changed. */
  readonly onStored: () => void;
}

const BLAMED: readonly NackReason[] = ['bad_record', 'equivocation', 'future_record'];

export function createIntake({ store, clock, log, onStored }: IntakeDependencies): Intake {
  const counts = new Map<Wallet, NackCounts>();
  const logged = createRate(clock, { perSecond: LOGGED_LIES_PER_SECOND, burst: LOGGED_LIES_BURST, keysMax: OPERATORS_MAX });

  function count(peer: Wallet, reason: NackReason): void {
    const ofPeer = counts.get(peer) ?? {};
    ofPeer[reason] = (ofPeer[reason] ?? 0) + 1;
    counts.set(peer, ofPeer);
    if (BLAMED.includes(reason) && logged.take(peer)) log('records.refused', { peer, reason, count: ofPeer[reason] });
  }

  function merge(peer: Wallet, records: readonly TravellingRecord[]): Merged[] {
    const verdicts = records.map((record) => store.merge(record));
    for (const verdict of verdicts) if (verdict.kind === 'refused') count(peer, verdict.reason);
    if (verdicts.some(({ kind }) => kind === 'stored')) onStored();
    return verdicts;
  }

  return {
    merge,
    takeAnswer(peer, records) {
      const verdicts = merge(peer, records);
      const reasons = verdicts.flatMap((verdict) => (verdict.kind === 'refused' ? [verdict.reason] : []));
      if (reasons.includes('bad_record')) throw new Refusal('peer_answer_odd', 'a record of it does not open');
      // Two records with one dot or time: whoever made them lied, and it need not be who holds one of them. Nothing else waits for it.
      const refused = reasons.filter((reason) => !['equivocation', 'future_record'].includes(reason)).length;
      const future = reasons.filter((reason) => reason === 'future_record').length;
      return { stored: verdicts.filter(({ kind }) => kind === 'stored').length, refused, future };
    },
    refusedOf: (peer) => counts.get(peer) ?? {},
    retain(wallets) {
      for (const wallet of counts.keys()) if (!wallets.includes(wallet)) counts.delete(wallet);
    },
  };
}
