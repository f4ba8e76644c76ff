/** `npm run dst`: the simulation on the command line. Seeds on all processors, one seed to be looked at, the planted bugs. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { parsed, UsageError } from '../simulation/usage.ts';
import { bundle } from './bundle.ts';
import { PLANTED } from './planted/list.ts';
import { searchPlanted } from './planted/search.ts';
import { reportSeed, reportTotals, scheduleText } from './report.ts';
import { shrink } from './shrink.ts';
import { emptyTotals, openRunner, sweep } from './sweep.ts';
import { PROFILE_NAMES, profileOf } from './world/schedule.ts';
import type { RunResult } from './run.ts';
import type { ProfileName } from './world/schedule.ts';
import type { Totals } from './sweep.ts';

const SEEDS_USUAL = '1000';
/** As many as the rarest of them takes, and some. */
const SEEDS_PLANTED = '3000';

const USAGE = `npm run dst -- [options]
  --seeds N      so many runs, each profile in turn (default ${SEEDS_USUAL}; with --planted ${SEEDS_PLANTED})
  --first S      the first seed (default 0)
  --profile P    only this one: ${PROFILE_NAMES.join(', ')}
  --workers W    threads (default: one for each processor)
  --resume       go on where the last run of the same code, of 10,000 seeds or more, was
  --seed S       one run: what happened, its trace hash, and its schedule when something broke
  --keep LIST    with --seed: only these items of its schedule, as a cut-down schedule names them
  --trace        with --seed: every event
  --planted [B]  search every planted bug, or this one, in up to --seeds runs, with the rounds of anti-entropy and without them;
                 all take half an hour, as a few are seldom seen
  --record       with --planted, of every bug: write down what was found, for CI
  --real-limits  with the node's own limits of time and size: few of them are met
  --canary       plant a violation in every run: to see that one is told
  --json         one JSON object on standard output, progress on standard error (with npm run --silent, npm adds nothing)
  --help         this text

What a run makes no use of is refused: --seed and --planted go with what is said here, --profile also with --seed.

The exit code is 0 when nothing broke, 1 when something did, 2 when this was called wrongly.`;

const STATE_FILE = fileURLToPath(new URL('../../.simulation/dst.json', import.meta.url));
const FAILURES_MAX = 5;
/** As shells have it: 128 and the number of SIGINT. */
const INTERRUPTED = 130;
const PROGRESS_MS = 5_000;
/** Shorter runs leave nothing to go on with, and nothing of a long one is lost to them. */
const RESUMED_SEEDS_MIN = 10_000;

const say = (line: string): void => console.error(line);

interface Options {
  readonly seeds: number;
  readonly first: number;
  readonly profile: ProfileName | undefined;
  readonly workers: number;
  readonly seed: number | undefined;
  readonly keep: readonly number[] | undefined;
  /** The name of a planted bug; without it, all of them. */
  readonly bug: string | undefined;
  readonly flags: Readonly<Record<'resume' | 'trace' | 'planted' | 'record' | 'canary' | 'json' | 'real-limits', boolean>>;
}

const FLAG = { type: 'boolean', default: false } as const;
const TEXT = { type: 'string' } as const;
const OPTIONS = {
  ...{ seeds: TEXT, first: TEXT, profile: TEXT, workers: TEXT, seed: TEXT, keep: TEXT },
  ...{ resume: FLAG, trace: FLAG, planted: FLAG, record: FLAG, canary: FLAG, json: FLAG, 'real-limits': FLAG, help: FLAG },
} as const;

/** What each way of calling it makes use of. */
const TAKEN = {
  'many seeds': ['seeds', 'first', 'profile', 'workers', 'resume', 'real-limits', 'canary', 'json'],
  '--seed': ['seed', 'profile', 'keep', 'trace', 'real-limits', 'canary', 'json'],
  '--planted': ['planted', 'seeds', 'record'],
} as const;

