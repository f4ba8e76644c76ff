/**
 * The KV calls of the client, against nodes with small stores of their own: what is asked, what is believed of an answer, and what a
 * write ends with when nobody knows whether it was done.
 */
import { beforeEach, describe, expect, it } from 'vitest';
import { KmsError } from '../../../core/client/error.ts';
import { Refusal } from '../../../core/errors.ts';
import { BATCH_OPERATIONS_MAX, KEY_BYTES_MAX, LIST_KEYS_MAX, TTL_MS_MAX, VALUE_BYTES_MAX } from '../../../core/limits.ts';
import { parseUtf8, utf8 } from '../../../core/wire/bytes.ts';
import { encodeEnvelope, parseEnvelope } from '../../../core/wire/envelope.ts';
import { profile } from '../fakes.ts';
import { APP_ID, createStubCluster, passing, refusal, vouch } from './stubs.ts';
import type { Kv } from '../../../core/client/kv.ts';
import type { AttemptOutcome } from '../../../core/client/error.ts';
import type { OutboundAnswer, OutboundRequest } from '../../../core/ports.ts';
import type { Bend, StubCluster, StubNode } from './stubs.ts';

type Members = Record<string, unknown>;
interface Batch {
  readonly operations: readonly Members[];
  readonly min_replicas?: unknown;
}

const V1 = `1${'A'.repeat(21)}`;
const V2 = `2${'A'.repeat(21)}`;
const NOW_MS = 1_770_000_000_000;
const written = (key: string, more: Members = {}): Members => ({
  status: 200,
  key,
  version: V1,
  updated_at_ms: NOW_MS,
  expires_at_ms: null,
  replicas: 2,
  ...more,
});
const deleted = (key: string, more: Members = {}): Members => {
  const { expires_at_ms: _none, ...rest } = written(key);
  return { ...rest, deleted: true, existed: true, ...more };
};
const found = (key: string, text: string, more: Members = {}): Members => ({
  status: 200,
  key,
  value: Buffer.from(text).toString('base64'),
  version: V1,
  updated_at_ms: NOW_MS,
  expires_at_ms: null,
  ...more,
});
const listed = (keys: readonly string[], cursor: string | null = null, more: Members = {}): Members => ({
  status: 200,
  keys,
  count: keys.length,
  cursor,
  ...more,
});
const refused = (status: number, reason: string, facts: Members = {}): Members => ({
  status,
  code: 'x',
  reason,
  message: 'plain words',
  ...facts,
});
const CONFLICT = refused(412, 'version_conflict', { current_version: V2 });
const MISSING = refused(404, 'key_not_found');

let cluster: StubCluster;
let kv: Kv;
let asked: Batch[];

beforeEach(async () => {
  cluster = await createStubCluster();
  kv = cluster.client().kv;
  asked = [];
});

async function batchIn(node: StubNode, { body }: OutboundRequest): Promise<Batch> {
  const outcome = parseEnvelope(parseUtf8(body as Uint8Array) ?? '');
  if (outcome.kind !== 'envelope') throw new Error('the client sent no envelope');
  return JSON.parse(await node.keys.box.open(outcome.envelope)) as Batch;
}

/** As a node answers that vouches for these results. */
async function told(node: StubNode, request: OutboundRequest, results: unknown, status = 200, more: Members = {}): Promise<OutboundAnswer> {
  const text = JSON.stringify({ app_id: APP_ID, results, replicas: 2, ...more });
  return vouch(node, request, status, encodeEnvelope(await node.keys.box.seal(await cluster.appKeys.box.publicKey(), text)));
}

/** Every node answers so; what was asked is kept. */
function answer(results: readonly unknown[] | ((batch: Batch) => readonly unknown[]), status = 200): void {
  for (const node of cluster.nodes)
    node.bend = async ({ request }) => {
      const batch = await batchIn(node, request);
      asked.push(batch);
      return await told(node, request, typeof results === 'function' ? results(batch) : results, status);
    };
}

