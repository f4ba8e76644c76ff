/** Cuts a schedule down to what a violation needs, by leaving out ever smaller parts of it for as long as the same invariant breaks (delta debugging, Zeller 1999). */
import type { RunOptions, RunResult } from './run.ts';

export interface Shrunk {
  /** Places of the items that are left, ascending. */
  readonly keep: readonly number[];
  readonly result: RunResult;
  readonly runs: number;
}

const RUNS_MAX = 400;

export async function shrink(failed: RunResult, run: (options: RunOptions) => Promise<RunResult>): Promise<Shrunk> {
  const { seed, profile, violation } = failed;
  let keep = (await run({ seed, profile })).items.map((_, index) => index);
  let result = failed;
  let runs = 1;
  for (let parts = 2; keep.length > 1 && runs < RUNS_MAX;) {
    const size = Math.ceil(keep.length / parts);
    let isCut = false;
    for (let from = 0; from < keep.length && runs < RUNS_MAX; from += size) {
      const without = keep.filter((_, index) => index < from || index >= from + size);
      runs += 1;
      const tried = await run({ seed, profile, keep: without });
      if (tried.violation?.id !== violation?.id) continue;
      [keep, result, isCut] = [without, tried, true];
      break;
    }
    if (isCut) parts = Math.max(2, parts - 1);
    else if (size === 1) break;
    else parts = Math.min(keep.length, parts * 2);
  }
  return { keep, result, runs };
}
