/** S-M2: whatever is done to a trail after it was recorded is found, and where. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { verifyTrail } from '../../../core/audit/verify.ts';
import { canonicalJson } from '../../../core/wire/json.ts';
import { auditHeadText } from '../../../core/wire/pop.ts';
import { signerNamed } from '../fakes.ts';
import { headOf, node, recordsOf, trailOf } from './trails.ts';
import type { Json, JsonObject } from '../../../core/wire/json.ts';

const COUNT = 12;
const trail = trailOf(COUNT);
const records = recordsOf(trail);
const head = headOf(trail);
const judge = (changed: readonly unknown[], signed: unknown = head) => verifyTrail(changed, signed, { node: node.wallet });
const textOf = (list: readonly unknown[]) => canonicalJson(list as readonly Json[]);

const place = fc.nat({ max: COUNT - 1 });
const edited = (at: number, change: JsonObject) => records.map((record, index) => (index === at ? { ...record, ...change } : record));
const without = (at: number) => records.filter((_record, index) => index !== at);

/** A change, and the record at which it must be found. */
interface Mutation {
  readonly changed: readonly unknown[];
  readonly seq: number;
}

const mutations: Readonly<Record<string, fc.Arbitrary<Mutation>>> = {
  'a member that is another': fc.tuple(place, fc.nat()).map(([at, drawn]) => {
    const names = Object.keys(records[at] ?? {}).filter((name) => name !== 'seq');
    const name = names[drawn % names.length] as string;
    return { changed: edited(at, { [name]: `not ${String(records[at]?.[name])}` }), seq: at + 1 };
  }),
  'a number that is one more': place
    .filter((at) => typeof records[at]?.['at_ms'] === 'number')
    .map((at) => ({ changed: edited(at, { at_ms: (records[at]?.['at_ms'] as number) + 1 }), seq: at + 1 })),
  'a member too many': fc
    .tuple(place, fc.string({ minLength: 1 }))
    .map(([at, name]) => ({ changed: edited(at, { [`x${name}`]: 1 }), seq: at + 1 })),
  'a member too few': place.map((at) => {
    const { kind: _kind, ...rest } = records[at] as JsonObject;
    return { changed: records.map((record, index) => (index === at ? rest : record)), seq: at + 1 };
  }),
  'a record that is none': fc
    .tuple(place, fc.constantFrom<unknown>(null, 7, 'record', [], {}))
    .map(([at, nothing]) => ({ changed: records.map((record, index) => (index === at ? nothing : record)), seq: at + 1 })),
  'two records in each other’s place': fc
    .tuple(place, place)
    .filter(([a, b]) => a !== b)
    .map(([a, b]) => {
      const swapped = records.map((record, index) => records[index === a ? b : index === b ? a : index] ?? record);
      // Where the first is missing, the trail seems to begin later.
      return { changed: swapped, seq: Math.min(a, b) === 0 ? Math.max(a, b) + 2 : Math.min(a, b) + 1 };
    }),
  'a record twice': fc.tuple(place, fc.nat({ max: COUNT })).map(([of, at]) => {
    const changed = [...records.slice(0, at), records[of], ...records.slice(at)];
    // Beside itself it is the second of the two; before all others it is where the trail begins.
    const seq = at === 0 ? of + 2 : at === of ? of + 2 : at + 1;
    return { changed, seq: at === COUNT && of === COUNT - 1 ? COUNT + 1 : seq };
  }),
  'a gap': fc.integer({ min: 1, max: COUNT - 2 }).map((at) => ({ changed: without(at), seq: at + 1 })),
  'a tail that is cut': fc.integer({ min: 1, max: COUNT - 1 }).map((length) => ({ changed: records.slice(0, length), seq: length + 1 })),
  'a chain that was made anew from an edit on': fc.integer({ min: 0, max: COUNT - 1 }).map((at) => {
    const forged = trailOf(at);
    for (let seq = at + 1; seq <= COUNT; seq += 1) forged.append('data_forgotten', { members: seq });
    return { changed: recordsOf(forged), seq: COUNT };
  }),
};

