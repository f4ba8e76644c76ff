/**
 * The cluster as the chain tells it, at two blocks: the head, where a revocation counts at once, and the confirmed block,
 * where a grant counts. Both are read on the tick. A block that cannot be read leaves the last view in place until it is
 * too old; "cannot read" is never taken for "empty", and no weaker read replaces a failed one.
 */
import { Refusal } from '../errors.ts';
import { CHAIN_READ_TRIES, HEAD_AHEAD_MAX_MS } from '../limits.ts';
import { decodeClusterView, encodeClusterView } from './registry.ts';
import type { UnreadyReason } from '../errors.ts';
import type { NetworkProfile } from '../networks.ts';
import type { ChainReader, Clock } from '../ports.ts';
import type { ClusterView, Operator } from './registry.ts';
import type { Wallet } from '../identity.ts';

export interface Blocks {
  readonly head: ClusterView;
  readonly confirmed: ClusterView;
}

export type ChainState =
  | { readonly kind: 'fresh'; readonly blocks: Blocks }
  | { readonly kind: 'unusable'; readonly reason: UnreadyReason; readonly detail: string };

export interface ChainView {
  /** Reads both blocks. Rejects with `chain_unavailable`; the last view stays. */
  refresh(): Promise<void>;
  /** Judged against the clock at the moment of asking. */
  state(): ChainState;
}

export interface ChainViewDependencies {
  readonly chain: ChainReader;
  readonly clock: Clock;
  readonly profile: NetworkProfile;
}

export function createChainView({ chain, clock, profile }: ChainViewDependencies): ChainView {
  let blocks: Blocks | undefined;
  /** By elapsed time, when they were asked for. */
  let readAtMs = 0;

  async function readAt(blockNumber: number): Promise<ClusterView> {
    for (let tried = 1; ; tried += 1) {
      const view = decodeClusterView(await readWithRetry(chain, profile.kmsRegistry, encodeClusterView(), blockNumber));
      if (view.blockNumber === blockNumber) return view;
      // An endpoint may mix two blocks up while a new one comes in; never twice in a row, or it is none to be read.
      if (tried >= CHAIN_READ_TRIES) throw new Refusal('chain_unavailable', `asked for block ${blockNumber}, got ${view.blockNumber}`);
    }
  }

  return {
    async refresh() {
      const askedAtMs = clock.elapsedMs();
      const headNumber = await chain.headNumber();
      // An endpoint that has fallen back tells nothing new; the view ages until the head moves on.
      if (blocks && headNumber < blocks.head.blockNumber) return;
      const confirmedNumber = headNumber - profile.confirmationBlocks;
      if (confirmedNumber < 0) throw new Refusal('chain_unavailable', 'the chain is shorter than its confirmation depth');
      const [head, confirmed] = await Promise.all([readAt(headNumber), readAt(confirmedNumber)]);
      if (blocks && head.blockNumber < blocks.head.blockNumber) return;
      blocks = { head, confirmed };
      readAtMs = Math.max(readAtMs, askedAtMs);
    },
    state() {
      if (!blocks) return unusable('chain_unreadable', 'no block was read yet');
      const unreadMs = clock.elapsedMs() - readAtMs;
      if (unreadMs > profile.headAgeMaxMs) return unusable('chain_stale', `head ${blocks.head.blockNumber} was read ${unreadMs} ms ago`);
      return judge(blocks, profile, clock.nowMs());
    },
  };
}

/** An `eth_call` at exactly that block, tried again before it counts as unreadable. */
export async function readWithRetry(chain: ChainReader, to: Wallet, data: `0x${string}`, blockNumber: number): Promise<`0x${string}`> {
  for (let tried = 1; ; tried += 1) {
    try {
      return await chain.call(to, data, blockNumber);
    } catch (error) {
      if (tried >= CHAIN_READ_TRIES) throw error;
    }
  }
}

function judge(blocks: Blocks, profile: NetworkProfile, nowMs: number): ChainState {
  const { head } = blocks;
  if (head.chainId !== profile.chainId) return unusable('chain_mismatch', `chain id ${head.chainId}`);
  if (head.novaAppRegistry !== profile.novaAppRegistry) return unusable('chain_mismatch', `registry ${head.novaAppRegistry}`);
  if (!head.configured || head.kmsAppId !== profile.kmsAppId) return unusable('chain_mismatch', `app ${head.kmsAppId}`);
  const ageMs = nowMs - head.blockTimeMs;
  if (ageMs > profile.headAgeMaxMs) return unusable('chain_stale', `head ${head.blockNumber} is ${ageMs} ms old`);
  if (ageMs < -HEAD_AHEAD_MAX_MS) return unusable('chain_clock_ahead', `head ${head.blockNumber} is ${-ageMs} ms ahead of this clock`);
  return { kind: 'fresh', blocks };
}

function unusable(reason: UnreadyReason, detail: string): ChainState {
  return { kind: 'unusable', reason, detail };
}

/** The blocks that may be used now, if any. */
export function usableBlocks(view: ChainView): Blocks | undefined {
  const state = view.state();
  return state.kind === 'fresh' ? state.blocks : undefined;
}

export function operatorOf(view: ClusterView, wallet: Wallet): Operator | undefined {
  return view.operators.find((operator) => operator.wallet === wallet);
}

/** A member now: live at the confirmed block (granted) and at the head (not revoked since). The head's record counts. */
export function memberOf(blocks: Blocks, wallet: Wallet): Operator | undefined {
  const head = operatorOf(blocks.head, wallet);
  return head?.live && operatorOf(blocks.confirmed, wallet)?.live ? head : undefined;
}

/** A member that may receive secrets and endorse: eligible at both blocks. */
export function eligibleMemberOf(blocks: Blocks, wallet: Wallet): Operator | undefined {
  const head = operatorOf(blocks.head, wallet);
  return head?.eligible && operatorOf(blocks.confirmed, wallet)?.eligible ? head : undefined;
}
