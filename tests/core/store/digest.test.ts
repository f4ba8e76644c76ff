import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareTimes } from '../../../core/store/clock.ts';
import { hex, utf8 } from '../../../core/wire/bytes.ts';
import { createClock } from '../fakes.ts';
import {
  a,
  ALL,
  app,
  b,
  c,
  clusterOf,
  createKeyTable,
  digestOf,
  e0,
  e1,
  forged,
  otherApp,
  pass,
  printOf,
  recordOf,
  storeOf,
} from './stores.ts';
import type { HybridTime } from '../../../core/store/clock.ts';
import type { Store, StoredRecord, TimeRange } from '../../../core/store/interface.ts';

/** Times in a small space, so that bounds meet records. */
const time = fc.record({ ms: fc.integer({ min: 1, max: 6 }), logical: fc.nat(1), origin: fc.constantFrom(a, b) });
const times = fc.uniqueArray(time, { selector: (each) => JSON.stringify(each), maxLength: 16 });
const bound = fc.option(time, { nil: undefined });

function storeAt(at: readonly HybridTime[]) {
  const store = storeOf({ wallet: c });
  at.forEach((each, index) => store.merge(forged({ header: { ...each, key: `k${index}`, counter: index } })));
  expect(store.sequence()).toBe(at.length);
  return store;
}

const isIn = (record: HybridTime, { from, to }: TimeRange) =>
  (!from || compareTimes(record, from) >= 0) && (!to || compareTimes(record, to) < 0);
const rangeOf = (from: HybridTime | undefined, to: HybridTime | undefined): TimeRange =>
  from && to && compareTimes(from, to) > 0 ? { from: to, to: from } : { from, to };

/** The print of one record, by itself in a store. */
function printAlone(store: Store, record: StoredRecord): Int32Array {
  const { from, to } = {
    from: record,
    to: { ...record, logical: record.logical + (record.origin === b ? 1 : 0), origin: record.origin === b ? a : b },
  };
  return lanesOf(digestOf(store).fingerprint({ from, to }).print);
}

function lanesOf(print: Uint8Array): Int32Array {
  const view = new DataView(print.buffer, print.byteOffset, print.byteLength);
  return Int32Array.from({ length: 4 }, (_, lane) => view.getInt32(lane * 4));
}

function added(prints: readonly Int32Array[]): Int32Array {
  return prints.reduce((sum, print) => sum.map((lane, index) => lane + (print[index] as number)), new Int32Array(4));
}

describe('a fingerprint', () => {
  it('counts the records of its range and is the sum of theirs', () =>
    fc.assert(
      fc.property(times, bound, bound, (at, from, to) => {
        const store = storeAt(at);
        const range = rangeOf(from, to);
        const inside = [...store.changes(0)].filter((record) => isIn(record, range));
        const { count, print } = digestOf(store).fingerprint(range);
        expect(count).toBe(inside.length);
        expect(lanesOf(print)).toEqual(added(inside.map((record) => printAlone(store, record))));
        expect([...digestOf(store).records(range)]).toEqual(inside.toSorted(compareTimes));
      }),
      { numRuns: 100 },
    ));
  it('of a whole is the sum of its parts, wherever it is cut', () =>
    fc.assert(
      fc.property(times, time, bound, bound, (at, middle, from, to) => {
        const store = storeAt(at);
        const range = rangeOf(from, to);
        if (!isIn(middle, range)) return;
        const [whole, left, right] = [range, { ...range, to: middle }, { ...range, from: middle }].map((each) =>
          digestOf(store).fingerprint(each),
        );
        expect(whole?.count).toBe((left?.count ?? 0) + (right?.count ?? 0));
        expect(lanesOf(whole?.print as Uint8Array)).toEqual(added([left, right].map((each) => lanesOf(each?.print as Uint8Array))));
      }),
      { numRuns: 100 },
    ));
  it('is the same of the same records, in whatever order and from whomever they came', () =>
    fc.assert(
      fc.property(times, fc.integer(), (at, salt) => {
        const shuffled = at.map((each, index) => ({ each, index })).sort((x, y) => Math.sin(salt + x.index) - Math.sin(salt + y.index));
        const store = storeOf();
        for (const { each, index } of shuffled) store.merge(forged({ header: { ...each, key: `k${index}`, counter: index } }));
        expect(printOf(store)).toBe(printOf(storeAt(at)));
      }),
      { numRuns: 100 },
    ));
  it('of nothing is zero', () => {
    const store = storeAt([]);
    expect(digestOf(store).fingerprint(ALL)).toEqual({ count: 0, print: new Uint8Array(16) });
    expect([...digestOf(store).records(ALL)]).toEqual([]);
    expect(digestOf(store).cuts(ALL, 16)).toEqual([]);
  });
  it('tells apart what differs in one record only, however alike', () => {
    const at = { ms: 1, logical: 0, origin: a };
    const prints = [{}, { counter: 2 }, { key: 'l' }, { appId: otherApp }, { expiresAtMs: 9 }, { kind: 'tombstone' as const }].map(
      (fields) => {
        const store = storeOf();
        store.merge(forged({ header: { ...at, ...fields } }));
        return printOf(store);
      },
    );
    expect(new Set(prints).size).toBe(prints.length);
  });
  it('follows every change at once: a write, an overwrite, a delete, an eviction; and no read', () => {
    const store = storeOf({ quotaBytes: 2_400 });
    const seen = [printOf(store)];
    const look = (act: () => unknown) => {
      act();
      seen.push(printOf(store));
    };
    look(() => store.put(app, 'k', new Uint8Array(800)));
    look(() => store.put(app, 'k', new Uint8Array(800)));
    look(() => store.put(app, 'l', new Uint8Array(800)));
    look(() => store.put(app, 'm', new Uint8Array(400), { whenFull: 'evict' }));
    look(() => store.delete(app, 'm'));
    expect(new Set(seen).size).toBe(6);
    look(() => store.get(app, 'l'));
    look(() => store.list(app, '', undefined, 5));
    look(() => store.maintain(() => false));
    expect(new Set(seen).size).toBe(6);
    const copy = storeOf({ wallet: b, clock: store.clock });
    pass(store, copy);
    expect(printOf(copy)).toBe(printOf(store));
  });
});

