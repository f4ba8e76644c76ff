import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { createNonces } from '../../../core/auth/nonces.ts';
import { NONCE_LIFETIME_MS } from '../../../core/limits.ts';
import { base64, parseBase64 } from '../../../core/wire/bytes.ts';
import { createClock, createRandom, flipped, reasonOf } from '../fakes.ts';
import type { Random } from '../../../core/ports.ts';

function boot(seed = 'boot') {
  const clock = createClock();
  const nonces = createNonces({ clock, random: createRandom(seed) });
  return { clock, nonces, check: (nonce: string) => reasonOf(() => nonces.check(nonce)) };
}

describe('a nonce', () => {
  it('is good until its lifetime ends', () => {
    const { clock, nonces, check } = boot();
    const nonce = nonces.issue();
    expect(check(nonce)).toBe('none');
    clock.advance(NONCE_LIFETIME_MS);
    expect(check(nonce)).toBe('none');
    clock.advance(1);
    expect(check(nonce)).toBe('nonce_expired');
  });
  it('is standard padded base64 of 40 bytes, and another each time', () => {
    const { nonces } = boot();
    const [one, two] = [nonces.issue(), nonces.issue()];
    expect(parseBase64(one)).toHaveLength(40);
    expect(one).not.toBe(two);
  });
  it('from further in the future than it may live is refused', () => {
    const { clock, nonces, check } = boot();
    const nonce = nonces.issue();
    clock.advance(-NONCE_LIFETIME_MS - 1);
    expect(check(nonce)).toBe('nonce_expired');
  });
  it('U-15 of another boot, or another node, is unknown', () => {
    const before = boot('before the restart');
    expect(before.check(before.nonces.issue())).toBe('none');
    expect(boot('after the restart').check(before.nonces.issue())).toBe('nonce_unknown');
  });
  it('is unknown with any bit flipped', () => {
    const { nonces, check } = boot();
    const bytes = parseBase64(nonces.issue()) as Uint8Array;
    expect(check(base64(bytes))).toBe('none');
    for (let index = 0; index < bytes.length; index += 1)
      for (let bit = 0; bit < 8; bit += 1) expect(check(base64(flipped(bytes, index, bit)))).toBe('nonce_unknown');
  });
  it('is malformed when cut, extended or spelt otherwise', () => {
    const { nonces, check } = boot();
    const nonce = nonces.issue();
    const bytes = parseBase64(nonce) as Uint8Array;
    const odd = [
      '',
      'AAECAwQFBgcICQoLDA0ODw==',
      base64(bytes.subarray(0, 39)),
      base64(new Uint8Array([...bytes, 0])),
      nonce.slice(0, -1),
      ` ${nonce}`,
      nonce.replaceAll('=', ''),
      `${nonce}\n`,
      '!'.repeat(56),
    ];
    for (const text of odd) expect(check(text)).toBe('nonce_malformed');
  });
});

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
