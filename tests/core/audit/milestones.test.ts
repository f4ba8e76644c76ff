/** S-M2: what an app writes pushes no handover out of a node's memory, and of those that are left none can be altered or left out. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isMilestone } from '../../../core/audit-kinds.ts';
import { NO_RECORD_HASH } from '../../../core/audit/trail.ts';
import { verifyMilestones, verifyTrail } from '../../../core/audit/verify.ts';
import { epochOf } from '../fakes.ts';
import { headOf, milestonesOf, node, recordsOf, ROOMY, trailOf } from './trails.ts';
import type { Trail } from '../../../core/audit/trail.ts';
import type { JsonObject } from '../../../core/wire/json.ts';

const SMALL = { ...ROOMY, recordsMax: 20 };

/** As an app does with one batch after the other. */
function flood(trail: Trail, writes: number): Trail {
  for (let count = 0; count < writes; count += 1)
    trail.append('value_written', { app_id: '9', name: 'cd'.repeat(32), epoch: epochOf(0), version: `v${count}`, bytes: 1 });
  return trail;
}

const flooded = flood(trailOf(17, SMALL), 100);
const head = headOf(flooded);
const milestones = milestonesOf(flooded);
const [first, second] = milestones as [JsonObject, JsonObject];
const judge = (list: readonly unknown[], records = recordsOf(flooded), after?: { seq: number; hash: string }) =>
  verifyMilestones(list, records, head, { node: node.wallet, ...(after && { after }) });

describe('S-M2 what matters in a trail that an app floods', () => {
  it('is pushed out of the records, and stays among the milestones', () => {
    expect(recordsOf(flooded).map(({ kind }) => kind)).toEqual(Array.from({ length: 20 }, () => 'value_written'));
    expect(milestones.map(({ seq, kind }) => [seq, kind])).toEqual([[1, 'boot'], ...[4, 8, 12, 16].map((seq) => [seq, 'handover_given'])]);
    expect(judge(milestones)).toEqual({ kind: 'whole', from: 1, to: 117 });
  });

  it('is the same in both while nothing has left', () => {
    const trail = trailOf(30);
    const kept = recordsOf(trail).filter(({ kind }) => isMilestone(kind));
    expect(milestonesOf(trail)).toEqual(kept);
    expect(kept[0]?.['mark']).toBe(NO_RECORD_HASH);
    for (const last of [28, 29, 30]) {
      const ending = trailOf(last);
      expect(verifyMilestones(milestonesOf(ending), recordsOf(ending), headOf(ending), { node: node.wallet }).kind).toBe('whole');
    }
  });

  it('has a bound of its own, and is whole from its oldest', () => {
    const trail = flood(trailOf(100, { ...SMALL, milestonesMax: 5 }), 50);
    expect(milestonesOf(trail).map(({ seq }) => seq)).toEqual([84, 88, 92, 96, 100]);
    expect(verifyMilestones(milestonesOf(trail), recordsOf(trail), headOf(trail), { node: node.wallet })).toEqual({
      ...{ kind: 'whole', from: 84, to: 150 },
    });
  });

  it('comes in pages', () => {
    expect(flooded.milestones(2, { recordsMax: 2, bytesMax: 10_000 })).toMatchObject({ records: [{ seq: 4 }, { seq: 8 }], next: 12 });
    expect(flooded.milestones(12, { recordsMax: 9, bytesMax: 1 })).toMatchObject({ records: [{ seq: 12 }], next: 16 });
    expect(flooded.milestones(17, { recordsMax: 9, bytesMax: 10_000 })).toEqual({ records: [], next: undefined });
  });
});

describe('S-M2 a milestone', () => {
  it('that was altered, left out, doubled or moved is found', () => {
    const places = fc.nat({ max: milestones.length - 1 });
    fc.assert(
      fc.property(places, places, (at, other) => {
        expect(judge(milestones.map((each, index) => (index === at ? { ...each, peer: `0x${'0'.repeat(40)}` } : each))).kind).toBe(
          'broken',
        );
        expect(judge([...milestones.slice(0, at + 1), ...milestones.slice(at)]).kind).toBe('broken');
        if (at > 0) expect(judge(milestones.filter((_each, index) => index !== at)).kind).toBe('broken');
        const swapped = milestones.map((each, index) => milestones[index === at ? other : index === other ? at : index] ?? each);
        if (at !== other) expect(judge(swapped).kind).toBe('broken');
      }),
    );
    for (const odd of [null, 7, [], {}, recordsOf(flooded)[0]]) expect(judge([...milestones, odd]).kind).toBe('broken');
  });

  it('that is missing at the beginning is missed by who has seen the one before it', () => {
    const seen = { seq: 1, hash: String(second['mark']) };
    expect(judge(milestones.slice(1), undefined, seen)).toEqual({ kind: 'whole', from: 4, to: 117 });
    expect(judge(milestones.slice(2), undefined, seen)).toEqual({ kind: 'broken', fault: 'gap', seq: 2 });
    expect(judge(milestones.slice(1))).toEqual({ kind: 'whole', from: 4, to: 117 });
    expect(first['mark']).toBe(NO_RECORD_HASH);
  });

  it('counts only with the end of the trail that the node signed', () => {
    const records = recordsOf(flooded);
    expect(judge(milestones, records.slice(-1))).toEqual({ kind: 'whole', from: 1, to: 117 });
    expect(judge(milestones, records.slice(0, -1))).toMatchObject({ fault: 'cut' });
    expect(judge(milestones, [])).toMatchObject({ fault: 'cut' });
    const marked = records.map((record, index) => (index === records.length - 1 ? { ...record, mark: NO_RECORD_HASH } : record));
    expect(judge([], marked)).toMatchObject({ fault: 'altered' });
    expect(verifyTrail(records, head, { node: node.wallet }).kind).toBe('whole');
    expect(verifyMilestones(milestones, records, { ...head, seq: 116 }, { node: node.wallet })).toMatchObject({ fault: 'head_forged' });
  });
});
