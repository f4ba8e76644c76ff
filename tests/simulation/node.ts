/**
 * One simulated node: an enclave's Odyn and the worker under a workerd of its own, on a port that stays the same when it
 * restarts. Its network settings come from `wrangler.toml`, its profile and addresses are bindings.
 */
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Readable } from 'node:stream';
import { Log, LogLevel, Miniflare } from 'miniflare';
import { parse } from 'smol-toml';
import { startOdyn } from './odyn.ts';
import { withoutForeignSignals } from './processes.ts';
import type { NetworkProfile } from '../../core/networks.ts';
import type { Odyn } from './odyn.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** A profile as JSON carries it. */
export type ProfileJson = Omit<NetworkProfile, 'kmsAppId' | 'kmsRegistry' | 'novaAppRegistry'> & {
  readonly kmsAppId: string;
  readonly kmsRegistry: string;
  readonly novaAppRegistry: string;
};

export interface NodeLogLine {
  readonly time: string;
  readonly level: string;
  readonly event: string;
  readonly [field: string]: unknown;
}

export interface NodeOptions {
  readonly name: string;
  readonly profile: ProfileJson;
  readonly rpcUrl: string;
  readonly onLog?: (line: NodeLogLine) => void;
  /** Opens workerd's inspector, for tests that weigh its heap. */
  readonly inspect?: boolean;
  /** After each start of a workerd. */
  readonly onStarted?: () => void;
}

export interface SimulatedNode {
  readonly name: string;
  /** Where the worker listens. */
  readonly url: string;
  readonly odyn: Odyn;
  /** Every line it logged, as printed. */
  readonly lines: readonly string[];
  /** Of the inspector, when it was asked for. */
  inspectorUrl(): Promise<URL>;
  /** Runs one tick now, whatever the timer does. */
  tick(): Promise<void>;
  /** Memory is lost; the enclave and its keys stay. */
  stop(): Promise<void>;
  start(): Promise<void>;
  /** A new enclave on the same address: other wallet, other TEE key. */
  replaceEnclave(): Promise<void>;
  close(): Promise<void>;
}

export async function startNode(options: NodeOptions): Promise<SimulatedNode> {
  const settings = await workerSettings();
  const lines: string[] = [];
  let odyn = await startOdyn();
  let worker: Miniflare | undefined;
  let timer: NodeJS.Timeout | undefined;
  let port = 0;

  function heard(line: string): void {
    lines.push(line);
    const parsed = line.startsWith('{') ? (JSON.parse(line) as NodeLogLine) : undefined;
    if (parsed) options.onLog?.(parsed);
  }

  async function tick(): Promise<void> {
    const current = worker;
    if (!current) return;
    try {
      const handle = (await current.getWorker()) as unknown as { scheduled(event: { cron: string }): Promise<{ outcome: string }> };
      const { outcome } = await handle.scheduled({ cron: '* * * * *' });
      if (outcome !== 'ok') throw new Error(`the tick ended with ${outcome}`);
    } catch (error) {
      // A tick that its worker's stop cuts off has nobody left to tell.
      if (worker === current) throw error;
    }
  }

  async function start(): Promise<void> {
    worker = withoutForeignSignals(
      () =>
        new Miniflare({
          ...settings,
          name: options.name,
          host: '127.0.0.1',
          port: 0,
          // Straight to the worker: Miniflare's own entry would halve the rate and double the memory.
          unsafeDirectSockets: [{ host: '127.0.0.1', port }],
          ...(options.inspect && { inspectorPort: 0 }),
          cf: false,
          log: new Log(LogLevel.NONE),
          handleRuntimeStdio: (stdout: Readable, stderr: Readable) => {
            createInterface(stdout).on('line', heard);
            createInterface(stderr).on('line', heard);
          },
          bindings: { PROFILE: options.profile, RPC_URL: options.rpcUrl, ODYN_URL: odyn.url },
        }),
    );
    await worker.ready;
    port = Number((await worker.unsafeGetDirectURL()).port);
    options.onStarted?.();
    schedule();
  }

  /** One tick after the other, never two at once. */
  function schedule(): void {
    const current = worker;
    timer = setTimeout(async () => {
      await tick().catch((error: unknown) => heard(`tick failed: ${String(error)}`));
      if (worker === current && current) schedule();
    }, options.profile.tickMs);
  }

  async function stop(): Promise<void> {
    clearTimeout(timer);
    const stopping = worker;
    worker = undefined;
    await stopping?.dispose();
  }

  await start();
  return {
    name: options.name,
    get url() {
      return `http://127.0.0.1:${port}`;
    },
    get odyn() {
      return odyn;
    },
    lines,
    async inspectorUrl() {
      if (!worker) throw new Error('the node is stopped');
      return new URL(`/core:user:${options.name}`, await worker.getInspectorURL());
    },
    tick,
    stop,
    start,
    async replaceEnclave() {
      await stop();
      await odyn.close();
      odyn = await startOdyn();
      await start();
    },
    async close() {
      await stop();
      await odyn.close();
    },
  };
}

/** What `wrangler.toml` says of the worker, in Miniflare's words. */
async function workerSettings(): Promise<{ modules: true; scriptPath: string; compatibilityDate: string; compatibilityFlags: string[] }> {
  const settings = parse(await readFile(`${ROOT}wrangler.toml`, 'utf8'));
  const { main, compatibility_date: compatibilityDate, compatibility_flags: compatibilityFlags } = settings;
  if (typeof main !== 'string' || typeof compatibilityDate !== 'string' || !Array.isArray(compatibilityFlags))
    throw new Error('wrangler.toml: main, compatibility_date and compatibility_flags are needed');
  return { modules: true, scriptPath: `${ROOT}${main}`, compatibilityDate, compatibilityFlags: compatibilityFlags.map(String) };
}
