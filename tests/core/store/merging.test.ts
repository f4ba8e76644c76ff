import { describe, expect, it } from 'vitest';
import {
  CLOCK_SKEW_MAX_MS,
  RECORD_CHARGE_BYTES,
  RECORD_MEMORY_BYTES,
  TTL_MS_MAX,
  VALUE_BYTES_MAX,
  MERGED_QUOTAS_MIN,
  OPERATORS_MAX,
} from '../../../core/limits.ts';
import { hex, utf8 } from '../../../core/wire/bytes.ts';
import { reasonOf, createClock, flipped, START_MS } from '../fakes.ts';
import {
  a,
  allSent,
  app,
  b,
  c,
  clusterOf,
  createKeyTable,
  e0,
  e1,
  farthestMs,
  forged,
  otherApp,
  pass,
  printOf,
  read,
  readable,
  recordOf,
  sentOf,
  stateOf,
  storeOf,
  walletOf,
  word,
} from './stores.ts';
import type { Wallet } from '../../../core/identity.ts';
import type { Header } from '../../../core/store/record.ts';
import type { Forgery, TestStore } from './stores.ts';

/** A store that holds `k`; records that come from `b` for it are later. */
function holding() {
  const store = storeOf();
  store.put(app, 'k', utf8('held'));
  store.put(otherApp, 'k', utf8('of the other'));
  return store;
}

const later = (header: Partial<Header> = {}): Forgery => ({ header: { ms: START_MS + 1, ...header } });

/** The word for it, after checking that nothing has changed but what the clock of the store may have seen. */
function refusal(store: TestStore, record: ReturnType<typeof forged>): string {
  const [before, seen] = [stateOf(store), readable(store)];
  const merged = word(store.merge(record));
  expect(stateOf(store)).toEqual(before);
  expect(readable(store)).toEqual(seen);
  return merged;
}

describe('a merged record', () => {
  it('is stored when its key is free, and when it is the later one', () => {
    const store = holding();
    expect(word(store.merge(forged({ header: { key: 'new' } })))).toBe('stored');
    expect(word(store.merge(forged({ ...later(), value: utf8('newer') })))).toBe('stored');
    expect([read(store, 'k'), read(store, 'new'), read(store, 'k', otherApp)]).toEqual(['newer', 'v', 'of the other']);
    expect(store.gauges()).toMatchObject({ keys: 3, tombstones: 0 });
  });
  it('is superseded when it is the earlier one, by the version that is there', () => {
    const store = holding();
    const version = store.get(app, 'k')?.version;
    const record = forged({ header: { ms: START_MS - 1 } });
    expect(store.merge(record)).toMatchObject({ kind: 'superseded', version });
    expect(refusal(store, record)).toBe('superseded');
  });
  it('S-M3 has lost to one that had not seen it, also when its push is repeated because the answer was lost', () => {
    const [a, b] = clusterOf();
    a.put(app, 'k', utf8('a'));
    b.put(app, 'k', utf8('b'));
    const record = sentOf(a, 'k');
    const [first, again] = [b.merge(record), b.merge(record)];
    expect([first, again]).toMatchObject([
      { kind: 'superseded', isConcurrent: true },
      { kind: 'superseded', isConcurrent: true },
    ]);
  });
  it('has lost nothing to one that followed it', () => {
    const [a, b] = clusterOf();
    const { version } = a.put(app, 'k', utf8('a'));
    const record = sentOf(a, 'k');
    b.merge(record);
    b.put(app, 'k', utf8('b'), { ifVersion: version });
    expect(b.merge(record)).toMatchObject({ kind: 'superseded', isConcurrent: false });
    const held = a.held(app, 'k');
    a.merge(sentOf(b, 'k'));
    expect(held && a.lostTo(held)).toBeUndefined();
  });
  it('is equal the second time, whatever body it comes with', () => {
    const store = storeOf();
    const record = forged();
    store.merge(record);
    expect(refusal(store, record)).toBe('equal');
    expect(refusal(store, { ...record, sealed: flipped(record.sealed) })).toBe('equal');
    expect(read(store, 'k')).toBe('v');
  });
  it('of any age is taken', () => {
    const store = storeOf();
    expect(word(store.merge(forged({ header: { ms: 0 } })))).toBe('stored');
    expect(word(store.merge(forged({ header: { ms: 1, key: 'l' } })))).toBe('stored');
    expect([read(store, 'k'), read(store, 'l')]).toEqual(['v', 'v']);
  });
  it('moves the clock, so that the next write here is later', () => {
    const store = storeOf();
    store.merge(forged({ header: { ms: farthestMs(store.clock), logical: 7 } }));
    const written = store.put(app, 'k', utf8('mine'));
    expect(written.record).toMatchObject({ ms: farthestMs(store.clock), logical: 8 });
    expect(read(store, 'k')).toBe('mine');
  });
  it('of a tombstone hides the value, and has none itself', () => {
    const store = holding();
    expect(word(store.merge(forged(later({ kind: 'tombstone' }))))).toBe('stored');
    expect([read(store, 'k'), store.list(app, '', undefined, 9).keys]).toEqual([undefined, []]);
    expect(store.gauges()).toMatchObject({ keys: 1, tombstones: 1 });
  });
  it('travels on from there as it came', () => {
    const [one, two, three] = clusterOf();
    one.put(app, 'k', utf8('v'), { ttlMs: 9_000 });
    one.delete(app, 'l');
    for (const [from, to] of [
      [one, two],
      [two, three],
    ] as const)
      expect(pass(from, to).map(word)).toEqual(['stored', 'stored']);
    expect(allSent(three).map(({ header }) => hex(header))).toEqual(allSent(one).map(({ header }) => hex(header)));
    expect([printOf(three), three.get(app, 'k')?.version]).toEqual([printOf(one), one.get(app, 'k')?.version]);
    expect(three.get(app, 'k')?.expiresAtMs).toBe(START_MS + 9_000);
  });
});

