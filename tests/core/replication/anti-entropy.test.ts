import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeDigestAnswer, encodeDigestAnswer } from '../../../core/replication/messages.ts';
import { cutOf, differences, piecesOf } from '../../../core/replication/digests.ts';
import * as limits from '../../../core/limits.ts';
import { utf8 } from '../../../core/wire/bytes.ts';
import { encodeCbor } from '../../../core/wire/cbor.ts';
import { reasonOfAsync, START_MS } from '../fakes.ts';
import { ALL, allSent, app, createKeyTable, digestOf, e0, e1, forged, headerOf, pass, printOf, read } from '../store/stores.ts';
import { linked, lost } from './linked.ts';
import type { DigestAnswer } from '../../../core/replication/messages.ts';
import type { AppId } from '../../../core/identity.ts';
import type { Store } from '../../../core/store/interface.ts';
import type { TravellingRecord } from '../../../core/store/record.ts';
import type { Links, Message } from './linked.ts';

const ROOM = { quotaBytes: 1 << 30 };
const reconcile = (links: Links, from = 0, to = 1) => links.node(from).antiEntropy.reconcile(links.peer(to));
const stores = (links: Links) => links.nodes.map(({ store }) => store);
const isEqual = (links: Links) => new Set(stores(links).map(printOf)).size === 1;
const put = (store: Store, key: string, value = 'v') => store.put(app, key, utf8(value));

/** Rounds, and the pushes of what they found, until one finds nothing more to do. */
async function converge(links: Links, roundsMax = 20): Promise<number> {
  for (let rounds = 1; rounds <= roundsMax; rounds += 1) {
    await reconcile(links);
    await links.node(0).pushes.push(links.peer(1));
    if (isEqual(links)) return rounds;
  }
  throw new Error('they stay apart');
}

function filled(store: Store, count: number): TravellingRecord[] {
  for (let n = 0; n < count; n += 1) put(store, `key ${n}`);
  return allSent(store);
}

