import { describe, expect, it } from 'vitest';
import { createChainView, eligibleMemberOf, memberOf, operatorOf, readWithRetry } from '../../../core/chain/view.ts';
import { decodeClusterView, encodeClusterView } from '../../../core/chain/registry.ts';
import { Refusal } from '../../../core/errors.ts';
import { CHAIN_READ_TRIES, HEAD_AHEAD_MAX_MS } from '../../../core/limits.ts';
import {
  clusterAnswer,
  createClock,
  createStubChain,
  encodeClusterAnswer,
  KMS_REGISTRY,
  operatorAnswer,
  profile,
  reasonOfAsync,
  signerNamed,
} from '../fakes.ts';
import type { ClusterView } from '../../../core/chain/registry.ts';
import type { Chain } from '../../../core/ports.ts';

const [a, b] = ['a', 'b'].map((name) => signerNamed(name).wallet) as [
  ReturnType<typeof signerNamed>['wallet'],
  ReturnType<typeof signerNamed>['wallet'],
];

function setUp(over: Partial<Chain> = {}) {
  const clock = createClock();
  const chain = createStubChain(clock);
  const mixed: Chain = { ...chain, ...over };
  const view = createChainView({ chain: mixed, clock, profile });
  const kind = () => {
    const state = view.state();
    return state.kind === 'fresh' ? state.blocks.head.blockNumber : state.reason;
  };
  return { clock, chain, view, kind };
}

/** A chain whose head answers `change` of the honest cluster. */
function answering(change: Partial<ReturnType<typeof clusterAnswer>>, timeMs?: number) {
  const world = setUp();
  const at = BigInt(Math.floor((timeMs ?? world.clock.nowMs()) / 1_000));
  const call: Chain['call'] = (_to, _data, block) =>
    Promise.resolve(encodeClusterAnswer({ ...clusterAnswer([], [], BigInt(block), at), ...change }));
  const view = createChainView({ chain: { ...world.chain, call }, clock: world.clock, profile });
  const reason = async () => {
    await view.refresh();
    const state = view.state();
    return state.kind === 'fresh' ? 'fresh' : state.reason;
  };
  return { ...world, view, reason };
}

describe('a refresh', () => {
  it('reads the head and the block that is confirmed', async () => {
    const { chain, view } = setUp();
    await view.refresh();
    expect(chain.calls.map((call) => call.block).toSorted()).toEqual([chain.headBlock - profile.confirmationBlocks, chain.headBlock]);
    expect(view.state()).toMatchObject({ kind: 'fresh', blocks: { head: { blockNumber: 19 }, confirmed: { blockNumber: 16 } } });
  });
  it('follows the head', async () => {
    const { chain, view, kind } = setUp();
    await view.refresh();
    chain.mine();
    await view.refresh();
    expect(kind()).toBe(20);
  });
  it('keeps the view of a higher head when the endpoint falls back', async () => {
    const { chain, clock } = setUp();
    let head = 19;
    const view = createChainView({ chain: { ...chain, headNumber: () => Promise.resolve(head) }, clock, profile });
    await view.refresh();
    head = 18;
    await view.refresh();
    expect(view.state()).toMatchObject({ blocks: { head: { blockNumber: 19 } } });
  });
  it('keeps the last view when the chain cannot be read: that is not an empty cluster', async () => {
    const { chain, view, kind } = setUp();
    await view.refresh();
    chain.outage = true;
    expect(await reasonOfAsync(view.refresh())).toBe('chain_unavailable');
    expect(kind()).toBe(19);
  });
  it('is refused when one of the two blocks cannot be read, and the view stays whole', async () => {
    const { chain, clock } = setUp();
    let broken: number | undefined;
    const call: Chain['call'] = (to, data, block) =>
      block === broken ? Promise.reject(new Refusal('chain_unavailable')) : chain.call(to, data, block);
    const view = createChainView({ chain: { ...chain, headNumber: chain.headNumber, call }, clock, profile });
    await view.refresh();
    chain.mine();
    for (const block of [20, 17]) {
      broken = block;
      expect(await reasonOfAsync(view.refresh())).toBe('chain_unavailable');
      expect(view.state()).toMatchObject({ blocks: { head: { blockNumber: 19 }, confirmed: { blockNumber: 16 } } });
    }
  });
  it('is refused on a chain that is shorter than the confirmation depth', async () => {
    const { view } = setUp({ headNumber: () => Promise.resolve(profile.confirmationBlocks - 1) });
    expect(await reasonOfAsync(view.refresh())).toBe('chain_unavailable');
  });
  it('is refused when the answer is of another block than was asked for', async () => {
    const { view, chain } = answering({ blockNumber: 5n });
    expect(chain.headBlock).not.toBe(5);
    expect(await reasonOfAsync(view.refresh())).toBe('chain_unavailable');
  });
  it('lets the higher of two heads stand when the slower read ends last', async () => {
    const { chain, clock } = setUp();
    chain.mine();
    const gates: (() => void)[] = [];
    let head = 19;
    const call: Chain['call'] = async (to, data, block) => {
      if (block === 19) await new Promise<void>((resolve) => gates.push(resolve));
      return await chain.call(to, data, block);
    };
    const view = createChainView({ chain: { ...chain, headNumber: () => Promise.resolve(head), call }, clock, profile });
    const slow = view.refresh();
    await Promise.resolve();
    head = 20;
    await view.refresh();
    for (const open of gates) open();
    await slow;
    expect(view.state()).toMatchObject({ blocks: { head: { blockNumber: 20 } } });
  });
});

