/** Planted bugs of room: quotas, their gauge, eviction, tombstones; and of how records are sealed. */
import { patch } from './bug.ts';
import type { PlantedBug } from './bug.ts';

const MERGING = 'core/store/merging.ts';
const WRITING = 'core/store/writing.ts';

export const ROOM_BUGS: readonly PlantedBug[] = [
  {
    name: 'overwrites_free',
    rule: 'A write is admitted only below the quota; here one over another record always is.',
    expects: ['I8'],
    patches: [
      patch(
        WRITING,
        'const growth = chargeFor(key, value.length) - (held ? chargeOf(held) : 0);',
        'const growth = held ? 0 : chargeFor(key, value.length);',
      ),
    ],
    profiles: ['quota'],
  },
  {
    name: 'quota_not_judged',
    rule: 'A write above the quota is refused; here it is admitted.',
    expects: ['I8'],
    patches: [patch(WRITING, 'ofApp: used + growth - quotaBytes,', 'ofApp: 0 * (used - quotaBytes),')],
    profiles: ['quota'],
  },
  {
    name: 'tombstones_free',
    rule: 'Quotas charge tombstones; here they do not.',
    expects: ['I8'],
    patches: [
      patch(
        'core/store/stored.ts',
        'return chargeFor(record.key, isDead(record) ? 0 : record.bytes.length - SEALED_AT - SEAL_BYTES);',
        'return isDead(record) ? 0 : chargeFor(record.key, record.bytes.length - SEALED_AT - SEAL_BYTES);',
      ),
    ],
    profiles: ['calm'],
  },
  {
    name: 'gauge_keeps_expired',
    rule: 'The gauge is the sum of what is held; here the value of a record that ended is still counted.',
    expects: ['I8'],
    patches: [
      patch(
        'core/store/indexes.ts',
        'change(record, undefined);\n      wipe(record, elapsedMs);',
        'const before = chargeOf(record);\n      change(record, undefined);\n      wipe(record, elapsedMs);\n      totalBytes += before - chargeOf(record);',
      ),
    ],
    profiles: ['calm', 'loss'],
  },
  {
    name: 'used_bytes_of_overwrites_lost',
    rule: 'What an app holds is counted exactly; here an overwrite that is larger adds nothing.',
    expects: ['I8'],
    patches: [
      patch(
        'core/store/namespace.ts',
        'usedBytes += (after ? chargeOf(after) : 0) - (before ? chargeOf(before) : 0);',
        'if (!before || !after) usedBytes += (after ? chargeOf(after) : 0) - (before ? chargeOf(before) : 0);',
      ),
    ],
    profiles: ['quota'],
  },
  {
    name: 'delete_refused',
    rule: 'A delete of a key that is held is always admitted; here it is refused when there are many tombstones.',
    expects: ['I8'],
    patches: [
      patch(WRITING, 'if (!judged.held) {\n        judgeTombstones(appId, 1);', 'judgeTombstones(appId, 1);\n      if (!judged.held) {'),
    ],
    profiles: ['quota', 'forget'],
  },
  {
    name: 'merging_judged_as_admission',
    rule: 'Merges are taken up to the quotas of all members; here only up to one.',
    expects: ['I1', 'I2', 'I21'],
    patches: [patch(MERGING, 'quotaBytes * Math.max(MERGED_QUOTAS_MIN, members().size)', 'quotaBytes * Math.min(1, MERGED_QUOTAS_MIN)')],
    profiles: ['quota'],
  },
  {
    name: 'evicts_what_it_writes',
    rule: 'Eviction never takes the key that is written; here it may.',
    expects: ['I9', 'I4'],
    patches: [patch(WRITING, 'if (record.key === key || freed === 0', 'if (freed === 0')],
    profiles: ['quota'],
  },
  {
    name: 'evicts_what_nobody_else_has',
    rule: 'Eviction never takes a record that too few nodes hold; here it does.',
    expects: ['I9'],
    patches: [patch(WRITING, ' || !shelf.isReplicated(record)) continue;', ') continue;')],
    profiles: ['quota'],
  },
  {
    name: 'evicts_in_silence',
    rule: 'What is evicted is counted; here it is not, and what nobody else has is taken.',
    expects: ['I9'],
    patches: [
      patch(WRITING, ' || !shelf.isReplicated(record)) continue;', ') continue;'),
      patch(WRITING, 'shelf.counts.evictions += victims.length;', 'shelf.counts.evictions += 0 * victims.length;'),
    ],
    profiles: ['quota'],
  },
  {
    name: 'evictions_not_counted',
    rule: 'Gauges say what happened; here evictions are not counted.',
    expects: ['I8'],
    patches: [patch(WRITING, 'shelf.counts.evictions += victims.length;', 'shelf.counts.evictions += 0 * victims.length;')],
    profiles: ['quota'],
  },
  {
    name: 'tombstones_unbounded',
    rule: 'An app with all the tombstones it may have gets no new keys; here it does.',
    expects: ['I22'],
    patches: [
      patch(WRITING, 'if (count + added <= TOMBSTONES_PER_APP_MAX) return;', 'if (count + added <= 1e6 * TOMBSTONES_PER_APP_MAX) return;'),
    ],
    profiles: ['quota'],
  },
  {
    name: 'stored_as_it_is',
    rule: 'A record is encrypted, on every wire and in memory; here its body is the value itself.',
    expects: ['I16'],
    patches: [
      patch(
        'core/store/record.ts',
        'sealBytes(key, nonce, isEmpty ? emptyBody() : body, associatedOf(header, isEmpty))',
        'isEmpty ? emptyBody() : body, new Uint8Array(AEAD_TAG_BYTES)',
      ),
      patch(
        'core/store/record.ts',
        'const body = openBytes(key, sealed.subarray(0, AEAD_NONCE_BYTES), sealed.subarray(AEAD_NONCE_BYTES), associatedOf(header, isEmpty));',
        'const body = sealed.subarray(AEAD_NONCE_BYTES, sealed.length - AEAD_TAG_BYTES);',
      ),
    ],
    profiles: ['calm'],
  },
  {
    name: 'never_sealed_anew',
    rule: 'Before an epoch is retired every record is sealed under the next; here none is.',
    expects: ['I21'],
    patches: [
      patch('core/store/renewal.ts', 'if (!current) return;\n      const due', 'if (current || !current) return;\n      const due'),
    ],
    profiles: ['rotation'],
  },
  {
    name: 'writes_at_rest',
    rule: 'Nothing changes in a node that nobody asks for anything; here every maintenance writes.',
    expects: ['I21'],
    patches: [
      patch(
        'core/store/store.ts',
        'renewal.piece(isGone);',
        "renewal.piece(isGone);\n      if (keys.current() !== undefined) put(9n as Stored['appId'], 'rest', new Uint8Array(1));",
      ),
    ],
    profiles: ['calm'],
  },
  {
    name: 'dropped_when_sealed_anew',
    rule: 'A record is sealed anew for another epoch and stays what it is; here every fifth is dropped.',
    expects: ['I1', 'I3', 'I12', 'I24'],
    patches: [
      patch(
        'core/store/renewal.ts',
        "if (outcome === 'lost') indexes.remove(record);",
        "if (outcome === 'lost' || record.sequence % 5 === 0) indexes.remove(record);",
      ),
    ],
    profiles: ['rotation'],
  },
  {
    name: 'one_namespace',
    rule: 'Each app has its own namespace; here all share one.',
    expects: ['I18'],
    patches: [
      patch('functions/data.ts', 'const { store } = kms;\n  const { appId } = caller;', 'const { store } = kms;\n  const appId = 9n;'),
    ],
    profiles: ['calm'],
  },
];
