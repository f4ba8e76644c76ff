import { describe, expect, it } from 'vitest';
import { Refusal } from '../../../core/errors.ts';
import {
  CLOCK_SKEW_MAX_MS,
  CLOCK_SKEW_SLACK_MS,
  HLC_LOGICAL_MAX,
  RECORD_CHARGE_BYTES,
  TOMBSTONES_PER_APP_MAX,
  TTL_MS_MAX,
} from '../../../core/limits.ts';
import { compareTimes } from '../../../core/store/clock.ts';
import { utf8 } from '../../../core/wire/bytes.ts';
import { reasonOf, START_MS } from '../fakes.ts';
import {
  a,
  app,
  b,
  clusterOf,
  counted,
  farthestMs,
  forged,
  otherApp,
  pass,
  read,
  recordOf,
  sentOf,
  stateOf,
  storeOf,
  word,
} from './stores.ts';
import type { TestStore } from './stores.ts';

const VERSION_OF_NOBODY = 'A'.repeat(22);

/** The refusal, after checking that nothing at all has changed. */
function refused(store: TestStore, act: () => unknown): Refusal {
  const before = stateOf(store);
  try {
    act();
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    expect(stateOf(store)).toEqual(before);
    return error;
  }
  throw new Error('it was not refused');
}

describe('a conditional write', () => {
  it('happens when the version is the one that is there', () => {
    const store = storeOf();
    const first = store.put(app, 'k', utf8('1'), { ifVersion: null });
    const second = store.put(app, 'k', utf8('2'), { ifVersion: first.version });
    expect(store.delete(app, 'k', { ifVersion: second.version }).existed).toBe(true);
    expect(store.delete(app, 'k', { ifVersion: null }).existed).toBe(false);
    store.put(app, 'k', utf8('3'), { ifVersion: null });
    expect(read(store, 'k')).toBe('3');
  });
  it.each<[string, (store: TestStore, version: string) => unknown]>([
    ['a put over another version', (store) => store.put(app, 'k', utf8('x'), { ifVersion: VERSION_OF_NOBODY })],
    ['a put that expects nothing', (store) => store.put(app, 'k', utf8('x'), { ifVersion: null })],
    ['a delete of another version', (store) => store.delete(app, 'k', { ifVersion: VERSION_OF_NOBODY })],
    ['a delete that expects nothing', (store) => store.delete(app, 'k', { ifVersion: null })],
    [
      'a put over a version of another app',
      (store) => store.put(app, 'k', utf8('x'), { ifVersion: store.get(otherApp, 'k')?.version ?? '' }),
    ],
  ])('is refused with the version that is there, and nothing has changed: %s', (_what, act) => {
    const store = storeOf();
    const { version } = store.put(app, 'k', utf8('v'));
    store.put(otherApp, 'k', utf8('v'));
    const refusal = refused(store, () => act(store, version));
    expect([refusal.reason, refusal.facts]).toEqual(['version_conflict', { current_version: version }]);
    expect(read(store, 'k')).toBe('v');
  });
  it.each<[string, (store: TestStore) => unknown]>([
    ['was never there', () => undefined],
    ['was deleted', (store) => store.delete(app, 'k')],
    ['has expired', (store) => void (store.put(app, 'k', utf8('v'), { ttlMs: 1 }), store.clock.advance(1))],
  ])('finds nothing where the key %s', (_what, prepare) => {
    const store = storeOf();
    prepare(store);
    store.maintain(() => false);
    const { reason, facts } = refused(store, () => store.put(app, 'k', utf8('x'), { ifVersion: VERSION_OF_NOBODY }));
    expect([reason, facts]).toEqual(['version_conflict', { current_version: null }]);
    store.put(app, 'k', utf8('x'), { ifVersion: null });
    expect(read(store, 'k')).toBe('x');
  });
  it.each<[string, unknown, (store: TestStore, version: string) => unknown]>([
    ['put on condition of it', 'version_conflict', (store, ifVersion) => reasonOf(() => store.put(app, 'k', utf8('x'), { ifVersion }))],
    ['put on condition of nothing', 'none', (store) => reasonOf(() => store.put(app, 'k', utf8('x'), { ifVersion: null }))],
    ['delete on condition of it', 'version_conflict', (store, ifVersion) => reasonOf(() => store.delete(app, 'k', { ifVersion }))],
    ['delete', false, (store) => store.delete(app, 'k').existed],
  ])('finds no value that has expired and waits behind many others to be wiped: a %s is told %s', (_what, told, act) => {
    const store = storeOf();
    for (let index = 0; index < 200; index += 1) store.put(app, `before ${index}`, utf8('v'), { ttlMs: 1 });
    const { version } = store.put(app, 'k', utf8('v'), { ttlMs: 2 });
    store.clock.advance(2);
    expect(act(store, version)).toBe(told);
    expect(store.gauges().keys).toBeGreaterThan(100);
  });
  it('S-M3 tells a writer that it lost to a peer, with the version that won', () => {
    const [one, two] = clusterOf();
    const mine = one.put(app, 'k', utf8('one'));
    two.put(app, 'k', utf8('two'));
    pass(two, one);
    const refusal = refused(one, () => one.put(app, 'k', utf8('more'), { ifVersion: mine.version }));
    expect(refusal.facts).toEqual({ current_version: two.get(app, 'k')?.version ?? '' });
  });
});

