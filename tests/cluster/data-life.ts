/**
 * Three nodes of one kind while apps write without pause: one is killed and comes back as a new wallet, one is cut off from its peers, one
 * is started again. After each: all three hold the same, and nothing that was acknowledged on two nodes is lost. `NOVA_KMS_CUT_MS`
 * makes the cut longer than CI has time for; `NOVA_KMS_FIGURES` prints what was measured.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { call } from '../simulation/platform-client.ts';
import { createWorld, readiness, until, untilDataReady, untilServing } from '../simulation/world.ts';
import { contentsOf, differencesOf, metricsOf, sumOf, untilEqual } from './data-watch.ts';
import { createWires } from './data-wires.ts';
import { createWriters } from './data-writers.ts';
import type { Exchange } from '../simulation/host.ts';
import type { NodeKind } from '../simulation/node.ts';
import type { App, Member, World } from '../simulation/world.ts';
import type { Wires } from './data-wires.ts';
import type { Writers } from './data-writers.ts';

const CUT_MS = Number(process.env['NOVA_KMS_CUT_MS'] ?? 6_000);
const WRITING_MS = 1_500;
/** Generous: they hold on two busy cores, where everything else of the gate runs beside. */
const WITHIN_MS = {
  /** From the registration of a new wallet to all data on three nodes. */
  replaced: 45_000,
  restarted: 45_000,
  /** Of the back-off between two peers, which doubles to a minute, and a round of anti-entropy. */
  healed: 30_000 + Math.min(CUT_MS, 60_000),
  steady: 75_000,
};
const TEST_MS = CUT_MS + 120_000;
/** Each node begins one within half a minute; the first of them is enough where time is short. */
const COMPARING_NODES = CUT_MS < 60_000 ? 1 : 3;
/** Told once, held by all; each fault has its own share to delete. */
const STABLE = 12;

/** What reads of one key found: its value, nothing, or a node that says that it has not caught up. */
interface Reads {
  seen: number;
  missed: number;
  waiting: number;
}

/** By the type, which stands outside of what is sealed: what replicates, and neither secrets nor endorsements. */
const isData = ({ headers, body }: Exchange) => 'x-kms-session' in headers && (body[17] ?? 0) >= 2;

interface Life {
  readonly kind: NodeKind;
  readonly world: World;
  readonly wires: Wires;
  readonly writers: Writers;
  readonly app: App;
  /** Who is killed, who is cut off, who is started again. */
  readonly first: Member;
  readonly second: Member;
  readonly third: Member;
  readonly figures: Record<string, number>;
}

/** One suite of one kind. */
export function livesThrough(kind: NodeKind, seed: number): void {
  let life: Life | undefined;
  const lived = (): Life => {
    if (!life) throw new Error('there is no world');
    return life;
  };
  beforeAll(async () => {
    life = await begin(kind, seed);
  });
  afterAll(async () => {
    if (life && process.env['NOVA_KMS_FIGURES']) console.log(kind, JSON.stringify({ ...life.figures, ...sumsOf(life) }, null, 1));
    await life?.world.stop();
  });

  describe('while apps write without pause', () => {
    it(
      'a node that is killed takes with it what it alone held, as it said, and nothing else; its successor gets the rest',
      () => killAndReplace(lived()),
      TEST_MS,
    );
    it('two sides of a cut go on, and are one again soon after it', () => cutAndHeal(lived()), TEST_MS);
    it('a node that is started again serves no data before it has them', () => restart(lived()), TEST_MS);
    it('and at rest all three count the same, and compare themselves without finding anything', () => rest(lived()), TEST_MS);
  });
}

async function begin(kind: NodeKind, seed: number): Promise<Life> {
  const world = await createWorld({ nodes: 3, kinds: [kind, kind, kind], apps: 2, hosts: true });
  const [first, second, third] = world.members as [Member, Member, Member];
  const [app] = world.apps as [App];
  const wires = createWires(world);
  await world.contracts.openGenesis();
  await untilServing(world.members);
  await untilDataReady(world.members);
  const writers = createWriters(world, seed);
  for (let index = 0; index < STABLE; index += 1) {
    const member = world.members[index % 3] as Member;
    expect(await writers.write(app, member, `stable/${index}`, { minReplicas: 3 })).toMatchObject({ replicas: 3, isReplicated: true });
  }
  return { kind, world, wires, writers, app, first, second, third, figures: {} };
}

