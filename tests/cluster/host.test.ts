/**
 * The host between two nodes, as an attacker: it holds every byte of their hellos and frames and may read, alter, replay,
 * reorder or swap them. Each attack is first shown to reach a node that joins; then that it gets nothing and changes nothing.
 */
import { decode, encode } from 'cborg';
import { createECDH, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createWorld, readiness, until, untilServing } from '../simulation/world.ts';
import { agreedKey, createEar } from './observe.ts';
import type { Exchange, Intention, Reply } from '../simulation/host.ts';
import type { Member, World } from '../simulation/world.ts';

const SECRET = randomBytes(32).toString('hex');
const ear = createEar();
const wire: Buffer[] = [];
const captured: { hellos: Exchange[]; frames: Exchange[]; answers: Reply[] } = { hellos: [], frames: [], answers: [] };
let world: World;
let key: string;
let joiner: Member;

/** Reads everything that passes; the honest host that merely looks. */
const look: Intention = async (request, forward) => {
  const reply = await forward(request);
  wire.push(request.body, reply.body, Buffer.from(JSON.stringify([request.headers, reply.headers])));
  if (request.path === '/sync' && reply.status === 200) {
    captured[isHello(request) ? 'hellos' : 'frames'].push(request);
    if (!isHello(request)) captured.answers.push(reply);
  }
  return reply;
};

const isHello = (request: Exchange) => 'x-kms-signature' in request.headers;
const otherKey = () => {
  const ecdh = createECDH('secp384r1');
  ecdh.generateKeys();
  return new Uint8Array(ecdh.getPublicKey());
};
const flipLast = (body: Buffer) => Buffer.concat([body.subarray(0, -1), Buffer.of((body.at(-1) ?? 0) ^ 1)]);
/** The type stands behind the version and the session's sixteen bytes. */
const withOtherType = (body: Buffer) => Buffer.concat([body.subarray(0, 17), Buffer.of((body[17] ?? 0) ^ 1), body.subarray(18)]);
const withField = (body: Buffer, field: string, change: (value: unknown) => unknown) => {
  const map = decode(body) as Record<string, unknown>;
  return Buffer.from(encode({ ...map, [field]: change(map[field]) }));
};

beforeAll(async () => {
  world = await createWorld({ nodes: 3, hosts: true, onLog: ear.onLog });
  for (const { node, host } of world.members) {
    node.odyn.faults.set('/v1/random', { kind: 'answer', json: () => ({ random_bytes: `0x${SECRET}` }) });
    host?.intend(look);
  }
  await world.contracts.openGenesis();
  await untilServing(world.members);
  key = await agreedKey(world);
  joiner = world.members.at(-1) as Member;
});

afterAll(async () => world?.stop());

/** The joiner loses its memory and must fetch the secret through hosts with this intention. */
async function joinThrough(attack: (tell: () => void) => Intention): Promise<void> {
  await joiner.node.stop();
  let attacked = 0;
  const others = world.members.filter((member) => member !== joiner);
  for (const { host } of others) host?.intend(attack(() => (attacked += 1)));
  const from = ear.lines.length;
  await joiner.node.start();
  await until('the attack to be carried out', async () => attacked >= 2);
  await until('the joiner to be refused', async () => (await readiness(joiner)).reason === 'fetching_secret');
  const since = () => ear.lines.slice(from).filter((line) => line.node === joiner.name);
  await until('its peers to be out of reach', async () => since().some((line) => line.event === 'peer.unreachable'));
  expect(since().filter((line) => ['secret.installed', 'node.serving', 'candidate.fetched'].includes(line.event))).toEqual([]);
  expect(await agreedKey(world, others)).toBe(key);
  await joiner.node.stop();
  for (const { host } of others) host?.intend(look);
  await joiner.node.start();
  await untilServing([joiner]);
  expect(await agreedKey(world)).toBe(key);
}

/** Only peer traffic is attacked, and only where `matches`. */
const attackOn =
  (matches: (request: Exchange) => boolean, bend: (request: Exchange, forward: (request: Exchange) => Promise<Reply>) => Promise<Reply>) =>
  (tell: () => void): Intention =>
  async (request, forward) => {
    if (request.path !== '/sync' || !matches(request)) return forward(request);
    tell();
    return bend(request, forward);
  };

