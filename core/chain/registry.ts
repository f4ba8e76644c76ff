/**
 * KMSRegistry as the node reads it: calls encoded and answers decoded by viem from the generated ABI, then narrowed to
 * the node's own words. Pure. An answer that does not decode, or holds what no registry can hold, is refused whole.
 */
import { decodeFunctionResult, encodeFunctionData } from 'viem';
import { Refusal } from '../errors.ts';
import { OPERATORS_MAX } from '../limits.ts';
import { parseHash, parseWallet, ZERO_WALLET } from '../identity.ts';
import { kmsNodeAbi } from './abi.ts';
import type { Epoch, Hash, Wallet } from '../identity.ts';

export type InstanceStatus = 'active' | 'stopped' | 'failed';
export type AppStatus = 'active' | 'inactive' | 'revoked';
export type VersionStatus = 'enrolled' | 'deprecated' | 'revoked';
export type EpochState = 'open' | 'active' | 'previous' | 'retired' | 'lost';

/** A wallet of the operator set. `live` and `eligible` are the contract's own judgement (`docs/protocol.md` clause 1). */
export interface Operator {
  readonly wallet: Wallet;
  readonly instanceId: bigint;
  readonly versionId: bigint;
  readonly registrant: Wallet;
  readonly instanceUrl: string;
  /** Lower-case hex of the SPKI DER, without `0x`. */
  readonly teePubkey: string;
  readonly measurement: Hash;
  readonly versionStatus: VersionStatus;
  readonly instanceStatus: InstanceStatus;
  readonly zkVerified: boolean;
  readonly measurementApproved: boolean;
  readonly live: boolean;
  readonly eligible: boolean;
}

export interface EpochRecord {
  readonly epoch: Epoch;
  readonly state: EpochState;
  /** `undefined` while the epoch is open, or was abandoned open. */
  readonly hash: Hash | undefined;
  readonly openedAtBlock: number;
  readonly activatedAtMs: number;
}

/** The cluster at one block. */
export interface ClusterView {
  readonly blockNumber: number;
  readonly blockTimeMs: number;
  readonly chainId: number;
  readonly novaAppRegistry: Wallet;
  readonly kmsAppId: bigint;
  readonly configured: boolean;
  readonly minOperators: number;
  readonly majority: number;
  readonly operators: readonly Operator[];
  readonly epochs: readonly EpochRecord[];
}

/** What the registry knows of one wallet at one block; ids are 0 for what it does not know. */
export interface CallerView {
  readonly blockNumber: number;
  readonly blockTimeMs: number;
  readonly instanceId: bigint;
  readonly appId: bigint;
  readonly versionId: bigint;
  readonly wallet: Wallet;
  readonly teePubkey: string;
  readonly zkVerified: boolean;
  readonly instanceStatus: InstanceStatus;
  readonly appRecordId: bigint;
  readonly appStatus: AppStatus;
  readonly appCreatedAtMs: number;
  readonly versionRecordId: bigint;
  readonly versionStatus: VersionStatus;
  readonly measurement: Hash;
}

const INSTANCE_STATUSES = ['active', 'stopped', 'failed'] as const;
const APP_STATUSES = ['active', 'inactive', 'revoked'] as const;
const VERSION_STATUSES = ['enrolled', 'deprecated', 'revoked'] as const;
/** State 0 is "never opened", which no listed epoch can be. */
const EPOCH_STATES = [undefined, 'open', 'active', 'previous', 'retired', 'lost'] as const;
const ZERO_HASH = `0x${'0'.repeat(64)}`;

export function encodeClusterView(): `0x${string}` {
  return encodeFunctionData({ abi: kmsNodeAbi, functionName: 'clusterView' });
}

export function encodeCallerView(wallet: Wallet): `0x${string}` {
  return encodeFunctionData({ abi: kmsNodeAbi, functionName: 'callerView', args: [wallet] });
}

/** Of the registry contract itself: who announces its changes. */
export function encodeOwner(): `0x${string}` {
  return encodeFunctionData({ abi: kmsNodeAbi, functionName: 'owner' });
}

/** Signatures must be ordered by their signers' addresses, ascending. */
export function encodeActivate(epoch: Epoch, hash: Hash, validUntilBlock: number, signatures: readonly `0x${string}`[]): `0x${string}` {
  return encodeFunctionData({
    abi: kmsNodeAbi,
    functionName: 'activate',
    args: [BigInt(epoch), hash, BigInt(validUntilBlock), [...signatures]],
  });
}

