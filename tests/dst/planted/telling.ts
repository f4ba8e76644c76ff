/** Planted bugs of what apps are told: nodes that do as they should and say otherwise, or that leave out what was asked for. */
import { patch } from './bug.ts';
import type { PlantedBug } from './bug.ts';

const DATA = 'functions/data.ts';
const REQUESTS = 'functions/data-requests.ts';
const WRITING = 'core/store/writing.ts';
const READING = 'return { key, value, version: found.version, updated_at_ms: found.updatedAtMs, expires_at_ms: found.expiresAtMs };';
const DELETED = 'const told = { key, deleted: true, existed, version, updated_at_ms: updatedAtMs };';

export const TELLING_BUGS: readonly PlantedBug[] = [
  {
    name: 'majority_is_one',
    rule: 'A majority is more than half of the members; here it is one node.',
    expects: ['I2'],
    patches: [patch(REQUESTS, "if (asked === 'majority') return Math.floor(members / 2) + 1;", "if (asked === 'majority') return 1;")],
    profiles: ['partition', 'crash'],
  },
  {
    name: 'default_is_one',
    rule: 'Who asks for no number of replicas has two; here one.',
    expects: ['I2'],
    patches: [patch(REQUESTS, 'return asked ?? Math.min(2, members);', 'return asked ?? 1;')],
    profiles: ['partition', 'crash'],
  },
  {
    name: 'replicas_not_waited_for',
    rule: 'An answer waits for its replicas; here it says how many there are at once.',
    expects: ['I27'],
    patches: [
      patch(
        DATA,
        'const timeoutMs = Math.min(REPLICAS_MS_MAX, allowance.leftMs());',
        'const timeoutMs = 0 * Math.min(REPLICAS_MS_MAX, allowance.leftMs());',
      ),
    ],
    profiles: ['calm', 'loss'],
  },
  {
    name: 'superseded_by_nothing',
    rule: 'An answer names the later write that took the place of its own; here it names one that there is not.',
    expects: ['I27'],
    patches: [
      patch(
        DATA,
        'return { ...told, replicas, ...(later !== undefined && { superseded_by: later }) };',
        "return { ...told, replicas, superseded_by: later ?? 'x' };",
      ),
    ],
    profiles: ['calm', 'partition'],
  },
  {
    name: 'end_forgotten',
    rule: 'A value ends when its writer said; here it never does.',
    expects: ['I7'],
    patches: [
      patch(
        WRITING,
        'const expiresAtMs = ttlMs === undefined ? 0 : clock.nowMs() + ttlMs;',
        'const expiresAtMs = ttlMs === undefined ? 0 : 0;',
      ),
    ],
    profiles: ['calm', 'forget'],
  },
  {
    name: 'times_told_wrong',
    rule: 'A value is told with its time and its end; here with another time.',
    expects: ['I27'],
    patches: [patch(DATA, READING, READING.replace('found.updatedAtMs', 'found.updatedAtMs + 1'))],
    profiles: ['calm', 'forget'],
  },
  {
    name: 'end_not_told',
    rule: 'A value is told with its time and its end; here without its end.',
    expects: ['I27'],
    patches: [patch(DATA, READING, READING.replace('found.expiresAtMs', 'null'))],
    profiles: ['calm', 'forget'],
  },
  {
    name: 'existed_told_wrong',
    rule: 'A delete tells whether anything was there; here it tells the opposite.',
    expects: ['I27'],
    patches: [patch(DATA, DELETED, DELETED.replace('existed,', 'existed: !existed,'))],
    profiles: ['calm'],
  },
  {
    name: 'conditions_never_met',
    rule: 'A write on condition is done when it is met; here only when nothing is there.',
    expects: ['I25'],
    patches: [
      patch(
        WRITING,
        'if (ifVersion !== undefined && ifVersion !== current)',
        'if (ifVersion !== undefined && (ifVersion !== current || current !== null))',
      ),
    ],
    profiles: ['calm', 'forget'],
  },
  {
    name: 'full_too_early',
    rule: 'An app is refused when its quota is full; here when half of it is.',
    expects: ['I8'],
    patches: [patch(WRITING, 'return { ofApp: used + growth - quotaBytes,', 'return { ofApp: used + growth - quotaBytes / 2,')],
    profiles: ['quota'],
  },
  {
    name: 'evicts_unasked',
    rule: 'Eviction is for those who ask for it; here every write that finds no room evicts.',
    expects: ['I9'],
    patches: [patch(WRITING, "if (ofApp <= 0 || ofAll > 0 || whenFull !== 'evict') {", 'if (ofApp <= 0 || ofAll > 0) {')],
    profiles: ['quota'],
  },
  {
    name: 'list_leaves_out',
    rule: 'A list has all keys; here without some.',
    expects: ['I18'],
    patches: [patch('core/store/store.ts', 'else keysFound.push(key);', "else if (!key.endsWith('2')) keysFound.push(key);")],
    profiles: ['calm', 'forget'],
  },
  {
    name: 'page_skips',
    rule: 'A page begins where the one before ended; here a key later.',
    expects: ['I18'],
    patches: [patch('core/store/store.ts', 'next = last;', 'next = key;')],
    profiles: ['quota', 'calm'],
  },
  {
    name: 'evicted_not_in_the_trail',
    rule: 'The trail tells of each value that was evicted; here of none.',
    expects: ['I20'],
    patches: [
      patch(
        DATA,
        "for (const name of evicted) kms.audit.record('value_evicted', { ...kms.audit.named(appId, name), version });",
        'void evicted;',
      ),
    ],
    profiles: ['quota'],
  },
  {
    name: 'trail_of_what_was_not_done',
    rule: 'The trail tells of what was done; here also of a write before it is judged.',
    expects: ['I20'],
    patches: [
      patch(
        DATA,
        'const done = store.put(appId, key, value, options);',
        "kms.audit.record('value_written', { ...kms.audit.named(appId, key), version: 'none', bytes: 1 });\n      const done = store.put(appId, key, value, options);",
      ),
    ],
    profiles: ['calm'],
  },
  {
    name: 'retired_secret_kept',
    rule: 'The secret of an epoch that is over is forgotten; here it is kept.',
    expects: ['I23'],
    patches: [
      patch(
        'core/crypto/vault.ts',
        'if (usable.get(epoch) === held.hash) continue;',
        'if (usable.get(epoch) === held.hash || (decided.has(epoch) && !usable.has(epoch))) continue;',
      ),
    ],
    profiles: ['rotation'],
  },
];