describe('a write', () => {
  it('has a dot, a time and a sequence of its own, each after the one before, in every namespace', () => {
    const store = storeOf();
    const records = [
      store.put(app, 'k', utf8('')),
      store.put(otherApp, 'k', utf8('')),
      store.delete(app, 'k'),
      store.delete(app, 'never'),
      store.put(app, 'k', utf8('')),
    ].map(({ record }) => record);
    expect(records.map(({ sequence, counter }) => [sequence, counter])).toEqual([1, 2, 3, 4, 5].map((each) => [each, each]));
    expect(new Set(records.map(({ incarnation }) => incarnation)).size).toBe(1);
    records.slice(1).forEach((record, index) => expect(compareTimes(record, records[index] as typeof record)).toBeGreaterThan(0));
  });
  it('goes on counting when records of peers come in between', () => {
    const store = storeOf();
    store.put(app, 'k', utf8(''));
    store.merge(forged({ header: { key: 'l', counter: 900 } }));
    expect(store.put(app, 'm', utf8('')).record).toMatchObject({ counter: 2, sequence: 3 });
  });
  it('is refused while the clock is too far behind, and nothing has changed', () => {
    const store = storeOf();
    store.put(app, 'k', utf8('v'));
    store.clock.set(-CLOCK_SKEW_MAX_MS - CLOCK_SKEW_SLACK_MS - 1);
    for (const act of [() => store.put(app, 'k', utf8('x')), () => store.put(app, 'new', utf8('x')), () => store.delete(app, 'k')])
      expect(refused(store, act).reason).toBe('clock_unusable');
    expect(read(store, 'k')).toBe('v');
    store.clock.advance(CLOCK_SKEW_SLACK_MS + 1);
    store.delete(app, 'k');
    expect(word(storeOf({ wallet: b, clock: store.clock }).merge(sentOf(store, 'k')))).toBe('stored');
  });
  it('cannot be kept from happening by a peer at the edge of the future, and is half done never', () => {
    const store = storeOf({ quotaBytes: 3_000 });
    for (const key of ['a', 'b']) store.put(app, key, new Uint8Array(1_000));
    const ahead = { ms: farthestMs(store.clock), logical: HLC_LOGICAL_MAX - 1 };
    expect(word(store.merge(forged({ header: { key: 'z', appId: otherApp, ...ahead } })))).toBe('stored');
    const { evicted } = store.put(app, 'new', new Uint8Array(1_000), { whenFull: 'evict' });
    expect(evicted).toEqual(['a']);
    expect([store.list(app, '', undefined, 9).keys, counted(store, app).bytes <= 3_000]).toEqual([['b', 'new'], true]);
    const farthest = Math.max(...[...store.changes(0)].map(({ ms }) => ms));
    expect(farthest).toBeLessThanOrEqual(farthestMs(store.clock) + CLOCK_SKEW_SLACK_MS);
  });
  it.each([1, TTL_MS_MAX])('that lives %i ms is one that peers take', (ttlMs) => {
    const [one, two] = clusterOf();
    two.merge(forged({ header: { key: 'ahead', ms: farthestMs(two.clock) } }));
    one.clock.set(-5);
    expect(one.put(app, 'k', utf8('v'), { ttlMs }).expiresAtMs).toBe(START_MS - 5 + ttlMs);
    expect(word(two.merge(sentOf(one, 'k')))).toBe('stored');
  });
  it.each(['', 'x'.repeat(513), '€'.repeat(171), '\ud800', 'a\udc00'])(
    'of the key %j is a fault of its caller, and does nothing',
    (key) => {
      const store = storeOf();
      const before = stateOf(store);
      expect(() => store.put(app, key, utf8('v'))).toThrow('must hold');
      expect(() => store.delete(app, key)).toThrow('must hold');
      expect(stateOf(store)).toEqual(before);
    },
  );
  it('is no use of another record, and leaves those of others as they were', () => {
    const store = storeOf();
    store.put(app, 'k', utf8('v'));
    const before = recordOf(store, 'k');
    store.put(app, 'l', utf8('w'));
    expect(recordOf(store, 'k')).toBe(before);
    expect(before.clock).toEqual([{ wallet: a, count: 1 }]);
  });
});

