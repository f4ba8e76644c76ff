import { describe, expect, it } from 'vitest';
import { decodeDelta, encodeAck, encodeDeltaAnswer } from '../../../core/replication/messages.ts';
import * as limits from '../../../core/limits.ts';
import { utf8 } from '../../../core/wire/bytes.ts';
import { createClock, reasonOfAsync } from '../fakes.ts';
import { app, createKeyTable, e0, e1, forged, read } from '../store/stores.ts';
import { operator } from '../cluster/facts.ts';
import { linked, lost, settled } from './linked.ts';
import type { Links } from './linked.ts';

const put = (links: Links, of: number, key: string, value = 'v') => links.node(of).store.put(app, key, utf8(value)).record;
const push = (links: Links, from: number, to: number) => links.node(from).pushes.push(links.peer(to));
const deltas = (links: Links) =>
  links.messages.flatMap(({ from, to, type, payload }) => (type === 'delta' ? [{ from, to, ...decodeDelta(payload) }] : []));
const holders = (links: Links, of: number, key: string) => {
  for (const record of links.node(of).store.changes(0)) if (record.key === key) return links.node(of).cursors.holders(record);
  return undefined;
};
const wantedOf = (links: Links, from: number) => [...links.cursor(from, 1).owed];

/** Nodes that have met, and know that all are there. */
async function met(count: number, given?: Parameters<typeof linked>[1]): Promise<Links> {
  const links = linked(count, given);
  for (const node of links.nodes) await node.pushes.pushAll();
  links.traffic();
  return links;
}

describe('a push', () => {
  it('tells an unknown peer nothing but who speaks, first', async () => {
    const links = linked(2);
    put(links, 0, 'k');
    await push(links, 0, 1);
    expect(deltas(links)[0]).toMatchObject({ records: [], offers: [] });
  });
  it('sends what was written here whole, and what others wrote as offers', async () => {
    const links = await met(3);
    put(links, 0, 'k');
    await push(links, 0, 1);
    expect(read(links.node(1).store, 'k')).toBe('v');
    await push(links, 1, 2);
    const [whole, offer, owed] = deltas(links).slice(-3);
    expect([whole?.records.length, whole?.offers.length]).toEqual([1, 0]);
    expect([offer?.records.length, offer?.offers.length]).toEqual([0, 1]);
    expect([owed?.records.length, owed?.offers.length]).toEqual([1, 0]);
    expect(read(links.node(2).store, 'k')).toBe('v');
  });
  it('says nothing to a peer of what it wrote itself', async () => {
    const links = await met(2);
    put(links, 0, 'k');
    await push(links, 0, 1);
    links.traffic();
    await push(links, 1, 0);
    expect(links.traffic().messages).toBe(0);
    expect(holders(links, 1, 'k')).toBe(1);
  });
  it('sends no record that a later one has replaced', async () => {
    const links = await met(2);
    put(links, 0, 'k', 'one');
    put(links, 0, 'k', 'two');
    await push(links, 0, 1);
    expect(deltas(links).at(-1)?.records).toHaveLength(1);
    expect(read(links.node(1).store, 'k')).toBe('two');
  });
  it('fills frames by bytes, at least one record in each', async () => {
    const links = await met(2);
    for (const key of ['a', 'b', 'c']) links.node(0).store.put(app, key, new Uint8Array(limits.VALUE_BYTES_MAX * 0.3));
    links.node(0).store.put(app, 'small', utf8('v'));
    await push(links, 0, 1);
    expect(deltas(links).at(-1)?.records.length).toBeLessThanOrEqual(4);
    for (const { payload } of links.messages) expect(payload.length).toBeLessThan(limits.FRAME_PAYLOAD_BYTES_MAX);
    expect(links.node(1).store.gauges().keys).toBe(4);
  });
  it('sends a value of the largest size in a frame of its own', async () => {
    const links = await met(2, () => ({ quotaBytes: 10 * limits.VALUE_BYTES_MAX }));
    for (const key of ['a', 'b', 'c']) links.node(0).store.put(app, key, new Uint8Array(limits.VALUE_BYTES_MAX));
    await push(links, 0, 1);
    const sizes = links.messages.map(({ payload }) => payload.length).filter((size) => size > limits.VALUE_BYTES_MAX);
    expect(sizes).toHaveLength(3);
    for (const size of sizes) expect(size).toBeLessThan(limits.FRAME_PAYLOAD_BYTES_MAX);
  });
  it('fills frames by count', async () => {
    const links = await met(2, () => ({ quotaBytes: 100 * limits.VALUE_BYTES_MAX }));
    for (let n = 0; n < limits.DATA_FRAME_ITEMS_MAX + 1; n += 1) put(links, 0, `key ${n}`);
    await push(links, 0, 1);
    expect(
      deltas(links)
        .slice(-2)
        .map(({ records }) => records.length),
    ).toEqual([limits.DATA_FRAME_ITEMS_MAX - deltasOver(links), 1 + deltasOver(links)]);
  });
  it('goes on where a lost answer left it, and claims nothing before', async () => {
    const links = await met(2);
    const record = put(links, 0, 'k');
    links.carry = async (_message, answer) => {
      await answer();
      throw lost();
    };
    await push(links, 0, 1);
    expect(links.node(0).cursors.holders(record)).toBe(0);
    links.carry = (_message, answer) => answer();
    await push(links, 0, 1);
    expect(links.node(0).cursors.holders(record)).toBe(1);
  });
  it('to one that hangs delays no other', async () => {
    const links = await met(3);
    links.carry = ({ to }, answer) => (to === links.node(1).wallet ? new Promise(() => undefined) : answer());
    put(links, 0, 'k');
    void links.node(0).pushes.pushAll();
    await settled();
    expect(read(links.node(2).store, 'k')).toBe('v');
    expect(holders(links, 0, 'k')).toBe(1);
  });
});

