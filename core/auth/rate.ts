/**
 * Token buckets, one per key, bounded in number; by time that passed, so that a clock that is set gives and takes nothing. A bucket that
 * is dropped comes back full, so keep `keysMax` generous.
 */
import { LRUCache } from 'lru-cache';
import type { Clock } from '../ports.ts';

export interface RateBounds {
  readonly perSecond: number;
  readonly burst: number;
  readonly keysMax: number;
}

export interface Rate {
  /** Takes so many tokens, one by default. False, and nothing taken, when the bucket has fewer. */
  take(key: string, tokens?: number): boolean;
  /** Gives back what was taken. */
  giveBack(key: string, tokens: number): void;
}

export function createRate(clock: Clock, bounds: RateBounds): Rate {
  const buckets = new LRUCache<string, { tokens: number; atMs: number }>({ max: bounds.keysMax });

  function tokensNow(key: string, nowMs: number): number {
    const { tokens, atMs } = buckets.get(key) ?? { tokens: bounds.burst, atMs: nowMs };
    return Math.min(bounds.burst, tokens + ((nowMs - atMs) / 1_000) * bounds.perSecond);
  }

  return {
    take(key, tokens = 1) {
      const nowMs = clock.elapsedMs();
      const left = tokensNow(key, nowMs);
      const granted = left >= tokens;
      buckets.set(key, { tokens: granted ? left - tokens : left, atMs: nowMs });
      return granted;
    },
    giveBack(key, tokens) {
      const nowMs = clock.elapsedMs();
      buckets.set(key, { tokens: Math.min(bounds.burst, tokensNow(key, nowMs) + tokens), atMs: nowMs });
    },
  };
}
