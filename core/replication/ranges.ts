/** Ranges of times, as peers name them to each other (`docs/protocol.md` clause 13.7). */
import { compareTimes } from '../store/clock.ts';
import type { TimeRange } from '../store/interface.ts';

/** Whether no two of the ranges share a time. Whoever sends ranges sends them so: each costs the receiver work. */
export function areDisjoint(ranges: readonly TimeRange[]): boolean {
  const inOrder = ranges.toSorted((a, b) => compareEnds(a.from, b.from));
  return inOrder.every(({ from }, index) => {
    const before = inOrder[index - 1];
    return !before || (from !== undefined && before.to !== undefined && compareTimes(before.to, from) <= 0);
  });
}

/** Whether each of the ranges lies in one of those. */
export function liesWithin(ranges: readonly TimeRange[], those: readonly TimeRange[]): boolean {
  const inOrder = those.toSorted((a, b) => compareEnds(a.from, b.from));
  return ranges.every(({ from, to }) => {
    const home = inOrder.findLast((that) => compareEnds(that.from, from) <= 0);
    return home !== undefined && (home.to === undefined || (to !== undefined && compareTimes(to, home.to) <= 0));
  });
}

/** Where ranges begin: an open one before all others. */
function compareEnds(a: TimeRange['from'], b: TimeRange['from']): number {
  if (!a || !b) return Number(a !== undefined) - Number(b !== undefined);
  return compareTimes(a, b);
}
