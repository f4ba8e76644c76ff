/** The KV endpoints in process, on a real store: what each answers, how keys travel in URLs, and what a write says of its replicas. */
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createApi } from '../../functions/api.ts';
import {
  BATCH_ANSWER_BYTES_MAX,
  DATA_BODY_BYTES_MAX,
  KEY_BYTES_MAX,
  LIST_BYTES_MAX,
  REPLICAS_MS_MAX,
  VALUE_BYTES_MAX,
} from '../../core/limits.ts';
import { base64, utf8 } from '../../core/wire/bytes.ts';
import { metricsText } from '../../functions/metrics.ts';
import { operatorAnswer, signerNamed } from '../core/fakes.ts';
import { createDataCluster, createDataWorld, createWorldOn, QUOTA_BYTES } from './data-world.ts';
import type { Asked, DataCluster, DataWorld, TestApp } from './data-world.ts';

const PATH = '/kms/data';
const BATCH = '/kms/data/batch';
const VERSION = /^[\w-]{22}$/;
const text = (value: string) => base64(utf8(value));

let born: DataCluster;
let world: DataWorld;
let a: TestApp;

beforeAll(async () => {
  born = await createDataCluster();
});

beforeEach(async () => {
  await born.cluster.round();
  world = createWorldOn(born);
  ({ a } = world);
});

const put = (key: string, value: string, more: object = {}, app = a) => world.ask(app, 'PUT', PATH, { key, value: text(value), ...more });
const get = (key: string, app = a) => world.ask(app, 'GET', `${PATH}/${encodeURIComponent(key)}`);
const remove = (key: string, more: object = {}) => world.ask(a, 'DELETE', PATH, { key, ...more });
const list = (query = '', app = a) => world.ask(app, 'GET', `${PATH}${query}`);
const batch = (operations: readonly object[], more: object = {}) => world.ask(a, 'POST', BATCH, { operations, ...more });
const results = ({ body }: Asked) => body['results'] as readonly Record<string, unknown>[];
const versionOf = ({ body }: Asked) => body['version'] as string;