describe('R-2 a record is refused, and nothing has changed, when it', () => {
  it('is not poisoned and all is as it should be: then it is stored, so these refusals have one cause each', () =>
    expect(word(holding().merge(forged(later())))).toBe('stored'));
  it.each<[string, string, Forgery]>([
    ['is of the future', 'future_record', later({ ms: START_MS + CLOCK_SKEW_MAX_MS + 1 })],
    ['is a tombstone of the future', 'future_record', later({ ms: START_MS + CLOCK_SKEW_MAX_MS + 1, kind: 'tombstone' })],
    ['is of the year 287396', 'future_record', later({ ms: Number.MAX_SAFE_INTEGER })],
    ['is of an epoch that is not held', 'unknown_epoch', { ...later(), epoch: e1, keys: createKeyTable(e1) }],
    ['is empty before its expiry', 'future_record', { ...later({ expiresAtMs: START_MS + CLOCK_SKEW_MAX_MS + 1 }), isEmpty: true }],
    ['is empty long before it', 'bad_record', { ...later({ expiresAtMs: START_MS + 2 * CLOCK_SKEW_MAX_MS + 1 }), isEmpty: true }],
    ['is empty and never expires', 'bad_record', { ...later(), isEmpty: true }],
    ['lives longer than a caller may ask', 'bad_record', later({ expiresAtMs: START_MS + 2 + TTL_MS_MAX + CLOCK_SKEW_MAX_MS })],
    ['lives for ever by overflow', 'bad_record', later({ expiresAtMs: Number.MAX_SAFE_INTEGER })],
    ['commits to another value', 'bad_record', later({ commitment: new Uint8Array(32).fill(1) })],
    ['commits to nothing', 'bad_record', later({ commitment: new Uint8Array(32) })],
    ['has a key that is too long', 'bad_record', later({ key: 'x'.repeat(513) })],
    ['is a tombstone with a body', 'bad_record', { ...later({ kind: 'tombstone' }), isEmpty: false }],
    ['has a value that is too large', 'bad_record', { ...later(), value: new Uint8Array(VALUE_BYTES_MAX + 1) }],
    ['has the time of another', 'equivocation', { header: { ms: START_MS, origin: a } }],
    ['has the time of another key’s', 'equivocation', { header: { ms: START_MS, origin: a, key: 'l' } }],
  ])('%s', (_what, reason, forgery) => expect(refusal(holding(), forged(forgery))).toBe(reason));
  it('is cut, flipped, or sealed for another header', () => {
    const store = holding();
    const record = forged(later());
    for (let index = 0; index < record.header.length; index += 1) {
      const merged = refusal(store, { ...record, header: flipped(record.header, index, index % 8) });
      expect(['bad_record', 'future_record']).toContain(merged);
    }
    for (let index = 0; index < record.sealed.length; index += 1)
      expect(refusal(store, { ...record, sealed: flipped(record.sealed, index) })).toBe('bad_record');
    for (const length of [0, 1, 27, 59, record.sealed.length - 1])
      expect(refusal(store, { ...record, sealed: record.sealed.subarray(0, length) })).toBe('bad_record');
    for (const length of [0, 1, 129, 130])
      expect(refusal(store, { ...record, header: record.header.subarray(0, length) })).toBe('bad_record');
    expect(word(store.merge(record))).toBe('stored');
  });
  it('says another epoch, or that it is empty, than it was sealed for', () => {
    const keys = createKeyTable(e0, e1);
    const store = storeOf({ keys });
    const record = forged({ ...later(), keys });
    expect(refusal(store, { ...record, epoch: e1 })).toBe('bad_record');
    expect(refusal(store, { ...record, isEmpty: true })).toBe('bad_record');
    const expired = forged({ ...later({ expiresAtMs: START_MS - 5 }), keys });
    expect(refusal(store, { ...expired, isEmpty: true })).toBe('bad_record');
    expect(refusal(store, { ...forged({ ...later({ kind: 'tombstone' }), keys }), isEmpty: false })).toBe('bad_record');
  });
  it('U-2 has the header of another record of the same writer, app and key', () => {
    const [writer, store] = clusterOf();
    writer.put(app, 'k', utf8('balance 100'));
    const old = sentOf(writer, 'k');
    writer.put(app, 'k', utf8('balance 5'));
    const current = sentOf(writer, 'k');
    expect(refusal(store, { ...current, sealed: old.sealed })).toBe('bad_record');
    expect(refusal(store, { ...old, sealed: current.sealed })).toBe('bad_record');
  });
  it('would take a place that the quota of all members has not, and keeps every record that is there', () => {
    const members = new Set([a, b]);
    const store = storeOf({ members, quotaBytes: 1_000 });
    store.put(app, 'k', new Uint8Array(700));
    const record = (key: string, length: number) => forged({ header: { key, counter: length }, value: new Uint8Array(length) });
    const room = MERGED_QUOTAS_MIN * 1_000 - (700 + 1 + RECORD_CHARGE_BYTES) - (1 + RECORD_CHARGE_BYTES);
    expect(refusal(store, record('l', room + 1))).toBe('quota_exceeded');
    expect(word(store.merge(record('l', room)))).toBe('stored');
    expect(refusal(store, forged({ header: { key: 'm', kind: 'tombstone', logical: 1 } }))).toBe('quota_exceeded');
    expect(store.gauges()).toMatchObject({ keys: 2, bytes: MERGED_QUOTAS_MIN * 1_000 });
  });
  it('ends where the memory of the node does, for its own writes first', () => {
    const memoryBytesMax = 10 * RECORD_MEMORY_BYTES;
    const store = storeOf({ memoryBytesMax });
    let own = 0;
    const write = () => store.put(app, `k${own}`, new Uint8Array(0));
    for (; own < 9; own += 1) write();
    store.delete(app, 'gone');
    expect(reasonOf(() => [write(), (own += 1), write()])).toBe('store_full');
    expect(reasonOf(() => store.put(app, 'k0', new Uint8Array(900), { whenFull: 'evict' }))).toBe('store_full');
    const words = Array.from({ length: 8 }, (_, n) => store.merge(forged({ header: { key: `m${n}`, counter: n + 1, logical: n } })));
    expect(words.map(word)).toContain('stored');
    expect(words.at(-1)).toEqual({ kind: 'refused', reason: 'store_full' });
    expect(store.gauges().bytes).toBeLessThan(1.5 * memoryBytesMax);
  });
  it('has room for what the members hold while it catches up', () => {
    const store = storeOf({ quotaBytes: 1_000, isCatchingUp: true });
    expect(word(store.merge(forged({ value: new Uint8Array(9_000) })))).toBe('stored');
  });
  it('may be one of a moment for each member that there can be, and no more', () => {
    const store = storeOf();
    const at = (n: number) =>
      forged({ header: { key: `k${n}`, counter: n + 1, origin: `0x${n.toString(16).padStart(40, '0')}` as Wallet } });
    for (let n = 1; n <= OPERATORS_MAX; n += 1) expect(word(store.merge(at(n)))).toBe('stored');
    expect(refusal(store, at(OPERATORS_MAX + 1))).toBe('equivocation');
  });
});

