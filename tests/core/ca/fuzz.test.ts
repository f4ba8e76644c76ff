import { describe, expect, it } from 'vitest';
import { fuzz } from './fuzz.ts';

const CASES = 3_000;
const seed = Date.now() >>> 0;

describe(`bent requests, seeds from ${seed}`, () => {
  it('end in a reason, or in a key that another library finds too', async () => {
    const { outcomes, failure } = await fuzz(CASES, seed, 1);
    expect(failure).toBeUndefined();
    // All of the policy was reached, not only its door.
    for (const outcome of ['key', 'csr_malformed', 'csr_key_refused', 'csr_algorithm_refused', 'csr_signature_invalid'])
      expect(outcomes[outcome], outcome).toBeGreaterThan(5);
  });
});