/** The first tries go so, one bend for each; every later one is answered with the results. */
function inTurn(bends: readonly ((node: StubNode) => Bend)[], results: readonly unknown[]): void {
  let tries = 0;
  for (const node of cluster.nodes)
    node.bend = (sent) => {
      const bend = bends[tries];
      tries += 1;
      return bend ? bend(node)(sent) : told(node, sent.request, results);
    };
}

const silent = (): Bend => () => Promise.reject(new Refusal('outbound_timeout', 'POST'));
const says =
  (status: number, reason: string) =>
  (node: StubNode): Bend =>
  async ({ request }) =>
    vouch(node, request, status, refusal(reason));
const during = <T>(work: Promise<T>) => passing(cluster.clock, work);
const errorOf = async (work: Promise<unknown>): Promise<KmsError> => {
  const outcome = await during(work).catch((error: unknown) => error);
  if (outcome instanceof KmsError) return outcome;
  throw outcome instanceof Error ? outcome : new Error('no error');
};

describe('a call', () => {
  it('puts no key into a URL', async () => {
    answer([found('hidden-name', 'x')]);
    await during(kv.get('hidden-name'));
    const sent = cluster.nodes.flatMap((node) => node.asked);
    expect(sent.map(({ method, url }) => [method, new URL(url).pathname, new URL(url).search])).toEqual([['POST', '/kms/data/batch', '']]);
  });

  it('gets a value, or says that there is none', async () => {
    answer([found('k', 'hello', { expires_at_ms: NOW_MS + 1 })]);
    const value = await during(kv.get('k'));
    expect(value).toEqual({
      value: utf8('hello'),
      version: V1,
      updatedAtMs: NOW_MS,
      expiresAtMs: NOW_MS + 1,
      node: expect.stringMatching(/^0x/) as unknown,
    });
    answer([MISSING]);
    expect(await during(kv.get('k'))).toBeUndefined();
    expect(asked.map(({ operations }) => operations)).toEqual([[{ op: 'get', key: 'k' }], [{ op: 'get', key: 'k' }]]);
  });

  it('puts bytes and text, with what it was told beside them', async () => {
    answer(({ operations: [operation] }) => [
      written('k', { expires_at_ms: operation?.['ttl_ms'] === undefined ? null : NOW_MS + 5, evicted: 3 }),
    ]);
    expect(await during(kv.put('k', 'é'))).toMatchObject({
      version: V1,
      replicas: 2,
      isReplicated: true,
      evicted: 3,
      supersededBy: undefined,
    });
    const all = { ttlMs: 5, whenFull: 'evict', ifVersion: null, minReplicas: 'majority' } as const;
    expect(await during(kv.put('k', Uint8Array.of(255), all))).toMatchObject({ expiresAtMs: NOW_MS + 5 });
    await during(kv.put('k', '', { ifVersion: V2, minReplicas: 3 }));
    expect(asked).toEqual([
      { operations: [{ op: 'put', key: 'k', value: 'w6k=' }] },
      { operations: [{ op: 'put', key: 'k', value: '/w==', ttl_ms: 5, when_full: 'evict', if_version: null }], min_replicas: 'majority' },
      { operations: [{ op: 'put', key: 'k', value: '', if_version: V2 }], min_replicas: 3 },
    ]);
  });

  it('says that a write has too few replicas, or has lost already', async () => {
    answer([written('k', { status: 202, replicas: 1, superseded_by: V2 })], 202);
    expect(await during(kv.put('k', ''))).toMatchObject({ replicas: 1, isReplicated: false, supersededBy: V2 });
    answer([deleted('k', { status: 202, replicas: 1 })], 202);
    expect(await during(kv.delete('k'))).toMatchObject({ replicas: 1, isReplicated: false, existed: true });
    // The status outside is not sealed, and in the older form of proof not even signed.
    answer([written('k', { status: 202, replicas: 1 })], 200);
    for (const proof of ['erc8128', 'platform'] as const)
      expect(await during(cluster.client({ proof }).kv.put('k', ''))).toMatchObject({ isReplicated: false });
    answer([written('k')], 202);
    expect(await during(cluster.client({ proof: 'platform' }).kv.put('k', ''))).toMatchObject({ isReplicated: true });
  });

  it('deletes on condition of a version', async () => {
    answer([deleted('k', { existed: false })]);
    expect(await during(kv.delete('k', { ifVersion: V1, minReplicas: 1 }))).toMatchObject({
      existed: false,
      version: V1,
      isReplicated: true,
    });
    expect(asked).toEqual([{ operations: [{ op: 'delete', key: 'k', if_version: V1 }], min_replicas: 1 }]);
  });

  it('lists a page, and walks over all of them', async () => {
    answer(({ operations: [operation] }) => [operation?.['cursor'] === 'next' ? listed(['p3']) : listed(['p1', 'p2'], 'next')]);
    expect(await during(kv.list({ prefix: 'p', limit: 2 }))).toMatchObject({ keys: ['p1', 'p2'], cursor: 'next' });
    expect(await during(kv.list({ prefix: 'p', cursor: 'next' }))).toMatchObject({ keys: ['p3'], cursor: null });
    const all: string[] = [];
    await during(
      (async () => {
        for await (const key of kv.keys({ prefix: 'p' })) all.push(key);
      })(),
    );
    expect(all).toEqual(['p1', 'p2', 'p3']);
    expect(asked.map(({ operations }) => operations[0])).toEqual([
      { op: 'list', prefix: 'p', limit: 2 },
      { op: 'list', prefix: 'p', cursor: 'next' },
      { op: 'list', prefix: 'p' },
      { op: 'list', prefix: 'p', cursor: 'next' },
    ]);
  });

  it('makes a batch, and leaves what was refused to the caller', async () => {
    answer([written('k'), CONFLICT, MISSING, listed(['k']), deleted('k'), refused(413, 'answer_too_large')]);
    const { results, isRepeated } = await during(
      kv.batch(
        [
          { op: 'put', key: 'k', value: 'x' },
          { op: 'put', key: 'k', value: 'x', ifVersion: null },
          { op: 'get', key: 'l' },
          { op: 'list' },
          { op: 'delete', key: 'k' },
          { op: 'get', key: 'm' },
        ],
        { minReplicas: 2 },
      ),
    );
    expect(isRepeated).toBe(false);
    expect(results).toMatchObject([
      { kind: 'put', version: V1, isReplicated: true },
      { kind: 'refused', reason: 'version_conflict', status: 412, facts: { current_version: V2 } },
      { kind: 'get', found: undefined },
      { kind: 'list', keys: ['k'], cursor: null },
      { kind: 'delete', existed: true },
      { kind: 'refused', reason: 'answer_too_large' },
    ]);
  });
});

