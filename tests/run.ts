/**
 * `npm test`: types, tests, the watch for secrets over them, the generated ABI, contracts; each with its time, and one sum as the last line.
 * `npm test -- --only unit` runs one part; further words are file filters of the tests: `npm test -- --only unit tests/core`.
 */
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { judge } from './secrecy/judge.ts';
import { WATCH_FOLDER } from './secrecy/recorder.ts';
import { forgePath } from './simulation/contracts.ts';

const USAGE = `npm test -- [options] [file filters]
  --only PART   types, unit (and secrecy over it), abi or contracts (may be given again)
  --help        this text`;

interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

interface Part {
  readonly name: string;
  readonly title: string;
  readonly run: (filters: readonly string[]) => Promise<Counts>;
}

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const CONTRACTS = join(ROOT, 'contracts');
const startedAtMs = Date.now();
const folder = join(tmpdir(), `nova-kms-${randomUUID()}`);

const parts: readonly Part[] = [
  { name: 'types', title: 'types', run: async () => checked(await step(bin('tsc'), ['-p', '.'])) },
  { name: 'unit', title: 'unit, cluster and runtime tests', run: runVitest },
  { name: 'secrecy', title: 'no secret in any log, answer or request', run: (filters) => Promise.resolve(runSecrecy(filters)) },
  { name: 'abi', title: 'the ABI is that of the contracts', run: runAbi },
  { name: 'contracts', title: 'contracts', run: runForge },
];

function bin(name: string): string {
  return join(ROOT, 'node_modules', '.bin', name);
}

interface Ended {
  readonly code: number | null;
  readonly output: string;
}

/** Streams what the program says, and keeps it; `quietly` shows it only when the program fails. */
async function step(command: string, args: readonly string[], cwd = ROOT, quietly = false): Promise<Ended> {
  const child = spawn(command, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      if (!quietly) process.stdout.write(chunk);
    });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', (error: NodeJS.ErrnoException) =>
      reject(error.code === 'ENOENT' ? new Error(`${command} is not installed: for forge, install Foundry 1.7 or newer`) : error),
    );
    child.on('close', resolve);
  });
  if (quietly && code !== 0) process.stdout.write(output);
  return { code, output };
}

/** A check without tests of its own counts as one. */
function checked({ code }: Ended): Counts {
  return { passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1, skipped: 0 };
}

/** A run that ended badly with no test failed counts as one failure. */
function honest(counts: Counts, { code }: Ended): Counts {
  return code !== 0 && counts.failed === 0 ? { ...counts, failed: 1 } : counts;
}

async function runVitest(filters: readonly string[]): Promise<Counts> {
  const report = join(folder, 'report.json');
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
  process.env[WATCH_FOLDER] = join(folder, 'watch');
  const ended = await step(process.execPath, [bin('vitest'), 'run', '--config', 'tests/vitest.config.ts', ...reporters, ...filters]);
  const told = existsSync(report) ? (JSON.parse(await readFile(report, 'utf8')) as Record<string, number>) : {};
  const { numPassedTests = 0, numFailedTests = 0, numFailedTestSuites = 0, numPendingTests = 0, numTodoTests = 0 } = told;
  const failed = numFailedTests === 0 ? numFailedTestSuites : numFailedTests;
  return honest({ passed: numPassedTests, failed, skipped: numPendingTests + numTodoTests }, ended);
}

/** What the tests' processes wrote down. Only a whole run must have had everything that is watched. */
function runSecrecy(filters: readonly string[]): Counts {
  const { text, leaks, missing } = judge(join(folder, 'watch'));
  console.log(text);
  if (filters.length === 0) for (const what of missing) console.log(`  the watch is asleep: nowhere in the whole run was there ${what}`);
  const failed = leaks.length + (filters.length === 0 ? missing.length : 0);
  return { passed: failed === 0 ? 1 : 0, failed, skipped: 0 };
}

async function runAbi(): Promise<Counts> {
  const built = await step(forgePath(), ['build', '--skip', 'test'], CONTRACTS, true);
  return checked(built.code === 0 ? await step(process.execPath, ['tests/abi-generate.ts', '--check']) : built);
}

async function runForge(): Promise<Counts> {
  const ended = await step(forgePath(), ['test'], CONTRACTS);
  const sum = /(\d+) tests passed, (\d+) failed, (\d+) skipped/.exec(ended.output);
  return honest({ passed: Number(sum?.[1] ?? 0), failed: Number(sum?.[2] ?? 0), skipped: Number(sum?.[3] ?? 0) }, ended);
}

async function runParts(chosen: readonly Part[], filters: readonly string[]): Promise<Counts> {
  let sum: Counts = { passed: 0, failed: 0, skipped: 0 };
  for (const { title, run } of chosen) {
    const partStartedAtMs = Date.now();
    console.log(`\n── ${title}`);
    const counts = await run(filters);
    const verdict = counts.failed === 0 ? 'green' : 'RED';
    console.log(`── ${title}: ${verdict}, ${counts.passed} passed, ${counts.failed} failed, ${seconds(partStartedAtMs)}`);
    sum = { passed: sum.passed + counts.passed, failed: sum.failed + counts.failed, skipped: sum.skipped + counts.skipped };
  }
  return sum;
}

function seconds(sinceMs: number): string {
  return `${((Date.now() - sinceMs) / 1_000).toFixed(1)} s`;
}

const only = { type: 'string', multiple: true } as const;
const { values, positionals } = parseArgs({ options: { only, help: { type: 'boolean' } }, allowPositionals: true });
const asked = values.only ?? (positionals.length > 0 ? ['unit'] : parts.map(({ name }) => name));
const wanted = asked.flatMap((name) => (name === 'unit' ? ['unit', 'secrecy'] : [name]));
const stranger = wanted.find((name) => !parts.some((part) => part.name === name));
if (values.help || stranger !== undefined) {
  console.log(stranger === undefined ? USAGE : `there is no part ${stranger}\n\n${USAGE}`);
  process.exitCode = values.help ? 0 : 2;
} else {
  const chosen = parts.filter(({ name }) => wanted.includes(name));
  const { passed, failed, skipped } = await runParts(chosen, positionals).finally(() => rm(folder, { recursive: true, force: true }));
  process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
  console.log(`\n${seconds(startedAtMs)} in all`);
  console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
}
