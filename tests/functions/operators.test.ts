/** The road of operators in process: who gets an answer, that it is signed, and that nothing in it is anybody's secret. */
import { beforeEach, describe, expect, it } from 'vitest';
import { createApi } from '../../functions/api.ts';
import { parseSignature, recoverWallet } from '../../core/crypto/wallet.ts';
import { Refusal } from '../../core/errors.ts';
import { ADDRESS_PROOF_REQUESTS, ADDRESS_REQUESTS_BURST, AUDIT_PERIOD_MS, OPERATOR_REQUESTS_BURST } from '../../core/limits.ts';
import { verifyMilestones, verifyTrail } from '../../core/audit/verify.ts';
import { parseBlock } from '../../core/wire/address.ts';
import { base64, hex, utf8 } from '../../core/wire/bytes.ts';
import { appProofText } from '../../core/wire/pop.ts';
import { encodeHeader, recordId } from '../../core/store/record.ts';
import { profile, signerNamed } from '../core/fakes.ts';
import { csrOf, ecSigning } from '../core/ca/fixtures.ts';
import { createDataWorld } from './data-world.ts';
import { exchanged } from './signed-answer.ts';
import type { AppId } from '../../core/identity.ts';
import type { DataWorld, TestApp } from './data-world.ts';
import type { Body } from './signed-answer.ts';

const operatorNamed = (name: string): TestApp => ({ signer: signerNamed(name), appId: 0n as AppId });
const registrant = operatorNamed('the registrant');
const owner = operatorNamed('the owner');
const stranger = operatorNamed('a stranger');
const PATHS = ['/audit/head', '/audit', '/audit?from=1&limit=5', '/audit/milestones', '/operator/status'];
let world: DataWorld;

beforeEach(async () => {
  world = await createDataWorld();
  const { chain } = world.cluster;
  chain.operators = chain.operators.map((each) => ({
    ...each,
    operator: each.wallet === world.node.wallet ? registrant.signer.wallet : signerNamed('another registrant').wallet,
  }));
  chain.owner = owner.signer.wallet;
  await world.cluster.round();
});

const sent = (request: Request) => exchanged(world.send, request);

async function asks(who: TestApp, path: string) {
  // Below their rate.
  world.cluster.clock.advance(250);
  return await sent(world.request(who, 'GET', path));
}

const trailOf = async () => {
  const head = await asks(owner, '/audit/head');
  const { records } = (await asks(owner, '/audit')).body as { records: readonly unknown[] };
  return { head: head.body, records: records.slice(0, head.body['seq'] as number) };
};