describe('before anything is asked,', () => {
  const bad: readonly [string, (kv: Kv) => Promise<unknown>][] = [
    ['no key', (each) => each.get('')],
    ['a key that is too long', (each) => each.get('é'.repeat(KEY_BYTES_MAX / 2 + 1))],
    ['a key with a control character', (each) => each.delete('a\0')],
    ['half a character', (each) => each.put('\ud800', '')],
    ['a key that is no text', (each) => each.get(5 as never)],
    ['a value that is too large', (each) => each.put('k', new Uint8Array(VALUE_BYTES_MAX + 1))],
    ['a value that is half a character', (each) => each.put('k', '\ud800')],
    ['a value that is a number', (each) => each.put('k', 5 as never)],
    ['a value that is a list', (each) => each.put('k', [1] as never)],
    ...[0, -1, 1.5, TTL_MS_MAX + 1, '5'].map((ttlMs): [string, (kv: Kv) => Promise<unknown>] => [
      `a ttlMs of ${ttlMs}`,
      (each) => each.put('k', '', { ttlMs: ttlMs as never }),
    ]),
    ['a version that is none', (each) => each.put('k', '', { ifVersion: 'x' })],
    ['minReplicas of 0', (each) => each.put('k', '', { minReplicas: 0 })],
    ['minReplicas of another word', (each) => each.delete('k', { minReplicas: 'all' as never })],
    ['whenFull of another word', (each) => each.put('k', '', { whenFull: 'evicted' as never })],
    ['a misspelt option', (each) => each.put('k', '', { ttl: 5 } as never)],
    ['an option of another call', (each) => each.get('k', { ifVersion: V1 } as never)],
    ['a limit of 0', (each) => each.list({ limit: 0 })],
    ['a limit that is too large', (each) => each.list({ limit: LIST_KEYS_MAX + 1 })],
    ['a cursor that is none', (each) => each.list({ cursor: '' })],
    ['a prefix that is too long', (each) => each.list({ prefix: 'x'.repeat(KEY_BYTES_MAX + 1) })],
    ['a limit of all keys', (each) => each.keys({ limit: 5 } as never).next()],
    ['no operation', (each) => each.batch([])],
    ['too many operations', (each) => each.batch(Array.from({ length: BATCH_OPERATIONS_MAX + 1 }, () => ({ op: 'get', key: 'k' })))],
    ['an operation that is none', (each) => each.batch([null as never])],
    ['an operation of another name', (each) => each.batch([{ op: 'toString', key: 'k' } as never])],
    ['an operation with a misspelt member', (each) => each.batch([{ op: 'get', key: 'k', ifVersion: V1 } as never])],
    [
      'operations that are too large together',
      (each) => each.batch([1, 2].map((key) => ({ op: 'put', key: `${key}`, value: new Uint8Array(VALUE_BYTES_MAX) }))),
    ],
    ['options that are none', (each) => each.get('k', null as never)],
  ];
  it.each(bad)('%s is refused', async (_what, call) => {
    await expect(call(kv)).rejects.toMatchObject({ name: 'KmsError', code: 'bad_argument' });
    expect(cluster.chain.calls).toEqual([]);
  });

  it('the largest value fits, under the longest key', async () => {
    const key = '"'.repeat(KEY_BYTES_MAX);
    answer([written(key)]);
    expect(await during(kv.put(key, new Uint8Array(VALUE_BYTES_MAX)))).toMatchObject({ version: V1 });
  });
});

