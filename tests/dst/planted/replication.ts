/** Planted bugs of replication: cursors, pushes, anti-entropy, catching up, forgetting. */
import { patch } from './bug.ts';
import type { PlantedBug } from './bug.ts';

const PUSHES = 'core/replication/pushes.ts';
const CURSORS = 'core/replication/cursors.ts';
const REPLICAS = 'core/replication/replicas.ts';
const CATCH_UP = 'core/replication/catch-up.ts';
const ROUNDS = 'core/replication/anti-entropy.ts';
const INDEXES = 'core/store/indexes.ts';
const STORE = 'core/store/store.ts';

const COUNTING: readonly PlantedBug[] = [
  {
    name: 'refused_counts_as_taken',
    rule: 'A record that a peer refused is not acknowledged; here it is.',
    expects: ['I26', 'I2', 'I1', 'I12'],
    patches: [patch(PUSHES, 'if (reason) cursors.refuse(cursor, sequence, reason);', 'if (reason) cursors.settle(cursor, sequence);')],
    profiles: ['skew', 'swarm', 'rotation'],
  },
  {
    name: 'refused_never_tried_again',
    rule: 'A record that a peer refused is tried again; here it is not.',
    expects: ['I1', 'I2', 'I21'],
    patches: [
      patch(
        CURSORS,
        'due: ({ refused }) => [...refused].filter(([, { nextTryAtMs }]) => nextTryAtMs <= clock.elapsedMs()).map(([sequence]) => sequence),',
        'due: () => [],',
      ),
    ],
    profiles: ['skew', 'swarm'],
  },
  {
    name: 'cursor_moves_on_send',
    rule: 'A cursor moves on acknowledgement only; here it moves when a delta is sent.',
    expects: ['I26', 'I2', 'I1'],
    patches: [
      patch(
        PUSHES,
        'flight.beatMs = clock.elapsedMs();\n        goesOn',
        'flight.beatMs = clock.elapsedMs();\n        cursors.advance(cursor, delta.through);\n        goesOn',
      ),
    ],
    profiles: ['loss', 'partition'],
  },
  {
    name: 'cursor_outlives_its_incarnation',
    rule: 'A cursor starts over with the peer’s incarnation; here it goes on where it was.',
    expects: ['I26', 'I1', 'I2', 'I12', 'I13', 'I21'],
    patches: [
      patch(CURSORS, 'if (known?.incarnation === incarnation) return known;', 'if (known) return Object.assign(known, { incarnation });'),
    ],
    profiles: ['crash', 'swarm'],
  },
  {
    name: 'base_claimed_at_first_contact',
    rule: 'What was there before first contact counts as held once the peer has been through it; here at once.',
    expects: ['I26', 'I2', 'I12'],
    patches: [patch(CURSORS, 'isBased: floor === 0,', 'isBased: true,')],
    profiles: ['crash', 'birth', 'swarm'],
  },
  {
    name: 'one_replica_too_many',
    rule: 'An answer counts the nodes that hold a write; here it counts one more.',
    expects: ['I2'],
    patches: [patch(REPLICAS, '1 + cursors.holders(held ?? record)', '2 + cursors.holders(held ?? record)')],
    profiles: ['calm'],
  },
  {
    name: 'first_of_a_batch_counted',
    rule: 'A batch has as many replicas as the write that has fewest; here only its first is looked at.',
    expects: ['I2'],
    patches: [patch(REPLICAS, 'for (const record of records) {', 'for (const record of records.slice(0, 1)) {')],
    profiles: ['quota', 'loss', 'swarm'],
  },
  {
    name: 'says_it_is_enough',
    rule: 'An answer says when fewer nodes hold a write than were asked for; here it never does.',
    expects: ['I2'],
    patches: [patch('functions/data.ts', 'status: round.replicas >= wanted ? 200 : 202', 'status: round.replicas >= 0 ? 200 : 202')],
    profiles: ['partition', 'crash'],
  },
  {
    name: 'offers_never_wanted',
    rule: 'An offer of what is lacking is answered with the wish for it; here nothing is ever wanted.',
    expects: ['I26', 'I1', 'I2', 'I12'],
    patches: [patch('core/replication/answers.ts', '(store.has(offer) ? [] : [index])', '(store.has(offer) || offer ? [] : [index])')],
    profiles: ['crash', 'partition', 'loss'],
  },
  {
    name: 'wishes_forgotten',
    rule: 'What a peer wants is owed to it until it has it; here it is forgotten.',
    expects: ['I26', 'I1', 'I2', 'I12'],
    patches: [patch(PUSHES, 'const isNoted = cursors.owe(cursor, wanted);', 'const isNoted = cursors.owe(cursor, wanted.slice(0, 0));')],
    profiles: ['crash', 'partition'],
  },
  {
    name: 'only_own_records_told',
    rule: 'Records of others are offered, since their writers may be gone; here they are passed over.',
    expects: ['I26', 'I1', 'I2', 'I12'],
    patches: [
      patch(
        PUSHES,
        'isOurs ? addWhole(delta, cursor, record) : addOffer(delta, record)',
        'isOurs ? addWhole(delta, cursor, record) : true',
      ),
    ],
    profiles: ['crash', 'partition'],
  },
  {
    name: 'flight_never_ends',
    rule: 'What was under way to a peer ends, with or without an answer; here the first that fails is waited for ever.',
    expects: ['I21', 'I1', 'I2'],
    patches: [
      patch(
        PUSHES,
        'if (!(error instanceof Refusal)) throw error;',
        'if (!(error instanceof Refusal)) throw error;\n      await new Promise(() => undefined);',
      ),
      patch(
        PUSHES,
        'return flight !== undefined && flight.beatMs + FLIGHT_MS_MAX > clock.elapsedMs();',
        'return flight !== undefined && flight.beatMs + FLIGHT_MS_MAX > 0;',
      ),
    ],
    profiles: ['loss', 'partition'],
  },
];