describe('a round', () => {
  it('leaves both ends equal, whatever they held', async () => {
    const write = fc.record({ key: fc.nat(40), by: fc.nat(2), deletes: fc.boolean(), passMs: fc.constantFrom(0, 0, 1, 500) });
    await fc.assert(
      fc.asyncProperty(fc.array(write, { maxLength: 120 }), async (writes) => {
        const links = linked(2, () => ROOM);
        for (const { key, by, deletes, passMs } of writes) {
          links.clock.advance(passMs);
          for (const store of by === 2 ? stores(links) : [links.node(by).store])
            if (deletes) store.delete(app, `${key}`);
            else put(store, `${key}`);
        }
        expect(await reconcile(links)).toBe('complete');
        expect(isEqual(links)).toBe(true);
        expect(links.cursor(0, 1).isBased).toBe(true);
        expect(links.cursor(1, 0).isBased).toBe(true);
      }),
      { numRuns: 40 },
    );
  });
  it.each([0, 1, 31, 32, 33, 512, 513, 5_000])('leaves both ends equal when one has %i records and the other none', async (count) => {
    for (const full of [0, 1]) {
      const links = linked(2, () => ROOM);
      filled(links.node(full).store, count);
      await converge(links);
      expect(links.node(1 - full).store.gauges().keys).toBe(count);
    }
  });
  it('leaves both ends equal when each has thousands that the other lacks', async () => {
    const links = linked(2, () => ROOM);
    for (let n = 0; n < 4_000; n += 1) {
      links.clock.advance(n % 3);
      put(links.node(n % 2).store, `key ${n}`);
    }
    await converge(links);
    expect(links.node(0).store.gauges().keys).toBe(4_000);
  });
  it('leaves both ends equal when many share one millisecond and count', async () => {
    const links = linked(2, () => ROOM);
    const wallets = Array.from({ length: 300 }, (_, n) => `0x${(n + 1).toString(16).padStart(40, '0')}` as const);
    for (const [n, origin] of wallets.entries()) {
      const record = forged({ header: { key: `key ${n}`, counter: n + 1, origin: origin as ReturnType<typeof headerOf>['origin'] } });
      expect(links.node(n % 3 === 0 ? 0 : 1).store.merge(record).kind).toBe('stored');
    }
    await converge(links);
    expect(links.node(0).store.gauges().keys).toBe(300);
  });
  it('of two that are equal is one question of a hundred bytes or so, and finds nothing', async () => {
    const links = linked(2, () => ROOM);
    filled(links.node(0).store, 1_000);
    pass(links.node(0).store, links.node(1).store);
    await reconcile(links);
    links.traffic();
    const before = links.node(0).antiEntropy.counts();
    expect(await reconcile(links)).toBe('complete');
    const { messages, bytes } = links.traffic();
    expect(messages).toBe(1);
    expect(bytes).toBeLessThan(300);
    expect(links.node(0).antiEntropy.counts()).toEqual({ ...before, rounds: before.rounds + 1 });
  });
  it('of 100,000 records with one missing here, then one missing there, takes four messages and 4 KB each time', async () => {
    const links = linked(2, () => ROOM);
    const [from, to] = [links.node(0).store, links.node(1).store];
    for (let n = 0; n < 100_000; n += 1) {
      if (n % 7 === 0) links.clock.advance(1);
      from.delete(BigInt(1 + (n % 6)) as AppId, `key ${n}`);
    }
    const all = allSent(from);
    const gap = Math.floor(all.length * 0.54321);
    all.forEach((record, index) => index !== gap && to.merge(record));
    const one = async (asking: number, asked: number) => {
      await links.node(asking).pushes.greet(links.peer(asked));
      // Nothing is pushed: that one record lacks is for the round to find.
      links.node(asked).cursors.base(links.cursor(asked, asking), links.node(asked).store.sequence());
      links.cursor(asking, asked).acked = links.node(asking).store.sequence();
      expect(isEqual(links)).toBe(false);
      links.traffic();
      expect(await reconcile(links, asking, asked)).toBe('complete');
      const { messages, bytes } = links.traffic();
      expect(isEqual(links)).toBe(true);
      expect(messages).toBeLessThanOrEqual(4);
      expect(bytes).toBeLessThanOrEqual(4_096);
    };
    await one(1, 0);
    // As deep in the history as the first: one that somebody else wrote then, and that came here only.
    const middleMs = Math.floor((START_MS + links.clock.nowMs()) / 2);
    expect(from.merge(forged({ header: { key: 'one more', ms: middleMs } })).kind).toBe('stored');
    await one(0, 1);
  }, 120_000);
  it('does not bring back what was collected there, nor asks for it', async () => {
    const links = linked(2);
    links.node(0).store.delete(app, 'k');
    await reconcile(links);
    links.clock.advance(limits.MESSAGE_LIFETIME_MS);
    expect(links.node(1).store.collect(links.node(1).store.sequence())).toBe(1);
    expect(await reconcile(links)).toBe('complete');
    expect(links.node(0).antiEntropy.counts().pushed).toBe(1);
    expect(links.node(1).store.gauges().tombstones).toBe(0);
    expect(await reconcile(links, 1, 0)).toBe('complete');
    expect(links.node(1).store.gauges().tombstones).toBe(0);
    expect(links.node(1).antiEntropy.counts().found).toBe(0);
  });
  it('is skipped while the two ends are of different epochs, and claims nothing', async () => {
    const links = linked(2, (index) => ({ keys: index === 0 ? createKeyTable(e0, e1) : createKeyTable(e0) }));
    put(links.node(1).store, 'k');
    expect(await reconcile(links)).toBe('skipped');
    expect(links.node(0).antiEntropy.counts()).toMatchObject({ rounds: 1, skipped: 1 });
    expect(links.cursor(1, 0)).toMatchObject({ isBased: false });
  });
  it('is not answered with a comparison of two epochs', async () => {
    const links = linked(2, (index) => ({ keys: index === 0 ? createKeyTable(e0, e1) : createKeyTable(e0) }));
    put(links.node(1).store, 'k');
    expect(await reconcile(links)).toBe('skipped');
    const { answer } = links.messages.find(({ type }) => type === 'digest') as Message;
    const nothing = { taken: 0, cuts: [], unlisted: [], records: [], wanted: [] };
    expect(decodeDigestAnswer(answer as Uint8Array)).toMatchObject({ ...nothing, epoch: e0 });
  });
  it('is skipped while no digest can be made', async () => {
    const keys = createKeyTable();
    const links = linked(2, () => ({ keys }));
    expect(await reconcile(links)).toBe('skipped');
  });
  it('waits for no record from the future, but does not tell the peer that all is held here', async () => {
    const links = linked(2);
    put(links.node(1).store, 'good');
    links.clock.set(limits.CLOCK_SKEW_MAX_MS + 1_000);
    put(links.node(1).store, 'future');
    links.clock.set(-limits.CLOCK_SKEW_MAX_MS - 1_000);
    expect(await reconcile(links)).toBe('complete');
    expect(read(links.node(0).store, 'good')).toBe('v');
    expect(read(links.node(0).store, 'future')).toBeUndefined();
    expect(links.messages.map(({ type }) => type)).not.toContain('ack');
    expect(links.cursor(1, 0)).toMatchObject({ isBased: false });
  });
});