describe('S-M1 the road of operators', () => {
  it.each(PATHS)('answers %s for the registrant and the owner, and signs it', async (path) => {
    for (const who of [registrant, owner]) {
      const { status, signer } = await asks(who, path);
      expect([status, signer]).toEqual([200, world.node.wallet]);
    }
  });

  it.each(PATHS)('refuses everybody else at %s, all in the same words', async (path) => {
    const answers = new Map<string, string>();
    const wrong: readonly [string, TestApp][] = [
      ['an app', world.a],
      ['a stranger', stranger],
      ['who registered another node', operatorNamed('another registrant')],
      ['another node', operatorNamed('b')],
    ];
    // The request is good but for who signs it: an operator's own is taken.
    expect((await asks(registrant, path)).status).toBe(200);
    for (const [what, who] of wrong) {
      const { status, body, signer } = await asks(who, path);
      expect([status, signer], what).toEqual([403, undefined]);
      answers.set(what, JSON.stringify({ ...body, request_id: '' }));
    }
    const unsigned = await sent(new Request(`http://node${path}`));
    const asApps = await sent(new Request('http://node/kms/data'));
    for (const { status, body } of [unsigned, asApps]) answers.set(`${status}`, JSON.stringify({ ...body, request_id: '' }));
    expect(new Set(answers.values()).size).toBe(1);
  });

  it('takes no platform proof, not even an operator’s, nor one beside a signature', async () => {
    const { kms, node, cluster } = world;
    const nonce = kms.nonces.issue();
    const timestamp = String(Math.floor(cluster.clock.nowMs() / 1_000));
    const headers = {
      'x-app-signature': owner.signer.signNow(appProofText(nonce, node.wallet, timestamp)),
      'x-app-nonce': nonce,
      'x-app-timestamp': timestamp,
    };
    expect(profile.platformProof).toBe('accept');
    expect((await sent(new Request('http://node/audit/head', { headers }))).body).toMatchObject({ reason: 'proof_refused' });
    expect((await sent(world.request(owner, 'GET', '/audit/head', undefined, headers))).status).toBe(403);
  });

  it('takes a signature once, and for its own path and query only', async () => {
    const request = world.request(owner, 'GET', '/audit?from=1');
    const [again, elsewhere, further] = [
      request.clone(),
      new Request('http://node/audit/head', { headers: request.headers }),
      new Request('http://node/audit?from=2', { headers: request.headers }),
    ];
    for (const bent of [elsewhere, further]) expect((await sent(bent)).status).toBe(403);
    expect((await sent(request)).status).toBe(200);
    expect((await sent(again)).body).toMatchObject({ reason: 'proof_refused' });
    expect(world.node.logs.named('request.refused').at(-1)?.reason).toBe('nonce_replayed');
  });

  it('takes no signature for another node', async () => {
    const { cluster } = world;
    const other = cluster.nodes[1];
    const here = createApi(world.kms);
    const there = createApi(other?.kms ?? world.kms);
    const request = world.request(owner, 'GET', '/audit/head');
    expect((await there(request.clone())).status).toBe(403);
    expect((await here(request)).status).toBe(200);
  });

  it('has a rate of its own, for each of them', async () => {
    const statuses: number[] = [];
    for (let index = 0; index <= OPERATOR_REQUESTS_BURST; index += 1)
      statuses.push((await sent(world.request(owner, 'GET', '/audit/head'))).status);
    expect(statuses.slice(0, -1).every((status) => status === 200)).toBe(true);
    expect(statuses.at(-1)).toBe(429);
    expect((await sent(world.request(registrant, 'GET', '/audit/head'))).status).toBe(200);
    expect((await world.ask(world.a, 'PUT', '/kms/data', { key: 'k', value: 'AA==' })).status).toBe(200);
  });

  it('costs an address nothing once it is known who asks', async () => {
    const trustedProxies = parseBlock('10.0.0.0/8');
    const api = createApi({ ...world.kms, profile: { ...profile, trustedProxies: trustedProxies ? [trustedProxies] : [] } });
    const from = async (who: TestApp) => {
      const request = world.request(who, 'GET', '/audit/head', undefined, { 'x-forwarded-for': '198.51.100.7' });
      return (await api(request, '10.0.0.1')).status;
    };
    const burst = ADDRESS_REQUESTS_BURST / ADDRESS_PROOF_REQUESTS;
    for (let asked = 1; asked < burst; asked += 1) expect(await from(stranger)).toBe(403);
    // The last of its address's budget: taken and given back, again and again.
    for (let asked = 0; asked < 3; asked += 1) expect(await from(owner)).toBe(200);
    expect([await from(stranger), await from(stranger), await from(owner)]).toEqual([403, 429, 429]);
  });

  it('is open while the node does not serve, and says why exactly', async () => {
    const { cluster, node } = world;
    cluster.chain.operators = cluster.chain.operators.map((each) =>
      each.wallet === node.wallet ? { ...each, live: false, eligible: false, zkVerified: false } : each,
    );
    await cluster.round();
    expect((await world.ask(world.a, 'GET', '/kms/data')).status).toBe(503);
    const { status, body, signer } = await asks(registrant, '/operator/status');
    expect([status, signer]).toEqual([200, node.wallet]);
    expect(body['gate']).toMatchObject({ serving: false, reason: 'not_live' });
    expect(String((body['gate'] as Body)['detail'])).toContain('instance 1 is active');
    expect(body['registered']).toMatchObject({ live: false, zk_verified: false });
    expect((await asks(registrant, '/audit')).text).toContain('"kind":"waiting"');
  });

  it('is closed while the chain cannot be read', async () => {
    world.cluster.clock.advance(profile.headAgeMaxMs + 1);
    for (const path of PATHS)
      for (const who of [owner, stranger]) expect((await asks(who, path)).body).toMatchObject({ reason: 'chain_stale' });
  });

  it('signs its refusals, too, once the request was an operator’s own', async () => {
    for (const [path, reason] of [
      ['/audit?from=0', 'from_malformed'],
      ['/audit?from=-1', 'from_malformed'],
      ['/audit?from=1&from=2', 'from_malformed'],
      ['/audit?limit=10001', 'limit_malformed'],
      ['/audit?limit=', 'limit_malformed'],
      ['/audit?limit=1&limit=1', 'limit_malformed'],
      ['/audit?since=1', 'field_unknown'],
    ] as const) {
      const { body, signer } = await asks(owner, path);
      expect([path, body['reason'], signer]).toEqual([path, reason, world.node.wallet]);
    }
  });

  it('says that Odyn is out when it cannot sign, and nothing else', async () => {
    const signer = { ...world.kms.signer, sign: () => Promise.reject(new Refusal('odyn_unavailable', 'out')) };
    const response = await createApi({ ...world.kms, signer })(world.request(owner, 'GET', '/operator/status'));
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({ reason: 'odyn_unavailable' });
  });
});

