/** How long work may take: its own time, and the time of whoever waits for it. What is let go is also told to stop. */
import { Refusal } from '../errors.ts';
import type { Clock } from '../ports.ts';

/**
 * Rejects with `deadline_exceeded` after `ms`, or with the outer signal's reason as soon as it aborts. The work's own signal
 * aborts in both cases, and when the work is done, so that nothing stays behind.
 */
export async function within<T>(
  clock: Clock,
  ms: number,
  outer: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  outer?.throwIfAborted();
  const inner = new AbortController();
  let abort = () => {};
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(outer?.reason);
  });
  outer?.addEventListener('abort', abort, { once: true });
  const expired = clock.sleep(ms, inner.signal).then(
    () => Promise.reject(new Refusal('deadline_exceeded', `after ${ms} ms`)),
    () => new Promise<never>(() => undefined),
  );
  try {
    return await Promise.race([aborted, work(inner.signal), expired]);
  } finally {
    outer?.removeEventListener('abort', abort);
    inner.abort();
  }
}
