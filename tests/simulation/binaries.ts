/** Enclave binaries for tests, kept by their content below `.simulation/`: contracts land on the same addresses in every world. */
import { createHash, randomUUID } from 'node:crypto';
import { existsSync, statSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, utimes } from 'node:fs/promises';
import { join } from 'node:path';
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
const UNUSED_MS_MAX = 60 * 60_000;

/** Its path. `settings` of the single executable replace the build's own. */
export async function builtBinary(target: BinaryTarget, settings: object = {}): Promise<string> {
  const { text } = await bundleEnclave(target);
  const key = [text, JSON.stringify(settings), await readFile(join(ROOT, 'build.mjs'), 'utf8')].join('\n');
  const folder = join(FOLDER, createHash('sha256').update(key).digest('hex').slice(0, 20));
  const path = join(folder, 'nova-kms');
  await mkdir(folder, { recursive: true });
  await utimes(folder, new Date(), new Date());
  await sweep();
  if (!existsSync(path)) {
    // Another test may build the same one now: whoever is last replaces equal bytes by equal bytes.
    const own = join(folder, `nova-kms-${randomUUID()}`);
    await writeExecutable(text, own, settings);
    await rename(own, path);
  }
  return path;
}

async function sweep(): Promise<void> {
  for (const name of await readdir(FOLDER)) {
    // Another test may sweep at the same time.
    const usedAtMs = statSync(join(FOLDER, name), { throwIfNoEntry: false })?.mtimeMs ?? Date.now();
    if (Date.now() - usedAtMs > UNUSED_MS_MAX) await rm(join(FOLDER, name), { recursive: true, force: true });
  }
}
