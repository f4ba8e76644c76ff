import { describe, expect, it } from 'vitest';
import { EVICTION_LOOKS_MAX, RECORD_CHARGE_BYTES, TOMBSTONES_PER_APP_MAX } from '../../../core/limits.ts';
import { utf8 } from '../../../core/wire/bytes.ts';
import { reasonOf } from '../fakes.ts';
import { app, clusterOf, counted, forged, otherApp, pass, printOf, readable, sentOf, stateOf, storeOf, word } from './stores.ts';
import type { TestStore } from './stores.ts';

const VALUE_BYTES = 1_000;
const CHARGE = 1 + VALUE_BYTES + RECORD_CHARGE_BYTES;
const evict = { whenFull: 'evict' } as const;
const value = new Uint8Array(VALUE_BYTES);

/** Full with a, b and c, each of one kilobyte, and with room for the tombstones of all of them. */
function fullStore() {
  const store = storeOf({ quotaBytes: 3 * CHARGE + 10 });
  for (const key of ['a', 'b', 'c']) store.put(app, key, value);
  return store;
}

const listed = (store: TestStore, appId = app) => store.list(appId, '', undefined, 100).keys;

/** What is left when so much room is asked for. */
function evictedFor(store: TestStore, key: string, length: number): readonly string[] {
  return store.put(app, key, new Uint8Array(length), evict).evicted;
}