describe('a put', () => {
  it('is read back, with its version and its time', async () => {
    const nowMs = world.cluster.clock.nowMs();
    const done = await put('wallet/eth', 'hello');
    const version = versionOf(done);
    expect([done.status, done.isSealed, done.headers.has('signature')]).toEqual([200, true, true]);
    expect(version).toMatch(VERSION);
    const { updated_at_ms: updatedAtMs } = done.body;
    expect(updatedAtMs as number).toBeGreaterThanOrEqual(nowMs);
    expect(done.body).toEqual({ app_id: 9, key: 'wallet/eth', version, updated_at_ms: updatedAtMs, expires_at_ms: null, replicas: 2 });
    const found = await get('wallet/eth');
    expect([found.status, found.headers.has('signature')]).toEqual([200, true]);
    expect(found.body).toEqual({
      app_id: 9,
      key: 'wallet/eth',
      value: text('hello'),
      version,
      updated_at_ms: updatedAtMs,
      expires_at_ms: null,
    });
  });

  it.each([
    ['an empty value', 'k', ''],
    ['a key like a property of every object', '__proto__', 'x'],
    ['a key that is a method of every object', 'constructor', 'x'],
    ['the longest key', 'é'.repeat(KEY_BYTES_MAX / 2), 'x'],
    ['a key with a quote, a percent and a plus', '"a%2Fb+c"?#', 'x'],
    ['a key of slashes', '//a//', 'x'],
    ['a key of blanks', ' ', 'x'],
  ])('takes %s', async (_what, key, value) => {
    expect((await put(key, value)).status).toBe(200);
    expect((await get(key)).body).toMatchObject({ key, value: text(value) });
    expect((await list()).body).toMatchObject({ keys: [key], count: 1, cursor: null });
  });

  it('takes the largest value, and gives it back', async () => {
    const value = base64(new Uint8Array(VALUE_BYTES_MAX).fill(7));
    expect((await world.ask(a, 'PUT', PATH, { key: 'k', value })).status).toBe(200);
    const found = await get('k');
    expect([found.status, found.body['value'] === value]).toEqual([200, true]);
  });

  it('for a time is gone after it, and 0 is for ever, as clients of the platform send it', async () => {
    const { body } = await put('short', 'x', { ttl_ms: 1_000 });
    expect(body['expires_at_ms']).toBe((body['updated_at_ms'] as number) + 1_000);
    expect((await put('long', 'x', { ttl_ms: 0 })).body).toMatchObject({ expires_at_ms: null });
    expect((await get('short')).body).toMatchObject({ expires_at_ms: body['expires_at_ms'] });
    world.cluster.clock.advance(1_000);
    expect([(await get('short')).status, (await get('long')).status]).toEqual([404, 200]);
  });

  it('on condition of a version is done when that is there, and else says which is', async () => {
    const first = versionOf(await put('k', '1', { if_version: null }));
    const again = await put('k', '2', { if_version: null });
    expect([again.status, again.reason, again.body['code'], again.body['current_version']]).toEqual([
      412,
      'version_conflict',
      'precondition_failed',
      first,
    ]);
    const second = versionOf(await put('k', '2', { if_version: first }));
    expect((await put('k', '3', { if_version: first })).body).toMatchObject({ reason: 'version_conflict', current_version: second });
    expect((await put('gone', '3', { if_version: first })).body).toMatchObject({ reason: 'version_conflict', current_version: null });
    expect((await get('k')).body).toMatchObject({ value: text('2'), version: second });
  });

  it('over the quota is refused with the numbers, and makes room when it is asked to', async () => {
    const value = base64(new Uint8Array(VALUE_BYTES_MAX - 10_000));
    for (const key of ['1', '2', '3']) expect((await world.ask(a, 'PUT', PATH, { key, value })).status).toBe(200);
    const refused = await world.ask(a, 'PUT', PATH, { key: '4', value });
    expect([refused.status, refused.reason, refused.body['code']]).toEqual([507, 'quota_exceeded', 'insufficient_storage']);
    const { used_bytes: used, quota_bytes: quota, needed_bytes: needed } = refused.body;
    expect(quota).toBe(QUOTA_BYTES);
    expect((used as number) + (needed as number)).toBeGreaterThan(QUOTA_BYTES);
    expect((await world.ask(a, 'PUT', PATH, { key: '4', value, when_full: 'evict' })).body).toMatchObject({ key: '4', evicted: 1 });
    expect((await list()).body['keys']).toEqual(['2', '3', '4']);
  });
});

describe('a delete', () => {
  it('says whether there was a value, as often as it is asked', async () => {
    const { body: done } = await put('k', 'x');
    const { status, body } = await remove('k');
    expect([status, body]).toEqual([
      200,
      {
        app_id: 9,
        key: 'k',
        deleted: true,
        existed: true,
        version: body['version'],
        updated_at_ms: body['updated_at_ms'],
        replicas: 2,
      },
    ]);
    expect(body['version']).not.toBe(done['version']);
    expect((await remove('k')).body).toMatchObject({ deleted: true, existed: false });
    expect((await get('k')).reason).toBe('key_not_found');
  });

  it('takes a condition', async () => {
    const version = versionOf(await put('k', 'x'));
    expect((await remove('k', { if_version: null })).body).toMatchObject({ reason: 'version_conflict', current_version: version });
    expect((await remove('k', { if_version: version })).body).toMatchObject({ existed: true });
  });
});

