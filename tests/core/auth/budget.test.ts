import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createBudget } from '../../../core/auth/budget.ts';

const bounds = { perOwnerMax: 5, totalMax: 8, ownerReserveMax: 5 };

/** Work that ends when it is told to. */
function open() {
  let end: () => void = () => undefined;
  const ended = new Promise<void>((resolve) => (end = resolve));
  return { work: () => ended, end };
}

describe('a budget', () => {
  it('holds room for one owner up to its bound, and gives it back', async () => {
    const budget = createBudget(bounds);
    const { work, end } = open();
    const holding = budget.hold('a', 5, work);
    expect([budget.held(), budget.hold('a', 1, work)]).toEqual([5, undefined]);
    end();
    await holding;
    expect(budget.held()).toBe(0);
    expect(await budget.hold('a', 5, async () => 'done')).toBe('done');
  });
  it('has one bound for all owners together', () => {
    const budget = createBudget(bounds);
    const { work } = open();
    expect(budget.hold('a', 4, work)).toBeDefined();
    expect(budget.hold('b', 4, work)).toBeDefined();
    expect(budget.hold('c', 1, work)).toBeUndefined();
  });
  it('is used up by a few owners where nothing is kept back, and here keeps its last quarter for those that hold little', () => {
    const wide = { perOwnerMax: 25, totalMax: 100 };
    const taken = (budget: ReturnType<typeof createBudget>) => {
      for (const owner of ['a', 'b', 'c', 'd']) for (let held = 0; held < 25; held += 1) budget.hold(owner, 1, open().work);
      return [budget.held(), budget.hold('e', 1, open().work) !== undefined, budget.hold('e', 4, open().work) !== undefined];
    };
    expect(taken(createBudget({ ...wide, ownerReserveMax: wide.perOwnerMax }))).toEqual([100, false, false]);
    // Of the fourth as many as the reserve lets everybody have.
    expect(taken(createBudget({ ...wide, ownerReserveMax: 4 }))).toEqual([79, true, false]);
  });
  it('does not begin work without room', () => {
    let begun = 0;
    expect(createBudget(bounds).hold('a', 6, async () => (begun += 1))).toBeUndefined();
    expect(begun).toBe(0);
  });
  it('gets its room back from work that fails', async () => {
    const budget = createBudget(bounds);
    await expect(budget.hold('a', 3, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(budget.held()).toBe(0);
  });
  it('never holds more than its bounds, and nothing when all is done', async () => {
    const order = fc.record({ owner: fc.constantFrom('a', 'b', 'c'), amount: fc.integer({ min: 1, max: 5 }) });
    await fc.assert(
      fc.asyncProperty(fc.array(order, { maxLength: 20 }), async (orders) => {
        const budget = createBudget(bounds);
        const opened = orders.flatMap(({ owner, amount }) => {
          const { work, end } = open();
          const holding = budget.hold(owner, amount, work);
          expect(budget.held()).toBeLessThanOrEqual(bounds.totalMax);
          return holding ? [{ holding, end }] : [];
        });
        for (const { end } of opened) end();
        await Promise.all(opened.map(({ holding }) => holding));
        expect(budget.held()).toBe(0);
      }),
    );
  });
});