/** How many records fewer than the limit the first of two frames had: by bytes it may be full before. */
function deltasOver(links: Links): number {
  const [first] = deltas(links).slice(-2);
  return limits.DATA_FRAME_ITEMS_MAX - (first?.records.length ?? 0);
}

describe('a flight', () => {
  it('is the only one to its peer: who comes meanwhile waits, and finds all done', async () => {
    const links = await met(2);
    let release = () => undefined as void;
    const held = new Promise<void>((resolve) => (release = resolve));
    let under = 0;
    links.carry = async (_message, answer) => {
      expect((under += 1)).toBe(1);
      await held;
      under -= 1;
      return await answer();
    };
    put(links, 0, 'k');
    const first = push(links, 0, 1);
    await settled();
    put(links, 0, 'l');
    const second = push(links, 0, 1);
    await settled();
    release();
    await Promise.all([first, second]);
    expect(links.node(1).store.gauges().keys).toBe(2);
    expect(links.traffic().messages).toBe(2);
  });
  it('that died is taken over once its time is up, and its late answer counts for nothing', async () => {
    const links = await met(2);
    const record = put(links, 0, 'k');
    let revive = () => undefined as void;
    const dead = new Promise<void>((resolve) => (revive = resolve));
    links.carry = async () => {
      await dead;
      return encodeDeltaAnswer({
        incarnation: links.node(1).store.incarnation(),
        isReady: true,
        refused: [],
        superseded: [],
        records: [],
        wanted: [],
      });
    };
    const first = push(links, 0, 1);
    await settled();
    links.carry = (_message, answer) => answer();
    const second = push(links, 0, 1);
    await settled();
    expect(read(links.node(1).store, 'k')).toBeUndefined();
    links.clock.advance(limits.PEER_MS_MAX + 1_000);
    await second;
    expect(read(links.node(1).store, 'k')).toBe('v');
    put(links, 0, 'l');
    revive();
    await first;
    expect(links.cursor(0, 1).acked).toBe(record.sequence);
  });
  it('ends at a peer that calls itself another each time', async () => {
    const links = await met(2);
    let turns = 0;
    links.carry = () => {
      const incarnation = (turns += 1).toString(16).padStart(32, '0');
      return Promise.resolve(encodeDeltaAnswer({ incarnation, isReady: true, refused: [], superseded: [], records: [], wanted: [] }));
    };
    put(links, 0, 'k');
    await push(links, 0, 1);
    expect(turns).toBe(1);
  });
});