describe('the quota of merges', () => {
  it('lets in what shrinks, however full it is', () => {
    const store = storeOf({ members: new Set([a]), quotaBytes: 1_000 });
    store.put(app, 'k', new Uint8Array(700));
    store.members.delete(a);
    expect(word(store.merge(forged({ ...later(), value: new Uint8Array(699) })))).toBe('stored');
    expect(word(store.merge(forged(later({ ms: START_MS + 2, counter: 2, kind: 'tombstone' }))))).toBe('stored');
  });
  it('charges a value that has expired for its key only', () => {
    const store = storeOf({ members: new Set([a]), quotaBytes: 300 });
    expect(word(store.merge(forged({ header: { expiresAtMs: START_MS - 1 }, value: new Uint8Array(2_000) })))).toBe('stored');
    expect(store.gauges()).toMatchObject({ keys: 0, tombstones: 1, bytes: 1 + RECORD_CHARGE_BYTES });
  });
  it('of one app is not another’s', () => {
    const store = storeOf({ members: new Set([a]), quotaBytes: 1_000 });
    store.put(app, 'k', new Uint8Array(700));
    expect(word(store.merge(forged({ header: { appId: otherApp }, value: new Uint8Array(700) })))).toBe('stored');
  });
  it('leaves writes to wait until there is room again, but no delete, and none that makes it less', () => {
    const store = storeOf({ members: new Set([a, b]), quotaBytes: 1_000 });
    store.merge(forged({ header: { key: 'x' }, value: new Uint8Array(1_500) }));
    expect(() => store.put(app, 'k', utf8(''))).toThrow('quota_exceeded');
    expect(() => store.put(app, 'x', new Uint8Array(1_501))).toThrow('quota_exceeded');
    for (const length of [1_500, 1_499]) store.put(app, 'x', new Uint8Array(length));
    expect(store.get(app, 'x')?.value).toHaveLength(1_499);
    expect(store.delete(app, 'x').existed).toBe(true);
    store.put(app, 'k', utf8(''));
    expect(store.gauges()).toMatchObject({ keys: 1, tombstones: 1 });
  });
});

