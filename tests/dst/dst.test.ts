/** The simulation in CI: a fixed set of seeds over all profiles, replays, what once broke, and that a violation is seen and told. */
import { createHash } from 'node:crypto';
import { globSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bundle, patched } from './bundle.ts';
import { REGRESSIONS } from './regressions.ts';
import { FAULT_KINDS } from './report.ts';
import { PROFILE_NAMES } from './world/schedule.ts';
import { shrink } from './shrink.ts';
import { openRunner, sweep } from './sweep.ts';
import type { RunOptions, RunResult } from './run.ts';

const SEEDS = 1_001;
/** Of the traces of seed 7 in all profiles, as another machine had it. What changes the node or its world changes it: then put in what the test shows. */
const TRACES = '874c51ca903f24c762a237b9c91edb4498e7a4043ec4972c1e73862195c8b5d3';
const HERE = fileURLToPath(new URL('.', import.meta.url));
const OPERATIONS = ['put 200', 'put 202', 'put quota_exceeded', 'put version_conflict', 'get 200', 'get key_not_found', 'list 200'];
const OTHERS = [
  'delete 200',
  'delete version_conflict',
  'batch 200',
  'derive 200',
  'cert 200',
  'put data_catching_up',
  'put proof_refused',
];

let folder = '';
let file = '';
let runner: ReturnType<typeof openRunner>;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'nova-kms-dst-'));
  file = join(folder, 'simulation.mjs');
  await bundle({ outfile: file });
  runner = openRunner(file);
});

afterAll(async () => {
  await runner.close();
  await rm(folder, { recursive: true, force: true });
});

describe('the simulation', () => {
  it(`breaks nothing in ${SEEDS} seeds, with every fault and every answer among them`, { timeout: 400_000 }, async () => {
    const totals = await sweep({ bundle: file, first: 0, seeds: SEEDS, workers: 2, failuresMax: 3 });
    expect(totals.failed.map(({ seed, profile, violation }) => ({ seed, profile, violation }))).toEqual([]);
    const counted = [...FAULT_KINDS.map((kind) => `fault ${kind}`), ...[...OPERATIONS, ...OTHERS].map((name) => `operation ${name}`)];
    const messages = ['lost', 'duplicated', 'cut', 'held', 'slow'].map((name) => `message ${name}`);
    expect([...counted, ...messages, ...PROFILE_NAMES.map((name) => `profile ${name}`)].filter((name) => !totals.sums[name])).toEqual([]);
    expect(totals.seeds).toBe(SEEDS);
  });

  it('does the same again with the same seed, here and on another machine, and something else with another', async () => {
    const other = openRunner(file);
    const ran = async (of: typeof runner, seed: number) => {
      const hashes: string[] = [];
      for (const profile of PROFILE_NAMES) hashes.push((await of.run({ seed, profile })).hash);
      return hashes;
    };
    const [once, again, different] = await Promise.all([ran(runner, 7), ran(other, 7), ran(other, 8)]).finally(() => other.close());
    expect(again).toEqual(once);
    expect(createHash('sha256').update(once.join()).digest('hex')).toBe(TRACES);
    expect(new Set([...once, ...different]).size).toBe(2 * PROFILE_NAMES.length);
  });

  it('tells a planted violation, and cuts its schedule down to nothing that matters', async () => {
    const canary = (options: RunOptions): Promise<RunResult> => runner.run({ ...options, isCanary: true });
    const failed = await canary({ seed: 3, profile: 'partition' });
    expect(failed.violation?.id).toBe('CANARY');
    expect((await shrink(failed, canary)).keep.length).toBeLessThanOrEqual(1);
  });

  it('replays a schedule that is given, without a seed’s own', async () => {
    const { items, hash } = await runner.run({ seed: 1, profile: 'loss' });
    expect((await runner.run({ seed: 1, profile: 'loss', schedule: items })).hash).toBe(hash);
    expect((await runner.run({ seed: 1, profile: 'loss', keep: [] })).outcomes).toEqual({});
  });

  it('refuses a patch of text that is not there, or there twice', () => {
    const patch = { file: 'a.ts', find: 'x', put: 'y' };
    expect(patched('a.ts', 'axb', [patch])).toBe('ayb');
    expect(() => patched('a.ts', 'ab', [patch])).toThrow('exactly once');
    expect(() => patched('a.ts', 'xx', [patch])).toThrow('exactly once');
    expect(patched('b.ts', 'xx', [patch])).toBe('xx');
  });

  it('stays small enough to be read: its world, without those who judge it and those who call it', () => {
    const files = ['run.ts', ...globSync('world/**/*.ts', { cwd: HERE })];
    const isCode = (line: string) => line.trim() !== '' && !/^\s*(?:\/?\*|\/\/)/.test(line);
    const lines = files.map((name) => readFileSync(join(HERE, name), 'utf8').split('\n').filter(isCode).length);
    expect(lines.reduce((sum, count) => sum + count, 0)).toBeLessThan(1_500);
  });
});

describe('what the simulation once found', () => {
  it('does not break any more', async () => {
    for (const { what, profile, seed, schedule } of REGRESSIONS)
      expect({ what, ...(await runner.run({ profile, seed, ...(schedule && { schedule }) })).violation }).toEqual({ what });
  });
});
