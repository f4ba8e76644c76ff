/** Whole nodes that replicate their stores: real sessions, frames and stores, on a wire that loses messages and a chain that says who is there. */
import { describe, expect, it } from 'vitest';
import * as limits from '../../../core/limits.ts';
import { createRandom, BLOCK_MS, createCluster } from '../fakes.ts';
import { parseUtf8, utf8 } from '../../../core/wire/bytes.ts';
import { printOf } from '../store/stores.ts';
import { settled } from './linked.ts';
import type { TestCluster, TestNode } from '../fakes.ts';
import type { AppId } from '../../../core/identity.ts';

const app = 43n as AppId;
const nodeOf = (cluster: TestCluster, name: string) => cluster.nodes.find((node) => node.name === name) as TestNode;
const read = ({ kms }: TestNode, key: string) => {
  const found = kms.store.get(app, key);
  return found && parseUtf8(found.value);
};
const put = ({ kms }: TestNode, key: string, value = 'v') => kms.store.put(app, key, utf8(value)).record;
const isReady = ({ kms }: TestNode) => kms.replication.gate().kind === 'serving';
const detailOf = ({ kms }: TestNode) => {
  const gate = kms.replication.gate();
  return gate.kind === 'waiting' ? gate.detail : 'serving';
};
const up = ({ nodes, down }: TestCluster) => nodes.filter(({ name }) => !down.has(name));
const isEqual = (cluster: TestCluster) => new Set(up(cluster).map(({ kms }) => printOf(kms.store))).size === 1;

async function running(...names: readonly string[]): Promise<TestCluster> {
  const cluster = createCluster(...names);
  cluster.chain.openNext();
  await cluster.until(() => cluster.nodes.every(isReady));
  return cluster;
}

/** Moves time on in small steps until the work has ended. */
async function whileTimePasses<T>(cluster: TestCluster, work: Promise<T>, stepMs = 5): Promise<T> {
  let isOver = false;
  const ended = work.finally(() => (isOver = true));
  await settled();
  while (!isOver) {
    cluster.clock.advance(stepMs);
    await settled();
  }
  return await ended;
}

const replicated = (
  cluster: TestCluster,
  node: TestNode,
  records: Parameters<TestNode['kms']['replication']['replicated']>[0],
  wanted: number,
) => whileTimePasses(cluster, node.kms.replication.replicated(records, wanted, limits.REPLICAS_MS_MAX));

/** A frame of the replication, by its outside: version 1, then the session, then its type. */
const isDataFrame = (body: Uint8Array) => body[0] === 1 && (body[17] ?? 0) >= 2;

/** Says that the wallet of that node is live no more. */
function takeOut(cluster: TestCluster, name: string, isOut = true): void {
  const { wallet } = nodeOf(cluster, name);
  cluster.chain.operators = cluster.chain.operators.map((each) =>
    each.wallet === wallet ? { ...each, live: !isOut, eligible: !isOut } : each,
  );
}

/** Rounds that last so long in all. Blocks come slower than usual, or a quarter of an hour would take hundreds. */
async function pass(cluster: TestCluster, ms: number, blocks = 5): Promise<void> {
  for (let passedMs = 0; passedMs < ms; passedMs += blocks * BLOCK_MS) await cluster.round(blocks);
}

