/**
 * Comparing two stores range by range (`docs/protocol.md` clause 13.7): fingerprints where they are large, lists where they are small.
 * Both ends cut and compare alike; here is what they share, and the responder's answer. Synchronous, and bounded by the frame.
 */
import * as limits from '../limits.ts';
import { equalBytes, hex } from '../wire/bytes.ts';
import { boundAt, recordBytes } from './fields.ts';
import { compareTimes } from '../store/clock.ts';
import type { HybridTime } from '../store/clock.ts';
import type { Digest, Fingerprint, Store, StoredRecord, TimeRange } from '../store/interface.ts';
import type { TravellingRecord } from '../store/record.ts';
import type { CutRange, ListedRange } from './fields.ts';
import type { DigestAnswer, DigestRequest } from './messages.ts';

export type Compared = Pick<DigestAnswer, 'taken' | 'isWhole' | 'cuts' | 'unlisted' | 'records' | 'wanted'>;

/** The whole store, as one piece. */
export function wholeOf(digest: Digest): CutRange {
  const range = { from: undefined, to: undefined };
  return { ...range, bounds: [], prints: [digest.fingerprint(range)] };
}

/** The range in pieces with about as many records each, and their fingerprints. */
export function cutOf(digest: Digest, { from, to }: TimeRange): CutRange {
  const bounds: HybridTime[] = [];
  for (const time of digest.cuts({ from, to }, limits.DIGEST_FAN_OUT)) {
    const bound = boundAt(time);
    const last = bounds.at(-1) ?? from;
    if (!last || compareTimes(last, bound) < 0) bounds.push(bound);
  }
  const prints = piecesOf({ from, to, bounds }).map((piece) => digest.fingerprint(piece));
  return { from, to, bounds, prints };
}

export function piecesOf({ from, to, bounds }: TimeRange & Pick<CutRange, 'bounds'>): TimeRange[] {
  const ends = [from, ...bounds, to];
  return ends.slice(1).map((end, index) => ({ from: ends[index], to: end }));
}

export interface Difference {
  readonly range: TimeRange;
  readonly ours: Fingerprint;
  readonly theirs: Fingerprint;
}

/** The pieces of a peer's cut that differ from what is held here. */
export function differences(digest: Digest, cut: CutRange): Difference[] {
  return piecesOf(cut).flatMap((range, index) => {
    const [ours, theirs] = [digest.fingerprint(range), cut.prints[index] as Fingerprint];
    return ours.count === theirs.count && equalBytes(ours.print, theirs.print) ? [] : [{ range, ours, theirs }];
  });
}

interface Reply {
  isWhole: boolean;
  readonly cuts: CutRange[];
  readonly unlisted: TimeRange[];
  readonly records: TravellingRecord[];
  readonly wanted: Uint8Array[];
  bytes: number;
}

/** What differs between the requester's parts and this store. Parts that the frame has no room for are not taken: they are asked again. */
export function compare(store: Store, digest: Digest, { parts }: Pick<DigestRequest, 'parts'>): Compared {
  const reply: Reply = { isWhole: true, cuts: [], unlisted: [], records: [], wanted: [], bytes: 0 };
  let taken = 0;
  for (const part of parts) {
    if (isFull(reply)) break;
    if ('offers' in part) compareList(store, digest, part, reply);
    else compareCut(digest, part, reply);
    taken += 1;
  }
  const { isWhole, cuts, unlisted, records, wanted } = reply;
  return { taken, isWhole, cuts, unlisted, records, wanted };
}

function isFull({ cuts, unlisted, records, wanted, bytes }: Reply): boolean {
  const items = cuts.length * limits.DIGEST_FAN_OUT + unlisted.length + records.length + wanted.length;
  // One more part can add as many pieces, each cut again, or the longest list.
  return bytes >= limits.DATA_FRAME_BYTES_MAX || items + limits.DIGEST_PART_OFFERS_MAX > limits.DATA_FRAME_ITEMS_MAX;
}

function compareCut(digest: Digest, part: CutRange, reply: Reply): void {
  for (const { range, theirs } of differences(digest, part)) {
    if (theirs.count <= limits.DIGEST_LISTED_MAX) reply.unlisted.push(range);
    else reply.cuts.push(cutOf(digest, range));
  }
}

function compareList(store: Store, digest: Digest, part: ListedRange, reply: Reply): void {
  const unmatched = new Map(part.offers.map((offer) => [hex(offer.id), offer]));
  const rest = sendUnmatched(store, digest.records(part), unmatched, reply);
  if (rest) reply.unlisted.push({ from: boundAt(rest), to: part.to });
  const end = rest && boundAt(rest);
  for (const offer of unmatched.values()) if ((!end || compareTimes(offer, end) < 0) && !store.has(offer)) reply.wanted.push(offer.id);
}

/** Puts into the reply what is not listed, and strikes out what is. The first record that the frame has no room for, if any. */
function sendUnmatched(
  store: Store,
  records: Iterable<StoredRecord>,
  unmatched: Map<string, unknown>,
  reply: Reply,
): StoredRecord | undefined {
  for (const record of records) {
    if (unmatched.delete(hex(store.offerOf(record).id))) continue;
    const travelling = store.travelling(record);
    if (!travelling) {
      reply.isWhole = false;
      continue;
    }
    const bytes = reply.bytes + recordBytes(travelling);
    const isFirst = reply.records.length === 0;
    if (!isFirst && (bytes > limits.DATA_FRAME_BYTES_MAX || reply.records.length >= limits.DATA_FRAME_ITEMS_MAX)) return record;
    reply.bytes = bytes;
    reply.records.push(travelling);
  }
  return undefined;
}
