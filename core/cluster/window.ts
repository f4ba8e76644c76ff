/** Which counters of a session were taken (`docs/protocol.md` clause 7.4): each once, and none from far behind. */
import { FRAME_WINDOW } from '../limits.ts';

export interface Window {
  /** The highest. */
  counter: number;
  /** Those taken within the window below the highest. */
  readonly taken: Set<number>;
}

/** Frames may overtake each other by as many as the window; what is older, or was taken, is a replay. */
export function wasTaken(session: Window, counter: number): boolean {
  return counter < 1 || counter <= session.counter - FRAME_WINDOW || session.taken.has(counter);
}

export function take(session: Window, counter: number): void {
  session.taken.add(counter);
  session.counter = Math.max(session.counter, counter);
  for (const old of session.taken) if (old <= session.counter - FRAME_WINDOW) session.taken.delete(old);
}
