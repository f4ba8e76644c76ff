/**
 * Whether records are the trail whose head a node signed (`docs/protocol.md` clause 14.3). Pure, and for whoever keeps trails: records and
 * head are attacker-controlled until it says `whole`. Each record is proven by the one after it and the last by the head, so it goes
 * backwards, and what it names as altered is the newest that is; nothing is known of those before.
 */
import { isMilestone } from '../audit-kinds.ts';
import { parseSignature, recoverWallet } from '../crypto/wallet.ts';
import { parseWallet } from '../identity.ts';
import { canonicalJson, isJsonObject } from '../wire/json.ts';
import { auditHeadText } from '../wire/pop.ts';
import { hashOfRecord } from './trail.ts';
import type { Json, JsonObject } from '../wire/json.ts';
import type { AuditHead } from '../wire/pop.ts';

/** What a trail is held against, from elsewhere than the trail. */
export interface Expected {
  /** Whose trail it is, by the registry. */
  readonly node: string;
  /** The head up to which it was found whole before: what follows must follow from there. */
  readonly after?: { readonly seq: number; readonly hash: string };
}

export type TrailFault =
  /** The head is not signed by that node. */
  | 'head_forged'
  /** No record has that number. */
  | 'gap'
  /** Another record stands in that place: out of order, or twice. */
  | 'order'
  /** The record with that number is not the one that was recorded. */
  | 'altered'
  /** The trail ends before its head, at that number. */
  | 'cut'
  /** The head is older than that record. */
  | 'beyond';

export type TrailVerdict =
  | { readonly kind: 'whole'; readonly from: number; readonly to: number }
  | { readonly kind: 'broken'; readonly fault: TrailFault; readonly seq: number };

const HASH = /^[0-9a-f]{64}$/;
const INCARNATION = /^[0-9a-f]{32}$/;

/** `records` in their order, as parsed from JSON; `head` likewise. */
export function verifyTrail(records: readonly unknown[], head: unknown, { node, after }: Expected): TrailVerdict {
  const signed = signedHead(head, node);
  if (!signed) return broken('head_forged', 0);
  const first = after ? after.seq + 1 : (seqOf(records[0]) ?? 1);
  return (
    misplaced(records, first, signed.seq) ?? altered(records, first, signed, after?.hash) ?? { kind: 'whole', from: first, to: signed.seq }
  );
}

/**
 * Whether `milestones` are all that there were, from the first of them on: `records` are the end of the trail that leads to `head`, the
 * newest at least, which names the last of them. `after` is the newest milestone that was seen before.
 */
export function verifyMilestones(
  milestones: readonly unknown[],
  records: readonly unknown[],
  head: unknown,
  { node, after }: Expected,
): TrailVerdict {
  const end = verifyTrail(records, head, { node });
  if (end.kind === 'broken') return end;
  const newest = records.at(-1) as JsonObject;
  let proven: unknown = isMilestone(newest['kind']) ? (head as JsonObject)['hash'] : newest['mark'];
  let from = end.to + 1;
  for (const record of milestones.toReversed()) {
    if (!isFlat(record) || hashOfRecord(canonicalJson(record)) !== proven) return broken('altered', seqOf(record) ?? from - 1);
    proven = record['mark'];
    from = seqOf(record) ?? from;
  }
  return after === undefined || proven === after.hash ? { kind: 'whole', from, to: end.to } : broken('gap', after.seq + 1);
}

/** The head, when that node's wallet signed it. */
function signedHead(head: unknown, expected: string): AuditHead | undefined {
  if (!isJsonObject(head)) return undefined;
  const { node, incarnation, seq, hash, signature } = head;
  const texts = [node, incarnation, hash, signature].every((text) => typeof text === 'string');
  if (!texts || typeof seq !== 'number' || !Number.isSafeInteger(seq) || seq < 1) return undefined;
  if (!HASH.test(hash as string) || !INCARNATION.test(incarnation as string)) return undefined;
  const wallet = parseWallet(expected);
  const bytes = parseSignature(signature as string);
  if (!wallet || !bytes || node !== wallet) return undefined;
  const signed = { node: wallet, incarnation: incarnation as string, seq, hash: hash as string };
  return recoverWallet(auditHeadText(signed), bytes) === wallet ? signed : undefined;
}

/** Numbers first: what is missing, and what stands where it does not belong. */
function misplaced(records: readonly unknown[], first: number, last: number): TrailVerdict | undefined {
  const numbers = new Set(records.map(seqOf));
  for (const [index, record] of records.entries()) {
    const due = first + index;
    if (seqOf(record) === due) continue;
    return broken(numbers.has(due) || (seqOf(record) ?? 0) < due ? 'order' : 'gap', due);
  }
  const end = first + records.length - 1;
  if (end < last) return broken('cut', end + 1);
  return end > last ? broken('beyond', last + 1) : undefined;
}

function altered(records: readonly unknown[], first: number, head: AuditHead, before: string | undefined): TrailVerdict | undefined {
  let proven: unknown = head.hash;
  for (const [index, record] of [...records.entries()].reverse()) {
    if (!isFlat(record) || hashOfRecord(canonicalJson(record)) !== proven) return broken('altered', first + index);
    proven = record['prev'];
  }
  return before === undefined || proven === before ? undefined : broken('altered', first - 1);
}

/** As records are. What is deep could end whoever looks into it. */
function isFlat(record: unknown): record is { readonly [name: string]: Json } {
  return isJsonObject(record) && Object.values(record).every((value) => value === null || typeof value !== 'object');
}

function seqOf(record: unknown): number | undefined {
  const seq = isJsonObject(record) ? record['seq'] : undefined;
  return typeof seq === 'number' ? seq : undefined;
}

function broken(fault: TrailFault, seq: number): TrailVerdict {
  return { kind: 'broken', fault, seq };
}
