import { describe, expect, it } from 'vitest';
import { createCatchUp } from '../../../core/replication/catch-up.ts';
import {
  decodeSnapshotPage,
  decodeSnapshotRequest,
  encodeSnapshotPage,
  encodeSnapshotRequest,
} from '../../../core/replication/messages.ts';
import * as limits from '../../../core/limits.ts';
import { utf8 } from '../../../core/wire/bytes.ts';
import { reasonOfAsync } from '../fakes.ts';
import { app, createKeyTable, e0, e1, forged, printOf, read } from '../store/stores.ts';
import { operator } from '../cluster/facts.ts';
import { linked, lost, settled } from './linked.ts';
import type { CatchUp } from '../../../core/replication/catch-up.ts';
import type { SnapshotPage, SnapshotRequest } from '../../../core/replication/messages.ts';
import type { Membership } from '../../../core/replication/membership.ts';
import type { Given } from '../store/stores.ts';
import type { Links } from './linked.ts';

const ROOM = { quotaBytes: 1 << 30 };
const put = (links: Links, of: number, key: string, value: Uint8Array = utf8('v')) => links.node(of).store.put(app, key, value);
const untilMs = (links: Links) => links.clock.elapsedMs() + limits.DATA_TICK_MS_MAX;
const pull = (links: Links, from = 1, to = 0) => links.node(to).snapshots.pull(links.peer(from), untilMs(links));

async function page(links: Links, of: number, request: Partial<SnapshotRequest>): Promise<SnapshotPage> {
  const whole = { incarnation: links.node(1 - of).store.incarnation(), of: undefined, after: 0, through: undefined, ...request };
  return decodeSnapshotPage(await links.node(of).handlers.snapshot(operator(links.node(1 - of).wallet, 1), encodeSnapshotRequest(whole)));
}

/** The first node catches up with the others, which are ready unless told otherwise. */
function catching(count: number, given?: (index: number) => Given): { readonly links: Links; readonly catchUp: CatchUp } {
  const links = linked(count, given);
  const node = links.node(0);
  const wallets = links.nodes.map(({ wallet }) => wallet);
  const membership: Membership = {
    observe: () => true,
    live: () => new Set(wallets),
    others: () => wallets.slice(1),
    recent: () => wallets.slice(1),
  };
  const catchUp = createCatchUp({ ...node, membership, clock: links.clock, log: node.logs.log });
  node.isReady = false;
  return { links, catchUp };
}

const isServing = (catchUp: CatchUp) => catchUp.gate().kind === 'serving';

