import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as messages from '../../../core/replication/messages.ts';
import { boundAt } from '../../../core/replication/fields.ts';
import * as limits from '../../../core/limits.ts';
import { SEAL_BYTES } from '../../../core/store/record.ts';
import { hex } from '../../../core/wire/bytes.ts';
import { encodeCbor } from '../../../core/wire/cbor.ts';
import { epochOf, flipped, reasonOf } from '../fakes.ts';
import { a, b, forged } from '../store/stores.ts';
import type { Epoch, Wallet } from '../../../core/identity.ts';
import type { Offer } from '../../../core/store/interface.ts';
import type { TravellingRecord } from '../../../core/store/record.ts';

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const incarnation = bytes(16).map(hex);
const count = fc.maxSafeNat();
const wallet = bytes(20).map((raw) => `0x${hex(raw)}` as Wallet);
const bound = fc.record({ ms: count, logical: fc.nat(limits.HLC_LOGICAL_MAX) }).map(boundAt);
const offer: fc.Arbitrary<Offer> = fc.record({ ms: count, logical: fc.nat(limits.HLC_LOGICAL_MAX), origin: wallet, id: bytes(16) });
const clock = fc
  .uniqueArray(fc.record({ wallet, count: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }) }), {
    selector: (seen) => seen.wallet,
    maxLength: 5,
  })
  .map((seen) => seen.toSorted((x, y) => (x.wallet < y.wallet ? -1 : 1)));
const record: fc.Arbitrary<TravellingRecord> = fc.record({
  header: fc.uint8Array({ maxLength: limits.RECORD_HEADER_BYTES_MAX }),
  clock,
  epoch: fc.nat().map((n) => n as Epoch),
  isEmpty: fc.boolean(),
  sealed: fc.uint8Array({ maxLength: 200 }),
});
const records = fc.array(record, { maxLength: 4 });
const ends = fc
  .uniqueArray(bound, { maxLength: 6, selector: ({ ms, logical }) => `${ms} ${logical}` })
  .map((all) => all.toSorted((x, y) => x.ms - y.ms || x.logical - y.logical));
const print = fc.record({ count: fc.nat(2 ** 32 - 1), print: bytes(16) });
const cut = fc
  .tuple(ends, fc.boolean(), fc.boolean(), fc.array(print, { minLength: 7, maxLength: 7 }))
  .map(([all, isOpenBelow, isOpenAbove, prints]) => {
    const [from, to] = [isOpenBelow ? undefined : all.shift(), isOpenAbove ? undefined : all.pop()];
    return { from, to, bounds: all, prints: prints.slice(0, all.length + 1) };
  });
const range = cut.map(({ from, to }) => ({ from, to }));
const part = fc.oneof(
  cut,
  fc.tuple(range, fc.array(offer, { maxLength: 5 })).map(([each, offers]) => ({ ...each, offers })),
);
const reason = fc.constantFrom('future_record', 'unknown_epoch', 'bad_record', 'equivocation', 'quota_exceeded', 'store_full' as const);

