/**
 * The audit trail of one boot (`docs/protocol.md` clause 14.1): records that are appended and never changed, each naming the hash of the
 * one before it. Bounded in memory: the oldest leave, and what is kept is a chain from its oldest `prev` to the head. It proves nothing by
 * itself; a signature of the head does.
 */
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

export interface Trail {
  append<Kind extends AuditKind>(kind: Kind, fields: AuditFields[Kind]): AuditRecord;
  head(): TrailHead;
  /** From that number on, or from the oldest kept; at least one record, if there is one, whatever its bytes. */
  page(from: number, bounds: TrailBounds): TrailPage;
  kept(): { readonly oldest: number; readonly records: number; readonly bytes: number };
}

/** Hex of the SHA-256 of a record's canonical JSON (clause 14.1). */
export function hashOfRecord(text: string): string {
  return hex(digestOf(utf8(text)));
}

export function createTrail(clock: Clock, { recordsMax, bytesMax }: TrailBounds): Trail {
  /** The texts that were hashed: what goes out later is what was recorded. */
  const texts = new Map<number, string>();
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

  return {
    append(kind, fields) {
      const record = { ...fields, seq: head.seq + 1, at_ms: clock.nowMs(), prev: head.hash, kind } as unknown as AuditRecord;
      const text = canonicalJson(record as unknown as Json);
      head = { seq: record.seq, hash: hashOfRecord(text) };
      keep(record.seq, text);
      return record;
    },
    head: () => head,
    page(from, most) {
      const records: JsonObject[] = [];
      let seq = Math.max(from, oldest);
      for (let bytesLeft = most.bytesMax; seq <= head.seq && records.length < most.recordsMax; seq += 1) {
        const text = texts.get(seq) ?? '';
        bytesLeft -= text.length;
        if (bytesLeft < 0 && records.length > 0) break;
        records.push(parseJsonObject(text) ?? {});
      }
      return { records, next: seq <= head.seq ? seq : undefined };
    },
    kept: () => ({ oldest, records: texts.size, bytes }),
  };
}