describe('a snapshot', () => {
  it('has everything up to the last change at its start, in pages that a frame holds', async () => {
    const links = linked(2, () => ROOM);
    for (let n = 0; n < 9; n += 1) put(links, 1, `k${n}`, new Uint8Array(300_000));
    const first = await page(links, 1, {});
    expect(first).toMatchObject({ through: 9, next: 3, isWhole: true });
    put(links, 1, 'k1', utf8('new'));
    const ongoing = { of: first.incarnation, through: first.through };
    const second = await page(links, 1, { ...ongoing, after: 3 });
    expect(second).toMatchObject({ through: 9, next: 6 });
    expect(await page(links, 1, { ...ongoing, after: 6 })).toMatchObject({ through: 9, next: undefined });
  });
  it('is of all up to the end that it is asked for, and of no more than there is', async () => {
    const links = linked(2);
    for (const key of ['k1', 'k2', 'k3']) put(links, 1, key);
    const { incarnation: of } = await page(links, 1, {});
    const [within, beyond] = [await page(links, 1, { of, after: 1, through: 2 }), await page(links, 1, { of, after: 1, through: 2 ** 50 })];
    expect([within.through, within.records.length, within.next]).toEqual([2, 1, undefined]);
    expect([beyond.through, beyond.records.length, beyond.next]).toEqual([3, 2, undefined]);
  });
  it('brings all of it, and a value of the largest size in a page of its own', async () => {
    const links = linked(2, () => ROOM);
    for (let n = 0; n < 3; n += 1) put(links, 1, `k${n}`, new Uint8Array(limits.VALUE_BYTES_MAX));
    expect(await pull(links)).toMatchObject({ through: 3, isWhole: true });
    expect(printOf(links.node(0).store)).toBe(printOf(links.node(1).store));
    expect(links.traffic().messages).toBe(3);
  });
  it('goes on after a loss where it was', async () => {
    const links = linked(2, () => ROOM);
    for (let n = 0; n < 9; n += 1) put(links, 1, `k${n}`, new Uint8Array(300_000));
    let left = 2;
    links.carry = async (_message, answer) => {
      if ((left -= 1) < 0) throw lost();
      return await answer();
    };
    expect(await reasonOfAsync(pull(links))).toBe('peer_unreachable');
    links.carry = (_message, answer) => answer();
    expect(await pull(links)).toMatchObject({ isWhole: true });
    const asked = links.messages.map(({ payload }) => decodeSnapshotRequest(payload).after);
    expect(asked).toEqual([0, 3, 6, 6]);
    expect(links.node(0).store.gauges().keys).toBe(9);
  });
  it('begins anew with a peer that forgot its records', async () => {
    const links = linked(2, () => ROOM);
    for (let n = 0; n < 9; n += 1) put(links, 1, `k${n}`, new Uint8Array(300_000));
    let turns = 0;
    links.carry = async (_message, answer) => {
      if ((turns += 1) === 2) {
        links.node(1).store.forget();
        put(links, 1, 'new');
      }
      return await answer();
    };
    expect(await pull(links)).toMatchObject({ of: links.node(1).store.incarnation(), through: 1, isWhole: true });
    expect(read(links.node(0).store, 'new')).toBe('v');
  });
  it('is not whole when the peer lacks keys for some of it, or this node refuses some', async () => {
    const keys = createKeyTable(e0, e1);
    const links = linked(2, (index) => (index === 0 ? { keys: createKeyTable(e0) } : { keys }));
    put(links, 1, 'k');
    expect(await pull(links)).toMatchObject({ isWhole: false });
    links.node(1).store.delete(app, 'k');
    keys.epoch = undefined;
    expect(await pull(links)).toMatchObject({ isWhole: false });
  });
  it('is left when time is over, and gone on with later', async () => {
    const links = linked(2, () => ROOM);
    for (let n = 0; n < 9; n += 1) put(links, 1, `k${n}`, new Uint8Array(300_000));
    links.carry = async (_message, answer) => (links.clock.advance(limits.DATA_TICK_MS_MAX), await answer());
    expect([await pull(links), await pull(links), await pull(links)]).toMatchObject([undefined, undefined, { isWhole: true }]);
  });
  it.each<[string, (honest: SnapshotPage) => Partial<SnapshotPage>]>([
    ['stands still', ({ records }) => ({ records, next: 1 })],
    ['promises more and brings nothing', ({ next }) => ({ records: [], next: next ?? 100 })],
  ])('that %s is given up', async (_what, change) => {
    const links = linked(2, () => ROOM);
    for (let n = 0; n < 9; n += 1) put(links, 1, `k${n}`, new Uint8Array(300_000));
    links.carry = async (_message, answer) => {
      const honest = decodeSnapshotPage(await answer());
      return encodeSnapshotPage({ ...honest, ...change(honest) });
    };
    expect(await reasonOfAsync(pull(links))).toBe('peer_answer_odd');
    expect(links.traffic().messages).toBeLessThan(4);
  });
  it('with a record that opens for nobody is refused, and what was good is kept', async () => {
    const links = linked(2);
    const bad = forged({ header: { key: 'bad' } });
    links.carry = async (_message, answer) => {
      const honest = decodeSnapshotPage(await answer());
      const poison = { ...bad, sealed: bad.sealed.map((byte, index) => (index === 9 ? byte ^ 1 : byte)) };
      return encodeSnapshotPage({ ...honest, records: [poison, forged({ header: { key: 'good', counter: 2, logical: 1 } })] });
    };
    expect(await reasonOfAsync(pull(links))).toBe('peer_answer_odd');
    expect([read(links.node(0).store, 'bad'), read(links.node(0).store, 'good')]).toEqual([undefined, 'v']);
  });
});

