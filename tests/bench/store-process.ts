/**
 * One store of a given size in a process of its own, which does pieces of work when told to (`store.ts`). Each store has its own heap, so
 * that collecting the garbage of a large one slows no small one; what is looked for is chosen before the clock starts, and comes as new
 * strings, as it would from a request.
 */
import { createHash } from 'node:crypto';
import { systemClock, systemRandom } from '../../core/platform/system.ts';
import { createVault } from '../../core/crypto/vault.ts';
import { secretHash } from '../../core/crypto/kdf.ts';
import { createStore } from '../../core/store/store.ts';
import { MESSAGE_LIFETIME_MS } from '../../core/limits.ts';
import type { AppId, Epoch, Wallet } from '../../core/identity.ts';
import type { Store } from '../../core/store/store.ts';

export const OPERATIONS = ['get', 'put, overwriting', 'put, new key', 'delete', 'list, page of 100', "merge of a peer's record"] as const;

export type Operation = (typeof OPERATIONS)[number];

/** What the parent asks for, and what it is told: microseconds for one call. */
export interface Order {
  readonly operation: Operation;
  readonly calls: number;
}

export interface Cost {
  readonly wallUs: number;
  /** Of all threads of the process: collecting garbage is part of the price. */
  readonly cpuUs: number;
}

/** Bytes for each record, garbage collected. */
export interface Filled {
  readonly heapBytes: number;
  readonly externalBytes: number;
  readonly residentBytes: number;
}

export const VALUE_BYTES = 256;
const PAGE = 100;
/** Keys that come and go are at most this share of those that stay. */
const TRANSIENT_SHARE = 0.1;

const app = 43n as AppId;
const epoch = 0 as Epoch;
const [self, peer] = ['a', 'b'].map((digit) => `0x${digit.repeat(40)}` as Wallet) as [Wallet, Wallet];
const members = new Set([self, peer]);
const value = new Uint8Array(VALUE_BYTES).fill(7);

function createKeys() {
  const vault = createVault();
  const secret = systemRandom.bytes(32);
  vault.install(epoch, secretHash(secret), secret);
  return { current: () => epoch, recordKey: vault.recordKey, digestKey: (of: Epoch) => vault.digestKey(of) };
}

const keys = createKeys();
let skippedMs = 0;
const clock = { ...systemClock, elapsedMs: () => systemClock.elapsedMs() + skippedMs };

function createBenchStore(wallet: Wallet): Store {
  const dependencies = { clock, random: systemRandom, keys, members: () => members, isReplicated: () => true };
  return createStore({
    ...dependencies,
    self: wallet,
    quotaBytes: Number.MAX_SAFE_INTEGER,
    memoryBytesMax: Number.MAX_SAFE_INTEGER,
    isCatchingUp: () => false,
  });
}

/** In no order, as apps name things: a word and some digits. */
function keyOf(number: number): string {
  return `users/${createHash('sha256').update(`${number}`).digest('hex').slice(0, 24)}`;
}

/** Another string of the same text. */
function fresh(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1');
}

function measured(calls: number, work: () => void): Cost {
  const cpuBefore = process.cpuUsage();
  const startedAtMs = performance.now();
  work();
  const wallMs = performance.now() - startedAtMs;
  const { user, system } = process.cpuUsage(cpuBefore);
  return { wallUs: (wallMs * 1_000) / calls, cpuUs: (user + system) / calls };
}

function collectGarbage(): NodeJS.MemoryUsage {
  globalThis.gc?.();
  return process.memoryUsage();
}

function fill(size: number): { store: Store; filled: Filled } {
  // So that what the process needs anyway is there.
  const warm = createBenchStore(self);
  for (let number = 0; number < 500; number += 1) warm.put(app, keyOf(number), value);
  const before = collectGarbage();
  const store = createBenchStore(self);
  store.digest();
  for (let number = 0; number < size; number += 1) store.put(app, keyOf(number), value);
  const after = collectGarbage();
  const filled = {
    heapBytes: (after.heapUsed - before.heapUsed) / size,
    externalBytes: (after.external - before.external) / size,
    residentBytes: (after.rss - before.rss) / size,
  };
  return { store, filled };
}

function createWork(store: Store, size: number): (order: Order) => Cost {
  let added = size;

  /** So many keys that are there, at random. */
  function chosen(calls: number): string[] {
    return Array.from({ length: calls }, () => fresh(keyOf(Math.floor(Math.random() * size))));
  }

  function each(calls: number, work: (key: string) => unknown): Cost {
    const order = chosen(calls);
    return measured(calls, () => {
      for (const key of order) work(key);
    });
  }

  function mergeOf(calls: number): Cost {
    const other = createBenchStore(peer);
    const records = chosen(calls).map((key) => {
      const travelling = other.travelling(other.put(app, key, value).record);
      if (!travelling) throw new Error('a record that is there travels');
      return travelling;
    });
    return measured(calls, () => {
      for (const record of records) store.merge(record);
    });
  }

  /** Keys that are not there are put and deleted again, few at a time; between, tombstones are collected. */
  function comingAndGoing(calls: number, which: 'put' | 'delete'): Cost {
    const sum = { wallUs: 0, cpuUs: 0 };
    let done = 0;
    for (const batch = Math.min(calls, Math.max(1, size * TRANSIENT_SHARE)); done < calls; done += batch) {
      const names = Array.from({ length: batch }, () => keyOf((added += 1)));
      const put = measured(1, () => {
        for (const name of names) store.put(app, name, value);
      });
      const gone = names.map(fresh).toSorted();
      const deletion = measured(1, () => {
        for (const name of gone) store.delete(app, name);
      });
      skippedMs += MESSAGE_LIFETIME_MS + 1;
      while (store.collect(store.sequence()) > 0);
      const { wallUs, cpuUs } = which === 'put' ? put : deletion;
      Object.assign(sum, { wallUs: sum.wallUs + wallUs, cpuUs: sum.cpuUs + cpuUs });
    }
    return { wallUs: sum.wallUs / done, cpuUs: sum.cpuUs / done };
  }

  return ({ operation, calls }) => {
    if (operation === 'get') return each(calls, (key) => store.get(app, key));
    if (operation === 'put, overwriting') return each(calls, (key) => store.put(app, key, value));
    if (operation === 'list, page of 100') return each(calls, (key) => store.list(app, '', key, PAGE));
    if (operation === "merge of a peer's record") return mergeOf(calls);
    return comingAndGoing(calls, operation === 'delete' ? 'delete' : 'put');
  };
}

if (process.send) {
  const size = Number(process.argv[2]);
  const { store, filled } = fill(size);
  const work = createWork(store, size);
  process.on('message', (order: Order) => process.send?.(work(order)));
  process.send(filled);
}
