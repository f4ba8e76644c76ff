/**
 * `npm run chaos`: a cluster of enclave binaries on this machine that is broken in all ways that a host can, while apps write and read at
 * every node. Afterwards what they were told is held against what must be true. The seed decides what breaks; when exactly, the machine.
 */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { KmsError } from '../../core/client/main.ts';
import { contentsOf, metricsOf, sumOf, untilEqual } from '../cluster/data-watch.ts';
import { createWires } from '../cluster/data-wires.ts';
import { createWriters } from '../cluster/data-writers.ts';
import { elapsed } from '../simulation/narrate.ts';
import { AnotherRun, startKeeper } from '../simulation/processes.ts';
import { parsed, UsageError } from '../simulation/usage.ts';
import { createWorld, until, untilDataReady, untilServing, WORLDS_FOLDER } from '../simulation/world.ts';
import { createBreaker, describeFault, drawing, FAULTS, losesMemory, rounds } from './faults.ts';
import { judge } from './history.ts';
import { hasClocks, startSubjects } from './nodes.ts';
import { asJson, asText } from './report.ts';
import { clocksOf, seenOf, startWorkload } from './workload.ts';
import type { Contents } from '../cluster/data-watch.ts';
import type { Writers } from '../cluster/data-writers.ts';
import type { Member, World } from '../simulation/world.ts';
import type { Fault } from './faults.ts';
import type { History, ReadOp } from './history.ts';
import type { Subject } from './nodes.ts';
import type { Workload } from './workload.ts';

const USAGE = `npm run chaos -- [options]
  --minutes N   how long faults go on (default 3); every kind comes at least once, even when that takes longer
  --nodes N     nodes of the cluster, 3 to 9 (default 3)
  --seed S      decides the faults and what apps ask for (default: another one each time, and told)
  --json        one JSON object on standard output, progress on standard error (with npm run --silent, npm adds nothing)
  --help        this text

The exit code is 1 when something was violated; then the whole history is in a file. Clocks are set with libfaketime: apt-get install faketime.`;

interface Options {
  readonly minutes: number;
  readonly nodes: number;
  readonly seed: number;
  readonly json: boolean;
}

const startedAtMs = Date.now();
const RECOVERY_MS_MAX = 120_000;
const PAUSE_MS_MAX = 5_000;
const LOG_LINES_MAX = 20_000;
/** A node whose clock is ahead by less finds the chain new enough. */
const HEAD_AGE_MS = 60_000;

function readOptions(): Options | undefined {
  const options = {
    minutes: { type: 'string', default: '3' },
    nodes: { type: 'string', default: '3' },
    seed: { type: 'string', default: String(startedAtMs % 1_000_000) },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  } as const;
  const { values } = parsed(() => parseArgs({ options }));
  if (values.help) return undefined;
  const [minutes, nodes, seed] = [Number(values.minutes), Number(values.nodes), Number(values.seed)];
  if (!(minutes > 0 && minutes <= 1_440)) throw new UsageError('--minutes takes a number above 0, up to 1440');
  if (!Number.isInteger(nodes) || nodes < 3 || nodes > 9) throw new UsageError('--nodes takes a whole number from 3 to 9');
  if (!Number.isInteger(seed) || seed < 0 || seed >= 2 ** 32) throw new UsageError('--seed takes a whole number from 0, below 2^32');
  return { minutes, nodes, seed, json: values.json };
}

interface Run extends Options {
  readonly world: World;
  readonly subjects: readonly Subject[];
  readonly writers: Writers;
  readonly workload: Workload;
  readonly tell: (who: string, what: string) => void;
  readonly losses: { node: string; atMs: number }[];
  readonly settledAtMs: number[];
  readonly recoveries: { healedAtMs: number; tookMs: number | undefined; limitMs: number }[];
  readonly faults: Fault[];
}

/** It has taken in all that it was to, and all that it has is with the others. */
async function owesNothing(member: Member, nodes: number): Promise<boolean> {
  const metrics = await metricsOf(member).catch(() => undefined);
  if (!metrics) return false;
  const owed = sumOf(metrics, 'peer_lag_records') + sumOf(metrics, 'peer_refused_records');
  return owed === 0 && sumOf(metrics, 'peer_based') >= nodes - 1;
}

/** While apps go on: what any node held when all had caught up is everywhere when each has been seen to owe nothing. */
async function settle({ world, recoveries, settledAtMs, tell, workload, nodes }: Run): Promise<void> {
  const healedAtMs = Date.now();
  const leftMs = (): number => healedAtMs + RECOVERY_MS_MAX - Date.now();
  let tookMs: number | undefined;
  try {
    await untilDataReady(world.members, leftMs());
    const caughtUpAtMs = Date.now();
    for (const member of world.members) await until(`${member.name} to owe nothing`, () => owesNothing(member, nodes), leftMs());
    settledAtMs.push(caughtUpAtMs);
    tookMs = Date.now() - healedAtMs;
    tell('cluster', `whole again after ${(tookMs / 1_000).toFixed(1)} s; ${workload.ops.length} operations so far`);
  } catch (error) {
    tell('cluster', String(error));
  }
  recoveries.push({ healedAtMs, tookMs, limitMs: RECOVERY_MS_MAX });
}