describe('a write', () => {
  it('reaches the others, and they acknowledge it', async () => {
    const cluster = await running('a', 'b', 'c');
    const [a] = cluster.nodes as [TestNode];
    expect(await replicated(cluster, a, [put(a, 'k')], 3)).toEqual({ replicas: 3, superseded: new Map() });
    expect(cluster.nodes.map((node) => read(node, 'k'))).toEqual(['v', 'v', 'v']);
  });
  it('waits for as many as were asked for, and for no more', async () => {
    const cluster = await running('a', 'b', 'c');
    const [a] = cluster.nodes as [TestNode];
    cluster.intercept = (_from, to) => (to === 'c' ? 'drop' : 'pass');
    expect(await replicated(cluster, a, [put(a, 'k')], 2)).toMatchObject({ replicas: 2 });
    expect(await a.kms.replication.replicated([put(a, 'l')], 1, 3_000)).toMatchObject({ replicas: 1 });
  });
  it('that is not held by enough in time says how many hold it, and never more', async () => {
    const cluster = await running('a', 'b', 'c');
    const [a] = cluster.nodes as [TestNode];
    cluster.intercept = (_from, to) => (to === 'c' ? 'drop' : 'pass');
    const startMs = cluster.clock.elapsedMs();
    expect(await replicated(cluster, a, [put(a, 'k')], 3)).toMatchObject({ replicas: 2 });
    expect(cluster.clock.elapsedMs() - startMs).toBeGreaterThanOrEqual(limits.REPLICAS_MS_MAX);
    cluster.intercept = () => 'drop';
    expect(await replicated(cluster, a, [put(a, 'l')], 3)).toMatchObject({ replicas: 1 });
  });
  it('asks for no more nodes than there are', async () => {
    const cluster = await running('a', 'b', 'c');
    const [a] = cluster.nodes as [TestNode];
    expect(await replicated(cluster, a, [put(a, 'k')], 99)).toMatchObject({ replicas: 3 });
  });
  it('that lost to a concurrent one is told so, with the version that won', async () => {
    const cluster = await running('a', 'b', 'c');
    const [a, b] = cluster.nodes as [TestNode, TestNode];
    cluster.intercept = () => 'drop';
    const first = put(a, 'k', 'from a');
    cluster.clock.advance(1);
    const won = b.kms.store.put(app, 'k', utf8('from b'));
    cluster.intercept = () => 'pass';
    const { superseded } = await replicated(cluster, a, [first], 3);
    expect(superseded.get(first)).toBe(won.version);
    await cluster.until(() => isEqual(cluster));
    expect(cluster.nodes.map((node) => read(node, 'k'))).toEqual(Array(3).fill('from b'));
  });
  it('that this node itself replaced lost to nobody, and counts as held where what followed it is', async () => {
    const cluster = await running('a', 'b', 'c');
    const [a] = cluster.nodes as [TestNode];
    const first = put(a, 'k', 'one');
    const { record } = a.kms.store.delete(app, 'k');
    const { superseded, replicas } = await replicated(cluster, a, [first], 2);
    expect(superseded.size).toBe(0);
    expect(replicas).toBeGreaterThanOrEqual(2);
    expect(a.kms.replication.isReplicated(record)).toBe(true);
  });
  it('may be evicted once two nodes hold it, not before', async () => {
    const cluster = await running('a', 'b', 'c');
    const [a] = cluster.nodes as [TestNode];
    const record = put(a, 'k');
    expect(a.kms.replication.isReplicated(record)).toBe(false);
    await replicated(cluster, a, [record], 2);
    expect(a.kms.replication.isReplicated(record)).toBe(true);
  });
  it('shows the wire no byte of its key or value', async () => {
    const cluster = await running('a', 'b', 'c');
    const [a] = cluster.nodes as [TestNode];
    const wire: string[] = [];
    cluster.intercept = (_from, _to, _url, body) => (wire.push(Buffer.from(body).toString('latin1')), 'pass');
    await replicated(cluster, a, [put(a, 'a key of mine', 'a value of mine')], 3);
    expect(wire.length).toBeGreaterThan(1);
    expect(wire.join('|')).not.toMatch(/of mine/);
  });
  it('of many at once travels in few frames', async () => {
    const cluster = await running('a', 'b', 'c');
    const [a] = cluster.nodes as [TestNode];
    let sent = 0;
    cluster.intercept = (from, to) => ((sent += from === 'a' && to === 'b' ? 1 : 0), 'pass');
    const records = Array.from({ length: 200 }, (_, n) => put(a, `k${n}`));
    await Promise.all(records.map((record) => replicated(cluster, a, [record], 3)));
    expect(sent).toBeLessThan(5);
  });
});

