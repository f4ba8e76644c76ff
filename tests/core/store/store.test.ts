import { Buffer } from 'node:buffer';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { secretHash } from '../../../core/crypto/kdf.ts';
import { createVault } from '../../../core/crypto/vault.ts';
import { LIST_BYTES_MAX, STORE_MAINTENANCE_BYTES, STORE_MAINTENANCE_RECORDS, VALUE_BYTES_MAX } from '../../../core/limits.ts';
import { hex, utf8 } from '../../../core/wire/bytes.ts';
import { createClock, createRandom, flipped, reasonOf, START_MS } from '../fakes.ts';
import {
  a,
  allSent,
  app,
  b,
  clusterOf,
  counted,
  createKeyTable,
  digestOf,
  e0,
  e1,
  e2,
  otherApp,
  pass,
  printOf,
  QUOTA_BYTES,
  read,
  readable,
  recordOf,
  sent,
  sentOf,
  stateOf,
  storeOf,
  word,
} from './stores.ts';
import type { Epoch } from '../../../core/identity.ts';
import type { DataKeys, Store } from '../../../core/store/interface.ts';
import type { Vault } from '../../../core/crypto/vault.ts';

const nothingGone = () => false;
const listed = (store: Store, prefix = '', after?: string, limit = 10_000) => store.list(app, prefix, after, limit).keys;

function storeWith(...keys: readonly string[]) {
  const store = storeOf();
  for (const key of keys) store.put(app, key, utf8(`value of ${key}`));
  return store;
}

/** Every key, a page at a time; `between` may change the store after each page. */
function paged(store: Store, prefix: string, limit: number, between: (page: number) => void = () => undefined): string[] {
  const all: string[] = [];
  let after: string | undefined;
  for (let page = 0; page < 1_000; page += 1) {
    const { keys, next } = store.list(app, prefix, after, limit);
    expect(keys.length).toBeLessThanOrEqual(limit);
    all.push(...keys);
    if (next === undefined) return all;
    after = next;
    between(page);
  }
  throw new Error('the pages have no end');
}

describe('a value', () => {
  it('is read as it was written, with its version and times', () => {
    const store = storeOf();
    const written = store.put(app, 'k', utf8('v'), { ttlMs: 5_000 });
    expect(written).toMatchObject({ updatedAtMs: START_MS, expiresAtMs: START_MS + 5_000, evicted: [] });
    expect(written.version).toMatch(/^[\w-]{22}$/);
    const { value, ...found } = store.get(app, 'k') ?? { value: utf8('') };
    expect([hex(value), found]).toEqual([
      hex(utf8('v')),
      { version: written.version, updatedAtMs: START_MS, expiresAtMs: START_MS + 5_000 },
    ]);
  });
  it.each([0, 1, VALUE_BYTES_MAX])('of %i bytes comes back whole, here and at a peer', (length) => {
    const [store, peer] = clusterOf({ quotaBytes: 2 * VALUE_BYTES_MAX });
    const value = Buffer.alloc(length, 'some bytes ');
    store.put(app, 'k', value);
    pass(store, peer);
    for (const each of [store, peer]) expect(Buffer.compare(each.get(app, 'k')?.value ?? Buffer.from('none'), value)).toBe(0);
  });
  it('of any bytes comes back whole', () =>
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (value) => {
        const store = storeOf();
        store.put(app, 'k', value);
        expect(hex(store.get(app, 'k')?.value ?? utf8('none'))).toBe(hex(value));
      }),
    ));
  it('is a copy: what the caller does with its bytes before and after changes nothing', () => {
    const store = storeOf();
    const value = utf8('v');
    store.put(app, 'k', value);
    value.fill(0);
    store.get(app, 'k')?.value.fill(0);
    expect(read(store, 'k')).toBe('v');
  });
  it('travels as copies: what a peer does with their bytes changes nothing', () => {
    const store = storeWith('k');
    const before = stateOf(store);
    for (const { header, sealed } of allSent(store)) {
      header.fill(0);
      sealed.fill(0);
    }
    store.offerOf(recordOf(store, 'k')).id.fill(0);
    expect(read(store, 'k')).toBe('value of k');
    expect(stateOf(store)).toEqual(before);
  });
  it('R-1 is in the memory of the store sealed only', () => {
    const store = storeOf();
    store.put(app, 'k', utf8('a planted secret value'));
    const record = recordOf(store, 'k') as unknown as Record<string, unknown>;
    const memory = Object.values(record)
      .filter((field) => typeof field === 'string')
      .join('|');
    expect(memory.length).toBeGreaterThan(50);
    expect(memory).not.toContain('planted');
    expect(Buffer.from(sentOf(store, 'k').sealed).includes('planted')).toBe(false);
  });
  it('is replaced whole, under another version', () => {
    const store = storeWith('k');
    const before = store.get(app, 'k')?.version;
    const { version } = store.put(app, 'k', utf8(''));
    expect(version).not.toBe(before);
    expect(read(store, 'k')).toBe('');
    expect(store.gauges()).toMatchObject({ keys: 1, tombstones: 0 });
  });
  it('is gone once it is deleted, and deleting says whether it was there', () => {
    const store = storeWith('k');
    expect(store.delete(app, 'k').existed).toBe(true);
    expect([read(store, 'k'), listed(store)]).toEqual([undefined, []]);
    expect(store.delete(app, 'k').existed).toBe(false);
    expect(store.delete(app, 'never').existed).toBe(false);
    expect(store.gauges()).toMatchObject({ keys: 0, tombstones: 2 });
  });
});

