import { describe, expect, it } from 'vitest';
import { createRate } from '../../../core/auth/rate.ts';
import { createClock } from '../fakes.ts';

function make(bounds = { perSecond: 2, burst: 3, keysMax: 10 }) {
  const clock = createClock();
  const rate = createRate(clock, bounds);
  return { clock, rate, taken: (key: string, tries: number) => Array.from({ length: tries }, () => rate.take(key)).filter(Boolean).length };
}

describe('a bucket', () => {
  it('grants its burst and no more', () => expect(make().taken('a', 10)).toBe(3));
  it('refills by its rate', () => {
    const { clock, taken } = make();
    taken('a', 10);
    clock.advance(499);
    expect(taken('a', 1)).toBe(0);
    clock.advance(1);
    expect(taken('a', 10)).toBe(1);
  });
  it('never holds more than its burst', () => {
    const { clock, taken } = make();
    clock.advance(3_600_000);
    expect(taken('a', 10)).toBe(3);
    clock.advance(3_600_000);
    expect(taken('a', 10)).toBe(3);
  });
  it('loses nothing of its refill to refused tries in between', () => {
    const { clock, rate, taken } = make();
    taken('a', 3);
    for (let waited = 0; waited < 5; waited += 1) {
      clock.advance(90);
      expect(rate.take('a')).toBe(false);
    }
    clock.advance(60);
    expect(rate.take('a')).toBe(true);
  });
  it('gives and takes nothing when the clock is set', () => {
    const { clock, taken } = make();
    taken('a', 3);
    clock.set(60_000);
    expect(taken('a', 5)).toBe(0);
    clock.set(-120_000);
    clock.advance(500);
    expect(taken('a', 5)).toBe(1);
  });
  it('gives several at once or none, and takes them back up to its burst', () => {
    const { rate, taken } = make();
    expect([rate.take('a', 2), rate.take('a', 2), rate.take('a', 1), rate.take('a', 0)]).toEqual([true, false, true, true]);
    rate.giveBack('a', 2);
    expect(taken('a', 5)).toBe(2);
    rate.giveBack('a', 100);
    expect(taken('a', 5)).toBe(3);
  });
  it('is each key’s own', () => {
    const { taken } = make();
    taken('a', 10);
    expect(taken('b', 10)).toBe(3);
  });
  it('is dropped when there are too many, the least used first', () => {
    const { taken } = make({ perSecond: 0, burst: 1, keysMax: 2 });
    for (const key of ['a', 'b', 'b', 'c']) taken(key, 1);
    expect(taken('c', 1)).toBe(0);
    expect(taken('a', 1)).toBe(1);
  });
});
