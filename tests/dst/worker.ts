/** What the bundle is: a thread that runs seeds, as its parent asks. */
import { parentPort } from 'node:worker_threads';
import { runSeed } from './run.ts';
import { profileOf } from './world/schedule.ts';
import type { RunOptions, RunResult } from './run.ts';
import type { ProfileName } from './world/schedule.ts';

/** Refusals are everyday here, and nobody reads where they were made. */
Error.stackTraceLimit = 4;

export { runSeed };

export interface Batch {
  readonly first: number;
  readonly count: number;
  readonly profile: ProfileName | undefined;
  readonly isCanary?: boolean;
}

/** The run that took longest to come to rest. */
export interface Slowest {
  readonly settledMs: number;
  readonly seed: number;
}

/** Of a batch of seeds: sums, and whole results of those that failed. */
export interface BatchResult {
  readonly first: number;
  readonly count: number;
  readonly virtualMs: number;
  readonly slowest: Slowest;
  readonly sums: Readonly<Record<string, number>>;
  readonly failed: readonly RunResult[];
}

async function runBatch({ first, count, profile, isCanary = false }: Batch): Promise<BatchResult> {
  const sums: Record<string, number> = {};
  const failed: RunResult[] = [];
  let virtualMs = 0;
  let slowest: Slowest = { settledMs: 0, seed: first };
  const add = (of: string, counts: Readonly<Record<string, number>>): void => {
    for (const [name, value] of Object.entries(counts)) sums[`${of} ${name}`] = (sums[`${of} ${name}`] ?? 0) + value;
  };
  for (let seed = first; seed < first + count; seed += 1) {
    const result = await runSeed({ seed, profile: profile ?? profileOf(seed), isCanary });
    virtualMs += result.virtualMs;
    if (result.settledMs > slowest.settledMs) slowest = { settledMs: result.settledMs, seed };
    add('operation', result.outcomes);
    add('fault', result.faults);
    add('message', result.messages);
    add('profile', { [result.profile]: 1 });
    if (result.violation) failed.push(result);
  }
  return { first, count, virtualMs, slowest, sums, failed };
}

parentPort?.on('message', (asked: { readonly batch: Batch } | { readonly run: RunOptions }) => {
  void ('batch' in asked ? runBatch(asked.batch) : runSeed(asked.run)).then((result) => parentPort?.postMessage(result));
});