describe('an answer is passed over', () => {
  const put = (each: Kv) => each.put('k', 'x');
  const get = (each: Kv) => each.get('k');
  const remove = (each: Kv) => each.delete('k');
  const list = (each: Kv) => each.list({ prefix: 'p', limit: 2 });

  it.each<[string, (kv: Kv) => Promise<unknown>, unknown]>([
    ['without results', get, undefined],
    ['with too many', get, [found('k', 'x'), found('k', 'x')]],
    ['with none', get, []],
    ['with a result that is text', get, ['x']],
    ['of another key', get, [found('l', 'x')]],
    ['without a key', get, [found('k', 'x', { key: undefined })]],
    ['without a value', get, [found('k', 'x', { value: undefined })]],
    ['with a value that is no base64', get, [found('k', 'x', { value: '*' })]],
    ['with a value that is too large', get, [found('k', 'x'.repeat(VALUE_BYTES_MAX + 1))]],
    ['without a version', get, [found('k', 'x', { version: undefined })]],
    ['with a version that is none', get, [found('k', 'x', { version: 'x' })]],
    ['without a time', get, [found('k', 'x', { updated_at_ms: '1' })]],
    ['without an expiry', get, [found('k', 'x', { expires_at_ms: undefined })]],
    ['with half a status', get, [found('k', 'x', { status: 201 })]],
    ['that wrote another key', put, [written('l')]],
    ['that expires though nobody asked', put, [written('k', { expires_at_ms: NOW_MS })]],
    ['that does not expire though it should', (each) => each.put('k', '', { ttlMs: 5 }), [written('k')]],
    ['without replicas', put, [written('k', { replicas: 0 })]],
    ['superseded by nothing', put, [written('k', { superseded_by: 5 })]],
    ['that evicted half a key', put, [written('k', { evicted: 0.5 })]],
    ['that did not delete', remove, [deleted('k', { deleted: false })]],
    ['that does not know whether it existed', remove, [deleted('k', { existed: undefined })]],
    ['with keys of another prefix', list, [listed(['q1'])]],
    ['with an empty key', (each) => each.list(), [listed([''])]],
    ['with keys that are none', list, [listed([5 as never])]],
    ['with more keys than were asked for', list, [listed(['p1', 'p2', 'p3'])]],
    ['with keys out of order', list, [listed(['p2', 'p1'])]],
    ['with a key twice', list, [listed(['p1', 'p1'])]],
    ['with another count', list, [listed(['p1'], null, { count: 2 })]],
    ['without a cursor', list, [listed(['p1'], undefined as never, { cursor: undefined })]],
    ['that goes on after nothing', list, [listed([], 'next')]],
    ['with a refusal without a reason', get, [refused(404, '')]],
    ['with a refusal that is none', get, [refused(200, 'key_not_found')]],
    ['with facts that are none', put, [refused(412, 'version_conflict', { current_version: ['x'] })]],
    ['with a current version that is none', put, [refused(412, 'version_conflict', { current_version: 'x' })]],
  ])('%s', async (what, call, results) => {
    for (const node of cluster.nodes) node.bend = ({ request }) => told(node, request, results);
    const { code, attempts } = await errorOf(call(kv));
    const isWrite = call === put || call === remove || what.startsWith('that does not expire');
    expect(code).toBe(isWrite ? 'outcome_unknown' : 'no_answer');
    expect(new Set(attempts.map(({ outcome }) => outcome))).toEqual(new Set<AttemptOutcome>(['other_answer']));
  });

  it('of another app', async () => {
    for (const node of cluster.nodes) node.bend = ({ request }) => told(node, request, [found('k', 'x')], 200, { app_id: APP_ID + 1 });
    expect((await errorOf(kv.get('k'))).attempts[0]?.outcome).toBe('other_answer');
  });

  it('when it does not go on where the page before ended', async () => {
    answer([listed(['p1', 'p2'], 'next')]);
    const walk = async () => {
      for await (const key of kv.keys({ prefix: 'p' })) expect(key).toMatch(/^p/);
    };
    expect((await errorOf(walk())).attempts[0]?.detail).toContain('does not follow');
  });

  it('and the next node is asked', async () => {
    inTurn(
      [
        (node) =>
          ({ request }) =>
            told(node, request, [found('l', 'x')]),
        says(503, 'data_catching_up'),
      ],
      [found('k', 'x')],
    );
    expect(await during(kv.get('k'))).toMatchObject({ version: V1 });
    expect(cluster.nodes.flatMap((node) => node.asked).length).toBe(3);
  });
});

