import { describe, expect, it } from 'vitest';
import { backoffAfter } from '../../../core/cluster/backoff.ts';

const BOUNDS = { minMs: 1_000, maxMs: 60_000 };
const byte = (value: number) => Uint8Array.of(value);

describe('a back-off', () => {
  it.each([
    [1, 1_000],
    [2, 2_000],
    [3, 4_000],
    [6, 32_000],
    [7, 60_000],
    [17, 60_000],
    [18, 60_000],
    [Number.MAX_SAFE_INTEGER, 60_000],
  ])('doubles with each failure, up to its longest: after %i it is %i ms', (failures, fullMs) => {
    expect(backoffAfter(failures, BOUNDS, byte(255))).toBe(fullMs);
  });
  it('is between half of its time and all of it, as one random byte says', () => {
    expect([0, 51, 102, 255].map((value) => backoffAfter(1, BOUNDS, byte(value)))).toEqual([500, 600, 700, 1_000]);
    for (let value = 1; value < 256; value += 1)
      expect(backoffAfter(4, BOUNDS, byte(value))).toBeGreaterThan(backoffAfter(4, BOUNDS, byte(value - 1)));
  });
});