describe('a key in a path', () => {
  it.each([
    ['a/b', 'a/b'],
    ['a%2Fb', 'a/b'],
    ['a%2fb', 'a/b'],
    ['a/', 'a/'],
    ['a//', 'a//'],
    ['/a', '/a'],
    ['batch', 'batch'],
    ['batch/', 'batch/'],
    ['*', '*'],
    ['a+b', 'a+b'],
    ['a%20b', 'a b'],
    ['%C3%A9', 'é'],
    ['é', 'é'],
    ['a%252Fb', 'a%2Fb'],
    ['a%2F..%2Fb', 'a/../b'],
    ['a?prefix=b', 'a'],
  ])('%s is the key %s', async (path, key) => {
    await put(key, 'x');
    expect((await world.ask(a, 'GET', `${PATH}/${path}`)).body).toMatchObject({ key, value: text('x') });
  });

  it.each(['', '%', '%2', '%zz', '%ff', '%ed%a0%80', '%c0%af', '%00', 'a%0Ab', 'x'.repeat(KEY_BYTES_MAX + 1)])(
    'is none: %.20s',
    async (path) => {
      const { status, reason } = await world.ask(a, 'GET', `${PATH}/${path}`);
      expect([status, reason]).toEqual([400, 'key_malformed']);
    },
  );

  it('that is not there is not named in the answer', async () => {
    const { status, reason, body } = await get('hidden-name');
    expect([status, reason, JSON.stringify(body).includes('hidden')]).toEqual([404, 'key_not_found', false]);
  });
});

describe('a list', () => {
  const keysOf = ({ body }: Asked) => body['keys'] as readonly string[];

  it('is of this app, in order, with a prefix and in pages', async () => {
    for (const key of ['b/2', 'a/1', 'b/1', 'b', 'b/3', 'c']) await put(key, 'x');
    expect((await list()).body).toEqual({ app_id: 9, keys: ['a/1', 'b', 'b/1', 'b/2', 'b/3', 'c'], count: 6, cursor: null });
    expect(keysOf(await list('?prefix=b%2F'))).toEqual(['b/1', 'b/2', 'b/3']);
    const first = await list('?prefix=b/&limit=2');
    expect(first.body).toMatchObject({ keys: ['b/1', 'b/2'], count: 2 });
    const second = await list(`?prefix=b%2F&limit=2&cursor=${String(first.body['cursor'])}`);
    expect(second.body).toMatchObject({ keys: ['b/3'], count: 1, cursor: null });
    expect((await list('', world.b)).body).toMatchObject({ app_id: 10, keys: [], count: 0, cursor: null });
  });

  it('takes a plus in its query for a space, as forms do, and an empty prefix for none', async () => {
    await put('a b', 'x');
    await put('a+b', 'x');
    expect(keysOf(await list('?prefix=a+'))).toEqual(['a b']);
    expect(keysOf(await list('?prefix=a%2B'))).toEqual(['a+b']);
    expect(keysOf(await list('?prefix='))).toEqual(['a b', 'a+b']);
    expect(keysOf(await list('?'))).toEqual(['a b', 'a+b']);
  });

  it('ends a page where its keys grow too large, and goes on behind', async () => {
    const quoted = '"'.repeat(KEY_BYTES_MAX - 4);
    const count = Math.ceil(LIST_BYTES_MAX / (2 * KEY_BYTES_MAX)) + 20;
    const operations = Array.from({ length: count }, (_, index) => ({
      op: 'put',
      key: `${quoted}${String(index).padStart(4, '0')}`,
      value: '',
    }));
    for (let at = 0; at < count; at += 256) expect((await batch(operations.slice(at, at + 256))).status).toBe(200);
    const first = await list();
    expect(keysOf(first).length).toBeLessThan(count);
    expect(JSON.stringify(keysOf(first)).length).toBeLessThanOrEqual(LIST_BYTES_MAX + 1);
    const second = await list(`?cursor=${String(first.body['cursor'])}`);
    expect([...keysOf(first), ...keysOf(second)]).toEqual(operations.map(({ key }) => key));
    expect(second.body['cursor']).toBeNull();
  });
});

