/**
 * Keeps what a run of the simulated world started, and ends it: child processes and cleanups, once, the last first,
 * whether the run succeeds, fails or is interrupted. A run that is killed outright cannot clean up;
 * its processes stand in the pid file, and the next run ends them before it starts its own.
 */
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { childPids, identify, isAlive, type ProcessIdentity } from './process-identity.ts';

export interface Keeper {
  /** Writes the process down before it returns: call it in the same stretch that started the process. */
  keepProcess(pid: number): void;
  /** Writes down the children that libraries started, workerd among them. */
  keepChildren(): void;
  keepCleanup(cleanup: () => void | Promise<void>): void;
  /** A file that is to go with the run, also when its process ends at once. It need not be there yet. */
  keepFile(path: string): void;
  /** Ends everything, the last kept first. Later calls await the first. Throws an AggregateError when cleanups failed. */
  end(): Promise<void>;
  /** For the last moment of a process, where nothing can be awaited: SIGKILL to all that is kept, and its files removed. */
  endAbruptly(): void;
}

/** The pid file belongs to a run that is alive. */
export class AnotherRun extends Error {}

interface PidFile {
  readonly owner: ProcessIdentity;
  readonly processes: readonly ProcessIdentity[];
}

/** A process that ignores SIGTERM this long is killed. */
const graceMs = 3_000;
/** Nothing survives SIGKILL longer than this, unless the kernel holds it. */
const killMs = 5_000;
/** A cleanup that hangs must not keep the others from running. */
const cleanupMs = 10_000;
const pollMs = 10;

/** Ends the leftovers of a killed earlier run with this pid file. Throws when that run is still alive. */
export async function startKeeper(pidFile: string): Promise<Keeper> {
  await sweep(pidFile);
  const owner = identify(process.pid);
  const kept: ProcessIdentity[] = [];
  const files = new Set<string>();
  const steps: (() => void | Promise<void>)[] = [];
  let ending: Promise<void> | undefined;

  function keepProcess(pid: number): void {
    const identity = identify(pid);
    if (identity === undefined || kept.some((each) => each.pid === pid && each.startTicks === identity.startTicks)) return;
    kept.push(identity);
    steps.push(() => endProcess(identity));
    if (owner !== undefined) writePidFile(pidFile, { owner, processes: kept.filter(isAlive) });
  }

  /** Once: what another run writes there later is its own. */
  function removeFile(path: string): void {
    if (files.delete(path)) rmSync(path, { force: true });
  }

  async function endAll(): Promise<void> {
    const failures: unknown[] = [];
    for (let step = steps.pop(); step !== undefined; step = steps.pop()) {
      try {
        await withDeadline(step);
      } catch (cause) {
        failures.push(cause);
      }
    }
    if (!kept.some(isAlive)) rmSync(pidFile, { force: true });
    if (failures.length > 0) throw new AggregateError(failures, `cleanups failed: ${failures.map(String).join('; ')}`);
  }

  return {
    keepProcess,
    keepChildren: () => childPids().forEach(keepProcess),
    keepCleanup: (cleanup) => void steps.push(cleanup),
    keepFile(path) {
      files.add(path);
      steps.push(() => removeFile(path));
    },
    end: () => (ending ??= endAll()),
    endAbruptly() {
      kept.filter(isAlive).forEach((identity) => sendSignal(identity, 'SIGKILL'));
      files.forEach(removeFile);
    },
  };
}

/** Runs the body and ends all that it kept, however it ends; the process's own ends by signal or error are covered while it runs. */
export async function runKept<Result>(pidFile: string, body: (keeper: Keeper) => Promise<Result>): Promise<Result> {
  const keeper = await startKeeper(pidFile);
  const unguard = guardProcess(keeper);
  try {
    return await body(keeper);
  } finally {
    await keeper.end();
    unguard();
  }
}