describe('messages', () => {
  it('are read as they were written', () => {
    const roundTrip = <T>(arbitrary: fc.Arbitrary<T>, encode: (value: T) => Uint8Array, decode: (payload: Uint8Array) => unknown) =>
      fc.assert(
        fc.property(arbitrary, (value) => void expect(decode(encode(value))).toEqual(value)),
        { numRuns: 60 },
      );
    roundTrip(fc.record({ incarnation, records, offers: fc.array(offer, { maxLength: 5 }) }), messages.encodeDelta, messages.decodeDelta);
    roundTrip(fc.record({ incarnation, of: incarnation, through: count }), messages.encodeAck, messages.decodeAck);
    roundTrip(incarnation, messages.encodeAckAnswer, messages.decodeAckAnswer);
    roundTrip(
      fc.record({
        incarnation,
        of: fc.option(incarnation, { nil: undefined }),
        after: count,
        through: fc.option(count, { nil: undefined }),
      }),
      messages.encodeSnapshotRequest,
      messages.decodeSnapshotRequest,
    );
    roundTrip(
      fc.record({
        ...{ incarnation, isReady: fc.boolean(), isWhole: fc.boolean(), through: count, records },
        next: fc.option(count, { nil: undefined }),
      }),
      messages.encodeSnapshotPage,
      messages.decodeSnapshotPage,
    );
    roundTrip(
      fc.record({ incarnation, epoch: fc.nat().map((n) => n as Epoch), parts: fc.array(part, { maxLength: 1 }) }),
      messages.encodeDigestRequest,
      messages.decodeDigestRequest,
    );
    roundTrip(
      fc.record({
        ...{
          incarnation,
          epoch: fc.option(
            fc.nat().map((n) => n as Epoch),
            { nil: undefined },
          ),
          sequence: count,
          taken: count,
          records,
        },
        ...{ isReady: fc.boolean(), isBased: fc.boolean(), isWhole: fc.boolean() },
        ...{
          cuts: fc.array(cut, { maxLength: 3 }),
          unlisted: fc.array(range, { maxLength: 3 }),
          wanted: fc.array(bytes(16), { maxLength: 3 }),
        },
      }),
      messages.encodeDigestAnswer,
      messages.decodeDigestAnswer,
    );
  });
  it('are read when a delta of that many records and offers was answered', () => {
    const delta = { incarnation: 'ab'.repeat(16), records: Array<TravellingRecord>(3).fill(forged()), offers: Array<Offer>(2) };
    fc.assert(
      fc.property(
        fc.record({
          ...{ incarnation, isReady: fc.boolean() },
          refused: fc.array(fc.record({ index: fc.nat(2), reason }), { maxLength: 3 }),
          superseded: fc.array(fc.record({ index: fc.nat(2), version: bytes(16).map((raw) => Buffer.from(raw).toString('base64url')) }), {
            maxLength: 3,
          }),
          records,
          wanted: fc.array(fc.nat(1), { maxLength: 2 }),
        }),
        (answer) => void expect(messages.decodeDeltaAnswer(messages.encodeDeltaAnswer(answer), delta)).toEqual(answer),
      ),
    );
  });
  it('name no range twice: each costs its reader work', () => {
    const at = (ms: number) => boundAt({ ms, logical: 0 });
    const list = (from: number, to: number | undefined) => ({ from: at(from), to: to === undefined ? undefined : at(to), offers: [] });
    const reason = (...parts: readonly ReturnType<typeof list>[]) =>
      reasonOf(() =>
        messages.decodeDigestRequest(messages.encodeDigestRequest({ incarnation: 'ab'.repeat(16), epoch: 0 as Epoch, parts })),
      );
    expect([reason(list(5, 9), list(1, 5)), reason(list(1, 5), list(9, undefined))]).toEqual(['none', 'none']);
    expect([reason(list(1, 6), list(5, 9)), reason(list(1, undefined), list(7, 8)), reason(list(1, 5), list(1, 5))]).toEqual(
      Array(3).fill('frame_malformed'),
    );
  });
  it('survive any byte that is turned over: another message, or none, and never anything else', () => {
    const payload = messages.encodeDelta({ incarnation: 'ab'.repeat(16), records: [forged()], offers: [] });
    for (let at = 0; at < payload.length; at += 1)
      for (let bit = 0; bit < 8; bit += 1)
        expect(['none', 'frame_malformed', 'frame_too_deep']).toContain(reasonOf(() => messages.decodeDelta(flipped(payload, at, bit))));
  });
});

const id = new Uint8Array(16).fill(7);
const plain = { header: new Uint8Array(140), clock: new Uint8Array(0), epoch: 0, empty: false, sealed: new Uint8Array(60) };
const delta = (change: object) => messages.decodeDelta(encodeCbor({ incarnation: id, records: [], offers: new Uint8Array(0), ...change }));
const withRecord = (change: object) => delta({ records: [{ ...plain, ...change }] });
const seen = (...entries: readonly (readonly [Wallet, number])[]) =>
  Uint8Array.from(entries.flatMap(([who, times]) => [...Buffer.from(who.slice(2), 'hex'), 0, 0, 0, 0, 0, 0, 0, times]));
const answered = (change: object) =>
  messages.decodeDeltaAnswer(encodeCbor({ incarnation: id, ready: true, refused: [], superseded: [], wanted: [], ...change }), {
    ...{ incarnation: hex(id), records: [forged()], offers: [{ ...boundAt({ ms: 1, logical: 0 }), id }] },
  });
const boundBytes = (ms: number) => Uint8Array.of(0, 0, 0, 0, 0, 0, 0, ms, 0, 0, 0, 0);
const cutOf = (change: object) =>
  messages.decodeDigestRequest(
    encodeCbor({
      ...{ incarnation: id, epoch: 0 },
      parts: [{ from: null, to: null, bounds: new Uint8Array(0), prints: new Uint8Array(20), ...change }],
    }),
  );
const listOf = (change: object) =>
  messages.decodeDigestRequest(
    encodeCbor({ incarnation: id, epoch: 0, parts: [{ from: null, to: null, offers: new Uint8Array(0), ...change }] }),
  );

