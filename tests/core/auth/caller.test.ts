import { describe, expect, it } from 'vitest';
import { createAuthorizer, revocationBoundMs } from '../../../core/auth/caller.ts';
import { judgeCaller } from '../../../core/auth/standing.ts';
import { createChainView } from '../../../core/chain/view.ts';
import { decodeCallerView } from '../../../core/chain/registry.ts';
import { Refusal } from '../../../core/errors.ts';
import { CALLER_CACHE_MS, UNKNOWN_CACHE_MS, UNKNOWN_WALLETS_BURST, UNKNOWN_WALLETS_PER_SECOND } from '../../../core/limits.ts';
import {
  BLOCK_MS,
  callerAnswer,
  createClock,
  createStubChain,
  encodeCallerAnswer,
  hashOf,
  profile,
  reasonOfAsync,
  signerNamed,
  zeroedCaller,
} from '../fakes.ts';
import type { CallerAnswer } from '../fakes.ts';

const wallet = signerNamed('an app').wallet;
const stranger = signerNamed('a stranger').wallet;

describe('one block’s word on a wallet', () => {
  const judge = (change: Partial<CallerAnswer>, base = callerAnswer(wallet)) => {
    const verdict = judgeCaller(wallet, decodeCallerView(encodeCallerAnswer({ ...base, ...change })));
    return verdict instanceof Refusal ? verdict.reason : verdict;
  };
  it('is a caller when everything is good', () => {
    expect(judge({ blockNumber: 9n })).toEqual({
      wallet,
      instanceId: 21n,
      appId: 9n,
      versionId: 4n,
      teePubkey: 'abcdef',
      appCreatedAtMs: 1_700_000_000_000,
      measurement: hashOf(0x22),
      blockNumber: 9,
    });
  });
  it('is a caller on a deprecated version', () => expect(judge({ versionStatus: 1 })).toMatchObject({ wallet }));
  it.each<[string, string, Partial<CallerAnswer>]>([
    ['its instance id is 0', 'instance_unknown', { instanceId: 0n }],
    ['the instance is of another wallet', 'instance_unknown', { wallet: stranger }],
    ['its app id is 0', 'instance_unknown', { appId: 0n, appRecordId: 0n }],
    ['the instance is stopped', 'instance_not_active', { instanceStatus: 1 }],
    ['the instance has failed', 'instance_not_active', { instanceStatus: 2 }],
    ['the instance is not verified', 'instance_not_verified', { zkVerified: false }],
    ['the app is inactive', 'app_not_active', { appStatus: 1 }],
    ['the app is revoked', 'app_not_active', { appStatus: 2 }],
    ['the app’s record does not exist', 'app_not_active', { appRecordId: 0n }],
    ['the version is revoked', 'version_not_allowed', { versionStatus: 2 }],
    ['the version’s record does not exist', 'version_not_allowed', { versionRecordId: 0n }],
  ])('is a refusal when %s', (_what, reason, change) => expect(judge(change)).toBe(reason));
  it('U-8 is a refusal for a struct of zeros, whose statuses read as ACTIVE and ENROLLED', () => {
    const view = decodeCallerView(encodeCallerAnswer(zeroedCaller()));
    expect([view.instanceStatus, view.appStatus, view.versionStatus]).toEqual(['active', 'active', 'enrolled']);
    expect(judge({}, zeroedCaller())).toBe('instance_unknown');
    expect(judge({ wallet, zkVerified: true }, zeroedCaller())).toBe('instance_unknown');
  });
});

async function setUp() {
  const clock = createClock();
  const chain = createStubChain(clock);
  const view = createChainView({ chain, clock, profile });
  const authorizer = createAuthorizer({ chain, view, clock, profile });
  const verdict = (who = wallet) => reasonOfAsync(authorizer.authorize(who));
  async function step(blocks = 1) {
    chain.mine(blocks);
    await view.refresh();
  }
  const reads = () => chain.calls.filter((call) => call.data.length > 10).length;
  chain.callers.set(wallet, callerAnswer(wallet));
  await step(profile.confirmationBlocks + 1);
  return { clock, chain, view, authorizer, verdict, step, reads };
}

