/** What is broken, when and for how long: drawn from a seed, then done to real processes, clocks and wires. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Wires } from '../cluster/data-wires.ts';
import type { Subject } from './nodes.ts';

export const FAULTS = ['killed', 'replaced', 'stopped', 'cut off one way', 'cut off both ways', 'skewed'] as const;
export type FaultKind = (typeof FAULTS)[number];

export interface Fault {
  readonly kind: FaultKind;
  readonly node: number;
  /** After the start of its round. */
  readonly afterMs: number;
  readonly lastsMs: number;
  /** Of a cut: which way nothing passes. */
  readonly way: 'in' | 'out' | 'both';
  /** Of a cut: from this node alone, or from all. */
  readonly peer: number | undefined;
  /** Of a clock: one after the other, evenly over the time. */
  readonly offsetsMs: readonly number[];
}

export type Draw = (below: number) => number;

const SECOND_MS = 1_000;
/** Shortest and longest of each; a process that is killed stays down this long. */
const LASTS_MS: Readonly<Record<FaultKind, readonly [number, number]>> = {
  killed: [300, 5_000],
  replaced: [300, 5_000],
  stopped: [3_000, 12_000],
  'cut off one way': [5_000, 18_000],
  'cut off both ways': [5_000, 25_000],
  skewed: [8_000, 18_000],
};
/** Some are stopped for so long. */
const STOPPED_LONG_MS = [20_000, 60_000] as const;
const OFFSET_STEP_MS = 3_000;
/** A node that is further behind or ahead refuses what apps sign; still further, and it finds no block of the right time. */
const SERVING_OFFSET_MS = [-4_000, 36_000] as const;
const WILD_OFFSETS_MS = [-90_000, -25_000, 90_000] as const;

