/**
 * One simulated node: an enclave's Odyn and the node beside it, on a port that stays the same when it restarts. It runs as a
 * worker under workerd, as the enclave binary, or in this process.
 */
import { SIMULATED_ROOT } from '../attestation/roots.ts';
import { startOdyn } from './odyn.ts';
import { runBinary } from './kinds/binary.ts';
import { runInProcess } from './kinds/in-process.ts';
import { runWorker } from './kinds/worker.ts';
import { ownPort } from './ports.ts';
import type { NetworkProfile } from '../../core/networks.ts';
import type { SpawnedBinary } from './kinds/binary.ts';
import type { Odyn } from './odyn.ts';

/** A profile as JSON carries it. */
export type ProfileJson = Omit<NetworkProfile, 'kmsAppId' | 'kmsRegistry' | 'novaAppRegistry' | 'trustedProxies' | 'attestationRoot'> & {
  readonly trustedProxies: readonly string[];
  readonly attestationRoot: string;
  readonly kmsAppId: string;
  readonly kmsRegistry: string;
  readonly novaAppRegistry: string;
};

/** What the simulated network is, as data: the same fields that a real network has. The addresses are nobody's. */
export function simulatedProfile(changes: Partial<ProfileJson> = {}): ProfileJson {
  return {
    name: 'simulation',
    chainId: 31_337,
    novaAppRegistry: `0x${'11'.repeat(20)}`,
    kmsRegistry: `0x${'22'.repeat(20)}`,
    kmsAppId: '1',
    confirmationBlocks: 2,
    headAgeMaxMs: 15_000,
    tickMs: 400,
    proposalWindowBlocks: 8,
    peerUrls: { scheme: 'http', hosts: ['127.0.0.1'], hostSuffixes: [] },
    platformProof: 'accept',
    trustDomain: 'kms.simulation.example',
    trustedProxies: [],
    appAttestation: 'ignore',
    attestationRoot: SIMULATED_ROOT,
    ...changes,
  };
}

export interface NodeLogLine {
  readonly time: string;
  readonly level: string;
  readonly event: string;
  readonly [field: string]: unknown;
}

/** Each runs the same handlers and the same core. */
export const NODE_KINDS = ['worker', 'binary', 'in-process'] as const;
export type NodeKind = (typeof NODE_KINDS)[number];

export interface NodeOptions {
  readonly name: string;
  /** A worker by default. */
  readonly kind?: NodeKind;
  readonly profile: ProfileJson;
  readonly rpcUrl: string;
  readonly onLog?: (line: NodeLogLine) => void;
  /** Opens workerd's inspector, for tests that weigh its heap. */
  readonly inspect?: boolean;
  /** Of a binary, besides what it is told. */
  readonly env?: Readonly<Record<string, string>>;
  /** After each start of a workerd. */
  readonly onStarted?: () => void;
  /** In the same stretch that started a process. */
  readonly onSpawn?: (pid: number) => void;
}

/** What one start of a node is told. */
export interface RunOptions {
  readonly name: string;
  readonly profile: ProfileJson;
  readonly rpcUrl: string;
  readonly odynUrl: string;
  readonly port: number;
  readonly inspect: boolean;
  readonly env: Readonly<Record<string, string>>;
  readonly heard: (line: string) => void;
  readonly onStarted: () => void;
  readonly onSpawn: (pid: number) => void;
}

export interface RunningNode {
  readonly inspectorUrl?: () => Promise<URL>;
  readonly binary?: SpawnedBinary;
  stop(): Promise<void>;
}

export interface SimulatedNode {
  readonly name: string;
  readonly kind: NodeKind;
  /** Where it listens. */
  readonly url: string;
  readonly odyn: Odyn;
  /** Every line it logged, as printed. */
  readonly lines: readonly string[];
  /** Of workerd's inspector, when it was asked for. */
  inspectorUrl(): Promise<URL>;
  /** The process of a running binary. */
  binary(): SpawnedBinary;
  /** Memory is lost; the enclave and its keys stay. */
  stop(): Promise<void>;
  start(): Promise<void>;
  /** A new enclave on the same address: other wallet, other TEE key. */
  replaceEnclave(): Promise<void>;
  close(): Promise<void>;
}

const runners = { worker: runWorker, binary: runBinary, 'in-process': runInProcess } as const;

export async function startNode(options: NodeOptions): Promise<SimulatedNode> {
  const { name, kind = 'worker', profile, rpcUrl, inspect = false, env = {} } = options;
  const { onStarted = () => undefined, onSpawn = () => undefined } = options;
  const lines: string[] = [];
  let odyn = await startOdyn();
  let running: RunningNode | undefined;
  const port = await ownPort();

  function heard(line: string): void {
    lines.push(line);
    const parsed = line.startsWith('{') ? (JSON.parse(line) as NodeLogLine) : undefined;
    if (parsed) options.onLog?.(parsed);
  }

  async function start(): Promise<void> {
    running = await runners[kind]({ name, profile, rpcUrl, odynUrl: odyn.url, port, inspect, env, heard, onStarted, onSpawn });
  }

  async function stop(): Promise<void> {
    const stopping = running;
    running = undefined;
    await stopping?.stop();
  }

  await start();
  return {
    name,
    kind,
    url: `http://127.0.0.1:${port}`,
    get odyn() {
      return odyn;
    },
    lines,
    async inspectorUrl() {
      if (!running?.inspectorUrl) throw new Error('the node is stopped, or no worker');
      return await running.inspectorUrl();
    },
    binary() {
      if (!running?.binary) throw new Error('the node is stopped, or no binary');
      return running.binary;
    },
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
