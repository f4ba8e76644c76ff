/** Crowds and slow clients at the enclave binary, over real connections: who behaves is served as if they were not there. */
import { fork } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { CONNECTIONS_FILES_PERCENT, CONNECTIONS_MAX } from '../../core/limits.ts';
import { call } from '../simulation/platform-client.ts';
import { createWorld, until, untilServing } from '../simulation/world.ts';
import { exchange, statuses } from '../functions/raw.ts';
import { ATTACKS, besiege, residentBytes } from './siege.ts';
import type { ChildProcess } from 'node:child_process';
import type { App, Member, World } from '../simulation/world.ts';
import type { Attack } from './attacker.ts';
import type { Count, Manner, Order, Tally } from './crowd.ts';

/** How many files a process may have open here: each end of a connection is one. The binary takes as many connections as that allows. */
const [, files = '0'] = /Max open files\s+\d+\s+(\d+|unlimited)/.exec(readFileSync('/proc/self/limits', 'utf8')) ?? [];
const taken =
  files === 'unlimited' ? CONNECTIONS_MAX : Math.min(CONNECTIONS_MAX, Math.floor((Number(files) * CONNECTIONS_FILES_PERCENT) / 100));
/** Ten thousand, but for a machine that allows fewer files. */
const IDLE = Math.min(10_000, taken - 1_400);
const SLOW = 300;
/** Each makes the node's machine hold megabytes of answers. */
const SLOW_READERS = 20;
/** What the process may hold while it is besieged, with what came before: docs/reliability.md states it. */
const BESIEGED_BYTES_MAX = 1_024 * 1_048_576;
/** Of a test with thousands of connections: longer than it waits for any one thing. */
const CROWD_MS_MAX = 180_000;
let world: World;
let app: App;
let member: Member;
const crowds: ChildProcess[] = [];

beforeAll(async () => {
  if (IDLE < 1_000) throw new Error(`a process may open ${files} files here, too few for a crowd: ulimit -n 20000`);
  world = await createWorld({ nodes: 2, kinds: ['binary', 'worker'] });
  await world.contracts.openGenesis();
  await untilServing(world.members);
  [app] = world.apps as [App];
  [member] = world.members as [Member];
  // Known from now on, whatever test comes first: strangers may use up all look-ups of wallets that are not.
  await othersAreServed();
});
afterEach(() => crowds.splice(0).forEach((crowd) => crowd.kill('SIGKILL')));
afterAll(async () => world?.stop());

interface Crowd {
  /** Those of one manner. */
  count(manner: Manner): Count;
  /** Resolves when all of them are connected, refused or answered. */
  comes(manner: Manner, count: number): Promise<void>;
}

function startCrowd(): Crowd {
  const child = fork(fileURLToPath(new URL('crowd.ts', import.meta.url)), [member.node.url], { execArgv: [] });
  crowds.push(child);
  let tally: Tally | undefined;
  child.on('message', (told: Tally) => (tally = told));
  let orders = 0;
  return {
    count: (manner) => tally?.of[manner] ?? { open: 0, closed: 0, answered: 0 },
    async comes(manner, count) {
      orders += 1;
      child.send({ manner, count } satisfies Order);
      await until(`${count} ${manner} clients`, async () => tally?.done === orders, 100_000);
    },
  };
}

async function othersAreServed(): Promise<void> {
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, index) => call(app, member.keys(), '/kms/derive', { path: `beside/${index}` })),
  );
  expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 20 }, () => 200));
}

describe('a binary serves others beside', { timeout: CROWD_MS_MAX }, () => {
  it(`${IDLE} idle connections, and crowds of every slow kind on top`, async () => {
    const crowd = startCrowd();
    await crowd.comes('idle', IDLE);
    expect(crowd.count('idle')).toMatchObject({ open: IDLE, answered: IDLE });
    await othersAreServed();
    const slow = { silent: SLOW, 'slow-headers': SLOW, 'slow-body': SLOW, 'slow-reader': SLOW_READERS } as const;
    for (const [manner, count] of Object.entries(slow)) await crowd.comes(manner as Manner, count);
    await othersAreServed();
    // Who sends nothing, sends headers or a body byte by byte, or reads no answer, is gone after a while; the idle ones may stay.
    for (const [manner, count] of Object.entries(slow))
      await until(`${manner} clients to be closed`, async () => crowd.count(manner as Manner).closed === count, 90_000);
    expect(crowd.count('idle')).toMatchObject({ open: IDLE, closed: 0 });
    await othersAreServed();
  });

  it('more connections than it takes: the rest is refused, and those that are there stay', async () => {
    const [first, second] = [startCrowd(), startCrowd()];
    await first.comes('idle', taken - 100);
    await second.comes('idle', 500);
    await until('the rest to be refused', async () => second.count('idle').closed >= 300);
    expect(first.count('idle')).toMatchObject({ open: taken - 100, closed: 0 });
    crowds.splice(0).forEach((crowd) => crowd.kill('SIGKILL'));
    await until(
      'room',
      async () => statuses(await exchange(member.node.url, 'GET /health HTTP/1.1\r\nHost: x\r\nconnection: close\r\n\r\n'))[0] === 200,
    );
    await othersAreServed();
  });
});

describe('a besieged binary', () => {
  it.each(Object.keys(ATTACKS) as Attack[])('stays small and serves others while it is sent %s', async (attack) => {
    const pid = member.node.binary().pid ?? 0;
    const besieger = besiege(member.node.url, attack);
    try {
      await until('the attack', async () => (besieger.told()?.sentBytes ?? 0) > 0);
      await othersAreServed();
      expect(residentBytes(pid)).toBeLessThan(BESIEGED_BYTES_MAX);
      expect(besieger.told()?.opened).toBeGreaterThan(0);
      expect(Object.keys(besieger.told()?.statuses ?? {})).not.toContain('500');
    } finally {
      besieger.end();
    }
    await othersAreServed();
    expect(residentBytes(pid)).toBeLessThan(BESIEGED_BYTES_MAX);
  });
});
