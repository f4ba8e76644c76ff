/**
 * What replication costs: bytes and round trips of a reconciliation and of healing, between two stores of one process whose every message
 * is counted; and on loopback, between real binaries, how long a write takes to be everywhere and a new node to have everything.
 */
import { readFileSync } from 'node:fs';
import { recordBytes } from '../../core/replication/fields.ts';
import { linked } from '../core/replication/linked.ts';
import { allSent, app as benchApp, c, printOf, storeOf } from '../core/store/stores.ts';
import { call, platformRequest, send } from '../simulation/platform-client.ts';
import { createWorld, readiness, until, untilDataReady, untilServing } from '../simulation/world.ts';
import { below, figure } from './figures.ts';
import type { Links } from '../core/replication/linked.ts';
import type { TravellingRecord } from '../../core/store/record.ts';
import type { App, Member, World } from '../simulation/world.ts';
import type { Figure } from './figures.ts';
import type { Chart } from './plot.ts';

const RECORDS = 100_000;
const VALUE_BYTES = 256;
const DIFFERENCES = [0, 1, 10, 100, 1_000, 10_000] as const;
const CHANGED = 10_000;
const ROUNDS_MAX = 10;
const PUTS = 200;
/** An app's quota holds about 19,000 records of this size. */
const APPS = 6;
const BATCH = 256;
const MIB = 1_048_576;
const ROOM = { quotaBytes: Number.MAX_SAFE_INTEGER };

type Say = (line: string) => void;

export interface ReplicationCosts {
  readonly figures: readonly Figure[];
  readonly charts: Readonly<Record<'digest-bytes' | 'digest-trips', Chart>>;
}

interface Reconciled {
  readonly differences: number;
  readonly trips: number;
  readonly bytes: number;
  /** Of that, the records that were missing. */
  readonly recordBytes: number;
}

const counted = (count: number): string => count.toLocaleString('en');

function atMost(maximum: number, of: Figure): Figure {
  return { ...of, target: { text: `≤ ${counted(maximum)} ${of.unit}`, isMet: of.value <= maximum } };
}

function percentile(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))] ?? Number.NaN;
}

function bytesOf(records: readonly TravellingRecord[]): number {
  return records.reduce((sum, record) => sum + recordBytes(record), 0);
}

/** Two nodes in one state that know each other, and what a third has written that neither has, in groups, spread over all times. */
async function createPair(groups: readonly number[]): Promise<{ links: Links; missing: TravellingRecord[][] }> {
  const links = linked(2, () => ROOM);
  const writer = storeOf({ ...ROOM, wallet: c, clock: links.clock });
  const value = new Uint8Array(VALUE_BYTES).fill(7);
  const extras = groups.reduce((sum, count) => sum + count, 0);
  for (let n = 0; n < RECORDS + extras; n += 1) {
    if (n % 7 === 0) links.clock.advance(1);
    writer.put(benchApp, `users/${n}`, value);
  }
  // In steps that share no divisor with the count, so each group is spread evenly.
  const all = allSent(writer);
  const order = Array.from({ length: all.length }, (_, n) => all[(n * 7_919) % all.length] as TravellingRecord);
  let taken = 0;
  const missing = groups.map((count) => order.slice(taken, (taken += count)));
  const absent = new Set(missing.flat());
  for (const record of all) if (!absent.has(record)) for (const { store } of links.nodes) store.merge(record);
  for (const [from, to] of [[0, 1] as const, [1, 0] as const]) {
    await links.node(from).pushes.greet(links.peer(to));
    links.node(to).cursors.base(links.cursor(to, from), links.node(to).store.sequence());
    links.cursor(from, to).acked = links.node(from).store.sequence();
  }
  return { links, missing };
}

function isEqual({ nodes }: Links): boolean {
  return new Set(nodes.map(({ store }) => printOf(store))).size === 1;
}

/** Node 1 asks node 0, as often as it takes. */
async function reconcile(links: Links, missing: readonly TravellingRecord[]): Promise<Reconciled> {
  for (const record of missing) links.node(0).store.merge(record);
  links.cursor(0, 1).acked = links.node(0).store.sequence();
  links.traffic();
  for (let round = 0; round === 0 || !isEqual(links); round += 1) {
    if (round === ROUNDS_MAX) throw new Error('two stores stay apart');
    await links.node(1).antiEntropy.reconcile(links.peer(0));
  }
  const { messages, bytes } = links.traffic();
  return { differences: missing.length, trips: messages, bytes, recordBytes: bytesOf(missing) };
}

