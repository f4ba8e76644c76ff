/** Each byte of one document of AWS flipped, one at a time. Thousands of verifications take a while, so each document has a file of its own. */
import { describe, expect, it } from 'vitest';
import { verifyAttestation } from '../../../../core/crypto/nitro/attestation.ts';
import { awsNitroRoot } from '../../../../core/crypto/nitro/root.ts';
import { flipped } from '../../fakes.ts';
import { areSamplesThere, sample, SAMPLES, SKIPPED_WITHOUT } from './samples.ts';

/** Bytes for each test, so that none runs into its time limit on a busy machine. */
const SPAN_BYTES = 512;
/** The longest document that AWS gave us, and more: what is beyond the end of this one has no test to run. */
const BYTES_MAX = 5_632;

export function describeFlips(file: string): void {
  const document = SAMPLES.find((each) => each.file === file);
  const bytes = sample(file);
  const root = awsNitroRoot();
  const said = (given: Uint8Array) => verifyAttestation(given, { root, nowMs: document?.timeMs ?? 0, skewMsMax: 0 }).kind;
  const length = areSamplesThere() ? bytes.length : BYTES_MAX;
  const spans = Array.from({ length: Math.ceil(length / SPAN_BYTES) }, (_, index) => index * SPAN_BYTES);

  describe.skipIf(!areSamplesThere())(`the document of AWS ${file} (${SKIPPED_WITHOUT})`, () => {
    it('verifies as it is, at its own time', () => {
      expect(bytes.length).toBeGreaterThan(4_000);
      expect(said(bytes)).toBe('verified');
    });
    it.each(spans)(`X-9 S-M5 never verifies with one byte flipped, of the ${SPAN_BYTES} from byte %i`, { timeout: 120_000 }, (from) => {
      const passed = [];
      const end = Math.min(from + SPAN_BYTES, bytes.length);
      for (let index = from; index < end; index += 1) if (said(flipped(bytes, index, index % 8)) === 'verified') passed.push(index);
      expect(passed).toEqual([]);
    });
  });
}
