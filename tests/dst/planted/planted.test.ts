/** Planted bugs are caught where they were found, and the node without them breaks nothing there: half with the rounds of anti-entropy, half without. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bundle } from '../bundle.ts';
import { INVARIANTS } from '../judges/invariants.ts';
import { MODES, modesOf, patchesFor, PLANTED } from './list.ts';
import { CAUGHT } from './caught.ts';
import { openRunner } from '../sweep.ts';
import type { Mode, PlantedBug } from './list.ts';
import type { ProfileName } from '../world/schedule.ts';

interface Case {
  readonly bug: PlantedBug;
  readonly mode: Mode;
  readonly profile: ProfileName;
  readonly seed: number;
  readonly id: string;
}

/** All bundles and runs: a minute on an idle machine, more beside other tests. */
const PLAYED_MS_MAX = 400_000;
/** Two at a time, as there are two cores at least. */
const LANES = 2;
/** Planted by a flag. */
const UNPLANTED = ['CANARY'];

const recorded: readonly (readonly Case[])[] = PLANTED.map((bug) =>
  modesOf(bug).flatMap((mode) => {
    const [profile, seed, , id = ''] = CAUGHT[bug.name]?.[mode]?.split(' ') ?? [];
    return profile === undefined ? [] : [{ bug, mode, profile: profile as ProfileName, seed: Number(seed), id }];
  }),
);
/** Every other bug, in one of its modes in turn: all of them are what `npm run dst -- --planted` is for. */
const STRIDE = 2;
const cases: readonly Case[] = recorded.flatMap((ofBug, index) =>
  index % STRIDE === 0 ? (ofBug[(index / STRIDE) % ofBug.length] ?? []) : [],
);
const nameOf = ({ bug, mode, profile, seed }: Case): string => `${bug.name}, rounds ${mode}, ${profile} ${seed}`;

const told = new Map<string, string | undefined>();
let folder = '';

/** Runs that are told from the start, in one thread of their own: what each of them breaks. */
const PLAYER = `
  const { parentPort, workerData } = require('node:worker_threads');
  import(workerData.file).then(async ({ runSeed }) => {
    const ids = [];
    for (const { mode, ...options } of workerData.runs) {
      globalThis.dstRounds = mode;
      ids.push((await runSeed(options)).violation?.id);
    }
    parentPort.postMessage(ids);
  });`;

async function play(of: PlantedBug | undefined, runs: readonly Case[], as: (run: Case) => string): Promise<void> {
  const outfile = join(folder, `${of?.name ?? 'honest'}-${runs[0]?.mode}.mjs`);
  await bundle({ outfile, patches: patchesFor(of) });
  const asked = runs.map(({ mode, profile, seed }) => ({ mode, profile, seed }));
  const worker = new Worker(PLAYER, { eval: true, workerData: { file: pathToFileURL(outfile).href, runs: asked } });
  const ids = await new Promise<(string | undefined)[]>((resolve, reject) => worker.once('message', resolve).once('error', reject));
  await worker.terminate();
  runs.forEach((run, index) => told.set(as(run), ids[index]));
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'nova-kms-planted-'));
  const honestOf = (mode: Mode): Case[] => [
    ...new Map(cases.filter((run) => run.mode === mode).map((run) => [`${run.profile} ${run.seed}`, run])).values(),
  ];
  const work = [
    ...MODES.map((mode) => () => play(undefined, honestOf(mode), (run) => `honest ${mode} ${run.profile} ${run.seed}`)),
    ...PLANTED.map((bug) => [bug, cases.filter((run) => run.bug === bug)] as const).flatMap(([bug, runs]) =>
      runs.length === 0 ? [] : [() => play(bug, runs, nameOf)],
    ),
  ];
  const lane = async (): Promise<void> => {
    for (let next = work.shift(); next; next = work.shift()) await next();
  };
  await Promise.all(Array.from({ length: LANES }, lane));
}, PLAYED_MS_MAX);

afterAll(() => rm(folder, { recursive: true, force: true }));

describe('planted bugs', () => {
  it.each(cases.map((run) => [nameOf(run), run] as const))('%s', (name, { bug, id, mode, profile, seed }) => {
    expect(bug.expects).toContain(told.get(name));
    expect(told.get(name)).toBe(id);
    const honest = `honest ${mode} ${profile} ${seed}`;
    expect([told.has(honest), told.get(honest)]).toEqual([true, undefined]);
  });

  it('are each found in one mode at least, under a name of their own', () => {
    expect(PLANTED.filter((_, index) => recorded[index]?.length === 0).map(({ name }) => name)).toEqual([]);
    expect(new Set(PLANTED.map(({ name }) => name)).size).toBe(PLANTED.length);
  });

  it('leave no invariant without one that it catches', () => {
    const caught = new Set(recorded.flat().map(({ id }) => id));
    expect(Object.keys(INVARIANTS).filter((id) => !caught.has(id) && !UNPLANTED.includes(id))).toEqual([]);
  });
});

describe('the canary', () => {
  it('fails in every run', async () => {
    const outfile = join(folder, 'canary.mjs');
    await bundle({ outfile });
    const runner = openRunner(outfile);
    const ids = [];
    for (const profile of ['calm', 'loss', 'crash'] as const)
      ids.push((await runner.run({ seed: 0, profile, isCanary: true })).violation?.id);
    await runner.close();
    expect(ids).toEqual(['CANARY', 'CANARY', 'CANARY']);
  });
});