describe('S-M2 a trail', () => {
  it('as it was recorded is whole', () => expect(judge(records)).toEqual({ kind: 'whole', from: 1, to: COUNT }));

  it('is whole however its members are ordered, and as JSON gives it', () => {
    const reordered = records.map((record) => Object.fromEntries(Object.entries(record).reverse()));
    expect(judge(JSON.parse(JSON.stringify(reordered, null, 2)) as unknown[]).kind).toBe('whole');
  });

  it('is whole from any record on', () => {
    for (let from = 1; from <= COUNT; from += 1) expect(judge(records.slice(from - 1))).toEqual({ kind: 'whole', from, to: COUNT });
  });

  it.each(Object.entries(mutations))('with %s is broken there', (name, mutation) => {
    const seed = Date.now() ^ (Math.random() * 0x7fffffff);
    console.info(`audit trail, ${name}: seed ${seed}`);
    fc.assert(
      fc.property(mutation, ({ changed, seq }) => {
        // The trail without the change is whole, so the change is what is found.
        expect(textOf(changed)).not.toBe(textOf(records));
        expect(judge(records).kind).toBe('whole');
        expect(judge(changed)).toMatchObject({ kind: 'broken', seq });
      }),
      { seed, numRuns: 40 },
    );
  });

  it('that was made anew by who has no key is found by its head alone, and would not be without', () => {
    const forged = trailOf(3);
    forged.append('data_forgotten', { members: 9 });
    const unsigned = { ...head, ...forged.head() };
    expect(judge(recordsOf(forged), headOf(forged)).kind).toBe('whole');
    expect(judge(recordsOf(forged), unsigned)).toEqual({ kind: 'broken', fault: 'head_forged', seq: 0 });
  });

  it('names what kind of fault it has', () => {
    const faultOf = (changed: readonly unknown[], signed: unknown = head) => {
      const verdict = judge(changed, signed);
      return verdict.kind === 'broken' ? verdict.fault : verdict.kind;
    };
    expect(faultOf(edited(4, { count: 1 }))).toBe('altered');
    expect(faultOf(without(4))).toBe('gap');
    expect(faultOf([...records.slice(0, 4), records[5], records[4], ...records.slice(6)])).toBe('order');
    expect(faultOf(records.slice(0, -1))).toBe('cut');
    expect(faultOf([])).toBe('cut');
    expect(faultOf(records, headOf(trailOf(COUNT - 1)))).toBe('beyond');
  });

  it('with a record deeper than any is broken there, and ends nobody who looks into it', () => {
    let deep: Json = {};
    for (let level = 0; level < 20_000; level += 1) deep = { deep };
    expect(() => canonicalJson(deep)).toThrow(RangeError);
    expect(judge(edited(4, { deep }))).toEqual({ kind: 'broken', fault: 'altered', seq: 5 });
  });
});

describe('S-M2 a head', () => {
  it.each([
    ['of another node', { node: signerNamed('another').wallet }],
    ['of another boot', { incarnation: 'cd'.repeat(16) }],
    ['with another number', { seq: COUNT - 1 }],
    ['with another hash', { hash: 'ef'.repeat(32) }],
    ['with a number that is none', { seq: '12' }],
    ['with a hash that is none', { hash: `${'ef'.repeat(31)}:1` }],
    ['with an incarnation that is none', { incarnation: 'x' }],
    ['without a signature', { signature: undefined }],
    ['with half a signature', { signature: head.signature.slice(0, 60) }],
  ])('%s is forged', (_what, change) => {
    expect(judge(records, head).kind).toBe('whole');
    expect(judge(records, { ...head, ...change })).toEqual({ kind: 'broken', fault: 'head_forged', seq: 0 });
  });

  it.each([
    ['nothing', null],
    ['a text', 'head'],
    ['a list', [head]],
  ])('that is %s is forged', (_what, signed) => expect(judge(records, signed as unknown).kind).toBe('broken'));

  it('signed by its own node is nothing of the node that was asked', () => {
    const other = signerNamed('another');
    const theirs = headOf(trail, other);
    expect(verifyTrail(records, theirs, { node: other.wallet }).kind).toBe('whole');
    expect(verifyTrail(records, theirs, { node: node.wallet })).toEqual({ kind: 'broken', fault: 'head_forged', seq: 0 });
  });

  it('of something else that this wallet signed is forged', () => {
    const text = auditHeadText(head).replace('NovaKMS:Audit:', 'NovaKMS:Response:');
    expect(judge(records, { ...head, signature: node.signNow(text) }).kind).toBe('broken');
  });
});

describe('S-M2 a trail that goes on', () => {
  const before = { seq: 5, hash: String(records[5]?.['prev']) };
  const after = (changed: readonly unknown[], anchor = before) => verifyTrail(changed, head, { node: node.wallet, after: anchor });

  it('from where it was whole before is whole', () => {
    expect(after(records.slice(5))).toEqual({ kind: 'whole', from: 6, to: COUNT });
    expect(after([], { seq: COUNT, hash: head.hash })).toMatchObject({ kind: 'whole' });
  });

  it('from another past than the one that was seen is broken', () => {
    const forked = { ...before, hash: 'ef'.repeat(32) };
    expect(judge(records.slice(5)).kind).toBe('whole');
    expect(after(records.slice(5), forked)).toEqual({ kind: 'broken', fault: 'altered', seq: 5 });
    expect(after([], { seq: COUNT, hash: 'ef'.repeat(32) })).toMatchObject({ fault: 'altered', seq: COUNT });
  });

  it('with records missing between, or an older head, is broken', () => {
    expect(after(records.slice(7))).toEqual({ kind: 'broken', fault: 'gap', seq: 6 });
    expect(after([], { seq: COUNT + 3, hash: head.hash })).toMatchObject({ kind: 'broken', fault: 'beyond' });
  });
});
