import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CLOCK_SKEW_MAX_MS, CLOCK_SKEW_SLACK_MS, HLC_LOGICAL_MAX } from '../../../core/limits.ts';
import { compareTimes, createHybridClock } from '../../../core/store/clock.ts';
import { createClock, reasonOf, START_MS } from '../fakes.ts';
import { a, b, c, farthestMs } from './stores.ts';
import type { HybridTime } from '../../../core/store/clock.ts';

const earliest: HybridTime = { ms: 0, logical: 0, origin: a };
const at = (ms: number, logical = 0, origin = b): HybridTime => ({ ms, logical, origin });

function createPair() {
  const clock = createClock();
  return { clock, time: createHybridClock(clock, a) };
}

/** The earliest time of origin `a` that is after `last`, whatever clocks say. */
function successor({ ms, logical }: HybridTime): HybridTime {
  return logical < HLC_LOGICAL_MAX ? at(ms, logical + 1, a) : at(ms + 1, 0, a);
}

describe('the hybrid clock', () => {
  it('gives times that only ever rise, through every step of the clock all that it observes, and none much further ahead than peers take', () => {
    const logical = fc.oneof(fc.nat(3), fc.constantFrom(HLC_LOGICAL_MAX - 1, HLC_LOGICAL_MAX));
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.constant({ kind: 'next' } as const) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('advance' as const), ms: fc.nat(50) }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('set' as const), ms: fc.integer({ min: -90_000, max: 90_000 }) }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant('observe' as const), logical, ahead: fc.integer({ min: -9, max: 60_000 }) }) },
    );
    let refusals = 0;
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const { clock, time } = createPair();
        let last = earliest;
        for (const each of steps) {
          if (each.kind === 'advance') clock.advance(each.ms);
          if (each.kind === 'set') clock.set(each.ms);
          if (each.kind === 'observe') {
            const seen = at(clock.nowMs() + each.ahead, each.logical, a);
            expect(time.isTooFar(seen)).toBe(false);
            time.observe(seen);
            if (compareTimes(seen, last) > 0) last = seen;
          }
          if (each.kind !== 'next') continue;
          const isUsable = last.ms <= farthestMs(clock) + CLOCK_SKEW_SLACK_MS;
          expect(reasonOf(() => time.requireUsable())).toBe(isUsable ? 'none' : 'clock_unusable');
          refusals += isUsable ? 0 : 1;
          if (!isUsable) continue;
          const next = time.next();
          expect(next).toEqual(clock.nowMs() > last.ms ? at(clock.nowMs(), 0, a) : successor(last));
          expect(compareTimes(next, last)).toBeGreaterThan(0);
          expect(next.ms).toBeLessThanOrEqual(farthestMs(clock) + CLOCK_SKEW_SLACK_MS + 1);
          last = next;
        }
      }),
      { numRuns: 1_000 },
    );
    expect(refusals).toBeGreaterThan(10);
  });
  it('is the wall clock while that moves, and counts while it stands', () => {
    const { clock, time } = createPair();
    expect([time.next(), time.next()]).toEqual([at(START_MS, 0, a), at(START_MS, 1, a)]);
    clock.advance(1);
    expect(time.next()).toEqual(at(START_MS + 1, 0, a));
  });
  it('counts on where it was when the clock is set back', () => {
    const { clock, time } = createPair();
    const before = time.next();
    clock.set(-CLOCK_SKEW_MAX_MS);
    expect(time.next()).toEqual({ ...before, logical: 1 });
  });
  it.each([
    [CLOCK_SKEW_MAX_MS + CLOCK_SKEW_SLACK_MS, 'none'],
    [CLOCK_SKEW_MAX_MS + CLOCK_SKEW_SLACK_MS + 1, 'clock_unusable'],
  ])('set back by %i ms after a write: %s', (ms, reason) => {
    const { clock, time } = createPair();
    time.next();
    clock.set(-ms);
    expect(reasonOf(() => time.requireUsable())).toBe(reason);
  });
  it('is usable again as soon as the clock has caught up, and gives nothing out twice', () => {
    const { clock, time } = createPair();
    const before = time.next();
    clock.set(-2 * CLOCK_SKEW_MAX_MS);
    for (let tries = 0; tries < 3; tries += 1) expect(reasonOf(() => time.requireUsable())).toBe('clock_unusable');
    clock.advance(CLOCK_SKEW_MAX_MS - CLOCK_SKEW_SLACK_MS);
    time.requireUsable();
    expect(time.next()).toEqual(successor(before));
  });
  it('moves to the next millisecond when the counter is full', () => {
    const { time } = createPair();
    time.observe(at(START_MS + 5, HLC_LOGICAL_MAX - 1));
    expect([time.next(), time.next()]).toEqual([at(START_MS + 5, HLC_LOGICAL_MAX, a), at(START_MS + 6, 0, a)]);
  });
  it('is usable though a peer has filled the counter of the last millisecond that is taken', () => {
    const { clock, time } = createPair();
    time.observe(at(farthestMs(clock), HLC_LOGICAL_MAX));
    time.requireUsable();
    expect(time.next()).toEqual(at(farthestMs(clock) + 1, 0, a));
  });
  it.each([-1, 0, 1])('finds what is %i ms beyond the skew too far only when it is', (beyond) => {
    const { clock, time } = createPair();
    expect(time.isTooFar(at(farthestMs(clock) + beyond))).toBe(beyond > 0);
  });
  it('takes no step back for what it observes', () => {
    const { time } = createPair();
    time.observe(at(START_MS + 9, 5));
    time.observe(at(START_MS + 9, 2));
    time.observe(at(START_MS - 9, 8));
    expect(time.next()).toEqual(at(START_MS + 9, 6, a));
  });
});

describe('the order of times', () => {
  const time = fc.record({ ms: fc.nat(2), logical: fc.nat(2), origin: fc.constantFrom(a, b, c) });

  it('S-M3 is total: no two times of different writers tie, and every shuffle sorts to the same', () =>
    fc.assert(
      fc.property(time, time, time, (x, y, z) => {
        const same = x.ms === y.ms && x.logical === y.logical && x.origin === y.origin;
        expect(compareTimes(x, y) === 0).toBe(same);
        expect(Math.sign(compareTimes(x, y)) + Math.sign(compareTimes(y, x))).toBe(0);
        if (compareTimes(x, y) <= 0 && compareTimes(y, z) <= 0) expect(compareTimes(x, z)).toBeLessThanOrEqual(0);
        const sorted = [x, y, z].sort(compareTimes);
        for (const shuffle of [
          [z, y, x],
          [y, x, z],
          [z, x, y],
        ])
          expect(shuffle.sort(compareTimes)).toEqual(sorted);
      }),
      { numRuns: 2_000 },
    ));
  it('S-M3 of wall clocks alone ties, so that each side keeps its own: this property can fail', () => {
    const byWall = (x: HybridTime, y: HybridTime) => x.ms - y.ms;
    const keep = (held: HybridTime, offered: HybridTime, order: typeof byWall) => (order(offered, held) > 0 ? offered : held);
    const [mine, theirs] = [at(1, 0, a), at(1, 0, b)];
    expect(keep(mine, theirs, byWall)).not.toEqual(keep(theirs, mine, byWall));
    expect(keep(mine, theirs, compareTimes)).toEqual(keep(theirs, mine, compareTimes));
  });
  it('looks at milliseconds, then the counter, then the writer', () => {
    const rising = [at(1, 9, c), at(2, 0, c), at(2, 1, a), at(2, 1, b)];
    expect(rising.toReversed().sort(compareTimes)).toEqual(rising);
  });
});
