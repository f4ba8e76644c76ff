import { describe, expect, it } from 'vitest';
import { COLLECTED_REMEMBERED_MAX, MESSAGE_LIFETIME_MS, STORE_MAINTENANCE_RECORDS } from '../../../core/limits.ts';
import { utf8 } from '../../../core/wire/bytes.ts';
import { app, clusterOf, counted, digestOf, forged, pass, printOf, read, recordOf, sentOf, stateOf, storeOf, word, ALL } from './stores.ts';
import type { TestStore } from './stores.ts';

function withTombstones(...keys: readonly string[]) {
  const store = storeOf();
  store.put(app, 'alive', utf8('v'));
  for (const key of keys) store.delete(app, key);
  return store;
}

const countOf = (store: TestStore) => digestOf(store).fingerprint(ALL).count;

describe('collection', () => {
  it.each([
    [-1, 0],
    [0, 1],
  ])('of a tombstone at %i ms from the life of a message: %i', (fromIt, expected) => {
    const store = withTombstones('k');
    const before = stateOf(store);
    store.clock.advance(MESSAGE_LIFETIME_MS + fromIt);
    expect(store.collect(store.sequence())).toBe(expected);
    if (expected === 0) expect(stateOf(store)).toEqual(before);
    expect([countOf(store), store.gauges()]).toMatchObject([2 - expected, { keys: 1, tombstones: 1 - expected, collected: expected }]);
    expect(store.gauges()).toMatchObject(counted(store));
  });
  it('is by elapsed time: setting the clock makes nothing older', () => {
    const store = withTombstones('k');
    store.clock.set(100 * MESSAGE_LIFETIME_MS);
    expect(store.collect(store.sequence())).toBe(0);
    store.clock.set(-200 * MESSAGE_LIFETIME_MS);
    store.clock.advance(MESSAGE_LIFETIME_MS);
    expect(store.collect(store.sequence())).toBe(1);
  });
  it('goes as far as all members have acknowledged, and no further', () => {
    const store = withTombstones('k', 'l', 'm');
    store.clock.advance(MESSAGE_LIFETIME_MS);
    expect([store.collect(0), store.collect(1), store.collect(2)]).toEqual([0, 0, 1]);
    expect([...store.changes(0)].map(({ key }) => key)).toEqual(['alive', 'l', 'm']);
    expect([store.collect(3), store.collect(Infinity), store.collect(Infinity)]).toEqual([1, 1, 0]);
  });
  it('never takes what is alive, however old', () => {
    const store = storeOf();
    store.put(app, 'k', utf8('v'));
    store.put(app, 'l', utf8('v'), { ttlMs: 10 * MESSAGE_LIFETIME_MS });
    store.clock.advance(9 * MESSAGE_LIFETIME_MS);
    expect(store.collect(Infinity)).toBe(0);
    expect([read(store, 'k'), read(store, 'l')]).toEqual(['v', 'v']);
  });
  it('takes an expired value as it takes a tombstone, from when it was seen to have expired', () => {
    const store = storeOf();
    store.put(app, 'k', utf8('v'), { ttlMs: 1_000 });
    store.clock.advance(MESSAGE_LIFETIME_MS);
    expect(store.collect(Infinity)).toBe(0);
    store.maintain(() => false);
    store.clock.advance(MESSAGE_LIFETIME_MS - 1);
    expect(store.collect(Infinity)).toBe(0);
    store.clock.advance(1);
    expect(store.collect(Infinity)).toBe(1);
    expect([...store.changes(0)]).toEqual([]);
  });
  it('counts the age of a merged tombstone from its merge', () => {
    const [one, two] = clusterOf();
    one.delete(app, 'k');
    one.clock.advance(MESSAGE_LIFETIME_MS);
    pass(one, two);
    expect([one.collect(Infinity), two.collect(Infinity)]).toEqual([1, 0]);
  });
  it('is in bounded pieces', () => {
    const store = storeOf({ quotaBytes: 64 << 20 });
    for (let index = 0; index < STORE_MAINTENANCE_RECORDS + 3; index += 1) store.delete(app, `k${index}`);
    store.clock.advance(MESSAGE_LIFETIME_MS);
    expect([store.collect(Infinity), store.collect(Infinity), store.collect(Infinity)]).toEqual([STORE_MAINTENANCE_RECORDS, 3, 0]);
    expect(store.gauges()).toMatchObject({ tombstones: 0, bytes: 0, namespaces: 0, collected: STORE_MAINTENANCE_RECORDS + 3 });
  });
  it('changes no sequence, and the digest by that record alone', () => {
    const store = withTombstones('k');
    const { sequence } = { sequence: store.sequence() };
    store.clock.advance(MESSAGE_LIFETIME_MS);
    store.collect(Infinity);
    expect(store.sequence()).toBe(sequence);
    const without = storeOf({ wallet: store.wallet, clock: store.clock });
    without.merge(sentOf(store, 'alive'));
    expect(printOf(store)).toBe(printOf(without));
  });
});

