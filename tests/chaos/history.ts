/**
 * What a chaos run saw from outside, and what must be true of it, under the names that the invariants have everywhere. Pure: no clock, no
 * network, no nodes. A write of which nothing is known may have been done at any time after its start, so it excuses what it could explain.
 */
import type { Write } from '../cluster/data-ledger.ts';

/** Times are of the run's own clock. `boot` counts the memories of a node; undefined when the node lost its memory meanwhile. */
interface Span {
  readonly startMs: number;
  readonly endMs: number;
  readonly boot: number | undefined;
}

export type WriteOp = Write & Span;

export interface Seen {
  /** Of the write whose value it is. */
  readonly id: string;
  readonly version: string;
  readonly updatedAtMs: number;
  readonly expiresAtMs: number | null;
}

export interface ReadOp extends Span {
  readonly kind: 'get';
  readonly outcome: 'answered' | 'failed';
  readonly node: string;
  readonly app: string;
  readonly key: string;
  readonly found: Seen | undefined;
  /** By the node's own clock it was so late at least. */
  readonly clockMinMs: number;
  /** The furthest that the clock of any node had been: one that is ahead lets a value end for all. */
  readonly clockMaxMs: number;
}

export interface DeriveOp extends Span {
  readonly kind: 'derive';
  readonly outcome: 'answered' | 'failed';
  readonly node: string;
  readonly app: string;
  readonly path: string;
  readonly epoch: number;
  /** As hex. */
  readonly secret: string;
}

export interface CaOp extends Span {
  readonly kind: 'ca';
  readonly outcome: 'answered' | 'failed';
  readonly node: string;
  /** SHA-256 of what came. */
  readonly digest: string;
}

export type Op = WriteOp | ReadOp | DeriveOp | CaOp;

export interface History {
  readonly nodes: readonly string[];
  readonly ops: readonly Op[];
  /** A node's memory was lost. */
  readonly losses: readonly { readonly node: string; readonly atMs: number }[];
  /** What any node held at such a time, every node held soon after, before the next loss. */
  readonly settledAtMs: readonly number[];
  /** After each healing, until all served and nothing was owed to anybody; undefined when that took longer than the limit. */
  readonly recoveries: readonly { readonly healedAtMs: number; readonly tookMs: number | undefined; readonly limitMs: number }[];
  /** Every key at every node, after the last healing. */
  readonly final: readonly ReadOp[];
}

export interface Violation {
  readonly id: string;
  readonly text: string;
}

/** All of them, in the order of the checks. */
export function judge(history: History): Violation[] {
  const checks = [unequal, lost, unread, expired, disagreeing, mixed, authorities, unrecovered];
  return checks.flatMap((check) => check(history));
}

const isWrite = (op: Op): op is WriteOp => op.kind === 'put' || op.kind === 'delete';
const isRead = (op: Op): op is ReadOp => op.kind === 'get' && op.outcome === 'answered';
const placeOf = ({ app, key }: WriteOp | ReadOp): string => `${app} ${key}`;
const lifeOf = (op: WriteOp | ReadOp): string => `${op.node} ${op.boot} ${placeOf(op)}`;
const timeOf = ({ updatedAtMs = Infinity }: { readonly updatedAtMs?: number }): number => updatedAtMs;
const isAcknowledged = ({ outcome }: WriteOp): boolean => outcome === 'acknowledged';
const shown = ({ found }: ReadOp): string => (found ? `${found.id} of ${found.updatedAtMs}` : 'nothing');
const readsOf = ({ ops, final }: History): readonly ReadOp[] => [...ops.filter(isRead), ...final];

function latest<Timed extends { readonly updatedAtMs?: number }>(all: readonly Timed[]): Timed | undefined {
  return all.reduce<Timed | undefined>((best, each) => (best && timeOf(best) >= timeOf(each) ? best : each), undefined);
}

/** I1: after the healing every node has the same version of every key. */
function unequal({ nodes, final }: History): Violation[] {
  return [...Map.groupBy(final, placeOf)].flatMap(([place, reads]) => {
    const versions = nodes
      .map((node) => reads.find((read) => read.node === node))
      .map((read) => read && (read.found?.version ?? 'nothing'));
    const isEqual = versions.every((version) => version !== undefined && version === versions[0]);
    return isEqual
      ? []
      : [{ id: 'I1', text: `${place}: ${nodes.map((node, at) => `${node} has ${versions[at] ?? 'no answer'}`).join(', ')}` }];
  });
}

/** As many nodes had it as it says, and not all of them lost their memory before everybody had it. */
function isSafe(write: WriteOp, { losses, settledAtMs }: History): boolean {
  const { replicas = 0, startMs, endMs } = write;
  const everywhereMs = Math.min(...settledAtMs.filter((atMs) => atMs >= endMs));
  const lostBefore = losses.filter(({ atMs }) => atMs >= startMs && atMs <= everywhereMs).length;
  return isAcknowledged(write) && replicas >= 2 && lostBefore < replicas;
}

/** Its effect may be that nothing is there, at a time that is not before that of what ought to be. */
function explainsNothing(write: WriteOp, read: ReadOp, sinceMs: number): boolean {
  const { kind, ttlMs, expiresAtMs, outcome, startMs } = write;
  const leavesNothing = kind === 'delete' || (ttlMs !== undefined && (expiresAtMs ?? 0) <= read.clockMaxMs);
  return leavesNothing && outcome !== 'refused' && startMs <= read.endMs && timeOf(write) >= sinceMs;
}

/** Whether a node that had something of this time may answer so. */
function isBehind(read: ReadOp, sinceMs: number, writes: readonly WriteOp[]): boolean {
  if (read.found) return read.found.updatedAtMs < sinceMs;
  return !writes.some((write) => explainsNothing(write, read, sinceMs));
}

