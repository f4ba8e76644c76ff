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
  /** Takes one token. False when the bucket is empty. */
  take(key: string): boolean;
}

export function createRate(clock: Clock, bounds: RateBounds): Rate {
  const buckets = new LRUCache<string, { tokens: number; atMs: number }>({ max: bounds.keysMax });
  return {
    take(key) {
      const nowMs = clock.elapsedMs();
      const bucket = buckets.get(key) ?? { tokens: bounds.burst, atMs: nowMs };
      const refill = ((nowMs - bucket.atMs) / 1_000) * bounds.perSecond;
      const tokens = Math.min(bounds.burst, bucket.tokens + refill);
      const granted = tokens >= 1;
      buckets.set(key, { tokens: granted ? tokens - 1 : tokens, atMs: nowMs });
      return granted;
    },
  };
}
