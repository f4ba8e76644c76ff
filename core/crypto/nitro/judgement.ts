/**
 * A document and what it must be, in one judgement: for whoever asked for it a moment ago, be it a peer, an app or a node. Pure. How old it
 * may be, and how far clocks may differ, is the same for all of them.
 */
import { ATTESTATION_AGE_MAX_MS, ATTESTATION_SKEW_MAX_MS } from '../../limits.ts';
import { verifyAttestation } from './attestation.ts';
import { faultOf } from './policy.ts';
import type { Attestation, Trust } from './attestation.ts';
import type { AttestationFault } from './fault.ts';
import type { Expectation, PolicyFault } from './policy.ts';

export type Judgement =
  | { readonly kind: 'verified'; readonly attestation: Attestation }
  /** `detail` is for a log: names of members, ids of extensions, a measurement and a time. */
  | { readonly kind: 'refused'; readonly why: AttestationFault | PolicyFault; readonly detail: string };

type Expected = Pick<Expectation, 'measurement' | 'nonce' | 'publicKey' | 'wallet'>;

/** For any bytes at all; nothing is thrown. Costs milliseconds once a document is well-formed and of this root: ask last. */
export function judgeDocument(document: Uint8Array, { root, nowMs }: Pick<Trust, 'root' | 'nowMs'>, expected: Expected): Judgement {
  const verdict = verifyAttestation(document, { root, nowMs, skewMsMax: ATTESTATION_SKEW_MAX_MS });
  if (verdict.kind === 'refused') return verdict;
  const { attestation } = verdict;
  const why = faultOf(attestation, { ...expected, nowMs, ageMsMax: ATTESTATION_AGE_MAX_MS, aheadMsMax: ATTESTATION_SKEW_MAX_MS });
  return why === undefined ? verdict : { kind: 'refused', why, detail: `measured ${attestation.measurement} at ${attestation.timeMs}` };
}
