import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { areConcurrent, incremented, mergeClocks, pruned } from '../../../core/store/version.ts';
import { a, b, c, walletOf } from './stores.ts';
import type { Wallet } from '../../../core/identity.ts';
import type { VectorClock } from '../../../core/store/version.ts';

const wallets = [a, b, c, walletOf('d')];
const wallet = fc.constantFrom(...wallets);
const members = fc.subarray(wallets).map((list) => {
  const set = new Set<Wallet>(list);
  return (each: Wallet) => set.has(each);
});
/** As the store keeps them: by wallet, each once, counted from 1. */
const clock: fc.Arbitrary<VectorClock> = fc
  .subarray(wallets)
  .chain((list) => fc.tuple(...list.map((each) => fc.integer({ min: 1, max: 3 }).map((count) => ({ wallet: each, count })))));

const countOf = (seen: VectorClock, of: Wallet) => seen.find((each) => each.wallet === of)?.count ?? 0;
const isBelow = (x: VectorClock, y: VectorClock) => wallets.every((each) => countOf(x, each) <= countOf(y, each));

describe('vector clocks', () => {
  it('merge in any order, any grouping and any number of times to the same', () =>
    fc.assert(
      fc.property(clock, clock, clock, (x, y, z) => {
        expect(mergeClocks(x, y)).toEqual(mergeClocks(y, x));
        expect(mergeClocks(mergeClocks(x, y), z)).toEqual(mergeClocks(x, mergeClocks(y, z)));
        expect(mergeClocks(x, x)).toEqual(x);
        expect(mergeClocks(mergeClocks(x, y), y)).toEqual(mergeClocks(x, y));
        expect([mergeClocks(x, []), mergeClocks([], x)]).toEqual([x, x]);
      }),
    ));
  it('merge to the least that has seen both', () =>
    fc.assert(
      fc.property(clock, clock, (x, y) => {
        const merged = mergeClocks(x, y);
        for (const each of wallets) expect(countOf(merged, each)).toBe(Math.max(countOf(x, each), countOf(y, each)));
        expect(merged.map((seen) => seen.wallet)).toEqual([...new Set(merged.map((seen) => seen.wallet))].sort());
      }),
    ));
  it('are concurrent when each has seen what the other has not, and only then', () =>
    fc.assert(
      fc.property(clock, clock, (x, y) => {
        expect(areConcurrent(x, y)).toBe(!isBelow(x, y) && !isBelow(y, x));
        expect(areConcurrent(y, x)).toBe(areConcurrent(x, y));
        expect([areConcurrent(x, x), areConcurrent(x, mergeClocks(x, y))]).toEqual([false, false]);
      }),
    ));
  it('rise by one write of one wallet: a successor is no conflict, two successors of two wallets are', () =>
    fc.assert(
      fc.property(clock, wallet, wallet, (x, one, other) => {
        const next = incremented(x, one);
        expect(countOf(next, one)).toBe(countOf(x, one) + 1);
        expect(next.filter((seen) => seen.wallet !== one)).toEqual(x.filter((seen) => seen.wallet !== one));
        expect(next.map((seen) => seen.wallet)).toEqual(next.map((seen) => seen.wallet).sort());
        expect(areConcurrent(x, next)).toBe(false);
        expect(areConcurrent(next, incremented(x, other))).toBe(one !== other);
      }),
    ));
  it('R-2 count no further than can be written down: whoever sends the highest count stops nobody', () => {
    const highest = { wallet: a, count: Number.MAX_SAFE_INTEGER };
    expect(incremented([highest], a)).toEqual([highest]);
    expect(areConcurrent([highest], incremented([highest], b))).toBe(false);
  });
  it('keep members only, and it is the same to prune before a merge or after it', () =>
    fc.assert(
      fc.property(clock, clock, members, (x, y, isMember) => {
        expect(pruned(x, isMember)).toEqual(x.filter((seen) => isMember(seen.wallet)));
        expect(pruned(pruned(x, isMember), isMember)).toEqual(pruned(x, isMember));
        expect(pruned(mergeClocks(x, y), isMember)).toEqual(mergeClocks(pruned(x, isMember), pruned(y, isMember)));
      }),
    ));
  it('are left as they were by all of it', () =>
    fc.assert(
      fc.property(clock, clock, members, wallet, (x, y, isMember, one) => {
        const before = structuredClone([x, y]);
        mergeClocks(x, y);
        incremented(x, one);
        pruned(x, isMember);
        areConcurrent(x, y);
        expect([x, y]).toEqual(before);
      }),
    ));
});
