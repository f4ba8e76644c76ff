/**
 * The messages of the store's replication (`docs/protocol.md` clause 13.4), CBOR inside frames of the types `delta`, `ack`, `snapshot`
 * and `digest`. Incarnations are those of stores: hex here, 16 bytes there. Every decoder throws `frame_malformed`.
 */
import { Refusal } from '../errors.ts';
import { DATA_FRAME_ITEMS_MAX, DIGEST_PARTS_MAX } from '../limits.ts';
import { decodeCborMap, encodeCbor, readCount, readList, readMap, readText } from '../wire/cbor.ts';
import { areDisjoint } from './ranges.ts';
import {
  hexBytes,
  idBytes,
  offerBytes,
  orNothing,
  plainPart,
  plainRange,
  plainRecord,
  readCut,
  readEpoch,
  readFlag,
  readIds,
  readIncarnation,
  readIndex,
  readOffers,
  readPart,
  readRange,
  readRecords,
} from './fields.ts';
import type { Epoch } from '../identity.ts';
import type { NackReason, Offer, TimeRange } from '../store/interface.ts';
import type { TravellingRecord } from '../store/record.ts';
import type { CborMap } from '../wire/cbor.ts';
import type { CutRange, DigestPart } from './fields.ts';

/** Changes of the sender's store: what it wrote itself whole, what others wrote as offers. */
export interface Delta {
  readonly incarnation: string;
  readonly records: readonly TravellingRecord[];
  readonly offers: readonly Offer[];
}

/** Indexes count the records of the delta, `wanted` its offers. What none of them names is held by the answering node. */
export interface DeltaAnswer {
  readonly incarnation: string;
  readonly isReady: boolean;
  readonly refused: readonly { readonly index: number; readonly reason: NackReason }[];
  readonly superseded: readonly { readonly index: number; readonly version: string }[];
  /** Those that won over the superseded ones, as far as the frame goes. */
  readonly records: readonly TravellingRecord[];
  readonly wanted: readonly number[];
}

/** The sender holds all that the store of incarnation `of` held at that sequence. */
export interface Ack {
  readonly incarnation: string;
  readonly of: string;
  readonly through: number;
}

/** The records with `after` < sequence ≤ `through`; `through` is the responder's to choose when it is left out. */
export interface SnapshotRequest {
  readonly incarnation: string;
  readonly of: string | undefined;
  readonly after: number;
  readonly through: number | undefined;
}

export interface SnapshotPage {
  readonly incarnation: string;
  readonly isReady: boolean;
  /** False when the responder lacks keys for some of the page. */
  readonly isWhole: boolean;
  readonly through: number;
  readonly records: readonly TravellingRecord[];
  /** After which sequence the next page begins; `undefined` at the end. */
  readonly next: number | undefined;
}

export interface DigestRequest {
  readonly incarnation: string;
  readonly epoch: Epoch;
  readonly parts: readonly DigestPart[];
}

export interface DigestAnswer {
  readonly incarnation: string;
  /** `undefined`: no digest can be made now. Unless it is the request's, the rest is empty. */
  readonly epoch: Epoch | undefined;
  readonly isReady: boolean;
  /** Whether the responder knows that the requester holds all that it holds itself, up to the cursor. */
  readonly isBased: boolean;
  readonly sequence: number;
  /** How many parts of the request are answered, from the first. */
  readonly taken: number;
  /** False when the responder lacks keys for some of what it should have sent. */
  readonly isWhole: boolean;
  readonly cuts: readonly CutRange[];
  /** Ranges that the requester should list. */
  readonly unlisted: readonly TimeRange[];
  /** What the requester lacks, and ids of what the responder lacks, in listed ranges. */
  readonly records: readonly TravellingRecord[];
  readonly wanted: readonly Uint8Array[];
}

const NACK_REASONS: readonly NackReason[] = [
  'future_record',
  'unknown_epoch',
  'bad_record',
  'equivocation',
  'quota_exceeded',
  'store_full',
];
const REASON_CHARS_MAX = 16;
const VERSION_CHARS = 22;
const VERSION = /^[A-Za-z0-9_-]{22}$/;

export function encodeDelta({ incarnation, records, offers }: Delta): Uint8Array {
  return encodeCbor({ incarnation: hexBytes(incarnation), records: records.map(plainRecord), offers: offerBytes(offers) });
}

export function decodeDelta(payload: Uint8Array): Delta {
  const map = decodeCborMap(payload, ['incarnation', 'records', 'offers']);
  return { incarnation: readIncarnation(map, 'incarnation'), records: readRecords(map), offers: readOffers(map, DATA_FRAME_ITEMS_MAX) };
}

export function encodeDeltaAnswer({ incarnation, isReady, refused, superseded, records, wanted }: DeltaAnswer): Uint8Array {
  const answer = { incarnation: hexBytes(incarnation), ready: isReady, refused, superseded, wanted };
  return encodeCbor({ ...answer, records: records.map(plainRecord) });
}

/** What a delta of so many records and offers can be answered with. */
export function decodeDeltaAnswer(payload: Uint8Array, { records, offers }: Delta): DeltaAnswer {
  const map = decodeCborMap(payload, ['incarnation', 'ready', 'refused', 'superseded', 'records', 'wanted']);
  return {
    incarnation: readIncarnation(map, 'incarnation'),
    isReady: readFlag(map, 'ready'),
    refused: readList(map, 'refused', records.length, (item) => {
      const entry = readMap(item, ['index', 'reason']);
      return { index: readIndex(entry.get('index'), records.length), reason: readReason(entry) };
    }),
    superseded: readList(map, 'superseded', records.length, (item) => {
      const entry = readMap(item, ['index', 'version']);
      return { index: readIndex(entry.get('index'), records.length), version: readVersion(entry) };
    }),
    records: readRecords(map),
    wanted: readList(map, 'wanted', offers.length, (item) => readIndex(item, offers.length)),
  };
}