describe('the edge of the future', () => {
  it.each([
    [0, 'stored'],
    [1, 'future_record'],
  ])('at %i ms beyond the skew: %s', (beyond, expected) => {
    const store = storeOf();
    expect(word(store.merge(forged({ header: { ms: farthestMs(store.clock) + beyond } })))).toBe(expected);
  });
  it('comes nearer: what was refused is taken when its time has come', () => {
    const store = storeOf();
    const record = forged({ header: { ms: farthestMs(store.clock) + 50 } });
    expect(refusal(store, record)).toBe('future_record');
    store.clock.advance(50);
    expect(word(store.merge(record))).toBe('stored');
  });
  it('does not move the clock of the store for what is refused', () => {
    const store = storeOf();
    const keys = createKeyTable(e0, e1);
    for (const forgery of [
      later({ ms: farthestMs(store.clock) + 1 }),
      later({ ms: farthestMs(store.clock), commitment: new Uint8Array(32) }),
      { ...later({ ms: farthestMs(store.clock) }), keys, epoch: e1 },
    ])
      expect(store.merge(forged(forgery)).kind).toBe('refused');
    expect(store.put(app, 'k', utf8('v')).record).toMatchObject({ ms: START_MS, logical: 0 });
  });
});

describe('two that wrote in the same millisecond', () => {
  /** Two members write the same key before either has heard of the other. */
  function raced(order: 'ours first' | 'theirs first', act: (store: TestStore, text: string) => void) {
    const [one, two] = clusterOf();
    act(one, 'one');
    act(two, 'two');
    const [first, second] = order === 'ours first' ? [one, two] : [two, one];
    const words = [...pass(first, second), ...pass(second, first)].map(word);
    return { one, two, words };
  }

  it.each(['ours first', 'theirs first'] as const)('S-M3 have one winner everywhere, and the loser is told which (%s)', (order) => {
    const { one, two, words } = raced(order, (store, text) => void store.put(app, 'k', utf8(text)));
    expect([read(one, 'k'), read(two, 'k')]).toEqual(['two', 'two']);
    expect(printOf(one)).toBe(printOf(two));
    expect(words).toEqual(order === 'ours first' ? ['superseded', 'stored'] : ['stored', 'equal']);
  });
  it('S-M3 one deleting: the later writer wins also then, and it is no accident which', () => {
    const remove = (store: TestStore, text: string) => (text === 'two' ? store.delete(app, 'k') : store.put(app, 'k', utf8(text)));
    const { one, two } = raced('theirs first', remove);
    expect([read(one, 'k'), read(two, 'k')]).toEqual([undefined, undefined]);
  });
  it('S-M3 tell the loser’s caller at its next conditional write', () => {
    const { one } = raced('ours first', (store, text) => void store.put(app, 'k', utf8(text)));
    const version = one.get(app, 'k')?.version;
    expect(() => one.put(app, 'k', utf8('again'), { ifVersion: 'A'.repeat(22) })).toThrow('version_conflict');
    one.put(app, 'k', utf8('again'), { ifVersion: version as string });
    expect(read(one, 'k')).toBe('again');
  });
  it('S-M3 name the winner where the loser was written, and where it arrives', () => {
    const [one, two] = clusterOf();
    const { record } = one.put(app, 'k', utf8('one'));
    two.put(app, 'k', utf8('two'));
    const [loser, winner] = [sentOf(one, 'k'), sentOf(two, 'k')];
    const version = two.get(app, 'k')?.version;
    expect(two.merge(loser)).toEqual({ kind: 'superseded', version, isConcurrent: true });
    expect([word(one.merge(winner)), one.lostTo(record)]).toEqual(['stored', version]);
  });
  it('S-M3 name nobody to a writer whose record was seen before it was replaced', () => {
    const [one, two] = clusterOf();
    const { record } = one.put(app, 'k', utf8('one'));
    const first = sentOf(one, 'k');
    two.merge(first);
    const { version } = two.put(app, 'k', utf8('two'));
    expect(two.merge(first)).toEqual({ kind: 'superseded', version, isConcurrent: false });
    expect([word(one.merge(sentOf(two, 'k'))), one.lostTo(record)]).toEqual(['stored', undefined]);
  });
  it('count one conflict where it was found, once, however often they meet', () => {
    const { one, two } = raced('ours first', (store, text) => void store.put(app, 'k', utf8(text)));
    for (let rounds = 0; rounds < 3; rounds += 1) {
      pass(one, two);
      pass(two, one);
    }
    expect([one.gauges().conflicts, two.gauges().conflicts]).toEqual([0, 1]);
  });
});