describe('a node that catches up', () => {
  it('waits, until it has been through every ready member that it can reach', async () => {
    const { links, catchUp } = catching(3);
    put(links, 1, 'one');
    put(links, 2, 'two');
    expect(isServing(catchUp)).toBe(false);
    links.carry = ({ to, type }, answer) => (to === links.node(2).wallet && type !== 'delta' ? Promise.reject(lost()) : answer());
    await catchUp.advance();
    expect(isServing(catchUp)).toBe(false);
    links.carry = (_message, answer) => answer();
    await catchUp.advance();
    expect(isServing(catchUp)).toBe(true);
    expect([read(links.node(0).store, 'one'), read(links.node(0).store, 'two')]).toEqual(['v', 'v']);
  });
  it('pulls one snapshot, and compares with the others', async () => {
    const { links, catchUp } = catching(3);
    for (let n = 0; n < 100; n += 1) put(links, 1, `k${n}`);
    await links.node(1).pushes.push(links.peer(2));
    links.traffic();
    await catchUp.advance();
    const types = links.messages.filter(({ from }) => from === links.node(0).wallet).map(({ to, type }) => `${type} ${to.slice(2, 3)}`);
    expect(types.filter((each) => each.startsWith('snapshot'))).toHaveLength(1);
    expect(types.filter((each) => each.startsWith('digest')).length).toBeGreaterThanOrEqual(2);
    expect(isServing(catchUp)).toBe(true);
  });
  it('tells the members that it has been through their records', async () => {
    const { links, catchUp } = catching(2);
    put(links, 1, 'k');
    await catchUp.advance();
    expect(links.cursor(1, 0)).toMatchObject({ isBased: true, acked: 1 });
  });
  it('is served by everybody’s records when nobody is ready, and waits for the last of them', async () => {
    const { links, catchUp } = catching(3);
    for (const node of links.nodes) node.isReady = false;
    put(links, 2, 'two');
    links.carry = ({ to }, answer) => (to === links.node(2).wallet ? Promise.reject(lost()) : answer());
    await catchUp.advance();
    expect(catchUp.gate()).toMatchObject({ kind: 'waiting', reason: 'data_catching_up' });
    links.carry = (_message, answer) => answer();
    await catchUp.advance();
    expect(isServing(catchUp)).toBe(true);
    expect(read(links.node(0).store, 'two')).toBe('v');
  });
  it('does not serve what it had of a member that has forgotten since', async () => {
    const { links, catchUp } = catching(3);
    links.node(1).isReady = false;
    links.node(2).isReady = false;
    links.carry = ({ to }, answer) => (to === links.node(2).wallet ? Promise.reject(lost()) : answer());
    await catchUp.advance();
    links.node(1).store.forget();
    let toOne = 0;
    links.carry = ({ to, type }, answer) => {
      if (to === links.node(1).wallet && type !== 'delta' && (toOne += 1) > 0) return Promise.reject(lost());
      return answer();
    };
    await catchUp.advance();
    expect(isServing(catchUp)).toBe(false);
    links.carry = (_message, answer) => answer();
    await catchUp.advance();
    expect(isServing(catchUp)).toBe(true);
  });
  it('does not count a pass in which something was refused', async () => {
    const keys = createKeyTable(e0);
    const { links, catchUp } = catching(2, (index) => ({ keys: index === 0 ? keys : createKeyTable(e0, e1) }));
    put(links, 1, 'k');
    await catchUp.advance();
    expect(isServing(catchUp)).toBe(false);
    keys.held.add(e1);
    keys.epoch = e1;
    await catchUp.advance();
    expect(isServing(catchUp)).toBe(true);
    expect(read(links.node(0).store, 'k')).toBe('v');
  });
  it('is not held up by two records with one dot, of which a liar gave one to each member', async () => {
    const { links, catchUp } = catching(3);
    links.node(1).store.merge(forged({ header: { key: 'k' }, value: utf8('one') }));
    links.node(2).store.merge(forged({ header: { key: 'k' }, value: utf8('two') }));
    put(links, 2, 'good');
    await catchUp.advance();
    await catchUp.advance();
    expect([isServing(catchUp), read(links.node(0).store, 'good')]).toEqual([true, 'v']);
  });
  it('begins again when it had to forget', async () => {
    const { links, catchUp } = catching(2);
    put(links, 1, 'k');
    await catchUp.advance();
    links.node(0).store.forget();
    links.node(0).cursors.retain([]);
    catchUp.restart();
    expect(isServing(catchUp)).toBe(false);
    await catchUp.advance();
    expect([isServing(catchUp), read(links.node(0).store, 'k')]).toEqual([true, 'v']);
  });
  it('is not held up by one that sends the same records for ever', async () => {
    const { links, catchUp } = catching(3, () => ROOM);
    put(links, 2, 'two');
    const endless = forged({ header: { key: 'again' } });
    let after = 0;
    links.carry = async ({ to, type }, answer) => {
      links.clock.advance(100);
      if (to !== links.node(1).wallet || type !== 'snapshot') return await answer();
      const honest = decodeSnapshotPage(await answer());
      return encodeSnapshotPage({ ...honest, records: [endless], through: 2 ** 50, next: (after += 1) });
    };
    for (let tick = 0; tick < 120; tick += 1) await catchUp.advance();
    expect(read(links.node(0).store, 'two')).toBe('v');
  });
});

describe('catching up that ends late', () => {
  /** Holds back one answer of that kind; what it returns lets it go, or loses it. */
  function hold(
    links: Links,
    type: 'digest' | 'snapshot',
    number: number,
  ): { readonly isHeld: () => boolean; readonly end: (isLost: boolean) => void } {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    let seen = 0;
    links.carry = async (message, answer) => {
      const bytes = await answer();
      if (message.type === type && (seen += 1) === number) await promise;
      return bytes;
    };
    return { isHeld: () => seen === number, end: (isLost) => (isLost ? reject(lost()) : resolve()) };
  }

  it('does not take back that a later one made the node ready', async () => {
    const { links, catchUp } = catching(2);
    put(links, 1, 'k');
    const slow = hold(links, 'digest', 1);
    const first = catchUp.advance();
    await settled();
    expect(slow.isHeld()).toBe(true);
    await catchUp.advance();
    expect(isServing(catchUp)).toBe(true);
    slow.end(true);
    await first;
    expect(isServing(catchUp)).toBe(true);
  });
  it('says nothing for a store that was emptied meanwhile', async () => {
    const { links, catchUp } = catching(2, () => ROOM);
    links.node(1).isReady = false;
    for (let n = 0; n < 5; n += 1) put(links, 1, `k${n}`, new Uint8Array(300_000));
    const slow = hold(links, 'snapshot', 2);
    const first = catchUp.advance();
    await settled();
    expect(slow.isHeld()).toBe(true);
    links.node(0).store.forget();
    catchUp.restart();
    slow.end(false);
    await first;
    expect(isServing(catchUp)).toBe(false);
    await catchUp.advance();
    expect([isServing(catchUp), links.node(0).store.gauges().keys]).toEqual([true, 5]);
  });
});
