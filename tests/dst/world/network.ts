/**
 * Links between parties, one for each direction: messages on them are lost, doubled, slow, overtaken, cut off, or held and let go later.
 * Clean links take a few milliseconds.
 */
import type { Dice } from './dice.ts';
import type { Timeline } from './timeline.ts';

/** What is wrong with one direction. */
export interface LinkFaults {
  /** Of 1. */
  loss: number;
  duplication: number;
  delayMs: { min: number; max: number };
  /** By how many faults it is cut off now. */
  cuts: number;
  /** By how many it is clogged: what comes waits for their end. */
  clogs: number;
}

export interface Network {
  link(from: string, to: string): LinkFaults;
  /** Delivers once, twice or never. */
  carry(from: string, to: string, deliver: () => void): void;
  /** Lets go what clogged links hold; those that are clogged no more. */
  release(): void;
  healAll(): void;
  readonly counts: { carried: number; lost: number; duplicated: number; cut: number; held: number; slow: number };
}

const clean = (): LinkFaults => ({ loss: 0, duplication: 0, delayMs: CLEAN_DELAY_MS, cuts: 0, clogs: 0 });
export const CLEAN_DELAY_MS = { min: 1, max: 8 };
/** A slower delivery is a fault. */
const SLOW_MS = 100;

export function createNetwork(timeline: Timeline, dice: Dice): Network {
  const links = new Map<string, LinkFaults>();
  let held: { readonly on: LinkFaults; readonly deliver: () => void }[] = [];
  const counts = { carried: 0, lost: 0, duplicated: 0, cut: 0, held: 0, slow: 0 };

  function link(from: string, to: string): LinkFaults {
    const name = `${from}>${to}`;
    const known = links.get(name) ?? clean();
    links.set(name, known);
    return known;
  }

  function deliverSoon({ delayMs }: LinkFaults, deliver: () => void): void {
    const ms = dice.between(delayMs.min, delayMs.max);
    if (ms > SLOW_MS) counts.slow += 1;
    timeline.after(ms, deliver);
  }

  function release(): void {
    const free = held.filter(({ on }) => on.clogs === 0);
    held = held.filter(({ on }) => on.clogs > 0);
    for (const { on, deliver } of free) if (on.cuts === 0) deliverSoon(on, deliver);
  }

  return {
    link,
    counts,
    carry(from, to, deliver) {
      const on = link(from, to);
      counts.carried += 1;
      if (on.cuts > 0) counts.cut += 1;
      else if (dice.chance(on.loss)) counts.lost += 1;
      else if (on.clogs > 0) {
        counts.held += 1;
        held.push({ on, deliver });
      } else {
        deliverSoon(on, deliver);
        if (!dice.chance(on.duplication)) return;
        counts.duplicated += 1;
        timeline.after(dice.between(1, 2_000), deliver);
      }
    },
    release,
    healAll() {
      for (const on of links.values()) Object.assign(on, clean());
      release();
    },
  };
}
