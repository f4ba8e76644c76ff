/** What AWS signed, read as it came. */
import { decode } from 'cborg';
import { describe, expect, it } from 'vitest';
import { verifyAttestation } from '../../../../core/crypto/nitro/attestation.ts';
import { faultOf } from '../../../../core/crypto/nitro/policy.ts';
import { awsNitroRoot } from '../../../../core/crypto/nitro/root.ts';
import { asView, flipped } from '../../fakes.ts';
import { areSamplesThere, sample, SAMPLES, SKIPPED_WITHOUT } from './samples.ts';
import type { Attestation, Verdict } from '../../../../core/crypto/nitro/attestation.ts';
import type { Expectation } from '../../../../core/crypto/nitro/policy.ts';

/** The one that a release has, which is not read from where the documents lie. */
const root = awsNitroRoot();
const verify = (file: string, nowMs: number) => verifyAttestation(sample(file), { root, nowMs, skewMsMax: 0 });
const DAY_MS = 86_400_000;
const said = (verdict: Verdict) => (verdict.kind === 'verified' ? 'verified' : verdict.why);
const verified = (verdict: Verdict): Attestation => {
  if (verdict.kind === 'refused') throw new Error(`${verdict.why}: ${verdict.detail}`);
  return verdict.attestation;
};
const expectation = (nowMs: number): Expectation => ({
  nowMs,
  ageMsMax: 60_000,
  aheadMsMax: 0,
  measurement: 'any',
  nonce: 'any',
  publicKey: 'any',
  wallet: 'any',
});

describe.skipIf(!areSamplesThere())(`the document of AWS (${SKIPPED_WITHOUT})`, () => {
  it.each(SAMPLES)('$file verifies at its own time and says what it says', (expected) => {
    const attestation = verified(verify(expected.file, expected.timeMs));
    expect(attestation).toMatchObject({
      timeMs: expected.timeMs,
      moduleId: expected.moduleId,
      measurement: expected.measurement,
      isDebug: expected.isDebug,
    });
    expect([...attestation.pcrs].map(([index, { length }]) => [index, length])).toEqual(Array.from({ length: 16 }, (_, i) => [i, 48]));
    const sizes = [attestation.publicKey, attestation.userData, attestation.nonce].map((bytes) => bytes?.length ?? null);
    expect(sizes).toEqual([expected.publicKeyBytes, expected.userDataBytes, expected.nonceBytes]);
  });
  it.each(SAMPLES)(
    '$file verifies from the first to the last second of its leaf, and not beside them',
    ({ file, notBeforeMs, notAfterMs }) => {
      const times = [notBeforeMs - 1_000, notBeforeMs - 1, notBeforeMs, notAfterMs, notAfterMs + 1, notAfterMs + 1_000];
      expect(times.map((nowMs) => said(verify(file, nowMs)))).toEqual([
        'not_yet_valid',
        'not_yet_valid',
        'verified',
        'verified',
        'expired',
        'expired',
      ]);
    },
  );
  it.each(SAMPLES)('$file verifies at no time far from its own', ({ file, timeMs }) => {
    const others = [0, 1, ...SAMPLES.map((other) => other.timeMs).filter((other) => other !== timeMs), timeMs - DAY_MS, timeMs + DAY_MS];
    const far = [...others, Date.parse('2049-10-28T14:28:05Z'), Number.MAX_SAFE_INTEGER, Infinity, -Infinity, NaN];
    expect(far.map((nowMs) => said(verify(file, nowMs))).filter((verdict) => verdict === 'verified')).toEqual([]);
    expect(said(verify(file, timeMs))).toBe('verified');
  });
  it.each(SAMPLES)('$file verifies as a view and under tag 18, and keeps bytes of its own', ({ file, timeMs }) => {
    const bytes = sample(file);
    const tagged = Uint8Array.of(0xd2, ...bytes);
    const attestation = verified(verifyAttestation(asView(tagged), { root: asView(root), nowMs: timeMs, skewMsMax: 0 }));
    const pcr = attestation.pcrs.get(3)?.slice();
    tagged.fill(0);
    expect(attestation.pcrs.get(3)).toEqual(pcr);
  });
  it.each(SAMPLES)('$file is under no other root', ({ file, timeMs }) => {
    const other = verifyAttestation(sample(file), { root: flipped(root, root.length - 1), nowMs: timeMs, skewMsMax: 0 });
    expect(said(other)).toBe('root_unknown');
  });
  it('S-M5 of an enclave in debug mode is told as one, and refused by every policy', () => {
    const found = SAMPLES.map(({ file, timeMs }) => {
      const attestation = verified(verify(file, timeMs));
      return [attestation.isDebug, faultOf(attestation, expectation(timeMs))];
    });
    expect(found).toEqual([
      [false, undefined],
      [false, undefined],
      [true, 'debug'],
    ]);
  });
  it('S-M5 under a root of its own verifies under that, and never under the one of AWS', () => {
    const bytes = sample('custom-root-2054.cose');
    const nowMs = 1_734_080_745_008;
    // Read by other code than ours.
    const parts = decode(bytes, { useMaps: true }) as Uint8Array[];
    const [own] = (decode(parts[2] as Uint8Array, { useMaps: true }) as Map<string, Uint8Array[]>).get('cabundle') as [Uint8Array];
    expect(said(verifyAttestation(bytes, { root, nowMs, skewMsMax: 0 }))).toBe('root_unknown');
    const { pcrs, userData, nonce } = verified(verifyAttestation(bytes, { root: own, nowMs, skewMsMax: 0 }));
    expect([...pcrs].every(([index, digest]) => digest.every((byte) => byte === index))).toBe(true);
    expect([userData?.length, nonce]).toEqual([3, undefined]);
  });
  it.each(SAMPLES)('X-9 $file never verifies cut short, at either end', ({ file, timeMs }) => {
    const bytes = sample(file);
    for (let length = 0; length < bytes.length; length += 1) {
      expect(said(verifyAttestation(bytes.subarray(0, length), { root, nowMs: timeMs, skewMsMax: 0 })), `${length} bytes`).not.toBe(
        'verified',
      );
      expect(
        said(verifyAttestation(bytes.subarray(bytes.length - length), { root, nowMs: timeMs, skewMsMax: 0 })),
        `last ${length}`,
      ).not.toBe('verified');
    }
  });
});
