/** What a node remembers of those that it let in: how often they ask, what they hold, and what they used up. */
import * as limits from '../limits.ts';
import { createBudget } from './budget.ts';
import { createRate } from './rate.ts';
import { createReplays } from './replays.ts';
import type { Clock } from '../ports.ts';
import type { Budget } from './budget.ts';
import type { Rate } from './rate.ts';
import type { Replays } from './replays.ts';

export interface CallerMemories {
  readonly callerRate: Rate;
  readonly operatorRate: Rate;
  readonly requestsInWork: Budget;
  readonly bodiesInFlight: Budget;
  readonly usedNonces: Replays;
  readonly usedSignatures: Replays;
  readonly usedEnvelopes: Replays;
}

export function createCallerMemories(clock: Clock): CallerMemories {
  return {
    callerRate: createRate(clock, {
      perSecond: limits.CALLER_REQUESTS_PER_SECOND,
      burst: limits.CALLER_REQUESTS_BURST,
      keysMax: limits.CALLERS_CACHED_MAX,
    }),
    operatorRate: createRate(clock, {
      perSecond: limits.OPERATOR_REQUESTS_PER_SECOND,
      burst: limits.OPERATOR_REQUESTS_BURST,
      keysMax: limits.CALLERS_CACHED_MAX,
    }),
    requestsInWork: createBudget({
      perOwnerMax: limits.REQUESTS_PER_WALLET_MAX,
      totalMax: limits.REQUESTS_IN_WORK_MAX,
      ownerReserveMax: limits.REQUESTS_RESERVE_MAX,
    }),
    bodiesInFlight: createBudget({
      perOwnerMax: limits.BODIES_PER_WALLET_BYTES_MAX,
      totalMax: limits.BODIES_TOTAL_BYTES_MAX,
      ownerReserveMax: limits.BODIES_RESERVE_BYTES_MAX,
    }),
    usedNonces: createReplays(clock, {
      lifetimeMs: limits.NONCE_LIFETIME_MS + 2 * limits.NONCE_AHEAD_MAX_MS,
      perOwnerMax: limits.CONSUMED_NONCES_PER_WALLET_MAX,
      totalMax: limits.CONSUMED_NONCES_TOTAL_MAX,
    }),
    usedSignatures: createReplays(clock, {
      lifetimeMs: limits.SIGNATURE_AHEAD_MAX_MS + limits.SIGNATURE_LIFE_MAX_MS + limits.SIGNATURE_LATE_MAX_MS,
      perOwnerMax: limits.USED_SIGNATURES_PER_WALLET_MAX,
      totalMax: limits.USED_SIGNATURES_TOTAL_MAX,
    }),
    usedEnvelopes: createReplays(clock, {
      lifetimeMs: limits.ENVELOPE_NONCE_LIFETIME_MS,
      perOwnerMax: limits.ENVELOPE_NONCES_PER_WALLET_MAX,
      totalMax: limits.ENVELOPE_NONCES_TOTAL_MAX,
    }),
  };
}
