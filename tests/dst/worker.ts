/** What the bundle is: runs seeds that its parent names, one after the other, and tells the result of each. */
import { parentPort } from 'node:worker_threads';
import { runSeed } from './run.ts';
import type { RunOptions } from './run.ts';

export { runSeed };

parentPort?.on('message', (options: RunOptions) => {
  void runSeed(options).then((result) => parentPort?.postMessage(options.isTraced ? result : { ...result, items: [], lines: [] }));
});