describe('replicas', () => {
  it.each([
    [1, undefined, 1],
    [2, undefined, 2],
    [5, undefined, 2],
    [4, 'majority', 3],
    [5, 'majority', 3],
    [3, 512, 512],
  ])('of %i members: %s are %s', async (members, asked, wanted) => {
    world = await createDataWorld(['a', 'b']);
    const { chain } = world.cluster;
    const absent = Array.from({ length: 3 }, (_, index) => operatorAnswer(signerNamed(`absent ${index}`).wallet, 10 + index));
    chain.operators = [...chain.operators, ...absent].slice(0, members);
    await world.cluster.round(6);
    const { status } = await world.ask(world.a, 'PUT', PATH, { key: 'k', value: '', ...(asked && { min_replicas: asked }) });
    expect([status, world.replicating.asked.map((each) => each.wanted)]).toEqual([200, [wanted]]);
  });

  it('that are too few are told with 202, by a write that stands', async () => {
    world.replicating.replicas = () => 1;
    const done = await put('k', 'x', { min_replicas: 'majority' });
    expect([done.status, done.isSealed, done.headers.has('signature'), done.body['replicas']]).toEqual([202, true, true, 1]);
    expect((await get('k')).body).toMatchObject({ value: text('x') });
    expect((await remove('k')).status).toBe(202);
    const both = await batch([
      { op: 'put', key: 'k', value: '' },
      { op: 'get', key: 'k' },
    ]);
    expect([both.status, both.body['replicas'], results(both).map(({ status }) => status)]).toEqual([202, 1, [202, 200]]);
  });

  it('are waited for within the time that there is', async () => {
    await put('k', 'x');
    const [asked] = world.replicating.asked;
    expect([asked?.timeoutMs, asked?.records.map(({ key }) => key)]).toEqual([REPLICAS_MS_MAX, ['k']]);
    const { authorize } = world.kms.authorizer;
    let judged = 0;
    const slowly: typeof authorize = async (wallet) => {
      // The second judgement stands for a body that took its time.
      judged += 1;
      if (judged === 2) world.cluster.clock.advance(10_000);
      return await authorize(wallet);
    };
    const api = createApi({ ...world.kms, authorizer: { ...world.kms.authorizer, authorize: slowly } });
    const response = await api(world.request(a, 'PUT', PATH, world.envelope(a, { key: 'k', value: '' })));
    expect([response.status, world.replicating.asked[1]?.timeoutMs]).toEqual([200, 1_000]);
  });

  it('tell a writer on condition of a version that another write won, and any other writer beside its answer', async () => {
    const won = 'w'.repeat(22);
    world.replicating.superseded = (records) => new Map(records.map((record) => [record, won]));
    for (const ask of [() => put('k', '1', { if_version: null }), () => remove('k2', { if_version: null })]) {
      const { status, reason, body } = await ask();
      expect([status, reason, body['current_version']]).toEqual([412, 'version_conflict', won]);
    }
    expect((await put('k', '2')).body).toMatchObject({ superseded_by: won });
    const both = results(
      await batch([
        { op: 'put', key: 'x', value: '', if_version: null },
        { op: 'delete', key: 'y' },
      ]),
    );
    expect(both).toMatchObject([
      { status: 412, reason: 'version_conflict', current_version: won },
      { status: 200, superseded_by: won },
    ]);
  });

  it('of reads are none', async () => {
    await get('k');
    await list();
    const read = await batch([{ op: 'get', key: 'k' }, { op: 'list' }]);
    expect([read.status, read.body['replicas'], world.replicating.asked]).toEqual([200, null, []]);
  });
});