describe('the authorizer', () => {
  it('judges at the head and at the confirmed block, and names the head', async () => {
    const { authorizer, chain, reads } = await setUp();
    expect((await authorizer.authorize(wallet)).blockNumber).toBe(chain.headBlock);
    expect(reads()).toBe(2);
    expect(new Set(chain.calls.slice(-2).map((call) => call.block))).toEqual(
      new Set([chain.headBlock, chain.headBlock - profile.confirmationBlocks]),
    );
  });
  it('asks the chain once while a judgement is fresh, and again after', async () => {
    const { clock, verdict, reads } = await setUp();
    await verdict();
    clock.advance(CALLER_CACHE_MS - 1);
    expect([await verdict(), reads()]).toEqual(['none', 2]);
    clock.advance(1);
    expect([await verdict(), reads()]).toEqual(['none', 4]);
  });
  it('S-H6 refuses at the head what the confirmed block still grants', async () => {
    const { chain, verdict, step } = await setUp();
    expect(await verdict()).toBe('none');
    chain.callers.set(wallet, { ...callerAnswer(wallet), instanceStatus: 1 });
    await step(2);
    expect(await verdict()).toBe('instance_not_active');
  });
  it('S-H6 does not grant at the head what is not confirmed', async () => {
    const { chain, verdict, step } = await setUp();
    chain.callers.set(stranger, callerAnswer(stranger));
    await step();
    expect(await verdict(stranger)).toBe('instance_unknown');
    await step(profile.confirmationBlocks);
    expect(await verdict(stranger)).toBe('none');
  });
  it('S-H6 publishes a bound: cache life, tick and the oldest head', () => {
    expect(revocationBoundMs(profile)).toBe(CALLER_CACHE_MS + profile.tickMs + profile.headAgeMaxMs);
  });
  it('S-H6 keeps a judgement through an outage until its head is too old, and not longer', async () => {
    const { clock, chain, verdict } = await setUp();
    expect(await verdict()).toBe('none');
    chain.outage = true;
    clock.advance(profile.headAgeMaxMs);
    expect(await verdict()).toBe('none');
    clock.advance(1);
    expect(await verdict()).toBe('chain_unavailable');
    chain.outage = false;
    expect(await verdict()).toBe('chain_unavailable');
  });
  it('S-H6 makes no judgement younger when the clock is set back', async () => {
    const { clock, chain, verdict, reads } = await setUp();
    expect([await verdict(), reads()]).toEqual(['none', 2]);
    clock.set(-20_000);
    clock.advance(CALLER_CACHE_MS);
    expect([await verdict(), reads()]).toEqual(['none', 4]);
    chain.outage = true;
    clock.advance(profile.headAgeMaxMs);
    expect(await verdict()).toBe('none');
    clock.advance(1);
    expect(await verdict()).toBe('chain_unavailable');
  });
  it('S-H6 counts a judgement from its question, however slow the answer', async () => {
    const { clock, chain, verdict, reads } = await setUp();
    const { call } = chain;
    let delayMs = CALLER_CACHE_MS / 2;
    Object.assign(chain, {
      call: async (...asked: Parameters<typeof call>) => {
        const answer = await call(...asked);
        clock.advance(delayMs);
        return answer;
      },
    });
    expect([await verdict(), reads()]).toEqual(['none', 2]);
    expect([await verdict(), reads()]).toEqual(['none', 4]);
    delayMs = profile.headAgeMaxMs;
    clock.advance(CALLER_CACHE_MS);
    expect(await verdict()).toBe('chain_unavailable');
  });
  it('X-9 asks the chain once for a known wallet, however many of its requests come at once', async () => {
    const { clock, verdict, reads } = await setUp();
    expect([await verdict(), reads()]).toEqual(['none', 2]);
    clock.advance(CALLER_CACHE_MS);
    const verdicts = await Promise.all(Array.from({ length: 50 }, () => verdict()));
    expect([new Set(verdicts), reads()]).toEqual([new Set(['none']), 4]);
  });
  it('S-H6 lets no slow answer replace a newer one', async () => {
    const { clock, chain, verdict, step } = await setUp();
    const { call } = chain;
    const held: (() => void)[] = [];
    Object.assign(chain, {
      call: async (...asked: Parameters<typeof call>) => {
        const answer = await call(...asked);
        await new Promise<void>((resolve) => held.push(resolve));
        return answer;
      },
    });
    const slow = verdict();
    for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
    expect(held).toHaveLength(2);
    Object.assign(chain, { call });
    chain.callers.set(wallet, { ...callerAnswer(wallet), instanceStatus: 1 });
    clock.advance(1);
    await step(2);
    expect(await verdict()).toBe('instance_not_active');
    for (const release of held) release();
    await slow;
    expect(await verdict()).toBe('instance_not_active');
  });
  it('S-H6 keeps a refusal through an outage too', async () => {
    const { clock, chain, verdict, step } = await setUp();
    chain.callers.set(wallet, { ...callerAnswer(wallet), appStatus: 2 });
    await step();
    expect(await verdict()).toBe('app_not_active');
    chain.outage = true;
    clock.advance(CALLER_CACHE_MS);
    expect(await verdict()).toBe('app_not_active');
  });
  it('S-H6 does not fall back to an old grant when the wallet has been unknown since', async () => {
    const { clock, chain, verdict, step } = await setUp();
    expect(await verdict()).toBe('none');
    chain.callers.delete(wallet);
    await step(2);
    expect(await verdict()).toBe('instance_unknown');
    chain.outage = true;
    clock.advance(UNKNOWN_CACHE_MS);
    expect(await verdict()).not.toBe('none');
  });
  it('S-H6 covers no fault of its own with the judgement before, as it does an outage', async () => {
    const { clock, chain, verdict } = await setUp();
    expect(await verdict()).toBe('none');
    Object.assign(chain, { call: () => Promise.reject(new TypeError('a fault')) });
    clock.advance(CALLER_CACHE_MS);
    await expect(verdict()).rejects.toThrow('a fault');
  });
  it('judges nobody without a fresh view', async () => {
    const { clock, verdict } = await setUp();
    clock.advance(profile.headAgeMaxMs + 1);
    expect(await verdict()).toBe('chain_unavailable');
  });
  it('refuses an answer that does not decode, whoever it is about', async () => {
    const { chain, view, clock } = await setUp();
    const odd = createAuthorizer({ chain: { ...chain, call: () => Promise.resolve('0x01') }, view, clock, profile });
    expect(await reasonOfAsync(odd.authorize(wallet))).toBe('chain_unavailable');
  });
});