/** The same draws for the same seed (mulberry32). */
export function drawing(seed: number): Draw {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** Rounds without end. Every kind comes once before any comes again; in one round at most one node loses its memory. */
export function* rounds(draw: Draw, nodes: number, kinds: readonly FaultKind[]): Generator<readonly Fault[], never> {
  let left: FaultKind[] = [];
  for (let at = 0; ; at += 1) {
    const count = Math.min(nodes - 1, at > 0 && draw(4) === 0 ? 1 : nodes > 4 ? 3 : 2);
    const targets = shuffled(draw, [...Array(nodes).keys()]);
    const round: Fault[] = [];
    for (const node of targets.slice(0, count)) {
      if (left.length === 0) left = shuffled(draw, kinds);
      const forgetful = round.some(({ kind }) => losesMemory(kind));
      const next = left.findIndex((kind) => !forgetful || !losesMemory(kind));
      const [kind] = next < 0 ? [] : left.splice(next, 1);
      if (kind) round.push(faultOf(draw, kind, node, nodes, at === 0));
    }
    yield round;
  }
}

export function losesMemory(kind: FaultKind): boolean {
  return kind === 'killed' || kind === 'replaced';
}

function faultOf(draw: Draw, kind: FaultKind, node: number, nodes: number, isFirst: boolean): Fault {
  const between = ([least, most]: readonly [number, number]): number => least + draw(most - least + 1);
  const lastsMs = between(kind === 'stopped' && !isFirst && draw(3) === 0 ? STOPPED_LONG_MS : LASTS_MS[kind]);
  const way = kind === 'cut off one way' ? (['in', 'out'] as const)[draw(2)] : 'both';
  const peer = draw(3) === 0 ? (node + 1 + draw(nodes - 1)) % nodes : undefined;
  const offset = (): number => (draw(4) === 0 ? (WILD_OFFSETS_MS[draw(WILD_OFFSETS_MS.length)] ?? 0) : between(SERVING_OFFSET_MS));
  const offsetsMs = Array.from({ length: Math.ceil(lastsMs / OFFSET_STEP_MS) }, offset);
  return { kind, node, afterMs: draw(5 * SECOND_MS), lastsMs, way: way ?? 'both', peer, offsetsMs };
}

function shuffled<Item>(draw: Draw, items: readonly Item[]): Item[] {
  const left = [...items];
  return items.flatMap(() => left.splice(draw(left.length), 1));
}

/** In words, for whoever watches. */
export function describeFault({ kind, lastsMs, way, peer, offsetsMs }: Fault, nameOf: (node: number) => string): string {
  const seconds = `${(lastsMs / SECOND_MS).toFixed(1)} s`;
  const from = peer === undefined ? 'all others' : nameOf(peer);
  const ways = { in: `: nothing from ${from} comes in`, out: `: nothing goes out to ${from}`, both: ` from ${from}` };
  if (kind === 'killed') return `killed, its process starts again after ${seconds}`;
  if (kind === 'replaced') return `killed, a new enclave with a new wallet takes its place after ${seconds}`;
  if (kind === 'stopped') return `stopped for ${seconds}`;
  if (kind === 'skewed')
    return `for ${seconds} its clock is off by ${offsetsMs.map((ms) => `${(ms / SECOND_MS).toFixed(1)} s`).join(', ')}`;
  return `${kind} for ${seconds}${ways[way]}`;
}

export interface Breaker {
  /** Resolves when the fault has ended. */
  strike(fault: Fault): Promise<void>;
}

export function createBreaker(subjects: readonly Subject[], wires: Wires, onLoss: (node: string) => void): Breaker {
  const cuts = new Map<Fault, PromiseWithResolvers<never>>();
  const nameOf = (node: number | undefined): string => (node === undefined ? '' : (subjects[node]?.member.name ?? ''));

  /** What is on a dead line is never heard of; when the line is alive again its connection is gone. */
  async function pass(from: string, to: string): Promise<void> {
    for (const [{ node, peer, way }, { promise }] of cuts) {
      const meets = (other: string): boolean => peer === undefined || nameOf(peer) === other;
      const isOut = from === nameOf(node) && meets(to) && way !== 'in';
      const isIn = to === nameOf(node) && meets(from) && way !== 'out';
      if (isOut || isIn) await promise;
    }
  }

  wires.bend(async ({ from, to }, request, forward) => {
    await pass(from.name, to.name);
    const reply = await forward(request);
    await pass(to.name, from.name);
    return reply;
  });

  async function cut(fault: Fault): Promise<void> {
    const ended = Promise.withResolvers<never>();
    ended.promise.catch(() => undefined);
    cuts.set(fault, ended);
    await sleep(fault.lastsMs);
    cuts.delete(fault);
    ended.reject(new Error('lost while the wire was cut'));
  }

  async function kill(subject: Subject, lastsMs: number): Promise<void> {
    onLoss(subject.member.name);
    await subject.kill();
    await sleep(lastsMs);
  }

  async function skew(subject: Subject, { offsetsMs, lastsMs }: Fault): Promise<void> {
    for (const offsetMs of offsetsMs) {
      subject.setClock(offsetMs);
      await sleep(lastsMs / offsetsMs.length);
    }
    subject.setClock(0);
  }

  const acts: Readonly<Record<FaultKind, (subject: Subject, fault: Fault) => Promise<void>>> = {
    async killed(subject, { lastsMs }) {
      await kill(subject, lastsMs);
      await subject.start();
    },
    async replaced(subject, { lastsMs }) {
      await kill(subject, lastsMs);
      await subject.startAnew();
    },
    async stopped(subject, { lastsMs }) {
      subject.signal('SIGSTOP');
      await sleep(lastsMs);
      subject.signal('SIGCONT');
    },
    'cut off one way': (_subject, fault) => cut(fault),
    'cut off both ways': (_subject, fault) => cut(fault),
    skewed: skew,
  };
  return {
    async strike(fault) {
      const subject = subjects[fault.node];
      if (!subject) throw new Error(`there is no node ${fault.node}`);
      await acts[fault.kind](subject, fault);
    },
  };
}