describe('S-M2 the trail that operators read', () => {
  it('has what was done here, each once, and is whole', async () => {
    const csr = base64(csrOf(ecSigning('P-256')));
    await world.ask(world.a, 'PUT', '/kms/data', { key: 'users/alice', value: base64(utf8('hello')) });
    await world.ask(world.a, 'DELETE', '/kms/data', { key: 'users/alice' });
    await world.ask(world.b, 'POST', '/kms/data/batch', {
      operations: [
        { op: 'put', key: 'x', value: 'AA==' },
        { op: 'get', key: 'x' },
      ],
    });
    expect((await world.ask(world.a, 'POST', '/kms/sign_cert', { csr })).status).toBe(200);
    const { head, records } = await trailOf();
    expect(verifyTrail(records, head, { node: world.node.wallet })).toEqual({ kind: 'whole', from: 1, to: head['seq'] });
    const done = (records as Body[]).filter(({ app_id: appId }) => appId !== undefined);
    expect(done).toMatchObject([
      { kind: 'value_written', app_id: '9', bytes: 5, epoch: 0 },
      { kind: 'value_deleted', app_id: '9', existed: true },
      { kind: 'value_written', app_id: '10', bytes: 1 },
      { kind: 'certificate_issued', app_id: '9', instance_id: '109', epoch: 0 },
    ]);
    expect(done[0]?.['name']).toBe(done[1]?.['name']);
  });

  it('has nothing of a write that was refused but its reason', async () => {
    const before = (await asks(owner, '/audit/head')).body['seq'] as number;
    await world.ask(world.a, 'PUT', '/kms/data', { key: 'k', value: 'AA==', if_version: 'A'.repeat(22) });
    const { records } = (await asks(owner, `/audit?from=${before + 1}`)).body as { records: readonly Body[] };
    expect(records.map(({ kind, reason }) => [kind, reason])).toEqual([['refused', 'version_conflict']]);
  });

  it('has what was refused inside a batch, of each reason the first and how many', async () => {
    const before = (await asks(owner, '/audit/head')).body['seq'] as number;
    const operations = ['a', 'b', 'c', 'd'].map((key) => ({ op: 'put', key, value: 'AA==', if_version: 'A'.repeat(22) }));
    const { status } = await world.ask(world.a, 'POST', '/kms/data/batch', { operations: [...operations, { op: 'get', key: 'none' }] });
    expect(status).toBe(200);
    world.cluster.clock.advance(AUDIT_PERIOD_MS);
    await world.cluster.round();
    const { records } = (await asks(owner, `/audit?from=${before + 1}`)).body as { records: readonly Body[] };
    expect(records.filter(({ kind }) => kind === 'refused').map(({ reason, count }) => [reason, count])).toEqual([
      ['version_conflict', 1],
      ['key_not_found', 1],
      ['version_conflict', 3],
    ]);
  });

  it('names what was deleted to make room', async () => {
    const value = base64(new Uint8Array(1_000_000));
    for (const key of ['a', 'b', 'c', 'd']) await world.ask(world.a, 'PUT', '/kms/data', { key, value, when_full: 'evict' });
    const { records } = await trailOf();
    const kinds = (records as Body[]).map(({ kind }) => kind);
    expect(kinds.filter((kind) => kind === 'value_evicted').length).toBe(1);
    const named = (kind: string) => (records as Body[]).find((record) => record['kind'] === kind)?.['name'];
    expect(named('value_evicted')).toBe(named('value_written'));
  });

  it('cannot be flooded by who is refused', async () => {
    const before = (await asks(owner, '/audit/head')).body['seq'] as number;
    for (let index = 0; index < 300; index += 1)
      await sent(new Request('http://node/kms/data', { headers: { 'x-app-wallet': `0x${index}` } }));
    world.cluster.clock.advance(AUDIT_PERIOD_MS);
    await world.cluster.round();
    const { records } = (await asks(owner, `/audit?from=${before + 1}`)).body as { records: readonly Body[] };
    expect(records.filter(({ kind }) => kind === 'refused').map(({ reason, count }) => [reason, count])).toEqual([
      ['proof_missing', 1],
      ['proof_missing', 299],
    ]);
  });

  it('comes in pages that join to the whole', async () => {
    for (let index = 0; index < 20; index += 1) await world.ask(world.a, 'PUT', '/kms/data', { key: `k${index}`, value: 'AA==' });
    const joined: unknown[] = [];
    for (let from: unknown = 1; from !== null;) {
      const { body } = await asks(owner, `/audit?from=${String(from)}&limit=7`);
      joined.push(...(body['records'] as unknown[]));
      from = body['next'];
    }
    const { head, records } = await trailOf();
    expect(joined).toEqual(records);
    expect(verifyTrail(joined, head, { node: world.node.wallet }).kind).toBe('whole');
  });

  it('has milestones that lead to its head, and none of them is a write', async () => {
    for (let index = 0; index < 5; index += 1) await world.ask(world.a, 'PUT', '/kms/data', { key: `k${index}`, value: 'AA==' });
    const { body } = await asks(owner, '/audit/milestones');
    const milestones = body['records'] as readonly Body[];
    const { head, records } = await trailOf();
    expect(verifyMilestones(milestones, records.slice(-1), head, { node: world.node.wallet })).toMatchObject({ kind: 'whole', from: 1 });
    expect(milestones[0]).toMatchObject({ kind: 'boot', seq: 1 });
    expect(milestones.some(({ kind }) => kind === 'secret_installed')).toBe(true);
    expect(milestones.some(({ kind }) => String(kind).startsWith('value_') || kind === 'refused')).toBe(false);
  });

  it('ends at a head that this node’s wallet signed', async () => {
    const { body } = await asks(owner, '/audit/head');
    const text = `NovaKMS:Audit:${world.node.wallet}:${world.kms.audit.incarnation}:${String(body['seq'])}:${String(body['hash'])}`;
    expect(recoverWallet(text, parseSignature(String(body['signature'])) ?? new Uint8Array(0))).toBe(world.node.wallet);
  });
});

