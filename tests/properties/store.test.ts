/** The store beside a model of it that keeps plain values in a map: whatever is done, in any order, both say the same. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MESSAGE_LIFETIME_MS, RECORD_CHARGE_BYTES } from '../../core/limits.ts';
import { reasonOf } from '../core/fakes.ts';
import { app, counted, otherApp, stateOf, storeOf } from '../core/store/stores.ts';
import type { AppId } from '../../core/identity.ts';
import type { Found, PutOptions } from '../../core/store/interface.ts';
import type { TestStore } from '../core/store/stores.ts';

const QUOTA_BYTES = 2_000;
/** Never evicted: what `isReplicated` says of it. */
const UNREPLICATED = 'd';

interface Entry {
  readonly appId: AppId;
  readonly key: string;
  /** `undefined` once it is deleted or expired. */
  length: number | undefined;
  readonly version: string;
  readonly expiresAtMs: number | null;
  readonly sequence: number;
  deadSinceMs: number;
}

/** Entries of all apps, the one used least recently first. */
function createModel({ clock }: TestStore) {
  let entries: Entry[] = [];
  let sequence = 0;
  const chargeOf = ({ key, length = 0 }: { key: string; length?: number | undefined }) => key.length + length + RECORD_CHARGE_BYTES;
  const used = (appId?: AppId) =>
    entries.filter((each) => appId === undefined || each.appId === appId).reduce((sum, each) => sum + chargeOf(each), 0);
  const find = (appId: AppId, key: string) => entries.find((each) => each.appId === appId && each.key === key);
  const alive = (appId: AppId, key: string) => (find(appId, key)?.length === undefined ? undefined : find(appId, key));
  const without = (entry: Entry | undefined) => entries.filter((each) => each !== entry);

  function write(appId: AppId, key: string, length: number | undefined, version: string, ttlMs?: number): void {
    const expiresAtMs = ttlMs === undefined ? null : clock.nowMs() + ttlMs;
    entries = [
      ...without(find(appId, key)),
      { appId, key, length, version, expiresAtMs, sequence: (sequence += 1), deadSinceMs: clock.elapsedMs() },
    ];
  }

  return {
    alive,
    write,
    used,
    sequence: () => sequence,
    entries: () => entries,
    expire() {
      for (const each of entries.filter(({ expiresAtMs }) => expiresAtMs !== null && expiresAtMs <= clock.nowMs()))
        if (each.length !== undefined) Object.assign(each, { length: undefined, deadSinceMs: clock.elapsedMs() });
    },
    /** The keys to evict; a reason when it is refused. */
    admit(appId: AppId, key: string, length: number, { ifVersion, whenFull }: PutOptions): string[] | string {
      if (ifVersion !== undefined && ifVersion !== (alive(appId, key)?.version ?? null)) return 'version_conflict';
      const held = find(appId, key);
      const growth = chargeOf({ key, length }) - (held ? chargeOf(held) : 0);
      let missing = growth > 0 ? used(appId) + growth - QUOTA_BYTES : 0;
      const victims = [];
      for (const each of whenFull === 'evict' ? entries : []) {
        if (missing <= 0) break;
        if (each.appId !== appId || each.key === key || each.key === UNREPLICATED || !each.length) continue;
        missing -= each.length;
        victims.push(each.key);
      }
      return missing > 0 ? 'quota_exceeded' : victims;
    },
    touch: (entry: Entry) => void (entries = [...without(entry), entry]),
    collect(through: number) {
      const kept = entries.filter(
        (each) => each.length !== undefined || each.sequence > through || clock.elapsedMs() - each.deadSinceMs < MESSAGE_LIFETIME_MS,
      );
      const collected = entries.length - kept.length;
      entries = kept;
      return collected;
    },
  };
}

type Model = ReturnType<typeof createModel>;

