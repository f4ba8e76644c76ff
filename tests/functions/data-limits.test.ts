/**
 * What the KV endpoints refuse: each request is one thing away from one that is taken, gets the reason for that thing, and leaves the
 * store as it was.
 */
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  BATCH_OPERATIONS_MAX,
  DATA_BODY_BYTES_MAX,
  DELETE_BODY_BYTES_MAX,
  KEY_BYTES_MAX,
  LIST_KEYS_MAX,
  OPERATORS_MAX,
  REQUEST_URL_CHARS_MAX,
  TTL_MS_MAX,
  VALUE_BYTES_MAX,
} from '../../core/limits.ts';
import { base64 } from '../../core/wire/bytes.ts';
import { createDataWorld } from './data-world.ts';
import type { DataWorld } from './data-world.ts';

const PATH = '/kms/data';
const BATCH = '/kms/data/batch';
/** Of some other key. */
const STRANGE = 'A'.repeat(22);

let world: DataWorld;
let before: number;
let cursors: { readonly ours: string; readonly theirs: string };

beforeAll(async () => {
  world = await createDataWorld(['a', 'b']);
  for (const app of [world.a, world.b])
    for (const key of ['p/1', 'p/2', 'p/3']) expect((await world.ask(app, 'PUT', PATH, { key, value: '' })).status).toBe(200);
  const cursorOf = async (app = world.a) => String((await world.ask(app, 'GET', `${PATH}?prefix=p/&limit=1`)).body['cursor']);
  cursors = { ours: await cursorOf(), theirs: await cursorOf(world.b) };
});

beforeEach(async () => {
  // Time for each test, so that all of them stay below the rate of one app, and a head of the chain that follows.
  await world.cluster.round();
  before = world.store.sequence();
});

async function refused(method: string, path: string, body: unknown, status: number, reason: string, facts: object = {}): Promise<void> {
  const answer = await world.ask(world.a, method, path, body);
  expect([answer.status, answer.reason, answer.isSealed]).toEqual([status, reason, false]);
  expect(answer.body).toMatchObject(facts);
  expect(String(answer.body['message']).length).toBeGreaterThan(10);
  expect(answer.headers.has('signature')).toBe(true);
  expect(world.store.sequence()).toBe(before);
}

const key = 'k';
const value = 'AA==';

const BAD_KEYS: readonly [string, unknown][] = [
  ['none', undefined],
  ['an empty one', ''],
  ['null', null],
  ['a number', 5],
  ['a list', ['k']],
  ['an object', { toString: 'k' }],
  ['one of too many bytes', 'x'.repeat(KEY_BYTES_MAX + 1)],
  ['one of too many bytes in UTF-8', 'é'.repeat(KEY_BYTES_MAX / 2 + 1)],
  ['half a character', '\ud800'],
  ['NUL', 'a\0b'],
  ['a line feed', 'a\n'],
  ['DEL', '\x7f'],
  ['a C1 control', '\x85'],
];