function readOptions(): Options | undefined {
  const { values, positionals } = parsed(() => parseArgs({ options: OPTIONS, allowPositionals: true }));
  if (values.help) return undefined;
  const way = values.seed !== undefined ? '--seed' : values.planted ? '--planted' : 'many seeds';
  const given = Object.entries(values).flatMap(([name, value]) => (value === false || value === undefined ? [] : [name]));
  const odd = given.find((name) => !(TAKEN[way] as readonly string[]).includes(name));
  if (odd !== undefined) throw new UsageError(`--${odd} has no meaning ${way === 'many seeds' ? 'without ' + needOf(odd) : `with ${way}`}`);
  const [bug, ...rest] = positionals;
  if (rest.length > 0 || (bug !== undefined && !values.planted)) throw new UsageError(`nothing is to be done with ${rest[0] ?? bug}`);
  if (bug !== undefined && !PLANTED.some(({ name }) => name === bug)) throw new UsageError(`there is no planted bug ${bug}`);
  if (bug !== undefined && values.record) throw new UsageError('--record has no meaning with one planted bug: it writes down all');
  const profile = values.profile as ProfileName | undefined;
  if (profile && !PROFILE_NAMES.includes(profile)) throw new UsageError(`--profile takes one of ${PROFILE_NAMES.join(', ')}`);
  return {
    ...{
      seeds: count('--seeds', values.seeds ?? (values.planted ? SEEDS_PLANTED : SEEDS_USUAL), 1),
      first: count('--first', values.first ?? '0', 0),
      profile,
      bug,
    },
    workers: values.workers === undefined ? availableParallelism() : count('--workers', values.workers, 1),
    seed: values.seed === undefined ? undefined : count('--seed', values.seed, 0),
    keep: values.keep?.split(',').map((place) => count('--keep', place, 0)),
    flags: values,
  };
}

const needOf = (name: string): string => (name === 'record' ? '--planted' : '--seed');

function count(name: string, text: string, min: number): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < min || text === '') throw new UsageError(`${name} takes whole numbers from ${min}`);
  return value;
}

/** What a long run of exactly this code, and these options, had come to. */
interface State {
  readonly of: string;
  readonly next: number;
  readonly totals: Totals;
}

function stateOf(of: string): State | undefined {
  const state = existsSync(STATE_FILE) ? (JSON.parse(readFileSync(STATE_FILE, 'utf8')) as State) : undefined;
  return state?.of === of ? state : undefined;
}

async function runMany(options: Options, file: string): Promise<number> {
  const { seeds, profile, workers, flags } = options;
  const of = createHash('sha256').update(readFileSync(file)).update(`${profile} ${options.first} ${flags.canary}`).digest('hex');
  const before = flags.resume ? stateOf(of) : undefined;
  const first = before?.next ?? options.first;
  const end = options.first + seeds;
  if (flags.resume) say(before ? `going on at seed ${first}` : 'nothing to go on with: no long run of this code so far');
  const sinceMs = Date.now();
  let toldMs = sinceMs;
  let toldFailures = 0;
  const onProgress = (totals: Totals, next: number): void => {
    for (const failed of totals.failed.slice(toldFailures))
      say(`seed ${failed.seed} (${failed.profile}): ${failed.violation?.detail.split('\n')[0]}`);
    toldFailures = totals.failed.length;
    if (Date.now() - toldMs < PROGRESS_MS) return;
    toldMs = Date.now();
    const perSecond = ((next - first) * 1_000) / (toldMs - sinceMs);
    const leftS = Math.round((end - next) / perSecond);
    say(`${totals.seeds} of ${seeds} seeds, ${perSecond.toFixed(1)}/s, ${totals.failed.length} violations, ${leftS} s to go`);
    if (seeds < RESUMED_SEEDS_MIN) return;
    mkdirSync(join(STATE_FILE, '..'), { recursive: true });
    writeFileSync(STATE_FILE, JSON.stringify({ of, next, totals } satisfies State));
  };
  say(`${end - first} seeds from ${first} on ${workers} threads`);
  const asked = {
    bundle: file,
    first,
    seeds: Math.max(0, end - first),
    workers,
    profile,
    isCanary: flags.canary,
    failuresMax: FAILURES_MAX + (before?.totals.failed.length ?? 0),
  };
  const totals = await sweep({ ...asked, onProgress }, before?.totals ?? emptyTotals());
  if (totals.seeds < seeds)
    say(`stopped after ${totals.failed.length} violations; --first ${options.first + totals.seeds} goes on from there`);
  const seconds = (Date.now() - sinceMs) / 1_000;
  if (flags.json)
    console.log(
      JSON.stringify({
        ...totals,
        seconds,
        failed: totals.failed.map((failed) => ({ seed: failed.seed, profile: failed.profile, violation: failed.violation })),
      }),
    );
  else console.log(reportTotals(totals, seconds));
  const [worst] = totals.failed;
  if (worst && !flags.json) await explain(file, worst, flags.canary, flags['real-limits']);
  return totals.failed.length > 0 ? 1 : 0;
}

