/**
 * A host on the wire between two of three nodes, one of each kind, while an app writes and reads at all of them: whatever it does to hellos
 * and frames, no call of the app fails, the third node gets everything at once, and through it the other does, too. Each attack is
 * shown to have been carried out in both directions.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createWorld, until, untilDataReady, untilServing } from '../simulation/world.ts';
import { NODE_KINDS } from '../simulation/node.ts';
import { createEar } from './observe.ts';
import { untilEqual } from './data-watch.ts';
import { createWires } from './data-wires.ts';
import { createWriters } from './data-writers.ts';
import type { Exchange, Reply } from '../simulation/host.ts';
import type { App, Member, World } from '../simulation/world.ts';
import type { Wires } from './data-wires.ts';
import type { Writers } from './data-writers.ts';

type Attack = (request: Exchange, forward: (request: Exchange) => Promise<Reply>) => Promise<Reply>;

/** Generous, for two busy cores; alone it takes some tens of milliseconds. */
const ARRIVAL_MS_MAX = 10_000;
/** Of the back-off between the two, which a few failures have made some seconds long. */
const HEALED_MS_MAX = 60_000;
const ATTACKED_MIN = 2;
const ear = createEar();
let world: World;
let wires: Wires;
let writers: Writers;
let [first, second, third]: Member[] = [];
let app: App;
let probes = 0;

beforeAll(async () => {
  world = await createWorld({ nodes: 3, kinds: NODE_KINDS, hosts: true, onLog: ear.onLog });
  [first, second, third] = world.members as [Member, Member, Member];
  [app] = world.apps as [App];
  wires = createWires(world);
  await world.contracts.openGenesis();
  await untilServing(world.members);
  await untilDataReady(world.members);
  writers = createWriters(world, 5);
  writers.resume();
});

afterAll(async () => world?.stop());

const flipped = (body: Buffer) => {
  const bent = Buffer.from(body);
  const at = Math.floor(bent.length / 2);
  if (bent.length > 0) bent[at] = (bent[at] ?? 0) ^ 1;
  return bent;
};
const answering =
  (status: number, body: Buffer, more: Partial<Reply> = {}): Attack =>
  async () => ({ status, headers: { 'content-type': 'application/octet-stream' }, body, ...more });

/** A fresh one for each test: some remember what passed before. */
const attacks: readonly (readonly [string, () => Attack])[] = [
  ['drops requests', () => () => Promise.reject(new Error('dropped'))],
  [
    'drops answers',
    () => async (request, forward) => {
      await forward(request);
      throw new Error('dropped');
    },
  ],
  [
    'sends everything twice',
    () => async (request, forward) => {
      const reply = await forward(request);
      await forward(request);
      return reply;
    },
  ],
  [
    'delays everything',
    () => async (request, forward) => {
      await sleep(700);
      return await forward(request);
    },
  ],
  [
    'holds one back until another has passed',
    () => {
      let isHeld = false;
      let passed = Promise.withResolvers<void>();
      return async (request, forward) => {
        if (!isHeld) {
          isHeld = true;
          await Promise.race([passed.promise, sleep(1_500)]);
          isHeld = false;
          return await forward(request);
        }
        const reply = await forward(request);
        passed.resolve();
        passed = Promise.withResolvers<void>();
        return reply;
      };
    },
  ],
  [
    'gives the answer to another request',
    () => {
      let kept: Reply | undefined;
      return async (request, forward) => {
        const reply = await forward(request);
        const given = kept ?? reply;
        kept = reply;
        return given;
      };
    },
  ],
  ['flips a bit of what is asked', () => (request, forward) => forward({ ...request, body: flipped(request.body) })],
  [
    'flips a bit of what is answered',
    () => async (request, forward) => {
      const reply = await forward(request);
      return { ...reply, body: flipped(reply.body) };
    },
  ],
  ['answers garbage', () => answering(200, Buffer.from('\u0000\u0001garbage'))],
  ['answers more than is read', () => answering(200, Buffer.alloc(5 * 1_024 * 1_024, 1))],
  ['answers without end', () => answering(200, Buffer.alloc(64 * 1_024, 1), { isEndless: true })],
  ['answers 500', () => answering(500, Buffer.from('oops'))],
  ['never answers', () => () => new Promise(() => undefined)],
];

/** Written at one node and read at another, with the time between. */
async function arrival(from: Member, to: Member): Promise<number> {
  const written = await writers.write(app, from, `probe/${(probes += 1)}`);
  expect(written).toMatchObject({ outcome: 'acknowledged', isReplicated: true });
  const sinceMs = Date.now();
  const { kv } = writers.clientOf(app);
  await until(
    `${written.key} to come from ${from.name} to ${to.name}`,
    () => kv.get(written.key, { node: to.node.odyn.wallet }),
    ARRIVAL_MS_MAX,
  );
  return Date.now() - sinceMs;
}

async function failuresBetween(): Promise<number> {
  const counts = [second, third].map(async (member, index) => {
    const other = [third, second][index]?.node.odyn.wallet;
    const { operators } = (await (await fetch(`${member?.node.url}/nodes`)).json()) as {
      operators: { operator: string; connection: { failures?: number } }[];
    };
    return operators.find(({ operator }) => operator === other)?.connection.failures ?? 0;
  });
  return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0);
}

describe('a host between two nodes that', () => {
  it.each(attacks)('%s disturbs nobody', async (_what, create) => {
    if (!first || !second || !third) throw new Error('the world has no three nodes');
    await until('the two to talk again', async () => (await failuresBetween()) === 0, HEALED_MS_MAX);
    const attacked = new Map([second, third].map((to) => [to, 0]));
    const attack = create();
    wires.bend(({ from, to }, request, forward) => {
      if (from === first || to === first) return forward(request);
      attacked.set(to, (attacked.get(to) ?? 0) + 1);
      return attack(request, forward);
    });
    const ways = [
      [second, first],
      [third, first],
      [second, third],
      [third, second],
    ] as const;
    await Promise.all(ways.map(([from, to]) => arrival(from, to)));
    await until('the attack in both directions', async () => [...attacked.values()].every((count) => count >= ATTACKED_MIN), HEALED_MS_MAX);
    wires.bend(undefined);
    expect(writers.failures).toEqual([]);
    expect(writers.staleReads).toEqual([]);
  });

  it('and stops at last leaves nothing behind', async () => {
    await writers.pause();
    const { contents } = await untilEqual(world, writers, HEALED_MS_MAX);
    for (const [name, found] of contents) expect(writers.ledger.complaints(name, found)).toEqual([]);
    // What is owed may have come the other way, while one of them has yet to try again.
    await until('the two to reach each other', async () => (await failuresBetween()) === 0, HEALED_MS_MAX);
    expect(writers.ledger.writes.filter(({ outcome, isConditional }) => outcome !== 'acknowledged' && !isConditional)).toEqual([]);
    // No record was refused: what a host bends is no frame, and nothing of it gets as far as the store.
    expect(
      ear.lines.filter(({ event }) => ['records.refused', 'records.nacked', 'replication.failed', 'request.failed'].includes(event)),
    ).toEqual([]);
  });
});
