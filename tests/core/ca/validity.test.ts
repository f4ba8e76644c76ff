import { describe, expect, it } from 'vitest';
import { parseValidity } from '../../../core/ca/validity.ts';
import { reasonOf } from '../fakes.ts';

const HOUR_MS = 3_600_000;

describe('a validity', () => {
  it.each<[object, number]>([
    [{}, 24 * HOUR_MS],
    [{ ttl_seconds: 300 }, 300_000],
    [{ ttl_seconds: 301 }, 301_000],
    [{ ttl_seconds: 7_776_000 }, 90 * 24 * HOUR_MS],
    [{ validity_days: 1 }, 24 * HOUR_MS],
    [{ validity_days: 90 }, 90 * 24 * HOUR_MS],
    [{ csr: 'x', other: 1 }, 24 * HOUR_MS],
  ])('of %j is %i ms', (request, ms) => expect(parseValidity(request as Record<string, unknown>)).toBe(ms));
  it.each<[unknown[]]>([[[299, 0, -0, -1, 0.5, 300.5, 7_776_001, 1e300, NaN, Infinity, '3600', null, true, [], {}]]])(
    'is refused when ttl_seconds is one of %j',
    (values) => {
      for (const value of values) expect(reasonOf(() => parseValidity({ ttl_seconds: value }))).toBe('validity_malformed');
    },
  );
  it.each<[unknown[]]>([[[0, -1, 0.5, 1.5, 91, 365, 1e300, NaN, '1', null, true, [], {}]]])(
    'is refused when validity_days is one of %j',
    (values) => {
      for (const value of values) expect(reasonOf(() => parseValidity({ validity_days: value }))).toBe('validity_malformed');
    },
  );
  it('is refused when it is said twice, even alike', () =>
    expect(reasonOf(() => parseValidity({ ttl_seconds: 86_400, validity_days: 1 }))).toBe('validity_malformed'));
});
