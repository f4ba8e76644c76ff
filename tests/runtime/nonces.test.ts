/** R-3 over HTTP: a flood of nonces from a real worker, its heap weighed by its inspector. The million, in process, stands beside `core/auth/nonces`. */
import { Miniflare } from 'miniflare';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { platformProof, sealedBody, send } from '../simulation/platform-client.ts';
import { createWorld, untilServing } from '../simulation/world.ts';
import type { App, Member, World } from '../simulation/world.ts';

const FLOOD = 10_000;
const GROWTH_BYTES_MAX = 512 * 1_024;
let world: World;

beforeAll(async () => {
  world = await createWorld({ nodes: 2, inspect: true });
  await world.contracts.openGenesis();
  await untilServing(world.members);
});

afterAll(async () => world?.stop());

interface Scales {
  /** Bytes of live objects, after a garbage collection. */
  weigh(): Promise<number>;
  close(): void;
}

/** An idle worker does not hear its inspector: requests keep it awake while it is weighed. */
async function openScales(url: URL, workerUrl: string): Promise<Scales> {
  const socket = new WebSocket(url);
  const answers = new Map<number, (result: { usedSize?: number }) => void>();
  let sent = 0;
  await new Promise((resolve, reject) => {
    socket.addEventListener('open', resolve);
    socket.addEventListener('error', reject);
  });
  socket.addEventListener('message', ({ data }) => {
    const { id, result } = JSON.parse(String(data)) as { id?: number; result: { usedSize?: number } };
    if (id !== undefined) answers.get(id)?.(result);
  });
  const ask = (method: string, params: object = {}) =>
    new Promise<{ usedSize?: number }>((resolve) => {
      sent += 1;
      answers.set(sent, resolve);
      socket.send(JSON.stringify({ id: sent, method, params }));
    });
  const knock = async () => void (await (await fetch(`${workerUrl}/health`)).text());
  // The last may still be under way when the worker ends.
  const awake = setInterval(() => void knock().catch(() => undefined), 100);
  await ask('Runtime.enable');
  await ask('HeapProfiler.enable');
  return {
    async weigh() {
      await ask('HeapProfiler.collectGarbage');
      await ask('HeapProfiler.collectGarbage');
      const { usedSize } = await ask('Runtime.getHeapUsage');
      return Number(usedSize);
    },
    close() {
      clearInterval(awake);
      socket.close();
    },
  };
}

async function flood(url: string, count: number): Promise<Set<string>> {
  const seen = new Set<string>();
  const worker = async () => {
    while (seen.size < count) seen.add(((await (await fetch(`${url}/nonce`)).json()) as { nonce: string }).nonce);
  };
  await Promise.all(Array.from({ length: 32 }, worker));
  return seen;
}

it('R-3 ten thousand nonces leave memory where it was and a pending nonce valid', async () => {
  const [member] = world.members as [Member];
  const [app] = world.apps as [App];
  const node = member.keys();
  const scales = await openScales(await member.node.inspectorUrl(), node.url);
  await flood(node.url, 500);
  const before = await scales.weigh();
  const { nonce: pending } = (await (await fetch(`${node.url}/nonce`)).json()) as { nonce: string };
  expect((await flood(node.url, FLOOD)).size).toBeGreaterThanOrEqual(FLOOD);
  expect((await scales.weigh()) - before).toBeLessThan(GROWTH_BYTES_MAX);
  const headers = await platformProof(app, node.wallet, pending, Math.floor(Date.now() / 1_000));
  expect((await send(node, '/kms/derive', { headers, body: sealedBody(app, node, '{"path":"pending"}') })).status).toBe(200);
  scales.close();
});

it('R-3 the scales show a worker that stores the nonces it issues', async () => {
  const script = `const kept = [];
    export default { fetch() { const nonce = crypto.randomUUID() + crypto.randomUUID(); kept.push(nonce); return Response.json({ nonce }); } };`;
  const storing = new Miniflare({ name: 'storing', modules: true, script, compatibilityDate: '2026-07-01', cf: false, inspectorPort: 0 });
  try {
    const url = String(await storing.ready).replace(/\/$/, '');
    const scales = await openScales(new URL('/core:user:storing', await storing.getInspectorURL()), url);
    await flood(url, 500);
    const before = await scales.weigh();
    await flood(url, FLOOD);
    expect((await scales.weigh()) - before).toBeGreaterThan(GROWTH_BYTES_MAX);
    scales.close();
  } finally {
    await storing.dispose();
  }
});