describe('a batch', () => {
  it('is done in order, and sees its own writes', async () => {
    const { status, body } = await batch([
      { op: 'get', key: 'k' },
      { op: 'put', key: 'k', value: text('1') },
      { op: 'get', key: 'k' },
      { op: 'put', key: 'k', value: text('2'), if_version: null },
      { op: 'delete', key: 'k' },
      { op: 'list' },
      { op: 'put', key: 'l', value: text('3'), ttl_ms: 5, when_full: 'evict' },
      { op: 'list', prefix: 'l', limit: 1 },
    ]);
    const told = body['results'] as readonly Record<string, unknown>[];
    expect([status, Object.keys(body).toSorted()]).toEqual([200, ['app_id', 'replicas', 'results']]);
    expect(told).toMatchObject([
      { status: 404, reason: 'key_not_found' },
      { status: 200, key: 'k', replicas: 2 },
      { status: 200, key: 'k', value: text('1') },
      { status: 412, code: 'precondition_failed', reason: 'version_conflict', current_version: told[1]?.['version'] },
      { status: 200, key: 'k', existed: true },
      { status: 200, keys: [], count: 0, cursor: null },
      { status: 200, key: 'l' },
      { status: 200, keys: ['l'], count: 1, cursor: null },
    ]);
  });

  it('waits once, and not for a write that it replaced itself', async () => {
    await batch([
      { op: 'put', key: 'k', value: text('1'), if_version: null },
      { op: 'put', key: 'l', value: text('2') },
      { op: 'put', key: 'k', value: text('3') },
    ]);
    const [asked, ...more] = world.replicating.asked;
    expect([asked?.records.map(({ key, counter }) => [key, counter]), more]).toEqual([
      [
        ['k', 3],
        ['l', 2],
      ],
      [],
    ]);
  });

  it('leaves what was done as it is when another operation is refused', async () => {
    const told = results(
      await batch([
        { op: 'put', key: 'k', value: text('1') },
        { op: 'delete', key: 'k', if_version: null },
      ]),
    );
    expect(told.map(({ status }) => status)).toEqual([200, 412]);
    expect((await get('k')).status).toBe(200);
  });

  it('gives as much as one answer may hold, and says so of the rest', async () => {
    const value = base64(new Uint8Array(VALUE_BYTES_MAX - 1_000));
    for (const key of ['1', '2', '3']) await world.ask(a, 'PUT', PATH, { key, value });
    const opened: string[] = [];
    const { get: read } = world.store;
    const store = { ...world.store, get: (...args: Parameters<typeof read>) => (opened.push(args[1]), read(...args)) };
    const api = createApi({ ...world.kms, store } as typeof world.kms);
    const operations = [
      { op: 'get', key: '1' },
      { op: 'get', key: '2' },
      { op: 'get', key: '3' },
      { op: 'list' },
      { op: 'delete', key: '3' },
    ];
    const response = await api(world.request(a, 'POST', BATCH, world.envelope(a, { operations })));
    const wire = await response.clone().text();
    expect([response.status, wire.length < 2 * BATCH_ANSWER_BYTES_MAX]).toEqual([200, true]);
    const { encrypted_data: encrypted } = JSON.parse(wire) as { encrypted_data: string };
    const { results: told } = JSON.parse(Buffer.from(encrypted.slice(0, -32), 'hex').toString()) as { results: Record<string, unknown>[] };
    expect(told.map(({ status, reason = null }) => [status, reason])).toEqual([
      [200, null],
      [413, 'answer_too_large'],
      [413, 'answer_too_large'],
      [413, 'answer_too_large'],
      [200, null],
    ]);
    expect(opened).toEqual(['1', '2']);
  });
});