describe('eviction', () => {
  it.each([undefined, {}, { whenFull: 'refuse' }] as const)('happens only when it is asked for, not by %j', (options) => {
    const store = fullStore();
    const before = stateOf(store);
    expect(reasonOf(() => store.put(app, 'd', value, options))).toBe('quota_exceeded');
    expect(stateOf(store)).toEqual(before);
  });
  it('happens only when there is no room', () => {
    const store = storeOf({ quotaBytes: 3 * CHARGE });
    store.put(app, 'a', value);
    expect(evictedFor(store, 'b', VALUE_BYTES)).toEqual([]);
    expect(evictedFor(store, 'c', VALUE_BYTES)).toEqual([]);
    expect(evictedFor(store, 'c', VALUE_BYTES)).toEqual([]);
    expect(store.gauges()).toMatchObject({ keys: 3, evictions: 0, bytes: 3 * CHARGE });
  });
  it('takes the least recently used, and no more than are needed', () => {
    const store = fullStore();
    expect(evictedFor(store, 'd', VALUE_BYTES - RECORD_CHARGE_BYTES)).toEqual(['a']);
    expect(listed(store)).toEqual(['b', 'c', 'd']);
    expect(store.gauges()).toMatchObject({ ...counted(store), keys: 3, tombstones: 1, evictions: 1 });
    expect(store.gauges().bytes).toBeLessThanOrEqual(3 * CHARGE + 10);
  });
  it('takes several when one does not suffice', () => {
    const store = fullStore();
    expect(evictedFor(store, 'd', VALUE_BYTES + 100)).toEqual(['a', 'b']);
    expect(store.gauges()).toMatchObject({ ...counted(store), keys: 2, tombstones: 2, evictions: 2 });
  });
  it('counts a read as a use, and a write, but not a list', () => {
    const store = fullStore();
    store.get(app, 'a');
    listed(store);
    store.put(app, 'b', value);
    expect(evictedFor(store, 'd', VALUE_BYTES - RECORD_CHARGE_BYTES)).toEqual(['c']);
    expect(evictedFor(store, 'e', VALUE_BYTES - 2 * RECORD_CHARGE_BYTES)).toEqual(['a']);
  });
  it('never takes the key that is written, though it was used least', () => {
    const store = fullStore();
    expect(evictedFor(store, 'a', 2 * VALUE_BYTES - 600)).toEqual(['b']);
    expect(store.get(app, 'a')?.value).toHaveLength(2 * VALUE_BYTES - 600);
    expect(listed(store)).toEqual(['a', 'c']);
  });
  it('never takes what is not replicated, and refuses the whole write rather than that', () => {
    const store = fullStore();
    store.replicated = ({ key }) => key === 'c';
    expect(evictedFor(store, 'd', VALUE_BYTES - RECORD_CHARGE_BYTES)).toEqual(['c']);
    store.replicated = () => false;
    const before = stateOf(store);
    expect(reasonOf(() => evictedFor(store, 'e', VALUE_BYTES))).toBe('quota_exceeded');
    expect(stateOf(store)).toEqual(before);
  });
  it('is refused whole when all of it would not suffice: nothing was deleted for nothing', () => {
    const store = fullStore();
    const before = stateOf(store);
    expect(reasonOf(() => evictedFor(store, 'd', 4 * VALUE_BYTES))).toBe('quota_exceeded');
    expect(reasonOf(() => evictedFor(store, 'a', 4 * VALUE_BYTES))).toBe('quota_exceeded');
    expect(stateOf(store)).toEqual(before);
  });
  it('is refused whole when the version is another', () => {
    const store = fullStore();
    const before = stateOf(store);
    expect(reasonOf(() => store.put(app, 'd', value, { ...evict, ifVersion: 'A'.repeat(22) }))).toBe('version_conflict');
    expect(stateOf(store)).toEqual(before);
  });
  it('takes nothing of another app', () => {
    const store = fullStore();
    store.put(otherApp, 'old', value);
    store.put(otherApp, 'older', value);
    expect(evictedFor(store, 'd', VALUE_BYTES + 100)).toEqual(['a', 'b']);
    expect(listed(store, otherApp)).toEqual(['old', 'older']);
  });
  it('takes what has expired first, which costs nobody anything', () => {
    const store = storeOf({ quotaBytes: 3 * CHARGE });
    store.put(app, 'a', value);
    store.put(app, 'b', value, { ttlMs: 5 });
    store.put(app, 'c', value);
    store.clock.advance(5);
    expect(evictedFor(store, 'd', VALUE_BYTES - RECORD_CHARGE_BYTES - 1)).toEqual([]);
    expect(listed(store)).toEqual(['a', 'c', 'd']);
  });
  it('passes over values of no bytes, which would give no room', () => {
    const store = storeOf({ quotaBytes: 2 * CHARGE + 257 });
    store.put(app, 'e', new Uint8Array(0));
    for (const key of ['a', 'b']) store.put(app, key, value);
    expect(evictedFor(store, 'd', VALUE_BYTES - RECORD_CHARGE_BYTES - 1)).toEqual(['a']);
    expect(listed(store)).toEqual(['b', 'd', 'e']);
  });
  it('is a delete like any other: peers follow, and all nodes have the same', () => {
    const [one, two, three] = clusterOf({ quotaBytes: 3 * CHARGE + 10 });
    for (const key of ['a', 'b', 'c']) one.put(app, key, value);
    for (const peer of [two, three]) pass(one, peer);
    expect(evictedFor(one, 'd', VALUE_BYTES - RECORD_CHARGE_BYTES)).toEqual(['a']);
    expect(sentOf(one, 'a')).toMatchObject({ isEmpty: true });
    expect(new Set(pass(one, two).map(word))).toEqual(new Set(['equal', 'stored']));
    pass(two, three);
    for (const peer of [two, three]) {
      expect([printOf(peer), readable(peer)]).toEqual([printOf(one), readable(one)]);
      expect(peer.gauges()).toMatchObject({ keys: 3, tombstones: 1, bytes: one.gauges().bytes, evictions: 0 });
    }
  });
  it('goes on while records come from peers, which are newer than what is used', () => {
    const store = fullStore();
    expect(word(store.merge(forged({ header: { key: 'm' }, value: utf8('x'.repeat(500)) })))).toBe('stored');
    expect(evictedFor(store, 'd', 10)).toEqual(['a', 'b']);
    expect(listed(store)).toEqual(['c', 'd', 'm']);
  });
  it('looks at a bounded number of records, and refuses beyond', () => {
    const store = storeOf({ quotaBytes: (EVICTION_LOOKS_MAX + 1) * (5 + RECORD_CHARGE_BYTES) + 1_004 });
    for (let index = 0; index < EVICTION_LOOKS_MAX; index += 1) store.put(app, `k${String(index).padStart(4, '0')}`, new Uint8Array(0));
    store.put(app, 'large', new Uint8Array(1_000));
    expect(reasonOf(() => evictedFor(store, 'd', 500))).toBe('quota_exceeded');
    store.get(app, 'k0000');
    expect(evictedFor(store, 'd', 500)).toEqual(['large']);
  });
  it('makes no more tombstones than an app may have', () => {
    const store = storeOf({ quotaBytes: 2 * CHARGE + TOMBSTONES_PER_APP_MAX * (RECORD_CHARGE_BYTES + 6) });
    store.put(app, 'a', value);
    for (let index = 0; index < TOMBSTONES_PER_APP_MAX; index += 1) store.delete(app, `d${String(index).padStart(5, '0')}`);
    const { sequence } = { sequence: store.sequence() };
    expect(reasonOf(() => evictedFor(store, 'd00000', 1_500))).toBe('tombstones_full');
    expect([store.sequence(), listed(store)]).toEqual([sequence, ['a']]);
  });
});