function sumsOf({ writers, wires }: Life): Record<string, number> {
  const { writes } = writers.ledger;
  const acknowledged = writes.filter(({ outcome }) => outcome === 'acknowledged');
  return {
    writes: writes.length,
    acknowledged: acknowledged.length,
    'on two nodes or more': acknowledged.filter(({ replicas = 0 }) => replicas >= 2).length,
    'on one': acknowledged.filter(({ replicas }) => replicas === 1).length,
    unknown: writes.filter(({ outcome }) => outcome === 'unknown').length,
    refused: writes.filter(({ outcome }) => outcome === 'refused').length,
    reads: writers.reads(),
    failures: writers.failures.length,
    'requests of peers stopped': wires.stopped(),
  };
}

/** Whoever is not at fault serves all the time. */
function expectNoFailures({ writers }: Life, sinceMs: number, members: readonly Member[]): void {
  const names = members.map((member) => member.name);
  expect(writers.failures.filter(({ atMs, node }) => atMs >= sinceMs && names.includes(node))).toEqual([]);
}

async function expectEverything({ world, writers, figures }: Life, name: keyof typeof WITHIN_MS, sinceMs: number): Promise<void> {
  await writers.pause();
  const { contents, equalAtMs, settledAtMs } = await untilEqual(world, writers, WITHIN_MS[name]);
  Object.assign(figures, { [`${name}: ms until equal`]: equalAtMs - sinceMs, [`${name}: ms until no lag`]: settledAtMs - sinceMs });
  for (const [each, found] of contents) expect(writers.ledger.complaints(each, found)).toEqual([]);
  expect(writers.staleReads).toEqual([]);
}

async function deleteStable({ writers, app }: Life, index: number, member: Member): Promise<void> {
  const written = await writers.write(app, member, `stable/${index}`, { kind: 'delete', minReplicas: 2 });
  expect(written).toMatchObject({ outcome: 'acknowledged', replicas: expect.toSatisfy((count: number) => count >= 2) });
}

/** Reads at that node, whenever it answers and until told to end, what all hold. By nonces: a new node takes them at once. */
function watchReads({ app }: Life, member: Member): { readonly counts: Readonly<Reads>; readonly end: () => Promise<Reads> } {
  const counts: Reads = { seen: 0, missed: 0, waiting: 0 };
  let isEnded = false;
  const reading = (async () => {
    for (; !isEnded; await sleep(100)) {
      // While it is down, or not registered, there is nobody to ask.
      const answer = await call(app, member.keys(), '/kms/data/stable%2F5').catch(() => undefined);
      if (answer?.status === 200) counts.seen += 1;
      else if (answer?.status === 404) counts.missed += 1;
      else if (answer?.wire.includes('"data_catching_up"')) counts.waiting += 1;
    }
  })();
  return {
    counts,
    async end() {
      isEnded = true;
      await reading;
      return counts;
    },
  };
}

const SEEN = { missed: 0, seen: expect.toSatisfy((count: number) => count > 0) };

async function killAndReplace(life: Life): Promise<void> {
  const { kind, world, wires, writers, app, first, second, third, figures } = life;
  writers.resume();
  await sleep(WRITING_MS);
  wires.cut(first);
  const lonely = await writers.write(app, first, 'lonely');
  expect(lonely).toMatchObject({ outcome: 'acknowledged', replicas: 1, isReplicated: false });
  const killedAtMs = Date.now();
  if (kind === 'binary') first.node.binary().signal('SIGKILL');
  const replaced = first.node.replaceEnclave();
  await deleteStable(life, 0, second);
  await replaced;
  wires.heal();
  await until('the new wallet to be unknown', async () => (await readiness(first)).reason === 'not_registered');
  const registeredAtMs = Date.now();
  await world.register(first);
  const reads = watchReads(life, first);
  await deleteStable(life, 1, third);
  await untilDataReady([first]);
  figures['replaced: ms until data ready'] = Date.now() - registeredAtMs;
  await sleep(WRITING_MS);
  await expectEverything(life, 'replaced', registeredAtMs);
  expect(await reads.end()).toMatchObject(SEEN);
  expectNoFailures(life, killedAtMs, [second, third]);
  const { kv } = writers.clientOf(app);
  for (const { node } of world.members) expect(await kv.get('lonely', { node: node.odyn.wallet })).toBeUndefined();
}