describe('room', () => {
  const half = () => new ReadableStream<Uint8Array>({ start: () => undefined });

  it('is held for as much of a body as its sender declares, and no more of it is read', async () => {
    const envelope = world.envelope(a, { key: 'k', value: '' });
    const held: number[] = [];
    const { hold } = world.kms.bodiesInFlight;
    const api = createApi({
      ...world.kms,
      bodiesInFlight: { ...world.kms.bodiesInFlight, hold: (owner, amount, work) => (held.push(amount), hold(owner, amount, work)) },
    });
    const send = async (length: string | undefined) => {
      const request = world.request(a, 'PUT', PATH, world.envelope(a, { key: 'k', value: '' }));
      if (length !== undefined) request.headers.set('content-length', length);
      return (await api(request)).status;
    };
    expect(await send(String(envelope.length))).toBe(200);
    expect(await send(String(envelope.length - 1))).toBe(413);
    expect(await send(undefined)).toBe(200);
    expect(await send(String(DATA_BODY_BYTES_MAX + 1))).toBe(200);
    expect(await send('-1')).toBe(200);
    const all = DATA_BODY_BYTES_MAX;
    expect(held.filter((amount) => amount > 0)).toEqual([envelope.length, envelope.length - 1, all, all, all]);
    expect(world.kms.bodiesInFlight.held()).toBe(0);
  });

  it('is held for what is read until it is sent, and a read that finds none is refused', async () => {
    await put('k', 'x'.repeat(1_000_000));
    const waiting = Array.from({ length: 6 }, () => {
      const request = world.request(a, 'PUT', PATH, 'x');
      return world.send(new Request(request, { body: half(), duplex: 'half' } as RequestInit));
    });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(world.kms.bodiesInFlight.held()).toBe(5 * DATA_BODY_BYTES_MAX);
    const { status, reason } = await get('k');
    expect([status, reason]).toEqual([429, 'rate_limited']);
    const told = results(
      await world.ask(
        a,
        'POST',
        BATCH,
        {
          operations: [
            { op: 'put', key: 'l', value: '' },
            { op: 'get', key: 'k' },
          ],
        },
        { 'content-length': '5000' },
      ),
    );
    expect(told.map((each) => each['status'])).toEqual([200, 429]);
    expect((await get('l')).status).toBe(200);
    expect((await world.ask(world.b, 'GET', `${PATH}/k`)).status).toBe(404);
    world.cluster.clock.advance(10_000);
    expect((await Promise.all(waiting)).map((response) => response.status).toSorted()).toEqual([408, 408, 408, 408, 408, 429]);
    expect(world.kms.bodiesInFlight.held()).toBe(0);
  });
});

describe('a node that has not caught up', () => {
  it('refuses data, signed, and gives keys', async () => {
    world.replicating.isWaiting = true;
    for (const [method, path, body] of [
      ['PUT', PATH, { key: 'k', value: '' }],
      ['DELETE', PATH, { key: 'k' }],
      ['GET', PATH, undefined],
      ['GET', `${PATH}/k`, undefined],
      ['POST', BATCH, { operations: [{ op: 'list' }] }],
    ] as const) {
      const refused = await world.ask(a, method, path, body);
      expect([refused.status, refused.reason, refused.headers.has('signature')]).toEqual([503, 'data_catching_up', true]);
    }
    expect(world.store.sequence()).toBe(0);
    expect((await world.ask(a, 'POST', '/kms/derive', { path: 'p' })).status).toBe(200);
    const ready = await world.send(new Request('http://node/ready'));
    expect([ready.status, await ready.json()]).toEqual([200, { ready: true, data_ready: false }]);
  });

  it('that falls back while a body is under way does nothing', async () => {
    const { authorize } = world.kms.authorizer;
    let judged = 0;
    const falling: typeof authorize = async (wallet) => {
      judged += 1;
      if (judged === 2) world.replicating.isWaiting = true;
      return await authorize(wallet);
    };
    const api = createApi({ ...world.kms, authorizer: { ...world.kms.authorizer, authorize: falling } });
    const response = await api(world.request(a, 'PUT', PATH, world.envelope(a, { key: 'k', value: '' })));
    expect([response.status, world.store.sequence()]).toEqual([503, 0]);
  });
});