describe('a refusal of the one operation', () => {
  it.each([
    [412, 'version_conflict', { current_version: V2 }],
    [412, 'version_conflict', { current_version: null }],
    [507, 'quota_exceeded', { used_bytes: 1, quota_bytes: 2, needed_bytes: 3 }],
    [507, 'tombstones_full', {}],
    [507, 'store_full', {}],
  ])('ends the call: %i %s', async (status, reason, facts) => {
    answer([refused(status, reason, facts)]);
    const error = await errorOf(kv.put('k', 'x', { ifVersion: V1 }));
    expect(error).toMatchObject({ code: 'refused', reason, status, facts });
    expect(error.attempts.map(({ outcome }) => outcome)).toEqual(['refused']);
  });

  it.each([
    [503, 'clock_unusable'],
    [503, 'fetching_secret'],
    [429, 'rate_limited'],
  ])('leads to the next node when that may not repeat it: %i %s', async (status, reason) => {
    inTurn(
      [
        (node) =>
          ({ request }) =>
            told(node, request, [refused(status, reason)]),
      ],
      [CONFLICT],
    );
    // Proven not to be done by the first, so the conflict of the second is one.
    expect(await errorOf(kv.put('k', 'x', { ifVersion: V1 }))).toMatchObject({ code: 'refused', reason: 'version_conflict' });
    expect(cluster.nodes.flatMap((node) => node.asked).length).toBe(2);
  });
});

