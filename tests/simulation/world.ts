/**
 * A whole small world on loopback: a chain with its contracts, enclaves with their Odyns, nodes of any kind, registered
 * apps. Tests and `npm start` build on it; nothing in it is known to the nodes.
 */
import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { buildWorker } from '../../build.mjs';
import { startAnvil } from './anvil.ts';
import { PCRS } from '../attestation/attester.ts';
import { pcrsOf } from '../attestation/pcrs.ts';
import { compileContracts, deployContracts } from './contracts.ts';
import { startHost } from './host.ts';
import { simulatedProfile, startNode } from './node.ts';
import { createBox } from './odyn/box.ts';
import { startOdyn } from './odyn.ts';
import { guardProcess, startKeeper } from './processes.ts';
import type { Anvil } from './anvil.ts';
import type { Contracts } from './contracts.ts';
import type { Host } from './host.ts';
import type { NodeKind, NodeLogLine, ProfileJson, SimulatedNode } from './node.ts';
import type { Odyn } from './odyn.ts';
import type { Keeper } from './processes.ts';
import type { NodeKeys, PlatformApp } from './platform-client.ts';

export interface WorldOptions {
  readonly nodes: number;
  /** Of each node in turn; workers by default. */
  readonly kinds?: readonly NodeKind[];
  readonly apps?: number;
  readonly minOperators?: number;
  /** Puts a host that tests can bend before every node; the registry then names the host's URL. */
  readonly hosts?: boolean;
  /** Puts one before the chain, too. */
  readonly chainHost?: boolean;
  /** Opens the inspectors of the workers. */
  readonly inspect?: boolean;
  /** Of the binaries, besides what they are told. */
  readonly env?: Readonly<Record<string, string>>;
  readonly profile?: Partial<ProfileJson>;
  /** `false` leaves the binding of the nodes on chain to the test. */
  readonly register?: boolean;
  /** Where started processes are written down; a leftover of a killed run with the same file is ended first. */
  readonly pidFile?: string;
  /** Makes what every world needs first; without, it must be there. */
  readonly prepare?: boolean;
  /** After everything was stopped, however the run ends. */
  readonly onEnded?: () => void;
  readonly onProgress?: (step: string) => void;
  readonly onLog?: (node: string, line: NodeLogLine) => void;
}

/** A node with its place in the world. */
export interface Member {
  readonly name: string;
  readonly node: SimulatedNode;
  readonly host: Host | undefined;
  /** The URL that the registry names. */
  readonly url: string;
  /** As the registry knows it now. */
  readonly keys: () => NodeKeys;
  instanceId: bigint;
}

export interface App extends PlatformApp {
  readonly name: string;
  readonly appId: bigint;
  readonly versionId: bigint;
  readonly instanceId: bigint;
  readonly odyn: Odyn;
}

export interface World {
  readonly chain: Anvil;
  readonly chainHost: Host | undefined;
  readonly contracts: Contracts;
  readonly profile: ProfileJson;
  readonly members: readonly Member[];
  readonly apps: readonly App[];
  /** Starts an enclave with its node; `register` binds it on chain. */
  addNode(name: string, kind?: NodeKind): Promise<Member>;
  /** With the code that it runs when this is called. */
  register(member: Member): Promise<void>;
  addApp(name: string): Promise<App>;
  /** Removed before anything is stopped, however this process ends. */
  keepFile(path: string): void;
  stop(): Promise<void>;
}

export const WORLDS_FOLDER = fileURLToPath(new URL('../../.simulation/', import.meta.url));
const BLOCK_SECONDS = 1;

/** What every world needs once: the worker's bundle and the compiled contracts. */
export async function prepareWorlds(): Promise<void> {
  await Promise.all([buildWorker(), compileContracts()]);
}

/** A world that ends with its keeper, whether this process ends well, by an error or by a signal. */
export async function createWorld(options: WorldOptions): Promise<World> {
  const keeper = await startKeeper(options.pidFile ?? `${WORLDS_FOLDER}world-${process.pid}-${randomUUID().slice(0, 8)}.json`);
  const unguard = guardProcess(keeper);
  const stop = async () => {
    await keeper.end();
    unguard();
  };
  try {
    return await buildWorld(options, keeper, stop);
  } catch (error) {
    await stop();
    throw error;
  }
}