describe('a peer that lies in a round', () => {
  const answering =
    (change: (honest: DigestAnswer) => Partial<DigestAnswer>): Links['carry'] =>
    async ({ type }, answer) => {
      const honest = await answer();
      if (type !== 'digest') return honest;
      const decoded = decodeDigestAnswer(honest);
      return encodeDigestAnswer({ ...decoded, ...change(decoded) });
    };

  it('that everything differs, for ever, ends it after so many questions', async () => {
    const links = linked(2, () => ROOM);
    filled(links.node(0).store, 2_000);
    links.carry = answering(() => ({
      ...{ records: [], wanted: [], unlisted: [] },
      cuts: [{ ...ALL, bounds: [], prints: [{ count: 5, print: new Uint8Array(16).fill(1) }] }],
    }));
    expect(await reconcile(links)).toBe('incomplete');
    expect(links.traffic().messages).toBeLessThanOrEqual(limits.DIGEST_TRIPS_MAX + 1);
  });
  it('that ever more is to be listed, ends it at once: nothing is to be listed twice', async () => {
    const links = linked(2, () => ROOM);
    links.carry = answering(() => ({ records: [], wanted: [], cuts: [], unlisted: Array(4_000).fill(ALL) }));
    expect(await reasonOfAsync(reconcile(links))).toBe('peer_answer_odd');
    expect(links.traffic().messages).toBeLessThanOrEqual(3);
  });
  it.each([0, 2])('that it took %i of one part, is refused', async (taken) => {
    const links = linked(2);
    put(links.node(1).store, 'k');
    links.carry = answering(() => ({ taken }));
    expect(await reasonOfAsync(reconcile(links))).toBe('peer_answer_odd');
  });
  it('that it lacks what nobody listed, is owed nothing', async () => {
    const links = linked(2);
    put(links.node(0).store, 'k');
    links.carry = answering(() => ({ cuts: [], unlisted: [], wanted: Array(100).fill(new Uint8Array(16).fill(9)) }));
    await reconcile(links);
    expect(links.node(0).antiEntropy.counts().pushed).toBe(0);
  });
  it('that it lacks everything, makes this node remember no more than a bound', async () => {
    const links = linked(2, () => ROOM);
    filled(links.node(0).store, limits.OWED_PER_PEER_MAX + 500);
    links.carry = answering(() => ({
      cuts: [{ ...ALL, bounds: [], prints: [{ count: 0, print: new Uint8Array(16) }] }],
      unlisted: [],
    }));
    expect(await reconcile(links)).toBe('incomplete');
    expect(links.cursor(0, 1).owed.size).toBe(limits.OWED_PER_PEER_MAX);
  });
  it('with a record that opens for nobody, is refused, and what was good is kept', async () => {
    const links = linked(2);
    const bad = forged({ header: { key: 'bad', counter: 9 } });
    const poison = { ...bad, sealed: bad.sealed.map((byte, index) => (index === 20 ? byte ^ 1 : byte)) };
    links.carry = answering(() => ({ records: [poison, forged({ header: { key: 'good', counter: 10, logical: 1 } })] }));
    expect(await reasonOfAsync(reconcile(links))).toBe('peer_answer_odd');
    expect([read(links.node(0).store, 'bad'), read(links.node(0).store, 'good')]).toEqual([undefined, 'v']);
    expect(links.node(0).intake.refusedOf(links.node(1).wallet)).toEqual({ bad_record: 1 });
  });
  it('with bytes that are no answer, is refused', async () => {
    const links = linked(2);
    links.carry = ({ type }, answer) => (type === 'digest' ? Promise.resolve(encodeCbor({ no: 1 })) : answer());
    expect(await reasonOfAsync(reconcile(links))).toBe('frame_malformed');
  });
  it('about its incarnation in the middle, ends it', async () => {
    const links = linked(2, () => ROOM);
    filled(links.node(0).store, 200);
    links.carry = answering(() => ({ incarnation: 'ab'.repeat(16) }));
    expect(await reconcile(links)).toBe('skipped');
  });
});