const DIGESTS: readonly PlantedBug[] = [
  {
    name: 'digest_keeps_replaced',
    rule: 'The digest changes in the step in which a record is replaced; here the old one stays in it.',
    expects: ['I24'],
    patches: [
      patch(INDEXES, 'orders.bySequence.delete(before);\n        orders.byTime.delete(before);', 'orders.bySequence.delete(before);'),
    ],
    profiles: ['calm'],
    isOfRounds: true,
  },
  {
    name: 'digest_loses_expired',
    rule: 'A record that ended keeps its place in the digest; here it is taken out.',
    expects: ['I24'],
    patches: [patch(INDEXES, 'wipe(record, elapsedMs);\n', 'orders.byTime.delete(record);\n      wipe(record, elapsedMs);\n')],
    profiles: ['calm'],
    isOfRounds: true,
  },
  {
    name: 'digest_keeps_collected',
    rule: 'The digest changes in the step in which a tombstone is collected; here it stays in it.',
    expects: ['I24'],
    patches: [
      patch(
        INDEXES,
        'remove(record) {\n      orders.bySequence.delete(record);\n      orders.byTime.delete(record);',
        'remove(record) {\n      orders.bySequence.delete(record);',
      ),
    ],
    profiles: ['forget'],
    isOfRounds: true,
  },
  {
    name: 'prints_of_an_old_epoch',
    rule: 'Prints are made under the digest key of the current epoch; here the first printer stays.',
    expects: ['I24'],
    patches: [patch(STORE, 'if (indexes.printer()?.epoch !== epoch || !indexes.printer()?.isUnder(key))', 'if (!indexes.printer())')],
    profiles: ['rotation'],
    isOfRounds: true,
  },
];

const COMPARISON: readonly PlantedBug[] = [
  {
    name: 'rounds_find_nothing',
    rule: 'A round finds what differs; here all looks the same.',
    expects: ['I26', 'I13', 'I1', 'I2'],
    patches: [
      patch(
        'core/replication/digests.ts',
        'ours.count === theirs.count && equalBytes(ours.print, theirs.print) ? []',
        'ours.count + theirs.count >= 0 || equalBytes(ours.print, theirs.print) ? []',
      ),
    ],
    profiles: ['chain', 'forget', 'crash'],
  },
  {
    name: 'rounds_compare_counts',
    rule: 'A round compares prints; here only how many records there are.',
    expects: ['I26', 'I13', 'I1', 'I2'],
    patches: [
      patch(
        'core/replication/digests.ts',
        'ours.count === theirs.count && equalBytes(ours.print, theirs.print) ? []',
        'ours.count === theirs.count ? []',
      ),
    ],
    profiles: ['chain', 'forget', 'crash'],
  },
  {
    name: 'round_based_without_sending',
    rule: 'A round counts what it compared as held once the peer has got what it lacked; here before.',
    expects: ['I26', 'I2', 'I12'],
    patches: [
      patch(
        ROUNDS,
        'await pushes.push(peer);\n    if (cursors.of(peer.wallet) === cursor && cursors.missingFrom(cursor) > through) cursors.base(cursor, through);',
        'if (cursors.of(peer.wallet) === cursor) cursors.base(cursor, through);\n    await pushes.push(peer);',
      ),
    ],
    profiles: ['chain', 'forget', 'crash'],
  },
];

const READINESS: readonly PlantedBug[] = [
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
];

const FORGETTING: readonly PlantedBug[] = [
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
      patch(
        CURSORS,
        'return cursor ? Math.min(heldLongAgo(cursor), heldThrough(cursor)) : 0;',
        'return cursor ? heldThrough(cursor) : 0 * heldLongAgo(wallets);',
      ),
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

export const REPLICATION_BUGS: readonly PlantedBug[] = [...COUNTING, ...DIGESTS, ...COMPARISON, ...READINESS, ...FORGETTING];