async function buildWorld(options: WorldOptions, keeper: Keeper, stop: () => Promise<void>): Promise<World> {
  const progress = options.onProgress ?? (() => undefined);
  keeper.keepCleanup(() => options.onEnded?.());
  if (options.prepare) {
    progress('compiling the contracts and bundling the worker (a fresh clone takes some seconds)');
    await prepareWorlds();
  }
  progress('starting a chain');
  const chain = await startAnvil({ onSpawn: (pid) => keeper.keepProcess(pid) });
  keeper.keepCleanup(() => chain.stop());
  progress('deploying the contracts');
  const contracts = await deployContracts(chain, options.minOperators ?? Math.max(2, options.nodes), PCRS);
  const { chainId, novaAppRegistry, kmsRegistry, kmsAppId } = contracts;
  const addresses = { chainId, novaAppRegistry, kmsRegistry, kmsAppId: String(kmsAppId) };
  const profile = simulatedProfile({ ...addresses, ...options.profile });
  const chainHost = options.chainHost ? await startHost(() => chain.rpcUrl) : undefined;
  if (chainHost) keeper.keepCleanup(() => chainHost.close());
  const members: Member[] = [];
  const apps: App[] = [];

  async function addNode(name: string, kind: NodeKind = 'worker'): Promise<Member> {
    const node = await startNode({
      name,
      kind,
      profile,
      rpcUrl: chainHost?.url ?? chain.rpcUrl,
      onLog: (line) => options.onLog?.(name, line),
      onStarted: () => keeper.keepChildren(),
      onSpawn: (pid) => keeper.keepProcess(pid),
      inspect: options.inspect ?? false,
      env: options.env ?? {},
    });
    keeper.keepCleanup(() => node.close());
    const host = options.hosts ? await startHost(() => node.url) : undefined;
    if (host) keeper.keepCleanup(() => host.close());
    const url = host?.url ?? node.url;
    const member = {
      name,
      node,
      host,
      url,
      instanceId: 0n,
      keys: () => ({ url, wallet: node.odyn.wallet, teePubkey: node.odyn.teePubkey }),
    };
    members.push(member);
    return member;
  }

  async function register(member: Member): Promise<void> {
    const { odyn } = member.node;
    const { pcrs } = odyn.module;
    await contracts.fund(odyn.wallet, '1');
    member.instanceId = await contracts.registerInstance(contracts.kmsAppId, contracts.versionId, member.url, odyn, pcrs);
  }

  async function addApp(name: string): Promise<App> {
    const pcrs = pcrsOf(100 + apps.length);
    const odyn = await startOdyn({ pcrs });
    keeper.keepCleanup(() => odyn.close());
    const appId = await contracts.createApp();
    const versionId = await contracts.enrollVersion(appId, '1.0.0', pcrs);
    const instanceId = await contracts.registerInstance(appId, versionId, `https://${name}.example`, odyn, pcrs);
    const app = { name, appId, versionId, instanceId, odyn, walletKey: odyn.walletKey, box: createBox('v1.8.0', odyn.boxKey) };
    apps.push(app);
    return app;
  }

  await Promise.all(Array.from({ length: options.nodes }, (_, index) => addNode(`node-${index + 1}`, options.kinds?.[index])));
  members.sort((a, b) => (a.name < b.name ? -1 : 1));
  progress(`started ${options.nodes} nodes, each with an emulated enclave (Odyn)`);
  if (options.register ?? true) for (const member of members) await register(member);
  for (let index = 1; index <= (options.apps ?? 1); index += 1) await addApp(`app-${index}`);
  progress('registered nodes and apps');
  await chain.interval(BLOCK_SECONDS);
  return {
    chain,
    chainHost,
    contracts,
    profile,
    members,
    apps,
    addNode,
    register,
    addApp,
    keepFile: (path) => keeper.keepFile(path),
    stop,
  };
}

/** Resolves when `holds` answers something; throws what it is waiting for when it never does. */
export async function until<T>(what: string, holds: () => Promise<T | undefined | false>, timeoutMs = 60_000): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const found = await holds();
    if (found !== undefined && found !== false) return found;
    if (Date.now() > deadline) throw new Error(`waited ${timeoutMs} ms for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

export interface Readiness {
  readonly ready: boolean;
  readonly data_ready?: boolean;
  readonly reason?: string;
}

/** `/ready` of one node; a node that cannot be reached has that for its reason. */
export async function readiness(member: Member): Promise<Readiness> {
  try {
    return (await (await fetch(`${member.node.url}/ready`)).json()) as Readiness;
  } catch (error) {
    if (error instanceof TypeError) return { ready: false, reason: 'unreachable' };
    throw error;
  }
}

export async function untilServing(members: readonly Member[], timeoutMs = 60_000): Promise<void> {
  for (const member of members) await until(`${member.name} to serve`, async () => (await readiness(member)).ready, timeoutMs);
}

/** Nodes that also answer for the KV store. */
export async function untilDataReady(members: readonly Member[], timeoutMs = 60_000): Promise<void> {
  for (const member of members)
    await until(`${member.name} to have its data`, async () => (await readiness(member)).data_ready === true, timeoutMs);
}