describe('nodes that lose messages', () => {
  it('end equal once they lose none', async () => {
    const cluster = await running('a', 'b', 'c');
    let turn = 0;
    cluster.intercept = () => ((turn = (turn * 1_103_515_245 + 12_345) % 2 ** 31) % 100 < 30 ? 'drop' : 'pass');
    for (let n = 0; n < 120; n += 1) {
      const node = cluster.nodes[n % 3] as TestNode;
      if (n % 5 === 4) node.kms.store.delete(app, `k${n % 17}`);
      else put(node, `k${n % 17}`, `${n}`);
      node.kms.replication.wake();
      cluster.clock.advance(7);
      await settled();
      if (n % 10 === 9) await cluster.round();
    }
    cluster.intercept = () => 'pass';
    await cluster.until(() => isEqual(cluster), 120);
    const keys = Array.from({ length: 17 }, (_, n) => `k${n}`);
    expect(new Set(cluster.nodes.map((node) => JSON.stringify(keys.map((key) => read(node, key))))).size).toBe(1);
  });
  it('end equal after a partition in which both sides wrote and deleted', async () => {
    const cluster = await running('a', 'b', 'c', 'd');
    const [a, b, c, d] = cluster.nodes as [TestNode, TestNode, TestNode, TestNode];
    await replicated(cluster, a, [put(a, 'both'), put(a, 'deleted'), put(a, 'kept')], 4);
    const left = new Set(['a', 'b']);
    cluster.intercept = (from, to) => (left.has(from) === left.has(to) ? 'pass' : 'drop');
    put(a, 'both', 'left');
    b.kms.store.delete(app, 'deleted');
    await pass(cluster, 20_000);
    put(c, 'both', 'right');
    put(d, 'new', 'right');
    await pass(cluster, 20_000);
    expect([read(a, 'both'), read(d, 'both'), read(d, 'deleted')]).toEqual(['left', 'right', 'v']);
    cluster.intercept = () => 'pass';
    await cluster.until(() => isEqual(cluster), 120);
    for (const node of cluster.nodes)
      expect(['both', 'deleted', 'kept', 'new'].map((key) => read(node, key))).toEqual(['right', undefined, 'v', 'right']);
  });
  it('hear of a write through another when its writer cannot reach them', async () => {
    const cluster = await running('a', 'b', 'c');
    const [a, , c] = cluster.nodes as [TestNode, TestNode, TestNode];
    cluster.intercept = (from, to) => ([from, to].includes('a') && [from, to].includes('c') ? 'drop' : 'pass');
    put(a, 'k');
    a.kms.replication.wake();
    await cluster.until(() => read(c, 'k') === 'v', 10);
  });
});

describe('anti-entropy among nodes', () => {
  it('finds nothing in steady state', async () => {
    const cluster = await running('a', 'b', 'c');
    for (let n = 0; n < 50; n += 1)
      await replicated(cluster, cluster.nodes[n % 3] as TestNode, [put(cluster.nodes[n % 3] as TestNode, `k${n}`)], 3);
    await pass(cluster, 60_000);
    const before = cluster.nodes.map(({ kms }) => kms.replication.report().totals);
    await pass(cluster, 120_000, 2);
    const after = cluster.nodes.map(({ kms }) => kms.replication.report().totals);
    after.forEach(({ rounds, found, pushed }, index) => {
      expect(rounds).toBeGreaterThanOrEqual((before[index]?.rounds ?? 0) + 3);
      expect([found, pushed]).toEqual([before[index]?.found, before[index]?.pushed]);
    });
    expect(isEqual(cluster)).toBe(true);
  });
});

