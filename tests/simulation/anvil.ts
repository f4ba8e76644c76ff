/**
 * The chain of the simulated world: one real anvil on loopback, started, steered and ended here.
 * Its blocks carry wall time, several of one second the same; only `warp` moves them ahead of it,
 * and `meetWallClock` brings the head back so that no node sees a block from the future.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { bytesToHex, type Hex } from 'viem';
import { mnemonicToAccount, privateKeyToAddress } from 'viem/accounts';
import { identify, isStopped } from './process-identity.ts';
import { endProcess } from './processes.ts';

export interface AnvilOptions {
  readonly chainId?: number;
  /** A free port by default, chosen by the system. */
  readonly port?: number;
  /** How many accounts hold gas. */
  readonly accounts?: number;
  /** Called before anything is awaited, so that a keeper knows the process even if this one is killed next. */
  readonly onSpawn?: (pid: number) => void;
}

export interface AnvilAccount {
  readonly address: Hex;
  readonly privateKey: Hex;
}

export interface Anvil {
  readonly rpcUrl: string;
  readonly chainId: number;
  readonly pid: number;
  readonly accounts: readonly AnvilAccount[];
  rpc<Result = unknown>(method: string, parameters?: readonly unknown[]): Promise<Result>;
  /** Mines at once, whatever the mode. */
  mine(blocks?: number): Promise<void>;
  /** A block per transaction, or none at all until another mode is set. */
  automine(isOn: boolean): Promise<void>;
  /** A block every so many whole seconds, empty or not. */
  interval(seconds: number): Promise<void>;
  /** Stops mining; transactions wait. `resume` goes back to the mode before. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** Resolves when every thread of the process stands still: connections are accepted by the kernel and never answered. */
  hang(): Promise<void>;
  unhang(): void;
  head(): Promise<{ readonly number: bigint; readonly timestampSeconds: number }>;
  /** Mines a block that many seconds later, and all blocks after it keep the distance. */
  warp(seconds: number): Promise<void>;
  /** Mines a block of now and goes on with wall time; after a warp the head's timestamp steps back, which no real chain does. */
  meetWallClock(): Promise<void>;
  /** Resolves when the process is gone. */
  stop(): Promise<void>;
}

type Mode = { readonly kind: 'automine' } | { readonly kind: 'interval'; readonly seconds: number } | { readonly kind: 'manual' };

/** Old states stay in memory up to this depth, as a light client keeps 256 blocks; on disk they would grow by 78 KB a block. */
const statesMax = 256;
const startMsMax = 20_000;
const rpcMsMax = 10_000;
const mnemonic = 'test test test test test test test test test test test junk';

export async function startAnvil(options: AnvilOptions = {}): Promise<Anvil> {
  const { chainId = 31337, port = 0, accounts = 10 } = options;
  // States on disk would go below the home: with all of them in memory nothing does, and the user's own settings stay out.
  const home = join(tmpdir(), 'nova-kms-anvil');
  const child = spawn(findBinary(), anvilArguments(chainId, port, accounts), { stdio: ['ignore', 'pipe', 'pipe'], env: { HOME: home } });
  try {
    if (child.pid !== undefined) options.onSpawn?.(child.pid);
    const rpcUrl = `http://127.0.0.1:${await readPort(child)}`;
    const anvil = createAnvil(child, { rpcUrl, chainId, accounts: deriveAccounts(accounts) });
    // On the genesis block TIMESTAMP is 1 in eth_call, whatever the block says.
    await anvil.mine();
    await anvil.rpc('anvil_setLoggingEnabled', [false]);
    return anvil;
  } catch (cause) {
    await stop(child);
    throw cause;
  }
}

function createAnvil(child: ChildProcess, facts: Pick<Anvil, 'rpcUrl' | 'chainId' | 'accounts'>): Anvil {
  const rpc = createRpc(facts.rpcUrl);
  let stopping: Promise<void> | undefined;
  return {
    ...facts,
    ...mining(rpc),
    ...time(rpc),
    pid: child.pid ?? 0,
    rpc,
    async hang() {
      child.kill('SIGSTOP');
      // The signal is only sent by then: a thread on another core may answer one more request.
      while (!isStopped(child.pid ?? 0)) await sleep(1);
    },
    unhang: () => void child.kill('SIGCONT'),
    stop: () => (stopping ??= stop(child)),
  };
}

type Rpc = Anvil['rpc'];

function createRpc(rpcUrl: string): Rpc {
  let calls = 0;
  return async <Result>(method: string, parameters: readonly unknown[] = []): Promise<Result> => {
    const body = JSON.stringify({ jsonrpc: '2.0', id: ++calls, method, params: parameters });
    const headers = { 'content-type': 'application/json' };
    const response = await fetch(rpcUrl, { method: 'POST', headers, body, signal: AbortSignal.timeout(rpcMsMax) });
    const answer = (await response.json()) as { result?: Result; error?: { message: string } };
    if (answer.error !== undefined) throw new Error(`${method}: ${answer.error.message}`);
    return answer.result as Result;
  };
}

