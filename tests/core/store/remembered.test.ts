import { describe, expect, it } from 'vitest';
import { createRemembered } from '../../../core/store/remembered.ts';

describe('what is remembered', () => {
  const filled = (count: number) => {
    const remembered = createRemembered<number>(100);
    for (let each = 0; each < count; each += 1) remembered.set(String(each), each);
    const kept = Array.from({ length: count }, (_, each) => each).filter((each) => remembered.get(String(each)) !== undefined);
    return { remembered, kept };
  };
  it.each([1, 50, 51, 99, 100, 101, 1_000, 1_049])('of %i are the newest: half of the limit at least, the limit at most', (count) => {
    const { kept } = filled(count);
    expect(kept.length).toBeLessThanOrEqual(100);
    expect(kept.length).toBeGreaterThanOrEqual(Math.min(count, 50));
    expect(kept).toEqual(Array.from({ length: kept.length }, (_, each) => count - kept.length + each));
  });
  it('is nothing once it was cleared', () => {
    const { remembered } = filled(80);
    remembered.clear();
    expect(remembered.get('79')).toBeUndefined();
  });
});