/** Fields of a put, with the reason for which each is refused. */
const BAD_FIELDS: readonly [string, object, number, string][] = [
  ['no value', { value: undefined }, 400, 'value_malformed'],
  ['a value that is null', { value: null }, 400, 'value_malformed'],
  ['a value that is a number', { value: 5 }, 400, 'value_malformed'],
  ['a value without padding', { value: 'AA' }, 400, 'value_malformed'],
  ['a value of the other alphabet', { value: '-_-_' }, 400, 'value_malformed'],
  ['a value with a blank', { value: 'AA==\n' }, 400, 'value_malformed'],
  ['a value with spare bits', { value: 'AB==' }, 400, 'value_malformed'],
  ['a value one byte too large', { value: base64(new Uint8Array(VALUE_BYTES_MAX + 1)) }, 413, 'value_too_large'],
  ...[-1, 0.5, 1.5, TTL_MS_MAX + 1, 2 ** 53, 1e300, '1000', null, true, []].map((ttl): [string, object, number, string] => [
    `a ttl_ms of ${JSON.stringify(ttl)}`,
    { ttl_ms: ttl },
    400,
    'ttl_malformed',
  ]),
  ...['', 'A'.repeat(21), 'A'.repeat(23), `${'A'.repeat(21)}=`, `${'A'.repeat(21)}+`, 0, false, []].map(
    (version): [string, object, number, string] => [
      `an if_version of ${JSON.stringify(version)}`,
      { if_version: version },
      400,
      'version_malformed',
    ],
  ),
  ...['evicted', '', null, true].map((when): [string, object, number, string] => [
    `a when_full of ${JSON.stringify(when)}`,
    { when_full: when },
    400,
    'when_full_malformed',
  ]),
  ['a field of another name', { ttl: 5 }, 400, 'field_unknown'],
  ['an app of its choosing', { app_id: 10 }, 400, 'field_unknown'],
];

const BAD_REPLICAS = [0, -1, 1.5, OPERATORS_MAX + 1, '2', 'all', 'Majority', null, true, [1]];

describe('a put is refused', () => {
  it.each(BAD_KEYS)('with a key that is %s', (_what, bad) => refused('PUT', PATH, { key: bad, value }, 400, 'key_malformed'));
  it.each(BAD_FIELDS)('with %s', (_what, bad, status, reason) => refused('PUT', PATH, { key, value, ...bad }, status, reason));
  it.each(BAD_REPLICAS)('with min_replicas of %j', (bad) =>
    refused('PUT', PATH, { key, value, min_replicas: bad }, 400, 'min_replicas_malformed'),
  );

  it('with the version of another key', async () => {
    const { body } = await world.ask(world.a, 'GET', `${PATH}/p/1`);
    await refused('PUT', PATH, { key: 'p/2', value, if_version: body['version'] }, 412, 'version_conflict');
    await refused('PUT', PATH, { key, value, if_version: STRANGE }, 412, 'version_conflict', { current_version: null });
  });

  it('with a body that is larger than any', async () => {
    const body = { key, value: base64(new Uint8Array(DATA_BODY_BYTES_MAX / 2)) };
    await refused('PUT', PATH, body, 413, 'body_too_large');
  });
});

describe('a delete is refused', () => {
  it.each(BAD_KEYS)('with a key that is %s', (_what, bad) => refused('DELETE', PATH, { key: bad }, 400, 'key_malformed'));
  it.each([
    [{ value }, 'field_unknown'],
    [{ ttl_ms: 5 }, 'field_unknown'],
    [{ if_version: 'x' }, 'version_malformed'],
    [{ min_replicas: 0 }, 'min_replicas_malformed'],
  ])('with %j', (bad, reason) => refused('DELETE', PATH, { key: 'p/1', ...bad }, 400, reason));
  it('with a body that is larger than any', () =>
    refused('DELETE', PATH, { key: 'x'.repeat(DELETE_BODY_BYTES_MAX / 2) }, 413, 'body_too_large'));
});

