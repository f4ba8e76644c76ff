/** `.simulation/cluster.json`: everything another program needs to be a client of the running cluster. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ProfileJson } from './node.ts';
import type { World } from './world.ts';

export const CLUSTER_FILE = fileURLToPath(new URL('../../.simulation/cluster.json', import.meta.url));

export interface ClusterFile {
  readonly rpc_url: string;
  readonly chain_id: number;
  readonly contracts: { readonly nova_app_registry: string; readonly kms_registry: string };
  readonly kms_app_id: string;
  /** The network, as a node and a client are told it. */
  readonly profile: ProfileJson;
  readonly nodes: readonly {
    readonly name: string;
    readonly url: string;
    readonly wallet: string;
    readonly tee_pubkey: string;
    readonly odyn_url: string;
    readonly instance_id: string;
  }[];
  readonly apps: readonly {
    readonly name: string;
    readonly app_id: string;
    readonly version_id: string;
    readonly instance_id: string;
    readonly wallet: string;
    readonly wallet_private_key: `0x${string}`;
    readonly tee_pubkey: string;
    readonly tee_private_key: `0x${string}`;
    readonly odyn_url: string;
  }[];
}

export function describeCluster({ chain, contracts, profile, members, apps }: World): ClusterFile {
  return {
    rpc_url: chain.rpcUrl,
    chain_id: chain.chainId,
    contracts: { nova_app_registry: contracts.novaAppRegistry, kms_registry: contracts.kmsRegistry },
    kms_app_id: String(contracts.kmsAppId),
    profile,
    nodes: members.map(({ name, url, node, instanceId }) => ({
      name,
      url,
      wallet: node.odyn.wallet,
      tee_pubkey: node.odyn.teePubkey,
      odyn_url: node.odyn.url,
      instance_id: String(instanceId),
    })),
    apps: apps.map(({ name, appId, versionId, instanceId, odyn }) => ({
      name,
      app_id: String(appId),
      version_id: String(versionId),
      instance_id: String(instanceId),
      wallet: odyn.wallet,
      wallet_private_key: odyn.walletKey,
      tee_pubkey: odyn.teePubkey,
      tee_private_key: odyn.boxKey,
      odyn_url: odyn.url,
    })),
  };
}

/** Readable by its owner only: it holds the private keys of simulated apps. */
export async function writeClusterFile(world: World): Promise<void> {
  await mkdir(dirname(CLUSTER_FILE), { recursive: true });
  await writeFile(CLUSTER_FILE, `${JSON.stringify(describeCluster(world), null, 2)}\n`, { mode: 0o600 });
}

export async function readClusterFile(): Promise<ClusterFile> {
  try {
    return JSON.parse(await readFile(CLUSTER_FILE, 'utf8')) as ClusterFile;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT')
      throw new Error('no cluster is running: start one with npm start, in another terminal');
    throw error;
  }
}
