/** S-M1: who may look into a node. Each wrong party is shown to be refused by this judgement, and to pass a weaker one. */
import { beforeEach, describe, expect, it } from 'vitest';
import { createOperators } from '../../../core/auth/operators.ts';
import { createChainView, usableBlocks } from '../../../core/chain/view.ts';
import { OWNER_CACHE_MS, RPC_MS_MAX } from '../../../core/limits.ts';
import { createClock, createStubChain, operatorAnswer, profile, reasonOf, reasonOfAsync, signerNamed } from '../fakes.ts';
import type { Operators } from '../../../core/auth/operators.ts';
import type { ChainView } from '../../../core/chain/view.ts';
import type { Wallet } from '../../../core/identity.ts';
import type { StubChain, VirtualClock } from '../fakes.ts';

const [self, peer, registrant, peersRegistrant, owner, stranger] = [
  ...['the node', 'a peer', 'its registrant', 'another registrant', 'the owner', 'a stranger'].map((name) => signerNamed(name).wallet),
] as [Wallet, Wallet, Wallet, Wallet, Wallet, Wallet];
let clock: VirtualClock;
let chain: StubChain;
let view: ChainView;
let operators: Operators;

beforeEach(async () => {
  clock = createClock();
  chain = createStubChain(clock);
  chain.operators = [
    { ...operatorAnswer(self, 1), operator: registrant },
    { ...operatorAnswer(peer, 2), operator: peersRegistrant },
  ];
  chain.owner = owner;
  chain.mine(profile.confirmationBlocks + 1);
  view = createChainView({ chain, clock, profile });
  await view.refresh();
  operators = createOperators({ self, chain, view, clock, profile });
});

const judged = (wallet: Wallet) => reasonOfAsync(operators.authorize(wallet));
const ownerReads = () => chain.calls.filter(({ data }) => data === '0x8da5cb5b').length;

describe('S-M1 an operator', () => {
  it.each([
    ['the account that registered this node', () => registrant],
    ['the owner of the registry', () => owner],
  ])('is %s', async (_what, wallet) => expect(await judged(wallet())).toBe('none'));

  it.each([
    ['who registered another node', () => peersRegistrant],
    ['another node', () => peer],
    ['the node itself', () => self],
    ['a stranger', () => stranger],
  ])('is not %s', async (_what, wallet) => {
    // Anybody whom the chain knows at all would pass a judgement that asks no more.
    const known = usableBlocks(view)?.head.operators.flatMap((each) => [each.wallet, each.registrant]) ?? [];
    const weak = (each: Wallet) => known.includes(each) || each === stranger;
    expect(weak(wallet())).toBe(true);
    expect(await judged(wallet())).toBe('operator_unknown');
  });

  it('may look into a node that is not live', async () => {
    chain.operators = chain.operators.map((each) => ({ ...each, live: false, eligible: false, instanceStatus: 1 }));
    chain.mine();
    await view.refresh();
    expect([await judged(registrant), await judged(owner)]).toEqual(['none', 'none']);
  });

  it('is the owner alone while nobody has registered the node', async () => {
    chain.operators = chain.operators.slice(1);
    chain.mine();
    await view.refresh();
    expect([await judged(registrant), await judged(owner)]).toEqual(['operator_unknown', 'none']);
  });
});

describe('S-M6 X-13 who may have a node vote', () => {
  const judgedForVotes = (wallet: Wallet) => reasonOf(() => operators.authorizeRegistrant(wallet));

  it('is who registered it, on a node that is not live, too', async () => {
    expect(judgedForVotes(registrant)).toBe('none');
    chain.operators = chain.operators.map((each) => ({ ...each, live: false, eligible: false, instanceStatus: 1 }));
    chain.mine();
    await view.refresh();
    expect(judgedForVotes(registrant)).toBe('none');
  });

  it('is not the owner of the registry, who may look into it', async () => {
    expect([await judged(owner), judgedForVotes(owner)]).toEqual(['none', 'operator_unknown']);
    expect([peersRegistrant, peer, self, stranger].map(judgedForVotes)).toEqual(Array(4).fill('operator_unknown'));
  });

  it('is nobody while nobody has registered it, or the chain cannot be used', async () => {
    clock.advance(profile.headAgeMaxMs + 1);
    expect([registrant, owner].map(judgedForVotes)).toEqual(['chain_stale', 'chain_stale']);
    chain.operators = chain.operators.slice(1);
    chain.mine();
    await view.refresh();
    expect([registrant, owner].map(judgedForVotes)).toEqual(['operator_unknown', 'operator_unknown']);
  });
});

describe('S-M1 the owner', () => {
  it('is read once for a few seconds, and then anew', async () => {
    for (const wallet of [stranger, owner, stranger]) await judged(wallet);
    expect(ownerReads()).toBe(1);
    chain.owner = stranger;
    expect(await judged(stranger)).toBe('operator_unknown');
    clock.advance(OWNER_CACHE_MS);
    expect([await judged(stranger), await judged(owner)]).toEqual(['none', 'operator_unknown']);
    expect(ownerReads()).toBe(2);
  });

  it('is not asked for by who registered the node', async () => {
    await judged(registrant);
    expect(ownerReads()).toBe(0);
  });

  it('is asked for by one request at a time', async () => {
    const answers = await Promise.all([owner, owner, stranger].map((wallet) => judged(wallet)));
    expect(answers).toEqual(['none', 'rate_limited', 'rate_limited']);
    expect(ownerReads()).toBe(1);
  });

  it('is who it was while it is asked for, and not for longer than a question may take', async () => {
    expect(await judged(owner)).toBe('none');
    clock.advance(OWNER_CACHE_MS);
    const { call } = chain;
    chain.call = () => new Promise(() => undefined);
    void operators.authorize(stranger);
    expect(await judged(owner)).toBe('none');
    clock.advance(RPC_MS_MAX - 1);
    expect(await judged(owner)).toBe('none');
    clock.advance(1);
    chain.call = call;
    chain.owner = stranger;
    expect(await judged(owner)).toBe('operator_unknown');
  });

  it('that cannot be read is nobody', async () => {
    chain.outage = true;
    expect(await judged(owner)).toBe('chain_unavailable');
    expect(await judged(stranger)).toBe('chain_unavailable');
    chain.outage = false;
    expect(await judged(owner)).toBe('none');
  });
});

describe('S-M1 a chain that cannot be used', () => {
  it('makes nobody an operator', async () => {
    expect(await judged(registrant)).toBe('none');
    clock.advance(profile.headAgeMaxMs + 1);
    expect([await judged(registrant), await judged(owner)]).toEqual(['chain_stale', 'chain_stale']);
    const unread = createOperators({ self, chain, view: createChainView({ chain, clock, profile }), clock, profile });
    expect(await reasonOfAsync(unread.authorize(registrant))).toBe('chain_unreadable');
  });
});
