/**
 * What an app knows of the cluster, by its own chain and never by a node's word: who is live and where, with which keys, which
 * epochs there are, and whether the registry knows this app. Read at the head and at the confirmed block, as nodes read it
 * (`docs/protocol.md` clauses 1 and 5.1), and kept for a moment. A chain that cannot be read is an error, not an empty list.
 */
import { judgeCaller } from '../auth/standing.ts';
import { createChainView, memberOf, readWithRetry } from '../chain/view.ts';
import { decodeCallerView, encodeCallerView } from '../chain/registry.ts';
import { peerOrigin } from '../cluster/peer-url.ts';
import { Refusal } from '../errors.ts';
import { CLIENT_READING_MS, CLIENT_VIEW_MS } from '../limits.ts';
import { KmsError } from './error.ts';
import type { Caller } from '../auth/standing.ts';
import type { Blocks } from '../chain/view.ts';
import type { NetworkProfile } from '../networks.ts';
import type { ChainReader, Clock } from '../ports.ts';
import type { Hash, Wallet } from '../identity.ts';

/** A live operator, as the registry has it. */
export interface LiveNode {
  readonly wallet: Wallet;
  /** An origin that the profile allows. */
  readonly url: string;
  /** Lower-case hex of the SPKI DER, without `0x`. */
  readonly teePubkey: string;
  /** Of the code that its version enrolled, and that KMSRegistry has approved. */
  readonly measurement: Hash;
}

/** This app's enclave: its wallet, and its TEE key as lower-case hex of the SPKI DER. */
export interface Self {
  readonly wallet: Wallet;
  readonly teePubkey: string;
}

export interface Known {
  readonly blocks: Blocks;
  readonly nodes: readonly LiveNode[];
  /** This app, by the registry's record at the head. */
  readonly app: Caller;
  /** By elapsed time, when it was asked for: setting the clock back makes nothing younger. */
  readonly readAtMs: number;
}

export interface Directory {
  /** Read a moment ago or now. Rejects with a `KmsError`. */
  known(): Promise<Known>;
  /** Read now, because what was known led nowhere. */
  renewed(): Promise<Known>;
}

export interface DirectoryDependencies {
  readonly chain: ChainReader;
  readonly clock: Clock;
  readonly profile: NetworkProfile;
  readonly self: () => Promise<Self>;
}

export function createDirectory({ chain, clock, profile, self }: DirectoryDependencies): Directory {
  const view = createChainView({ chain, clock, profile });
  let last: Known | undefined;
  let reading: { readonly known: Promise<Known>; readonly sinceMs: number } | undefined;

  async function read(): Promise<Known> {
    const readAtMs = clock.elapsedMs();
    const own = await self();
    const blocks = await readBlocks();
    const { head, confirmed } = blocks;
    const callerAt = async (block: number) =>
      decodeCallerView(await readWithRetry(chain, profile.kmsRegistry, encodeCallerView(own.wallet), block));
    const [atHead, atConfirmed] = await Promise.all([callerAt(head.blockNumber), callerAt(confirmed.blockNumber)]);
    const app = judgeSelf(own, judgeCaller(own.wallet, atHead), judgeCaller(own.wallet, atConfirmed), profile.confirmationBlocks);
    last = { blocks, nodes: liveNodes(blocks, profile), app, readAtMs };
    return last;
  }

  async function readBlocks(): Promise<Blocks> {
    await view.refresh();
    const state = view.state();
    if (state.kind === 'unusable') throw new Refusal(state.reason, state.detail);
    return state.blocks;
  }

  function stands({ blocks, readAtMs }: Known): boolean {
    const ageMs = Math.max(clock.nowMs() - blocks.head.blockTimeMs, clock.elapsedMs() - readAtMs);
    return ageMs <= profile.headAgeMaxMs;
  }

  /** When the chain falls silent, what was read last stands until its head is too old, as it does on a node. */
  async function readOrStand(): Promise<Known> {
    try {
      return await read();
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      if (error.reason === 'chain_unavailable' && last && stands(last)) return last;
      throw chainError(error);
    }
  }

  /** One reading at a time, shared by all who ask meanwhile. In a worker one may die with the request that began it. */
  function renewed(): Promise<Known> {
    const nowMs = clock.elapsedMs();
    if (reading && nowMs - reading.sinceMs < CLIENT_READING_MS) return reading.known;
    const known = readOrStand().finally(() => {
      if (reading?.known === known) reading = undefined;
    });
    reading = { known, sinceMs: nowMs };
    return known;
  }

  return {
    known: async () => (last && clock.elapsedMs() - last.readAtMs < CLIENT_VIEW_MS ? last : await renewed()),
    renewed,
  };
}

function liveNodes(blocks: Blocks, { peerUrls }: NetworkProfile): readonly LiveNode[] {
  return blocks.head.operators.flatMap(({ wallet }) => {
    const operator = memberOf(blocks, wallet);
    const url = operator && peerOrigin(operator.instanceUrl, peerUrls);
    return operator && url !== undefined ? [{ wallet, url, teePubkey: operator.teePubkey, measurement: operator.measurement }] : [];
  });
}

/** Nodes refuse whoever is not good at both blocks, unsigned; so the app learns it here, from its own chain. */
function judgeSelf({ wallet, teePubkey }: Self, atHead: Caller | Refusal, atConfirmed: Caller | Refusal, depthBlocks: number): Caller {
  if (atHead instanceof Refusal) throw notRegistered(wallet, atHead.reason, NOT_GOOD[atHead.reason] ?? atHead.reason);
  if (atConfirmed instanceof Refusal)
    throw notRegistered(
      wallet,
      atConfirmed.reason,
      `its registration is not yet ${depthBlocks} blocks deep: wait some blocks, then ask again`,
    );
  if (atHead.teePubkey !== teePubkey)
    throw notRegistered(wallet, 'tee_key_mismatch', 'the registry holds another TEE key for it: register this enclave');
  return atHead;
}

const NOT_GOOD: Readonly<Record<string, string>> = {
  instance_unknown: 'the registry knows no instance of it: register this enclave, on the chain that the profile names',
  instance_not_active: 'its instance is stopped or failed: start it in the registry',
  instance_not_verified: 'its instance is not verified yet: wait for the platform’s proof',
  app_not_active: 'its app is inactive or revoked',
  version_not_allowed: 'its version is revoked: run a version that is enrolled',
};

function notRegistered(wallet: Wallet, reason: string, plain: string): KmsError {
  return new KmsError('not_registered', `The cluster does not serve the wallet ${wallet}: ${plain}.`, { reason });
}

const CHAIN_SAYS: Readonly<Record<string, string>> = {
  chain_mismatch: 'is not the one of the profile: check the RPC URL and the profile',
  chain_stale: 'has no new block: its newest is too old to be believed. Check the endpoint, and this machine’s clock',
  chain_clock_ahead: 'is ahead of this machine’s clock: set the clock',
};

/** `detail` names a method or a number. What lies beneath names the endpoint, whose URL may hold a password: it is left out. */
function chainError({ reason, detail }: Refusal): KmsError {
  if (reason === 'odyn_unavailable')
    return new KmsError('enclave_unavailable', `This app’s own Odyn did not answer (${detail}). Check that it runs.`, { reason });
  const plain = CHAIN_SAYS[reason] ?? 'could not be read: check the RPC endpoint, then ask again';
  return new KmsError('chain_unavailable', `The chain ${plain} (${detail}). Nothing is known of the nodes.`, { reason });
}
