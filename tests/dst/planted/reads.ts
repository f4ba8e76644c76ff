/** Planted bugs of reading, and of expiry. */
import { patch } from './bug.ts';
import type { PlantedBug } from './bug.ts';

const WRITING = 'core/store/writing.ts';
const STORE = 'core/store/store.ts';

export const READ_BUGS: readonly PlantedBug[] = [
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
  {
    name: 'merged_is_not_found',
    rule: 'What a node holds it reads, whoever wrote it; here only what was written there itself.',
    expects: ['I4', 'I5'],
    patches: [
      patch(
        'core/store/store.ts',
        'if (!record || isDead(record)) return undefined;',
        'if (!record || isDead(record) || record.origin !== self) return undefined;',
      ),
    ],
    profiles: ['calm'],
  },
];