/** Hooks the ends of this process. A second signal of impatience kills what is left at once, and removes the files that were kept. */
export function guardProcess(keeper: Keeper): () => void {
  const signals = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;
  let isEnding = false;
  function endWith(exitCode: number): void {
    if (isEnding) process.exit(exitCode);
    isEnding = true;
    const report = (cause: unknown): void => console.error(cause);
    void keeper
      .end()
      .catch(report)
      .then(() => process.exit(exitCode));
  }
  const onSignal = (signal: NodeJS.Signals): void => endWith(signals[signal as keyof typeof signals]);
  const onError = (cause: unknown): void => {
    console.error(cause);
    endWith(1);
  };
  const onExit = (): void => keeper.endAbruptly();
  for (const signal of Object.keys(signals)) process.on(signal, onSignal);
  process.on('uncaughtException', onError);
  process.on('exit', onExit);
  return () => {
    for (const signal of Object.keys(signals)) process.off(signal, onSignal);
    process.off('uncaughtException', onError);
    process.off('exit', onExit);
  };
}

/**
 * Calls what makes a library's object and takes back the signal handlers that the library added on the way: Miniflare's would
 * end this process at once, before anything kept is ended in order.
 */
export function withoutForeignSignals<Made>(make: () => Made): Made {
  const signals = ['SIGHUP', 'SIGINT', 'SIGTERM'] as const;
  const before = new Map(signals.map((signal) => [signal, process.listeners(signal)]));
  const made = make();
  for (const signal of signals) {
    for (const listener of process.listeners(signal)) if (!before.get(signal)?.includes(listener)) process.off(signal, listener);
  }
  return made;
}

/** SIGTERM, then SIGKILL; resolves when the process is gone. Only ever meets the process that was identified. */
export async function endProcess(identity: ProcessIdentity): Promise<void> {
  sendSignal(identity, 'SIGTERM');
  // A stopped process takes the signal only once it goes on.
  sendSignal(identity, 'SIGCONT');
  if (await isGoneWithin(identity, graceMs)) return;
  sendSignal(identity, 'SIGKILL');
  if (!(await isGoneWithin(identity, killMs))) throw new Error(`process ${identity.pid} survives SIGKILL`);
}

async function sweep(pidFile: string): Promise<void> {
  const earlier = readPidFile(pidFile);
  if (earlier === undefined) return;
  if (isAlive(earlier.owner))
    throw new AnotherRun(`another run is up, process ${earlier.owner.pid}: end it first (Ctrl-C in its terminal)`);
  await Promise.all(earlier.processes.map(endProcess));
  rmSync(pidFile, { force: true });
}

/** The identity is checked in the same stretch, so a reused number is not hit. */
function sendSignal(identity: ProcessIdentity, signal: NodeJS.Signals): void {
  if (!isAlive(identity)) return;
  try {
    process.kill(identity.pid, signal);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ESRCH') throw cause;
  }
}

async function isGoneWithin(identity: ProcessIdentity, limitMs: number): Promise<boolean> {
  for (const endMs = performance.now() + limitMs; performance.now() < endMs; await sleep(pollMs)) {
    if (!isAlive(identity)) return true;
  }
  return !isAlive(identity);
}

async function withDeadline(step: () => void | Promise<void>): Promise<void> {
  const deadline = new AbortController();
  const late = sleep(cleanupMs, undefined, { signal: deadline.signal }).then(
    () => Promise.reject(new Error(`a cleanup took more than ${cleanupMs} ms`)),
    () => undefined,
  );
  try {
    await Promise.race([Promise.resolve().then(step), late]);
  } finally {
    deadline.abort();
  }
}

/** Replaced as a whole, so that a kill in the middle leaves the old one. */
function writePidFile(pidFile: string, content: PidFile): void {
  mkdirSync(dirname(pidFile), { recursive: true });
  writeFileSync(`${pidFile}.new`, JSON.stringify(content));
  renameSync(`${pidFile}.new`, pidFile);
}

/** A file that cannot be understood names no process that may be ended. */
function readPidFile(pidFile: string): PidFile | undefined {
  try {
    const { owner, processes } = (JSON.parse(readFileSync(pidFile, 'utf8')) ?? {}) as Partial<PidFile>;
    if (!isIdentity(owner) || !Array.isArray(processes) || !processes.every(isIdentity)) throw new SyntaxError('not a pid file');
    return { owner, processes };
  } catch (cause) {
    if (cause instanceof SyntaxError) return void console.error(`${pidFile} is unreadable; processes of an earlier run may be left`);
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw cause;
  }
}

function isIdentity(value: unknown): value is ProcessIdentity {
  const { pid, startTicks, bootId } = (value ?? {}) as Partial<ProcessIdentity>;
  return Number.isSafeInteger(pid) && Number(pid) > 1 && typeof startTicks === 'string' && typeof bootId === 'string';
}
