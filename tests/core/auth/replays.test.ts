import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createReplays } from '../../../core/auth/replays.ts';
import { REPLAYS_OWNER_RESERVE_MAX, SHARED_PERCENT } from '../../../core/limits.ts';
import { createClock, reasonOf } from '../fakes.ts';

const LIFETIME_MS = 1_000;

function make(perOwnerMax = 3, totalMax = 5) {
  const clock = createClock();
  return { clock, replays: createReplays(clock, { lifetimeMs: LIFETIME_MS, perOwnerMax, totalMax }) };
}

describe('a used value', () => {
  it('is new once', () => {
    const { replays } = make();
    expect(replays.use('a', 'x')).toBe(true);
    expect(replays.use('a', 'x')).toBe(false);
    expect(replays.use('a', 'x')).toBe(false);
  });
  it('is new for another owner, and another value for this one', () => {
    const { replays } = make();
    replays.use('a', 'x');
    expect(replays.use('b', 'x')).toBe(true);
    expect(replays.use('a', 'y')).toBe(true);
  });
  it('S-L7 is remembered for its lifetime, and forgotten by itself', () => {
    const { clock, replays } = make();
    replays.use('a', 'x');
    clock.advance(LIFETIME_MS - 1);
    expect(replays.use('a', 'x')).toBe(false);
    clock.advance(1);
    expect(replays.use('b', 'y')).toBe(true);
    expect(replays.size()).toBe(1);
    expect(replays.use('a', 'x')).toBe(true);
  });
  it('is known to whoever asks, who uses nothing up by asking', () => {
    const { clock, replays } = make();
    expect([replays.has('a', 'x'), replays.size()]).toEqual([false, 0]);
    replays.use('a', 'x');
    expect([replays.has('a', 'x'), replays.has('a', 'y'), replays.has('b', 'x')]).toEqual([true, false, false]);
    clock.advance(LIFETIME_MS);
    expect([replays.has('a', 'x'), replays.size()]).toEqual([false, 0]);
  });
  it('is not remembered longer because it was tried again', () => {
    const { clock, replays } = make();
    replays.use('a', 'x');
    clock.advance(LIFETIME_MS - 1);
    replays.use('a', 'x');
    clock.advance(1);
    expect(replays.use('a', 'x')).toBe(true);
  });
});

describe('U-15 a used value', () => {
  it('is remembered when the clock is set forward for a moment, before or while it is used', () => {
    // By the clock alone it would be forgotten as soon as another value came in that moment.
    const { clock, replays } = make();
    replays.use('a', 'x');
    clock.set(10 * LIFETIME_MS);
    replays.use('b', 'in the future');
    clock.set(-10 * LIFETIME_MS);
    expect(replays.use('a', 'x')).toBe(false);
    clock.advance(5 * LIFETIME_MS);
    // What was used ten lifetimes ahead may be good until then.
    expect(replays.use('b', 'in the future')).toBe(false);
    clock.advance(6 * LIFETIME_MS);
    expect(replays.use('b', 'in the future')).toBe(true);
  });
  it('is remembered until its end by the clock, when that was ahead only while it was used', () => {
    const { clock, replays } = make();
    clock.set(LIFETIME_MS / 2);
    replays.use('a', 'x');
    clock.set(-LIFETIME_MS / 2);
    clock.advance(LIFETIME_MS);
    expect(replays.use('a', 'x')).toBe(false);
  });
  it('is remembered for its lifetime when the clock is set forward for good', () => {
    const { clock, replays } = make();
    replays.use('a', 'x');
    clock.set(10 * LIFETIME_MS);
    expect(replays.use('a', 'x')).toBe(false);
    clock.advance(LIFETIME_MS);
    expect(replays.use('a', 'x')).toBe(true);
  });
});

describe('a full set', () => {
  it('S-L7 refuses its owner and never evicts', () => {
    const { replays } = make();
    for (const value of ['1', '2', '3']) replays.use('a', value);
    expect(reasonOf(() => replays.use('a', '4'))).toBe('replay_memory_full');
    for (const value of ['1', '2', '3']) expect(replays.use('a', value)).toBe(false);
    expect(replays.use('b', '4')).toBe(true);
  });
  it('S-L7 refuses everybody at its total, and never evicts', () => {
    const { replays } = make();
    for (const [owner, value] of [
      ['a', '1'],
      ['a', '2'],
      ['a', '3'],
      ['b', '1'],
      ['b', '2'],
    ] as const)
      replays.use(owner, value);
    expect(reasonOf(() => replays.use('c', '1'))).toBe('replay_memory_full');
    expect(replays.use('b', '2')).toBe(false);
    expect(replays.size()).toBe(5);
  });
  it('takes new values as old ones expire, each owner’s count with them', () => {
    const { clock, replays } = make();
    for (const value of ['1', '2', '3']) replays.use('a', value);
    clock.advance(LIFETIME_MS);
    for (const value of ['4', '5', '6']) expect(replays.use('a', value)).toBe(true);
    expect(reasonOf(() => replays.use('a', '7'))).toBe('replay_memory_full');
  });
  it('is bounded, and never takes a value twice within its lifetime, whatever is used when', () =>
    fc.assert(
      fc.property(
        fc.array(
          fc.record({ owner: fc.constantFrom('a', 'b', 'c'), value: fc.constantFrom('1', '2', '3', '4', '5'), waitMs: fc.nat(600) }),
          { maxLength: 60 },
        ),
        (uses) => {
          const { clock, replays } = make();
          const lastTaken = new Map<string, number>();
          for (const { owner, value, waitMs } of uses) {
            clock.advance(waitMs);
            let taken = false;
            const reason = reasonOf(() => (taken = replays.use(owner, value)));
            const aliveSince = lastTaken.get(`${owner}${value}`);
            const alive = aliveSince !== undefined && clock.nowMs() - aliveSince < LIFETIME_MS;
            if (alive) expect([taken, reason]).toEqual([false, 'none']);
            if (taken) lastTaken.set(`${owner}${value}`, clock.nowMs());
            expect(replays.size()).toBeLessThanOrEqual(5);
          }
        },
      ),
    ));
  it('R-3 of a few busy owners locks nobody else out: the last quarter is for those who hold little', () => {
    const totalMax = 16 * REPLAYS_OWNER_RESERVE_MAX;
    const { replays } = make(totalMax, totalMax);
    const fill = (owner: string) => {
      for (let value = 0; ; value += 1) if (reasonOf(() => replays.use(owner, String(value))) !== 'none') return value;
    };
    expect(fill('greedy') + fill('busy')).toBeLessThan(totalMax);
    expect(replays.size()).toBeGreaterThanOrEqual((totalMax * SHARED_PERCENT) / 100);
    for (let value = 0; value < REPLAYS_OWNER_RESERVE_MAX; value += 1) expect(replays.use('honest', String(value))).toBe(true);
    expect(reasonOf(() => replays.use('greedy', 'more'))).toBe('replay_memory_full');
    expect(fill('third') + fill('fourth')).toBeGreaterThan(0);
    expect(replays.size()).toBeLessThanOrEqual(totalMax);
  });
});
