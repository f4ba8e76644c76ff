/**
 * The KV store over HTTP on three real nodes, one of each kind, as the platform's clients and ours ask for it. What each host makes of
 * methods, paths, bodies and lengths must be the same.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createClient, odyn, parseProfile } from '../../core/client/main.ts';
import { APP_QUOTA_BYTES, VALUE_BYTES_MAX } from '../../core/limits.ts';
import { call, platformRequest, send } from '../simulation/platform-client.ts';
import { exchange, signedRequest } from '../simulation/signed-client.ts';
import { NODE_KINDS } from '../simulation/node.ts';
import { createWorld, until, untilServing } from '../simulation/world.ts';
import type { KmsClient } from '../../core/client/main.ts';
import type { NodeKeys, SealedAnswer } from '../simulation/platform-client.ts';
import type { App, Member, World } from '../simulation/world.ts';

const PATH = '/kms/data';
let world: World;
let app: App;
let other: App;
let kms: KmsClient;

beforeAll(async () => {
  world = await createWorld({ nodes: 3, kinds: NODE_KINDS, apps: 2 });
  await world.contracts.openGenesis();
  await untilServing(world.members);
  [app, other] = world.apps as [App, App];
  kms = createClient({ profile: parseProfile(world.profile), chain: world.chain.rpcUrl, keys: odyn(app.odyn.url) });
  for (const { url, name } of world.members) {
    const isReady = async () => ((await (await fetch(`${url}/ready`)).json()) as { data_ready: boolean }).data_ready;
    await until(`the data of ${name}`, isReady);
  }
});

afterAll(async () => world?.stop());

describe.each(NODE_KINDS)('%s:', (kind) => {
  let member: Member;
  let node: NodeKeys;
  const key = (name: string) => `${kind}/${name}`;
  const put = (name: string, value: string, more: object = {}, asker = app): Promise<SealedAnswer> =>
    call(asker, node, PATH, { key: key(name), value: Buffer.from(value).toString('base64'), ...more }, 'PUT');
  const get = (path: string, asker = app) => call(asker, node, `${PATH}${path}`);

  beforeAll(() => {
    member = world.members[NODE_KINDS.indexOf(kind)] as Member;
    node = member.keys();
  });

  it('takes what a client of the platform puts, and gives it back under an escaped key', async () => {
    const done = await put('a b/é+', 'hello', { ttl_ms: 0 });
    expect([done.status, done.body]).toMatchObject([200, { app_id: Number(app.appId), key: key('a b/é+') }]);
    // Two are waited for; a third may have it by then.
    expect(done.body?.['replicas']).toBeGreaterThanOrEqual(2);
    const found = await get(`/${encodeURIComponent(key('a b/é+'))}`);
    expect(found.body).toMatchObject({ key: key('a b/é+'), value: 'aGVsbG8=', version: done.body?.['version'] });
    expect((await get(`?prefix=${encodeURIComponent(`${kind}/`)}`)).body).toMatchObject({ keys: [key('a b/é+')], count: 1, cursor: null });
    expect((await get(`/${kind}/none`)).status).toBe(404);
    expect(JSON.parse((await get(`/${kind}/none`)).wire)).toMatchObject({ code: 'not_found', reason: 'key_not_found' });
    const gone = await call(app, node, PATH, { key: key('a b/é+') }, 'DELETE');
    expect([gone.status, gone.body]).toMatchObject([200, { deleted: true, existed: true }]);
  });

  it('keeps two apps apart', async () => {
    await put('shared', 'of one');
    await put('shared', 'of the other', {}, other);
    expect((await get(`/${kind}/shared`)).body).toMatchObject({ value: Buffer.from('of one').toString('base64') });
    expect((await get(`?prefix=${kind}`, other)).body).toMatchObject({ keys: [key('shared')] });
  });

  it.each([
    ['/%', 400, 'key_malformed'],
    ['/', 400, 'key_malformed'],
    ['/%00', 400, 'key_malformed'],
    ['?limit=0', 400, 'limit_malformed'],
    ['?prefix=%ff', 400, 'prefix_malformed'],
    ['?cursor=AAAA', 400, 'cursor_malformed'],
    ['?app_id=1', 400, 'field_unknown'],
  ])('refuses %s', async (path, status, reason) => {
    const answer = await get(path);
    expect([answer.status, JSON.parse(answer.wire)]).toMatchObject([status, { reason }]);
  });

  it.each(['PUT', 'DELETE'])('refuses a %s in plaintext, unsigned, or by another method', async (method) => {
    const parts = await platformRequest(app, node, { key: key('x'), ...(method === 'PUT' && { value: '' }) });
    const reasonOf = async (response: Response) => [response.status, ((await response.json()) as { reason: string }).reason];
    expect(await reasonOf(await send(node, PATH, { ...parts, body: JSON.stringify({ key: 'x', value: '' }) }, method))).toEqual([
      400,
      'plaintext_refused',
    ]);
    expect(await reasonOf(await send(node, PATH, { headers: {}, body: parts.body }, method))).toEqual([403, 'proof_refused']);
    const wrong = await send(node, PATH, parts, 'POST');
    expect([wrong.headers.get('allow'), ...(await reasonOf(wrong))]).toEqual(['GET, HEAD, PUT, DELETE', 405, 'method_not_allowed']);
  });

  it('does what our client asks, and others have it then', async () => {
    const here = { node: member.node.odyn.wallet };
    const { version, replicas, isReplicated } = await kms.kv.put(key('k'), 'everywhere', { ...here, minReplicas: 3 });
    expect([replicas, isReplicated]).toEqual([3, true]);
    for (const each of world.members) {
      const found = await kms.kv.get(key('k'), { node: each.node.odyn.wallet });
      expect([found?.version, Buffer.from(found?.value ?? []).toString()]).toEqual([version, 'everywhere']);
    }
    await expect(kms.kv.put(key('k'), '', { ...here, ifVersion: null })).rejects.toMatchObject({
      code: 'refused',
      reason: 'version_conflict',
      facts: { current_version: version },
    });
    expect(await kms.kv.delete(key('k'), { ...here, ifVersion: version })).toMatchObject({ existed: true });
    expect(await kms.kv.get(key('k'), here)).toBeUndefined();
  });

  it('takes and gives the largest value', async () => {
    const here = { node: member.node.odyn.wallet };
    const value = new Uint8Array(VALUE_BYTES_MAX).fill(9);
    const { version } = await kms.kv.put(key('large'), value, { ...here, minReplicas: 1 });
    const found = await kms.kv.get(key('large'), here);
    expect([found?.version, found && Buffer.compare(found.value, value)]).toEqual([version, 0]);
  });

  it('does a batch, and lists in pages', async () => {
    const here = { node: member.node.odyn.wallet };
    const names = Array.from({ length: 5 }, (_, index) => key(`page/${index}`));
    const { results } = await kms.kv.batch(
      names.map((name) => ({ op: 'put', key: name, value: name })),
      here,
    );
    expect(results.map(({ kind: done }) => done)).toEqual(names.map(() => 'put'));
    const first = await kms.kv.list({ ...here, prefix: key('page/'), limit: 2 });
    expect(first.keys).toEqual(names.slice(0, 2));
    // Any node opens the cursor of another; those behind may not have all keys yet.
    const elsewhere = world.members.find((each) => each !== member) as Member;
    const next = () => kms.kv.list({ node: elsewhere.node.odyn.wallet, prefix: key('page/'), cursor: first.cursor });
    await until('the keys to arrive', async () => (await next()).keys.length === 3);
    const all: string[] = [];
    for await (const name of kms.kv.keys({ ...here, prefix: key('page/') })) all.push(name);
    expect(all).toEqual(names);
    const answered = await kms.request('PUT', PATH, { key: key('raw'), value: '' }, here);
    expect(answered.answer).toMatchObject({ key: key('raw') });
    expect((await kms.request('GET', `${PATH}?prefix=${encodeURIComponent(key('raw'))}`, undefined, here)).answer).toMatchObject({
      count: 1,
    });
    expect((await kms.request('DELETE', PATH, { key: key('raw') }, here)).answer).toMatchObject({ existed: true });
  });

  it('tells what it holds, and nothing of whose', async () => {
    const text = await (await fetch(`${node.url}/metrics`)).text();
    expect(text).toMatch(/^nova_kms_data_ready 1$/m);
    expect(text).toMatch(/^nova_kms_store_keys \d+$/m);
    expect(text).not.toContain(kind === 'worker' ? 'page/' : `${kind}/`);
    const { data_store: shown } = (await (await fetch(`${node.url}/status`)).json()) as {
      data_store: { ready: boolean; peers: unknown[] };
    };
    expect([shown.ready, shown.peers.length]).toEqual([true, 2]);
  });

  describe('asked by whoever knows ERC-8128 and the envelope alone,', () => {
    const { stringify } = JSON;
    const ask = async (method: string, path: string, body?: Record<string, unknown>): Promise<SealedAnswer> => {
      const { chainId } = world.profile;
      return await exchange(app, node, await signedRequest(app, node, { chainId, method, path, ...(body && { body }) }), chainId);
    };
    const text = (value: string) => Buffer.from(value).toString('base64');

    it('puts, reads, lists, deletes and does batches', async () => {
      const done = await ask('PUT', PATH, { key: key('signed'), value: text('by a signature'), ttl_ms: 60_000, min_replicas: 3 });
      expect([done.status, done.body]).toMatchObject([200, { key: key('signed'), replicas: 3, expires_at_ms: expect.any(Number) }]);
      expect((await ask('GET', `${PATH}/${kind}/signed`)).body).toMatchObject({
        value: text('by a signature'),
        version: done.body?.['version'],
      });
      expect((await ask('GET', `${PATH}?prefix=${kind}%2Fsigned&limit=1`)).body).toMatchObject({ keys: [key('signed')], count: 1 });
      const batch = await ask('POST', `${PATH}/batch`, {
        operations: [
          { op: 'get', key: key('signed') },
          { op: 'delete', key: key('signed') },
          { op: 'get', key: key('signed') },
          { op: 'put', key: key('signed'), value: '', if_version: 'A'.repeat(22) },
          { op: 'list', prefix: key('signed') },
        ],
      });
      expect(batch.body?.['results']).toMatchObject([
        { status: 200, value: text('by a signature') },
        { status: 200, deleted: true, existed: true },
        { status: 404, code: 'not_found', reason: 'key_not_found' },
        { status: 412, code: 'precondition_failed', reason: 'version_conflict', current_version: null },
        { status: 200, keys: [], count: 0, cursor: null },
      ]);
      expect((await ask('DELETE', PATH, { key: key('signed') })).body).toMatchObject({ deleted: true, existed: false });
    });

    it.each([
      ['nested/a/b', 'nested/a/b'],
      ['nested/a%2Fb', 'nested/a/b'],
      ['nested/a/b/', 'nested/a/b/'],
      ['nested//b', 'nested//b'],
      ['nested/%2E%2E%2Fb', 'nested/../b'],
      ['nested/a+b', 'nested/a+b'],
      ['nested/a%252Fb', 'nested/a%2Fb'],
      ['nested/%F0%9F%94%91', 'nested/🔑'],
      ['nested/a%3Fb%23c', 'nested/a?b#c'],
      ['nested/batch', 'nested/batch'],
    ])('reads /%s as the key %s', async (path, named) => {
      const value = text(named);
      await ask('POST', `${PATH}/batch`, { operations: [{ op: 'put', key: key(named), value }], min_replicas: 1 });
      expect((await ask('GET', `${PATH}/${kind}/${path}`)).body).toMatchObject({ key: key(named), value });
    });

    it('keeps an empty value, which is not none', async () => {
      const done = await ask('PUT', PATH, { key: key('empty'), value: '' });
      expect((await ask('GET', `${PATH}/${kind}/empty`)).body).toMatchObject({ value: '', version: done.body?.['version'] });
    });

    it('takes and gives the largest value, and refuses one byte more', async () => {
      const value = Buffer.alloc(VALUE_BYTES_MAX, 7).toString('base64');
      expect((await ask('PUT', PATH, { key: key('largest'), value, min_replicas: 1 })).status).toBe(200);
      expect((await ask('GET', `${PATH}/${kind}/largest`)).body?.['value'] === value).toBe(true);
      const more = Buffer.alloc(VALUE_BYTES_MAX + 1, 7).toString('base64');
      const refused = await ask('PUT', PATH, { key: key('largest'), value: more });
      expect([refused.status, JSON.parse(refused.wire)]).toMatchObject([413, { code: 'payload_too_large', reason: 'value_too_large' }]);
      expect((await ask('DELETE', PATH, { key: key('largest') })).body).toMatchObject({ existed: true });
    });

    it('says in refusals what was there, and nothing else', async () => {
      const { body } = await ask('PUT', PATH, { key: key('shape'), value: '' });
      const conflict = await ask('PUT', PATH, { key: key('shape'), value: '', if_version: null });
      const missing = await ask('GET', `${PATH}/${kind}/shape/none`);
      const shape = ['code', 'message', 'reason', 'request_id'];
      expect(Object.keys(JSON.parse(conflict.wire) as object).toSorted()).toEqual([...shape, 'current_version'].toSorted());
      expect([conflict.status, JSON.parse(conflict.wire)]).toMatchObject([
        412,
        { reason: 'version_conflict', current_version: body?.['version'] },
      ]);
      expect([missing.status, Object.keys(JSON.parse(missing.wire) as object).toSorted()]).toEqual([404, shape]);
      expect(stringify([conflict.wire, missing.wire])).not.toContain('shape');
    });
  });

  it.each([
    ['POST', PATH, 'GET, HEAD, PUT, DELETE'],
    ['PATCH', PATH, 'GET, HEAD, PUT, DELETE'],
    ['OPTIONS', PATH, 'GET, HEAD, PUT, DELETE'],
    ['PUT', `${PATH}/a/b`, 'GET, HEAD'],
    ['DELETE', `${PATH}/a%2Fb`, 'GET, HEAD'],
    ['PUT', `${PATH}/batch`, 'GET, HEAD, POST'],
    ['POST', '/metrics', 'GET, HEAD'],
  ])('refuses %s %s and says what may be asked', async (method, path, allow) => {
    const response = await fetch(`${node.url}${path}`, { method });
    expect([response.status, response.headers.get('allow')]).toEqual([405, allow]);
  });

  it('answers HEAD as GET, without the body', async () => {
    await put('head', 'is not shown');
    const { chainId } = world.profile;
    for (const method of ['HEAD', 'GET']) {
      const response = await fetch(await signedRequest(app, node, { chainId, method, path: `${PATH}/${kind}/head` }));
      const body = await response.text();
      expect([method, response.status, response.headers.get('content-type'), body === '']).toEqual([
        method,
        200,
        'application/json',
        method === 'HEAD',
      ]);
    }
    const metrics = await fetch(`${node.url}/metrics`, { method: 'HEAD' });
    expect([metrics.status, await metrics.text()]).toEqual([200, '']);
    for (const [name, value] of Object.entries({
      'content-type': 'text/plain; version=0.0.4; charset=utf-8',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    }))
      expect([name, metrics.headers.get(name)]).toEqual([name, value]);
  });
});

describe('all kinds alike:', () => {
  it('refuse what an app has no room for, whoever took the rest', async () => {
    const value = Buffer.alloc(VALUE_BYTES_MAX).toString('base64');
    const [first] = world.members as [Member];
    for (let index = 0; index < 9; index += 1) {
      const done = await call(other, first.keys(), PATH, { key: `full/${index}`, value, min_replicas: 1 }, 'PUT');
      expect(done.status).toBe(200);
    }
    for (const { name, keys } of world.members) {
      const refusal = async () => {
        const answer = await call(other, keys(), PATH, { key: `full/by-${name}`, value, min_replicas: 1 }, 'PUT');
        // One that has not all of it yet takes the value; asked again and again, it comes to the rate of an app.
        return ![200, 429].includes(answer.status) && ({ ...JSON.parse(answer.wire), status: answer.status } as Record<string, unknown>);
      };
      const { message, request_id: requestId, ...facts } = await until(`${name} to be full`, refusal);
      expect(message).toContain('quota');
      expect(requestId).toMatch(/^[0-9a-f]{16}$/);
      expect(facts).toEqual({
        status: 507,
        code: 'insufficient_storage',
        reason: 'quota_exceeded',
        quota_bytes: APP_QUOTA_BYTES,
        used_bytes: expect.any(Number),
        needed_bytes: expect.any(Number),
      });
    }
  });
});
