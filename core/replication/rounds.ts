/**
 * When anti-entropy runs, and with whom (`docs/protocol.md` clause 13.7): at random times, with the peer whose last round is longest ago;
 * at once with one that is new, or answers again. Only with a peer that has taken all pushes, or a round would find what is under way.
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
  /** When a round with a peer was last begun, whatever became of it. */
  const begunAtMs = new Map<Wallet, number>();
  let dueAtMs = 0;

  const lastOf = ({ wallet }: Peer) => begunAtMs.get(wallet) ?? -Infinity;

  /** New since its last round, and not again so soon: a peer that is always new has its turn like the others. */
  function isNew(peer: Peer): boolean {
    const isOther = compared.get(peer.wallet) !== cursors.of(peer.wallet)?.incarnation;
    return isOther && lastOf(peer) <= clock.elapsedMs() - ANTI_ENTROPY_MIN_MS;
  }

  function drawn(): number {
    return (random.bytes(1)[0] ?? 0) / 256;
  }

  function choose(): Peer | undefined {
    const ready = peers.due().filter(({ wallet }) => cursors.of(wallet)?.isReady);
    if (clock.elapsedMs() < dueAtMs) return ready.find(isNew);
    dueAtMs = clock.elapsedMs() + ANTI_ENTROPY_MIN_MS + drawn() * (ANTI_ENTROPY_MAX_MS - ANTI_ENTROPY_MIN_MS);
    return ready.toSorted((a, b) => lastOf(a) - lastOf(b))[0];
  }

  function hasTaken({ wallet }: Peer, through: number): boolean {
    const cursor = cursors.of(wallet);
    return cursor !== undefined && cursor.acked >= through && cursor.owed.size === 0;
  }

  return {
    async next() {
      for (const wallet of begunAtMs.keys()) if (!cursors.of(wallet)) begunAtMs.delete(wallet);
      for (const wallet of compared.keys()) if (!cursors.of(wallet) || peers.contact(wallet).failures > 0) compared.delete(wallet);
      const through = store.sequence();
      const peer = choose();
      if (!peer) return;
      begunAtMs.set(peer.wallet, clock.elapsedMs());
      await pushes.push(peer);
      if (!hasTaken(peer, through)) return;
      const incarnation = cursors.of(peer.wallet)?.incarnation;
      const outcome = await withoutRefusal(antiEntropy.reconcile(peer));
      if (outcome && incarnation !== undefined) compared.set(peer.wallet, incarnation);
    },
  };
}
