/** A cluster of binaries and a worker: the hosts differ, the handlers, the core and so the keys do not. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createWorld, until, untilServing } from '../simulation/world.ts';
import { agreedKey, createEar } from './observe.ts';
import type { World } from '../simulation/world.ts';

const ear = createEar();
let world: World;

beforeAll(async () => {
  world = await createWorld({ nodes: 3, kinds: ['binary', 'binary', 'worker'], onLog: ear.onLog });
  await world.contracts.openGenesis();
  await untilServing(world.members);
});

afterAll(async () => world?.stop());

it('is born, serves and gives one key from every node', async () => expect(await agreedKey(world)).toMatch(/^[0-9a-f]{64}$/));

it('takes a binary back that lost its memory, on the same port', async () => {
  const key = await agreedKey(world);
  const [binary] = world.members;
  const { url } = binary ?? {};
  await binary?.node.stop();
  await binary?.node.start();
  expect(binary?.node.url).toBe(url);
  await untilServing(world.members);
  expect(await agreedKey(world)).toBe(key);
});

it('hands the secret to a new enclave of a binary, and to a worker that registers later', async () => {
  const key = await agreedKey(world);
  const [, binary] = world.members;
  if (!binary) throw new Error('the world has no second node');
  await binary.node.replaceEnclave();
  await world.register(binary);
  const late = await world.addNode('late');
  await world.register(late);
  await untilServing(world.members);
  await until('the worker to be handed the secret', async () =>
    ear.lines.some(({ node, event }) => node === 'late' && event === 'secret.installed'),
  );
  expect(await agreedKey(world)).toBe(key);
});
