/** Many seeds on all processors: threads of one bundle, batches for whoever is free, sums of what came of them. */
import { Worker } from 'node:worker_threads';
import type { RunOptions, RunResult } from './run.ts';
import type { ProfileName } from './world/schedule.ts';
import type { Batch, BatchResult, Slowest } from './worker.ts';

export interface Totals {
  seeds: number;
  virtualMs: number;
  slowest: Slowest;
  /** By kind and name: `fault crash`, `operation put 200`, `message lost`, `profile calm`. */
  sums: Record<string, number>;
  /** The first ones, by seed. */
  failed: RunResult[];
}

export interface SweepOptions {
  readonly bundle: string;
  readonly first: number;
  readonly seeds: number;
  readonly workers: number;
  readonly profile?: ProfileName | undefined;
  readonly isCanary?: boolean;
  /** Ends once so many seeds failed. */
  readonly failuresMax: number;
  /** All seeds below `next` are done, and those of `totals` are these. */
  readonly onProgress?: (totals: Totals, next: number) => void;
}

const BATCH_SEEDS = 10;

export function emptyTotals(): Totals {
  return { seeds: 0, virtualMs: 0, slowest: { settledMs: 0, seed: 0 }, sums: {}, failed: [] };
}

function asked<T>(worker: Worker, message: unknown): Promise<T> {
  return new Promise((resolve, reject) => {
    worker.once('error', reject);
    worker.once('message', (result: T) => {
      worker.off('error', reject);
      resolve(result);
    });
    worker.postMessage(message);
  });
}

export async function sweep(options: SweepOptions, totals: Totals = emptyTotals()): Promise<Totals> {
  const { first, seeds, profile, isCanary = false, failuresMax, onProgress } = options;
  const end = first + seeds;
  let next = first;
  // Batches may end out of order; what is told is what all earlier ones have ended of.
  const done = new Map<number, BatchResult>();
  let told = first;

  function take(result: BatchResult): void {
    done.set(result.first, result);
    for (let ready = done.get(told); ready; ready = done.get(told)) {
      done.delete(told);
      told += ready.count;
      totals.seeds += ready.count;
      totals.virtualMs += ready.virtualMs;
      if (ready.slowest.settledMs > totals.slowest.settledMs) totals.slowest = ready.slowest;
      for (const [name, value] of Object.entries(ready.sums)) totals.sums[name] = (totals.sums[name] ?? 0) + value;
      totals.failed.push(...ready.failed);
      onProgress?.(totals, told);
    }
  }

  async function work(): Promise<void> {
    const worker = new Worker(options.bundle, { resourceLimits: { maxYoungGenerationSizeMb: 96 } });
    try {
      while (next < end && totals.failed.length < failuresMax) {
        const batch: Batch = { first: next, count: Math.min(BATCH_SEEDS, end - next), profile, isCanary };
        next += batch.count;
        take(await asked<BatchResult>(worker, { batch }));
      }
    } finally {
      await worker.terminate();
    }
  }

  await Promise.all(Array.from({ length: Math.max(1, options.workers) }, work));
  return totals;
}

/** Runs single seeds in one thread until it is closed, one after the other, however they are asked for. */
export function openRunner(bundle: string): { run(options: RunOptions): Promise<RunResult>; close(): Promise<unknown> } {
  const worker = new Worker(bundle);
  let last: Promise<unknown> = Promise.resolve();
  return {
    run(run) {
      const next = last.then(() => asked<RunResult>(worker, { run }));
      last = next.catch(() => undefined);
      return next;
    },
    close: () => worker.terminate(),
  };
}
