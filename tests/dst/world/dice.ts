/** All chance of a run, from one text: sfc32, seeded by SHA-256. Forks are independent, so that one more throw here moves nothing there. */
import { createHash } from 'node:crypto';

export interface Dice {
  /** A whole number from `min` to `max`, both included. */
  between(min: number, max: number): number;
  /** True that often, of 1. */
  chance(probability: number): boolean;
  pick<T>(of: readonly T[]): T;
  shuffled<T>(items: readonly T[]): T[];
  bytes(length: number): Uint8Array;
  fork(name: string): Dice;
}

export function createDice(seed: string): Dice {
  const state = new Uint32Array(createHash('sha256').update(seed).digest().buffer.slice(0, 16));
  let [a, b, c, count] = state as unknown as [number, number, number, number];

  function next(): number {
    const sum = (a + b + count) | 0;
    count = (count + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum;
    return sum >>> 0;
  }
  for (let thrown = 0; thrown < 12; thrown += 1) next();

  const dice: Dice = {
    between: (min, max) => min + Math.floor((next() / 2 ** 32) * (max - min + 1)),
    chance: (probability) => next() / 2 ** 32 < probability,
    pick(of) {
      if (of.length === 0) throw new RangeError('nothing to pick from');
      return of[dice.between(0, of.length - 1)] as never;
    },
    shuffled(items) {
      const shuffled = [...items];
      for (let at = shuffled.length - 1; at > 0; at -= 1) {
        const other = dice.between(0, at);
        [shuffled[at], shuffled[other]] = [shuffled[other] as never, shuffled[at] as never];
      }
      return shuffled;
    },
    bytes(length) {
      const bytes = new Uint8Array(length);
      for (let at = 0; at < length; at += 1) bytes[at] = next();
      return bytes;
    },
    fork: (name) => createDice(`${seed}/${name}`),
  };
  return dice;
}