/** Throws `chain_unavailable` for what does not decode, or holds what no registry can; so do the other decoders. */
export function decodeClusterView(data: `0x${string}`): ClusterView {
  return decoded('clusterView', () => {
    const view = decodeFunctionResult({ abi: kmsNodeAbi, functionName: 'clusterView', data });
    if (view.operators.length > OPERATORS_MAX) throw new RangeError(`${view.operators.length} operators`);
    return {
      blockNumber: safeNumber(view.blockNumber),
      blockTimeMs: safeNumber(view.blockTimestamp * 1_000n),
      chainId: safeNumber(view.chainId),
      novaAppRegistry: wallet(view.novaAppRegistry),
      kmsAppId: view.kmsAppId,
      configured: view.configured,
      minOperators: safeNumber(view.minOperators),
      majority: safeNumber(view.majority),
      operators: view.operators.map((operator) => ({
        wallet: wallet(operator.wallet),
        instanceId: operator.instanceId,
        versionId: operator.versionId,
        registrant: wallet(operator.operator),
        instanceUrl: operator.instanceUrl,
        teePubkey: operator.teePubkey.slice(2).toLowerCase(),
        measurement: hash(operator.codeMeasurement),
        versionStatus: oneOf(VERSION_STATUSES, operator.versionStatus),
        instanceStatus: oneOf(INSTANCE_STATUSES, operator.instanceStatus),
        zkVerified: operator.zkVerified,
        measurementApproved: operator.measurementApproved,
        live: operator.live,
        eligible: operator.eligible,
      })),
      epochs: view.epochs.map((epoch, index) => {
        if (epoch.id !== BigInt(index)) throw new RangeError('epochs are not listed by their number');
        return {
          epoch: safeNumber(epoch.id) as Epoch,
          state: oneOf(EPOCH_STATES, epoch.state),
          hash: epoch.secretHash === ZERO_HASH ? undefined : hash(epoch.secretHash),
          openedAtBlock: safeNumber(epoch.openedAtBlock),
          activatedAtMs: safeNumber(epoch.activatedAt * 1_000n),
        };
      }),
    };
  });
}

export function decodeCallerView(data: `0x${string}`): CallerView {
  return decoded('callerView', () => {
    const view = decodeFunctionResult({ abi: kmsNodeAbi, functionName: 'callerView', data });
    return {
      blockNumber: safeNumber(view.blockNumber),
      blockTimeMs: safeNumber(view.blockTimestamp * 1_000n),
      instanceId: view.instanceId,
      appId: view.appId,
      versionId: view.versionId,
      wallet: wallet(view.wallet),
      teePubkey: view.teePubkey.slice(2).toLowerCase(),
      zkVerified: view.zkVerified,
      instanceStatus: oneOf(INSTANCE_STATUSES, view.instanceStatus),
      appRecordId: view.appRecordId,
      appStatus: oneOf(APP_STATUSES, view.appStatus),
      appCreatedAtMs: safeNumber(view.appCreatedAt * 1_000n),
      versionRecordId: view.versionRecordId,
      versionStatus: oneOf(VERSION_STATUSES, view.versionStatus),
      measurement: hash(view.codeMeasurement),
    };
  });
}

export function decodeOwner(data: `0x${string}`): Wallet {
  return decoded('owner', () => wallet(decodeFunctionResult({ abi: kmsNodeAbi, functionName: 'owner', data })));
}

function decoded<T>(what: string, decode: () => T): T {
  try {
    return decode();
  } catch (error) {
    throw new Refusal('chain_unavailable', `${what} answered what does not decode`, error);
  }
}

function oneOf<T>(names: readonly (T | undefined)[], value: number): T {
  const name = names[value];
  if (name === undefined) throw new RangeError(`unknown enum value ${value}`);
  return name;
}

/** uint256 to number; throws instead of rounding or wrapping. */
export function safeNumber(value: bigint): number {
  if (value < 0n || value > BigInt(Number.MAX_SAFE_INTEGER)) throw new RangeError('a number is too large to hold');
  return Number(value);
}

function wallet(address: string): Wallet {
  return parseWallet(address) ?? ZERO_WALLET;
}

function hash(value: string): Hash {
  const parsed = parseHash(value);
  if (!parsed) throw new RangeError('a hash is not 32 bytes');
  return parsed;
}