describe('a key', () => {
  it.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty', ' ', '/', '../..', '\ufeff', '%2F', 'ｋ'])(
    '%j is one like any other',
    (key) => {
      const [store, peer] = clusterOf();
      expect(store.get(app, key)).toBeUndefined();
      store.put(app, key, utf8('v'));
      store.put(app, 'k', utf8('other'));
      expect(pass(store, peer).map(word)).toEqual(['stored', 'stored']);
      expect(read(peer, key)).toBe('v');
      expect(listed(peer, key)).toEqual([key]);
      expect(store.delete(app, key).existed).toBe(true);
      expect(({} as Record<string, unknown>)['v']).toBeUndefined();
      pass(store, peer);
      expect([read(peer, key), read(peer, 'k')]).toEqual([undefined, 'other']);
    },
  );
  it('of 512 bytes of astral characters is written, listed and replicated', () => {
    const [store, peer] = clusterOf();
    const key = '\u{1f511}'.repeat(128);
    expect(utf8(key)).toHaveLength(512);
    store.put(app, key, utf8('v'));
    expect(pass(store, peer).map(word)).toEqual(['stored']);
    expect([read(peer, key), listed(peer)]).toEqual(['v', [key]]);
  });
  it('in two forms of Unicode is two keys', () => {
    const store = storeWith('é', 'e\u0301');
    expect(listed(store)).toHaveLength(2);
  });
});

