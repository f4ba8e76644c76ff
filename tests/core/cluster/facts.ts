/** Facts of a cluster of three, all well, one deviation at a time: for the tables of readiness and proposer. */
import { ENDORSEMENT_LIFE_BLOCKS } from '../../../core/limits.ts';
import { MEASUREMENT } from '../../attestation/attester.ts';
import { epochOf, hashOf, NOVA_APP_REGISTRY, profile, signerNamed, START_MS, teePubkeyOf } from '../fakes.ts';
import type { ClusterView, EpochRecord, EpochState, Operator } from '../../../core/chain/registry.ts';
import type { Blocks } from '../../../core/chain/view.ts';
import type { Facts } from '../../../core/cluster/readiness.ts';
import type { Offer } from '../../../core/cluster/messages.ts';
import type { Hash, Wallet } from '../../../core/identity.ts';

const walletOf = (name: string): Wallet => signerNamed(name).wallet;
export const [a, b, c] = [walletOf('a'), walletOf('b'), walletOf('c')] as const;
export const HEAD = 100;
export const OPENED = 90;
export const VALID_UNTIL = HEAD + ENDORSEMENT_LIFE_BLOCKS;

export function operator(wallet: Wallet, instanceId: number, change: Partial<Operator> = {}): Operator {
  return {
    wallet,
    instanceId: BigInt(instanceId),
    versionId: 1n,
    registrant: wallet,
    instanceUrl: `https://node-${instanceId}.nova.example`,
    teePubkey: teePubkeyOf(wallet),
    measurement: MEASUREMENT,
    versionStatus: 'enrolled',
    instanceStatus: 'active',
    zkVerified: true,
    measurementApproved: true,
    live: true,
    eligible: true,
    ...change,
  };
}

export const three = (change: Partial<Operator> = {}): Operator[] => [operator(a, 1, change), operator(b, 2), operator(c, 3)];

export function epochs(...states: readonly EpochState[]): EpochRecord[] {
  return states.map((state, index) => ({
    epoch: epochOf(index),
    state,
    hash: state === 'open' ? undefined : hashOf(index + 1),
    openedAtBlock: OPENED,
    activatedAtMs: START_MS,
  }));
}

export function cluster(change: Partial<ClusterView> = {}): ClusterView {
  return {
    blockNumber: HEAD,
    blockTimeMs: START_MS,
    chainId: profile.chainId,
    novaAppRegistry: NOVA_APP_REGISTRY,
    kmsAppId: profile.kmsAppId,
    configured: true,
    minOperators: 3,
    majority: 2,
    operators: three(),
    epochs: epochs('open'),
    ...change,
  };
}

/** Both blocks alike but for what is named; the confirmed one three blocks below. */
export function blocksOf(both: Partial<ClusterView> = {}, head: Partial<ClusterView> = {}, confirmed: Partial<ClusterView> = {}): Blocks {
  return {
    head: cluster({ ...both, ...head }),
    confirmed: cluster({ blockNumber: HEAD - profile.confirmationBlocks, ...both, ...confirmed }),
  };
}

export function factsOf(blocks: Blocks, change: Partial<Facts> = {}): Facts {
  return {
    self: { wallet: a, teePubkey: teePubkeyOf(a) },
    profile,
    chain: { kind: 'fresh', blocks },
    odyn: 'present',
    held: new Set(),
    candidates: [],
    offers: [],
    followedTurn: undefined,
    ...change,
  };
}

export function offerOf(hash: Hash, signers: readonly Wallet[], validUntilBlock = VALID_UNTIL): Offer {
  return { hash, validUntilBlock, signatures: new Map(signers.map((signer) => [signer, '0x00'] as const)) };
}