async function measureDigest(say: Say): Promise<{ figures: Figure[]; charts: ReplicationCosts['charts'] }> {
  const { links, missing } = await createPair(DIFFERENCES);
  const done: Reconciled[] = [];
  for (const group of missing) {
    const reconciled = await reconcile(links, group);
    done.push(reconciled);
    say(`${group.length} differences: ${reconciled.trips} round trips, ${reconciled.bytes} bytes`);
  }
  const xName = `records that one of two stores of ${counted(RECORDS)} lacks`;
  const points = (of: (reconciled: Reconciled) => number) => done.map((each) => [each.differences, of(each)] as const);
  const figures = done.flatMap(({ differences, trips, bytes, recordBytes: own }) => {
    const what = `digest, ${counted(RECORDS)} records, ${counted(differences)} missing`;
    const note = `of that, the missing records ${counted(own)}`;
    const [tripsFigure, bytesFigure] = [figure(what, trips, 'round trips'), figure(`${what}: there and back`, bytes, 'bytes', note)];
    return differences === 1 ? [atMost(4, tripsFigure), atMost(4_096, bytesFigure)] : [tripsFigure, bytesFigure];
  });
  return {
    figures,
    charts: {
      'digest-bytes': {
        title: 'Reconciling two stores of 100,000 records: bytes',
        ...{ xName, yName: 'bytes there and back' },
        series: [
          { name: 'all', points: points(({ bytes }) => bytes) },
          { name: 'without the records', points: points(({ bytes, recordBytes: own }) => bytes - own) },
        ],
      },
      'digest-trips': {
        title: 'Reconciling two stores of 100,000 records: round trips',
        ...{ xName, yName: 'round trips' },
        series: [{ name: 'round trips', points: points(({ trips }) => trips) }],
      },
    },
  };
}

/** Both sides went on writing while they were apart; then each pushes, and anti-entropy looks for the rest. */
async function measureHealing(say: Say): Promise<Figure[]> {
  const { links } = await createPair([]);
  const value = new Uint8Array(VALUE_BYTES).fill(8);
  const before = links.nodes.map(({ store }) => store.sequence());
  links.clock.advance(60_000);
  for (let n = 0; n < CHANGED; n += 1) links.node(n % 2).store.put(benchApp, `users/${n * 9}`, value);
  const own = links.nodes.reduce((sum, { store }, index) => sum + bytesOf(allSent(store, before[index])), 0);
  links.traffic();
  let rounds = 0;
  for (; !isEqual(links); rounds += 1) {
    if (rounds === ROUNDS_MAX) throw new Error('two stores stay apart');
    await Promise.all([links.node(0).pushes.push(links.peer(1)), links.node(1).pushes.push(links.peer(0))]);
  }
  const pushed = links.traffic();
  await links.node(0).antiEntropy.reconcile(links.peer(1));
  await links.node(1).antiEntropy.reconcile(links.peer(0));
  const looked = links.traffic();
  say(`healed in ${rounds} rounds, ${pushed.bytes} bytes for ${own} bytes of records`);
  const note = `${pushed.messages} frames; the two rounds of anti-entropy after it: ${looked.messages} frames, ${counted(looked.bytes)} bytes`;
  return [
    atMost(2, figure(`healing, ${counted(CHANGED)} changed records`, rounds, 'rounds of pushing', 'half of them on each side')),
    atMost(1.3, figure('healing: bytes sent against those of the records', (pushed.bytes + looked.bytes) / own, '×', note)),
  ];
}

/** Milliseconds of the HTTP exchange alone; signing, sealing and opening at the client do not count. */
async function putMs(app: App, member: Member, replicas: number, key: string): Promise<number> {
  const parts = await platformRequest(app, member.keys(), {
    key,
    value: Buffer.alloc(VALUE_BYTES, 7).toString('base64'),
    min_replicas: replicas,
  });
  const startedAtMs = performance.now();
  const response = await send(member.keys(), '/kms/data', parts, 'PUT');
  await response.arrayBuffer();
  const tookMs = performance.now() - startedAtMs;
  // 202 would say that fewer hold it.
  if (response.status !== 200) throw new Error(`a put was answered with ${response.status}`);
  return tookMs;
}

