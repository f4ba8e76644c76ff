/** The route table and the public endpoints in process: what they cost, and that what goes wrong inside stays inside. */
import { beforeAll, describe, expect, it } from 'vitest';
import { createApi } from '../../functions/api.ts';
import { LOGGED_REFUSALS_BURST } from '../../core/limits.ts';
import { createCluster } from '../core/fakes.ts';
import type { TestCluster, TestNode } from '../core/fakes.ts';

let cluster: TestCluster;
let node: TestNode;
let api: (request: Request) => Promise<Response>;
let calls = 0;

beforeAll(async () => {
  cluster = createCluster('a', 'b', 'c');
  node = cluster.nodes[0] as TestNode;
  api = createApi(node.kms);
  cluster.chain.openNext();
  await cluster.until(() => cluster.nodes.every(({ kms }) => kms.admission.gate().kind === 'serving'));
  cluster.intercept = () => {
    calls += 1;
    return 'pass';
  };
});

const get = (path: string, init: RequestInit = {}) => api(new Request(`http://node${path}`, init));

describe('the public endpoints', () => {
  it('S-M4 make no outbound call, however often they are asked', async () => {
    const reads = cluster.chain.calls.length;
    for (const path of ['/', '/health', '/ready', '/status', '/nonce', '/nodes']) {
      for (let asked = 0; asked < 50; asked += 1) expect([path, (await get(path)).status]).toEqual([path, 200]);
    }
    expect([calls, cluster.chain.calls.length - reads]).toEqual([0, 0]);
    // The tick is what calls out: the same counters show it.
    cluster.clock.advance(60_000);
    await cluster.round(30);
    expect(calls).toBeGreaterThan(0);
    expect(cluster.chain.calls.length).toBeGreaterThan(reads);
  });

  it('S-M1 tell nothing of the secret, its hash or its history', async () => {
    const [epoch] = cluster.chain.epochs;
    expect(epoch?.secretHash).toMatch(/^0x[0-9a-f]{64}$/);
    for (const path of ['/', '/ready', '/status', '/nodes']) {
      const text = await (await get(path)).text();
      expect([path, text.includes(String(epoch?.secretHash).slice(2)), /secret|master|"epoch"/i.test(text)]).toEqual([path, false, false]);
    }
  });

  it('name the members, live and verified, with what is known of each', async () => {
    const { count, operators } = (await (await get('/nodes')).json()) as {
      count: number;
      operators: { operator: string; live: boolean; connection: { self: boolean } }[];
    };
    expect([count, operators.map((each) => each.operator), operators.map((each) => each.live)]).toEqual([
      3,
      cluster.nodes.map((each) => each.wallet),
      [true, true, true],
    ]);
    expect(operators.map((each) => each.connection.self)).toEqual([true, false, false]);
    // Why a peer is not reached is for operators.
    expect(operators.map((each) => 'failure' in each.connection)).toEqual([false, false, false]);
  });

  it('give every answer a request id of their own, never the caller’s', async () => {
    const ids = await Promise.all(
      [get('/health'), get('/health', { headers: { 'x-request-id': 'mine' } })].map(async (answer) =>
        (await answer).headers.get('x-request-id'),
      ),
    );
    expect(ids.every((id) => /^[0-9a-f]{16}$/.test(id ?? ''))).toBe(true);
    expect(new Set(ids).size).toBe(2);
  });
});

