/** `/sync` under a crowd, in process: what strangers and hosts can make a node hold, and that peers get through. */
import { describe, expect, it } from 'vitest';
import { createApi } from '../../functions/api.ts';
import { FRAMES_PER_PEER_BYTES_MAX, FRAMES_TOTAL_BYTES_MAX, HELLOS_READ_MAX, SYNC_BODY_BYTES_MAX } from '../../core/limits.ts';
import { createCluster } from '../core/fakes.ts';
import type { Wallet } from '../../core/identity.ts';
import type { Kms } from '../../core/kms.ts';
import type { TestNode } from '../core/fakes.ts';

const [{ kms }] = createCluster('a', 'b').nodes as [TestNode];
const unending = () => new ReadableStream<Uint8Array>({ start: (controller) => controller.enqueue(new Uint8Array(10)) });

function post(headers: Record<string, string>, body: string | Uint8Array | ReadableStream): Request {
  return new Request('http://node/sync', { method: 'POST', headers, body, duplex: 'half' } as RequestInit);
}

const hello = (body: string | Uint8Array | ReadableStream) => post({ 'content-type': 'application/cbor', 'x-kms-signature': '0x00' }, body);

async function reason(answer: Promise<Response>): Promise<string> {
  const { status, body } = await answer.then(async (response) => ({ status: response.status, body: await response.text() }));
  return status === 200 ? 'none' : (JSON.parse(body) as { reason: string }).reason;
}

describe('hellos', () => {
  it('that come byte by byte make room for others, the longest waiting first, and keep out none that comes whole', async () => {
    const api = createApi(kms);
    const told: string[] = [];
    const slow = (name: string) => void reason(api(hello(unending()))).then((why) => told.push(`${name} ${why}`));
    for (let count = 0; count < HELLOS_READ_MAX; count += 1) slow(`${count}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(told).toEqual([]);
    slow('one more');
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(told).toEqual(['0 busy']);
    // Nobody's hello, but it was read: what is wrong with it was found.
    expect(await reason(api(hello(new Uint8Array(10))))).toBe('proof_refused');
    expect(told).toEqual(['0 busy', '1 busy']);
  });

  it('S-H3 of brackets inside brackets are refused before a decoder calls itself for each', async () => {
    const nested = new Uint8Array(32 * 1_024).fill(0x81);
    const { nonce } = (await (await createApi(kms)(new Request('http://node/nonce'))).json()) as { nonce: string };
    const request = hello(nested);
    request.headers.set('x-kms-nonce', nonce);
    expect(await reason(createApi(kms)(request))).toBe('frame_too_deep');
  });
});

describe('frames', () => {
  const known = (): Kms => ({
    ...kms,
    sessions: { ...kms.sessions, requireSession: (id) => id.split(' ')[0] as Wallet, acceptFrame: () => new Promise(() => undefined) },
  });
  const frame = (session: string) =>
    post(
      { 'content-type': 'application/octet-stream', 'x-kms-session': session, 'content-length': String(SYNC_BODY_BYTES_MAX) },
      unending(),
    );
  const perPeer = Math.floor(FRAMES_PER_PEER_BYTES_MAX / SYNC_BODY_BYTES_MAX);

  it('X-9 of one peer have their room, whatever its sessions, and take none of another’s', async () => {
    const api = createApi(known());
    for (let count = 0; count < perPeer; count += 1) void api(frame(`one ${count}`));
    expect(await reason(api(frame('one more')))).toBe('busy');
    let isBusy = false;
    void reason(api(frame('another'))).then(() => (isBusy = true));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(isBusy).toBe(false);
  });

  it('of all have an end as well', async () => {
    const api = createApi(known());
    const total = Math.floor(FRAMES_TOTAL_BYTES_MAX / SYNC_BODY_BYTES_MAX);
    for (let count = 0; count < total; count += 1) void api(frame(`peer-${count}`));
    expect(await reason(api(frame('late')))).toBe('busy');
  });

  it('of four peers that hold all they may leave a fifth its frame', async () => {
    const api = createApi(known());
    const told: string[] = [];
    for (let count = 0; count < 4 * perPeer; count += 1)
      void reason(api(frame(`peer-${Math.floor(count / perPeer)}`))).then((why) => told.push(why));
    await new Promise((resolve) => setTimeout(resolve, 20));
    const before = told.length;
    void reason(api(frame('fifth'))).then((why) => told.push(why));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect([before > 0, told.length]).toEqual([true, before]);
  });
});