describe('a vector clock', () => {
  it('is merged on both outcomes: who wrote after both has seen both', () => {
    const [one, two, three] = clusterOf();
    one.put(app, 'k', utf8('one'));
    two.put(app, 'k', utf8('two'));
    const [ofOne, ofTwo] = [sentOf(one, 'k'), sentOf(two, 'k')];
    const both = [
      { wallet: a, count: 1 },
      { wallet: b, count: 1 },
    ];
    expect([word(one.merge(ofTwo)), word(two.merge(ofOne))]).toEqual(['stored', 'superseded']);
    expect([recordOf(one, 'k').clock, recordOf(two, 'k').clock]).toEqual([both, both]);
    pass(one, three);
    three.put(app, 'k', utf8('three'));
    expect(recordOf(three, 'k').clock).toEqual([...both, { wallet: c, count: 1 }]);
    expect(word(two.merge(sentOf(three, 'k')))).toBe('stored');
    expect([one, two, three].map((store) => store.gauges().conflicts)).toEqual([1, 1, 0]);
  });
  it('is no part of the digest, and is learned from an equal record without a change', () => {
    const [one, two] = clusterOf();
    one.put(app, 'k', utf8('v'));
    const record = sentOf(one, 'k');
    two.merge(record);
    const before = stateOf(two);
    two.merge({
      ...record,
      clock: [
        { wallet: a, count: 1 },
        { wallet: c, count: 9 },
      ],
    });
    expect(stateOf(two)).toEqual(before);
    expect(recordOf(two, 'k').clock).toEqual([
      { wallet: a, count: 1 },
      { wallet: c, count: 9 },
    ]);
  });
  it('holds members only, wherever it comes from', () => {
    const stranger = walletOf('d');
    const store = storeOf();
    store.merge(
      forged({
        clock: [
          { wallet: b, count: 1 },
          { wallet: stranger, count: 5 },
        ],
      }),
    );
    expect(recordOf(store, 'k').clock).toEqual([{ wallet: b, count: 1 }]);
    store.members.delete(b);
    store.put(app, 'k', utf8('v'));
    expect(recordOf(store, 'k').clock).toEqual([{ wallet: a, count: 1 }]);
  });
  it('makes no conflict of a successor when a member has gone in between', () => {
    const gone = walletOf('d');
    const members = new Set([a, b, gone]);
    const clock = createClock();
    const [first, held, next] = [gone, a, b].map((wallet) => storeOf({ wallet, members, clock })) as [TestStore, TestStore, TestStore];
    first.put(app, 'k', utf8('1'));
    pass(first, held);
    pass(first, next);
    next.put(app, 'k', utf8('2'));
    const record = sentOf(next, 'k');
    members.delete(gone);
    expect(word(held.merge(record))).toBe('stored');
    expect(held.gauges().conflicts).toBe(0);
  });
});

