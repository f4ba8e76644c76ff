/**
 * When anti-entropy runs, and with whom (`docs/protocol.md` clause 13.7): one peer at a time, at random times and of random choice; at
 * once with one that is new, or answers again. Only with a peer that has taken all pushes, or a round would find what is under way.
 */
import { ANTI_ENTROPY_MAX_MS, ANTI_ENTROPY_MIN_MS } from '../limits.ts';
import { withoutRefusal } from './catch-up.ts';
import type { Wallet } from '../identity.ts';
import type { Clock, Random } from '../ports.ts';
import type { Store } from '../store/interface.ts';
import type { AntiEntropy } from './anti-entropy.ts';
import type { Cursors } from './cursors.ts';
import type { Peer, Peers } from '../cluster/peers.ts';
import type { Pushes } from './pushes.ts';

export interface Rounds {
  /** A round, if one is due. */
  next(): Promise<void>;
}

export interface RoundsDependencies {
  readonly store: Store;
  readonly cursors: Cursors;
  readonly pushes: Pushes;
  readonly antiEntropy: AntiEntropy;
  readonly peers: Peers;
  readonly clock: Clock;
  readonly random: Random;
}

export function createRounds({ store, cursors, pushes, antiEntropy, peers, clock, random }: RoundsDependencies): Rounds {
  /** The incarnation of each peer that a round was had with since it last failed. */
  const compared = new Map<Wallet, string>();
  let dueAtMs = 0;

  const isNew = ({ wallet }: Peer) => compared.get(wallet) !== cursors.of(wallet)?.incarnation;
  const isBased = ({ wallet }: Peer) => cursors.of(wallet)?.isBased ?? false;

  function drawn(): number {
    return (random.bytes(1)[0] ?? 0) / 256;
  }

  function choose(): Peer | undefined {
    const ready = peers.due().filter(({ wallet }) => cursors.of(wallet)?.isReady);
    const fresh = ready.find(isNew);
    if (fresh || clock.elapsedMs() < dueAtMs) return fresh;
    const unbased = ready.filter((peer) => !isBased(peer));
    const choice = unbased.length > 0 ? unbased : ready;
    return choice[Math.floor(drawn() * choice.length)];
  }

  function hasTaken({ wallet }: Peer, through: number): boolean {
    const cursor = cursors.of(wallet);
    return cursor !== undefined && cursor.acked >= through && cursor.owed.size === 0;
  }

  return {
    async next() {
      for (const wallet of compared.keys()) if (!cursors.of(wallet) || peers.contact(wallet).failures > 0) compared.delete(wallet);
      const through = store.sequence();
      const peer = choose();
      if (!peer) return;
      await pushes.push(peer);
      if (!hasTaken(peer, through)) return;
      dueAtMs = clock.elapsedMs() + ANTI_ENTROPY_MIN_MS + drawn() * (ANTI_ENTROPY_MAX_MS - ANTI_ENTROPY_MIN_MS);
      const incarnation = cursors.of(peer.wallet)?.incarnation;
      const outcome = await withoutRefusal(antiEntropy.reconcile(peer));
      if (outcome && incarnation !== undefined) compared.set(peer.wallet, incarnation);
    },
  };
}
