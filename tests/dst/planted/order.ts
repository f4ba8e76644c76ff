/** Planted bugs of the order of records, and of what is written. */
import { patch } from './bug.ts';
import type { PlantedBug } from './bug.ts';

const MERGING = 'core/store/merging.ts';
const WRITING = 'core/store/writing.ts';
const STORE = 'core/store/store.ts';
const CLOCK = 'core/store/clock.ts';
const HELD_IS_LATER = 'if (held && compareTimes(held, header) > 0) {';

export const ORDER_BUGS: readonly PlantedBug[] = [
  {
    name: 'smaller_time_wins',
    rule: 'Of two records the later wins; here the earlier does.',
    expects: ['I3', 'I2', 'I4', 'I5'],
    patches: [patch(MERGING, HELD_IS_LATER, 'if (held && compareTimes(held, header) < 0) {')],
    profiles: ['calm', 'partition'],
  },
  {
    name: 'ties_by_arrival',
    rule: 'The order is total: milliseconds, counter, wallet; here records of one second win by coming last.',
    expects: ['I3'],
    patches: [patch(MERGING, HELD_IS_LATER, 'if (held && Math.floor(held.ms / 1_000) > Math.floor(header.ms / 1_000)) {')],
    profiles: ['partition', 'quota', 'swarm'],
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
