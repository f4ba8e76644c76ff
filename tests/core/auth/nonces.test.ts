import { describe, expect, it } from 'vitest';
import { createNonces } from '../../../core/auth/nonces.ts';
import { NONCE_LIFETIME_MS } from '../../../core/limits.ts';
import { base64, parseBase64 } from '../../../core/wire/bytes.ts';
import { createClock, createRandom, flipped, reasonOf } from '../fakes.ts';

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