describe('a list', () => {
  const key = fc.string({ unit: fc.constantFrom('a', 'b', '/', '\uffee', '\u{1f511}', '\u{1f512}'), minLength: 1, maxLength: 4 });

  it('is ascending by UTF-16 code units: astral characters come before the last of the basic plane', () =>
    expect(listed(storeWith('\uffee', '\u{1f511}', 'a', 'Z'))).toEqual(['Z', 'a', '\u{1f511}', '\uffee']));
  it('is what a filter and a sort of all keys say, by prefix, start and limit', () =>
    fc.assert(
      fc.property(
        fc.uniqueArray(key, { maxLength: 12 }),
        fc.oneof(key, fc.constant(''), fc.constant('\ud83d')),
        fc.option(key, { nil: undefined }),
        fc.integer({ min: 1, max: 5 }),
        (keys, prefix, after, limit) => {
          const all = [...keys].sort().filter((each) => each.startsWith(prefix) && (after === undefined || each > after));
          const page = storeWith(...keys).list(app, prefix, after, limit);
          expect(page.keys).toEqual(all.slice(0, limit));
          expect(page.next).toBe(all.length > limit ? all[limit - 1] : undefined);
        },
      ),
      { numRuns: 150 },
    ));
  it('takes half an astral character for a prefix', () => {
    const store = storeWith('\u{1f511}', '\u{1f512}', '\u{10000}', 'a');
    expect(listed(store, '\ud83d')).toEqual(['\u{1f511}', '\u{1f512}']);
    expect(listed(store, '\ud83d\udd12')).toEqual(['\u{1f512}']);
  });
  it('shows in its pages every key that is there throughout, once, while others come and go', () =>
    fc.assert(
      fc.property(
        fc.uniqueArray(key, { minLength: 1, maxLength: 30 }),
        fc.array(fc.tuple(key, fc.boolean()), { maxLength: 30 }),
        fc.integer({ min: 1, max: 4 }),
        (keys, changes, limit) => {
          const store = storeWith(...keys.map((each) => `p${each}`));
          const touched = new Set<string>();
          const found = paged(store, 'p', limit, (page) => {
            for (const [name, isPut] of changes.slice(page * 3, page * 3 + 3)) {
              touched.add(`p${name}`);
              if (isPut) store.put(app, `p${name}`, utf8('new'));
              else store.delete(app, `p${name}`);
            }
          });
          expect(found).toEqual([...new Set(found)].sort());
          for (const each of keys.map((name) => `p${name}`)) if (!touched.has(each)) expect(found).toContain(each);
        },
      ),
      { numRuns: 150 },
    ));
  it('goes on after a key that has gone', () => {
    const store = storeWith('a', 'b', 'c');
    const { next } = store.list(app, '', undefined, 2);
    store.delete(app, next as string);
    expect(listed(store, '', next)).toEqual(['c']);
  });
  it('has no more bytes in a page than the limit, and loses no key for it', () => {
    const store = storeOf({ quotaBytes: 64 << 20 });
    const keys = Array.from({ length: 9_000 }, (_, index) => `${String(index).padStart(4, '0')}${'€'.repeat(169)}`);
    for (const each of keys) store.put(app, each, new Uint8Array(0));
    const page = listed(store);
    expect(utf8(page.join('')).length).toBeLessThanOrEqual(LIST_BYTES_MAX + 512);
    expect(paged(store, '', 10_000)).toEqual(keys);
  });
});

describe('a namespace', () => {
  it('of one app is never read, changed, listed, charged or evicted by another', () => {
    const name = fc.constantFrom('k', 'l', 'm');
    const operation = fc.record({
      kind: fc.constantFrom('put', 'put', 'evict', 'delete', 'get', 'list', 'merge', 'maintain', 'wait'),
      key: name,
      length: fc.nat(600),
      ttlMs: fc.constantFrom(undefined, 1, 100),
    });
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 40 }), (operations) => {
        const quotaBytes = 2_000;
        const [store, peer] = clusterOf({ quotaBytes });
        for (const key of ['k', 'l', 'z']) store.put(otherApp, key, utf8(`other ${key}`));
        const seen = () => ({ ...counted(store, otherApp), read: readable(store, [otherApp]) });
        const [before, records] = [seen(), allSent(store).map(({ header }) => hex(header))];
        for (const { kind, key, length, ttlMs } of operations) {
          const options = ttlMs === undefined ? {} : { ttlMs };
          if (kind === 'put') reasonOf(() => store.put(app, key, new Uint8Array(length), options));
          if (kind === 'evict') reasonOf(() => store.put(app, key, new Uint8Array(length), { ...options, whenFull: 'evict' }));
          if (kind === 'delete') store.delete(app, key);
          if (kind === 'get') expect(store.get(app, key)?.value.some((byte) => byte !== 0)).not.toBe(true);
          if (kind === 'list') expect(listed(store)).not.toContain('z');
          if (kind === 'maintain') store.maintain(nothingGone);
          if (kind === 'wait') store.clock.advance(60);
          if (kind === 'merge') reasonOf(() => peer.put(app, key, new Uint8Array(length)));
          if (kind === 'merge') for (const each of allSent(peer)) store.merge(each);
          expect(counted(store, app).bytes).toBeLessThanOrEqual(3 * quotaBytes);
        }
        expect(seen()).toEqual(before);
        expect(allSent(store).map(({ header }) => hex(header))).toEqual(expect.arrayContaining(records));
        expect(store.gauges().bytes).toBe(counted(store).bytes);
      }),
      { numRuns: 60 },
    );
  });
  it('takes no body that another app’s keys sealed, though one node holds them all', () => {
    const [store, peer] = clusterOf();
    store.put(app, 'k', utf8('mine'));
    store.put(otherApp, 'k', utf8('theirs'));
    const [mine, theirs] = [sentOf(store, 'k', app), sentOf(store, 'k', otherApp)];
    expect(word(peer.merge({ ...mine, header: theirs.header }))).toBe('bad_record');
    expect(word(peer.merge({ ...theirs, header: mine.header }))).toBe('bad_record');
    expect(readable(peer)).toEqual({});
  });
  it('goes with its last record', () => {
    const store = storeOf();
    store.delete(app, 'k');
    expect(store.gauges().namespaces).toBe(1);
    store.clock.advance(86_400_000);
    store.collect(store.sequence());
    expect(store.gauges()).toMatchObject({ namespaces: 0, bytes: 0, tombstones: 0 });
  });
});