describe('X-9 a host between two nodes', () => {
  it('that reads everything finds no secret and no key', async () => {
    await joiner.node.stop();
    await joiner.node.start();
    await untilServing([joiner]);
    expect(captured.hellos.length).toBeGreaterThan(0);
    expect(captured.frames.length).toBeGreaterThan(0);
    const all = Buffer.concat(wire);
    await ear.hear('a handover', (line) => line.event === 'secret.installed' && line['source'] === 'handover');
    for (const planted of [SECRET, key]) {
      const bytes = Buffer.from(planted, 'hex');
      for (const form of [bytes, Buffer.from(planted), Buffer.from(bytes.toString('base64'))]) expect(all.includes(form)).toBe(false);
    }
  });

  it('that alters a hello changes nothing', () =>
    joinThrough(attackOn(isHello, (request, forward) => forward({ ...request, body: flipLast(request.body) }))));

  it('that puts its own key into a hello learns nothing', () =>
    joinThrough(attackOn(isHello, (request, forward) => forward({ ...request, body: withField(request.body, 'ephemeral', otherKey) }))));

  it('that puts its own key into the answer learns nothing', () =>
    joinThrough(
      attackOn(isHello, async (request, forward) => {
        const reply = await forward(request);
        return reply.status === 200 ? { ...reply, body: withField(reply.body, 'ephemeral', otherKey) } : reply;
      }),
    ));

  it('that puts its own key into both hellos learns nothing', () =>
    joinThrough(
      attackOn(isHello, async (request, forward) => {
        const reply = await forward({ ...request, body: withField(request.body, 'ephemeral', otherKey) });
        return reply.status === 200 ? { ...reply, body: withField(reply.body, 'ephemeral', otherKey) } : reply;
      }),
    ));

  it('that answers a hello with an older answer learns nothing', () => {
    const older = captured.answers[0];
    return joinThrough(attackOn(isHello, async (_request, _forward) => older ?? { status: 502, headers: {}, body: Buffer.alloc(0) }));
  });

  it('that alters a frame changes nothing', () =>
    joinThrough(
      attackOn(
        (request) => !isHello(request),
        (request, forward) => forward({ ...request, body: flipLast(request.body) }),
      ),
    ));

  it('that gives a frame another type changes nothing', () =>
    joinThrough(
      attackOn(
        (request) => !isHello(request),
        (request, forward) => forward({ ...request, body: withOtherType(request.body) }),
      ),
    ));

  it('that alters the answer to a frame changes nothing', () =>
    joinThrough(
      attackOn(
        (request) => !isHello(request),
        async (request, forward) => {
          const reply = await forward(request);
          return reply.status === 200 ? { ...reply, body: flipLast(reply.body) } : reply;
        },
      ),
    ));

  it('that reorders answers changes nothing', () => {
    let kept: Reply | undefined;
    return joinThrough(
      attackOn(
        (request) => !isHello(request),
        async (request, forward) => {
          const reply = await forward(request);
          const given = kept ?? captured.answers.at(-1) ?? reply;
          kept = reply;
          return given;
        },
      ),
    );
  });

  it('that replays hellos and frames is refused, by their node and by another', async () => {
    const post = ({ headers, body }: Exchange, member: Member | undefined) =>
      fetch(`${member?.node.url}/sync`, { method: 'POST', headers, body: new Uint8Array(body) });
    const sessionsBefore = ear.lines.filter((line) => line.event === 'session.opened' && line['role'] === 'responder').length;
    for (const member of world.members) {
      for (const hello of captured.hellos) expect((await post(hello, member)).status).toBe(403);
      for (const frame of captured.frames) expect([403, 409]).toContain((await post(frame, member)).status);
    }
    expect(
      ear.lines.filter((line) => line.event === 'session.opened' && line['role'] === 'responder').length - sessionsBefore,
    ).toBeLessThanOrEqual(6);
    expect(await agreedKey(world)).toBe(key);
  });

  it('X-15 finds no planted secret in a log line either', () => {
    const logged = world.members.flatMap(({ node }) => node.lines).join('\n');
    expect(logged).toContain('handover.given');
    const forms = [SECRET, key].flatMap((planted) => [planted, Buffer.from(planted, 'hex').toString('base64')]);
    const privateKeys = [...world.members.map(({ node }) => node.odyn), ...world.apps.map((app) => app.odyn)].flatMap((odyn) => [
      odyn.walletKey.slice(2),
      odyn.boxKey.slice(2),
    ]);
    for (const form of [...forms, ...privateKeys]) expect(logged.includes(form)).toBe(false);
  });
});
