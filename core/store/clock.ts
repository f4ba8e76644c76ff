/**
 * The hybrid logical clock (Kulkarni et al., 2014; `docs/protocol.md` clause 13.2): wall time while clocks agree, a counter where they
 * do not, and the writer's wallet where both are equal. No two writes share a time, so no write is lost to a tie.
 */
import { Refusal } from '../errors.ts';
import { CLOCK_SKEW_MAX_MS, CLOCK_SKEW_SLACK_MS, HLC_LOGICAL_MAX } from '../limits.ts';
import type { Wallet } from '../identity.ts';
import type { Clock } from '../ports.ts';

export interface HybridTime {
  /** Milliseconds since 1970, by the clock that was furthest ahead of those seen. */
  readonly ms: number;
  readonly logical: number;
  readonly origin: Wallet;
}

/** Below 0 when `a` is earlier. A total order. */
export function compareTimes(a: HybridTime, b: HybridTime): number {
  return a.ms - b.ms || a.logical - b.logical || (a.origin < b.origin ? -1 : a.origin > b.origin ? 1 : 0);
}

const RANKS_PER_MS = 4_096;

/** Never falls along that order, and tells most times apart: a double holds milliseconds and twelve bits of the counter. */
export function rankOfTime({ ms, logical }: HybridTime): number {
  return ms * RANKS_PER_MS + Math.min(logical, RANKS_PER_MS - 1);
}

export interface HybridClock {
  /** Throws `clock_unusable` when the next times would be further ahead than peers take. */
  requireUsable(): void;
  /** Later than every time given or observed before. */
  next(): HybridTime;
  /** Takes note of a time that was checked with `isTooFar`. */
  observe(time: HybridTime): void;
  /** Further ahead of this node's clock than clocks of one cluster may differ. */
  isTooFar(time: HybridTime): boolean;
}

export function createHybridClock(clock: Clock, origin: Wallet): HybridClock {
  let last = { ms: 0, logical: 0 };

  return {
    requireUsable() {
      // The slack is for a peer at the very edge: it cannot keep this node from writing.
      const aheadMs = last.ms - clock.nowMs();
      if (aheadMs > CLOCK_SKEW_MAX_MS + CLOCK_SKEW_SLACK_MS)
        throw new Refusal('clock_unusable', `this node's clock is ${aheadMs} ms behind its own records`);
    },
    next() {
      const nowMs = clock.nowMs();
      if (nowMs > last.ms) last = { ms: nowMs, logical: 0 };
      else if (last.logical < HLC_LOGICAL_MAX) last = { ms: last.ms, logical: last.logical + 1 };
      else last = { ms: last.ms + 1, logical: 0 };
      return { ...last, origin };
    },
    observe({ ms, logical }) {
      if (ms > last.ms || (ms === last.ms && logical > last.logical)) last = { ms, logical };
    },
    isTooFar: ({ ms }) => ms > clock.nowMs() + CLOCK_SKEW_MAX_MS,
  };
}
