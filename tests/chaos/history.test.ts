/** Each check of a chaos run, given a history that is well and the same with one thing wrong. */
import { describe, expect, it } from 'vitest';
import { drawing, FAULTS, losesMemory, rounds } from './faults.ts';
import { judge } from './history.ts';
import type { Fault } from './faults.ts';
import type { CaOp, DeriveOp, History, Op, ReadOp, Seen, WriteOp } from './history.ts';

const NODES = ['node-1', 'node-2', 'node-3'];
const END_MS = 90_000;
const at = (startMs: number) => ({ startMs, endMs: startMs + 10, boot: 0 });

function put(id: string, key: string, startMs: number, changes: Partial<WriteOp> = {}): WriteOp {
  const told = {
    version: `v-${id}`,
    updatedAtMs: startMs,
    expiresAtMs: null,
    replicas: 2,
    isReplicated: true,
    outcome: 'acknowledged',
  } as const;
  const asked = { id, app: 'app-1', key, kind: 'put', node: 'node-1', isConditional: false, ttlMs: undefined } as const;
  return { ...at(startMs), ...asked, ...told, ...changes };
}

function seen({ id, version = '', updatedAtMs = 0, expiresAtMs = null }: WriteOp): Seen {
  return { id, version, updatedAtMs, expiresAtMs };
}

function read(key: string, startMs: number, of: WriteOp | undefined, changes: Partial<ReadOp> = {}): ReadOp {
  const place = { kind: 'get', outcome: 'answered', node: 'node-1', app: 'app-1', key } as const;
  return { ...at(startMs), ...place, found: of && seen(of), clockMinMs: startMs, clockMaxMs: startMs + 10, ...changes };
}

/** The first node has lost its memory by then. */
const everywhere = (key: string, of: WriteOp | undefined): ReadOp[] =>
  NODES.map((node) => read(key, END_MS, of, { node, boot: node === 'node-1' ? 1 : 0 }));
const derived = (changes: Partial<DeriveOp> = {}): DeriveOp => ({
  ...{ ...at(40), kind: 'derive', outcome: 'answered', node: 'node-1', app: 'app-1', path: 'path/1', epoch: 0, secret: 'aa'.repeat(32) },
  ...changes,
});
const ca = (changes: Partial<CaOp> = {}): CaOp => ({
  ...{ ...at(50), kind: 'ca', outcome: 'answered', node: 'node-1', digest: 'ca' },
  ...changes,
});

const kept = put('w1', 'kept', 1_000);
const first = put('w2', 'gone', 2_000);
const gone = put('w3', 'gone', 3_000, { kind: 'delete', node: 'node-2' });
const short = put('w4', 'short', 4_000, { ttlMs: 500, expiresAtMs: 4_500 });
const old = put('w5', 'twice', 5_000);
const young = put('w6', 'twice', 6_000, { node: 'node-3' });
const foreign = put('w7', 'kept', 7_000, { app: 'app-2' });

const WELL: History = {
  nodes: NODES,
  ops: [
    ...[kept, first, gone, short, old, young, foreign],
    read('kept', 1_100, kept),
    read('short', 4_100, short),
    read('short', 4_600, undefined),
    // The other node has not heard of the later write yet.
    read('twice', 6_100, old, { node: 'node-2' }),
    read('twice', 6_200, young, { node: 'node-2' }),
    ...NODES.map((node) => derived({ node })),
    derived({ app: 'app-2', secret: 'bb'.repeat(32) }),
    ...NODES.map((node) => ca({ node })),
  ],
  losses: [{ node: 'node-1', atMs: 10_000 }],
  settledAtMs: [20_000],
  recoveries: [{ healedAtMs: 15_000, tookMs: 5_000, limitMs: 60_000 }],
  final: [...everywhere('kept', kept), ...everywhere('gone', undefined), ...everywhere('short', undefined), ...everywhere('twice', young)],
};

const plus = (...ops: readonly Op[]): History => ({ ...WELL, ops: [...WELL.ops, ...ops] });
const finally_ = (key: string, of: WriteOp | undefined, ...ops: readonly Op[]): History => ({
  ...plus(...ops),
  final: [...WELL.final.filter((each) => each.key !== key), ...everywhere(key, of)],
});
const idsOf = (history: History): string[] => [...new Set(judge(history).map(({ id }) => id))];