describe('a read', () => {
  it.each([...Array(CHAIN_READ_TRIES).keys()])('survives %i failures, at the same block each time', async (failures) => {
    const asked: number[] = [];
    const { chain } = setUp();
    const call: Chain['call'] = (to, data, block) => {
      asked.push(block);
      return asked.length <= failures ? Promise.reject(new Refusal('chain_unavailable')) : chain.call(to, data, block);
    };
    expect(await reasonOfAsync(readWithRetry({ ...chain, call }, KMS_REGISTRY, encodeClusterView(), 7))).toBe('none');
    expect(asked).toEqual(Array(failures + 1).fill(7));
  });
  it('is refused after its tries, never replaced by a weaker one', async () => {
    const asked: number[] = [];
    const { chain } = setUp();
    const call: Chain['call'] = (_to, _data, block) => {
      asked.push(block);
      return Promise.reject(new Refusal('chain_unavailable'));
    };
    expect(await reasonOfAsync(readWithRetry({ ...chain, call }, KMS_REGISTRY, '0x', 7))).toBe('chain_unavailable');
    expect(asked).toEqual(Array(CHAIN_READ_TRIES).fill(7));
  });
});

describe('the state', () => {
  it('is unreadable before the first block', () => expect(setUp().kind()).toBe('chain_unreadable'));
  it('is fresh to the last millisecond of the head’s age, then stale', async () => {
    const { clock, view, kind } = setUp();
    await view.refresh();
    clock.advance(profile.headAgeMaxMs);
    expect(kind()).toBe(19);
    clock.advance(1);
    expect(kind()).toBe('chain_stale');
  });
  it('S-H6 is stale once no block was read for so long, however far back the clock is set', async () => {
    const { clock, chain, view, kind } = setUp();
    await view.refresh();
    clock.set(-HEAD_AHEAD_MAX_MS);
    clock.advance(profile.headAgeMaxMs);
    expect(kind()).toBe(19);
    clock.advance(1);
    expect(kind()).toBe('chain_stale');
    chain.mine();
    await view.refresh();
    expect(kind()).toBe(20);
  });
  it('is wrong when the head is further ahead than clocks differ', async () => {
    const { clock, view, kind } = setUp();
    await view.refresh();
    clock.set(-HEAD_AHEAD_MAX_MS);
    expect(kind()).toBe(19);
    clock.set(-1);
    expect(kind()).toBe('chain_clock_ahead');
  });
  it('is fresh when the head names our chain, registry and app', async () => expect(await answering({}).reason()).toBe('fresh'));
  it.each<[string, Partial<ReturnType<typeof clusterAnswer>>]>([
    ['another chain id', { chainId: 1n }],
    ['another app registry', { novaAppRegistry: KMS_REGISTRY }],
    ['another app', { kmsAppId: 8n }],
    ['no app yet', { kmsAppId: 0n, configured: false }],
    ['a registry that is not configured', { configured: false }],
  ])('is a mismatch with %s', async (_what, change) => expect(await answering(change).reason()).toBe('chain_mismatch'));
});

describe('a member', () => {
  const at = (...operators: Parameters<typeof clusterAnswer>[0]): ClusterView =>
    decodeClusterView(encodeClusterAnswer(clusterAnswer(operators, [], 1n, 1n)));
  const good = operatorAnswer(a, 1);
  const dead = { ...good, live: false, eligible: false };
  const deprecated = { ...good, eligible: false };

  it('is live at both blocks, and its record is the head’s', () => {
    const blocks = { head: at({ ...good, instanceUrl: 'https://new.nova.example' }), confirmed: at(good) };
    expect(memberOf(blocks, a)?.instanceUrl).toBe('https://new.nova.example');
    expect(eligibleMemberOf(blocks, a)?.wallet).toBe(a);
    expect(operatorOf(blocks.head, b)).toBeUndefined();
  });
  it.each([
    ['granted at the head only', [good], []],
    ['revoked at the head', [dead], [good]],
    ['removed at the head', [], [good]],
    ['not yet live at the confirmed block', [good], [dead]],
  ] as const)('R-5 is nobody who was %s', (_what, head, confirmed) => {
    expect(memberOf({ head: at(...head), confirmed: at(...confirmed) }, a)).toBeUndefined();
    expect(eligibleMemberOf({ head: at(...head), confirmed: at(...confirmed) }, a)).toBeUndefined();
  });
  it.each([
    ['at the head', [deprecated], [good]],
    ['at the confirmed block', [good], [deprecated]],
  ] as const)('U-10 that is not eligible %s receives no secret, but is a peer', (_what, head, confirmed) => {
    const blocks = { head: at(...head), confirmed: at(...confirmed) };
    expect(memberOf(blocks, a)?.wallet).toBe(a);
    expect(eligibleMemberOf(blocks, a)).toBeUndefined();
  });
});
