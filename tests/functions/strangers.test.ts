/** A crowd of wallets that nobody knows, in process: what it costs the chain, and that nothing of it is remembered. */
import { expect, it } from 'vitest';
import { REQUEST_MS_MAX, UNKNOWN_WALLETS_BURST, UNKNOWN_WALLETS_PER_SECOND } from '../../core/limits.ts';
import { askAsStrangers } from '../bench/strangers.ts';

it('R-3 five thousand wallets that nobody knows buy a bounded number of look-ups, and use up no nonce', async () => {
  const count = 5_000;
  const { answers, chainReads, virtualSeconds, usedNonces } = await askAsStrangers(count);
  expect(Object.keys(answers).toSorted()).toEqual(['403', '429']);
  const lookups = UNKNOWN_WALLETS_BURST + UNKNOWN_WALLETS_PER_SECOND * virtualSeconds;
  expect(answers['403']).toBeLessThanOrEqual(lookups);
  // Two blocks for each, and what ticks read besides.
  expect(chainReads).toBeLessThanOrEqual(2 * lookups + REQUEST_MS_MAX / 100);
  expect(usedNonces).toBe(0);
});