/** I2: what two nodes or more acknowledged is there, or something later is. I3, I6: what was deleted at last stays away. */
function lost(history: History): Violation[] {
  const byPlace = Map.groupBy(history.ops.filter(isWrite), placeOf);
  return history.final.flatMap((read) => {
    const writes = byPlace.get(placeOf(read)) ?? [];
    const safe = latest(writes.filter((write) => isSafe(write, history)));
    if (!safe || !isBehind(read, timeOf(safe), writes)) return [];
    const id = safe.kind === 'delete' ? 'I3/I6' : 'I2';
    return [{ id, text: `${placeOf(read)} at ${read.node}: ${shown(read)} after ${safe.kind} ${safe.id} of ${safe.updatedAtMs}` }];
  });
}

/** I4: a node shows what it acknowledged itself, as long as it lives. I5: and never less than it showed before. */
function unread(history: History): Violation[] {
  const writesAt = Map.groupBy(history.ops.filter(isWrite), placeOf);
  const own = Map.groupBy(history.ops.filter(isWrite).filter(isAcknowledged), lifeOf);
  const reads = readsOf(history).filter(({ boot }) => boot !== undefined);
  return [...Map.groupBy(reads, lifeOf)].flatMap(([life, all]) =>
    all.flatMap((read) => {
      const writes = writesAt.get(placeOf(read)) ?? [];
      const written = latest((own.get(life) ?? []).filter(({ endMs }) => endMs <= read.startMs));
      const before = all.filter(({ endMs }) => endMs <= read.startMs);
      const seen = latest(before.flatMap(({ found }) => found ?? []));
      const text = `${life}: ${shown(read)}`;
      return [
        ...(written && isBehind(read, timeOf(written), writes)
          ? [{ id: 'I4', text: `${text} after ${written.id} was acknowledged there` }]
          : []),
        ...(seen && isBehind(read, seen.updatedAtMs, writes) ? [{ id: 'I5', text: `${text} after ${seen.id} was read there` }] : []),
        ...(cameBack(read, before) ? [{ id: 'I5', text: `${text}, which was seen there, and then was not` }] : []),
      ];
    }),
  );
}

function cameBack({ found }: ReadOp, before: readonly ReadOp[]): boolean {
  const first = before.find((read) => found && read.found?.version === found.version);
  return first !== undefined && before.some((read) => !read.found && read.startMs >= first.endMs);
}

/** I7: no value is read when its end has passed by the clock of the node that answers. */
function expired(history: History): Violation[] {
  return readsOf(history)
    .filter(({ found, clockMinMs }) => typeof found?.expiresAtMs === 'number' && found.expiresAtMs <= clockMinMs)
    .map((read) => ({
      id: 'I7',
      text: `${placeOf(read)} at ${read.node}: ${shown(read)} is read ${read.clockMinMs - (read.found?.expiresAtMs ?? 0)} ms after its end`,
    }));
}

/** I23: an epoch has one secret on all nodes. I15: an app's path has one key. I18: of each app its own. */
function disagreeing({ ops }: History): Violation[] {
  const derived = ops.filter((op): op is DeriveOp => op.kind === 'derive' && op.outcome === 'answered');
  const several = (id: string, sort: string, placeOf: (op: DeriveOp) => string, valueOf: (op: DeriveOp) => string): Violation[] =>
    [...Map.groupBy(derived, placeOf)].flatMap(([place, all]) => {
      const byValue = Map.groupBy(all, valueOf);
      const who = [...byValue.values()].map(([op]) => `${op?.node} at ${op?.startMs}`).join(', ');
      return byValue.size > 1 ? [{ id, text: `${place}: ${byValue.size} ${sort}, first from ${who}` }] : [];
    });
  return [
    ...several(
      'I23',
      'keys',
      ({ app, path, epoch }) => `${app} ${path} epoch ${epoch}`,
      ({ secret }) => secret,
    ),
    ...several(
      'I15',
      'keys',
      ({ app, path }) => `${app} ${path}`,
      ({ secret, epoch }) => `${epoch} ${secret}`,
    ),
    ...several(
      'I18',
      'owners of one key',
      ({ secret }) => secret.slice(0, 8),
      ({ app, path }) => `${app} ${path}`,
    ),
  ];
}

/** I18: an app reads under a key what it wrote there itself. */
function mixed(history: History): Violation[] {
  const writes = new Map(history.ops.filter(isWrite).map((write) => [write.id, write]));
  return readsOf(history).flatMap((read) => {
    const write = writes.get(read.found?.id ?? '');
    if (!read.found || (write && placeOf(write) === placeOf(read))) return [];
    return [
      { id: 'I18', text: `${placeOf(read)} at ${read.node}: ${shown(read)}, which ${write ? `is of ${placeOf(write)}` : 'nobody wrote'}` },
    ];
  });
}

/** I19: all nodes serve the same bytes. */
function authorities({ ops }: History): Violation[] {
  const served = Map.groupBy(
    ops.filter((op): op is CaOp => op.kind === 'ca' && op.outcome === 'answered'),
    ({ digest }) => digest,
  );
  const who = [...served].map(([digest, [op]]) => `${op?.node} ${digest.slice(0, 16)}`).join(', ');
  return served.size > 1 ? [{ id: 'I19', text: `${served.size} trust bundles: ${who}` }] : [];
}

/** I21: soon after a healing all serve, and nobody owes anything. */
function unrecovered({ recoveries }: History): Violation[] {
  return recoveries
    .filter(({ tookMs }) => tookMs === undefined)
    .map(({ healedAtMs, limitMs }) => ({ id: 'I21', text: `not within ${limitMs} ms of the healing at ${healedAtMs}` }));
}
