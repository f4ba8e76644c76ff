import { describe, expect, it } from 'vitest';
import { createMembership } from '../../../core/replication/membership.ts';
import { MEMBERSHIP_GRACE_MS, MESSAGE_LIFETIME_MS } from '../../../core/limits.ts';
import { a, b, blocksOf, c, operator } from '../cluster/facts.ts';
import { createClock } from '../fakes.ts';
import type { ChainState } from '../../../core/chain/view.ts';
import type { Wallet } from '../../../core/identity.ts';

const MINUTE_MS = 60_000;

function setUp() {
  const clock = createClock();
  let state: ChainState;
  const membership = createMembership({ self: a, view: { refresh: () => Promise.resolve(), state: () => state }, clock });
  function live(...wallets: readonly Wallet[]): void {
    state = { kind: 'fresh', blocks: blocksOf({ operators: wallets.map((wallet, index) => operator(wallet, index + 1)) }) };
  }
  function blind(): void {
    state = { kind: 'unusable', reason: 'chain_stale', detail: '' };
  }
  /** Looks once a minute; whether it may keep its records each time. */
  function pass(minutes: number): boolean {
    let keeps = true;
    for (let minute = 0; minute < minutes; minute += 1) {
      clock.advance(MINUTE_MS);
      keeps &&= membership.observe();
    }
    return keeps;
  }
  live(a, b, c);
  membership.observe();
  return { clock, membership, live, blind, pass };
}

const LIFETIME_MINUTES = MESSAGE_LIFETIME_MS / MINUTE_MS;
const GRACE_MINUTES = MEMBERSHIP_GRACE_MS / MINUTE_MS;

describe('who still counts', () => {
  it('is not known before it was watched for as long as a message can be under way', () => {
    const { membership, pass } = setUp();
    pass(LIFETIME_MINUTES - 1);
    expect(membership.recent()).toBeUndefined();
    pass(1);
    expect(membership.recent()).toEqual([b, c]);
  });
  it('is who left, too, for that long', () => {
    const { membership, live, pass } = setUp();
    pass(LIFETIME_MINUTES);
    live(a, b);
    pass(LIFETIME_MINUTES);
    expect([membership.others(), membership.recent()]).toEqual([[b], [b, c]]);
    pass(1);
    expect(membership.recent()).toEqual([b]);
  });
  it('X-5 is not known after this node was blind: who was live meanwhile may hold what is to be collected', () => {
    const { membership, live, blind, pass } = setUp();
    pass(2 * LIFETIME_MINUTES);
    blind();
    pass(LIFETIME_MINUTES + 1);
    live(a, b);
    pass(1);
    expect(membership.recent()).toBeUndefined();
    pass(LIFETIME_MINUTES);
    expect(membership.recent()).toContain(c);
    pass(1);
    expect(membership.recent()).toEqual([b]);
  });
  it('stays known through a short outage', () => {
    const { membership, live, blind, pass } = setUp();
    pass(LIFETIME_MINUTES);
    blind();
    pass(LIFETIME_MINUTES - GRACE_MINUTES - 1);
    expect(membership.others()).toEqual([b, c]);
    live(a, b, c);
    pass(1);
    expect(membership.recent()).toEqual([b, c]);
  });
});

describe('a node that is no member any more', () => {
  it('keeps its records for the grace, and forgets them after it, once', () => {
    const { live, pass } = setUp();
    live(b, c);
    expect([pass(GRACE_MINUTES), pass(1), pass(GRACE_MINUTES)]).toEqual([true, false, true]);
  });
  it('keeps them when it is back in time, and while the chain cannot be read', () => {
    const { live, blind, pass } = setUp();
    live(b, c);
    expect(pass(GRACE_MINUTES)).toBe(true);
    live(a, b, c);
    expect(pass(1)).toBe(true);
    blind();
    expect(pass(10 * GRACE_MINUTES)).toBe(true);
    live(a, b, c);
    expect(pass(1)).toBe(true);
  });
  it('forgets them when it was blind and sees then that it is out', () => {
    const { live, blind, pass } = setUp();
    blind();
    pass(GRACE_MINUTES);
    live(b, c);
    expect(pass(1)).toBe(false);
  });
});