describe('the route table', () => {
  it('S-M7 R-7 sends no CORS header and keeps no cache', async () => {
    for (const [path, method] of [
      ['/status', 'GET'],
      ['/kms/derive', 'OPTIONS'],
      ['/nope', 'GET'],
    ] as const) {
      const { headers } = await get(path, { method, headers: { origin: 'https://evil.example' } });
      expect([...headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([]);
      expect(headers.get('cache-control')).toBe('no-store');
    }
  });

  it.each(['/nope', '/kms', '/kms/derive/x', '/KMS/derive', '//', '/%', '/%2e%2e/status', '/status/'])(
    'answers %s with 404 or the route itself, and with JSON',
    async (path) => {
      const answer = await get(path);
      expect([200, 404]).toContain(answer.status);
      expect(answer.headers.get('content-type')).toBe('application/json');
    },
  );

  it('X-9 looks at no query, and refuses a URL that is longer than any endpoint reads', async () => {
    const routed: string[] = [];
    const spied = createApi(new Proxy(node.kms, { get: (kms, name) => (routed.push(String(name)), Reflect.get(kms, name)) }));
    const short = await spied(new Request(`http://node/ready?${'a=1&'.repeat(900)}`));
    expect([short.status, routed.includes('admission')]).toEqual([200, true]);
    routed.length = 0;
    const long = await spied(new Request(`http://node/ready?${'a=1&'.repeat(30_000)}`));
    expect([long.status, routed.includes('admission')]).toEqual([414, false]);
  });

  it('X-9 reads no byte of a frame from who has no session, nor of a hello over its size', async () => {
    let pulled = 0;
    const endless = () =>
      new ReadableStream(
        {
          pull(controller) {
            pulled += 1;
            controller.enqueue(new Uint8Array(16_384));
          },
        },
        { highWaterMark: 0 },
      );
    const post = (headers: Record<string, string>) =>
      get('/sync', { method: 'POST', headers, body: endless(), duplex: 'half' } as RequestInit);
    for (const session of ['', 'ab'.repeat(16), '__proto__']) {
      const answer = await post({ 'content-type': 'application/octet-stream', ...(session && { 'x-kms-session': session }) });
      expect([answer.status, pulled]).toEqual([409, 0]);
    }
    const hello = await post({ 'content-type': 'application/cbor', 'x-kms-signature': '0x00' });
    expect(hello.status).toBe(413);
    expect(pulled).toBeLessThan(5);
  });

  it('U-7 answers what it did not expect with a blank 500', async () => {
    const { nonces } = node.kms;
    const broken = createApi({
      ...node.kms,
      nonces: {
        ...nonces,
        issue: () => {
          throw new TypeError('password=hunter2 at core/auth/nonces.ts:12');
        },
      },
    });
    const answer = await broken(new Request('http://node/nonce'));
    const text = await answer.text();
    expect([answer.status, JSON.parse(text)]).toMatchObject([500, { code: 'internal_error', reason: 'internal' }]);
    expect(text).not.toMatch(/hunter2|nonces\.ts|TypeError/);
    expect(node.logs.named('request.failed')).toMatchObject([{ route: 'GET /nonce' }]);
    // Whoever has found it asks again.
    for (let asked = 0; asked < 3 * LOGGED_REFUSALS_BURST; asked += 1) await broken(new Request('http://node/nonce'));
    expect(node.logs.named('request.failed').length).toBe(LOGGED_REFUSALS_BURST);
  });

  it('X-15 logs of a refused read that it was one, not the key that was asked for', async () => {
    expect((await get('/kms/data/salary-of-alice')).status).toBe(403);
    expect(node.logs.named('request.refused').at(-1)).toMatchObject({ route: 'GET /kms/data/*' });
    expect(JSON.stringify(node.logs.lines)).not.toContain('salary');
  });

  it('X-10 logs refusals up to a rate, so that a flood of them fills no disk', async () => {
    const before = node.logs.named('request.refused').length;
    for (let asked = 0; asked < 3 * LOGGED_REFUSALS_BURST; asked += 1) expect((await get('/nope')).status).toBe(404);
    expect(node.logs.named('request.refused').length - before).toBeLessThanOrEqual(LOGGED_REFUSALS_BURST);
  });

  it('X-10 logs what is refused for one reason also in the middle of a flood of refusals for another', async () => {
    for (let asked = 0; asked < 3 * LOGGED_REFUSALS_BURST; asked += 1) await get('/nope');
    await get(`/attestation?nonce=short`);
    expect(node.logs.named('request.refused').at(-1)).toMatchObject({ reason: 'attestation_nonce_malformed' });
  });
});

describe('X-3 a private endpoint', () => {
  it('is closed while the node does not serve, whatever it is sent', async () => {
    const fresh = createCluster('d', 'e');
    const closed = createApi((fresh.nodes[0] as TestNode).kms);
    for (const headers of [
      {},
      { 'x-tee-wallet': `0x${'11'.repeat(20)}` },
      { 'x-app-signature': '0x00', 'x-app-nonce': 'AA==', 'x-app-timestamp': '1' },
    ]) {
      const answer = await closed(new Request('http://node/kms/derive', { method: 'POST', headers, body: '{}' }));
      expect([answer.status, await answer.json()]).toMatchObject([503, { code: 'service_unavailable', reason: 'starting' }]);
    }
    expect((await closed(new Request('http://node/health'))).status).toBe(200);
    expect((await closed(new Request('http://node/ready'))).status).toBe(503);
  });
});