describe('prints', () => {
  it('depend on the key of the current epoch, and are made anew when that changes', () => {
    const keys = createKeyTable(e0, e1);
    const store = storeOf({ keys });
    for (const key of ['k', 'l', 'm']) store.put(app, key, utf8('v'));
    const second = printOf(store);
    keys.epoch = e0;
    const first = printOf(store);
    expect(digestOf(store).epoch).toBe(e0);
    expect(first).not.toBe(second);
    store.put(app, 'n', utf8('v'));
    const peer = storeOf({ wallet: b, keys, clock: store.clock });
    pass(store, peer);
    expect(printOf(peer)).toBe(printOf(store));
    keys.epoch = e1;
    expect([printOf(peer), digestOf(peer).epoch]).toEqual([printOf(store), e1]);
  });
  it('are none without that key', () => {
    const keys = createKeyTable(e0);
    const store = storeOf({ keys });
    store.put(app, 'k', utf8('v'));
    const before = printOf(store);
    keys.held.clear();
    expect(store.digest()).toBeUndefined();
    keys.held.add(e0);
    expect(printOf(store)).toBe(before);
  });
  it('are of ids: a body that was sealed anew has the same', () => {
    const keys = createKeyTable(e0, e1);
    keys.epoch = e0;
    const [store, peer] = [storeOf({ keys }), storeOf({ wallet: b, keys: { ...keys, current: () => e1 } })];
    store.put(app, 'k', utf8('v'));
    pass(store, peer);
    peer.maintain(() => false);
    keys.epoch = e1;
    expect(printOf(store)).toBe(printOf(peer));
  });
});

describe('cuts', () => {
  it('split a range evenly, ascending, inside it, at records', () =>
    fc.assert(
      fc.property(times, bound, bound, fc.integer({ min: 1, max: 17 }), (at, from, to, parts) => {
        const store = storeAt(at);
        const range = rangeOf(from, to);
        const digest = digestOf(store);
        const { count } = digest.fingerprint(range);
        const cuts = digest.cuts(range, parts);
        const bounds = [range.from, ...cuts, range.to];
        const counts = bounds.slice(1).map((end, index) => digest.fingerprint({ from: bounds[index], to: end }).count);
        expect(cuts).toHaveLength(Math.max(Math.min(parts, count) - 1, 0));
        expect(counts.reduce((sum, each) => sum + each, 0)).toBe(count);
        if (cuts.length === 0) return;
        expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
        for (const cut of cuts) expect(isIn(cut, range)).toBe(true);
      }),
      { numRuns: 200 },
    ));
  it('find one difference among many in a few rounds of sixteen', () => {
    const [one, two] = clusterOf({ quotaBytes: 64 << 20 });
    for (let index = 0; index < 3_000; index += 1) {
      one.put(app, `k${index}`, new Uint8Array(0));
      if (index % 7 === 0) one.clock.advance(1);
    }
    for (const record of one.changes(0)) {
      const travelling = one.travelling(record);
      if (travelling && record.key !== 'k1234') two.merge(travelling);
    }
    let [range, rounds] = [ALL as TimeRange, 0];
    while (digestOf(one).fingerprint(range).count > 1) {
      rounds += 1;
      const bounds = [range.from, ...digestOf(one).cuts(range, 16), range.to];
      const parts = bounds.slice(1).map((to, index) => ({ from: bounds[index], to }));
      const differing = parts.filter((part) => hex(digestOf(one).fingerprint(part).print) !== hex(digestOf(two).fingerprint(part).print));
      expect(differing).toHaveLength(1);
      range = differing[0] as TimeRange;
    }
    expect([...digestOf(one).records(range)].map(({ key }) => key)).toEqual(['k1234']);
    expect(rounds).toBeLessThanOrEqual(3);
  });
});

describe('an offer', () => {
  it('is had when that very record is held', () =>
    fc.assert(
      fc.property(times, (at) => {
        const store = storeAt(at);
        for (const record of store.changes(0)) {
          const offer = store.offerOf(record);
          expect(store.has(offer)).toBe(true);
          expect(store.has({ ...offer, id: new Uint8Array(16) })).toBe(false);
          expect(store.has({ ...offer, logical: offer.logical + 7 })).toBe(false);
          expect(offer.id).toHaveLength(16);
        }
        expect(store.has({ ms: 99, logical: 0, origin: a, id: new Uint8Array(16) })).toBe(false);
      }),
      { numRuns: 50 },
    ));
  it('is not had any more when the record was overwritten: that is asked for and superseded', () => {
    const clock = createClock();
    const [store, peer] = [storeOf({ clock }), storeOf({ wallet: b, clock })];
    store.put(app, 'k', utf8('1'));
    pass(store, peer);
    const offer = peer.offerOf(recordOf(peer, 'k'));
    expect(store.has(offer)).toBe(true);
    store.put(app, 'k', utf8('2'));
    expect(store.has(offer)).toBe(false);
  });
});