async function cutAndHeal(life: Life): Promise<void> {
  const { world, wires, writers, app, first, second, third, figures } = life;
  writers.resume();
  await sleep(WRITING_MS);
  const cutAtMs = Date.now();
  wires.cut(second);
  await deleteStable(life, 2, first);
  const inside = await writers.write(app, second, 'sides/inside', { minReplicas: 1 });
  expect(inside).toMatchObject({ outcome: 'acknowledged', replicas: 1 });
  expect(await writers.write(app, third, 'sides/outside')).toMatchObject({ replicas: 2, isReplicated: true });
  await sleep(Math.max(0, cutAtMs + CUT_MS - Date.now()));
  const { kv } = writers.clientOf(app);
  expect(await kv.get('sides/outside', { node: second.node.odyn.wallet })).toBeUndefined();
  expect(await kv.get('sides/inside', { node: first.node.odyn.wallet })).toBeUndefined();
  expect(await kv.get('stable/2', { node: second.node.odyn.wallet })).toBeDefined();
  await writers.pause();
  figures['healed: keys that differed'] = await differingKeys(life);
  const healedAtMs = Date.now();
  wires.heal();
  await expectEverything(life, 'healed', healedAtMs);
  for (const { node } of world.members) {
    expect((await kv.get('sides/inside', { node: node.odyn.wallet }))?.version).toBe(inside.version);
    expect(await kv.get('stable/2', { node: node.odyn.wallet })).toBeUndefined();
  }
  expectNoFailures(life, cutAtMs, world.members);
}

async function restart(life: Life): Promise<void> {
  const { wires, writers, first, second, third, figures } = life;
  writers.resume();
  await sleep(WRITING_MS / 2);
  const reads = watchReads(life, third);
  const restartedAtMs = Date.now();
  await third.node.stop();
  await deleteStable(life, 3, first);
  // It gets its secrets, and for a while no data.
  wires.bend(async ({ from, to }, request, forward) => {
    if (isData(request) && (from === third || to === third)) throw new Error('dropped');
    return await forward(request);
  });
  await third.node.start();
  await until('reads to be answered', async () => reads.counts.waiting >= 3 || reads.counts.missed > 0);
  expect(reads.counts.missed).toBe(0);
  expect(await readiness(third)).toMatchObject({ ready: true, data_ready: false });
  wires.bend(undefined);
  await untilDataReady([third]);
  figures['restarted: ms until data ready'] = Date.now() - restartedAtMs;
  await sleep(WRITING_MS / 2);
  await expectEverything(life, 'restarted', restartedAtMs);
  expect(await reads.end()).toMatchObject(SEEN);
  expectNoFailures(life, restartedAtMs, [first, second]);
}

/** What is the same on all nodes at rest. */
const COUNTED = ['store_keys', 'store_tombstones', 'store_bytes'];

async function rest(life: Life): Promise<void> {
  const { world, writers, app, figures } = life;
  const members = world.members;
  const before = await Promise.all(members.map(metricsOf));
  const sinceMs = Date.now();
  const rounds = (metrics: ReadonlyMap<string, number>) => sumOf(metrics, 'replication_rounds_total');
  const after = await until(
    'a comparison at rest',
    async () => {
      const now = await Promise.all(members.map(metricsOf));
      const compared = now.filter((metrics, index) => rounds(metrics) > rounds(before[index] ?? new Map()));
      return compared.length >= COMPARING_NODES && now;
    },
    WITHIN_MS.steady,
  );
  figures['steady: ms until compared'] = Date.now() - sinceMs;
  const changed = (name: string) => after.map((metrics, index) => sumOf(metrics, name) - sumOf(before[index] ?? new Map(), name));
  for (const name of ['replication_found_total', 'replication_pushed_total', 'replication_rounds_incomplete_total'])
    expect([name, changed(name)]).toEqual([name, [0, 0, 0]]);
  for (const name of ['peer_lag_records', 'peer_refused_records'])
    expect([name, after.map((metrics) => sumOf(metrics, name))]).toEqual([name, [0, 0, 0]]);
  // What ends while one node after the other is asked is counted differently for a moment.
  await until(
    'the same counts',
    async () => {
      const now = await Promise.all(members.map(metricsOf));
      return COUNTED.every((name) => new Set(now.map((metrics) => sumOf(metrics, name))).size === 1);
    },
    WITHIN_MS.steady,
  );
  for (const index of [0, 1, 2, 3])
    for (const member of members) expect((await contentsOf(world, writers, member)).get(app.name)?.get(`stable/${index}`)).toBeUndefined();
}

async function differingKeys({ world, writers, first, second }: Life): Promise<number> {
  const [ours, theirs] = await Promise.all([first, second].map((member) => contentsOf(world, writers, member)));
  return ours && theirs ? differencesOf(ours, theirs).length : 0;
}