export function encodeAck({ incarnation, of, through }: Ack): Uint8Array {
  return encodeCbor({ incarnation: hexBytes(incarnation), of: hexBytes(of), through });
}

export function decodeAck(payload: Uint8Array): Ack {
  const map = decodeCborMap(payload, ['incarnation', 'of', 'through']);
  return { incarnation: readIncarnation(map, 'incarnation'), of: readIncarnation(map, 'of'), through: readCount(map, 'through') };
}

export function encodeAckAnswer(incarnation: string): Uint8Array {
  return encodeCbor({ incarnation: hexBytes(incarnation) });
}

export function decodeAckAnswer(payload: Uint8Array): string {
  return readIncarnation(decodeCborMap(payload, ['incarnation']), 'incarnation');
}

export function encodeSnapshotRequest({ incarnation, of, after, through }: SnapshotRequest): Uint8Array {
  return encodeCbor({ incarnation: hexBytes(incarnation), of: of === undefined ? null : hexBytes(of), after, through: through ?? null });
}

export function decodeSnapshotRequest(payload: Uint8Array): SnapshotRequest {
  const map = decodeCborMap(payload, ['incarnation', 'of', 'after', 'through']);
  return {
    incarnation: readIncarnation(map, 'incarnation'),
    of: orNothing(map, 'of', readIncarnation),
    after: readCount(map, 'after'),
    through: orNothing(map, 'through', readCount),
  };
}

export function encodeSnapshotPage({ incarnation, isReady, isWhole, through, records, next }: SnapshotPage): Uint8Array {
  const page = { incarnation: hexBytes(incarnation), ready: isReady, whole: isWhole, through, records: records.map(plainRecord) };
  return encodeCbor({ ...page, next: next ?? null });
}

export function decodeSnapshotPage(payload: Uint8Array): SnapshotPage {
  const map = decodeCborMap(payload, ['incarnation', 'ready', 'whole', 'through', 'records', 'next']);
  return {
    incarnation: readIncarnation(map, 'incarnation'),
    isReady: readFlag(map, 'ready'),
    isWhole: readFlag(map, 'whole'),
    through: readCount(map, 'through'),
    records: readRecords(map),
    next: orNothing(map, 'next', readCount),
  };
}

export function encodeDigestRequest({ incarnation, epoch, parts }: DigestRequest): Uint8Array {
  return encodeCbor({ incarnation: hexBytes(incarnation), epoch, parts: parts.map(plainPart) });
}

export function decodeDigestRequest(payload: Uint8Array): DigestRequest {
  const map = decodeCborMap(payload, ['incarnation', 'epoch', 'parts']);
  const parts = readList(map, 'parts', DIGEST_PARTS_MAX, readPart);
  if (!areDisjoint(parts)) throw new Refusal('frame_malformed', 'parts that overlap');
  return { incarnation: readIncarnation(map, 'incarnation'), epoch: readEpoch(map, 'epoch'), parts };
}

export function encodeDigestAnswer(answer: DigestAnswer): Uint8Array {
  const { incarnation, epoch, isReady, isBased, sequence, taken, isWhole, cuts, unlisted, records, wanted } = answer;
  return encodeCbor({
    incarnation: hexBytes(incarnation),
    epoch: epoch ?? null,
    ready: isReady,
    based: isBased,
    sequence,
    taken,
    whole: isWhole,
    cuts: cuts.map(plainPart),
    unlisted: unlisted.map(plainRange),
    records: records.map(plainRecord),
    wanted: idBytes(wanted),
  });
}

const ANSWER_MEMBERS = ['incarnation', 'epoch', 'ready', 'based', 'sequence', 'taken', 'whole', 'cuts', 'unlisted', 'records', 'wanted'];

export function decodeDigestAnswer(payload: Uint8Array): DigestAnswer {
  const map = decodeCborMap(payload, ANSWER_MEMBERS);
  return {
    incarnation: readIncarnation(map, 'incarnation'),
    epoch: orNothing(map, 'epoch', readEpoch),
    isReady: readFlag(map, 'ready'),
    isBased: readFlag(map, 'based'),
    sequence: readCount(map, 'sequence'),
    taken: readCount(map, 'taken'),
    isWhole: readFlag(map, 'whole'),
    cuts: readList(map, 'cuts', DATA_FRAME_ITEMS_MAX, readCut),
    unlisted: readList(map, 'unlisted', DATA_FRAME_ITEMS_MAX, readRange),
    records: readRecords(map),
    wanted: readIds(map, 'wanted', DATA_FRAME_ITEMS_MAX),
  };
}

function readReason(map: CborMap): NackReason {
  const text = readText(map, 'reason', REASON_CHARS_MAX);
  const reason = NACK_REASONS.find((known) => known === text);
  if (!reason) throw new Refusal('frame_malformed', 'no reason to refuse a record');
  return reason;
}

function readVersion(map: CborMap): string {
  const version = readText(map, 'version', VERSION_CHARS);
  if (!VERSION.test(version)) throw new Refusal('frame_malformed', 'no version of a record');
  return version;
}
