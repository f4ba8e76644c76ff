/** Work that waits for a stranger: when too much of it does, what has waited longest is given up for the newest. */
import { Refusal } from '../errors.ts';

export interface WaitingRoom {
  /** Rejects with `busy` when this work has waited longest and the room is full. */
  wait<T>(work: Promise<T>): Promise<T>;
}

/** Who is quick is never given up, however many are slow: as half-open connections are dropped from the oldest on. */
export function createWaitingRoom(max: number): WaitingRoom {
  /** The longest first. */
  const waiting = new Set<() => void>();
  return {
    async wait(work) {
      const { promise: givenUp, reject } = Promise.withResolvers<never>();
      const giveUp = () => reject(new Refusal('busy', `${max} others came while it waited`));
      waiting.add(giveUp);
      if (waiting.size > max)
        for (const oldest of waiting) {
          waiting.delete(oldest);
          oldest();
          break;
        }
      try {
        return await Promise.race([work, givenUp]);
      } finally {
        waiting.delete(giveUp);
      }
    },
  };
}