describe('without the key', () => {
  it('R-1 of the current epoch nothing is written, and nothing has changed', () => {
    const keys = createKeyTable(e0);
    const store = storeOf({ keys });
    store.put(app, 'k', utf8('v'));
    const before = stateOf(store);
    keys.held.clear();
    for (const act of [() => store.put(app, 'k', utf8('w')), () => store.put(app, 'l', utf8('w')), () => store.delete(app, 'k')])
      expect(reasonOf(act)).toBe('fetching_secret');
    expect(store.digest()).toBeUndefined();
    keys.held.add(e0);
    expect(stateOf(store)).toEqual(before);
    expect(read(store, 'k')).toBe('v');
  });
  it('R-1 of a record’s epoch it is not read and does not travel, and what is not there is still not there', () => {
    const keys = createKeyTable(e0, e1);
    keys.epoch = e0;
    const store = storeOf({ keys });
    store.put(app, 'k', utf8('v'));
    store.maintain(nothingGone);
    keys.epoch = e1;
    keys.held.delete(e0);
    expect(reasonOf(() => store.get(app, 'k'))).toBe('fetching_secret');
    expect(store.get(app, 'l')).toBeUndefined();
    expect(store.travelling(recordOf(store, 'k'))).toBeUndefined();
    expect(listed(store)).toEqual(['k']);
    store.put(app, 'k', utf8('w'));
    expect(read(store, 'k')).toBe('w');
  });
  it('R-1 of the current epoch no tombstone travels', () => {
    const keys = createKeyTable(e0);
    const store = storeOf({ keys });
    store.delete(app, 'k');
    keys.held.clear();
    expect(store.travelling(recordOf(store, 'k'))).toBeUndefined();
  });
});

