/**
 * Who may look into a node (`docs/protocol.md` clause 14.4): the account that registered it, and the owner of `KMSRegistry`, both at the
 * head; and who may have it vote: the first alone. Asked of nodes that do not serve, too; without a usable view of the chain nobody is
 * anybody.
 */
import { Refusal } from '../errors.ts';
import { OWNER_CACHE_MS, RPC_MS_MAX } from '../limits.ts';
import { decodeOwner, encodeOwner } from '../chain/registry.ts';
import { operatorOf, readWithRetry } from '../chain/view.ts';
import type { ClusterView } from '../chain/registry.ts';
import type { ChainView } from '../chain/view.ts';
import type { Wallet } from '../identity.ts';
import type { NetworkProfile } from '../networks.ts';
import type { ChainReader, Clock } from '../ports.ts';

export interface Operators {
  /** Throws `operator_unknown`, the reason for which the chain is unusable, `chain_unavailable` or `rate_limited`. */
  authorize(wallet: Wallet): Promise<void>;
  /** Not the owner, whom votes are there to hold back. Throws `operator_unknown`, or the reason for which the chain is unusable. */
  authorizeRegistrant(wallet: Wallet): void;
}

export interface OperatorsDependencies {
  readonly self: Wallet;
  readonly chain: ChainReader;
  readonly view: ChainView;
  readonly clock: Clock;
  readonly profile: NetworkProfile;
}

export function createOperators({ self, chain, view, clock, profile }: OperatorsDependencies): Operators {
  /** Both by elapsed time; an answer is as old as its question. */
  let known: { readonly owner: Wallet; readonly askedAtMs: number } | undefined;
  let askingSinceMs = -Infinity;

  /** One question at a time, whoever asks: meanwhile the last answer stands, for a moment. */
  async function ownerAt(blockNumber: number): Promise<Wallet> {
    const nowMs = clock.elapsedMs();
    const ageMs = known ? nowMs - known.askedAtMs : Infinity;
    const isAsking = nowMs - askingSinceMs < RPC_MS_MAX;
    if (known && ageMs < OWNER_CACHE_MS + (isAsking ? RPC_MS_MAX : 0)) return known.owner;
    if (isAsking) throw new Refusal('rate_limited', 'the owner is being looked up');
    askingSinceMs = nowMs;
    try {
      const owner = decodeOwner(await readWithRetry(chain, profile.kmsRegistry, encodeOwner(), blockNumber));
      known = { owner, askedAtMs: nowMs };
      return owner;
    } finally {
      askingSinceMs = -Infinity;
    }
  }

  function usableHead(): ClusterView {
    const state = view.state();
    if (state.kind !== 'fresh') throw new Refusal(state.reason, state.detail);
    return state.blocks.head;
  }

  return {
    async authorize(wallet) {
      const head = usableHead();
      if (operatorOf(head, self)?.registrant === wallet) return;
      if ((await ownerAt(head.blockNumber)) !== wallet) throw new Refusal('operator_unknown', wallet);
    },
    authorizeRegistrant(wallet) {
      if (operatorOf(usableHead(), self)?.registrant !== wallet) throw new Refusal('operator_unknown', wallet);
    },
  };
}
