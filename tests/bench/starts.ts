/** How long it takes to be there: the binary until it listens, and `npm start` until every node gave its key. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { builtBinary } from '../simulation/binaries.ts';
import { simulatedProfile } from '../simulation/node.ts';
import { startOdyn } from '../simulation/odyn.ts';
import { below, figure, median } from './figures.ts';
import type { Figure } from './figures.ts';

const STARTS = 7;
const ROOT = fileURLToPath(new URL('../..', import.meta.url));

const profile = simulatedProfile({ name: 'bench' });

/** Until the first line that `wanted` takes; ends the process. */
async function untilLine(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  wanted: (line: string) => boolean,
): Promise<number> {
  const startedAtMs = performance.now();
  const child = spawn(command, args, { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'ignore'] });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  let tookMs: number | undefined;
  for await (const line of createInterface(child.stdout)) {
    if (!wanted(line)) continue;
    tookMs = performance.now() - startedAtMs;
    break;
  }
  child.kill();
  await ended;
  if (tookMs === undefined) throw new Error(`${command} ended before it was there`);
  return tookMs;
}

export async function measureStarts(): Promise<Figure[]> {
  const path = await builtBinary({ release: false, profile });
  const odyn = await startOdyn();
  const env = { NOVA_KMS_LISTEN: '127.0.0.1:0', NOVA_KMS_ODYN_URL: odyn.url, NOVA_KMS_RPC_URL: 'http://127.0.0.1:1' };
  const starts: number[] = [];
  for (let run = 0; run < STARTS; run += 1) starts.push(await untilLine(path, [], env, (line) => line.includes('"binary.listening"')));
  await odyn.close();
  const serving = await untilLine('npm', ['start', '--silent', '--', '--once', '--json'], process.env, (line) => line.startsWith('{'));
  return [
    below(0.5, figure('start of the binary until it listens', median(starts) / 1_000, 's')),
    below(15, figure('npm start until three nodes gave one key', serving / 1_000, 's', 'packages installed')),
  ];
}