describe('a record that is refused', () => {
  it('for its time waits, holds up nothing, counts for nothing, and is taken when its time has come', async () => {
    const late = createClock();
    const links = await met(2, (index) => (index === 1 ? { clock: late } : {}));
    links.clock.set(limits.CLOCK_SKEW_MAX_MS + 5_000);
    const early = put(links, 0, 'k');
    links.clock.set(-limits.CLOCK_SKEW_MAX_MS - 5_000);
    await push(links, 0, 1);
    expect([...links.cursor(0, 1).refused.values()]).toMatchObject([{ reason: 'future_record' }]);
    expect(links.cursor(0, 1).acked).toBe(early.sequence);
    expect(links.node(0).cursors.holders(early)).toBe(0);
    expect(links.node(0).logs.named('records.nacked')).toMatchObject([{ peer: links.node(1).wallet, reason: 'future_record' }]);
    expect(links.node(1).logs.named('records.refused')).toMatchObject([{ peer: links.node(0).wallet, reason: 'future_record' }]);
    await push(links, 0, 1);
    expect(links.cursor(0, 1).refused.size).toBe(1);
    late.advance(10_000);
    links.clock.advance(10_000);
    await push(links, 0, 1);
    expect(links.node(0).cursors.holders(early)).toBe(1);
    expect(links.cursor(0, 1).refused.size).toBe(0);
  });
  it('for its epoch is nobody’s fault, and is taken once the key is there', async () => {
    const [ours, theirs] = [createKeyTable(e0, e1), createKeyTable(e0)];
    const links = await met(2, (index) => ({ keys: index === 0 ? ours : theirs }));
    const record = put(links, 0, 'k');
    await push(links, 0, 1);
    expect([...links.cursor(0, 1).refused.values()]).toMatchObject([{ reason: 'unknown_epoch', tries: 1 }]);
    expect([links.node(0), links.node(1)].flatMap(({ logs }) => logs.lines)).toEqual([]);
    theirs.held.add(e1);
    links.clock.advance(2 * limits.REFUSED_RETRY_MIN_MS);
    await push(links, 0, 1);
    expect(links.node(0).cursors.holders(record)).toBe(1);
  });
  it('is tried again ever later, up to a minute', async () => {
    const links = await met(2, (index) => ({ keys: index === 0 ? createKeyTable(e0, e1) : createKeyTable(e0) }));
    put(links, 0, 'k');
    await push(links, 0, 1);
    const times: number[] = [];
    for (let ms = 0; ms < 600_000; ms += 500) {
      links.clock.advance(500);
      const before = links.messages.length;
      await push(links, 0, 1);
      if (links.messages.length > before) times.push(ms);
    }
    const gaps = times.slice(1).map((at, index) => at - (times[index] as number));
    expect(times.length).toBeLessThan(25);
    expect(Math.max(...gaps)).toBeLessThanOrEqual(1.5 * limits.REFUSED_RETRY_MAX_MS + 500);
    expect(Math.max(...gaps)).toBeGreaterThan(limits.REFUSED_RETRY_MAX_MS / 2 - 500);
  });
  it('is not tried again when another has replaced it', async () => {
    const [ours, theirs] = [createKeyTable(e0, e1), createKeyTable(e0)];
    const links = await met(2, (index) => ({ keys: index === 0 ? ours : theirs }));
    put(links, 0, 'k', 'one');
    await push(links, 0, 1);
    ours.epoch = e0;
    put(links, 0, 'k', 'two');
    links.clock.advance(2 * limits.REFUSED_RETRY_MIN_MS);
    await push(links, 0, 1);
    expect(read(links.node(1).store, 'k')).toBe('two');
    expect(links.cursor(0, 1).refused.size).toBe(0);
  });
  it('of every kind holds up no other record and no other peer', async () => {
    const links = await met(3);
    const odd = [
      forged({ header: { key: 'bad' }, keys: createKeyTable(e0) }),
      forged({ header: { key: 'future', counter: 2, ms: links.clock.nowMs() + limits.CLOCK_SKEW_MAX_MS + 1, logical: 2 } }),
      forged({ header: { key: 'epoch', counter: 3, logical: 3 }, epoch: e1, keys: createKeyTable(e0, e1) }),
    ];
    const { sealed } = odd[0] as (typeof odd)[number];
    sealed[sealed.length - 1] = (sealed.at(-1) ?? 0) ^ 1;
    const verdicts = links
      .node(1)
      .intake.merge(links.node(0).wallet, [...odd, forged({ header: { key: 'good', counter: 4, logical: 4 } })]);
    expect(verdicts.map((verdict) => (verdict.kind === 'refused' ? verdict.reason : verdict.kind))).toEqual([
      ...['bad_record', 'future_record', 'unknown_epoch', 'stored'],
    ]);
    expect(links.node(1).intake.refusedOf(links.node(0).wallet)).toEqual({ bad_record: 1, future_record: 1, unknown_epoch: 1 });
    await push(links, 1, 2);
    expect(read(links.node(2).store, 'good')).toBe('v');
  });
});