describe('a collected tombstone', () => {
  /** Two that both had a value and its tombstone; one has collected. */
  function collected() {
    const [one, two] = clusterOf();
    one.put(app, 'k', utf8('old'));
    const value = sentOf(one, 'k');
    pass(one, two);
    one.delete(app, 'k');
    pass(one, two);
    const [tombstone, offer] = [sentOf(one, 'k'), one.offerOf(recordOf(one, 'k'))];
    one.clock.advance(MESSAGE_LIFETIME_MS);
    expect(one.collect(one.sequence())).toBe(1);
    return { one, two, value, tombstone, offer };
  }

  it('does not come back from a peer that still has it, and is not asked for', () => {
    const { one, two, offer } = collected();
    const before = stateOf(one);
    expect(one.has(offer)).toBe(true);
    expect(pass(two, one).map(word)).toEqual(['equal']);
    expect(stateOf(one)).toEqual(before);
    two.collect(two.sequence());
    expect(printOf(two)).toBe(printOf(one));
  });
  it('is brought in again against an older value that came after it: order changes nothing', () => {
    const { one, two, value, tombstone, offer } = collected();
    expect(word(one.merge(value))).toBe('stored');
    expect(one.has(offer)).toBe(false);
    expect(word(one.merge(tombstone))).toBe('stored');
    expect([read(one, 'k'), printOf(one)]).toEqual([undefined, printOf(two)]);
    expect(word(one.merge(value))).toBe('superseded');
  });
  it('does not stand in the way of a new value, and does not come back over it', () => {
    const { one, two, tombstone } = collected();
    one.put(app, 'k', utf8('new'));
    expect(word(one.merge(tombstone))).toBe('equal');
    expect(pass(one, two).map(word)).toEqual(['stored']);
    expect([read(one, 'k'), read(two, 'k'), printOf(one) === printOf(two)]).toEqual(['new', 'new', true]);
  });
  it('is remembered by its id, not by its key: another tombstone is another', () => {
    const { one } = collected();
    expect(word(one.merge(forged({ header: { kind: 'tombstone', ms: one.clock.nowMs() } })))).toBe('stored');
  });
  it('that nobody remembers any more comes back as a tombstone, hides nothing that is newer, and is collected again', () => {
    const { one, tombstone } = collected();
    const crowd = storeOf({ wallet: one.wallet, clock: one.clock, quotaBytes: 1 << 30 });
    crowd.merge(tombstone);
    one.clock.advance(MESSAGE_LIFETIME_MS);
    expect(crowd.collect(Infinity)).toBe(1);
    for (let index = 1; index <= COLLECTED_REMEMBERED_MAX; index += 1) {
      crowd.delete(app, `${index}`);
      if (index % 10_000 !== 0) continue;
      crowd.clock.advance(MESSAGE_LIFETIME_MS);
      while (crowd.collect(Infinity) > 0);
    }
    expect(crowd.gauges().tombstones).toBe(0);
    expect(word(crowd.merge(tombstone))).toBe('stored');
    expect(read(crowd, 'k')).toBeUndefined();
    crowd.clock.advance(MESSAGE_LIFETIME_MS);
    expect(crowd.collect(Infinity)).toBe(1);
  });
});
