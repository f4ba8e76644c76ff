import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { createNonces } from '../../../core/auth/nonces.ts';
import { createClock, reasonOf } from '../fakes.ts';
import type { Random } from '../../../core/ports.ts';

describe('issuing', () => {
  /** A million would be counted by the allocations that stay behind: one text of 56 characters each is 70 MB. */
  const MILLION = 1_000_000;
  const TOLERANCE_BYTES = 8_000_000;

  function counting(): Random {
    let drawn = 0;
    return {
      bytes(length) {
        const bytes = new Uint8Array(length);
        new DataView(bytes.buffer).setUint32(0, (drawn += 1));
        return bytes;
      },
    };
  }

  function heapAfterGcBytes(): number {
    setFlagsFromString('--expose-gc');
    (runInNewContext('gc') as () => void)();
    return process.memoryUsage().heapUsed;
  }

  function growthBytes(issue: () => string, count: number): number {
    issue();
    const before = heapAfterGcBytes();
    for (let issued = 0; issued < count; issued += 1) issue();
    return heapAfterGcBytes() - before;
  }

  it('R-3 a million leave the heap where it was, and a pending nonce good', () => {
    const nonces = createNonces({ clock: createClock(), random: counting() });
    const pending = nonces.issue();
    expect(growthBytes(nonces.issue, MILLION)).toBeLessThan(TOLERANCE_BYTES);
    expect(reasonOf(() => nonces.check(pending))).toBe('none');
  }, 60_000);
  it('R-3 the measure catches whoever stores a fifth of them', () => {
    const nonces = createNonces({ clock: createClock(), random: counting() });
    const stored = new Set<string>();
    const storing = () => {
      const nonce = nonces.issue();
      stored.add(nonce);
      return nonce;
    };
    expect(growthBytes(storing, MILLION / 5)).toBeGreaterThan(TOLERANCE_BYTES);
    expect(stored.size).toBe(MILLION / 5 + 1);
  }, 60_000);
});
