/** Hostile and hung neighbours: Odyn, the chain's endpoint and a peer, one at a time. The node stays up and says why. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { call } from '../simulation/platform-client.ts';
import { createWorld, readiness, until, untilServing } from '../simulation/world.ts';
import { agreedKey, createEar, untilAgreedKey } from './observe.ts';
import type { Intention } from '../simulation/host.ts';
import type { Fault } from '../simulation/odyn/faults.ts';
import type { App, Member, World } from '../simulation/world.ts';

const ear = createEar();
let world: World;
let key: string;
let hits = 0;
const canary = createServer((_request, response) => {
  hits += 1;
  response.end('{"address":"0x1111111111111111111111111111111111111111","nonce":"AAAA"}');
});
let canaryUrl = '';

beforeAll(async () => {
  await new Promise<void>((resolve) => canary.listen(0, '127.0.0.1', resolve));
  canaryUrl = `http://127.0.0.1:${(canary.address() as AddressInfo).port}/`;
  world = await createWorld({ nodes: 3, hosts: true, chainHost: true, onLog: ear.onLog, profile: { headAgeMaxMs: 5_000 } });
  await world.contracts.openGenesis();
  await untilServing(world.members);
  key = await untilAgreedKey(world);
});

afterAll(async () => {
  canary.close();
  await world?.stop();
});

/** Shorter than all that a node waits for, of which a peer is the shortest. */
const AT_ONCE_MS_MAX = 3_500;

/** Alive and answering others at once, whatever its neighbour does. */
async function staysUp(member: Member): Promise<void> {
  for (const path of ['/health', '/status', '/nonce', '/nodes']) {
    const response = await fetch(`${member.node.url}${path}`, { signal: AbortSignal.timeout(AT_ONCE_MS_MAX) });
    expect([path, response.status]).toEqual([path, 200]);
  }
}

describe('X-9 an Odyn that', () => {
  const faults: readonly (readonly [string, () => Fault])[] = [
    ['hangs', () => ({ kind: 'hang' })],
    ['answers 500', () => ({ kind: 'status', status: 500, text: 'thread panicked' })],
    ['answers garbage', () => ({ kind: 'garbage' })],
    ['never ends its answer', () => ({ kind: 'endless' })],
    ['closes the connection', () => ({ kind: 'drop' })],
    ['redirects', () => ({ kind: 'redirect', location: canaryUrl })],
    ['is very slow', () => ({ kind: 'delay', delayMs: 20_000 })],
  ];
  it.each(faults)('%s takes nobody down and is named', async (_what, fault) => {
    const [member, ...others] = world.members as [Member, ...Member[]];
    member.node.odyn.faults.set('*', fault());
    await until('the reason', async () => (await readiness(member)).reason === 'odyn_unreachable', 30_000);
    await staysUp(member);
    expect(await agreedKey(world, others)).toBe(key);
    member.node.odyn.faults.clear();
    await untilServing([member], 30_000);
    expect(hits).toBe(0);
  });

  it('changes its wallet is refused until the node is started again', async () => {
    const [member] = world.members as [Member];
    member.node.odyn.faults.set('/v1/eth/address', {
      kind: 'answer',
      json: (honest) => ({ ...(honest as object), address: `0x${'77'.repeat(20)}` }),
    });
    await until('the reason', async () => (await readiness(member)).reason === 'wallet_changed');
    member.node.odyn.faults.clear();
    await untilServing([member]);
  });

  it('X-1 has no wallet lets no node start', async () => {
    const [member] = world.members as [Member];
    await member.node.stop();
    member.node.odyn.faults.set('/v1/eth/address', {
      kind: 'answer',
      json: (honest) => ({ ...(honest as object), address: `0x${'00'.repeat(20)}` }),
    });
    await member.node.start();
    await until('the refusal', async () => (await readiness(member)).reason === 'zero_wallet');
    expect((await fetch(`${member.node.url}/status`)).status).toBe(503);
    member.node.odyn.faults.clear();
    await untilServing([member]);
  });
});

