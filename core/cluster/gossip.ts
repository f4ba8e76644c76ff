/**
 * Endorsements between members, both ends (`docs/protocol.md` clause 8.1): each side tells the other what it knows of the open
 * epoch. With nothing open the same exchange, empty, is the probe that tells whether a peer is there.
 */
import { Refusal } from '../errors.ts';
import { LOGGED_LIES_BURST, LOGGED_LIES_PER_SECOND, OPERATORS_MAX, PEER_PROBE_MS } from '../limits.ts';
import { createRate } from '../auth/rate.ts';
import { eligibleMemberOf } from '../chain/view.ts';
import { decodeEndorsements, encodeEndorsements } from './messages.ts';
import { openEpoch } from './readiness.ts';
import type { ChainView } from '../chain/view.ts';
import type { Epoch, Wallet } from '../identity.ts';
import type { Clock, Log } from '../ports.ts';
import type { Endorsements } from './endorsements.ts';
import type { Peer, Peers } from './peers.ts';
import type { FrameHandler } from './sessions.ts';

export interface Gossip {
  /** Answers a peer's endorsements with ours. */
  readonly handler: FrameHandler;
  /** While an epoch is open, with every peer; otherwise with those not heard of for a while. All at once. */
  exchange(peers: Peers): Promise<void>;
}

export interface GossipDependencies {
  readonly view: ChainView;
  readonly endorsements: Endorsements;
  readonly clock: Clock;
  readonly log: Log;
}

export function createGossip({ view, endorsements, clock, log }: GossipDependencies): Gossip {
  const refusals = createRate(clock, { perSecond: LOGGED_LIES_PER_SECOND, burst: LOGGED_LIES_BURST, keysMax: OPERATORS_MAX });

  function open(): Epoch | undefined {
    const state = view.state();
    return state.kind === 'fresh' ? openEpoch(state.blocks)?.epoch : undefined;
  }

  function ours(epoch: Epoch | undefined): Uint8Array {
    return encodeEndorsements({ epoch, offers: epoch === undefined ? [] : endorsements.offers(epoch) });
  }

  function learn(from: Wallet, payload: Uint8Array): void {
    const { epoch, offers } = decodeEndorsements(payload);
    const state = view.state();
    if (state.kind !== 'fresh' || epoch === undefined || epoch !== open()) return;
    const { blocks } = state;
    const eligibility = {
      headNumber: blocks.head.blockNumber,
      isEligible: (wallet: Wallet) => eligibleMemberOf(blocks, wallet) !== undefined,
    };
    const { refused } = endorsements.learn(epoch, offers, eligibility);
    if (refused && refusals.take(from)) log('endorsement.refused', { peer: from, epoch, detail: refused });
  }

  async function exchangeWith(peer: Peer, peers: Peers, payload: Uint8Array): Promise<void> {
    try {
      await peers.call(peer, 'endorsement', payload, (answer) => learn(peer.wallet, answer));
    } catch (error) {
      // Back-off and the log line are the business of `peers`; one bad peer does not end the round.
      if (!(error instanceof Refusal)) throw error;
    }
  }

  return {
    handler: async (peer, payload) => {
      learn(peer.wallet, payload);
      return ours(open());
    },
    async exchange(peers) {
      const epoch = open();
      const payload = ours(epoch);
      const due = peers.due().filter(({ wallet }) => epoch !== undefined || peers.contact(wallet).quietMs >= PEER_PROBE_MS);
      await Promise.all(due.map((peer) => exchangeWith(peer, peers, payload)));
    },
  };
}