describe('what anybody may ask', () => {
  const fetchText = async (path: string) => await (await world.send(new Request(`http://node${path}`))).text();

  it('names no app, key or version', async () => {
    const version = versionOf(await put('hidden-name', 'hidden-value'));
    for (const path of ['/', '/status', '/metrics', '/ready', '/nodes']) {
      const shown = await fetchText(path);
      expect([path, /hidden|app_id":9\b|secret/.test(shown), shown.includes(version)]).toEqual([path, false, false]);
    }
  });

  it('has the store and the peers in the status', async () => {
    await put('k', 'x');
    const { data_store: shown } = JSON.parse(await fetchText('/status')) as Record<string, unknown>;
    const { bytes } = world.store.gauges();
    expect(shown).toEqual({
      ready: true,
      namespaces: 1,
      total_keys: 1,
      total_bytes: bytes,
      peers: [{ wallet: world.node.wallet, lag_records: 3, lag_ms: 1_500, last_contact_at_ms: null }],
    });
  });

  it('has the figures as scrapers read them', async () => {
    await put('k', 'x');
    const response = await world.send(new Request('http://node/metrics'));
    expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    const shown = await response.text();
    const { wallet } = world.node;
    for (const line of [
      'nova_kms_ready 1',
      'nova_kms_data_ready 1',
      'nova_kms_store_namespaces 1',
      'nova_kms_store_keys 1',
      'nova_kms_store_sequence 1',
      'nova_kms_replication_found_total 2',
      `nova_kms_peer_lag_records{peer="${wallet}"} 3`,
      `nova_kms_peer_lag_seconds{peer="${wallet}"} 1.5`,
      `nova_kms_peer_refused_records{peer="${wallet}",reason="future_record"} 2`,
    ])
      expect(shown.split('\n')).toContain(line);
    expect(shown).not.toContain('peer_last_contact');
    world.replicating.isWaiting = true;
    expect(await fetchText('/metrics')).toContain('\nnova_kms_data_ready 0\n');
    // Every line is one of the three kinds, every sample stands below the help and the type of its own name, and no name comes twice.
    const kinds = shown
      .trimEnd()
      .split('\n')
      .map((line) => /^(# HELP|# TYPE)? ?(nova_kms_\w+)(?:\{\w+="[^"\\]*"(?:,\w+="[^"\\]*")*\})? (.+)$/.exec(line));
    expect(kinds.every((kind) => kind !== null)).toBe(true);
    const named = (kind: string) => kinds.flatMap((each) => (each?.[1] === kind ? [each[2]] : []));
    expect(new Set(named('# TYPE')).size).toBe(named('# TYPE').length);
    expect([named('# HELP'), [...new Set(kinds.flatMap((each) => (each?.[1] === undefined ? [each?.[2]] : [])))]]).toEqual([
      named('# TYPE'),
      named('# TYPE'),
    ]);
    expect(shown.endsWith('\n')).toBe(true);
  });

  it('escapes what a label or a help may hold', () => {
    const metric = { name: 'x', type: 'gauge', help: 'a\\b\nc "d"', samples: [{ labels: { peer: 'a\\"b\nc' }, value: 0.5 }] } as const;
    expect(metricsText([metric, { ...metric, samples: [] }])).toBe(
      '# HELP nova_kms_x a\\\\b\\nc "d"\n# TYPE nova_kms_x gauge\nnova_kms_x{peer="a\\\\\\"b\\nc"} 0.5\n',
    );
  });

  it.each([
    ['PUT', '/status', 'GET, HEAD'],
    ['POST', PATH, 'GET, HEAD, PUT, DELETE'],
    ['PUT', `${PATH}/k`, 'GET, HEAD'],
    ['DELETE', `${PATH}/`, 'GET, HEAD'],
    ['DELETE', BATCH, 'GET, HEAD, POST'],
    ['PATCH', PATH, 'GET, HEAD, PUT, DELETE'],
    ['constructor', PATH, 'GET, HEAD, PUT, DELETE'],
  ])('is told of %s %s that %s are allowed', async (method, path, allow) => {
    const { status, headers } = await world.send(new Request(`http://node${path}`, { method }));
    expect([status, headers.get('allow')]).toEqual([405, allow]);
  });
});