describe('the quota', () => {
  const charge = (key: string, length: number) => utf8(key).length + length + RECORD_CHARGE_BYTES;

  it('is charged by key, value and record, and filled to the last byte', () => {
    const store = storeOf({ quotaBytes: charge('é', 100) + charge('l', 50) });
    store.put(app, 'é', new Uint8Array(100));
    expect(refused(store, () => store.put(app, 'l', new Uint8Array(51))).reason).toBe('quota_exceeded');
    store.put(app, 'l', new Uint8Array(50));
    expect(store.gauges().bytes).toBe(charge('é', 100) + charge('l', 50));
  });
  it('refuses with its numbers, and every record that was acknowledged is still there', () => {
    const store = storeOf({ quotaBytes: 1_000 });
    store.put(app, 'k', utf8('v'));
    store.put(app, 'l', utf8('w'));
    const { reason, facts } = refused(store, () => store.put(app, 'm', new Uint8Array(500)));
    expect(reason).toBe('quota_exceeded');
    expect(facts).toEqual({ used_bytes: 2 * charge('k', 1), quota_bytes: 1_000, needed_bytes: charge('m', 500) });
    expect(refused(store, () => store.put(app, 'k', new Uint8Array(800))).facts).toMatchObject({ needed_bytes: 799 });
    expect([read(store, 'k'), read(store, 'l')]).toEqual(['v', 'w']);
  });
  it('lets in what does not grow, though it is full, and every delete of a key that is held', () => {
    const store = storeOf({ quotaBytes: charge('k', 10) });
    store.put(app, 'k', new Uint8Array(10));
    store.put(app, 'k', new Uint8Array(10));
    store.put(app, 'k', new Uint8Array(3));
    expect(store.delete(app, 'k').existed).toBe(true);
    expect(store.delete(app, 'k').existed).toBe(false);
    expect(store.gauges().bytes).toBe(charge('k', 0));
  });
  it('charges the tombstone of a key that was not there', () => {
    const store = storeOf({ quotaBytes: charge('k', 10) });
    store.put(app, 'k', new Uint8Array(10));
    expect(refused(store, () => store.delete(app, 'l')).reason).toBe('quota_exceeded');
  });
  it('of one app is not used up by another', () => {
    const store = storeOf({ quotaBytes: charge('k', 10) });
    store.put(app, 'k', new Uint8Array(10));
    store.put(otherApp, 'k', new Uint8Array(10));
    expect(store.gauges()).toMatchObject({ namespaces: 2, bytes: 2 * charge('k', 10) });
  });
  it('has room again for what was deleted, expired or collected', () => {
    const store = storeOf({ quotaBytes: 2 * charge('k', 0) + 100 });
    store.put(app, 'k', new Uint8Array(100));
    store.delete(app, 'k');
    store.put(app, 'l', new Uint8Array(100), { ttlMs: 5 });
    expect(reasonOf(() => store.put(app, 'k', new Uint8Array(100)))).toBe('quota_exceeded');
    store.clock.advance(5);
    store.put(app, 'k', new Uint8Array(100));
    store.delete(app, 'k');
    expect(reasonOf(() => store.put(app, 'm', new Uint8Array(100)))).toBe('quota_exceeded');
    store.clock.advance(86_400_000);
    expect(store.collect(store.sequence())).toBe(2);
    store.put(app, 'm', new Uint8Array(100));
    expect(store.gauges()).toMatchObject({ keys: 1, tombstones: 0 });
  });
});

describe('the limit of tombstones', () => {
  it('lets no new key come, keeps every one that is there, and gives way when some are collected', () => {
    const store = storeOf({ quotaBytes: 64 << 20 });
    store.put(app, 'held', utf8('v'));
    for (let index = 0; index < TOMBSTONES_PER_APP_MAX; index += 1) store.delete(app, `k${index}`);
    for (const act of [() => store.put(app, 'new', utf8('v')), () => store.delete(app, 'new')]) {
      const { sequence } = { sequence: store.sequence() };
      expect(reasonOf(act)).toBe('tombstones_full');
      expect(store.sequence()).toBe(sequence);
    }
    store.put(app, 'held', utf8('w'));
    store.put(app, 'k0', utf8('back'));
    store.put(app, 'new', utf8('v'));
    expect(store.delete(app, 'held').existed).toBe(true);
    expect(reasonOf(() => store.put(app, 'newer', utf8('v')))).toBe('tombstones_full');
    store.put(otherApp, 'new', utf8('v'));
    expect(store.gauges()).toMatchObject({ tombstones: TOMBSTONES_PER_APP_MAX, keys: 3 });
    store.clock.advance(86_400_000);
    expect(store.collect(store.sequence())).toBeGreaterThan(0);
    store.put(app, 'newer', utf8('v'));
  });
});
