/** Planted bugs of pushing, and of counting who has what. */
import { patch } from './bug.ts';
import type { PlantedBug } from './bug.ts';

const PUSHES = 'core/replication/pushes.ts';
const CURSORS = 'core/replication/cursors.ts';
const REPLICAS = 'core/replication/replicas.ts';

export const PUSHING_BUGS: readonly PlantedBug[] = [
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
  {
    name: 'refused_without_end',
    rule: 'So many refused records of a peer are remembered; here all of them are, and the limit is low enough to be met.',
    expects: ['I22'],
    patches: [
      patch(
        'core/replication/cursors.ts',
        'if (cursor.refused.size > limits.OWED_PER_PEER_MAX) overflow(cursor);',
        'if (cursor.refused.size > 1e6 * limits.OWED_PER_PEER_MAX) overflow(cursor);',
      ),
      patch(
        'core/replication/pushes.ts',
        'if (cursor.refused.size > limits.OWED_PER_PEER_MAX) return;',
        'if (cursor.refused.size > 1e6 * limits.OWED_PER_PEER_MAX) return;',
      ),
      patch('core/limits.ts', 'export const OWED_PER_PEER_MAX = 24;', 'export const OWED_PER_PEER_MAX = 1;'),
    ],
    profiles: ['skew', 'quota'],
  },
  {
    name: 'tombstone_of_nothing_not_taken',
    rule: 'A tombstone is taken also where its key is not held; here it is only said to be.',
    expects: ['I1', 'I2', 'I26'],
    patches: [
      patch(
        'core/store/merging.ts',
        'if (isConcurrent) shelf.lostTo.set(held, versionOf(id));',
        "if (isConcurrent) shelf.lostTo.set(held, versionOf(id));\n      if (!held && header.kind === 'tombstone') return { kind: 'equal' };",
      ),
    ],
    profiles: ['calm', 'loss'],
  },
];
