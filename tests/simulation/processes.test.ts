import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { identify, isAlive, type ProcessIdentity } from './process-identity.ts';
import { endProcess, runKept, startKeeper } from './processes.ts';

/** A run loads its program and starts a chain before it says so. */
const waitMs = { timeout: 40_000, interval: 20 };
let directory: string;
let pidFile: string;
const started: ProcessIdentity[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'nova-kms-keeper-'));
  pidFile = join(directory, 'run', 'pids.json');
});
afterEach(async () => {
  await Promise.all(started.splice(0).map(endProcess));
  rmSync(directory, { recursive: true, force: true });
});

/** A process that does nothing, or nothing but ignore SIGTERM. */
async function startIdle(isStubborn = false): Promise<ProcessIdentity> {
  const program = `${isStubborn ? "process.on('SIGTERM', () => {});" : ''} setInterval(() => {}, 1000); console.log('ready')`;
  return remember(await ready(spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] })));
}

/** A run of its own: it starts a chain through the keeper, says so, and does what `then` says once its input ends with a word. */
async function startRun(then: string): Promise<{ run: ChildProcess; chain: ProcessIdentity; output: () => string }> {
  const program = `
    import { startAnvil } from ${JSON.stringify(new URL('anvil.ts', import.meta.url).href)}
    import { runKept } from ${JSON.stringify(new URL('processes.ts', import.meta.url).href)}
    await runKept(${JSON.stringify(pidFile)}, async (keeper) => {
      keeper.keepCleanup(() => console.log('cleaned'))
      const chain = await startAnvil({ onSpawn: keeper.keepProcess })
      console.log('ready ' + chain.pid)
      await new Promise((resolve) => process.stdin.once('data', resolve))
      ${then}
    })`;
  const run = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: ['pipe', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [run.stdout, run.stderr]) stream?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  await expect.poll(() => /ready (\d+)/.exec(output)?.[1] ?? (run.exitCode === null ? undefined : output), waitMs).toMatch(/^\d+$/);
  const chain = remember(Number(/ready (\d+)/.exec(output)?.[1]));
  return { run, chain, output: () => output };
}

async function ready(child: ChildProcess): Promise<number> {
  if (child.stdout === null || child.pid === undefined) throw new Error('the process did not start');
  await once(child.stdout, 'data');
  return child.pid;
}

function remember(pid: number): ProcessIdentity {
  const identity = identify(pid);
  if (identity === undefined) throw new Error(`process ${pid} is gone`);
  started.push(identity);
  return identity;
}

const wait = 'await new Promise(() => setInterval(() => {}, 1000))';

describe('a run', () => {
  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)('leaves nothing behind on %s', async (signal, exitCode) => {
    const { run, chain, output } = await startRun('');
    expect(isAlive(chain)).toBe(true);
    run.kill(signal);
    expect((await once(run, 'close'))[0]).toBe(exitCode);
    expect([isAlive(chain), existsSync(pidFile)]).toEqual([false, false]);
    expect(output().match(/cleaned/g)).toHaveLength(1);
  });

  it.each([
    ['it succeeds', '', 0],
    ['it fails', `throw new Error('on purpose')`, 1],
    ['a callback throws', `setTimeout(() => { throw new Error('on purpose') }); ${wait}`, 1],
    ['a promise is left rejected', `void Promise.reject(new Error('on purpose')); ${wait}`, 1],
    ['it exits in the middle', 'process.exit(7)', 7],
  ])('leaves no process behind when %s', async (_, then, exitCode) => {
    const { run, chain, output } = await startRun(then);
    run.stdin?.end('go');
    expect((await once(run, 'close'))[0]).toBe(exitCode);
    if (exitCode === 1) expect(output()).toContain('on purpose');
    await expect.poll(() => isAlive(chain), waitMs).toBe(false);
  });

  it('leaves no process and no file behind on a second signal, while a cleanup hangs', async () => {
    const file = join(directory, 'kept');
    writeFileSync(file, '');
    const hanging = `keeper.keepCleanup(() => new Promise(() => console.log('hanging')))`;
    const { run, chain, output } = await startRun(`keeper.keepFile(${JSON.stringify(file)}); ${hanging}; console.log('kept'); ${wait}`);
    run.stdin?.end('go');
    await expect.poll(output, waitMs).toContain('kept');
    run.kill('SIGINT');
    await expect.poll(output, waitMs).toContain('hanging');
    expect(existsSync(file)).toBe(true);
    run.kill('SIGINT');
    expect((await once(run, 'close'))[0]).toBe(130);
    await expect.poll(() => isAlive(chain), waitMs).toBe(false);
    expect(existsSync(file)).toBe(false);
  });

  it('leaves its processes to the next run when it is killed outright', async () => {
    const { run, chain } = await startRun('');
    run.kill('SIGKILL');
    await once(run, 'close');
    expect([isAlive(chain), existsSync(pidFile)]).toEqual([true, true]);
    const keeper = await startKeeper(pidFile);
    expect([isAlive(chain), existsSync(pidFile)]).toEqual([false, false]);
    await keeper.end();
  });

  it('refuses to start beside a run that is alive, and leaves that alone', async () => {
    const { run, chain } = await startRun('');
    await expect(startKeeper(pidFile)).rejects.toThrow(`process ${run.pid}`);
    expect(isAlive(chain)).toBe(true);
    run.kill('SIGTERM');
    await once(run, 'close');
  });
});