describe('X-9 a chain endpoint that', () => {
  const reply =
    (status: number, body: string | Buffer, headers: Record<string, string> = { 'content-type': 'application/json' }): Intention =>
    async () => ({ status, headers, body: Buffer.from(body) });
  const intentions: readonly (readonly [string, () => Intention])[] = [
    ['hangs', () => () => new Promise(() => undefined)],
    ['answers 500', () => reply(500, 'internal error at 10.0.0.7')],
    ['answers garbage', () => reply(200, 'not json')],
    ['answers other JSON', () => reply(200, '{"jsonrpc":"2.0","id":1,"result":"0x"}')],
    ['answers a wrong type', () => reply(200, '{"jsonrpc":"2.0","id":1,"result":{"a":[1]}}')],
    ['answers more than is read', () => reply(200, Buffer.alloc(6 * 1024 * 1024, 32))],
    ['redirects', () => reply(307, '', { location: canaryUrl })],
  ];
  it.each(intentions)('%s lets nodes serve until the deadline, then names it, then they recover', async (_what, intention) => {
    const [member] = world.members as [Member];
    const [app] = world.apps as [App];
    await untilAgreedKey(world, [member]);
    world.chainHost?.intend(intention());
    expect((await call(app, member.keys(), '/kms/derive', { path: 'agreement' })).status).toBe(200);
    await until('the reason', async () => (await readiness(member)).reason === 'chain_stale', 40_000);
    await staysUp(member);
    const refused = await call(app, member.keys(), '/kms/derive', { path: 'agreement' });
    expect([refused.status, JSON.parse(refused.wire)]).toMatchObject([503, { reason: 'chain_stale' }]);
    world.chainHost?.intend(undefined);
    await untilServing(world.members, 60_000);
    expect(await untilAgreedKey(world)).toBe(key);
    expect(hits).toBe(0);
  });
});

describe('X-9 a peer that', () => {
  const reply =
    (status: number, body: Buffer | string, headers: Record<string, string> = {}): Intention =>
    async () => ({ status, headers, body: Buffer.from(body) });
  const intentions: readonly (readonly [string, () => Intention])[] = [
    ['hangs', () => () => new Promise(() => undefined)],
    ['answers 500', () => reply(500, 'oops')],
    ['answers garbage', () => reply(200, '\u0000\u0001garbage')],
    ['answers without end', () => reply(200, Buffer.alloc(5 * 1024 * 1024, 1))],
    ['redirects to somebody else', () => reply(302, '', { location: canaryUrl })],
  ];
  it.each(intentions)('%s is named at /nodes and holds nobody up', async (_what, intention) => {
    const [member, other, bad] = world.members as [Member, Member, Member];
    bad.host?.intend(intention());
    const contact = async () => {
      const { operators } = (await (await fetch(`${member.node.url}/nodes`)).json()) as {
        operators: { operator: string; connection: { reachable?: boolean | null } }[];
      };
      return operators.find((each) => each.operator === bad.keys().wallet)?.connection.reachable;
    };
    await until('its absence at /nodes', async () => (await contact()) === false, 40_000);
    await staysUp(member);
    expect(await agreedKey(world, [member, other])).toBe(key);
    bad.host?.intend(undefined);
    await until('its return at /nodes', async () => (await contact()) === true, 90_000);
    expect(hits).toBe(0);
  });

  it('answers slowly, yet in the end, and forgets its sessions does not make the others lose the chain', async () => {
    const [member, other, bad] = world.members as [Member, Member, Member];
    // Just inside the time of one request, with a forged "unknown session" on the way: the costliest honest-looking answer.
    bad.host?.intend(async (request, forward) => {
      if (request.path !== '/sync' && request.path !== '/nonce') return forward(request);
      await new Promise((resolve) => setTimeout(resolve, 3_800));
      const isFrame = 'x-kms-session' in request.headers;
      return isFrame ? { status: 409, headers: {}, body: Buffer.from('{"reason":"session_unknown"}') } : forward(request);
    });
    const deadline = Date.now() + 20_000;
    while (Date.now() < deadline) {
      for (const each of [member, other]) expect(await readiness(each)).toMatchObject({ ready: true });
      expect(await agreedKey(world, [member, other])).toBe(key);
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
    bad.host?.intend(undefined);
  });

  it('X-10 is gone for a while costs a bounded number of log lines and calls', async () => {
    const [member, , bad] = world.members as [Member, Member, Member];
    let calls = 0;
    bad.host?.intend(async () => {
      calls += 1;
      return { status: 502, headers: {}, body: Buffer.alloc(0) };
    });
    const from = ear.lines.length;
    await new Promise((resolve) => setTimeout(resolve, 15_000));
    const lines = ear.lines.slice(from).filter((line) => line.node === member.name);
    bad.host?.intend(undefined);
    expect(lines.filter((line) => line.event === 'peer.unreachable').length).toBeLessThanOrEqual(1);
    expect(lines.length).toBeLessThan(10);
    // Two members try it, each backing off from one second to a minute.
    expect(calls).toBeLessThan(20);
  });
});
