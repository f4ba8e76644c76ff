/**
 * Whose turn it is, by the chain alone (`docs/protocol.md` clause 9.1): eligible operators in the order of their instance
 * ids, the turn moving on every proposal window since the epoch was opened. No clock is compared.
 */
import type { EpochRecord, ClusterView } from '../chain/registry.ts';
import type { Blocks } from '../chain/view.ts';
import type { Wallet } from '../identity.ts';
import type { NetworkProfile } from '../networks.ts';

/** Eligible at the confirmed block and still at the head, by instance id. */
export function eligibleInOrder({ head, confirmed }: Blocks): readonly Wallet[] {
  const still = new Set(head.operators.filter((operator) => operator.eligible).map((operator) => operator.wallet));
  return confirmed.operators
    .filter((operator) => operator.eligible && still.has(operator.wallet))
    .toSorted((a, b) => (a.instanceId < b.instanceId ? -1 : 1))
    .map((operator) => operator.wallet);
}

/** The proposer at the confirmed block, first, and the one at the head: nodes see the chain a few blocks apart. */
export function proposersNow(blocks: Blocks, open: EpochRecord, profile: NetworkProfile): readonly Wallet[] {
  const order = eligibleInOrder(blocks);
  const turns = [turnAt(blocks.confirmed, open, profile), turnAt(blocks.head, open, profile)];
  return turns.flatMap((turn) => order[turn % order.length] ?? []);
}

/** How many operators relay before this one: 0 for the proposer. */
export function relayPlace(blocks: Blocks, open: EpochRecord, profile: NetworkProfile, self: Wallet): number {
  const order = eligibleInOrder(blocks);
  const first = turnAt(blocks.confirmed, open, profile) % order.length;
  return (order.indexOf(self) - first + order.length) % order.length;
}

/** Proposal windows that have passed since the epoch was opened. */
export function turnAt(view: ClusterView, open: EpochRecord, profile: NetworkProfile): number {
  return Math.floor(Math.max(0, view.blockNumber - open.openedAtBlock) / profile.proposalWindowBlocks);
}