describe('a node that joins', () => {
  it('has every record before it serves data, and serves keys at once', async () => {
    const cluster = await running('a', 'b', 'c');
    const [a] = cluster.nodes as [TestNode];
    const records = Array.from({ length: 300 }, (_, n) => put(a, `k${n}`));
    await replicated(cluster, a, records, 3);
    const joined = cluster.boot('d');
    let isCut = true;
    cluster.intercept = (from, to, _url, body) => (isCut && [from, to].includes('d') && isDataFrame(body) ? 'drop' : 'pass');
    await cluster.until(() => joined.kms.admission.gate().kind === 'serving');
    await pass(cluster, 60_000);
    expect(isReady(joined)).toBe(false);
    expect(detailOf(joined)).toMatch(/records of 3 members/);
    isCut = false;
    await cluster.until(() => isReady(joined), 60);
    expect(joined.kms.store.gauges().keys).toBe(300);
    expect(joined.kms.replication.report().totals.snapshotBytes).toBeGreaterThan(0);
    expect(joined.logs.named('data.ready')).toEqual([{ members: 4 }]);
    await cluster.until(() => cluster.nodes.every(({ kms }) => kms.replication.report().peers.every(({ isBased }) => isBased)), 120);
  });
  it('is known to serve by those that did before, though nobody writes anything', async () => {
    const cluster = await running('a', 'b', 'c');
    const a = nodeOf(cluster, 'a');
    const joined = cluster.boot('d');
    const knownToA = () => a.kms.replication.report().peers.find(({ wallet }) => wallet === joined.wallet)?.isReady;
    await cluster.until(() => knownToA() === false);
    await cluster.until(() => isReady(joined));
    await cluster.until(() => knownToA() === true, 10);
    expect(cluster.nodes.map(({ kms }) => kms.store.sequence())).toEqual([0, 0, 0, 0]);
  });
  it('goes on with its snapshot after a loss', async () => {
    const cluster = await running('a', 'b', 'c');
    const [a] = cluster.nodes as [TestNode];
    for (let n = 0; n < 12; n += 1) a.kms.store.put(app, `k${n}`, new Uint8Array(400_000));
    await cluster.until(() => isEqual(cluster), 60);
    const joined = cluster.boot('d');
    const loss = createRandom('loss');
    cluster.intercept = (from) => (from === 'd' && (loss.bytes(1)[0] as number) % 3 === 0 ? 'drop' : 'pass');
    await cluster.until(() => isReady(joined), 200);
    expect(joined.kms.store.gauges().keys).toBe(12);
    expect(joined.kms.replication.report().totals.snapshotBytes).toBeLessThan(3 * 12 * 400_000);
  });
  it('under a new wallet after a restart brings nothing back that was deleted meanwhile', async () => {
    const cluster = await running('a', 'b', 'c');
    const a = nodeOf(cluster, 'a');
    await replicated(cluster, a, [put(a, 'gone'), put(a, 'kept')], 3);
    cluster.down.add('c');
    a.kms.store.delete(app, 'gone');
    takeOut(cluster, 'c');
    const restarted = cluster.boot('c2', 'https://c.nova.example');
    await cluster.until(() => isReady(restarted), 120);
    await cluster.until(() => isEqual(cluster));
    expect(up(cluster).map((node) => [read(node, 'gone'), read(node, 'kept')])).toEqual(Array(3).fill([undefined, 'v']));
  });
});

describe('a cluster that starts', () => {
  it('serves data when each has been through all others, though none was ready', async () => {
    const cluster = await running('a', 'b', 'c');
    expect(cluster.nodes.map(detailOf)).toEqual(Array(3).fill('serving'));
  });
  it('waits for one that nobody can reach, until the chain says that it is gone', async () => {
    const cluster = createCluster('a', 'b', 'c');
    cluster.chain.openNext();
    cluster.down.add('c');
    await cluster.until(() => up(cluster).every(({ kms }) => kms.admission.gate().kind === 'serving'));
    await pass(cluster, 60_000);
    expect(up(cluster).map(isReady)).toEqual([false, false]);
    expect(detailOf(nodeOf(cluster, 'a'))).toContain(nodeOf(cluster, 'c').wallet);
    takeOut(cluster, 'c');
    await cluster.until(() => up(cluster).every(isReady));
  });
});