describe('too many refusals', () => {
  it('are forgotten, and then nothing counts as held until a comparison found it so', async () => {
    const [ours, theirs] = [createKeyTable(e0, e1), createKeyTable(e0)];
    const links = await met(2, (index) => ({ keys: index === 0 ? ours : theirs, quotaBytes: 1 << 30 }));
    ours.epoch = e0;
    const first = put(links, 0, 'first');
    await push(links, 0, 1);
    expect(links.node(0).cursors.holders(first)).toBe(1);
    ours.epoch = e1;
    for (let n = 0; n <= limits.OWED_PER_PEER_MAX; n += 1) put(links, 0, `key ${n}`);
    await push(links, 0, 1);
    expect(links.node(0).logs.named('replication.overflowed')).toHaveLength(1);
    expect(links.cursor(0, 1)).toMatchObject({ isBased: false });
    expect(links.cursor(0, 1).refused.size).toBeLessThanOrEqual(limits.OWED_PER_PEER_MAX);
    expect([links.node(0).cursors.holders(first), links.node(0).cursors.heldThrough(links.cursor(0, 1))]).toEqual([0, 0]);
    ours.epoch = e0;
    theirs.held.add(e1);
    for (let round = 0; round < 3; round += 1) {
      await links.node(0).antiEntropy.reconcile(links.peer(1));
      await push(links, 0, 1);
    }
    expect(links.node(0).cursors.holders(first)).toBe(1);
    expect(links.node(1).store.gauges().keys).toBe(limits.OWED_PER_PEER_MAX + 2);
  }, 30_000);
});

