import { decodeFunctionData, toFunctionSelector } from 'viem';
import { describe, expect, it } from 'vitest';
import {
  decodeCallerView,
  decodeClusterView,
  encodeActivate,
  encodeCallerView,
  encodeClusterView,
  safeNumber,
} from '../../../core/chain/registry.ts';
import { kmsNodeAbi } from '../../../core/chain/abi.ts';
import { OPERATORS_MAX } from '../../../core/limits.ts';
import { ZERO_WALLET } from '../../../core/identity.ts';
import {
  callerAnswer,
  clusterAnswer,
  encodeCallerAnswer,
  encodeClusterAnswer,
  epochAnswer,
  epochOf,
  hashOf,
  operatorAnswer,
  reasonOf,
  signerNamed,
  STATES,
  teePubkeyOf,
  NOVA_APP_REGISTRY,
} from '../fakes.ts';
import { MEASUREMENT } from '../../attestation/attester.ts';
import type { CallerAnswer, EpochAnswer, OperatorAnswer } from '../fakes.ts';

const wallet = signerNamed('a').wallet;
const HUGE = 2n ** 256n - 1n;
type Cluster = ReturnType<typeof clusterAnswer>;

const cluster = (change: Partial<Cluster> = {}, operator: Partial<OperatorAnswer> = {}, epoch: Partial<EpochAnswer> = {}) => {
  const operators = [{ ...operatorAnswer(wallet, 5), ...operator }];
  const epochs = [{ ...epochAnswer(0, STATES.active, hashOf(1), 7n, 1_700_000_000n), ...epoch }];
  return encodeClusterAnswer({ ...clusterAnswer(operators, epochs, 40n, 1_770_000_000n), ...change });
};
const caller = (change: Partial<CallerAnswer> = {}) => encodeCallerAnswer({ ...callerAnswer(wallet), ...change });

describe('calls', () => {
  it('name the functions of the contract', () => {
    expect(encodeClusterView()).toBe(toFunctionSelector('clusterView()'));
    expect(encodeCallerView(wallet)).toBe(`${toFunctionSelector('callerView(address)')}${wallet.slice(2).padStart(64, '0')}`);
    const data = encodeActivate(epochOf(2), hashOf(3), 99, ['0x11', '0x22']);
    expect(decodeFunctionData({ abi: kmsNodeAbi, data })).toEqual({
      functionName: 'activate',
      args: [2n, hashOf(3), 99n, ['0x11', '0x22']],
    });
  });
});

