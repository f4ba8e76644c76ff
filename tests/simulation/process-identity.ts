/**
 * Which process a number means. A process id is reused; with the moment its process started and the boot of the machine it is not.
 * Read from /proc, so only Linux can tell: elsewhere nothing is known, and what is not known is never ended.
 */
import { readFileSync, readdirSync } from 'node:fs';

export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks between the machine's boot and the start of the process: field 22 of /proc/<pid>/stat. */
  readonly startTicks: string;
  readonly bootId: string;
}

/** Undefined when there is no such process, or when it is dead and only waits for its parent to notice. */
export function identify(pid: number): ProcessIdentity | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field is the program's name in parentheses and may hold spaces and parentheses itself.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const [state, startTicks] = [fields[0], fields[19]];
    if (state === 'Z' || state === 'X' || startTicks === undefined) return undefined;
    return { pid, startTicks, bootId: readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim() };
  } catch (cause) {
    if (isAbsence(cause)) return undefined;
    throw cause;
  }
}

export function isAlive(identity: ProcessIdentity): boolean {
  const now = identify(identity.pid);
  return now !== undefined && now.startTicks === identity.startTicks && now.bootId === identity.bootId;
}

/** Whether every thread of the process is stopped by a signal. */
export function isStopped(pid: number): boolean {
  return readdirSync(`/proc/${pid}/task`).every((task) => {
    const stat = readFileSync(`/proc/${pid}/task/${task}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).startsWith('T');
  });
}

/** The direct children of this process, those that libraries started included. */
export function childPids(): number[] {
  return readdirSync('/proc/self/task').flatMap((task) => {
    try {
      return readFileSync(`/proc/self/task/${task}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
    } catch (cause) {
      if (isAbsence(cause)) return [];
      throw cause;
    }
  });
}

/** ESRCH: the process ended between opening and reading its file. */
function isAbsence(cause: unknown): boolean {
  const code = (cause as NodeJS.ErrnoException).code;
  return code === 'ENOENT' || code === 'ESRCH';
}
