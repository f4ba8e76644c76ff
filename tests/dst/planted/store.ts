/** Planted bugs of one node's store: order, merging, expiry, room. */
import { patch } from './bug.ts';
import type { PlantedBug } from './bug.ts';

const MERGING = 'core/store/merging.ts';
const WRITING = 'core/store/writing.ts';
const STORE = 'core/store/store.ts';
const CLOCK = 'core/store/clock.ts';
const HELD_IS_LATER = 'if (held && compareTimes(held, header) > 0) {';

const ORDER: readonly PlantedBug[] = [
  {
    name: 'smaller_time_wins',
    rule: 'Of two records the later wins; here the earlier does.',
    expects: ['I3', 'I2', 'I4', 'I5'],
    patches: [patch(MERGING, HELD_IS_LATER, 'if (held && compareTimes(held, header) < 0) {')],
    profiles: ['calm', 'partition'],
  },
  {
    name: 'ties_by_arrival',
    rule: 'The order is total: milliseconds, counter, wallet; here records of one millisecond win by coming last.',
    expects: ['I3'],
    patches: [patch(MERGING, HELD_IS_LATER, 'if (held && held.ms > header.ms) {')],
    profiles: ['skew', 'swarm'],
  },
  {
    name: 'tombstone_loses',
    rule: 'A delete never loses to what came before it; here any value that comes takes its place.',
    expects: ['I3', 'I6'],
    patches: [patch(MERGING, HELD_IS_LATER, "if (held && held.kind !== 'tombstone' && compareTimes(held, header) > 0) {")],
    profiles: ['partition', 'loss', 'forget'],
  },
  {
    name: 'vector_clock_decides',
    rule: 'The vector clock does not decide the winner; here the record that has seen more writes wins.',
    expects: ['I3'],
    patches: [
      patch(
        MERGING,
        HELD_IS_LATER,
        'const seenBy = (clock) => clock.reduce((sum, { count }) => sum + count, 0);\n      if (held && (seenBy(held.clock) - seenBy(theirs) || compareTimes(held, header)) > 0) {',
      ),
    ],
    profiles: ['calm', 'partition'],
  },
  {
    name: 'dots_start_over_within_a_boot',
    rule: 'The counter of a boot never starts over; here it does after every sixth write.',
    expects: ['I10'],
    patches: [patch(WRITING, 'shelf.counter += 1;', 'shelf.counter = (shelf.counter % 6) + 1;')],
    profiles: ['calm', 'loss'],
  },
  {
    name: 'dots_start_over_after_a_restart',
    rule: 'An incarnation is random for each boot; here it is the wallet’s own, so dots come again after a restart.',
    expects: ['I10'],
    patches: [
      patch(STORE, 'const newIncarnation = () => hex(random.bytes(INCARNATION_BYTES));', 'const newIncarnation = () => self.slice(2, 34);'),
    ],
    profiles: ['crash', 'swarm'],
  },
  {
    name: 'same_time_twice',
    rule: 'No two writes share a time; here the logical counter stands still.',
    expects: ['I10', 'I11'],
    patches: [patch(CLOCK, 'logical: last.logical + 1 };', 'logical: last.logical };')],
    profiles: ['quota', 'skew'],
  },
  {
    name: 'merge_does_not_observe',
    rule: 'A write is later than every record that was merged before; here the clock takes no note of them.',
    expects: ['I3', 'I4'],
    patches: [patch(MERGING, 'time.observe(header);', '')],
    profiles: ['skew', 'swarm'],
  },
  {
    name: 'no_future_bound',
    rule: 'A record from further ahead than clocks may differ is refused; here it is taken.',
    expects: ['I11'],
    patches: [patch(CLOCK, 'isTooFar: ({ ms }) => ms > clock.nowMs() + CLOCK_SKEW_MAX_MS,', 'isTooFar: () => false,')],
    profiles: ['skew'],
  },
  {
    name: 'own_clock_unbounded',
    rule: 'A node whose clock is far behind its own records refuses to write; here it writes on ahead of everybody.',
    expects: ['I11'],
    patches: [patch(CLOCK, 'if (aheadMs > CLOCK_SKEW_MAX_MS + CLOCK_SKEW_SLACK_MS)', 'if (aheadMs > 1e15)')],
    profiles: ['skew'],
  },
  {
    name: 'old_records_refused',
    rule: 'Any age is accepted; here records older than clocks may differ are refused.',
    expects: ['I1', 'I2', 'I13', 'I21'],
    patches: [
      patch(
        CLOCK,
        'isTooFar: ({ ms }) => ms > clock.nowMs() + CLOCK_SKEW_MAX_MS,',
        'isTooFar: ({ ms }) => Math.abs(ms - clock.nowMs()) > CLOCK_SKEW_MAX_MS,',
      ),
    ],
    profiles: ['crash', 'partition'],
  },
  {
    name: 'writes_dropped',
    rule: 'What is acknowledged is held; here every tenth write is not.',
    expects: ['I4'],
    patches: [patch(WRITING, 'indexes.put(record);', 'if (record.counter % 10 !== 0) indexes.put(record);')],
    profiles: ['calm'],
  },
  {
    name: 'delete_of_nothing_is_nothing',
    rule: 'A delete of a key that is not held writes a tombstone, since peers may hold it; here it is only said to.',
    expects: ['I4'],
    patches: [
      patch(
        WRITING,
        'return { ...bury({ appId, key }, judged), existed };',
        "return { ...(judged.held ? bury({ appId, key }, judged) : { record: { appId, key, sequence: shelf.sequence, incarnation: shelf.incarnation }, version: 'A'.repeat(22), updatedAtMs: 0, expiresAtMs: null, evicted: [] }), existed };",
      ),
    ],
    profiles: ['calm', 'partition'],
  },
  {
    name: 'condition_not_judged',
    rule: 'A conditional write is refused when another version is there; here it is done.',
    expects: ['I25'],
    patches: [
      patch(WRITING, 'if (ifVersion !== undefined && ifVersion !== current)', 'if (ifVersion !== undefined && current === undefined)'),
    ],
    profiles: ['calm'],
  },
];