describe('unknown wallets', () => {
  const wallets = (count: number, from = 0) => Array.from({ length: count }, (_, index) => signerNamed(`nobody ${from + index}`).wallet);

  it('have a budget of chain reads of their own, which known callers do not spend', async () => {
    const { clock, verdict, reads } = await setUp();
    expect(await verdict()).toBe('none');
    for (const nobody of wallets(UNKNOWN_WALLETS_BURST - 1)) expect(await verdict(nobody)).toBe('instance_unknown');
    expect(await verdict(stranger)).toBe('rate_limited');
    expect(reads()).toBe(2 * UNKNOWN_WALLETS_BURST);
    clock.advance(CALLER_CACHE_MS);
    expect(await verdict()).toBe('none');
  });
  it('get their budget back at its rate', async () => {
    const { clock, verdict } = await setUp();
    for (const nobody of wallets(UNKNOWN_WALLETS_BURST)) await verdict(nobody);
    clock.advance(1_000);
    const verdicts: string[] = [];
    for (const nobody of wallets(UNKNOWN_WALLETS_PER_SECOND + 1, 1_000)) verdicts.push(await verdict(nobody));
    expect(verdicts.filter((each) => each === 'instance_unknown')).toHaveLength(UNKNOWN_WALLETS_PER_SECOND);
  });
  it('cost one look-up while the short memory of nobody lasts', async () => {
    const { clock, verdict, reads } = await setUp();
    await verdict(stranger);
    clock.advance(UNKNOWN_CACHE_MS - 1);
    expect([await verdict(stranger), reads()]).toEqual(['instance_unknown', 2]);
    clock.advance(1);
    expect([await verdict(stranger), reads()]).toEqual(['instance_unknown', 4]);
  });
  it('are seen within that memory once they are registered and confirmed', async () => {
    const { chain, verdict, step } = await setUp();
    expect(await verdict(stranger)).toBe('instance_unknown');
    chain.callers.set(stranger, callerAnswer(stranger));
    await step(profile.confirmationBlocks + 1);
    expect((profile.confirmationBlocks + 1) * BLOCK_MS).toBeGreaterThan(UNKNOWN_CACHE_MS);
    expect(await verdict(stranger)).toBe('none');
  });
});