describe('a cursor', () => {
  it('starts over with another incarnation, and claims nothing of what was there before', async () => {
    const links = await met(2);
    const record = put(links, 0, 'k');
    await push(links, 0, 1);
    expect(links.node(0).cursors.holders(record)).toBe(1);
    links.node(1).store.forget();
    put(links, 0, 'l');
    await push(links, 0, 1);
    expect(links.node(0).cursors.holders(record)).toBe(0);
    expect(links.cursor(0, 1)).toMatchObject({ isBased: false, floor: 2 });
    const after = put(links, 0, 'm');
    await push(links, 0, 1);
    expect(links.node(0).cursors.holders(after)).toBe(1);
  });
  it('is based by the word of the peer, from its floor on', async () => {
    const links = await met(2);
    const record = put(links, 0, 'k');
    links.node(1).store.forget();
    await push(links, 0, 1);
    const ack = (through: number, of = links.node(0).store.incarnation()) =>
      links
        .node(0)
        .handlers.ack(operator(links.node(1).wallet, 2), encodeAck({ incarnation: links.node(1).store.incarnation(), of, through }));
    await ack(0);
    expect(links.node(0).cursors.holders(record)).toBe(0);
    await ack(1, 'ab'.repeat(16));
    expect(links.node(0).cursors.holders(record)).toBe(0);
    await ack(1);
    expect(links.node(0).cursors.holders(record)).toBe(1);
  });
  it('that the peer claims ahead of all that there is, is refused', async () => {
    const links = await met(2);
    put(links, 0, 'k');
    const { store, handlers } = links.node(0);
    const payload = encodeAck({ incarnation: links.node(1).store.incarnation(), of: store.incarnation(), through: 2 });
    expect(await reasonOfAsync(handlers.ack(operator(links.node(1).wallet, 2), payload))).toBe('cursor_ahead');
    expect(links.cursor(0, 1).acked).toBe(0);
  });
  it('counts an offer only when the record was taken', async () => {
    const links = await met(3);
    put(links, 0, 'k');
    await push(links, 0, 1);
    let dropped = 0;
    links.carry = async (message, answer) => {
      if (message.from === links.node(1).wallet && decodeDelta(message.payload).records.length > 0 && (dropped += 1) === 1) throw lost();
      return await answer();
    };
    await push(links, 1, 2);
    expect(holders(links, 1, 'k')).toBe(1);
    expect([...links.cursor(1, 2).owed]).toEqual([1]);
    await push(links, 1, 2);
    expect(holders(links, 1, 'k')).toBe(2);
    expect(wantedOf(links, 0)).toEqual([]);
  });
  it('tells what is held through only past what is missing', async () => {
    const links = await met(2);
    for (const key of ['a', 'b', 'c']) put(links, 0, key);
    await push(links, 0, 1);
    const { cursors } = links.node(0);
    expect(cursors.heldThrough(links.cursor(0, 1))).toBe(3);
    cursors.refuse(links.cursor(0, 1), 2, 'store_full');
    expect(cursors.heldThrough(links.cursor(0, 1))).toBe(1);
    cursors.settle(links.cursor(0, 1), 2);
    expect(cursors.heldThrough(links.cursor(0, 1))).toBe(3);
  });
  it('lets what was held be collected only when that was long ago, and still is so', async () => {
    const links = await met(2);
    put(links, 0, 'k');
    await push(links, 0, 1);
    const { cursors } = links.node(0);
    const [wallet] = [links.node(1).wallet];
    const collectable = () => cursors.collectable([wallet]);
    cursors.sample();
    expect(collectable()).toBe(0);
    for (let ms = 0; ms < limits.MESSAGE_LIFETIME_MS; ms += limits.CURSOR_SAMPLE_MS) {
      expect(collectable()).toBe(0);
      links.clock.advance(limits.CURSOR_SAMPLE_MS);
      cursors.sample();
    }
    expect(collectable()).toBe(1);
    expect(links.cursor(0, 1).samples.length).toBeLessThan(limits.MESSAGE_LIFETIME_MS / limits.CURSOR_SAMPLE_MS + 3);
    put(links, 0, 'l');
    await push(links, 0, 1);
    expect(collectable()).toBe(1);
    cursors.owe(links.cursor(0, 1), [1]);
    expect(collectable()).toBe(0);
    expect(cursors.collectable([wallet, links.node(0).wallet])).toBe(0);
    expect(cursors.collectable([])).toBe(2);
  });
});

describe('a peer that answers oddly', () => {
  it.each<[string, (links: Links) => Uint8Array]>([
    ['bytes that are no answer', () => utf8('no')],
    [
      'a refusal of what was not sent',
      ({ nodes }) =>
        encodeDeltaAnswer({
          ...{ incarnation: nodes[1]?.store.incarnation() as string, isReady: true, superseded: [], records: [], wanted: [] },
          refused: [{ index: 7, reason: 'bad_record' }],
        }),
    ],
  ])('with %s moves no cursor', async (_what, answer) => {
    const links = await met(2);
    const record = put(links, 0, 'k');
    links.carry = () => Promise.resolve(answer(links));
    await push(links, 0, 1);
    expect(links.cursor(0, 1).acked).toBe(0);
    expect(links.node(0).cursors.holders(record)).toBe(0);
  });
});