describe('a lying writer', () => {
  it('R-2 that sends the highest count of another’s clock keeps nobody from writing what peers can read', () => {
    const [one, two] = clusterOf();
    one.merge(forged({ clock: [{ wallet: a, count: Number.MAX_SAFE_INTEGER }] }));
    one.put(app, 'k', utf8('mine'));
    const record = sentOf(one, 'k');
    expect(record.clock.every(({ count }) => Number.isSafeInteger(count))).toBe(true);
    expect(word(two.merge(record))).toBe('stored');
  });
  it('that gives one dot to two records is reported, and ours stays', () => {
    const store = holding();
    const { incarnation, counter } = recordOf(store, 'k');
    expect(refusal(store, forged(later({ incarnation, counter })))).toBe('equivocation');
    expect(read(store, 'k')).toBe('held');
  });
  it('that gives one time to two values leaves each node with its first, and both say so', () => {
    const [one, two] = clusterOf();
    const [x, y] = [forged({ value: utf8('x') }), forged({ value: utf8('y'), header: { counter: 2 } })];
    one.merge(x);
    two.merge(y);
    expect([refusal(one, y), refusal(two, x)]).toEqual(['equivocation', 'equivocation']);
    expect([read(one, 'k'), read(two, 'k')]).toEqual(['x', 'y']);
  });
  it('is healed by the next honest write', () => {
    const [one, two] = clusterOf();
    one.merge(forged({ value: utf8('x') }));
    two.merge(forged({ value: utf8('y'), header: { counter: 2 } }));
    one.put(app, 'k', utf8('honest'));
    expect(word(two.merge(sentOf(one, 'k')))).toBe('stored');
    expect(printOf(one)).toBe(printOf(two));
  });
  it('that names another as the writer cannot take a time that the other gives later', () => {
    const store = storeOf();
    store.merge(forged({ header: { origin: a, key: 'bait', ms: START_MS, logical: 3 } }));
    expect(store.put(app, 'k', utf8('v')).record).toMatchObject({ ms: START_MS, logical: 4, origin: a });
  });
});

describe('an expired value', () => {
  it('is taken without its body, hidden, and has its place in the digest', () => {
    const [writer, late] = clusterOf();
    writer.put(app, 'k', utf8('v'), { ttlMs: 10 });
    const record = sentOf(writer, 'k');
    writer.clock.advance(10);
    expect(word(late.merge(record))).toBe('stored');
    expect([read(late, 'k'), late.gauges().keys, sentOf(late, 'k').isEmpty]).toEqual([undefined, 0, true]);
    expect(read(writer, 'k')).toBeUndefined();
    expect(printOf(late)).toBe(printOf(writer));
  });
  it('is taken empty as well, by clocks that are a little behind too', () => {
    const [writer, late] = clusterOf();
    writer.put(app, 'k', utf8('v'), { ttlMs: 10 });
    writer.clock.advance(10);
    writer.maintain(() => false);
    const record = sentOf(writer, 'k');
    late.clock.set(-CLOCK_SKEW_MAX_MS);
    expect(record.isEmpty).toBe(true);
    expect(word(late.merge(record))).toBe('stored');
    expect(read(late, 'k')).toBeUndefined();
    writer.clock.set(-1);
    expect(word(storeOf({ clock: late.clock, wallet: c }).merge(record))).toBe('future_record');
  });
  it('does not wipe the value of a node that has it and thinks it alive', () => {
    const [writer, peer] = clusterOf();
    writer.put(app, 'k', utf8('v'), { ttlMs: 10 });
    pass(writer, peer);
    writer.clock.advance(10);
    writer.maintain(() => false);
    writer.clock.set(-5);
    expect(word(peer.merge(sentOf(writer, 'k')))).toBe('equal');
    expect(read(peer, 'k')).toBe('v');
  });
});
