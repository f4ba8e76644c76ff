/** Starts the load's thread and hands it jobs, one after the other. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { LoadResult } from './load.ts';
import type { Job, ThreadAnswer, ThreadSettings } from './load-thread.ts';

export type Measured = Omit<LoadResult, 'bodies'>;

export interface Loader {
  /** Rejects when any answer had another status than 200: a rate of refusals is no rate. */
  run(job: Job): Promise<Measured>;
  stop(): Promise<void>;
}

export function createLoader(settings: ThreadSettings): Loader {
  const thread = new Worker(new URL('./load-thread.ts', import.meta.url), { workerData: settings });
  const failed = once(thread, 'error').then(([error]) => Promise.reject(error as Error));
  failed.catch(() => undefined);
  return {
    async run(job) {
      thread.postMessage(job);
      const [answer] = (await Promise.race([once(thread, 'message'), failed])) as [ThreadAnswer];
      if ('failed' in answer) throw new Error(answer.failed);
      if (answer.statuses[200] !== job.count) throw new Error(`${job.kind}: ${JSON.stringify(answer.statuses)}`);
      return answer;
    },
    async stop() {
      await thread.terminate();
    },
  };
}