describe('a write that may have been done by a node that did not answer', () => {
  const call = () => kv.put('k', 'x', { ifVersion: V1 });
  const unsigned: (node: StubNode) => Bend = () => async () => ({
    status: 503,
    headers: new Headers(),
    body: utf8(refusal('data_catching_up')),
  });

  it.each<[string, (node: StubNode) => Bend]>([
    ['is silent', silent],
    ['cannot be reached', () => () => Promise.reject(new Refusal('outbound_failed', 'POST'))],
    ['says so unsigned', unsigned],
    ['took too long, as it says', says(503, 'deadline_exceeded')],
    ['could not seal its answer', says(503, 'odyn_unavailable')],
    ['failed', says(500, 'internal')],
    ['has a reason of tomorrow', says(503, 'a_reason_of_tomorrow')],
    [
      'answers something else',
      (node) =>
        ({ request }) =>
          told(node, request, [written('l')]),
    ],
  ])('is in doubt when the next one sees a conflict: the first %s', async (_what, bend) => {
    inTurn([bend], [CONFLICT]);
    const error = await errorOf(call());
    expect(error).toMatchObject({ code: 'outcome_unknown', reason: 'version_conflict', status: 412, facts: { current_version: V2 } });
    expect(error.attempts.length).toBe(2);
    expect(error.cause).toMatchObject({ code: 'refused' });
  });

  it.each([
    [503, 'data_catching_up'],
    [503, 'chain_unavailable'],
    [429, 'rate_limited'],
    [429, 'replay_memory_full'],
    [400, 'digest_mismatch'],
    [413, 'body_too_large'],
  ])('is not in doubt after a signed refusal from before the work: %i %s', async (status, reason) => {
    inTurn([says(status, reason)], [CONFLICT]);
    expect(await errorOf(call())).toMatchObject({ code: 'refused', reason: 'version_conflict' });
  });

  it('is done, when the next one does it', async () => {
    inTurn([silent], [written('k')]);
    expect(await during(call())).toMatchObject({ version: V1 });
  });

  it('is in doubt when nobody answers, and not when nobody can have done it', async () => {
    inTurn(
      Array.from({ length: 9 }, () => silent),
      [],
    );
    expect(await errorOf(kv.put('k', 'x'))).toMatchObject({ code: 'outcome_unknown', cause: { code: 'no_answer' } });
    inTurn(
      Array.from({ length: 9 }, () => says(503, 'data_catching_up')),
      [],
    );
    expect(await errorOf(kv.put('k', 'x'))).toMatchObject({ code: 'no_answer' });
  });

  it('is in doubt when the chain is too old for another round', async () => {
    const last: (node: StubNode) => Bend = () => async () => {
      cluster.clock.set(2 * profile.headAgeMaxMs);
      throw new Refusal('outbound_failed', 'POST');
    };
    inTurn([silent, silent, last], []);
    expect(await errorOf(call())).toMatchObject({ code: 'outcome_unknown', reason: 'chain_stale', cause: { code: 'chain_unavailable' } });
  });

  it('that hung for its time counts, also when it refuses later', async () => {
    const late: (node: StubNode) => Bend = (node) => async (sent) => {
      await cluster.clock.sleep(60_000);
      return await says(503, 'data_catching_up')(node)(sent);
    };
    inTurn([late], [CONFLICT]);
    expect(await errorOf(call())).toMatchObject({ code: 'outcome_unknown' });
  });

  it('is told apart in a batch', async () => {
    inTurn([silent], [CONFLICT]);
    expect(await during(kv.batch([{ op: 'put', key: 'k', value: 'x', ifVersion: V1 }]))).toMatchObject({
      isRepeated: true,
      results: [{ kind: 'refused' }],
    });
    inTurn([silent], [found('k', 'x')]);
    expect(await during(kv.batch([{ op: 'get', key: 'k' }]))).toMatchObject({ isRepeated: false });
  });

  it('does not turn an error of the request, of the caller or of a read into doubt', async () => {
    inTurn([silent, says(400, 'key_malformed')], []);
    expect(await errorOf(call())).toMatchObject({ code: 'refused', reason: 'key_malformed' });
    const gone = new AbortController();
    inTurn([() => async () => (gone.abort(), await new Promise<never>(() => undefined))], []);
    expect(await errorOf(kv.put('k', 'x', { signal: gone.signal }))).toMatchObject({ code: 'aborted' });
    inTurn(
      Array.from({ length: 9 }, () => silent),
      [],
    );
    expect(await errorOf(kv.get('k'))).toMatchObject({ code: 'no_answer' });
  });
});
