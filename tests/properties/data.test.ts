/** Laws of clause 13: whatever one app asks, it neither reads nor changes what is another’s. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createDataWorld } from '../functions/data-world.ts';
import type { DataWorld, TestApp } from '../functions/data-world.ts';

const PATH = '/kms/data';
/** Few, so that the apps meet, and those that an escape could turn into another’s. */
const KEYS = ['a', 'a/b', '__proto__', '9', '10', '../10/a', '..%2F10%2Fa', 'batch', ' ', '"'] as const;
const HIDDEN = 'aGlkZGVuIHZhbHVlIG9mIEI=';

const key = fc.constantFrom(...KEYS);
const value = fc.constantFrom('', 'AA==', 'aGVsbG8=');
const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
const version = (versions: readonly string[]) => optional(fc.constantFrom<string | null>(null, 'A'.repeat(22), ...versions));
const prefix = fc.constantFrom('', 'a', '_', '1', '.', '10', '9');

const operation = (versions: readonly string[], cursors: readonly string[]) =>
  fc.oneof(
    fc.record({ op: fc.constant('put'), key, value, if_version: version(versions), ttl_ms: optional(fc.constantFrom(0, 1, 5_000)) }),
    fc.record({ op: fc.constant('delete'), key, if_version: version(versions) }),
    fc.record({ op: fc.constant('get'), key }),
    fc.record({
      op: fc.constant('list'),
      prefix,
      limit: optional(fc.integer({ min: 1, max: 3 })),
      cursor: optional(fc.constantFrom('x', ...cursors)),
    }),
  );

const requestArbitrary = (versions: readonly string[], cursors: readonly string[]) =>
  fc.oneof(
    fc.record({
      method: fc.constant('POST'),
      path: fc.constant(`${PATH}/batch`),
      body: fc.record({ operations: fc.array(operation(versions, cursors), { minLength: 1, maxLength: 6 }) }),
    }),
    fc.record({ method: fc.constant('PUT'), path: fc.constant(PATH), body: fc.record({ key, value, if_version: version(versions) }) }),
    fc.record({ method: fc.constant('DELETE'), path: fc.constant(PATH), body: fc.record({ key, if_version: version(versions) }) }),
    fc.record({
      method: fc.constant('GET'),
      path: fc.oneof(
        key.map((each) => `${PATH}/${encodeURIComponent(each)}`),
        key.map((each) => `${PATH}/${each.replaceAll('"', '%22').replaceAll(' ', '%20')}`),
        fc
          .tuple(prefix, fc.constantFrom('', ...cursors.map((each) => `&cursor=${each}`)))
          .map(([of, cursor]) => `${PATH}?prefix=${of}${cursor}`),
      ),
      body: fc.constant(undefined),
    }),
  );

/** Below the rate of an app: a body of a length that nobody says costs as much as the longest. */
function ask({ cluster, ask: send }: DataWorld): DataWorld['ask'] {
  cluster.clock.advance(150);
  return send;
}

/** Everything that B can see of its own. */
async function seen(world: DataWorld, app: TestApp): Promise<unknown> {
  const { body } = await ask(world)(app, 'POST', `${PATH}/batch`, {
    operations: [{ op: 'list' }, ...KEYS.map((each) => ({ op: 'get', key: each }))],
  });
  return body['results'];
}

describe('two apps', () => {
  it('never reach each other’s data, by any key, prefix, version, cursor or batch', async () => {
    const world = await createDataWorld(['a', 'b']);
    const versions: string[] = [];
    for (const each of KEYS) versions.push(String((await ask(world)(world.b, 'PUT', PATH, { key: each, value: HIDDEN })).body['version']));
    const cursors: string[] = [];
    for (const of of ['', 'a', '_']) {
      const { body } = await ask(world)(world.b, 'GET', `${PATH}?prefix=${of}&limit=1`);
      if (typeof body['cursor'] === 'string') cursors.push(body['cursor']);
    }
    const before = await seen(world, world.b);
    expect([versions.length, cursors.length, JSON.stringify(before).includes(HIDDEN)]).toEqual([KEYS.length, 2, true]);
    await fc.assert(
      fc.asyncProperty(requestArbitrary(versions, cursors), async ({ method, path, body }) => {
        const answer = await ask(world)(world.a, method, path, body);
        const told = JSON.stringify(answer.body);
        expect(told).not.toContain(HIDDEN);
        expect(versions.filter((each) => told.includes(each))).toEqual([]);
        expect([undefined, 9]).toContain(answer.body['app_id']);
      }),
      { numRuns: 300 },
    );
    expect(await seen(world, world.b)).toEqual(before);
    // The law can fail: what A wrote, A finds.
    expect(JSON.stringify(await seen(world, world.a))).not.toBe(JSON.stringify(before));
  });
});
