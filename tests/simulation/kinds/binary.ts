/** A node as the enclave binary: a process of its own with this world's profile built in. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { noteLine } from '../../secrecy/recorder.ts';
import { builtBinary } from '../binaries.ts';
import { identify } from '../process-identity.ts';
import { endProcess } from '../processes.ts';
import type { RunningNode, RunOptions } from '../node.ts';

export interface SpawnOptions {
  readonly args?: readonly string[];
  /** The whole environment: nothing of this process is passed on. */
  readonly env?: Readonly<Record<string, string>>;
  readonly heard?: (line: string) => void;
  readonly onSpawn?: (pid: number) => void;
}

export interface SpawnedBinary {
  /** Of a process that could be started. */
  readonly pid: number | undefined;
  /** Both outputs, line by line. */
  readonly lines: readonly string[];
  /** The exit code, or the signal that killed it, once both outputs are read to their end. */
  readonly ended: Promise<number | NodeJS.Signals | null>;
  /** Where it listens, as it says itself. Rejects when it ends first. */
  readonly port: Promise<number>;
  signal(name: NodeJS.Signals): void;
  /** Stops reading what it says, for ever: its next line meets a closed pipe. */
  deafen(): void;
  /** In order, or by force when that takes too long. */
  end(): Promise<void>;
}

export function spawnBinary(path: string, { args = [], env = {}, heard, onSpawn }: SpawnOptions): SpawnedBinary {
  const child = spawn(path, args, { env: { ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  if (child.pid !== undefined) onSpawn?.(child.pid);
  const lines: string[] = [];
  const listening = Promise.withResolvers<number>();
  const onLine = (line: string): void => {
    lines.push(line);
    noteLine(`a binary, process ${child.pid}`, line);
    heard?.(line);
    const port = /"event":"binary\.listening".*"port":(\d+)/.exec(line)?.[1];
    if (port !== undefined) listening.resolve(Number(port));
  };
  createInterface(child.stdout).on('line', onLine);
  createInterface(child.stderr).on('line', onLine);
  const ended = new Promise<number | NodeJS.Signals | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve(code ?? signal));
  });
  ended.then(
    (code) => listening.reject(new Error(`the binary ended with ${String(code)}: ${lines.at(-1) ?? 'without a word'}`)),
    (error: unknown) => listening.reject(error),
  );
  // Whoever waits for the port hears of it; nobody has to.
  listening.promise.catch(() => undefined);
  return {
    pid: child.pid,
    lines,
    ended,
    port: listening.promise,
    signal: (name) => void child.kill(name),
    deafen() {
      child.stdout.destroy();
      child.stderr.destroy();
    },
    async end() {
      const identity = child.pid === undefined ? undefined : identify(child.pid);
      if (identity) await endProcess(identity);
    },
  };
}

export async function runBinary({ profile, rpcUrl, odynUrl, port, heard, onSpawn, env }: RunOptions): Promise<RunningNode> {
  const path = await builtBinary({ release: false, profile });
  const settings = { NOVA_KMS_LISTEN: `127.0.0.1:${port}`, NOVA_KMS_ODYN_URL: odynUrl, NOVA_KMS_RPC_URL: rpcUrl };
  const binary = spawnBinary(path, { env: { ...env, ...settings }, heard, onSpawn });
  await binary.port;
  return { binary, stop: () => binary.end() };
}
