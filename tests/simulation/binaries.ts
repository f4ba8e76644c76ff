/** Enclave binaries for tests, kept by their content below `.simulation/`: contracts land on the same addresses in every world. */
import { createHash } from 'node:crypto';
import { existsSync, statSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { bundleEnclave, writeExecutable } from '../../build.mjs';

export interface BinaryTarget {
  readonly release: boolean;
  /** As JSON carries it; tests build wrong ones, too. */
  readonly profile: object;
}

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const FOLDER = join(ROOT, '.simulation', 'binaries');
/** Each is 150 MB: what no run has asked for in this time goes. */
const UNUSED_MS_MAX = 20 * 60_000;
/** A build takes seconds; a lock that is older was left by a run that was killed. */
const BUILD_MS_MAX = 60_000;
const POLL_MS = 50;
/** What this process has bundled, by its target: the source stays as it is while it runs, and a bundle costs more than half a second. */
const bundles = new Map<string, Promise<string>>();

/** Its path. `settings` of the single executable replace the build's own. */
export async function builtBinary(target: BinaryTarget, settings: object = {}): Promise<string> {
  const text = await bundled(target);
  const key = [text, JSON.stringify(settings), await readFile(join(ROOT, 'build.mjs'), 'utf8')].join('\n');
  const folder = join(FOLDER, createHash('sha256').update(key).digest('hex').slice(0, 20));
  const path = join(folder, 'nova-kms');
  await mkdir(folder, { recursive: true });
  await utimes(folder, new Date(), new Date());
  await sweep();
  if (existsSync(path) || !(await takeTurn(`${path}.lock`, path))) return path;
  try {
    await writeExecutable(text, `${path}.new`, settings);
    await rename(`${path}.new`, path);
  } finally {
    await rm(`${path}.lock`, { recursive: true, force: true });
  }
  return path;
}

function bundled(target: BinaryTarget): Promise<string> {
  const name = JSON.stringify(target);
  const known = bundles.get(name);
  if (known) return known;
  const made = bundleEnclave(target).then(({ text }) => text);
  bundles.set(name, made);
  // A later one tries again.
  made.catch(() => bundles.delete(name));
  return made;
}

/** Whether it is ours to build; otherwise another test has built it meanwhile. */
async function takeTurn(lock: string, path: string): Promise<boolean> {
  for (; !existsSync(path); await sleep(POLL_MS)) {
    try {
      await mkdir(lock);
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    if (ageMs(lock) > BUILD_MS_MAX) await rm(lock, { recursive: true, force: true });
  }
  return false;
}

async function sweep(): Promise<void> {
  for (const name of await readdir(FOLDER))
    if (ageMs(join(FOLDER, name)) > UNUSED_MS_MAX) await rm(join(FOLDER, name), { recursive: true, force: true });
}

/** 0 for what another test has removed meanwhile. */
function ageMs(path: string): number {
  const { mtimeMs = Date.now() } = statSync(path, { throwIfNoEntry: false }) ?? {};
  return Date.now() - mtimeMs;
}
