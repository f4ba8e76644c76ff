/** Clock, randomness and log of the host. The only place in `core/` that reads them. */
import { EVENT_LEVELS } from '../events.ts';
import { LOG_FIELD_CHARS_MAX } from '../limits.ts';
import type { Clock, Log, Random } from '../ports.ts';

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  elapsedMs: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        signal?.removeEventListener('abort', abort);
        resolve();
      }, ms);
      function abort() {
        clearTimeout(timer);
        reject(signal?.reason);
      }
      if (signal?.aborted) abort();
      else signal?.addEventListener('abort', abort, { once: true });
    }),
};

export const systemRandom: Random = {
  bytes: (length) => crypto.getRandomValues(new Uint8Array(length)),
};

/** One JSON object a line. Texts are cut, because some of them come from outside. */
export function createLog(write: (line: string) => void, clock: Clock): Log {
  return (event, fields) => {
    const bounded = Object.entries(fields).map(([name, value]) => [
      name,
      typeof value === 'string' ? value.slice(0, LOG_FIELD_CHARS_MAX) : value,
    ]);
    write(
      JSON.stringify({ time: new Date(clock.nowMs()).toISOString(), level: EVENT_LEVELS[event], event, ...Object.fromEntries(bounded) }),
    );
  };
}
