/** Planted bugs of anti-entropy: the digest, and what is compared. */
import { patch } from './bug.ts';
import type { PlantedBug } from './bug.ts';

const ROUNDS = 'core/replication/anti-entropy.ts';
const INDEXES = 'core/store/indexes.ts';
const STORE = 'core/store/store.ts';

export const COMPARING_BUGS: readonly PlantedBug[] = [
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
