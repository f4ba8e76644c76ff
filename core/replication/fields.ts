/**
 * The fields of the replication's messages (`docs/protocol.md` clause 13.4): records, and byte strings of entries of fixed length,
 * big-endian. Every reader throws `frame_malformed`. A record whose header or body is bad is no malformed frame: the store refuses
 * it alone.
 */
import { Refusal } from '../errors.ts';
import * as limits from '../limits.ts';
import { parseEpoch, parseWallet, ZERO_WALLET } from '../identity.ts';
import { compareTimes } from '../store/clock.ts';
import { INCARNATION_BYTES, RECORD_ID_BYTES, SEAL_BYTES } from '../store/record.ts';
import { hex, parseHex } from '../wire/bytes.ts';
import { readBytes, readCount, readList, readMap } from '../wire/cbor.ts';
import type { Epoch, Wallet } from '../identity.ts';
import type { HybridTime } from '../store/clock.ts';
import type { Fingerprint, Offer, TimeRange } from '../store/interface.ts';
import type { TravellingRecord } from '../store/record.ts';
import type { Seen, VectorClock } from '../store/version.ts';
import type { CborMap } from '../wire/cbor.ts';

/** A range cut at `bounds`, with the sender's fingerprint of each piece: one more than bounds. */
export interface CutRange extends TimeRange {
  readonly bounds: readonly HybridTime[];
  readonly prints: readonly Fingerprint[];
}

/** A range of which the sender holds exactly these. */
export interface ListedRange extends TimeRange {
  readonly offers: readonly Offer[];
}

export type DigestPart = CutRange | ListedRange;

const WALLET_BYTES = 20;
/** ms u64 ‖ logical u32. */
const BOUND_BYTES = 12;
/** A bound ‖ origin ‖ id. */
const ID_AT = BOUND_BYTES + WALLET_BYTES;
const OFFER_BYTES = ID_AT + RECORD_ID_BYTES;
/** count u32 ‖ print. */
const PRINT_AT = 4;
const PRINT_BYTES = PRINT_AT + 16;
/** wallet ‖ count u64. */
const SEEN_BYTES = WALLET_BYTES + 8;

/** The earliest time of its millisecond and count: what a bound is on the wire, without an origin. */
export function boundAt({ ms, logical }: Pick<HybridTime, 'ms' | 'logical'>): HybridTime {
  return { ms, logical, origin: ZERO_WALLET };
}

export function plainRecord({ header, clock, epoch, isEmpty, sealed }: TravellingRecord): object {
  const seen = joined(clock, SEEN_BYTES, ({ wallet, count }, bytes, view) => {
    bytes.set(hexBytes(wallet));
    view.setBigUint64(WALLET_BYTES, BigInt(count));
  });
  return { header, clock: seen, epoch, empty: isEmpty, sealed };
}

export function readRecords(map: CborMap): TravellingRecord[] {
  return readList(map, 'records', limits.DATA_FRAME_ITEMS_MAX, (item) => {
    const record = readMap(item, ['header', 'clock', 'epoch', 'empty', 'sealed']);
    return {
      header: readBytes(record, 'header', { max: limits.RECORD_HEADER_BYTES_MAX }),
      clock: readClock(record),
      epoch: readEpoch(record, 'epoch'),
      isEmpty: readFlag(record, 'empty'),
      sealed: readBytes(record, 'sealed', { max: limits.VALUE_BYTES_MAX + SEAL_BYTES }),
    };
  });
}

/** What a record takes of a frame, near enough. */
export function recordBytes({ header, clock, sealed }: TravellingRecord): number {
  return header.length + clock.length * SEEN_BYTES + sealed.length;
}

/** By wallet, ascending, each once and with a count above 0: the one form of a clock. */
function readClock(map: CborMap): VectorClock {
  const clock = split(map, 'clock', SEEN_BYTES, limits.OPERATORS_MAX, (bytes, view): Seen => {
    const wallet = readWalletAt(bytes, 0);
    return { wallet, count: safe(view.getBigUint64(WALLET_BYTES)) };
  });
  const isOrdered = clock.every(({ wallet, count }, index) => count > 0 && (index === 0 || wallet > (clock[index - 1] as Seen).wallet));
  if (!isOrdered) throw new Refusal('frame_malformed', 'clock is not in its order');
  return clock;
}

export function offerBytes(offers: readonly Offer[]): Uint8Array {
  return joined(offers, OFFER_BYTES, (offer, bytes, view) => {
    writeBound(offer, view);
    bytes.set(hexBytes(offer.origin), BOUND_BYTES);
    bytes.set(offer.id, ID_AT);
  });
}

export function readOffers(map: CborMap, max: number): Offer[] {
  return split(map, 'offers', OFFER_BYTES, max, (bytes, view) => ({
    ...readBound(view),
    origin: readWalletAt(bytes, BOUND_BYTES),
    id: bytes.slice(ID_AT),
  }));
}

export function idBytes(ids: readonly Uint8Array[]): Uint8Array {
  return joined(ids, RECORD_ID_BYTES, (id, bytes) => bytes.set(id));
}

export function readIds(map: CborMap, name: string, max: number): Uint8Array[] {
  return split(map, name, RECORD_ID_BYTES, max, (bytes) => bytes.slice());
}