describe('a tombstone', () => {
  it('is collected once all have acknowledged it and a message’s life has passed since', async () => {
    const cluster = await running('a', 'b', 'c');
    const a = nodeOf(cluster, 'a');
    put(a, 'k');
    await replicated(cluster, a, [a.kms.store.delete(app, 'k').record], 3);
    await pass(cluster, limits.MESSAGE_LIFETIME_MS - 60_000);
    expect(cluster.nodes.map(({ kms }) => kms.store.gauges().tombstones)).toEqual([1, 1, 1]);
    await pass(cluster, 120_000);
    expect(cluster.nodes.map(({ kms }) => kms.store.gauges().tombstones)).toEqual([0, 0, 0]);
    expect(isEqual(cluster)).toBe(true);
  }, 60_000);
  it('stays while a member is cut off, however long, and nothing comes back with it', async () => {
    const cluster = await running('a', 'b', 'c');
    const [a, , c] = cluster.nodes as [TestNode, TestNode, TestNode];
    await replicated(cluster, a, [put(a, 'k')], 3);
    cluster.intercept = (from, to) => ([from, to].includes('c') ? 'drop' : 'pass');
    a.kms.store.delete(app, 'k');
    await pass(cluster, 2 * limits.MESSAGE_LIFETIME_MS, 20);
    expect(a.kms.store.gauges().tombstones).toBe(1);
    expect(read(c, 'k')).toBe('v');
    cluster.intercept = () => 'pass';
    await cluster.until(() => isEqual(cluster), 200);
    expect(cluster.nodes.map((node) => read(node, 'k'))).toEqual([undefined, undefined, undefined]);
  }, 60_000);
  it('would bring its value back if it were collected before', async () => {
    const cluster = await running('a', 'b', 'c');
    const [a, b] = cluster.nodes as [TestNode, TestNode];
    await replicated(cluster, a, [put(a, 'k')], 3);
    cluster.intercept = (from, to) => ([from, to].includes('c') ? 'drop' : 'pass');
    await replicated(cluster, a, [a.kms.store.delete(app, 'k').record], 2);
    await pass(cluster, limits.MESSAGE_LIFETIME_MS, 20);
    for (const { kms } of [a, b]) expect(kms.store.collect(kms.store.sequence())).toBe(1);
    cluster.intercept = () => 'pass';
    await cluster.until(() => isEqual(cluster), 200);
    expect(cluster.nodes.map((node) => read(node, 'k'))).toEqual(['v', 'v', 'v']);
  }, 60_000);
  it('is held for one that left a while longer, and one that was out for long forgets all before it comes back', async () => {
    const cluster = await running('a', 'b', 'c');
    const [a, b, c] = cluster.nodes as [TestNode, TestNode, TestNode];
    await replicated(cluster, a, [put(a, 'k')], 3);
    takeOut(cluster, 'c');
    await cluster.round(5);
    a.kms.store.delete(app, 'k');
    a.kms.replication.wake();
    await pass(cluster, limits.MEMBERSHIP_GRACE_MS + 30_000);
    expect(a.kms.store.gauges().tombstones).toBe(1);
    expect(c.logs.named('data.forgotten')).toHaveLength(1);
    expect([isReady(c), c.kms.store.gauges().keys]).toEqual([false, 0]);
    await pass(cluster, limits.MESSAGE_LIFETIME_MS);
    expect([a, b].map(({ kms }) => kms.store.gauges().tombstones)).toEqual([0, 0]);
    takeOut(cluster, 'c', false);
    await cluster.until(() => isReady(c), 200);
    await cluster.until(() => isEqual(cluster), 60);
    expect(cluster.nodes.map((node) => read(node, 'k'))).toEqual([undefined, undefined, undefined]);
  }, 60_000);
});