describe('a list is refused', () => {
  it.each([
    ['limit=0', 'limit_malformed'],
    ['limit=-1', 'limit_malformed'],
    ['limit=1.5', 'limit_malformed'],
    ['limit=1e3', 'limit_malformed'],
    ['limit=0x10', 'limit_malformed'],
    ['limit=', 'limit_malformed'],
    ['limit', 'limit_malformed'],
    [`limit=${LIST_KEYS_MAX + 1}`, 'limit_malformed'],
    ['limit=%31%', 'limit_malformed'],
    ['limit=1&limit=1', 'limit_malformed'],
    ['prefix=a&prefix=a', 'prefix_malformed'],
    ['prefix=%', 'prefix_malformed'],
    ['prefix=%ff', 'prefix_malformed'],
    ['prefix=%00', 'prefix_malformed'],
    [`prefix=${'x'.repeat(KEY_BYTES_MAX + 1)}`, 'prefix_malformed'],
    ['cursor=', 'cursor_malformed'],
    ['cursor=x', 'cursor_malformed'],
    ['cursor=%', 'cursor_malformed'],
    ['page=2', 'field_unknown'],
    ['Prefix=a', 'field_unknown'],
    ['%70refix=a', 'field_unknown'],
    ['__proto__=a', 'field_unknown'],
    ['&', 'field_unknown'],
    ['=', 'field_unknown'],
    ['prefix=a&', 'field_unknown'],
    ['app_id=10', 'field_unknown'],
  ])('with ?%s', (query, reason) => refused('GET', `${PATH}?${query}`, undefined, 400, reason));

  it('with a cursor of another app, of another prefix, or altered', async () => {
    const at = (prefix: string, cursor: string) => `${PATH}?prefix=${prefix}&cursor=${cursor}`;
    expect((await world.ask(world.a, 'GET', at('p/', cursors.ours))).body).toMatchObject({ keys: ['p/2', 'p/3'] });
    expect((await world.ask(world.b, 'GET', at('p/', cursors.theirs))).body).toMatchObject({ keys: ['p/2', 'p/3'] });
    await refused('GET', at('p/', cursors.theirs), undefined, 400, 'cursor_malformed');
    await refused('GET', at('p', cursors.ours), undefined, 400, 'cursor_malformed');
    await refused('GET', `${PATH}?cursor=${cursors.ours}`, undefined, 400, 'cursor_malformed');
    for (const place of [0, 20, cursors.ours.length - 2]) {
      const other = cursors.ours[place] === 'x' ? 'y' : 'x';
      const altered = cursors.ours.slice(0, place) + other + cursors.ours.slice(place + 1);
      await refused('GET', at('p/', altered), undefined, 400, 'cursor_malformed');
    }
  });

  it('with a URL that is longer than any', async () => {
    const { status, reason } = await world.ask(world.a, 'GET', `${PATH}?prefix=${'x'.repeat(REQUEST_URL_CHARS_MAX)}`);
    expect([status, reason]).toEqual([414, 'url_too_long']);
  });
});

describe('a batch is refused as a whole', () => {
  const good = { op: 'put', key, value };

  it.each([undefined, null, {}, 'put', [], Array.from({ length: BATCH_OPERATIONS_MAX + 1 }, () => ({ op: 'get', key }))])(
    'when its operations are none, or too many (%#)',
    (operations) => refused('POST', BATCH, { operations }, 400, 'operations_malformed'),
  );

  it('takes as many as may be', async () => {
    const operations = Array.from({ length: BATCH_OPERATIONS_MAX }, () => ({ op: 'get', key }));
    expect((await world.ask(world.a, 'POST', BATCH, { operations })).status).toBe(200);
  });

  it.each<[unknown, number, string]>([
    [null, 400, 'operations_malformed'],
    ['put', 400, 'operations_malformed'],
    [[], 400, 'operations_malformed'],
    [{}, 400, 'operations_malformed'],
    [{ op: 'PUT', key, value }, 400, 'operations_malformed'],
    [{ op: 'toString', key }, 400, 'operations_malformed'],
    [{ op: '__proto__', key }, 400, 'operations_malformed'],
    [{ op: ['get'], key }, 400, 'operations_malformed'],
    [{ op: 'get' }, 400, 'key_malformed'],
    [{ op: 'get', key, value }, 400, 'field_unknown'],
    [{ op: 'put', key, value, min_replicas: 1 }, 400, 'field_unknown'],
    [{ op: 'delete', key, value }, 400, 'field_unknown'],
    [{ op: 'list', key }, 400, 'field_unknown'],
    [{ op: 'list', limit: '5' }, 400, 'limit_malformed'],
    [{ op: 'list', limit: 0 }, 400, 'limit_malformed'],
    [{ op: 'list', prefix: null }, 400, 'prefix_malformed'],
    [{ op: 'list', prefix: '\ud800' }, 400, 'prefix_malformed'],
    [{ op: 'list', cursor: null }, 400, 'cursor_malformed'],
    [{ op: 'list', cursor: 5 }, 400, 'cursor_malformed'],
    [{ op: 'list', cursor: 'x' }, 400, 'cursor_malformed'],
    ...BAD_KEYS.map(([, bad]): [unknown, number, string] => [{ ...good, key: bad }, 400, 'key_malformed']),
    ...BAD_FIELDS.map(([, bad, status, reason]): [unknown, number, string] => [{ ...good, ...bad }, status, reason]),
  ])('for one operation of it (%#), which it names, and nothing is done', (bad, status, reason) =>
    refused('POST', BATCH, { operations: [good, bad, { op: 'delete', key: 'p/1' }] }, status, reason, { operation: 1 }),
  );

  it.each(BAD_REPLICAS)('with min_replicas of %j', (bad) =>
    refused('POST', BATCH, { operations: [good], min_replicas: bad }, 400, 'min_replicas_malformed'),
  );
  it('with a field of another name', () => refused('POST', BATCH, { operations: [good], atomic: true }, 400, 'field_unknown'));
});