async function measureLag({ members, apps }: World, say: Say): Promise<Figure[]> {
  const [app, member] = [apps[0] as App, members[0] as Member];
  const [alone, everywhere]: [number[], number[]] = [[], []];
  for (let n = -20; n < PUTS; n += 1) {
    const aloneMs = await putMs(app, member, 1, `lag/${n}`);
    const everywhereMs = await putMs(app, member, members.length, `lag/${n}`);
    if (n < 0) continue;
    alone.push(aloneMs);
    everywhere.push(everywhereMs);
  }
  const aloneMs = percentile(alone, 50);
  const lags = everywhere.map((ms) => ms - aloneMs);
  const [p50, p99] = [percentile(lags, 50), percentile(lags, 99)];
  say(`replication lag: p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms`);
  const whole = `the whole answer ${percentile(everywhere, 50).toFixed(1)} ms; with min_replicas 1 ${aloneMs.toFixed(1)} ms`;
  return [
    below(
      50,
      figure('replication lag, p50', p50, 'ms', `a PUT with min_replicas ${members.length}, less the median of one with 1; ${whole}`),
    ),
    below(250, figure('replication lag, p99', p99, 'ms', `${PUTS} writes, three binaries; includes the two other nodes’ answers`)),
  ];
}

async function fill({ members, apps }: World, say: Say): Promise<void> {
  const member = members[0] as Member;
  const value = Buffer.alloc(VALUE_BYTES, 7).toString('base64');
  const perApp = Math.ceil(RECORDS / APPS);
  for (const app of apps) {
    for (let first = 0; first < perApp; first += BATCH) {
      const length = Math.min(BATCH, perApp - first);
      const operations = Array.from({ length }, (_, n) => ({ op: 'put', key: `users/${first + n}`, value }));
      const { status, body } = await call(app, member.keys(), '/kms/data/batch', { operations });
      if (status !== 200 && status !== 202) throw new Error(`a batch was answered with ${status}: ${JSON.stringify(body)}`);
    }
    say(`filled an app with ${perApp} records`);
  }
}

function residentBytes({ node }: Member): number {
  const { pid } = node.binary();
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kib) * 1_024;
}

async function metric({ url }: Member, name: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(new RegExp(`^nova_kms_${name}(?:\\{[^}]*\\})? (\\S+)$`, 'm').exec(text)?.[1]);
}

/** A fourth node joins a cluster that holds everything. */
async function measureJoin(world: World, restBytes: number, say: Say): Promise<Figure[]> {
  const member = await world.addNode('joining', 'binary');
  await world.register(member);
  const startedAtMs = performance.now();
  await until('the new node to serve', async () => (await readiness(member)).ready);
  const servingAtMs = performance.now();
  await untilDataReady([member]);
  const readyAtMs = performance.now();
  const joinedBytes = residentBytes(member) - restBytes;
  const dataBytes = RECORDS * VALUE_BYTES;
  const snapshotMiB = (await metric(member, 'replication_snapshot_bytes_total')) / MIB;
  const seconds = (readyAtMs - servingAtMs) / 1_000;
  say(`joined: ${seconds.toFixed(1)} s after its keys, ${(joinedBytes / MIB).toFixed(0)} MiB more than at rest`);
  const note = `${((readyAtMs - startedAtMs) / 1_000).toFixed(1)} s from its registration, blocks and the secret’s handover included`;
  return [
    below(10, figure(`cold join, ${counted(RECORDS)} records × ${VALUE_BYTES} B: from its keys to its data`, seconds, 's', note)),
    figure('cold join: bytes of the snapshot', snapshotMiB, 'MiB', `values alone: ${(dataBytes / MIB).toFixed(1)} MiB`),
    below(
      3,
      figure(
        'cold join: resident memory against the values',
        joinedBytes / dataBytes,
        '×',
        'more than a node without records, right after it joined',
      ),
    ),
  ];
}

async function measureCluster(say: Say): Promise<Figure[]> {
  const world = await createWorld({ nodes: 3, kinds: ['binary', 'binary', 'binary'], apps: APPS, prepare: true });
  try {
    await world.contracts.openGenesis();
    await untilServing(world.members);
    await untilDataReady(world.members);
    const restBytes = residentBytes(world.members[0] as Member);
    const lag = await measureLag(world, say);
    await fill(world, say);
    return [...lag, ...(await measureJoin(world, restBytes, say))];
  } finally {
    await world.stop();
  }
}

export async function measureReplication(say: Say): Promise<ReplicationCosts> {
  const { figures, charts } = await measureDigest(say);
  const healing = await measureHealing(say);
  return { figures: [...figures, ...healing, ...(await measureCluster(say))], charts };
}