describe('a message', () => {
  it.each<[string, () => unknown]>([
    ['no CBOR', () => messages.decodeDelta(Uint8Array.of(0xff))],
    ['a member that nobody named', () => delta({ extra: 1 })],
    ['an incarnation of 15 bytes', () => delta({ incarnation: id.subarray(1) })],
    ['an incarnation as text', () => delta({ incarnation: hex(id) })],
    ['records that are no list', () => delta({ records: {} })],
    ['more records than a frame may hold', () => delta({ records: Array<object>(limits.DATA_FRAME_ITEMS_MAX + 1).fill(plain) })],
    ['more offers than a frame may hold', () => delta({ offers: new Uint8Array(48 * (limits.DATA_FRAME_ITEMS_MAX + 1)) })],
    ['half an offer', () => delta({ offers: new Uint8Array(24) })],
    ['an offer of a time above 2^53', () => delta({ offers: new Uint8Array(48).fill(0xff) })],
    ['a header longer than the longest', () => withRecord({ header: new Uint8Array(limits.RECORD_HEADER_BYTES_MAX + 1) })],
    ['a body longer than the longest', () => withRecord({ sealed: new Uint8Array(limits.VALUE_BYTES_MAX + SEAL_BYTES + 1) })],
    ['an epoch below zero', () => withRecord({ epoch: -1 })],
    ['an empty that is a number', () => withRecord({ empty: 0 })],
    ['a clock of a million entries', () => withRecord({ clock: new Uint8Array(28 * 1_000_000) })],
    ['a clock as a list', () => withRecord({ clock: [] })],
    ['a clock that is cut short', () => withRecord({ clock: seen([a, 1]).subarray(1) })],
    ['a clock in another order', () => withRecord({ clock: seen([b, 1], [a, 1]) })],
    ['a clock with a wallet twice', () => withRecord({ clock: seen([a, 1], [a, 2]) })],
    ['a clock with a count of zero', () => withRecord({ clock: seen([a, 0]) })],
    ['a reason that nobody gives', () => answered({ refused: [{ index: 0, reason: 'dislike' }] })],
    ['a refusal of what was not sent', () => answered({ refused: [{ index: 1, reason: 'bad_record' }] })],
    ['an index below zero', () => answered({ refused: [{ index: -1, reason: 'bad_record' }] })],
    ['half an index', () => answered({ wanted: [0.5] })],
    ['a wish for what was not offered', () => answered({ wanted: [1] })],
    ['more refusals than records', () => answered({ refused: Array<object>(2).fill({ index: 0, reason: 'bad_record' }) })],
    ['a version that is none', () => answered({ superseded: [{ index: 0, version: 'x'.repeat(21) }] })],
    ['a readiness that is a number', () => answered({ ready: 1 })],
    ['no readiness', () => answered({ ready: undefined })],
    ['more prints than bounds and one', () => cutOf({ prints: new Uint8Array(40) })],
    ['no prints', () => cutOf({ prints: new Uint8Array(0) })],
    ['bounds that do not ascend', () => cutOf({ bounds: new Uint8Array(24), prints: new Uint8Array(60) })],
    ['a bound before the range', () => cutOf({ from: boundBytes(5), bounds: boundBytes(5), prints: new Uint8Array(40) })],
    ['a bound behind the range', () => cutOf({ to: boundBytes(5), bounds: boundBytes(5), prints: new Uint8Array(40) })],
    ['a range that ends where it begins', () => listOf({ from: boundBytes(5), to: boundBytes(5) })],
    ['a range that begins with nothing at all', () => listOf({ from: new Uint8Array(0) })],
    ['a longer list than one may send', () => listOf({ offers: new Uint8Array(48 * (limits.DIGEST_PART_OFFERS_MAX + 1)) })],
    [
      'more parts than a frame may hold',
      () =>
        messages.decodeDigestRequest(
          encodeCbor({
            incarnation: id,
            epoch: 0,
            parts: Array<object>(limits.DIGEST_PARTS_MAX + 1).fill({ from: null, to: null, offers: id.subarray(16) }),
          }),
        ),
    ],
    ['a cursor below zero', () => messages.decodeAck(encodeCbor({ incarnation: id, of: id, through: -1 }))],
    ['a cursor above 2^53', () => messages.decodeAck(encodeCbor({ incarnation: id, of: id, through: 2n ** 60n }))],
    [
      'a snapshot after nothing',
      () => messages.decodeSnapshotRequest(encodeCbor({ incarnation: id, of: null, after: null, through: null })),
    ],
  ])('is refused with %s', (_what, read) => expect(reasonOf(read)).toBe('frame_malformed'));
  it('is taken with a record that the store will refuse alone', () =>
    expect(withRecord({ header: new Uint8Array(0), sealed: new Uint8Array(0) }).records).toHaveLength(1));
  it('is taken with as many entries as it may have', () => {
    const entries = Array.from({ length: limits.OPERATORS_MAX }, (_, n) => [`0x${n.toString(16).padStart(40, '0')}` as Wallet, 1] as const);
    expect(withRecord({ clock: seen(...entries) }).records[0]?.clock).toHaveLength(limits.OPERATORS_MAX);
    expect(delta({ offers: new Uint8Array(48 * limits.DATA_FRAME_ITEMS_MAX) }).offers).toHaveLength(limits.DATA_FRAME_ITEMS_MAX);
  });
  it('keeps nothing of the frame that it came in', () => {
    const big = messages.encodeDelta({ incarnation: hex(id), records: [forged({ value: new Uint8Array(9) })], offers: [] });
    const frame = Buffer.concat([Buffer.alloc(100), big]).subarray(100);
    const { sealed, header } = messages.decodeDelta(frame).records[0] as TravellingRecord;
    expect([sealed.buffer.byteLength, header.buffer.byteLength]).toEqual([sealed.length, header.length]);
  });
  it('is of the epoch that it names', () => expect(cutOf({}).epoch).toBe(epochOf(0)));
});
