/** Planted bugs of data readiness, and of forgetting. */
import { patch } from './bug.ts';
import type { PlantedBug } from './bug.ts';

const CURSORS = 'core/replication/cursors.ts';
const CATCH_UP = 'core/replication/catch-up.ts';
const STORE = 'core/store/store.ts';

export const FORGETTING_BUGS: readonly PlantedBug[] = [
  {
    name: 'ready_from_the_start',
    rule: 'A node serves data once it has all; here from its first moment.',
    expects: ['I13'],
    patches: [patch(CATCH_UP, "let gate: DataGate = waiting('before the first tick');", "let gate: DataGate = { kind: 'serving' };")],
    profiles: ['crash'],
  },
  {
    name: 'ready_after_one_member',
    rule: 'A node is ready after a pass of every ready member that it reaches; here after one.',
    expects: ['I13'],
    patches: [
      patch(
        CATCH_UP,
        'const unpassed = wanted.filter((wallet) => !hasPassed(wallet) && !isGivenUp(wallet));',
        'const unpassed = wanted.some(hasPassed) ? [] : wanted;',
      ),
      patch(CATCH_UP, 'if (clock.elapsedMs() >= untilMs) return;', 'if (clock.elapsedMs() >= untilMs || passed.size > 0) return;'),
    ],
    profiles: ['crash', 'swarm'],
  },
  {
    name: 'ready_when_nobody_answers',
    rule: 'A node that reaches nobody is not ready, unless it is the only member; here it is.',
    expects: ['I13'],
    patches: [patch(CATCH_UP, 'ready.map(({ wallet }) => wallet) : membership.others()', 'ready.map(({ wallet }) => wallet) : []')],
    profiles: ['crash', 'swarm'],
  },
  {
    name: 'ready_after_a_page',
    rule: 'A snapshot is whole at its end; here after its first page, and no round is had after it.',
    expects: ['I13', 'I2', 'I12'],
    patches: [
      patch(
        'core/replication/snapshots.ts',
        'if (isFull) return { records, isWhole, next: last };',
        'if (isFull) return { records, isWhole, next: undefined };',
      ),
      patch(CATCH_UP, 'if (passed.size > 0) return (await', 'if (passed.size > 9) return (await'),
      patch(
        CATCH_UP,
        "if (!last || (await withoutRefusal(antiEntropy.reconcile(last))) === 'complete') return undefined;",
        'return undefined;',
      ),
    ],
    profiles: ['crash', 'quota', 'swarm'],
  },
  {
    name: 'ready_after_it_forgot',
    rule: 'A node that forgot its records catches up again; here it stays ready.',
    expects: ['I13'],
    patches: [patch(CATCH_UP, "passed.clear();\n      wantedSinceMs.clear();\n      gate = waiting('forgotten');", 'passed.clear();')],
    profiles: ['forget', 'chain'],
  },
  {
    name: 'collected_by_age',
    rule: 'A tombstone is collected once every live member has it; here by its age alone.',
    expects: ['I12', 'I3'],
    patches: [
      patch(
        STORE,
        '(deadSinceMs ?? Infinity) <= matureMs && sequence <= throughSequence)',
        '(deadSinceMs ?? Infinity) <= matureMs && (sequence <= throughSequence || deadSinceMs !== undefined))',
      ),
    ],
    profiles: ['forget'],
  },
  {
    name: 'collected_in_silence',
    rule: 'What is collected is counted; here it is not, and its age alone is asked.',
    expects: ['I12', 'I3'],
    patches: [
      patch(
        STORE,
        '(deadSinceMs ?? Infinity) <= matureMs && sequence <= throughSequence)',
        '(deadSinceMs ?? Infinity) <= matureMs && (sequence <= throughSequence || deadSinceMs !== undefined))',
      ),
      patch('core/store/shelf.ts', 'counts.collected += 1;', 'counts.collected += 0;'),
    ],
    profiles: ['forget'],
  },
  {
    name: 'collected_without_one_member',
    rule: 'A tombstone is collected once every live member has it; here one is not asked.',
    expects: ['I12', 'I3'],
    patches: [patch(CURSORS, 'const held = wallets.map((wallet) => {', 'const held = wallets.slice(1).map((wallet) => {')],
    profiles: ['forget'],
  },
  {
    name: 'collected_at_once',
    rule: 'A tombstone is collected when all have had it for longer than any frame is under way; here as soon as the last one has it.',
    expects: ['I12', 'I3'],
    patches: [
      patch(CURSORS, 'return cursor ? Math.min(heldLongAgo(cursor), heldThrough(cursor)) : 0;', 'return cursor ? heldThrough(cursor) : 0;'),
    ],
    profiles: ['forget'],
  },
  {
    name: 'collected_young',
    rule: 'A tombstone is older than the longest message lifetime when it is collected; here it may be young.',
    expects: ['I12', 'I3'],
    patches: [
      patch(
        STORE,
        'const matureMs = clock.elapsedMs() - MESSAGE_LIFETIME_MS;',
        'const matureMs = clock.elapsedMs() - MESSAGE_LIFETIME_MS / 6;',
      ),
    ],
    profiles: ['forget'],
  },
  {
    name: 'collected_is_taken_again',
    rule: 'What was collected is remembered, so that who collects later does not bring it back; here it is not.',
    expects: ['I3'],
    patches: [
      patch(
        'core/store/shelf.ts',
        'collected.set(idTextOf(record), { appId, key, ms, logical, origin });',
        'void [collected, appId, key, ms, logical, origin, idTextOf];',
      ),
    ],
    profiles: ['forget'],
    isOfRounds: true,
  },
  {
    name: 'never_forgets',
    rule: 'A node that was no member for too long forgets its records; here it keeps them.',
    expects: ['I3', 'I12', 'I1'],
    patches: [patch('core/replication/membership.ts', 'return !isLost;', 'return !isLost || isLost;')],
    profiles: ['forget'],
  },
];
