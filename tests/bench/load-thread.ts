/** The load's own thread, so that the emulated enclaves of the main thread and the clients do not wait for each other. */
import { parentPort, workerData } from 'node:worker_threads';
import { runLoad } from './load.ts';
import { createRequestMaker } from './requests.ts';
import type { LoadResult } from './load.ts';
import type { AppKeys, TargetNode } from './requests.ts';

/** What a thread is told when it starts. */
export interface ThreadSettings {
  readonly apps: readonly AppKeys[];
  readonly node: TargetNode;
}

export type Job =
  | { readonly kind: 'platform' | 'signed'; readonly count: number; readonly connections: number }
  | { readonly kind: 'get'; readonly path: string; readonly count: number; readonly connections: number };

export type ThreadAnswer = Omit<LoadResult, 'bodies'> | { readonly failed: string };

const { apps, node } = workerData as ThreadSettings;
const maker = await createRequestMaker(apps, node);

function gets(path: string, count: number): Buffer[] {
  const request = Buffer.from(`GET ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n`);
  return Array.from({ length: count }, () => request);
}

async function requestsOf(job: Job): Promise<Buffer[]> {
  if (job.kind === 'get') return gets(job.path, job.count);
  if (job.kind === 'signed') return maker.signed(job.count);
  const { bodies } = await runLoad({ port: node.port, requests: gets('/nonce', job.count), connections: 8 });
  return maker.platform(bodies.map((body) => (JSON.parse(body) as { nonce: string }).nonce));
}

async function perform(job: Job): Promise<ThreadAnswer> {
  try {
    const { bodies: _bodies, ...result } = await runLoad({
      port: node.port,
      requests: await requestsOf(job),
      connections: job.connections,
    });
    return result;
  } catch (error) {
    return { failed: String(error) };
  }
}

parentPort?.on('message', (job: Job) => void perform(job).then((answer) => parentPort?.postMessage(answer)));
