import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createSortedIndex, type Print, type Sum } from '../../../core/store/sorted.ts';

interface Item {
  readonly key: number;
  /** No part of the order. */
  readonly salt: number;
}

const compare = (a: Item, b: Item) => a.key - b.key;
/** Three keys in a row share one. */
const rankOf = ({ key }: Pick<Item, 'key'>) => Math.floor(key / 3);
const bound = (key: number) => (item: Item) => item.key - key;
const scratch = new Int32Array(4);

/** Large lanes, so that sums wrap, in one buffer for all items. */
function printOf({ key, salt }: Item): Print {
  for (let lane = 0; lane < 4; lane += 1) scratch[lane] = Math.imul(key * 8 + salt * 4 + lane + 1, 0x9e3779b1);
  return scratch;
}

function item(key: number, salt = 0): Item {
  return { key, salt };
}

function sum(items: readonly Item[], printed = true): Sum {
  const print = new Int32Array(4);
  if (printed) for (const each of items) printOf(each).forEach((lane, i) => (print[i] = ((print[i] as number) + lane) | 0));
  return { count: items.length, print };
}

/** An index beside a plain sorted array that is told the same. */
function createPair(printed = true) {
  const index = createSortedIndex(printed ? { compare, rankOf, printOf } : { compare });
  const model: Item[] = [];
  const placeOf = (key: number) => {
    let [low, high] = [0, model.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((model[middle] as Item).key < key) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  const has = (key: number) => model[placeOf(key)]?.key === key;

  return {
    index,
    model,
    add(key: number, salt = 0) {
      const added = item(key, salt);
      if (has(key)) return expect(() => index.add(added)).toThrow('an item is added once');
      index.add(added);
      model.splice(placeOf(key), 0, added);
    },
    delete(key: number) {
      expect(index.delete(item(key, 1))).toBe(has(key));
      if (has(key)) model.splice(placeOf(key), 1);
    },
    /** What is seen around one key. */
    checkAt(key: number) {
      const place = placeOf(key);
      for (const rank of [undefined, printed ? rankOf({ key }) : 0]) {
        expect(index.below(bound(key), rank).count).toBe(place);
        expect(index.from(bound(key), rank).next().value).toBe(model[place]);
      }
      expect(index.at(place)).toBe(model[place]);
    },
    /** Every item, every rank, every sum: a count or a print that went stale in any node shows in one of them. */
    checkAll() {
      expect([...index.from(() => 0)]).toEqual(model);
      expect([index.size(), index.first(), index.last()]).toEqual([model.length, model[0], model.at(-1)]);
      expect(index.total()).toEqual(sum(model, printed));
      const before = { count: 0, print: new Int32Array(4) };
      for (const [rank, each] of model.entries()) {
        before.count = rank;
        expect(index.below(bound(each.key))).toEqual(before);
        expect(index.at(rank)).toBe(each);
        if (printed) printOf(each).forEach((lane, i) => (before.print[i] = ((before.print[i] as number) + lane) | 0));
      }
      expect(index.below(() => -1)).toEqual(index.total());
    },
  };
}

/** The same numbers every time (a linear congruential generator), so that a failure comes again. */
function createDice(seed: number) {
  let state = seed;
  return (sides: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return Math.floor(((state >>> 0) / 2 ** 32) * sides);
  };
}

/** Keys in a random order. */
function shuffled(count: number, dice: (sides: number) => number): number[] {
  const keys = Array.from({ length: count }, (_, key) => key);
  for (let i = count - 1; i > 0; i -= 1) {
    const j = dice(i + 1);
    [keys[i], keys[j]] = [keys[j] as number, keys[i] as number];
  }
  return keys;
}

/** Stretches of work, each of many steps: short commands alone never fill a node. */
const stretch = fc.record({
  kind: fc.constantFrom('append', 'prepend', 'scatter', 'cull', 'drain', 'drop newest', 'slide'),
  steps: fc.nat(400),
  seed: fc.integer(),
});

function perform(pair: ReturnType<typeof createPair>, { kind, steps, seed }: { kind: string; steps: number; seed: number }): void {
  const dice = createDice(seed);
  const lowest = () => pair.model[0]?.key ?? 0;
  const highest = () => pair.model.at(-1)?.key ?? 0;
  for (let i = 0; i < steps; i += 1) {
    const near = lowest() + dice(highest() - lowest() + 3) - 1;
    if (kind === 'append' || kind === 'slide') pair.add(highest() + 1 + dice(3), dice(2));
    if (kind === 'prepend') pair.add(lowest() - 1 - dice(3), dice(2));
    if (kind === 'scatter') pair.add(near, dice(2));
    if (kind === 'cull') pair.delete(near);
    if (kind === 'drain' || kind === 'slide') pair.delete(lowest());
    if (kind === 'drop newest') pair.delete(highest());
    pair.checkAt(near);
  }
}

describe('a sorted index', () => {
  it.each([
    ['with prints', true],
    ['without prints', false],
  ])('is a sorted array, whatever is added and deleted (%s)', (_, printed) => {
    fc.assert(
      fc.property(fc.array(stretch, { maxLength: 12, size: 'max' }), (stretches) => {
        const pair = createPair(printed);
        for (const each of stretches) {
          perform(pair, each);
          pair.checkAll();
        }
      }),
      { numRuns: 30 },
    );
  });
  it('keeps every count and sum while it grows to three levels and shrinks to nothing, in no order', () => {
    const dice = createDice(1);
    const pair = createPair();
    for (const [done, key] of shuffled(9000, dice).entries()) {
      pair.add(key, key & 1);
      if (done % 3000 === 2999) pair.checkAll();
    }
    for (const [done, key] of shuffled(9000, dice).entries()) {
      pair.delete(key);
      if (done % 1500 === 1499) pair.checkAll();
    }
    expect([pair.index.size(), pair.index.first(), pair.index.last()]).toEqual([0, undefined, undefined]);
    pair.add(5);
    pair.checkAll();
  });
  it('keeps them while a window slides over it many times, and while the appended is deleted at random', () => {
    const dice = createDice(2);
    const pair = createPair();
    for (let key = 0; key < 5000; key += 1) pair.add(key);
    pair.checkAll();
    for (let key = 5000; key < 25_000; key += 1) {
      pair.add(key);
      pair.delete(key - 5000);
      pair.checkAt(key - dice(5000));
    }
    pair.checkAll();
    for (let key = 25_000; key < 45_000; key += 1) {
      pair.add(key);
      pair.delete(pair.model[dice(pair.model.length)]?.key as number);
    }
    pair.checkAll();
  });
  it('refuses an item that is there, and is as it was', () => {
    const pair = createPair();
    for (let key = 0; key < 5000; key += 1) pair.add(key);
    for (let key = 0; key < 5000; key += 7) pair.add(key, 1);
    pair.checkAll();
  });
  it('takes the print of what it removes, not of what it was asked to remove', () => {
    const index = createSortedIndex({ compare, printOf });
    index.add(item(1, 7));
    index.add(item(2));
    expect(index.delete(item(1, 8))).toBe(true);
    expect(index.total()).toEqual(sum([item(2)]));
  });
  it("gives sums that are nobody else's", () => {
    const index = createSortedIndex({ compare, printOf });
    index.add(item(1));
    const [total, below] = [index.total(), index.below(() => -1)];
    index.add(item(2));
    total.print.fill(0);
    expect(below).toEqual(sum([item(1)]));
    expect(index.total()).toEqual(sum([item(1), item(2)]));
  });
  it.each([-1, 3, 0.5, Number.NaN, Infinity])('has nothing at rank %s of three items', (rank) => {
    const index = createSortedIndex({ compare });
    for (const key of [2, 1, 3]) index.add(item(key));
    expect(index.at(rank)).toBeUndefined();
  });
  it('finds its way by few items, all of them still there, and none at all once it walks', () => {
    const pair = createPair();
    for (const key of shuffled(9000, createDice(3))) pair.add(key);
    for (const key of shuffled(9000, createDice(4)).slice(0, 6000)) pair.delete(key);
    const there = new Set(pair.model);
    for (let key = 0; key < 9000; key += 50) {
      const probed: Item[] = [];
      const walk = pair.index.from((each) => {
        probed.push(each);
        return each.key - key;
      });
      walk.next();
      expect(probed.length).toBeLessThanOrEqual(20);
      expect(probed.every((each) => there.has(each))).toBe(true);
      probed.length = 0;
      for (let steps = 0; steps < 200; steps += 1) walk.next();
      expect(probed).toEqual([]);
    }
  });
  it('is not walked on once it has changed', () => {
    const index = createSortedIndex({ compare });
    for (let key = 0; key < 5; key += 1) index.add(item(key));
    for (const change of [() => index.add(item(9)), () => index.delete(item(0))]) {
      const walk = index.from(() => 0);
      walk.next();
      change();
      expect(() => walk.next()).toThrow('does not change while it is walked');
    }
  });
});
