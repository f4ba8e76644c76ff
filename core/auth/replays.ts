/**
 * What was used and must not be used again, for a bounded time. Only authorized owners put anything in; a full set
 * refuses and never evicts, so nobody can wash a used value out.
 */
import { Refusal } from '../errors.ts';
import { REPLAYS_OWNER_RESERVE_MAX } from '../limits.ts';
import { roomOf } from './budget.ts';
import type { Clock } from '../ports.ts';

export interface ReplayBounds {
  readonly lifetimeMs: number;
  readonly perOwnerMax: number;
  readonly totalMax: number;
}

export interface Replays {
  /** Whether the owner has used the value; to ask costs nothing of any memory. */
  has(owner: string, value: string): boolean;
  /** True when the value is new for this owner; false when it was used. Throws `replay_memory_full`. */
  use(owner: string, value: string): boolean;
  size(): number;
}

/** Both must be over: a clock that is set forward and back again makes nothing forgotten too early. */
interface Expiry {
  readonly elapsedMs: number;
  readonly clockMs: number;
}

export function createReplays(clock: Clock, bounds: ReplayBounds): Replays {
  /** Insertion order is the order of `elapsedMs`, because every entry lives equally long. */
  const expiries = new Map<string, Expiry>();
  const perOwner = new Map<string, number>();

  function forgetExpired(now: Expiry): void {
    for (const [key, expiry] of expiries) {
      if (expiry.elapsedMs > now.elapsedMs) return;
      expiries.delete(key);
      if (expiry.clockMs > now.clockMs) {
        // Used while the clock was ahead: what was used then may count again.
        expiries.set(key, { ...expiry, elapsedMs: now.elapsedMs + bounds.lifetimeMs });
        continue;
      }
      const owner = key.slice(0, key.indexOf('|'));
      const left = (perOwner.get(owner) ?? 1) - 1;
      if (left > 0) perOwner.set(owner, left);
      else perOwner.delete(owner);
    }
  }

  function forgottenBy(): Expiry {
    const now = { elapsedMs: clock.elapsedMs(), clockMs: clock.nowMs() };
    forgetExpired(now);
    return now;
  }

  return {
    has(owner, value) {
      forgottenBy();
      return expiries.has(`${owner}|${value}`);
    },
    use(owner, value) {
      const now = forgottenBy();
      const key = `${owner}|${value}`;
      if (expiries.has(key)) return false;
      const holds = (perOwner.get(owner) ?? 0) + 1;
      if (holds > bounds.perOwnerMax || expiries.size >= roomOf(bounds.totalMax, holds, REPLAYS_OWNER_RESERVE_MAX))
        throw new Refusal('replay_memory_full', `${holds - 1} held by ${owner}`);
      expiries.set(key, { elapsedMs: now.elapsedMs + bounds.lifetimeMs, clockMs: now.clockMs + bounds.lifetimeMs });
      perOwner.set(owner, holds);
      return true;
    },
    size: () => expiries.size,
  };
}
