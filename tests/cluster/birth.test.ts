/** How a cluster comes to hold one secret, with a node lost at every step of the way. Real chain, real workerd, real sockets. */
import { afterEach, describe, expect, it } from 'vitest';
import { createWorld, readiness, until, untilServing } from '../simulation/world.ts';
import { ACTIVE, agreedKey, chainEpochs, createEar } from './observe.ts';
import type { World, WorldOptions } from '../simulation/world.ts';
import type { Ear } from './observe.ts';

let world: World | undefined;

afterEach(async () => {
  await world?.stop();
  world = undefined;
});

async function cluster(options: Partial<WorldOptions> = {}): Promise<{ world: World; ear: Ear }> {
  const ear = createEar();
  world = await createWorld({ nodes: 3, onLog: ear.onLog, ...options });
  return { world, ear };
}

/** No node said that it serves before the block in which the secret became active. */
async function servedOnlyAfterActivation({ lines }: Ear, of: World): Promise<void> {
  const [epoch] = await chainEpochs(of);
  const served = lines.filter((line) => line.event === 'node.serving');
  expect(served.length).toBeGreaterThan(0);
  for (const line of served)
    expect(Number(line['block'])).toBeGreaterThanOrEqual(Number(epoch?.activatedAtBlock) + of.profile.confirmationBlocks);
}

async function oneActiveEpoch(of: World): Promise<string> {
  const epochs = await chainEpochs(of);
  expect(epochs.map((epoch) => epoch.state)).toEqual([ACTIVE]);
  return String(epochs[0]?.secretHash);
}

describe('S-C1 S-H4 three nodes started at once', () => {
  it('wait for genesis, then end with one secret, and none serves before its activation', async () => {
    const { world, ear } = await cluster();
    for (const member of world.members)
      await until('the wait for genesis', async () => (await readiness(member)).reason === 'genesis_not_open');
    await world.contracts.openGenesis();
    await untilServing(world.members);
    await oneActiveEpoch(world);
    await agreedKey(world);
    await servedOnlyAfterActivation(ear, world);
  });

  it.each(['node.waiting', 'candidate.generated', 'candidate.fetched', 'candidate.endorsed', 'activation.sent', 'secret.installed'])(
    'end with one secret when a node is stopped at its %s, and that node joins again',
    async (event) => {
      const { world, ear } = await cluster();
      let stopped: Promise<unknown> = Promise.resolve();
      let victim = '';
      const isDue = (line: { event: string; reason?: unknown }) =>
        line.event === event && (event !== 'node.waiting' || line.reason === 'genesis_not_open');
      const stopAt = (line: { node: string }) => {
        victim = line.node;
        stopped = Promise.resolve(world.members.find((member) => member.name === victim)?.node.stop());
      };
      // All may wait for genesis, and have said so for the last time, before the world is whole.
      if (event === 'node.waiting') stopAt(await ear.hear('the wait for genesis', isDue));
      else ear.once(isDue, stopAt);
      await world.contracts.openGenesis();
      await ear.hear(event, isDue);
      await stopped;
      const others = world.members.filter((member) => member.name !== victim);
      expect(others.length).toBe(2);
      await untilServing(others);
      const hash = await oneActiveEpoch(world);
      const key = await agreedKey(world, others);
      await world.members.find((member) => member.name === victim)?.node.start();
      await untilServing(world.members);
      expect(await agreedKey(world)).toBe(key);
      expect(await oneActiveEpoch(world)).toBe(hash);
      await servedOnlyAfterActivation(ear, world);
    },
  );
});

describe('S-H5 two candidates in play', () => {
  it('end as one active secret that a majority holds', async () => {
    const { world, ear } = await cluster({ hosts: true, profile: { proposalWindowBlocks: 4 } });
    // The hosts let no peer traffic through, so each proposer in turn stays alone with a candidate of its own.
    for (const member of world.members)
      member.host?.intend(async (request, forward) =>
        request.path === '/sync' ? { status: 502, headers: {}, body: Buffer.alloc(0) } : forward(request),
      );
    await world.contracts.openGenesis();
    await until(
      'two candidates',
      async () => new Set(ear.lines.filter((line) => line.event === 'candidate.generated').map((line) => line.node)).size >= 2,
    );
    for (const member of world.members) member.host?.intend(undefined);
    await untilServing(world.members, 90_000);
    const hash = await oneActiveEpoch(world);
    await agreedKey(world);
    const candidates = new Set(ear.lines.filter((line) => line.event === 'candidate.generated').map((line) => line['hash']));
    expect(candidates.size).toBeGreaterThanOrEqual(2);
    expect(candidates).toContain(hash);
    const holders = new Set(
      ear.lines.filter((line) => line.event === 'candidate.endorsed' && line['hash'] === hash).map((line) => line.node),
    );
    expect(holders.size).toBeGreaterThanOrEqual(2);
    await servedOnlyAfterActivation(ear, world);
  });
});

describe('S-C1 an activation that the chain takes back', () => {
  it('comes back with the same secret, and nobody serves in between', async () => {
    const { world, ear } = await cluster();
    await world.contracts.openGenesis();
    await untilServing(world.members);
    const hash = await oneActiveEpoch(world);
    const key = await agreedKey(world);
    const [epoch] = await chainEpochs(world);
    const from = ear.lines.length;
    // A block between the question and the reorganisation would leave the one of the activation in place.
    await world.chain.pause();
    const { number } = await world.chain.head();
    // Deeper than the confirmation: the block with the activation and all after it are replaced by empty ones.
    await world.chain.rpc('anvil_reorg', [Number(number - (epoch?.activatedAtBlock ?? 0n)) + 1, []]);
    await world.chain.resume();
    const waits = (node: string) => ear.lines.slice(from).some((line) => line.node === node && line.event === 'node.waiting');
    for (const { name } of world.members) await until(`${name} to stop serving`, async () => waits(name));
    await untilServing(world.members);
    expect(await oneActiveEpoch(world)).toBe(hash);
    expect(await agreedKey(world)).toBe(key);
    expect(ear.lines.slice(from).filter((line) => line.event === 'candidate.generated')).toEqual([]);
  });
});