const WRONG: readonly (readonly [id: string, what: string, history: History])[] = [
  [
    'I1',
    'a node that has another version',
    { ...WELL, final: [...WELL.final.slice(1), read('kept', END_MS, put('w1', 'kept', 1_001, { version: 'v-other' }))] },
  ],
  ['I1', 'a node that was not read', { ...WELL, final: WELL.final.slice(1) }],
  ['I2', 'a value that two nodes acknowledged and none has', finally_('kept', undefined)],
  ['I2', 'an older value in its place', finally_('twice', old)],
  ['I2', 'a value that went with one of its two holders', { ...finally_('kept', undefined), settledAtMs: [] }],
  ['I3/I6', 'a deleted value that is there', finally_('gone', first)],
  ['I4', 'a node that does not show what it acknowledged', plus(put('w9', 'mine', 8_000), read('mine', 8_100, undefined))],
  ['I4', 'a value that ended early by no clock', plus(read('short', 4_200, undefined))],
  ['I5', 'a node that shows less than before', plus(read('twice', 6_300, old, { node: 'node-2' }))],
  ['I5', 'an expired value that comes back', plus(read('short', 4_700, short, { clockMinMs: 4_400 }))],
  ['I7', 'a value after its end', plus(read('short', 4_501, short))],
  ['I15', 'two epochs for one path', plus(derived({ node: 'node-2', epoch: 1 }))],
  ['I18', 'the value of another app', plus(read('kept', 8_000, foreign, { node: 'node-2' }))],
  ['I18', 'a value that nobody wrote', plus(read('new', 8_000, put('w99', 'new', 7_000), { node: 'node-2' }))],
  ['I18', 'one key for two apps', plus(derived({ app: 'app-2', path: 'path/2' }))],
  ['I19', 'two trust bundles', plus(ca({ node: 'node-2', digest: 'cb' }))],
  ['I21', 'a cluster that does not come back', { ...WELL, recoveries: [{ healedAtMs: 15_000, tookMs: undefined, limitMs: 60_000 }] }],
];

const unknown = (changes: Partial<WriteOp>): WriteOp => {
  const {
    version: _version,
    updatedAtMs: _updatedAtMs,
    expiresAtMs: _expiresAtMs,
    replicas: _replicas,
    ...asked
  } = put('w8', 'kept', 8_000);
  return { ...asked, outcome: 'unknown', ...changes };
};

const EXCUSED: readonly (readonly [what: string, history: History])[] = [
  ['a history that is well', WELL],
  [
    'a write on one node that is lost with it',
    finally_('alone', undefined, put('w9', 'alone', 9_000, { replicas: 1, isReplicated: false })),
  ],
  [
    'a write on two nodes that both lost their memory',
    { ...finally_('kept', undefined), losses: [9_000, 10_000].map((atMs) => ({ node: 'node-1', atMs })) },
  ],
  ['a delete of which nobody knows whether it was done', finally_('kept', undefined, unknown({ kind: 'delete' }))],
  ['a put of which nobody knows', finally_('kept', put('w8', 'kept', 8_100), unknown({}))],
  ['a node that lost its memory and shows less', plus(read('twice', 6_300, undefined, { node: 'node-2', boot: 1 }))],
  ['a value that ended early, by a clock that was ahead', plus(read('short', 4_200, undefined, { clockMaxMs: 44_000 }))],
  ['a value that is read before the end by the node’s own clock', plus(read('short', 4_550, short, { node: 'node-2', clockMinMs: 4_400 }))],
];

describe('a history', () => {
  it.each(WRONG)('is told to violate %s by %s', (id, _what, history) => expect(idsOf(history)).toContain(id));
  it('is told to violate I23 and I15 by two secrets of one epoch', () =>
    expect(idsOf(plus(derived({ node: 'node-2', secret: 'cc'.repeat(32) })))).toEqual(['I23', 'I15']));
  it.each(EXCUSED)('passes with %s', (_what, history) => expect(judge(history)).toEqual([]));
});

describe('a schedule', () => {
  const first50 = (seed: number, nodes: number): (readonly Fault[])[] => {
    const drawn = rounds(drawing(seed), nodes, FAULTS);
    return Array.from({ length: 50 }, () => drawn.next().value);
  };
  it('is the same for the same seed, and another for another', () => {
    expect(first50(1, 3)).toEqual(first50(1, 3));
    expect(first50(1, 3)).not.toEqual(first50(2, 3));
  });
  it.each([3, 5, 9])('of %d nodes takes the memory of one at a time, and no two faults strike the same', (nodes) => {
    for (const round of first50(3, nodes)) {
      expect(round.filter(({ kind }) => losesMemory(kind)).length).toBeLessThanOrEqual(1);
      expect(new Set(round.map(({ node }) => node)).size).toBe(round.length);
    }
  });
  it('has every kind in its first rounds', () => {
    for (let seed = 0; seed < 200; seed += 1)
      expect(
        new Set(
          first50(seed, 3)
            .slice(0, 6)
            .flatMap((round) => round.map(({ kind }) => kind)),
        ).size,
      ).toBe(FAULTS.length);
  });
});
