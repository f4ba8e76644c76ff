import { describe, expect, it } from 'vitest';
import { hashOfRecord, NO_RECORD_HASH } from '../../../core/audit/trail.ts';
import { verifyTrail } from '../../../core/audit/verify.ts';
import { AUDIT_BYTES_MAX, AUDIT_RECORDS_MAX } from '../../../core/limits.ts';
import { canonicalJson } from '../../../core/wire/json.ts';
import { auditHeadText } from '../../../core/wire/pop.ts';
import { createClock, epochOf, START_MS } from '../fakes.ts';
import { createTrail } from '../../../core/audit/trail.ts';
import { headOf, node, recordsOf, ROOMY, trailOf } from './trails.ts';
import vectors from '../../vectors/audit.json' with { type: 'json' };
import type { AuditFields } from '../../../core/audit-kinds.ts';
import type { Json } from '../../../core/wire/json.ts';
import type { AuditHead } from '../../../core/wire/pop.ts';

describe('a trail', () => {
  it('has the bytes of the vectors', () => {
    const clock = createClock(0);
    const trail = createTrail(clock, ROOMY);
    for (const { at_ms: atMs, kind, fields, text, hash } of vectors.records) {
      clock.set(atMs - clock.nowMs());
      const record = trail.append(kind as 'boot', fields as unknown as AuditFields['boot']);
      expect([canonicalJson(record as unknown as Json), trail.head().hash]).toEqual([text, hash]);
    }
    expect(auditHeadText(vectors.head as unknown as AuditHead)).toBe(vectors.head.text);
    expect(vectors.head.hash).toBe(trail.head().hash);
  });

  it('begins with nothing, and each record names the one before', () => {
    expect(createTrail(createClock(), ROOMY).head()).toEqual({ seq: 0, hash: NO_RECORD_HASH });
    const records = recordsOf(trailOf(9));
    expect(records.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    const hashes = [NO_RECORD_HASH, ...records.map((record) => hashOfRecord(canonicalJson(record as Json)))];
    expect(records.map(({ prev }) => prev)).toEqual(hashes.slice(0, -1));
    expect(trailOf(9).head().hash).toBe(hashes.at(-1));
  });

  it('says when, by the clock as it went then', () => {
    const clock = createClock();
    const trail = createTrail(clock, ROOMY);
    const at = () => trail.append('data_forgotten', { members: 1 }).at_ms;
    expect(at()).toBe(START_MS);
    clock.set(-5_000);
    expect(at()).toBe(START_MS - 5_000);
  });

  it('cannot be changed by who holds a record of it, or its fields', () => {
    const trail = createTrail(createClock(), ROOMY);
    const fields = { app_id: '9', name: null, epoch: epochOf(0), version: 'v', bytes: 1 };
    const record = trail.append('value_written', fields);
    fields.bytes = 2;
    Object.assign(record, { bytes: 3 });
    expect(recordsOf(trail)).toMatchObject([{ bytes: 1 }]);
    expect(verifyTrail(recordsOf(trail), headOf(trail), { node: node.wallet }).kind).toBe('whole');
  });
});

describe('a trail that is full', () => {
  it.each([
    ['of records', { ...ROOMY, recordsMax: 10 }],
    ['of bytes', { ...ROOMY, bytesMax: 3_500 }],
  ])('%s loses its oldest, and is whole from there', (_what, bounds) => {
    const trail = trailOf(200, bounds);
    const { oldest, records, bytes } = trail.kept();
    expect(records).toBeLessThanOrEqual(bounds.recordsMax);
    expect(bytes).toBeLessThanOrEqual(bounds.bytesMax);
    expect(records).toBeGreaterThan(5);
    expect(oldest).toBe(200 - records + 1);
    expect(verifyTrail(recordsOf(trail), headOf(trail), { node: node.wallet })).toEqual({ kind: 'whole', from: oldest, to: 200 });
  });

  it('counts the bytes of what it keeps', () => {
    const trail = trailOf(500, { ...ROOMY, recordsMax: 33 });
    const texts = recordsOf(trail).map((record) => canonicalJson(record as Json));
    expect(trail.kept().bytes).toBe(texts.join('').length);
  });

  it('keeps its newest, however large', () =>
    expect(trailOf(5, { ...ROOMY, recordsMax: 10, bytesMax: 10 }).kept()).toMatchObject({ oldest: 5, records: 1 }));

  it('holds tens of thousands at its real bounds, in about so many bytes', () => {
    const trail = trailOf(AUDIT_RECORDS_MAX + 10, { ...ROOMY, recordsMax: AUDIT_RECORDS_MAX, bytesMax: AUDIT_BYTES_MAX });
    expect(trail.kept().records).toBe(AUDIT_RECORDS_MAX);
    expect(trail.kept().bytes).toBeLessThanOrEqual(AUDIT_BYTES_MAX);
  });
});

describe('a page', () => {
  const trail = trailOf(50, { ...ROOMY, recordsMax: 40 });
  const seqs = (from: number, recordsMax: number, bytesMax = 1_000_000) => {
    const { records, next } = trail.page(from, { recordsMax, bytesMax });
    return [records[0]?.['seq'], records.at(-1)?.['seq'], next];
  };

  it.each([
    ['from the oldest that is kept', 1, 5, [11, 15, 16]],
    ['from a number', 20, 5, [20, 24, 25]],
    ['up to the head', 46, 5, [46, 50, undefined]],
    ['beyond the head', 51, 5, [undefined, undefined, undefined]],
    ['of one', 50, 1, [50, 50, undefined]],
  ])('goes %s', (_what, from, recordsMax, expected) => expect(seqs(from, recordsMax)).toEqual(expected));

  it('ends where its bytes do, but never before the first record', () => {
    const [, last, next] = seqs(11, 1_000, 1_000);
    expect(last).toBeLessThan(50);
    expect(next).toBe((last as number) + 1);
    expect(seqs(11, 1_000, 1)).toEqual([11, 11, 12]);
  });

  it('after page makes the whole', () => {
    const found: unknown[] = [];
    for (let from: number | undefined = 1; from !== undefined;) {
      const { records, next } = trail.page(from, { recordsMax: 7, bytesMax: 1_000_000 });
      found.push(...records);
      from = next;
    }
    expect(found).toEqual(recordsOf(trail));
  });
});