describe('a report', () => {
  it('tells how far behind each peer is', async () => {
    const cluster = await running('a', 'b', 'c');
    const [a] = cluster.nodes as [TestNode];
    const of = (name: string) => a.kms.replication.report().peers.find(({ wallet }) => wallet === nodeOf(cluster, name).wallet);
    cluster.intercept = (_from, to) => (to === 'c' ? 'drop' : 'pass');
    for (let n = 0; n < 5; n += 1) put(a, `k${n}`);
    a.kms.replication.wake();
    await pass(cluster, 20_000);
    expect(of('b')).toMatchObject({ lagRecords: 0, lagMs: 0, isBased: true, isReady: true });
    expect(of('c')).toMatchObject({ lagRecords: 5 });
    expect(of('c')?.lagMs).toBeGreaterThanOrEqual(20_000);
    cluster.intercept = () => 'pass';
    await cluster.until(() => of('c')?.lagRecords === 0, 60);
    expect(of('c')?.lagMs).toBe(0);
  });
  it('logs nothing of a key or a value', async () => {
    const cluster = await running('a', 'b', 'c');
    const [a] = cluster.nodes as [TestNode];
    await replicated(cluster, a, [put(a, 'a key of mine', 'a value of mine')], 3);
    expect(JSON.stringify(cluster.nodes.map(({ logs }) => logs.lines))).not.toMatch(/of mine/);
  });
});

describe('a tick', () => {
  it('that still runs is not begun again, and one that is dead is', async () => {
    const cluster = await running('a', 'b', 'c');
    const { kms } = nodeOf(cluster, 'a');
    await pass(cluster, 60_000);
    cluster.chain.outage = true;
    let asked = 0;
    const hanging = new Promise<never>(() => undefined);
    const slow = kms.peers as { call: unknown };
    const honest = slow.call;
    slow.call = () => ((asked += 1), hanging);
    put(nodeOf(cluster, 'a'), 'k');
    void kms.replication.tick();
    await settled();
    void kms.replication.tick();
    await settled();
    expect(asked).toBe(2);
    cluster.clock.advance(limits.DATA_TICK_MS_MAX);
    slow.call = honest;
    cluster.clock.advance(limits.TICK_MS_MAX);
    cluster.chain.outage = false;
    await cluster.round();
    await cluster.until(() => isEqual(cluster), 60);
  });
  it('talks again after one whose talking never ended, as where a host cut it with its request, and not before its time', async () => {
    const cluster = await running('a', 'b', 'c');
    const a = nodeOf(cluster, 'a');
    let asked = 0;
    (a.kms.peers as { call: unknown }).call = () => ((asked += 1), new Promise<never>(() => undefined));
    put(a, 'k');
    const askedAfter = async (ms: number) => {
      cluster.clock.advance(ms);
      await settled();
      asked = 0;
      void a.kms.replication.tick();
      await settled();
      return asked;
    };
    expect(await askedAfter(0)).toBeGreaterThan(0);
    expect(await askedAfter(limits.TALK_MS_MAX - 1)).toBe(0);
    expect(await askedAfter(1)).toBeGreaterThan(0);
    expect(limits.TALK_MS_MAX).toBeGreaterThanOrEqual(2 * limits.PEER_MS_MAX + limits.DATA_TICK_MS_MAX);
  });
  it('resolves in time while a peer hangs, and what it began goes on behind it', async () => {
    const cluster = await running('a', 'b', 'c');
    const a = nodeOf(cluster, 'a');
    const slow = a.kms.peers as { call: unknown };
    slow.call = () => new Promise<never>(() => undefined);
    put(a, 'k');
    let isOver = false;
    const tick = a.kms.replication.tick().then(() => (isOver = true));
    await settled();
    expect(isOver).toBe(false);
    cluster.clock.advance(limits.DATA_TICK_MS_MAX);
    await tick;
    let isIdle = false;
    void a.kms.replication.idle(limits.TICK_MS_MAX).then(() => (isIdle = true));
    await settled();
    expect(isIdle).toBe(false);
  });
  it('logs a mistake of this program, and throws nothing', async () => {
    const cluster = await running('a', 'b', 'c');
    const a = nodeOf(cluster, 'a');
    (a.kms.peers as { call: unknown }).call = () => Promise.reject(new TypeError('a mistake'));
    put(a, 'k');
    await a.kms.replication.tick();
    expect(a.logs.named('replication.failed')).toEqual([{ reason: 'internal', detail: 'TypeError: a mistake' }]);
  });
});
