/**
 * The audit trail of one boot (`docs/protocol.md` clause 14.1): records that are appended and never changed, each naming the hash of the
 * one before it, and that of the milestone before it. Bounded in memory: the oldest leave, and what is kept is a chain from its oldest
 * `prev` to the head. Milestones stay longer, a chain by `mark`: what apps write pushes none of them out. It proves nothing by itself; a
 * signature of the head does.
 */
import { isMilestone } from '../audit-kinds.ts';
import { digestOf } from '../crypto/digest.ts';
import { hex, utf8 } from '../wire/bytes.ts';
import { canonicalJson, parseJsonObject } from '../wire/json.ts';
import type { AuditFields, AuditKind, AuditRecord } from '../audit-kinds.ts';
import type { Clock } from '../ports.ts';
import type { Json, JsonObject } from '../wire/json.ts';

/** What the first record of a boot names. */
export const NO_RECORD_HASH = '0'.repeat(64);

export interface TrailHead {
  /** 0: nothing was recorded. */
  readonly seq: number;
  readonly hash: string;
}

export interface TrailPage {
  readonly records: readonly JsonObject[];
  /** Where the next page begins; `undefined` at the head. */
  readonly next: number | undefined;
}

export interface TrailBounds {
  readonly recordsMax: number;
  readonly bytesMax: number;
}

export interface TrailRoom extends TrailBounds {
  readonly milestonesMax: number;
}

export interface Trail {
  append<Kind extends AuditKind>(kind: Kind, fields: AuditFields[Kind]): AuditRecord;
  head(): TrailHead;
  /** From that number on, or from the oldest kept; at least one record, if there is one, whatever its bytes. */
  page(from: number, bounds: TrailBounds): TrailPage;
  /** The milestones among all that was recorded, likewise. */
  milestones(from: number, bounds: TrailBounds): TrailPage;
  kept(): { readonly oldest: number; readonly records: number; readonly bytes: number };
}

/** Hex of the SHA-256 of a record's canonical JSON (clause 14.1). */
export function hashOfRecord(text: string): string {
  return hex(digestOf(utf8(text)));
}

export function createTrail(clock: Clock, { recordsMax, bytesMax, milestonesMax }: TrailRoom): Trail {
  /** The texts that were hashed: what goes out later is what was recorded. */
  const texts = new Map<number, string>();
  /** The same texts, which stay when they have left there. */
  const milestones = new Map<number, string>();
  let mark = NO_RECORD_HASH;
  let oldest = 1;
  let bytes = 0;
  let head: TrailHead = { seq: 0, hash: NO_RECORD_HASH };

  /** Texts are ASCII: their length is their bytes. */
  function keep(seq: number, text: string): void {
    texts.set(seq, text);
    bytes += text.length;
    while (texts.size > recordsMax || (bytes > bytesMax && texts.size > 1)) {
      bytes -= texts.get(oldest)?.length ?? 0;
      texts.delete(oldest);
      oldest += 1;
    }
  }

  function keepMilestone(seq: number, text: string): void {
    milestones.set(seq, text);
    for (const first of milestones.keys()) {
      if (milestones.size <= milestonesMax) return;
      milestones.delete(first);
    }
  }

  return {
    append(kind, fields) {
      const record = { ...fields, seq: head.seq + 1, at_ms: clock.nowMs(), prev: head.hash, mark, kind } as unknown as AuditRecord;
      const text = canonicalJson(record as unknown as Json);
      head = { seq: record.seq, hash: hashOfRecord(text) };
      keep(record.seq, text);
      if (isMilestone(kind)) {
        mark = head.hash;
        keepMilestone(record.seq, text);
      }
      return record;
    },
    head: () => head,
    page(from, bounds) {
      const first = Math.max(from, oldest);
      const kept = function* (): Generator<readonly [number, string]> {
        for (let seq = first; seq <= head.seq; seq += 1) yield [seq, texts.get(seq) ?? ''];
      };
      return pageOf(kept(), bounds);
    },
    milestones: (from, bounds) =>
      pageOf(
        [...milestones].filter(([seq]) => seq >= from),
        bounds,
      ),
    kept: () => ({ oldest, records: texts.size, bytes }),
  };
}

function pageOf(kept: Iterable<readonly [number, string]>, { recordsMax, bytesMax }: TrailBounds): TrailPage {
  const records: JsonObject[] = [];
  let bytesLeft = bytesMax;
  for (const [seq, text] of kept) {
    bytesLeft -= text.length;
    if (records.length >= recordsMax || (bytesLeft < 0 && records.length > 0)) return { records, next: seq };
    records.push(parseJsonObject(text) ?? {});
  }
  return { records, next: undefined };
}
