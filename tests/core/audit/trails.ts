/** Trails as nodes make them, with the head that their wallet signs. */
import { createTrail } from '../../../core/audit/trail.ts';
import { auditHeadText } from '../../../core/wire/pop.ts';
import { createClock, epochOf, hashOf, signerNamed } from '../fakes.ts';
import type { Trail } from '../../../core/audit/trail.ts';
import type { LocalSigner } from '../fakes.ts';
import type { JsonObject } from '../../../core/wire/json.ts';

export const node = signerNamed('a node with a trail');
export const INCARNATION = 'ab'.repeat(16);
export const ROOMY = { recordsMax: 1_000, bytesMax: 1_000_000, milestonesMax: 1_000 };

/** Records of several kinds, one after the other. */
export function trailOf(count: number, bounds = ROOMY): Trail {
  const clock = createClock();
  const trail = createTrail(clock, bounds);
  for (let seq = 1; seq <= count; seq += 1) {
    clock.advance(seq % 3);
    if (seq === 1) trail.append('boot', { node: node.wallet, incarnation: INCARNATION, network: 'test' });
    else if (seq % 4 === 0)
      trail.append('handover_given', { epoch: epochOf(0), secret_hash: hashOf(seq % 250), peer: node.wallet, measurement: hashOf(9) });
    else if (seq % 4 === 1) trail.append('refused', { reason: 'proof_missing', count: seq, since_ms: seq });
    else trail.append('value_written', { app_id: '9', name: 'cd'.repeat(32), epoch: epochOf(0), version: `v${seq}`, bytes: seq });
  }
  return trail;
}

export const milestonesOf = (trail: Trail): readonly JsonObject[] =>
  trail.milestones(1, { recordsMax: 10_000, bytesMax: 100_000_000 }).records;

export const recordsOf = (trail: Trail): readonly JsonObject[] => trail.page(1, { recordsMax: 10_000, bytesMax: 100_000_000 }).records;

export function headOf(trail: Trail, signer: LocalSigner = node, incarnation = INCARNATION) {
  const head = { ...trail.head(), node: signer.wallet, incarnation };
  return { ...head, signature: signer.signNow(auditHeadText(head)) };
}
