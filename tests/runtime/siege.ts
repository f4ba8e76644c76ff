/** An attack on one node, from its beginning to its end, and what the machine says of the node meanwhile. */
import { fork } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Attack, Siege } from './attacker.ts';

export interface Besieger {
  told(): Siege | undefined;
  end(): void;
}

/** Every attack of strangers, and of what it consists. */
export const ATTACKS: Readonly<Record<Attack, string>> = {
  'huge-frames': 'frames of 100 MB without a session, as fast as they go',
  'huge-bodies': 'hellos without an end, in chunks of 64 KiB',
  'gzip-bombs': 'hellos that would unpack to a thousand times their size',
  'many-headers': 'requests with 1,500 headers',
  'endless-headers': 'requests whose headers never end',
  pipelines: '/status, asked without a pause and never read',
  'fresh-wallets': 'proofs, each of another wallet that nobody knows',
};

export function besiege(url: string, attack: Attack): Besieger {
  const child = fork(fileURLToPath(new URL('attacker.ts', import.meta.url)), [url, attack], { execArgv: [] });
  let siege: Siege | undefined;
  child.on('message', (told: Siege) => (siege = told));
  return { told: () => siege, end: () => void child.kill('SIGKILL') };
}

/** Resident memory of a process now, in bytes. */
export function residentBytes(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kib) * 1_024;
}