describe('sweeping', () => {
  const dead: ProcessIdentity = { pid: 2 ** 22 + 1, startTicks: '1', bootId: 'x' };

  async function sweepOf(changed: Partial<ProcessIdentity>): Promise<boolean> {
    const keeper = await startKeeper(pidFile);
    const idle = await startIdle();
    keeper.keepProcess(idle.pid);
    writeFileSync(pidFile, JSON.stringify({ owner: dead, processes: [{ ...idle, ...changed }] }));
    await startKeeper(pidFile);
    return isAlive(idle);
  }

  it('ends the process it wrote down', async () => expect(await sweepOf({})).toBe(false));
  it('spares a process that started at another time', async () => expect(await sweepOf({ startTicks: '1' })).toBe(true));
  it('spares a process of another boot', async () => expect(await sweepOf({ bootId: 'another' })).toBe(true));

  it.each(['', '{', '{}', 'null', '{"owner":{"pid":1},"processes":[]}', '[]'])(
    'ends nothing on the word of a file that says %s',
    async (content) => {
      const keeper = await startKeeper(pidFile);
      keeper.keepProcess((await startIdle()).pid);
      writeFileSync(pidFile, content);
      await startKeeper(pidFile);
      expect(started.map(isAlive)).toEqual([true]);
    },
  );
});

describe('the keeper', () => {
  it('ends in reverse order, once, and goes on after a cleanup that fails', async () => {
    const keeper = await startKeeper(pidFile);
    const order: string[] = [];
    keeper.keepCleanup(() => void order.push('first'));
    keeper.keepCleanup(() => Promise.reject(new Error('on purpose')));
    const idle = await startIdle();
    keeper.keepProcess(idle.pid);
    keeper.keepCleanup(() => void order.push(isAlive(idle) ? 'last, before the process' : 'too late'));
    const ends = [keeper.end(), keeper.end()];
    for (const end of ends) await expect(end).rejects.toThrow('on purpose');
    expect(order).toEqual(['last, before the process', 'first']);
    expect([isAlive(idle), existsSync(pidFile)]).toEqual([false, false]);
  });

  it('kills a process that ignores SIGTERM', async () => {
    const keeper = await startKeeper(pidFile);
    const idle = await startIdle(true);
    keeper.keepProcess(idle.pid);
    await keeper.end();
    expect(isAlive(idle)).toBe(false);
  });

  it('writes processes down at once and forgets those that ended', async () => {
    const keeper = await startKeeper(pidFile);
    const [one, other] = [await startIdle(), await startIdle()];
    const written = (): number[] =>
      (JSON.parse(readFileSync(pidFile, 'utf8')) as { processes: ProcessIdentity[] }).processes.map(({ pid }) => pid);
    keeper.keepProcess(one.pid);
    expect(written()).toEqual([one.pid]);
    await endProcess(one);
    keeper.keepProcess(other.pid);
    keeper.keepProcess(other.pid);
    expect(written()).toEqual([other.pid]);
    await keeper.end();
  });

  it('keeps the children that others started', async () => {
    const keeper = await startKeeper(pidFile);
    const idle = await startIdle();
    keeper.keepChildren();
    expect(readFileSync(pidFile, 'utf8')).toContain(`"pid":${idle.pid},`);
    await endProcess(idle);
  });

  it('hands on the result of a body and the error of one', async () => {
    expect(await runKept(pidFile, () => Promise.resolve(5))).toBe(5);
    await expect(runKept(pidFile, () => Promise.reject(new Error('on purpose')))).rejects.toThrow('on purpose');
    expect(process.listenerCount('SIGTERM')).toBe(0);
  });
});