describe('a rotation', () => {
  function rotated(count: number, value?: Uint8Array) {
    const keys = createKeyTable(e0);
    const store = storeOf({ keys, quotaBytes: 64 << 20 });
    for (let index = 0; index < count; index += 1) store.put(app, `k${index}`, value ?? utf8(`v${index}`));
    keys.held.add(e1);
    keys.epoch = e1;
    return { keys, store, underOld: () => allSent(store).filter(({ epoch }) => epoch === e0).length };
  }

  it('seals all anew in bounded pieces, and changes nothing else: not the identity, the version, the order or the sequence', () => {
    const { keys, store, underOld } = rotated(STORE_MAINTENANCE_RECORDS + 10);
    const seen = () => ({ sequence: store.sequence(), gauges: store.gauges(), version: store.get(app, 'k7')?.version });
    const offers = () =>
      [...store.changes(0)].map((record) => [record.sequence, hex(store.offerOf(record).id), hex(sent(store, record).header)]);
    const before = [seen(), offers()];
    store.maintain(nothingGone);
    expect(underOld()).toBe(10);
    store.maintain(nothingGone);
    expect(underOld()).toBe(0);
    expect([seen(), offers()]).toEqual(before);
    keys.held.delete(e0);
    store.maintain((epoch) => epoch === e0);
    for (const index of [0, 7, STORE_MAINTENANCE_RECORDS + 9]) expect(read(store, `k${index}`)).toBe(`v${index}`);
    expect(store.gauges().keys).toBe(STORE_MAINTENANCE_RECORDS + 10);
  });
  it('seals so many bytes anew in one piece, however few the records are', () => {
    const pieceOf = STORE_MAINTENANCE_BYTES / VALUE_BYTES_MAX;
    const { store, underOld } = rotated(2 * pieceOf + 1, new Uint8Array(VALUE_BYTES_MAX));
    for (const left of [pieceOf + 1, 1, 0]) {
      store.maintain(nothingGone);
      expect(underOld()).toBe(left);
    }
  });
  it('writes under the new epoch at once, and a peer that has both takes either', () => {
    const { keys, store } = rotated(1);
    store.put(app, 'new', utf8('v'));
    expect(sentOf(store, 'new').epoch).toBe(e1);
    const peer = storeOf({ wallet: b, keys, clock: store.clock });
    expect(pass(store, peer).map(word)).toEqual(['stored', 'stored']);
    expect([read(peer, 'k0'), read(peer, 'new')]).toEqual(['v0', 'v']);
    store.maintain(nothingGone);
    expect(pass(store, peer).map(word)).toEqual(['equal', 'equal']);
    expect(printOf(store)).toBe(printOf(peer));
  });
  it('seals anew what comes late under the old epoch', () => {
    const { keys, store } = rotated(2);
    const late = storeOf({ wallet: b, keys: { ...keys, current: () => e0 }, clock: store.clock });
    late.put(app, 'late', utf8('v'));
    store.maintain(nothingGone);
    pass(late, store);
    expect(sentOf(store, 'late').epoch).toBe(e0);
    store.maintain(nothingGone);
    expect(sentOf(store, 'late').epoch).toBe(e1);
  });
  it('goes on when the epoch changes again before it was through, and when it is taken back', () => {
    const { keys, store } = rotated(STORE_MAINTENANCE_RECORDS + 1);
    store.maintain(nothingGone);
    keys.held.add(e2);
    for (const epoch of [e2, e1, e2]) {
      keys.epoch = epoch;
      for (let pieces = 0; pieces < 2; pieces += 1) store.maintain(nothingGone);
      expect(new Set(allSent(store).map((each) => each.epoch))).toEqual(new Set([epoch]));
    }
    keys.held.delete(e0);
    keys.held.delete(e1);
    expect(read(store, `k${STORE_MAINTENANCE_RECORDS}`)).toBe(`v${STORE_MAINTENANCE_RECORDS}`);
  });
  it('drops what was not sealed anew before its epoch was gone, and nothing else', () => {
    const { keys, store } = rotated(3);
    store.put(app, 'new', utf8('v'));
    store.delete(app, 'k2');
    keys.held.delete(e0);
    store.maintain(nothingGone);
    expect(reasonOf(() => store.get(app, 'k0'))).toBe('fetching_secret');
    store.maintain((epoch) => epoch === e0);
    expect([read(store, 'k0'), read(store, 'k2'), read(store, 'new')]).toEqual([undefined, undefined, 'v']);
    expect(store.gauges()).toMatchObject({ ...counted(store), keys: 1, tombstones: 1 });
    expect(digestOf(store).fingerprint({ from: undefined, to: undefined }).count).toBe(2);
  });
  it('takes a dropped record back from a peer that was faster', () => {
    const { keys, store } = rotated(1);
    const peer = storeOf({ wallet: b, keys, clock: store.clock });
    pass(store, peer);
    peer.maintain(nothingGone);
    keys.held.delete(e0);
    store.maintain((epoch) => epoch === e0);
    expect(pass(peer, store).map(word)).toEqual(['stored']);
    expect(read(store, 'k0')).toBe('v0');
  });
  it('R-2 reads again what a peer has sealed anew, though this node came too late for its own, and takes no body for it that is bad', () => {
    const keys = createKeyTable(e0, e1);
    keys.epoch = e0;
    const clock = createClock();
    const store = storeOf({ keys, clock });
    const peer = storeOf({ wallet: b, clock, keys: { ...createKeyTable(e0, e1), current: () => e1 } });
    store.put(app, 'k', utf8('v'));
    pass(store, peer);
    peer.maintain(nothingGone);
    keys.epoch = e1;
    keys.held.delete(e0);
    store.maintain(nothingGone);
    const good = sentOf(peer, 'k');
    for (const bad of [{ sealed: flipped(good.sealed) }, { epoch: e0 }, { epoch: e2 }]) {
      store.merge({ ...good, ...bad });
      expect(reasonOf(() => store.get(app, 'k'))).toBe('fetching_secret');
    }
    const before = [store.sequence(), printOf(store), store.gauges()];
    store.merge(good);
    expect(read(store, 'k')).toBe('v');
    expect([store.sequence(), printOf(store), store.gauges()]).toEqual(before);
    store.maintain((epoch) => epoch === e0);
    expect(read(store, 'k')).toBe('v');
  });
  it('is not held up by a record that will never open', () => {
    const table = createKeyTable(e0);
    let isReplaced = false;
    const recordKey: DataKeys['recordKey'] = (appId, epoch) =>
      epoch === e0 && isReplaced ? new Uint8Array(32).fill(9) : table.recordKey(appId, epoch);
    const keys: DataKeys = { current: () => table.current(), digestKey: (epoch) => table.digestKey(epoch), recordKey };
    const store = storeOf({ keys });
    store.put(app, 'old', utf8('v'));
    isReplaced = true;
    store.put(app, 'new', utf8('v'));
    table.held.add(e1);
    table.epoch = e1;
    for (let pieces = 0; pieces < 3; pieces += 1) store.maintain(nothingGone);
    expect(sentOf(store, 'new').epoch).toBe(e1);
    table.held.delete(e0);
    store.maintain((epoch) => epoch === e0);
    expect(read(store, 'new')).toBe('v');
  });
  it('comes to what is merged after all was forgotten', () => {
    const { keys, store } = rotated(5);
    const peer = storeOf({ wallet: b, keys: { ...keys, current: () => e0 }, clock: store.clock });
    peer.put(app, 'peer', utf8('v'));
    store.maintain(nothingGone);
    store.forget();
    pass(peer, store);
    store.maintain(nothingGone);
    keys.held.delete(e0);
    store.maintain((epoch) => epoch === e0);
    expect(read(store, 'peer')).toBe('v');
  });
});

