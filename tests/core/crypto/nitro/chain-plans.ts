/** The chain of these tests: the same keys, times and bytes in each of them, good as it stands. */
import { p384 } from '@noble/curves/nist.js';
import { bytesOf } from '../../../../core/ca/der.ts';
import { P384_SPKI_HEAD } from '../../../../core/crypto/spki.ts';
import { concat } from '../../../../core/wire/bytes.ts';
import { levelsAt, plansFor } from '../../../attestation/certificates.ts';
import type { CertificatePlan, TestKey } from '../../../attestation/certificates.ts';

/** The same key for the same number. */
export function keyOf(number: number): TestKey {
  const scalar = p384.utils.randomSecretKey(new Uint8Array(p384.lengths.seed ?? 72).fill(number));
  const point = p384.getPublicKey(scalar, false);
  return {
    spki: concat(bytesOf(P384_SPKI_HEAD), point),
    point,
    sign: (message) => p384.sign(message, scalar, { lowS: false }),
  };
}

/** When the chain of these tests was asked for. */
export const MADE_MS = Date.parse('2026-03-01T12:00:00Z');
export const LEVELS = levelsAt(MADE_MS);
export const LEAF = 4;

const KEYS = LEVELS.map((_, index) => keyOf(index + 1));
export const leafKey = KEYS[LEAF] as TestKey;
/** Of nobody in the chain. */
export const strangerKey = keyOf(99);

/** The good chain, root first. */
export function plansOf(): readonly CertificatePlan[] {
  return plansFor(LEVELS, KEYS);
}

/** The good chain with one of its plans changed. */
export function chainWith(index: number, change: Partial<CertificatePlan>): readonly CertificatePlan[] {
  return plansOf().map((plan, at) => (at === index ? { ...plan, ...change } : plan));
}