describe('two records with one dot, of which a liar gave one to each end', () => {
  it('set no honest peers against each other, and hold up neither cursors nor what is collected', async () => {
    const links = linked(2);
    const [one, two] = ['one', 'two'].map((text) => forged({ header: { key: 'k' }, value: utf8(text) })) as [
      TravellingRecord,
      TravellingRecord,
    ];
    links.node(0).store.merge(one);
    links.node(1).store.merge(two);
    put(links.node(1).store, 'good');
    expect(await reconcile(links)).toBe('complete');
    expect(read(links.node(0).store, 'good')).toBe('v');
    expect([read(links.node(0).store, 'k'), read(links.node(1).store, 'k')]).toEqual(['one', 'two']);
    expect(links.node(0).intake.refusedOf(links.node(1).wallet)).toEqual({ equivocation: 1 });
    expect(links.node(0).logs.named('records.refused')).toMatchObject([{ reason: 'equivocation' }]);
    expect([links.cursor(0, 1).isBased, links.cursor(1, 0).isBased]).toEqual([true, true]);
    expect(links.node(0).cursors.heldThrough(links.cursor(0, 1))).toBe(links.node(0).store.sequence());
    const [record] = links.node(0).store.changes(0);
    expect(record && links.node(0).cursors.holders(record)).toBe(0);
  });
});

describe('a round that is broken off', () => {
  it('claims nothing, and the next one begins anew', async () => {
    const links = linked(2, () => ROOM);
    filled(links.node(0).store, 500);
    filled(links.node(1).store, 100);
    let left = 3;
    links.carry = async (_message, answer) => {
      if ((left -= 1) < 0) throw lost();
      return await answer();
    };
    expect(await reasonOfAsync(reconcile(links))).toBe('peer_unreachable');
    expect([links.cursor(0, 1).isBased, links.cursor(1, 0).isBased]).toEqual([false, false]);
    links.carry = (_message, answer) => answer();
    await converge(links);
  });
  it('by a rotation is skipped', async () => {
    const keys = createKeyTable(e0, e1);
    keys.epoch = e0;
    const links = linked(2, () => ({ ...ROOM, keys }));
    filled(links.node(0).store, 500);
    filled(links.node(1).store, 400);
    links.carry = async ({ type }, answer) => {
      const answered = await answer();
      if (type === 'digest') keys.epoch = e1;
      return answered;
    };
    expect(await reconcile(links)).toBe('skipped');
    expect(await reconcile(links)).toBe('complete');
  });
});

describe('a cut', () => {
  it('covers its range without a gap, in pieces that no record is in twice', () => {
    const { store } = linked(1, () => ROOM).node(0);
    filled(store, 1_000);
    const digest = digestOf(store);
    const cut = cutOf(digest, ALL);
    const counts = piecesOf(cut).map((piece) => digest.fingerprint(piece).count);
    expect(counts.length).toBeLessThanOrEqual(limits.DIGEST_FAN_OUT);
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(1_000);
    expect(Math.max(...counts)).toBeLessThan(80);
    expect(differences(digest, cut)).toEqual([]);
  });
});
