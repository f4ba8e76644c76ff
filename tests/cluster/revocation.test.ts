/** How long a revoked app is still answered, against a real chain, and what else the registry can say of a caller. */
import { request as httpRequest } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { call, platformRequest } from '../simulation/platform-client.ts';
import { createWorld, until, untilServing } from '../simulation/world.ts';
import type { RequestParts } from '../simulation/platform-client.ts';
import type { App, Member, World } from '../simulation/world.ts';

let world: World;
let control: App;
let boundMs: number;
const longestMs: number[] = [];

beforeAll(async () => {
  world = await createWorld({ nodes: 3, apps: 1 });
  await world.contracts.openGenesis();
  await untilServing(world.members);
  [control] = world.apps as [App];
  const status = (await (await fetch(`${world.members[0]?.url}/status`)).json()) as { revocation_bound_ms: number };
  boundMs = status.revocation_bound_ms;
});

afterAll(async () => {
  console.log(`revocations took at most ${Math.max(...longestMs)} ms on three nodes; /status states ${boundMs} ms`);
  await world?.stop();
});

const derive = (app: App, member: Member) => call(app, member.keys(), '/kms/derive', { path: 'revocation' });

/** A new app that every node serves, revoked; answers with the longest time until a node refused it. */
async function revoke(name: string, how: (app: App) => Promise<unknown>): Promise<number> {
  const app = await world.addApp(name);
  for (const member of world.members) await until(`${name} to be served`, async () => (await derive(app, member)).status === 200);
  await how(app);
  const revokedAtMs = Date.now();
  const times = await Promise.all(
    world.members.map(async (member) => {
      const refusal = await until(`${member.name} to refuse ${name}`, async () => {
        const answer = await derive(app, member);
        return answer.status !== 200 && answer;
      });
      expect([refusal.status, JSON.parse(refusal.wire)]).toMatchObject([403, { code: 'unauthorized', reason: 'proof_refused' }]);
      return Date.now() - revokedAtMs;
    }),
  );
  return Math.max(...times);
}

describe('S-H6 a revocation', () => {
  it.each([
    ['of an instance', 'instance-app', (app: App) => world.contracts.writeNova('updateInstanceStatus', [app.instanceId, 1])],
    ['of a failed instance', 'failed-app', (app: App) => world.contracts.writeNova('updateInstanceStatus', [app.instanceId, 2])],
    ['of a version', 'version-app', (app: App) => world.contracts.writeNova('revokeVersion', [app.appId, app.versionId])],
    ['of an app', 'revoked-app', (app: App) => world.contracts.writeNova('updateAppStatus', [app.appId, 2])],
    ['by switching the app off', 'inactive-app', (app: App) => world.contracts.writeNova('updateAppStatus', [app.appId, 1])],
  ])('%s takes effect within the bound that /status states', async (_what, name, how) => {
    const tookMs = await revoke(name, how);
    longestMs.push(tookMs);
    expect(tookMs).toBeLessThan(boundMs);
    for (const member of world.members) expect((await derive(control, member)).status).toBe(200);
  });

  it('does not touch a version that is merely deprecated', async () => {
    const app = await world.addApp('deprecated-app');
    await until('it to be served', async () => (await derive(app, world.members[0] as Member)).status === 200);
    await world.contracts.writeNova('deprecateVersion', [app.appId, app.versionId]);
    const deadline = Date.now() + 5_000;
    while (Date.now() < deadline) expect((await derive(app, world.members[0] as Member)).status).toBe(200);
  });

  it('counts for a request whose last byte comes after it', async () => {
    const app = await world.addApp('held-app');
    const [member] = world.members as [Member];
    await until('it to be served', async () => (await derive(app, member)).status === 200);
    const parts = await platformRequest(app, member.keys(), { path: 'held' });
    const last = holdLastByte(`${member.url}/kms/derive`, parts);
    await world.contracts.writeNova('updateInstanceStatus', [app.instanceId, 1]);
    await until('others to be refused', async () => (await derive(app, member)).status === 403);
    expect(await last.send()).toBe(403);
    expect((await derive(control, member)).status).toBe(200);
  });
});

/** A request that is all there but for its last byte. */
function holdLastByte(url: string, { headers, body }: RequestParts): { send(): Promise<number> } {
  const request = httpRequest(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers, 'content-length': String(body.length) },
  });
  const status = new Promise<number>((resolve, reject) => {
    request.on('response', (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    request.on('error', reject);
  });
  request.write(body.slice(0, -1));
  return {
    send: () => {
      request.end(body.slice(-1));
      return status;
    },
  };
}
