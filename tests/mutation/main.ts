/**
 * `npm run mutate`: changes the source of the rooms that decide about security, one small thing at a time, and counts the changes that
 * the tests notice. Ends with 1 when fewer are noticed than must be.
 */
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { ROOM_NAMES, ROOM_VARIABLE, ROOMS } from './rooms.ts';
import { scoreOf } from './score.ts';
import type { RoomName } from './rooms.ts';
import type { Report, Score } from './score.ts';

const USAGE = `npm run mutate -- [options]
  --room R        ${ROOM_NAMES.join(', ')} (may be given again; default all, which takes hours)
  --workers N     processes at a time (default 1)
  --json          one JSON object on standard output
  --help          this text`;

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PERCENT_MIN = 85;

function readOptions() {
  const { values } = parseArgs({
    options: {
      room: { type: 'string', multiple: true, default: ROOM_NAMES },
      workers: { type: 'string', default: '1' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const unknown = values.room.find((name) => !ROOM_NAMES.includes(name as RoomName));
  if (unknown !== undefined) throw new TypeError(`there is no room ${unknown}`);
  if (!/^[1-9]\d?$/.test(values.workers)) throw new TypeError(`--workers takes a number from 1 to 99, not ${values.workers}`);
  return values as typeof values & { readonly room: readonly RoomName[] };
}

function settingsOf(room: RoomName, workers: number, folder: string): object {
  return {
    testRunner: 'vitest',
    plugins: ['@stryker-mutator/vitest-runner'],
    vitest: { configFile: 'tests/mutation/vitest.config.ts', related: false },
    mutate: ROOMS[room].mutate,
    coverageAnalysis: 'perTest',
    reporters: ['progress-append-only', 'json'],
    jsonReporter: { fileName: join(folder, `${room}.json`) },
    concurrency: workers,
    tempDirName: join(folder, 'sandbox'),
    ignorePatterns: ['dist', '.simulation', 'contracts/out', 'contracts/cache'],
    // The compiler's own interface to programs is not in this version of it; nothing here needs it.
    tsconfigFile: 'none.json',
    timeoutMS: 20_000,
  };
}

/** Progress goes to standard error. */
async function mutate(room: RoomName, workers: number, folder: string): Promise<Score> {
  const file = join(folder, `${room}.config.json`);
  await writeFile(file, JSON.stringify(settingsOf(room, workers, folder)));
  const child = spawn(join(ROOT, 'node_modules/.bin/stryker'), ['run', file], {
    ...{ cwd: ROOT, env: { ...process.env, [ROOM_VARIABLE]: room }, stdio: ['ignore', 2, 2] },
  });
  const code = await new Promise((resolve, reject) => child.once('error', reject).once('close', resolve));
  if (code !== 0) throw new Error(`the run of ${room} ended with ${String(code)}`);
  return scoreOf(JSON.parse(await readFile(join(folder, `${room}.json`), 'utf8')) as Report);
}

function tell(room: RoomName, { mutants, killed, percent, survivors }: Score): void {
  console.log(`${room}: ${killed} of ${mutants} noticed, ${percent.toFixed(1)} %`);
  for (const { file, line, source, becomes } of survivors) console.log(`  ${file}:${line}  ${source}\n      ${becomes}`);
}

async function main(): Promise<number> {
  const { room: rooms, workers, json, help } = readOptions();
  if (help) return (console.log(USAGE), 0);
  const folder = await mkdtemp(join(tmpdir(), 'nova-kms-mutation-'));
  try {
    const scores: Partial<Record<RoomName, Score>> = {};
    for (const room of rooms) {
      const score = await mutate(room, Number(workers), folder);
      scores[room] = score;
      if (!json) tell(room, score);
    }
    if (json) console.log(JSON.stringify(scores));
    return Object.values(scores).every(({ percent }) => percent >= PERCENT_MIN) ? 0 : 1;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(`${(error as Error).message}\n\n${USAGE}`);
  process.exitCode = 2;
}
