/**
 * Links between parties, one for each direction: messages on them are lost, doubled, slow, overtaken, cut off, or held and let go later.
 * Clean links take a few milliseconds.
 */
import type { Dice } from './dice.ts';
import type { Timeline } from './timeline.ts';

/** What is wrong with some links; those of parties that come later are asked for as well. Where several meet, they add up. */
export interface Impairment {
  /** Whether it is wrong in that direction. */
  touches(from: string, to: string): boolean;
  /** Of 1, as is duplication. */
  readonly loss?: number;
  readonly duplication?: number;
  readonly delayMaxMs?: number;
  readonly isCut?: boolean;
  /** What comes waits for its end. */
  readonly isClogged?: boolean;
}

export interface Network {
  /** From now on; what it answers ends it, and lets go what was held for it alone. */
  impair(impairment: Impairment): () => void;
  /** Delivers once, twice or never. */
  carry(from: string, to: string, deliver: () => void): void;
  readonly counts: { carried: number; lost: number; duplicated: number; cut: number; held: number; slow: number };
}

interface Message {
  readonly from: string;
  readonly to: string;
  readonly deliver: () => void;
}

const CLEAN_MS_MAX = 8;
/** A slower delivery is a fault. */
const SLOW_MS = 100;

export function createNetwork(timeline: Timeline, dice: Dice): Network {
  const impairments = new Set<Impairment>();
  let held: Message[] = [];
  const counts = { carried: 0, lost: 0, duplicated: 0, cut: 0, held: 0, slow: 0 };

  /** All that is wrong with a link now. */
  function link({ from, to }: Message) {
    const on = [...impairments].filter(({ touches }) => touches(from, to));
    /** That one of several chances comes true. */
    const chance = (of: (each: Impairment) => number | undefined) => 1 - on.reduce((none, each) => none * (1 - (of(each) ?? 0)), 1);
    return {
      isCut: on.some(({ isCut }) => isCut),
      isClogged: on.some(({ isClogged }) => isClogged),
      loss: chance((each) => each.loss),
      duplication: chance((each) => each.duplication),
      delayMaxMs: on.reduce((ms, { delayMaxMs = 0 }) => Math.max(ms, delayMaxMs), CLEAN_MS_MAX),
    };
  }

  function deliverSoon(delayMaxMs: number, deliver: () => void): void {
    const ms = dice.between(1, delayMaxMs);
    if (ms > SLOW_MS) counts.slow += 1;
    timeline.after(ms, deliver);
  }

  /** What was held meets a link that may be cut by now. */
  function release(): void {
    const all = held;
    held = [];
    for (const message of all) {
      const { isClogged, isCut, delayMaxMs } = link(message);
      if (isClogged) held.push(message);
      else if (isCut) counts.cut += 1;
      else deliverSoon(delayMaxMs, message.deliver);
    }
  }

  return {
    counts,
    impair(impairment) {
      impairments.add(impairment);
      return () => {
        impairments.delete(impairment);
        release();
      };
    },
    carry(from, to, deliver) {
      const message = { from, to, deliver };
      const { isCut, isClogged, loss, duplication, delayMaxMs } = link(message);
      counts.carried += 1;
      if (isCut) counts.cut += 1;
      else if (dice.chance(loss)) counts.lost += 1;
      else if (isClogged) {
        counts.held += 1;
        held.push(message);
      } else {
        deliverSoon(delayMaxMs, deliver);
        if (!dice.chance(duplication)) return;
        counts.duplicated += 1;
        timeline.after(dice.between(1, 2_000), deliver);
      }
    },
  };
}