export function plainRange({ from, to }: TimeRange): object {
  return { from: from ? boundBytes([from]) : null, to: to ? boundBytes([to]) : null };
}

export function plainPart(part: DigestPart): object {
  if ('offers' in part) return { ...plainRange(part), offers: offerBytes(part.offers) };
  const prints = joined(part.prints, PRINT_BYTES, ({ count, print }, bytes, view) => {
    view.setUint32(0, count);
    bytes.set(print, PRINT_AT);
  });
  return { ...plainRange(part), bounds: boundBytes(part.bounds), prints };
}

export function readPart(item: unknown): DigestPart {
  if (!(item instanceof Map) || !item.has('offers')) return readCut(item);
  const map = readMap(item, ['from', 'to', 'offers']);
  return { ...readEnds(map), offers: readOffers(map, limits.DIGEST_PART_OFFERS_MAX) };
}

/** Bounds ascend within the range. */
export function readCut(item: unknown): CutRange {
  const map = readMap(item, ['from', 'to', 'bounds', 'prints']);
  const { from, to } = readEnds(map);
  const bounds = split(map, 'bounds', BOUND_BYTES, limits.DIGEST_FAN_OUT - 1, (_bytes, view) => readBound(view));
  const prints = split(map, 'prints', PRINT_BYTES, limits.DIGEST_FAN_OUT, (bytes, view) => ({
    count: view.getUint32(0),
    print: bytes.slice(PRINT_AT),
  }));
  const ends = [...(from ? [from] : []), ...bounds, ...(to ? [to] : [])];
  if (prints.length !== bounds.length + 1 || !areAscending(ends)) throw new Refusal('frame_malformed', 'no cut of a range');
  return { from, to, bounds, prints };
}

export function readRange(item: unknown): TimeRange {
  return readEnds(readMap(item, ['from', 'to']));
}

function readEnds(map: CborMap): TimeRange {
  const [from, to] = [readEnd(map, 'from'), readEnd(map, 'to')];
  if (from && to && !areAscending([from, to])) throw new Refusal('frame_malformed', 'a range that ends before it begins');
  return { from, to };
}

function readEnd(map: CborMap, name: string): HybridTime | undefined {
  return orNothing(map, name, () => readBound(viewOf(readBytes(map, name, BOUND_BYTES))));
}

function areAscending(times: readonly HybridTime[]): boolean {
  return times.every((time, index) => index === 0 || compareTimes(times[index - 1] as HybridTime, time) < 0);
}

/** `null` stands for nothing. */
export function orNothing<T>(map: CborMap, name: string, read: (map: CborMap, name: string) => T): T | undefined {
  return map.get(name) === null ? undefined : read(map, name);
}

/** Hex of 16 bytes. */
export function readIncarnation(map: CborMap, name: string): string {
  return hex(readBytes(map, name, INCARNATION_BYTES));
}

export function readEpoch(map: CborMap, name: string): Epoch {
  return parseEpoch(readCount(map, name)) as Epoch;
}

export function readFlag(map: CborMap, name: string): boolean {
  const value = map.get(name);
  if (typeof value !== 'boolean') throw new Refusal('frame_malformed', `${name} is neither true nor false`);
  return value;
}

export function readIndex(value: unknown, length: number): number {
  const isIndex = typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < length;
  if (!isIndex) throw new Refusal('frame_malformed', `no index below ${length}`);
  return value;
}

/** Of a hex text, with or without `0x`. */
export function hexBytes(text: string): Uint8Array {
  return parseHex(text) ?? new Uint8Array(0);
}

function boundBytes(bounds: readonly HybridTime[]): Uint8Array {
  return joined(bounds, BOUND_BYTES, (bound, _bytes, view) => writeBound(bound, view));
}

function writeBound({ ms, logical }: HybridTime, view: DataView): void {
  view.setBigUint64(0, BigInt(ms));
  view.setUint32(8, logical);
}

function readBound(view: DataView): HybridTime {
  return boundAt({ ms: safe(view.getBigUint64(0)), logical: view.getUint32(8) });
}

function readWalletAt(bytes: Uint8Array, at: number): Wallet {
  return parseWallet(hex(bytes.subarray(at, at + WALLET_BYTES))) as Wallet;
}

function safe(value: bigint): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new Refusal('frame_malformed', 'a number above 2^53');
  return Number(value);
}

function joined<T>(items: readonly T[], size: number, write: (item: T, bytes: Uint8Array, view: DataView) => void): Uint8Array {
  const whole = new Uint8Array(items.length * size);
  items.forEach((item, index) => {
    const bytes = whole.subarray(index * size, (index + 1) * size);
    write(item, bytes, viewOf(bytes));
  });
  return whole;
}

function split<T>(map: CborMap, name: string, size: number, max: number, read: (bytes: Uint8Array, view: DataView) => T): T[] {
  const whole = readBytes(map, name, { max: max * size });
  if (whole.length % size !== 0) throw new Refusal('frame_malformed', `${name} is no whole number of entries`);
  return Array.from({ length: whole.length / size }, (_, index) => {
    const bytes = whole.subarray(index * size, (index + 1) * size);
    return read(bytes, viewOf(bytes));
  });
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
