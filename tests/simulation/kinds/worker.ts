/** A node as a worker under a workerd of its own. Its network settings come from `wrangler.toml`, the rest are bindings. */
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Readable } from 'node:stream';
import { Log, LogLevel, Miniflare } from 'miniflare';
import { parse } from 'smol-toml';
import { noteLine } from '../../secrecy/recorder.ts';
import { withoutForeignSignals } from '../processes.ts';
import type { RunningNode, RunOptions } from '../node.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const TICK_URL = `http://worker/cdn-cgi/handler/scheduled?cron=${encodeURIComponent('* * * * *')}`;

export async function runWorker(options: RunOptions): Promise<RunningNode> {
  const { name, profile, rpcUrl, odynUrl, port, heard, onStarted } = options;
  const settings = await workerSettings();
  const worker = withoutForeignSignals(
    () =>
      new Miniflare({
        ...settings,
        name,
        host: '127.0.0.1',
        port: 0,
        // Straight to the worker: Miniflare's own entry would halve the rate and double the memory.
        unsafeDirectSockets: [{ host: '127.0.0.1', port }],
        ...(options.inspect && { inspectorPort: 0 }),
        // A tick is one request. Its other way, a stand-in for the worker, blocks this thread at each use.
        unsafeTriggerHandlers: true,
        cf: false,
        log: new Log(LogLevel.NONE),
        handleRuntimeStdio: (stdout: Readable, stderr: Readable) => {
          for (const stream of [stdout, stderr])
            createInterface(stream)
              .on('line', (line) => noteLine(name, line))
              .on('line', heard);
        },
        bindings: { PROFILE: profile, RPC_URL: rpcUrl, ODYN_URL: odynUrl },
      }),
  );
  await worker.ready;
  onStarted();
  let timer: NodeJS.Timeout | undefined;
  let isStopped = false;

  async function tick(): Promise<void> {
    try {
      const outcome = await (await worker.dispatchFetch(TICK_URL)).text();
      if (outcome !== 'ok') throw new Error(`the tick ended with ${outcome}`);
    } catch (error) {
      // A tick that its worker's stop cuts off has nobody left to tell.
      if (!isStopped) heard(`tick failed: ${String(error)}`);
    }
  }

  /** One tick after the other, never two at once. */
  function schedule(): void {
    timer = setTimeout(async () => {
      await tick();
      if (!isStopped) schedule();
    }, profile.tickMs);
  }

  schedule();
  return {
    inspectorUrl: async () => new URL(`/core:user:${name}`, await worker.getInspectorURL()),
    async stop() {
      isStopped = true;
      clearTimeout(timer);
      await worker.dispose();
    },
  };
}

/** What `wrangler.toml` says of the worker, in Miniflare's words. */
async function workerSettings() {
  const settings = parse(await readFile(`${ROOT}wrangler.toml`, 'utf8'));
  const { main, compatibility_date: compatibilityDate, compatibility_flags: compatibilityFlags } = settings;
  if (typeof main !== 'string' || typeof compatibilityDate !== 'string' || !Array.isArray(compatibilityFlags))
    throw new Error('wrangler.toml: main, compatibility_date and compatibility_flags are needed');
  // Named, the bundle is not searched for others that it might import.
  const modules = [{ type: 'ESModule' as const, path: `${ROOT}${main}` }];
  return { modules, modulesRoot: ROOT, compatibilityDate, compatibilityFlags: compatibilityFlags.map(String) };
}