/** Faults of a round overlap. Before a node loses its memory, what the one before it lost must be back. */
async function breakThings(run: Run): Promise<void> {
  const { world, subjects, tell, losses, settledAtMs, faults, minutes, nodes, seed, workload } = run;
  const nameOf = (node: number): string => world.members[node]?.name ?? '';
  const kinds = FAULTS.filter((kind) => kind !== 'skewed' || hasClocks);
  const draw = drawing(seed);
  const wires = createWires(world);
  const breaker = createBreaker(subjects, wires, (node) => losses.push({ node, atMs: Date.now() }));
  const endMs = Date.now() + minutes * 60_000;
  for (const round of rounds(draw, nodes, kinds)) {
    if (Date.now() > endMs && kinds.every((kind) => faults.some((fault) => fault.kind === kind))) break;
    const isWhole = losses.every(({ atMs }) => settledAtMs.some((settledMs) => settledMs > atMs));
    const mustBeWhole = !isWhole && round.some(({ kind }) => losesMemory(kind));
    const wanted = draw(2) === 0 || mustBeWhole;
    if (wanted && faults.length > 0) await settle(run);
    await sleep(draw(PAUSE_MS_MAX));
    const strikes = round.map(async (fault) => {
      await sleep(fault.afterMs);
      faults.push(fault);
      tell(nameOf(fault.node), `${describeFault(fault, nameOf)}; ${workload.ops.length} operations so far`);
      await breaker.strike(fault);
      tell(nameOf(fault.node), `no longer ${fault.kind}`);
    });
    await Promise.all(strikes);
  }
}

/** Stops the apps, waits until all nodes have the same, and reads everything once more. */
async function finish({ world, subjects, writers, workload, recoveries, tell }: Run): Promise<readonly ReadOp[]> {
  const healedAtMs = Date.now();
  tell('cluster', 'all faults are healed; the apps end');
  await workload.stop();
  const settled = await untilEqual(world, writers, RECOVERY_MS_MAX).catch((error: unknown) => void tell('cluster', String(error)));
  const tookMs = settled && settled.settledAtMs - healedAtMs;
  recoveries.push({ healedAtMs, tookMs, limitMs: RECOVERY_MS_MAX });
  const reads = subjects.map(async (subject) => {
    const startMs = Date.now();
    const contents = await contentsOf(world, writers, subject.member).catch((error: unknown) => {
      // A node that cannot be read has no answer in the comparison.
      if (!(error instanceof KmsError)) throw error;
      return new Map() as Contents;
    });
    return readsOf(subjects, subject, contents, startMs);
  });
  return (await Promise.all(reads)).flat();
}

function readsOf(subjects: readonly Subject[], subject: Subject, contents: Contents, startMs: number): ReadOp[] {
  const span = { startMs, endMs: Date.now(), boot: subject.boot() };
  const place = { kind: 'get', outcome: 'answered', node: subject.member.name } as const;
  const clocks = clocksOf(subjects, subject, span);
  return [...contents].flatMap(([app, keys]) =>
    [...keys].map(([key, value]) => ({ ...span, ...place, ...clocks, app, key, found: value && seenOf(value) })),
  );
}

async function run(options: Options): Promise<number> {
  const { nodes, seed, json } = options;
  const say = (line: string): void => (json ? console.error(line) : console.log(line));
  const tell = (who: string, what: string): void => say(`${elapsed(startedAtMs)}  ${who.padEnd(8)}${what}`);
  say(`Nova KMS: ${nodes} enclave binaries on this machine, broken on purpose. Seed ${seed}.\n`);
  if (!hasClocks) say('libfaketime is missing, so no clock will be wrong: apt-get install faketime\n');
  // Ends with the world, as its last step: only one of the two may decide when this process has ended what it started.
  const keeper = await startKeeper(`${WORLDS_FOLDER}chaos.json`);
  process.once('exit', () => keeper.endAbruptly());
  const world = await createWorld({
    nodes,
    kinds: Array.from({ length: nodes }, () => 'binary' as const),
    apps: 2,
    hosts: true,
    prepare: true,
    profile: { headAgeMaxMs: HEAD_AGE_MS },
    onProgress: (what) => tell('world', what),
    onEnded: () => keeper.end().then(() => say('Stopped; nothing is left behind.')),
  });
  const logs: string[] = [];
  try {
    const subjects = await startSubjects(world, keeper, (node, line) => {
      if (!line.includes('"level":"info"') && logs.length < LOG_LINES_MAX) logs.push(`${Date.now()} ${node} ${line}`);
    });
    await world.contracts.openGenesis();
    await untilServing(world.members);
    await untilDataReady(world.members);
    tell('cluster', 'serves; two apps begin at every node');
    const writers = createWriters(world, seed);
    const workload = startWorkload(world, subjects, writers, seed);
    const ran: Run = { ...options, world, subjects, writers, workload, tell, losses: [], settledAtMs: [], recoveries: [], faults: [] };
    await breakThings(ran);
    return report(ran, await finish(ran), logs);
  } finally {
    await world.stop();
  }
}

/** The exit code. */
function report(ran: Run, final: readonly ReadOp[], logs: readonly string[]): number {
  const { world, workload, seed, minutes, json, losses, settledAtMs, recoveries, faults } = ran;
  const history: History = { nodes: world.members.map(({ name }) => name), ops: workload.ops, losses, settledAtMs, recoveries, final };
  const violations = judge(history);
  const file = violations.length > 0 ? join(mkdtempSync(join(tmpdir(), 'nova-kms-chaos-')), 'history.json') : undefined;
  if (file !== undefined) writeFileSync(file, JSON.stringify({ seed, minutes, violations, faults, ...history, logs }));
  const outcome = { seed, kinds: FAULTS, faults, history, errors: workload.errors, violations, file };
  console.log(json ? asJson(outcome) : `\n${asText(outcome)}\n`);
  return violations.length > 0 ? 1 : 0;
}

try {
  const options = readOptions();
  if (!options) console.log(USAGE);
  process.exitCode = options ? await run(options) : 0;
} catch (error) {
  const isUsage = error instanceof UsageError;
  console.error(isUsage ? `${error.message}\n\n${USAGE}` : error instanceof AnotherRun ? error.message : error);
  process.exitCode = isUsage ? 2 : 1;
}