describe('S-C2 a replaced secret', () => {
  const secretOf = (byte: number) => new Uint8Array(32).fill(byte);
  const usable = (byte: number) => ({ epoch: e0, state: 'usable', hash: secretHash(secretOf(byte)) }) as const;

  function keysOf(vault: Vault, epoch: Epoch = e0): DataKeys {
    return {
      current: () => (vault.holds(epoch) ? epoch : undefined),
      recordKey: (appId, of) => vault.recordKey(appId, of),
      digestKey: (of) => vault.digestKey(of),
    };
  }

  function vaultOf(byte: number): Vault {
    const vault = createVault();
    vault.install(e0, secretHash(secretOf(byte)), secretOf(byte));
    return vault;
  }

  /** A store that has written under secret 1 and made prints of it; now secret 2 is the epoch's. */
  function replaced() {
    const vault = vaultOf(1);
    const store = storeOf({ keys: keysOf(vault) });
    store.put(app, 'old', utf8('v'));
    const [record, before] = [sentOf(store, 'old'), printOf(store)];
    vault.settle([usable(2)]);
    expect(reasonOf(() => store.get(app, 'old'))).toBe('fetching_secret');
    vault.install(e0, secretHash(secretOf(2)), secretOf(2));
    return { vault, store, record, before, peer: storeOf({ wallet: b, keys: keysOf(vaultOf(2)), clock: store.clock }) };
  }

  it('opens nothing and seals nothing any more', () => {
    const { store, peer } = replaced();
    expect(reasonOf(() => store.get(app, 'old'))).toBe('fetching_secret');
    store.put(app, 'new', utf8('v'));
    expect(word(peer.merge(sentOf(store, 'new')))).toBe('stored');
    expect(read(peer, 'new')).toBe('v');
  });
  it('lets in no record that was sealed under it', () => {
    const { record, peer } = replaced();
    expect(word(peer.merge(record))).toBe('bad_record');
    expect(peer.sequence()).toBe(0);
  });
  it('makes no prints any more: the digest is that of a node which never had it', () => {
    const { store, peer, before } = replaced();
    store.delete(app, 'old');
    pass(store, peer);
    expect(printOf(store)).toBe(printOf(peer));
    expect(printOf(store)).not.toBe(before);
  });
  it('sends no body of its time, which every peer would have to call bad', () => {
    const { store, peer } = replaced();
    store.maintain(nothingGone);
    for (const record of store.changes(0)) {
      const travelling = store.travelling(record);
      if (travelling) expect(word(peer.merge(travelling))).not.toBe('bad_record');
    }
  });
  it('sends none before maintenance has come to it, either, and all of what was written since', () => {
    const { store, peer } = replaced();
    store.put(app, 'new', utf8('v'));
    expect(store.travelling(recordOf(store, 'old'))).toBeUndefined();
    expect(word(peer.merge(sentOf(store, 'new')))).toBe('stored');
    store.maintain(nothingGone);
    expect(store.travelling(recordOf(store, 'new'))).toBeDefined();
  });
  it('leaves keys that can be written again', () => {
    const { store, peer } = replaced();
    store.put(app, 'old', utf8('again'));
    pass(store, peer);
    expect([read(store, 'old'), read(peer, 'old')]).toEqual(['again', 'again']);
  });
  it('is followed by one that reads what peers write under it, at once and for every app', () => {
    const { store, peer } = replaced();
    for (let index = 0n; index < 50n; index += 1n) peer.put((app + index) as typeof app, 'k', utf8(`v${index}`));
    expect(new Set(pass(peer, store).map(word))).toEqual(new Set(['stored']));
    expect(read(store, 'k', (app + 49n) as typeof app)).toBe('v49');
  });
});