describe('S-M2 nothing secret is in any record, answer or line of the log:', () => {
  it('no value, no name of a key, no secret, no derived key, no request', async () => {
    const { kms, node } = world;
    const [name, value] = ['planted-name-of-a-key', 'planted value, twice as secret'];
    await world.ask(world.a, 'PUT', '/kms/data', { key: name, value: base64(utf8(value)) });
    await world.ask(world.a, 'GET', `/kms/data/${name}`);
    await world.ask(world.a, 'PUT', '/kms/data', { key: name, value: '!', nonsense: value });
    const { body } = await world.ask(world.a, 'POST', '/kms/derive', { path: 'planted/path' });
    await world.ask(world.a, 'DELETE', '/kms/data', { key: name });
    const secrets = [...node.box.drawn, ...world.cluster.nodes.flatMap(({ box }) => box.drawn)];
    expect([typeof body['key'], secrets.length > 0]).toEqual(['string', true]);
    const planted = [name, value, base64(utf8(value)), hex(utf8(value)), String(body['key']), 'planted'].concat(
      secrets.flatMap((secret) => [hex(secret), base64(secret)]),
      [hex(kms.vault.digestKey(0 as never) ?? new Uint8Array(0))],
    );
    const answers = await Promise.all(PATHS.map(async (path) => (await asks(owner, path)).text));
    const logged = JSON.stringify(node.logs.lines);
    const found = (texts: readonly string[]) => planted.filter((text) => text !== '' && texts.some((each) => each.includes(text)));
    // A record with a place for the name would show it: the search finds what is there.
    expect(found([`${answers.join()}"key":"${name}"`])).toEqual([name, 'planted']);
    expect(found(answers)).toEqual([]);
    expect(found([logged])).toEqual([]);
  });

  it('nothing with which the name of a deleted key could be tried against a list', async () => {
    const { store, kms } = world;
    const names = ['users/bob', 'users/alice', 'users/carol'];
    const report = kms.replication.report();
    const peers = report.peers.map((peer) => ({ ...peer, incarnation: store.incarnation() }));
    const api = createApi({ ...kms, replication: { ...kms.replication, report: () => ({ ...report, peers }) } });
    await world.ask(world.a, 'PUT', '/kms/data', { key: 'users/alice', value: 'AA==' });
    await world.ask(world.a, 'DELETE', '/kms/data', { key: 'users/alice' });
    const { records } = await trailOf();
    const deleted = (records as Body[]).find(({ kind }) => kind === 'value_deleted') as Body;
    /** A tombstone is made of what its record says, its key and the store's incarnation; its version is a digest of it. */
    const guessed = (incarnation: string) =>
      names.filter((key) => {
        const time = { ms: deleted['at_ms'] as number, logical: 0, origin: world.node.wallet };
        const dot = { incarnation, counter: 2 };
        const header = {
          ...dot,
          ...time,
          appId: 9n as AppId,
          key,
          kind: 'tombstone',
          expiresAtMs: 0,
          commitment: new Uint8Array(32),
        } as const;
        return (
          base64(recordId(encodeHeader(header)))
            .replaceAll('+', '-')
            .replaceAll('/', '_')
            .slice(0, 22) === deleted['version']
        );
      });
    expect(guessed(store.incarnation())).toEqual(['users/alice']);
    const told = [...PATHS, '/status', '/metrics', '/nodes'].map(async (path) => {
      world.cluster.clock.advance(250);
      return await (await api(world.request(owner, 'GET', path))).text();
    });
    const everything = `${(await Promise.all(told)).join()}${JSON.stringify(world.node.logs.lines)}`;
    expect([...new Set(everything.match(/[0-9a-f]{32}/g))].flatMap(guessed)).toEqual([]);
    expect(everything).not.toContain(store.incarnation());
  });

  it('of the secrets an operator sees where they are, and the public nothing', async () => {
    const { body } = await asks(registrant, '/operator/status');
    expect(body['epochs']).toMatchObject([{ epoch: 0, state: 'active', held: true, candidates: [] }]);
    expect((body['peers'] as Body[]).length).toBe(2);
    expect((body['peers'] as Body[])[0]).toMatchObject({ live: true, contact: { failures: 0, failure: null } });
    const sessions = (body['peers'] as { sessions: Body[]; measurement: string }[]).flatMap(({ sessions: of, measurement }) =>
      of.map((session) => [session['role'], session['measurement'] === measurement]),
    );
    expect(new Map(sessions as [string, boolean][])).toEqual(
      new Map([
        ['initiator', true],
        ['responder', true],
      ]),
    );
    const everybody = await (await world.send(new Request('http://node/status'))).text();
    expect(everybody).not.toMatch(/held|candidates|detail|sessions|"failure"/);
  });
});
