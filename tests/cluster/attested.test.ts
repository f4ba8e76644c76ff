/**
 * Attestation between real nodes of every kind, over HTTP, with emulated hardware: a node that runs other code than is registered for it
 * joins, is heard, and is handed nothing; one whose code changes is no peer from its next hello on; one whose measurement is taken from
 * the approved ones is none at all.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { privateKeyToAccount } from 'viem/accounts';
import { measurementOf, pcrsOf } from '../attestation/pcrs.ts';
import { NODE_KINDS } from '../simulation/node.ts';
import { createWorld, readiness, until, untilServing } from '../simulation/world.ts';
import { agreedKey, createEar } from './observe.ts';
import type { Hex } from 'viem';
import type { Member, World } from '../simulation/world.ts';
import type { Intention } from '../simulation/host.ts';

const SECRET = 'd7'.repeat(32);
const ear = createEar();
const wire: Buffer[] = [];
let world: World;
let first: Member;

const look: Intention = async (request, forward) => {
  const reply = await forward(request);
  wire.push(request.body, reply.body);
  return reply;
};
const of = (event: string, member: Member, field = 'peer') =>
  ear.lines.filter((line) => line.event === event && line[field] === member.node.odyn.wallet);
/** Refused by members for this reason, and by none for another. */
const faults = (member: Member) => [...new Set(of('attestation.refused', member).map((line) => line['fault']))];

function expectUnseen(): void {
  const all = Buffer.concat(wire);
  expect(all.length).toBeGreaterThan(10_000);
  const bytes = Buffer.from(SECRET, 'hex');
  for (const form of [bytes, Buffer.from(SECRET), Buffer.from(bytes.toString('base64'))]) expect(all.includes(form)).toBe(false);
}

beforeAll(async () => {
  world = await createWorld({ nodes: 3, minOperators: 2, kinds: NODE_KINDS, hosts: true, onLog: ear.onLog });
  for (const { node, host } of world.members) {
    node.odyn.faults.set('/v1/random', { kind: 'answer', json: () => ({ random_bytes: `0x${SECRET}` }) });
    host?.intend(look);
  }
  await world.contracts.openGenesis();
  await untilServing(world.members);
  first = world.members[0] as Member;
});

afterAll(async () => world?.stop());

describe('real nodes', () => {
  it('S-M2 S-M5 hand nothing to a member that runs other code than the chain says, and all of it once it does', async () => {
    const joiner = await world.addNode('joiner', 'in-process');
    joiner.host?.intend(look);
    const { module } = joiner.node.odyn;
    const honest = module.pcrs;
    const registered = world.register(joiner);
    // Before its registration is confirmed, and anybody could hand it anything.
    module.pcrs = pcrsOf(66);
    await registered;
    await until('its refusal by all', async () => new Set(of('attestation.refused', joiner).map((line) => line.node)).size === 3);
    expect(faults(joiner)).toEqual(['measurement_mismatch']);
    await until('its wait', async () => (await readiness(joiner)).reason === 'fetching_secret');
    // A member in every other respect.
    const live = (await world.contracts.readKms('liveOperators')) as string[];
    expect(live.map((wallet) => wallet.toLowerCase())).toContain(joiner.node.odyn.wallet);
    expect(of('handover.given', joiner)).toEqual([]);
    expect(of('session.opened', joiner)).toEqual([]);
    await until('that it is no peer', async () => of('peer.unreachable', joiner).some((line) => line['reason'] === 'peer_not_attested'));
    expectUnseen();

    module.pcrs = honest;
    await untilServing([joiner], 90_000);
    // The line of another process may come later than the joiner's readiness.
    await until('the record of it', async () => of('handover.given', joiner).length > 0);
    expect(of('handover.given', joiner)).toHaveLength(1);
    expect(await agreedKey(world)).toMatch(/^[0-9a-f]+$/);
    expectUnseen();
  });

  it('S-M2 open no session with an enclave in debug mode', async () => {
    const debugged = world.members[1] as Member;
    debugged.node.odyn.module.isDebug = true;
    // Its memory is lost, and with it its sessions.
    await debugged.node.stop();
    const from = ear.lines.length;
    await debugged.node.start();
    // A hello of the boot before may have been under way when it ended.
    const { wallet } = debugged.node.odyn;
    const booted = await until('its boot', async () => {
      const index = ear.lines.findIndex((line, at) => at >= from && line.event === 'node.booted' && line['wallet'] === wallet);
      return index >= from && index;
    });
    const refused = () => ear.lines.slice(booted).filter((line) => line.event === 'attestation.refused' && line['fault'] === 'debug');
    await until('its refusal', async () => refused().length > 0);
    const since = ear.lines.slice(booted).filter((line) => line['peer'] === wallet);
    expect(since.filter((line) => ['session.opened', 'handover.given'].includes(line.event))).toEqual([]);
    expect((await readiness(debugged)).ready).toBe(false);
    debugged.node.odyn.module.isDebug = false;
    await untilServing([debugged], 90_000);
  });

  it('X-14 take for no peer who cannot prove itself any more, at its next hello', async () => {
    const changed = world.members[2] as Member;
    changed.node.odyn.module.pcrs = pcrsOf(77);
    // The other end's sessions are lost, so both say hello anew; ten minutes do the same.
    await first.node.stop();
    const from = ear.lines.length;
    await first.node.start();
    const line = (event: string) =>
      ear.lines.slice(from).find((each) => each.event === event && each.node === first.name && each['peer'] === changed.node.odyn.wallet);
    expect(await until('its refusal', async () => line('attestation.refused'))).toMatchObject({ fault: 'measurement_mismatch' });
    expect(await until('that it is no peer', async () => line('peer.unreachable'))).toMatchObject({ reason: 'peer_not_attested' });
    await untilServing([first], 90_000);
    changed.node.odyn.module.pcrs = pcrsOf(1);
    await until('its return', async () => line('peer.reachable'), 90_000);
  });

  it('X-14 S-M5 take for no peer whose measurement is not approved any more', async () => {
    const measurement = measurementOf(pcrsOf(1));
    const validUntil = Number((await world.chain.head()).number) + 100;
    const message = `NovaKMS:RemoveMeasurement:${world.contracts.chainId}:${world.contracts.kmsRegistry}:${measurement}:${validUntil}`;
    const signed = await Promise.all(
      world.members.map(async ({ node }) => ({
        wallet: node.odyn.wallet,
        signature: await privateKeyToAccount(node.odyn.walletKey).signMessage({ message }),
      })),
    );
    const signatures = signed.toSorted((a, b) => (a.wallet < b.wallet ? -1 : 1)).map((each): Hex => each.signature);
    await world.contracts.writeKms('removeMeasurementBySignatures', [measurement, BigInt(validUntil), signatures]);
    const from = ear.lines.length;
    for (const member of world.members) await until(`${member.name} to stop`, async () => (await readiness(member)).reason === 'not_live');
    expect(ear.lines.slice(from).filter((line) => line.event === 'handover.given')).toEqual([]);
    expectUnseen();
  });
});
