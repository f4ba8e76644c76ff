/**
 * Who a proven wallet is, by the chain's word (`docs/protocol.md` clause 5). Grants need confirmation, revocations do not:
 * the wallet must be good at the confirmed block and at the head. A judgement is reused for a moment; when the chain
 * cannot be read it may be reused until its head is too old, never longer: that is the revocation bound.
 */
import { LRUCache } from 'lru-cache';
import { Refusal } from '../errors.ts';
import {
  CALLER_CACHE_MS,
  CALLERS_CACHED_MAX,
  RPC_MS_MAX,
  UNKNOWN_CACHE_MS,
  UNKNOWN_WALLETS_BURST,
  UNKNOWN_WALLETS_PER_SECOND,
} from '../limits.ts';
import { decodeCallerView, encodeCallerView } from '../chain/registry.ts';
import { readWithRetry } from '../chain/view.ts';
import { createRate } from './rate.ts';
import { judgeCaller } from './standing.ts';
import type { Wallet } from '../identity.ts';
import type { ChainView } from '../chain/view.ts';
import type { NetworkProfile } from '../networks.ts';
import type { Chain, Clock } from '../ports.ts';
import type { Caller } from './standing.ts';

export interface Authorizer {
  /** Throws a `ProofReason`, `rate_limited` or `chain_unavailable`. */
  authorize(wallet: Wallet): Promise<Caller>;
}

export interface AuthorizerDependencies {
  readonly chain: Chain;
  readonly view: ChainView;
  readonly clock: Clock;
  readonly profile: NetworkProfile;
}

interface Judgement {
  readonly verdict: Caller | Refusal;
  /** By elapsed time: setting the clock back makes no judgement younger. */
  readonly judgedAtMs: number;
  readonly headTimeMs: number;
}

/** The longest time from a block that revokes a caller to its refusal here, chain outage included. */
export function revocationBoundMs(profile: NetworkProfile): number {
  return CALLER_CACHE_MS + profile.tickMs + profile.headAgeMaxMs;
}

export function createAuthorizer({ chain, view, clock, profile }: AuthorizerDependencies): Authorizer {
  const judgements = new LRUCache<Wallet, Judgement>({ max: CALLERS_CACHED_MAX });
  const unknowns = new LRUCache<Wallet, Judgement>({ max: CALLERS_CACHED_MAX });
  const asking = new Map<Wallet, number>();
  const lookups = createRate(clock, { perSecond: UNKNOWN_WALLETS_PER_SECOND, burst: UNKNOWN_WALLETS_BURST, keysMax: 1 });

  async function look(wallet: Wallet): Promise<Judgement> {
    const state = view.state();
    if (state.kind !== 'fresh') throw new Refusal('chain_unavailable', state.detail);
    const { head, confirmed } = state.blocks;
    // The judgement is as old as the question: a slow answer does not make it younger.
    const judgedAtMs = clock.elapsedMs();
    const read = async (blockNumber: number) =>
      decodeCallerView(await readWithRetry(chain, profile.kmsRegistry, encodeCallerView(wallet), blockNumber));
    const [atHead, atConfirmed] = await Promise.all([read(head.blockNumber), read(confirmed.blockNumber)]);
    if (clock.nowMs() - head.blockTimeMs > profile.headAgeMaxMs)
      throw new Refusal('chain_unavailable', 'the head grew too old while it was read');
    const caller = judgeCaller(wallet, atHead);
    const doubt = [caller, judgeCaller(wallet, atConfirmed)].find((verdict) => verdict instanceof Refusal);
    return { verdict: doubt ?? caller, judgedAtMs, headTimeMs: head.blockTimeMs };
  }

  /** Without news of the chain, no longer than the head that it was made at; nor than that by time that passed. */
  function stands({ headTimeMs, judgedAtMs }: Judgement): boolean {
    const ageMs = Math.max(clock.nowMs() - headTimeMs, clock.elapsedMs() - judgedAtMs);
    return ageMs <= profile.headAgeMaxMs;
  }

  function remember(wallet: Wallet, judgement: Judgement): void {
    const { verdict, judgedAtMs } = judgement;
    const newest = judgements.get(wallet) ?? unknowns.get(wallet);
    if (newest && newest.judgedAtMs > judgedAtMs) return;
    const cache = verdict instanceof Refusal && verdict.reason === 'instance_unknown' ? unknowns : judgements;
    // A grant from before must not be fallen back to once the wallet has been seen unknown.
    judgements.delete(wallet);
    unknowns.delete(wallet);
    cache.set(wallet, judgement);
  }

  async function judge(wallet: Wallet): Promise<Judgement> {
    const nowMs = clock.elapsedMs();
    const known = judgements.get(wallet);
    if (known && nowMs - known.judgedAtMs < CALLER_CACHE_MS) return known;
    const unknown = unknowns.get(wallet);
    if (unknown && nowMs - unknown.judgedAtMs < UNKNOWN_CACHE_MS) return unknown;
    // One question at a time: meanwhile the last judgement stands, as it would through an outage.
    const asked = asking.get(wallet);
    const fallback = known && stands(known) ? known : undefined;
    if (fallback && asked !== undefined && nowMs - asked < RPC_MS_MAX) return fallback;
    if (!known && !lookups.take('unknown')) throw new Refusal('rate_limited', 'look-ups of unknown wallets');
    asking.set(wallet, nowMs);
    try {
      const judgement = await look(wallet);
      remember(wallet, judgement);
      return judgement;
    } catch (error) {
      if (error instanceof Refusal && error.reason === 'chain_unavailable' && known && stands(known)) return known;
      throw error;
    } finally {
      asking.delete(wallet);
    }
  }

  return {
    async authorize(wallet) {
      const { verdict } = await judge(wallet);
      if (verdict instanceof Refusal) throw new Refusal(verdict.reason, verdict.detail);
      return verdict;
    },
  };
}