/** Cuts the schedule of a seed that failed down, and says how to see it again. */
async function explain(file: string, { seed, profile }: RunResult, isCanary: boolean, isReal: boolean): Promise<void> {
  const runner = openRunner(file);
  try {
    const failed = await runner.run({ seed, profile, isCanary });
    if (!failed.violation) return say(`seed ${seed} alone breaks nothing: that itself is a fault of the simulation`);
    say(`cutting the schedule of seed ${seed} down ...`);
    const { keep, result, runs } = await shrink(failed, (run) => runner.run({ ...run, isCanary }));
    console.log(`\n${result.violation?.detail}\n\nWhat is left of its schedule after ${runs} runs:\n${scheduleText(result.items, keep)}`);
    const flags = Object.entries({ canary: isCanary, 'real-limits': isReal }).flatMap(([name, isOn]) => (isOn ? [` --${name}`] : []));
    console.log(`\nAgain:  npm run dst -- --seed ${seed} --profile ${profile} --keep ${keep.join(',')}${flags.join('')} --trace`);
    console.log(`        its trace is ${result.hash}`);
  } finally {
    await runner.close();
  }
}

async function runOne(options: Options, file: string): Promise<number> {
  const { seed = 0, keep, flags } = options;
  const runner = openRunner(file);
  try {
    const profile = options.profile ?? profileOf(seed);
    const result = await runner.run({ seed, profile, isTraced: flags.trace, isCanary: flags.canary, ...(keep && { keep }) });
    const beyond = keep?.find((place) => place >= result.items.length);
    if (beyond !== undefined) throw new UsageError(`--keep: the schedule of that seed has no item ${beyond}`);
    if (flags.trace) for (const line of result.lines) console.log(line);
    console.log(flags.json ? JSON.stringify(result) : reportSeed(result, keep));
    return result.violation ? 1 : 0;
  } finally {
    await runner.close();
  }
}

async function runPlanted({ seeds, bug, flags }: Options, folder: string): Promise<number> {
  const bugs = PLANTED.filter(({ name }) => bug === undefined || name === bug);
  const missed = await searchPlanted({ bugs, seedsMax: seeds, isRecorded: flags.record, folder, say: (line) => console.log(line) });
  const all = bug === undefined ? 'every planted bug was caught' : `${bug} was caught`;
  console.log(missed.length === 0 ? all : `never caught: ${missed.join(', ')}`);
  return missed.length === 0 ? 0 : 1;
}

async function main(): Promise<number> {
  const options = readOptions();
  if (!options) return (console.log(USAGE), 0);
  const folder = mkdtempSync(join(tmpdir(), 'nova-kms-dst-'));
  process.once('SIGINT', () => {
    rmSync(folder, { recursive: true, force: true });
    process.exit(INTERRUPTED);
  });
  try {
    if (options.flags.planted) return await runPlanted(options, folder);
    const file = join(folder, 'simulation.mjs');
    await bundle({ outfile: file, isScaled: !options.flags['real-limits'] });
    return options.seed === undefined ? await runMany(options, file) : await runOne(options, file);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(`${error.message}\n\n${USAGE}`);
  process.exitCode = 2;
}