const READS: readonly PlantedBug[] = [
  {
    name: 'reads_from_memory',
    rule: 'Reads of a node never go back; here every third read answers with the first value that was ever read of the key.',
    expects: ['I4', 'I5', 'I6'],
    patches: [
      patch(
        STORE,
        'const { put, remove } = createWriting(shelf);',
        'const { put, remove } = createWriting(shelf);\n  const firsts = new Map();\n  let reads = 0;',
      ),
      patch(
        STORE,
        'return { value, version: versionOf(idOf(record)), updatedAtMs: record.ms, expiresAtMs: record.expiresAtMs || null };',
        "const found = { value, version: versionOf(idOf(record)), updatedAtMs: record.ms, expiresAtMs: record.expiresAtMs || null };\n    const name = appId + '/' + key;\n    if (!firsts.has(name)) firsts.set(name, found);\n    reads += 1;\n    return reads % 3 === 0 && found.expiresAtMs === null && firsts.get(name).expiresAtMs === null ? firsts.get(name) : found;",
      ),
    ],
    profiles: ['calm'],
  },
  {
    name: 'reads_of_the_other_side_go_back',
    rule: 'Reads of a node never go back, also of records that others wrote; here every other read does.',
    expects: ['I5'],
    patches: [
      patch(
        STORE,
        'const { put, remove } = createWriting(shelf);',
        'const { put, remove } = createWriting(shelf);\n  const olds = new Map();\n  let reads = 0;',
      ),
      patch(
        STORE,
        'return { value, version: versionOf(idOf(record)), updatedAtMs: record.ms, expiresAtMs: record.expiresAtMs || null };',
        "const found = { value, version: versionOf(idOf(record)), updatedAtMs: record.ms, expiresAtMs: record.expiresAtMs || null };\n    if (record.incarnation === shelf.incarnation || found.expiresAtMs !== null) return found;\n    const name = appId + '/' + key;\n    if (!olds.has(name)) olds.set(name, found);\n    reads += 1;\n    return reads % 2 === 0 ? olds.get(name) : found;",
      ),
    ],
    profiles: ['forget', 'calm'],
  },
  {
    name: 'deleted_is_read',
    rule: 'A delete is final until a later write; here a read answers with what was read before it.',
    expects: ['I6'],
    patches: [
      patch(
        STORE,
        'const { put, remove } = createWriting(shelf);',
        'const { put, remove } = createWriting(shelf);\n  const lasts = new Map();',
      ),
      patch(
        STORE,
        'if (!record || isDead(record)) return undefined;',
        "if (!record || isDead(record)) return lasts.get(appId + '/' + key);",
      ),
      patch(
        STORE,
        'return { value, version: versionOf(idOf(record)), updatedAtMs: record.ms, expiresAtMs: record.expiresAtMs || null };',
        "const found = { value, version: versionOf(idOf(record)), updatedAtMs: record.ms, expiresAtMs: record.expiresAtMs || null };\n    if (found.expiresAtMs === null) lasts.set(appId + '/' + key, found);\n    return found;",
      ),
    ],
    profiles: ['forget', 'calm'],
  },
  {
    name: 'expired_is_read',
    rule: 'Reads hide what has ended; here they do not.',
    expects: ['I7'],
    patches: [
      patch(
        STORE,
        'if (isExpired(record, clock.nowMs())) {\n      expire(shelf, record);',
        'if (isExpired(record, clock.nowMs() - 1e9)) {\n      expire(shelf, record);',
      ),
    ],
    profiles: ['forget', 'calm'],
  },
  {
    name: 'expired_is_listed',
    rule: 'Lists hide what has ended; here they do not.',
    expects: ['I7'],
    patches: [
      patch(
        STORE,
        'if (record && isExpired(record, nowMs)) expired.push(record);',
        'if (record && isExpired(record, nowMs - 1e9)) expired.push(record);',
      ),
    ],
    profiles: ['forget', 'calm'],
  },
  {
    name: 'expiry_unhappens',
    rule: 'An end that was seen stays; here it is forgotten when the clock is set back.',
    expects: ['I7', 'I5'],
    patches: [
      patch(
        'core/store/shelf.ts',
        'indexes.expire(record, clock.elapsedMs());\n  counts.expiries += 1;',
        'void [indexes, clock, counts, record];',
      ),
    ],
    profiles: ['skew', 'swarm'],
  },
  {
    name: 'expired_answers_a_condition',
    rule: 'To a conditional write what has ended is not there; here it is.',
    expects: ['I7', 'I25'],
    patches: [
      patch(WRITING, 'if (isReadable(held) && isExpired(held, clock.nowMs())) expire(shelf, held);', ''),
      patch(WRITING, 'expireDue(shelf, EXPIRED_AT_A_WRITE_MAX);', ''),
    ],
    profiles: ['forget', 'calm'],
  },
];

const ROOM: readonly PlantedBug[] = [
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
    name: 'one_namespace',
    rule: 'Each app has its own namespace; here all share one.',
    expects: ['I18'],
    patches: [
      patch('functions/data.ts', 'const { store } = kms;\n  const { appId } = caller;', 'const { store } = kms;\n  const appId = 9n;'),
    ],
    profiles: ['calm'],
  },
];

export const STORE_BUGS: readonly PlantedBug[] = [...ORDER, ...READS, ...ROOM];