describe('R-8 the cluster, decoded by the ABI of the contract', () => {
  it('is read in the node’s own words', () => {
    expect(decodeClusterView(cluster())).toEqual({
      blockNumber: 40,
      blockTimeMs: 1_770_000_000_000,
      chainId: 31_337,
      novaAppRegistry: NOVA_APP_REGISTRY,
      kmsAppId: 7n,
      configured: true,
      minOperators: 3,
      majority: 2,
      operators: [
        {
          wallet,
          instanceId: 5n,
          versionId: 1n,
          registrant: `0x${'cc'.repeat(20)}`,
          instanceUrl: 'https://node-5.nova.example',
          teePubkey: teePubkeyOf(wallet),
          measurement: MEASUREMENT,
          versionStatus: 'enrolled',
          instanceStatus: 'active',
          zkVerified: true,
          measurementApproved: true,
          live: true,
          eligible: true,
        },
      ],
      epochs: [{ epoch: 0, state: 'active', hash: hashOf(1), openedAtBlock: 7, activatedAtMs: 1_700_000_000_000 }],
    });
  });
  it('is read without operators and epochs, as a registry before genesis answers', () => {
    expect(decodeClusterView(encodeClusterAnswer(clusterAnswer([], [], 1n, 1n)))).toMatchObject({ operators: [], epochs: [] });
  });
  it.each([
    ['enrolled', 0],
    ['deprecated', 1],
    ['revoked', 2],
  ] as const)('reads version status %s', (name, versionStatus) =>
    expect(decodeClusterView(cluster({}, { versionStatus })).operators[0]?.versionStatus).toBe(name),
  );
  it.each([
    ['active', 0],
    ['stopped', 1],
    ['failed', 2],
  ] as const)('reads instance status %s', (name, instanceStatus) =>
    expect(decodeClusterView(cluster({}, { instanceStatus })).operators[0]?.instanceStatus).toBe(name),
  );
  it.each(Object.entries(STATES))('reads epoch state %s', (name, state) =>
    expect(decodeClusterView(cluster({}, {}, { state })).epochs[0]?.state).toBe(name),
  );
  it('keeps an open epoch’s hash undefined, not zero', () =>
    expect(decodeClusterView(cluster({}, {}, { state: STATES.open, secretHash: `0x${'0'.repeat(64)}` })).epochs[0]?.hash).toBeUndefined());
  it('keeps a long URL of any text whole: judging it is not the decoder’s business', () => {
    const instanceUrl = `https://${'x'.repeat(5_000)}ключ\u0000`;
    expect(decodeClusterView(cluster({}, { instanceUrl })).operators[0]?.instanceUrl).toBe(instanceUrl);
  });
  it('U-6 keeps ids beyond 2^53 as they are', () => {
    expect(decodeClusterView(cluster({ kmsAppId: HUGE }, { instanceId: HUGE, versionId: HUGE - 1n }))).toMatchObject({
      kmsAppId: HUGE,
      operators: [{ instanceId: HUGE, versionId: HUGE - 1n }],
    });
  });
  it.each<[string, `0x${string}`]>([
    ['a block number beyond 2^53', cluster({ blockNumber: 2n ** 53n })],
    ['a block time that overflows in milliseconds', cluster({ blockTimestamp: 2n ** 53n / 1_000n + 1n })],
    ['a block time of all ones', cluster({ blockTimestamp: HUGE })],
    ['a chain id beyond 2^53', cluster({ chainId: HUGE })],
    ['a chain id that wraps to ours', cluster({ chainId: 2n ** 64n + 31_337n })],
    ['a majority beyond 2^53', cluster({ majority: HUGE })],
    ['an unknown version status', cluster({}, { versionStatus: 3 })],
    ['an unknown instance status', cluster({}, { instanceStatus: 255 })],
    ['the epoch state that no listed epoch has', cluster({}, {}, { state: 0 })],
    ['an unknown epoch state', cluster({}, {}, { state: 6 })],
    ['epochs out of their order', cluster({}, {}, { id: 1n })],
    ['an activation time that overflows', cluster({}, {}, { activatedAt: 2n ** 64n - 1n })],
    ['an opening block that overflows', cluster({}, {}, { openedAtBlock: 2n ** 64n - 1n })],
    [
      'more operators than a view may hold',
      encodeClusterAnswer(
        clusterAnswer(
          Array.from({ length: OPERATORS_MAX + 1 }, (_, index) => operatorAnswer(wallet, index)),
          [],
          1n,
          1n,
        ),
      ),
    ],
    ['nothing', '0x'],
    ['one word', `0x${'0'.repeat(64)}`],
    ['the caller view', caller()],
  ])('U-6 is refused whole with %s', (_what, data) => expect(reasonOf(() => decodeClusterView(data))).toBe('chain_unavailable'));
  it('is refused when it is cut short', () => {
    const whole = cluster();
    for (let length = 2; length < whole.length; length += 62)
      expect(reasonOf(() => decodeClusterView(whole.slice(0, length) as `0x${string}`))).toBe('chain_unavailable');
  });
});

describe('R-8 a caller, decoded by the ABI of the contract', () => {
  it('is read in the node’s own words', () => {
    expect(decodeCallerView(caller())).toMatchObject({
      wallet,
      instanceId: 21n,
      appId: 9n,
      teePubkey: 'abcdef',
      appStatus: 'active',
      versionStatus: 'enrolled',
      appCreatedAtMs: 1_700_000_000_000,
    });
  });
  it('U-8 is read from a struct of zeros as ids of 0', () => {
    expect(decodeCallerView(caller({ instanceId: 0n, wallet: ZERO_WALLET, teePubkey: '0x' }))).toMatchObject({
      instanceId: 0n,
      wallet: ZERO_WALLET,
      teePubkey: '',
    });
  });
  it('U-6 keeps an app id beyond 2^53 as it is', () => expect(decodeCallerView(caller({ appId: HUGE })).appId).toBe(HUGE));
  it.each<[string, Partial<CallerAnswer>]>([
    ['an unknown instance status', { instanceStatus: 3 }],
    ['an unknown app status', { appStatus: 3 }],
    ['an unknown version status', { versionStatus: 9 }],
    ['a creation time that overflows', { appCreatedAt: HUGE }],
    ['a block number that overflows', { blockNumber: HUGE }],
  ])('is refused whole with %s', (_what, change) => expect(reasonOf(() => decodeCallerView(caller(change)))).toBe('chain_unavailable'));
});

describe('narrowing', () => {
  it('U-6 gives numbers to 2^53 − 1 and throws beyond, and below zero', () => {
    expect(safeNumber(0n)).toBe(0);
    expect(safeNumber(2n ** 53n - 1n)).toBe(Number.MAX_SAFE_INTEGER);
    for (const value of [2n ** 53n, HUGE, -1n]) expect(() => safeNumber(value)).toThrow(RangeError);
  });
});
