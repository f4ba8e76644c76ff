import { describe, expect, it } from 'vitest';
import { parseAppId, parseEpoch, parseHash, parseWallet } from '../../core/identity.ts';

const lower = `0x${'ab'.repeat(20)}`;

describe('a wallet', () => {
  it.each([lower, lower.slice(2), lower.toUpperCase().replace('X', 'x'), 'AB'.repeat(20), ` ${lower}\n`])('is read from %j', (text) =>
    expect(parseWallet(text)).toBe(lower),
  );
  it.each(['', '0x', lower.slice(0, -1), `${lower}a`, lower.replace('a', 'g'), `0x${lower}`, '0x'.padEnd(42, '０')])('is not %j', (text) =>
    expect(parseWallet(text)).toBeUndefined(),
  );
});

describe('a hash', () => {
  it('is read in any case, and held in lower', () => expect(parseHash(`0x${'AB'.repeat(32)}`)).toBe(`0x${'ab'.repeat(32)}`));
  it.each(['', 'ab'.repeat(32), `0x${'ab'.repeat(31)}`, `0x${'ab'.repeat(33)}`, `0x${'zz'.repeat(32)}`, ` 0x${'ab'.repeat(32)}`])(
    'is not %j',
    (text) => expect(parseHash(text)).toBeUndefined(),
  );
});

describe('an app id and an epoch', () => {
  it.each([
    [1n, true],
    [2n ** 256n - 1n, true],
    [0n, false],
    [-1n, false],
    [2n ** 256n, false],
  ])('app id %s', (value, good) => expect(parseAppId(value) !== undefined).toBe(good));
  it.each([
    [0, true],
    [2 ** 53 - 1, true],
    [-1, false],
    [0.5, false],
    [2 ** 53, false],
    ['0', false],
    [0n, false],
    [null, false],
    [Number.NaN, false],
  ])('epoch %s', (value, good) => expect(parseEpoch(value) !== undefined).toBe(good));
});
