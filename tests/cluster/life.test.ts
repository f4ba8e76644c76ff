/** A born cluster: who joins, who restarts, who is left alone, and what happens when the chain is cut off. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { call } from '../simulation/platform-client.ts';
import { createWorld, readiness, until, untilServing } from '../simulation/world.ts';
import { agreedKey, createEar, untilAgreedKey } from './observe.ts';
import type { Member, World } from '../simulation/world.ts';

const ear = createEar();
let world: World;
let key: string;

const liveOperators = async () =>
  ((await world.contracts.readKms('liveOperators')) as readonly string[]).map((wallet) => wallet.toLowerCase());

/** No later than that block was made which this node takes for the head. */
async function headTimeOf({ url }: Member): Promise<number> {
  const nowMs = Date.now();
  const { chain } = (await (await fetch(`${url}/status`)).json()) as { chain: { head_age_ms: number } };
  return nowMs - chain.head_age_ms;
}

beforeAll(async () => {
  world = await createWorld({ nodes: 3, onLog: ear.onLog, profile: { headAgeMaxMs: 6_000 } });
  await world.contracts.openGenesis();
  await untilServing(world.members);
  key = await untilAgreedKey(world);
});

afterAll(async () => world?.stop());

describe('a born cluster', () => {
  it('hands the secret to a node that registers later', async () => {
    const late = await world.addNode('late');
    await until('the newcomer to wait', async () => (await readiness(late)).reason === 'not_registered');
    await world.register(late);
    await untilServing([late]);
    const installed = await ear.hear('its secret', (line) => line.node === 'late' && line.event === 'secret.installed');
    expect(installed['source']).toBe('handover');
    expect(await untilAgreedKey(world)).toBe(key);
  });

  it('takes back a node that lost its memory, with the same enclave', async () => {
    const [member] = world.members;
    await member?.node.stop();
    await member?.node.start();
    await untilServing(world.members);
    expect(await untilAgreedKey(world)).toBe(key);
  });

  it('U-12 takes back three enclaves that come as new wallets, and their old ones neither count nor vote', async () => {
    for (const member of world.members.slice(0, 3)) {
      const before = member.keys().wallet;
      await member.node.replaceEnclave();
      await until('the new wallet to be unknown', async () => (await readiness(member)).reason === 'not_registered');
      await world.register(member);
      await untilServing([member]);
      const live = await liveOperators();
      expect(live).toContain(member.keys().wallet);
      expect(live).not.toContain(before);
    }
    expect((await liveOperators()).length).toBe(world.members.length);
    expect((await world.contracts.readKms('getOperators')) as readonly string[]).toHaveLength(world.members.length + 3);
    expect(await world.contracts.readKms('majority')).toBe(3n);
    await untilServing(world.members);
    expect(await untilAgreedKey(world)).toBe(key);
  });

  it('keeps serving with one node when all others stop', async () => {
    const [last, ...others] = world.members;
    if (!last) throw new Error('the world has no node');
    await Promise.all(others.map((member) => member.node.stop()));
    const deadline = Date.now() + world.profile.headAgeMaxMs + 4_000;
    while (Date.now() < deadline) expect(await agreedKey(world, [last])).toBe(key);
    await Promise.all(others.map((member) => member.node.start()));
    await untilServing(world.members);
  });

  it('serves through a chain outage until the deadline, then refuses, then recovers', async () => {
    const [member] = world.members;
    const [app] = world.apps;
    if (!member || !app) throw new Error('the world is empty');
    await untilAgreedKey(world, [member]);
    await world.chain.hang();
    try {
      const headAtMs = await headTimeOf(member);
      // A caller judged before the outage is served on its last judgement, and nobody longer than the head may age.
      expect((await call(app, member.keys(), '/kms/derive', { path: 'outage' })).status).toBe(200);
      await until('the refusal', async () => (await readiness(member)).reason === 'chain_stale', 30_000);
      expect(Date.now()).toBeGreaterThan(headAtMs + world.profile.headAgeMaxMs - 1_000);
      expect(await (await fetch(`${member.url}/health`)).json()).toEqual({ status: 'healthy' });
      const refused = await call(app, member.keys(), '/kms/derive', { path: 'outage' });
      expect([refused.status, JSON.parse(refused.wire)]).toMatchObject([503, { code: 'service_unavailable', reason: 'chain_stale' }]);
    } finally {
      world.chain.unhang();
    }
    await untilServing(world.members);
    expect(await untilAgreedKey(world)).toBe(key);
  });

  it('stops serving on a node whose instance is stopped on chain', async () => {
    const member = world.members.at(-1);
    if (!member) throw new Error('the world is empty');
    await world.contracts.stopInstance(member.instanceId);
    await until('the node to notice', async () => ['not_live', 'not_registered'].includes((await readiness(member)).reason ?? ''));
    expect((await fetch(`${member.url}/kms/derive`, { method: 'POST' })).status).toBe(503);
    expect(await untilAgreedKey(world, world.members.slice(0, 3))).toBe(key);
  });
});