const key = fc.constantFrom('a', 'b', 'c', UNREPLICATED, 'ab');
const target = { appId: fc.constantFrom(app, app, otherApp), key };
const ifVersion = fc.constantFrom(undefined, undefined, undefined, 'current', 'other', null);
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('put' as const),
      ...target,
      ifVersion,
      length: fc.oneof(fc.nat(40), fc.integer({ min: 200, max: 1_200 })),
      ttlMs: fc.constantFrom(undefined, undefined, 1, 5_000, 60_000),
      whenFull: fc.constantFrom(undefined, 'refuse' as const, 'evict' as const, 'evict' as const),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('get' as const), ...target }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('delete' as const), ...target, ifVersion }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('list' as const),
      appId: target.appId,
      prefix: fc.constantFrom('', 'a', 'b', 'x'),
      after: fc.option(key, { nil: undefined }),
      limit: fc.integer({ min: 1, max: 4 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.constantFrom(1, 4_999, 60_000, MESSAGE_LIFETIME_MS) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('set' as const), toMs: fc.integer({ min: -25_000, max: 25_000 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('collect' as const), share: fc.double({ min: 0, max: 1, noNaN: true }) }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

function byKind(store: TestStore, model: Model, each: Step): string {
  if (each.kind === 'put') return put(store, model, each);
  if (each.kind === 'delete') return remove(store, model, each);
  if (each.kind === 'get') get(store, model, each);
  if (each.kind === 'list') list(store, model, each);
  if (each.kind === 'wait') store.clock.advance(each.ms);
  if (each.kind === 'collect') {
    const through = Math.floor(each.share * store.sequence());
    expect(store.collect(through)).toBe(model.collect(through));
  }
  return each.kind;
}

type Of<Kind extends Step['kind']> = Extract<Step, { kind: Kind }>;

function conditionOf(model: Model, { appId, key: name, ifVersion: asked }: Of<'put'> | Of<'delete'>) {
  if (asked === undefined) return {};
  if (asked === 'current') return { ifVersion: model.alive(appId, name)?.version ?? null };
  return { ifVersion: asked === null ? null : 'A'.repeat(22) };
}

/** Does it, and when it is refused, looks whether anything has changed. */
function attempt(store: TestStore, act: () => void): string {
  const before = stateOf(store);
  const reason = reasonOf(act);
  if (reason !== 'none') expect(stateOf(store)).toEqual(before);
  return reason;
}

function put(store: TestStore, model: Model, each: Of<'put'>): string {
  const { appId, key: name, length, ttlMs, whenFull } = each;
  const options = { ...conditionOf(model, each), ...(ttlMs && { ttlMs }), ...(whenFull && { whenFull }) };
  const expected = model.admit(appId, name, length, options);
  return attempt(store, () => {
    const { version, evicted } = store.put(appId, name, new Uint8Array(length).fill(length), options);
    expect(evicted).toEqual(expected);
    model.write(appId, name, length, version, ttlMs);
    for (const victim of evicted) model.write(appId, victim, undefined, '');
  }).replace('none', evictedAny(expected) ? 'evicted' : 'put');
}

const evictedAny = (expected: string[] | string) => Array.isArray(expected) && expected.length > 0;

function remove(store: TestStore, model: Model, each: Of<'delete'>): string {
  const { appId, key: name } = each;
  const there = model.alive(appId, name);
  return attempt(store, () => {
    const { existed, version } = store.delete(appId, name, conditionOf(model, each));
    expect(existed).toBe(there !== undefined);
    model.write(appId, name, undefined, version);
  }).replace('none', 'deleted');
}

function get(store: TestStore, model: Model, { appId, key: name }: Of<'get'>): void {
  const expected = model.alive(appId, name);
  expect(shown(store.get(appId, name))).toEqual(
    expected && shown({ ...expected, value: new Uint8Array(expected.length ?? 0).fill(expected.length ?? 0) }),
  );
  if (expected) model.touch(expected);
}

function shown(found: Pick<Found, 'value' | 'version' | 'expiresAtMs'> | undefined): object | undefined {
  return found && { value: found.value.join(), version: found.version, expiresAtMs: found.expiresAtMs };
}

function list(store: TestStore, model: Model, { appId, prefix, after, limit }: Of<'list'>): void {
  const all = model
    .entries()
    .filter((each) => each.appId === appId && each.length !== undefined && each.key.startsWith(prefix))
    .map((each) => each.key)
    .filter((name) => after === undefined || name > after)
    .sort();
  expect(store.list(appId, prefix, after, limit)).toEqual({
    keys: all.slice(0, limit),
    next: all.length > limit ? all[limit - 1] : undefined,
  });
}

/** What every step must leave behind. */
function check(store: TestStore, model: Model): void {
  const entries = model.entries();
  const bytes = model.used();
  const keys = entries.filter(({ length }) => length !== undefined).length;
  const namespaces = new Set(entries.map(({ appId }) => appId)).size;
  expect(store.gauges()).toMatchObject({ namespaces, keys, tombstones: entries.length - keys, bytes });
  expect(counted(store)).toEqual({ namespaces, keys, tombstones: entries.length - keys, bytes });
  for (const appId of [app, otherApp]) expect(model.used(appId)).toBeLessThanOrEqual(QUOTA_BYTES);
  expect(store.sequence()).toBe(model.sequence());
  const sequences = entries.map((each) => each.sequence).sort((x, y) => x - y);
  for (const from of [0, sequences[1] ?? 0, store.sequence()])
    expect([...store.changes(from)].map(({ sequence }) => sequence)).toEqual(sequences.filter((each) => each > from));
}

describe('the store', () => {
  it('X-5 does what the model does: every answer, every refusal, every gauge, through quota, expiry, eviction and collection', () => {
    const seen = new Map<string, number>();
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
        const store = storeOf({ quotaBytes: QUOTA_BYTES });
        store.replicated = (record) => record.key !== UNREPLICATED;
        const model = createModel(store);
        let setMs = 0;
        for (const each of steps) {
          if (each.kind === 'set') {
            store.clock.set(each.toMs - setMs);
            setMs = each.toMs;
          }
          const what = byKind(store, model, each);
          seen.set(what, (seen.get(what) ?? 0) + 1);
          store.maintain(() => false);
          model.expire();
          check(store, model);
        }
      }),
      { numRuns: 150 },
    );
    for (const what of ['put', 'evicted', 'deleted', 'quota_exceeded', 'version_conflict', 'collect'])
      expect(seen.get(what)).toBeGreaterThan(20);
  });
});
