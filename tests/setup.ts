/**
 * Before any test: the worker's bundle and the compiled contracts, once for all worlds. After all: whether a secret was seen, unless the run that
 * started this one judges that itself.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { judge } from './secrecy/judge.ts';
import { WATCH_FOLDER } from './secrecy/recorder.ts';
import { prepareWorlds } from './simulation/world.ts';

export default async function setup(): Promise<(() => void) | undefined> {
  await prepareWorlds();
  if (process.env[WATCH_FOLDER] !== undefined) return undefined;
  const folder = mkdtempSync(join(tmpdir(), 'nova-kms-'));
  process.env[WATCH_FOLDER] = folder;
  return () => {
    const { text, leaks } = judge(folder);
    rmSync(folder, { recursive: true, force: true });
    console.log(text);
    if (leaks.length > 0) throw new Error('a secret was seen');
  };
}