function mining(rpc: Rpc): Pick<Anvil, 'mine' | 'automine' | 'interval' | 'pause' | 'resume'> {
  let mode: Mode = { kind: 'automine' };
  async function apply(next: Mode): Promise<void> {
    if (next.kind === 'automine') await rpc('evm_setAutomine', [true]);
    // Setting an interval ends automining, and zero means none.
    else await rpc('evm_setIntervalMining', [next.kind === 'interval' ? next.seconds : 0]);
  }
  async function change(next: Mode): Promise<void> {
    await apply(next);
    mode = next;
  }
  return {
    mine: async (blocks = 1) => void (await rpc('anvil_mine', [`0x${blocks.toString(16)}`])),
    automine: (isOn) => change({ kind: isOn ? 'automine' : 'manual' }),
    interval: (seconds) => change({ kind: 'interval', seconds }),
    pause: () => apply({ kind: 'manual' }),
    resume: () => apply(mode),
  };
}

function time(rpc: Rpc): Pick<Anvil, 'head' | 'warp' | 'meetWallClock'> {
  return {
    async head() {
      const block = await rpc<{ number: Hex; timestamp: Hex }>('eth_getBlockByNumber', ['latest', false]);
      return { number: BigInt(block.number), timestampSeconds: Number(block.timestamp) };
    },
    async warp(seconds) {
      await rpc('evm_increaseTime', [seconds]);
      await rpc('evm_mine');
    },
    async meetWallClock() {
      await rpc('evm_setTime', [Math.floor(Date.now() / 1000)]);
      await rpc('evm_mine');
    },
  };
}

/** The platform package's binary itself: ending a wrapper would leave the real process behind. */
function findBinary(): string {
  const installed = fileURLToPath(new URL(`../../node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil`, import.meta.url));
  const onPath = (process.env['PATH'] ?? '')
    .split(delimiter)
    .filter(Boolean)
    .map((directory) => join(directory, 'anvil'));
  const fits = process.platform === 'linux' && process.arch === 'x64';
  const found = [...(fits ? [installed] : []), ...onPath].find((path) => existsSync(path));
  if (found === undefined)
    throw new Error('anvil is missing: run `npm ci` (Linux on x64), or install Foundry (https://getfoundry.sh) and put anvil on the PATH');
  return found;
}

function anvilArguments(chainId: number, port: number, accounts: number): string[] {
  return [
    '--host',
    '127.0.0.1',
    '--port',
    `${port}`,
    '--chain-id',
    `${chainId}`,
    '--accounts',
    `${accounts}`,
    '--mnemonic',
    mnemonic,
    '--slots-in-an-epoch',
    '1',
    '--prune-history',
    `${statesMax}`,
  ];
}

/** Anvil tells its port once it listens; both pipes are read to the end, or a full one would stop it. */
function readPort(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    let output = '';
    let complaints = '';
    const fail = (what: string): void => reject(new Error(`anvil ${what}: ${complaints.trim()}`));
    const timer = setTimeout(() => fail(`did not listen within ${startMsMax} ms`), startMsMax);
    child.once('error', (cause) => fail(`did not start (${cause.message})`));
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      fail(`ended with ${code ?? signal}`);
    });
    child.stderr?.on('data', (chunk: Buffer) => (complaints = (complaints + chunk.toString()).slice(-2000)));
    child.stdout?.on('data', (chunk: Buffer) => {
      output = (output + chunk.toString()).slice(-8000);
      const port = /^Listening on 127\.0\.0\.1:(\d+)/m.exec(output)?.[1];
      if (port === undefined) return;
      clearTimeout(timer);
      child.stdout?.removeAllListeners('data').resume();
      resolve(Number(port));
    });
  });
}

/** One derivation down to the common parent, then a cheap step for each account. */
function deriveAccounts(count: number): AnvilAccount[] {
  const parent = mnemonicToAccount(mnemonic, { path: `m/44'/60'/0'/0` }).getHdKey();
  return Array.from({ length: count }, (_, index) => {
    const privateKey = bytesToHex(parent.deriveChild(index).privateKey ?? new Uint8Array());
    return { address: privateKeyToAddress(privateKey), privateKey };
  });
}

async function stop(child: ChildProcess): Promise<void> {
  const identity = child.pid === undefined || child.exitCode !== null || child.signalCode !== null ? undefined : identify(child.pid);
  if (identity !== undefined) await endProcess(identity);
}
