/** Time limits on work that cannot be stopped: whoever waits for it is let go. */
import { Refusal } from './errors.ts';
import type { Reason } from './errors.ts';
import type { Clock } from './ports.ts';

/** Rejects with the reason when the time is over first. */
export async function withDeadline<T>(clock: Clock, ms: number, reason: Reason, work: Promise<T>): Promise<T> {
  const done = new AbortController();
  const limit = clock.sleep(ms, done.signal).then(
    () => Promise.reject(new Refusal(reason, `after ${ms} ms`)),
    () => new Promise<never>(() => undefined),
  );
  try {
    return await Promise.race([work, limit]);
  } finally {
    // With a reason of ours: without one an exception is made, stack and all, that nobody looks at.
    done.abort('done');
  }
}

/** Until the work ends, or that long; what it throws by then is thrown on. */
export async function endOf(work: Promise<unknown>, ms: number, clock: Clock): Promise<void> {
  const over = new AbortController();
  const pause = clock.sleep(ms, over.signal).catch(() => undefined);
  await Promise.race([work, pause]).finally(() => over.abort('done'));
}
