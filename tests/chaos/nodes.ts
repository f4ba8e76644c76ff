/**
 * The nodes of a world, each started anew as a process that can be killed, stopped and given another clock. The clock is libfaketime's. The
 * binary refuses `LD_PRELOAD`, as it should, so the loader is called by name and told there. It empties its environment, too: from then
 * on libfaketime looks for a file of no name, which the C library writes as `(null)`; so that is what the file is called from the start.
 */
import { copyFileSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { builtBinary } from '../simulation/binaries.ts';
import { spawnBinary } from '../simulation/kinds/binary.ts';
import { WORLDS_FOLDER } from '../simulation/world.ts';
import type { SpawnedBinary } from '../simulation/kinds/binary.ts';
import type { Keeper } from '../simulation/processes.ts';
import type { Member, World } from '../simulation/world.ts';

/** One run at a time has it: whoever keeps processes in its pid file. */
const FOLDER = join(WORLDS_FOLDER, 'chaos');
const LOADER = '/lib64/ld-linux-x86-64.so.2';
const CLOCK_LIBRARY = '/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1';
const CLOCK_FILE = '(null)';
/** The file is read again after a second; the comparison is of whole seconds. */
const CLOCK_LATE_MS = 2_500;
/** While the node was down, a connection of somebody else may have been given its port. */
const START_TRIES = 10;
const START_PAUSE_MS = 500;

export const hasClocks: boolean = existsSync(CLOCK_LIBRARY) && existsSync(LOADER);

export interface Subject {
  readonly member: Member;
  /** Counts the memories that were lost. */
  boot(): number;
  signal(name: NodeJS.Signals): void;
  /** SIGKILL; whatever the node held is lost. */
  kill(): Promise<void>;
  /** The same enclave with the same keys. */
  start(): Promise<void>;
  /** Another enclave at the same address: other wallet, other TEE key. Bound on chain. */
  startAnew(): Promise<void>;
  setClock(offsetMs: number): void;
  /** What the node's own clock said in this span, at least. */
  clockMinMs(startMs: number, endMs: number): number;
  /** The furthest that its clock had ever been by then. */
  clockMaxMs(endMs: number): number;
}

/** Takes over from the world's own processes. All are of one binary, whatever becomes of the source meanwhile. */
export async function startSubjects(world: World, keeper: Keeper, heard: (node: string, line: string) => void): Promise<Subject[]> {
  const removeFolder = (): void => rmSync(FOLDER, { recursive: true, force: true });
  removeFolder();
  mkdirSync(FOLDER);
  keeper.keepCleanup(removeFolder);
  copyFileSync(await builtBinary({ release: false, profile: world.profile }), join(FOLDER, 'nova-kms'));
  return await Promise.all(
    world.members.map(async (member) => {
      await member.node.stop();
      const subject = createSubject(world, member, keeper, (line) => heard(member.name, line));
      await subject.start();
      return subject;
    }),
  );
}

function createSubject(world: World, member: Member, keeper: Keeper, heard: (line: string) => void): Subject {
  const [program, folder] = [join(FOLDER, 'nova-kms'), join(FOLDER, member.name)];
  const offsets = [{ atMs: 0, offsetMs: 0 }];
  let boots = 0;
  let binary: SpawnedBinary | undefined;
  mkdirSync(folder);

  /** Replaced as a whole: libfaketime ends the process over a file that it cannot read. */
  function setClock(offsetMs: number): void {
    offsets.push({ atMs: Date.now(), offsetMs });
    writeFileSync(join(folder, 'next'), `${offsetMs < 0 ? '-' : '+'}${(Math.abs(offsetMs) / 1_000).toFixed(3)}s`);
    renameSync(join(folder, 'next'), join(folder, CLOCK_FILE));
  }

  /** When an offset was in force for the last time. */
  const lastMs = (at: number): number => (offsets[at + 1]?.atMs ?? Infinity) + CLOCK_LATE_MS;

  function spawn(): SpawnedBinary {
    const settings = {
      NOVA_KMS_LISTEN: new URL(member.node.url).host,
      NOVA_KMS_ODYN_URL: member.node.odyn.url,
      NOVA_KMS_RPC_URL: world.chain.rpcUrl,
    };
    const clock = { FAKETIME_TIMESTAMP_FILE: CLOCK_FILE, FAKETIME_CACHE_DURATION: '1', FAKETIME_DONT_FAKE_MONOTONIC: '1' };
    const options = { heard, onSpawn: (pid: number) => keeper.keepProcess(pid) };
    if (!hasClocks) return spawnBinary(program, { ...options, env: settings });
    return spawnBinary('/usr/bin/env', {
      ...options,
      args: ['-C', folder, LOADER, '--preload', CLOCK_LIBRARY, program],
      env: { ...settings, ...clock },
    });
  }

  async function start(): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      binary = spawn();
      try {
        return void (await binary.port);
      } catch (error) {
        if (tries === START_TRIES) throw error;
        await sleep(START_PAUSE_MS);
      }
    }
  }

  setClock(0);
  return {
    member,
    boot: () => boots,
    signal: (name) => binary?.signal(name),
    async kill() {
      boots += 1;
      binary?.signal('SIGKILL');
      await binary?.ended;
    },
    start,
    async startAnew() {
      await member.node.replaceEnclave();
      await member.node.stop();
      await start();
      await world.register(member);
    },
    setClock,
    clockMinMs(startMs, endMs) {
      const inForce = offsets.filter(({ atMs }, at) => atMs <= endMs && lastMs(at) >= startMs);
      return startMs + Math.min(...inForce.map(({ offsetMs }) => offsetMs));
    },
    clockMaxMs: (endMs) =>
      Math.max(...offsets.map(({ atMs, offsetMs }, at) => (atMs <= endMs ? Math.min(endMs, lastMs(at)) + offsetMs : 0))),
  };
}