describe('on the road', () => {
  it.each([
    ['PUT', PATH, { key, value }],
    ['DELETE', PATH, { key }],
    ['POST', BATCH, { operations: [{ op: 'put', key, value }] }],
  ])('%s %s takes no plaintext, no list and no proof of another request', async (method, path, body) => {
    const plain = await world.send(world.request(world.a, method, path, JSON.stringify(body)));
    expect([plain.status, ((await plain.json()) as { reason: string }).reason]).toEqual([400, 'plaintext_refused']);
    await refused(method, path, [body], 400, 'request_malformed');
    const signed = world.request(world.a, method, path, world.envelope(world.a, body));
    const elsewhere = new Request(signed.url.replace(/\/kms.*/, '/kms/derive'), {
      method: 'POST',
      headers: signed.headers,
      body: signed.body,
      duplex: 'half',
    } as RequestInit);
    expect((await world.send(elsewhere)).status).toBe(403);
    const unsigned = await world.send(new Request(`http://node${path}`, { method, body: JSON.stringify(body) }));
    expect(unsigned.status).toBe(403);
    expect(world.store.sequence()).toBe(before);
  });

  it.each(['GET', 'HEAD'])('%s takes no unsigned request, none of another URL, and none twice', async (method) => {
    for (const path of [PATH, `${PATH}/p/1`]) {
      expect((await world.send(new Request(`http://node${path}`, { method }))).status).toBe(403);
      const signed = world.request(world.a, method, path);
      const at = (url: string) => new Request(url, { method, headers: signed.headers });
      expect((await world.send(at(`http://node${PATH}/p/2`))).status).toBe(403);
      expect((await world.send(at(`${signed.url}?limit=1`))).status).toBe(403);
      expect((await world.send(at(signed.url))).status).toBe(200);
      expect((await world.send(at(signed.url))).status).toBe(403);
    }
  });

  it('no sealed body that one endpoint takes is taken by another', async () => {
    const bodies: readonly [string, string, object][] = [
      ['POST', '/kms/derive', { path: 'p' }],
      ['PUT', PATH, { key: 'p/1', value }],
      ['DELETE', PATH, { key: 'p/1', if_version: STRANGE }],
      ['POST', BATCH, { operations: [{ op: 'get', key: 'p/1' }] }],
    ];
    for (const [from, own, body] of bodies)
      for (const [method, path] of bodies.filter(([other, at]) => other !== from || at !== own)) {
        const { status } = await world.ask(world.a, method, path, body);
        expect([own, method, path, status]).toEqual([own, method, path, 400]);
      }
    expect(world.store.sequence()).toBe(before);
  });
});
