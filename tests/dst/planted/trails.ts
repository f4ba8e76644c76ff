/** Planted bugs of the audit trail. */
import { patch } from './bug.ts';
import type { PlantedBug } from './bug.ts';

const DATA = 'functions/data.ts';
const DELETED = "kms.audit.record('value_deleted', { ...kms.audit.named(appId, key), version, existed });";
const WRITTEN = "kms.audit.record('value_written', { ...kms.audit.named(appId, key), version, bytes: value.length });";

export const TRAIL_BUGS: readonly PlantedBug[] = [
  {
    name: 'deletes_of_nothing_not_told',
    rule: 'Each delete that is answered for is in the trail; here only one that found something.',
    expects: ['I20'],
    patches: [patch(DATA, DELETED, `if (existed) ${DELETED}`)],
    profiles: ['calm'],
  },
  {
    name: 'conditional_writes_told_twice',
    rule: 'A write has one record; here one on a condition has two.',
    expects: ['I20'],
    patches: [patch(DATA, WRITTEN, `${WRITTEN}\n      if (options.ifVersion !== undefined) ${WRITTEN}`)],
    profiles: ['calm'],
  },
  {
    name: 'certificates_not_told',
    rule: 'Each certificate is in the trail; here none is.',
    expects: ['I20'],
    patches: [patch('functions/certs.ts', "kms.audit.record('certificate_issued', {", 'Object.freeze({')],
    profiles: ['calm', 'swarm'],
  },
  {
    name: 'handovers_not_told',
    rule: 'Who gives a secret away says so in its trail; here it does not.',
    expects: ['I20'],
    patches: [
      patch(
        'core/audit/audit.ts',
        "record('handover_given', { epoch, secret_hash: hash, peer, measurement })",
        'void { epoch, hash, peer, measurement }',
      ),
    ],
    profiles: ['crash', 'rotation'],
  },
  {
    name: 'trail_starts_over',
    rule: 'Numbers of a trail go up by one for a whole boot; here they start over.',
    expects: ['I20'],
    patches: [patch('core/audit/trail.ts', 'seq: head.seq + 1,', 'seq: (head.seq % 30) + 1,')],
    profiles: ['calm'],
  },
];
