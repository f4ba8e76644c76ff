import { describe, expect, it } from 'vitest';
import { LIST_EXPIRED_MAX, STORE_MAINTENANCE_RECORDS } from '../../../core/limits.ts';
import { hex, utf8 } from '../../../core/wire/bytes.ts';
import { START_MS } from '../fakes.ts';
import { app, clusterOf, counted, forged, otherApp, pass, printOf, read, recordOf, sentOf, stateOf, storeOf, word } from './stores.ts';
import type { TestStore } from './stores.ts';

const nothingGone = () => false;
const listed = (store: TestStore) => store.list(app, '', undefined, 10_000).keys;

function withExpiry(ttlMs = 1_000) {
  const store = storeOf();
  store.put(app, 'k', utf8('a value of some length'), { ttlMs });
  store.put(app, 'stays', utf8('v'));
  return store;
}

describe('an expiry', () => {
  it.each([
    [-1, 'a value of some length'],
    [0, undefined],
    [1, undefined],
  ])('at %i ms from it: %s', (fromIt, expected) => {
    const store = withExpiry();
    store.clock.advance(1_000 + fromIt);
    expect(listed(store)).toEqual(expected === undefined ? ['stays'] : ['k', 'stays']);
    expect(read(store, 'k')).toBe(expected);
  });
  it('is absolute: the writer chose it, and every node keeps it, whenever it heard of it', () => {
    const [writer, peer] = clusterOf();
    const { expiresAtMs } = writer.put(app, 'k', utf8('v'), { ttlMs: 1_000 });
    writer.clock.advance(600);
    pass(writer, peer);
    expect([expiresAtMs, peer.get(app, 'k')?.expiresAtMs]).toEqual([START_MS + 1_000, START_MS + 1_000]);
    peer.clock.advance(400);
    expect([read(writer, 'k'), read(peer, 'k')]).toEqual([undefined, undefined]);
  });
  it('is not put off by reads, and is by another write', () => {
    const store = withExpiry();
    store.clock.advance(999);
    read(store, 'k');
    store.clock.advance(1);
    expect(read(store, 'k')).toBeUndefined();
    store.put(app, 'k', utf8('again'));
    store.clock.advance(86_400_000);
    expect(read(store, 'k')).toBe('again');
  });
  it.each<[string, (store: TestStore) => unknown]>([
    ['a read', (store) => store.get(app, 'k')],
    ['a list', (store) => listed(store)],
    ['maintenance', (store) => store.maintain(nothingGone)],
    ['a conditional write', (store) => store.put(app, 'new', utf8('v'), { ifVersion: null })],
    ['a delete of another key', (store) => store.delete(app, 'other')],
  ])('leaves no byte of the value and all of the record once it is seen by %s', (_what, see) => {
    const store = withExpiry();
    const [before, id, sealed] = [printOf(store), hex(store.offerOf(recordOf(store, 'k')).id), sentOf(store, 'k').sealed];
    store.clock.advance(1_000);
    see(store);
    expect(store.gauges()).toMatchObject({ ...counted(store), expiries: 1 });
    const { bytes } = recordOf(store, 'k') as unknown as { bytes: string };
    expect(bytes).not.toContain(String.fromCharCode(...sealed.subarray(12, 40)));
    expect(bytes.length).toBeLessThanOrEqual(48);
    expect(sentOf(store, 'k')).toMatchObject({ isEmpty: true });
    expect(hex(store.offerOf(recordOf(store, 'k')).id)).toBe(id);
    for (const key of ['new', 'other']) if (listed(store).includes(key)) store.delete(app, key);
    if (store.gauges().tombstones + store.gauges().keys === 2) expect(printOf(store)).toBe(before);
  });
  it.each<[string, (store: TestStore) => unknown]>([
    ['read', (store) => expect(read(store, 'k')).toBeUndefined()],
    ['listed', (store) => expect(listed(store)).toEqual(['stays'])],
    ['maintained', (store) => store.maintain(nothingGone)],
    ['asked for by a conditional write', (store) => expect(store.delete(app, 'k', { ifVersion: null }).existed).toBe(false)],
  ])('never un-happens when the clock is set back after it was %s', (_what, see) => {
    const store = withExpiry();
    store.clock.advance(1_000);
    see(store);
    store.clock.set(-900);
    expect([listed(store), read(store, 'k')]).toEqual([['stays'], undefined]);
    expect(store.delete(app, 'k').existed).toBe(false);
  });
  it('frees the charge of the value and keeps that of the record', () => {
    const store = withExpiry();
    const before = store.gauges();
    store.clock.advance(1_000);
    store.maintain(nothingGone);
    expect(store.gauges()).toMatchObject({ keys: 1, tombstones: 1, bytes: before.bytes - 22, expiries: 1 });
    store.maintain(nothingGone);
    expect(store.gauges().expiries).toBe(1);
  });
  it('changes no sequence: peers come to it by their own clocks', () => {
    const store = withExpiry();
    const { sequence } = { sequence: store.sequence() };
    store.clock.advance(1_000);
    store.maintain(nothingGone);
    expect([store.sequence(), [...store.changes(0)].map((each) => each.sequence)]).toEqual([sequence, [1, 2]]);
  });
  it('is maintained in bounded pieces, and hidden before its turn comes', () => {
    const store = storeOf({ quotaBytes: 64 << 20 });
    for (let index = 0; index < STORE_MAINTENANCE_RECORDS + 7; index += 1) store.put(app, `k${index}`, utf8('v'), { ttlMs: 10 });
    store.clock.advance(20);
    store.maintain(nothingGone);
    expect(store.gauges()).toMatchObject({ keys: 7, expiries: STORE_MAINTENANCE_RECORDS });
    expect(listed(store)).toEqual([]);
    store.maintain(nothingGone);
    expect(store.gauges()).toMatchObject({ keys: 0, tombstones: STORE_MAINTENANCE_RECORDS + 7 });
  });
  it('of a great many keys ends a page early, and the pages still show all that live', () => {
    const store = storeOf({ quotaBytes: 64 << 20 });
    for (let index = 0; index < LIST_EXPIRED_MAX + 500; index += 1) store.put(app, `k${index}`, utf8('v'), { ttlMs: 10 });
    store.put(app, 'z', utf8('v'));
    store.clock.advance(20);
    const found: string[] = [];
    let after: string | undefined;
    for (let pages = 0; pages < 5; pages += 1) {
      const { keys, next } = store.list(app, '', after, 10);
      found.push(...keys);
      if (next === undefined) break;
      after = next;
    }
    expect(found).toEqual(['z']);
  });
  it('in the past when it comes by a peer hides the value at once', () => {
    const store = storeOf();
    expect(word(store.merge(forged({ header: { expiresAtMs: START_MS } })))).toBe('stored');
    expect([read(store, 'k'), listed(store), store.gauges().keys]).toEqual([undefined, [], 0]);
    store.clock.set(-5);
    expect([read(store, 'k'), listed(store)]).toEqual([undefined, []]);
  });
  it('of a later record is no reason to show an earlier one', () => {
    const [one, two] = clusterOf();
    one.put(app, 'k', utf8('old'));
    const old = sentOf(one, 'k');
    one.put(app, 'k', utf8('new'), { ttlMs: 5 });
    pass(one, two);
    two.clock.advance(5);
    for (const store of [one, two]) {
      expect(word(store.merge(old))).toBe('superseded');
      expect(read(store, 'k')).toBeUndefined();
      store.maintain(nothingGone);
      expect(word(store.merge(old))).toBe('superseded');
      expect(read(store, 'k')).toBeUndefined();
    }
  });
  it('goes with a delete and with another value', () => {
    const store = withExpiry();
    store.put(otherApp, 'k', utf8('v'), { ttlMs: 1_000 });
    store.delete(app, 'k');
    store.put(otherApp, 'k', utf8('w'));
    const before = stateOf(store);
    store.clock.advance(5_000);
    store.maintain(nothingGone);
    expect(stateOf(store)).toEqual(before);
    expect(read(store, 'k', otherApp)).toBe('w');
  });
});
