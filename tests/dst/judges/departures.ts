/** Who is out: no live operator, or no active caller, by the chain's word; since when, and by when a node must know it. */
import * as limits from '../../../core/limits.ts';
import { CLUSTER_PROFILE } from '../world/node.ts';
import type { Wallet } from '../../../core/identity.ts';
import type { Block } from '../world/chain.ts';
import type { Boot, Slot } from '../world/node.ts';
import type { World } from '../world/world.ts';

export interface Departures {
  mined(): void;
  /** The last blocks are others now. */
  reorganised(): void;
  observe(boot: Boot): void;
  /** When a wallet was last out; `-Infinity` when it never was. */
  lastOutMs(wallet: Wallet): number;
  /** For how long this node must have known that a wallet is out, at that time. 0: it need not. */
  knownOutMs(boot: Boot, wallet: Wallet, atMs: number): number;
  /** The same by the confirmed block, by which replication goes, and now. */
  countedOutMs(boot: Boot, wallet: Wallet): number;
}

/** From a block until a node has read it: the end of a tick that began before, the pause to the next one, its answers. */
const SEEN_WITHIN_MS = limits.DATA_TICK_MS_MAX + CLUSTER_PROFILE.tickMs + 500;
/** Until replication counts by it: that is at the beginning of a tick, and the one before waits for a secret that it fetches, and for its peers. */
const COUNTED_WITHIN_MS = SEEN_WITHIN_MS + limits.FETCH_SECRET_MS_MAX + limits.PEER_MS_MAX;
/** What cannot be read, or whose clock is set, serves on what it read last; by so much clocks are set while that is judged. */
const UNSEEN_MS_MAX = CLUSTER_PROFILE.headAgeMaxMs + CLUSTER_PROFILE.tickMs + 8_000;

/** Who is out in that block. */
function standingAt({ operators, callers }: Block): Map<string, boolean> {
  const ofApps = [...callers].map(([wallet, { instanceStatus }]) => [wallet, instanceStatus !== 0] as const);
  return new Map([...operators.map(({ wallet, live }) => [wallet, !live] as const), ...ofApps]);
}

export function createDepartures({ chain, timeline }: World): Departures {
  const sinceMs = new Map<string, number>();
  const confirmedSinceMs = new Map<string, number>();
  const lastMs = new Map<string, number>();
  /** When each slot's endpoint or clock was last seen to be wrong. */
  const troubledAtMs = new Map<Slot, number>();

  function note(since: Map<string, number>, block: Block): void {
    for (const [wallet, isOut] of standingAt(block))
      if (!isOut) since.delete(wallet);
      else if (!since.has(wallet)) since.set(wallet, timeline.nowMs());
  }

  function outMs(boot: Boot, since: number | undefined, atMs: number, withinMs: number): number {
    if (since === undefined) return 0;
    const isTroubled = (troubledAtMs.get(boot.slot) ?? -Infinity) >= since - withinMs;
    return Math.max(0, atMs - since - (isTroubled ? UNSEEN_MS_MAX : withinMs));
  }

  return {
    mined() {
      note(sinceMs, chain.head());
      note(confirmedSinceMs, chain.confirmed());
      for (const wallet of sinceMs.keys()) lastMs.set(wallet, timeline.nowMs());
    },
    reorganised() {
      // An end may be in a later block than it was, which nobody has read yet.
      for (const [wallet, isOut] of standingAt(chain.confirmed())) if (!isOut) sinceMs.delete(wallet);
    },
    observe({ slot }) {
      if (slot.rpc.downs > 0 || slot.rpc.lagBlocks > 0 || slot.skewMs !== 0) troubledAtMs.set(slot, timeline.nowMs());
    },
    lastOutMs: (wallet) => lastMs.get(wallet) ?? -Infinity,
    knownOutMs: (boot, wallet, atMs) => outMs(boot, sinceMs.get(wallet), atMs, SEEN_WITHIN_MS),
    countedOutMs: (boot, wallet) => outMs(boot, confirmedSinceMs.get(wallet), timeline.nowMs(), COUNTED_WITHIN_MS),
  };
}