describe('a store that forgets', () => {
  it('is empty, with another incarnation, and counts its changes anew', () => {
    const store = storeWith('k', 'l');
    store.put(app, 't', utf8('v'), { ttlMs: 5 });
    store.delete(app, 'l');
    const before = store.incarnation();
    store.forget();
    expect(store.incarnation()).toMatch(/^[0-9a-f]{32}$/);
    expect(store.incarnation()).not.toBe(before);
    expect([store.sequence(), [...store.changes(0)], listed(store)]).toEqual([0, [], []]);
    expect(store.gauges()).toMatchObject({ namespaces: 0, keys: 0, tombstones: 0, bytes: 0 });
    expect(digestOf(store).fingerprint({ from: undefined, to: undefined })).toEqual({ count: 0, print: new Uint8Array(16) });
    store.clock.advance(10);
    store.maintain(nothingGone);
    expect(store.collect(100)).toBe(0);
  });
  it('gives no dot and no time twice', () => {
    const store = storeOf();
    const peer = storeOf({ wallet: b, clock: store.clock });
    store.put(app, 'k', utf8('old'));
    pass(store, peer);
    store.forget();
    store.put(app, 'k', utf8('new'));
    expect(pass(store, peer).map(word)).toEqual(['stored']);
    expect(read(peer, 'k')).toBe('new');
  });
  it('takes back from peers what it had, collected or not', () => {
    const [store, peer] = clusterOf();
    store.put(app, 'k', utf8('v'));
    store.delete(app, 'l');
    pass(store, peer);
    store.clock.advance(86_400_000);
    expect(store.collect(store.sequence())).toBe(1);
    store.forget();
    expect(pass(peer, store).map(word)).toEqual(['stored', 'stored']);
    expect(printOf(store)).toBe(printOf(peer));
  });
});

describe('gauges', () => {
  it('say what the records say', () => {
    const store = storeWith('k', 'l', 'é');
    store.delete(app, 'k');
    store.put(otherApp, 'm', new Uint8Array(100));
    expect(store.gauges()).toMatchObject(counted(store));
    expect(counted(store)).toEqual({ namespaces: 2, keys: 3, tombstones: 1, bytes: 4 * 256 + 1 + 1 + 2 + 1 + 10 + 11 + 100 });
  });
});

describe('two boots', () => {
  it('have different incarnations, so that no dot is ever given twice', () => {
    const [one, other] = [storeOf({ seed: '1' }), storeOf({ seed: '2' })];
    expect(one.incarnation()).not.toBe(other.incarnation());
    expect(createRandom('x').bytes(16)).toHaveLength(16);
    for (let writes = 0; writes < 5; writes += 1) one.put(app, 'k', utf8('v'));
    const { incarnation, counter, origin } = recordOf(one, 'k');
    expect([incarnation, counter, origin]).toEqual([one.incarnation(), 5, a]);
    expect(one.gauges().bytes).toBeLessThan(QUOTA_BYTES);
  });
});
