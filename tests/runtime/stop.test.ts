/** How the enclave binary ends while it works: what it took it finishes, within its time, and a second signal is the end at once. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { STOP_MS_MAX } from '../../core/limits.ts';
import { open, statuses } from '../functions/raw.ts';
import { call } from '../simulation/platform-client.ts';
import { createWorld, until, untilServing } from '../simulation/world.ts';
import type { App, Member, World } from '../simulation/world.ts';

const ENCRYPT = '/v1/encryption/encrypt';
let world: World;
let app: App;
let member: Member;

beforeAll(async () => {
  world = await createWorld({ nodes: 2, kinds: ['binary', 'worker'] });
  await world.contracts.openGenesis();
  [app] = world.apps as [App];
  [member] = world.members as [Member];
});
beforeEach(() => untilServing(world.members));
afterEach(async () => {
  member.node.odyn.faults.clear();
  await member.node.stop();
  await member.node.start();
});
afterAll(async () => world?.stop());

const said = (event: string) => member.node.lines.some((line) => line.includes(`"event":"${event}"`));

/** A derivation that has reached the enclave's box, which takes its time. */
async function held(): Promise<{ readonly answer: Promise<number> }> {
  const before = member.node.odyn.calls[ENCRYPT] ?? 0;
  const answer = call(app, member.keys(), '/kms/derive', { path: 'held' }).then(({ status }) => status);
  await until('the request to reach Odyn', async () => (member.node.odyn.calls[ENCRYPT] ?? 0) > before);
  return { answer };
}

it('SIGTERM during a request: it is answered, nothing new is taken, and the exit code is 0', async () => {
  member.node.odyn.faults.set(ENCRYPT, { kind: 'delay', delayMs: 3_000 });
  const { answer } = await held();
  const binary = member.node.binary();
  binary.signal('SIGTERM');
  await until('the end to begin', async () => said('binary.stopping'));
  await expect(open(member.node.url)).rejects.toThrow('ECONNREFUSED');
  expect(await answer).toBe(200);
  expect(await binary.ended).toBe(0);
  expect(member.node.lines.at(-1)).toContain('"event":"binary.stopped","cut":0');
});

it('SIGTERM during a body that never comes to its end: the sender is told, and the end is in time', async () => {
  const wire = await open(member.node.url);
  const headers = `Host: x\r\nContent-Type: application/cbor\r\nX-KMS-Signature: 0x${'11'.repeat(65)}\r\nExpect: 100-continue\r\nContent-Length: 9`;
  wire.send(`POST /sync HTTP/1.1\r\n${headers}\r\n\r\n`);
  await wire.received(/100 Continue/);
  const binary = member.node.binary();
  const signalledAtMs = performance.now();
  binary.signal('SIGTERM');
  expect(statuses(await wire.closed)).toEqual([100, 408]);
  expect(await binary.ended).toBe(0);
  expect(performance.now() - signalledAtMs).toBeLessThan(STOP_MS_MAX);
});

it('a second signal is the end at once', async () => {
  member.node.odyn.faults.set(ENCRYPT, { kind: 'hang' });
  const { answer } = await held();
  const cut = expect(answer).rejects.toThrow('fetch failed');
  const binary = member.node.binary();
  const before = member.node.lines.length;
  binary.signal('SIGTERM');
  await until('the end to begin', async () => member.node.lines.slice(before).some((line) => line.includes('binary.stopping')));
  binary.signal('SIGTERM');
  expect(await binary.ended).toBe(143);
  await cut;
});
