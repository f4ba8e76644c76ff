/** The way to peers through an egress proxy: what is left of a call that ended before there was a connection. */
import { Agent, createServer as createTlsServer, request as plainRequest } from 'node:https';
import { connect, createServer } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createDial } from '../../../core/platform/dial.ts';
import { createFetch } from '../../../core/platform/fetch.ts';
import { DIAL_SOCKETS_PER_PEER_MAX } from '../../../core/limits.ts';
import { selfSigned } from '../../runtime/self-signed.ts';
import { profile, reasonOfAsync } from '../fakes.ts';
import type { EventEmitter } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';

const URL_OF_PEER = 'https://node-2.nova.example/';
/** What the proxy makes of a CONNECT, and the peer behind it of what comes then. */
const KINDS: Readonly<Record<string, (tunnel: Socket) => void>> = {
  'whose proxy never answers': () => undefined,
  'whose proxy answers byte by byte': (tunnel) => void tunnel.write('H'),
  'whose peer takes the connection and never answers': (tunnel) => void tunnel.write('HTTP/1.1 200 OK\r\n\r\n'),
};

let onTunnel: (tunnel: Socket) => void;
let tunnels: Socket[] = [];
let seen = Promise.withResolvers<void>();
const proxy = createServer((socket) => {
  socket.on('error', () => socket.destroy());
  socket.once('data', () => {
    tunnels.push(socket);
    onTunnel(socket);
    seen.resolve();
  });
});
const port = (): number => (proxy.address() as AddressInfo).port;
const proxyUrl = (): string => `http://127.0.0.1:${port()}`;

beforeAll(async () => {
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
});
beforeEach(() => {
  tunnels = [];
  seen = Promise.withResolvers();
});
afterAll(() => void proxy.close());

const closed = (of: EventEmitter): Promise<void> => new Promise((resolve) => of.once('close', resolve));

/** There and back on the same loop: whatever an abort brings about at once has happened by then. */
async function turn(): Promise<void> {
  const socket = connect(port(), '127.0.0.1', () => socket.destroy());
  await closed(socket);
}

function createCall(authorities: readonly string[] = []) {
  const peerUrls = { ...profile.peerUrls, scheme: 'https' } as const;
  const config = { profile: { ...profile, peerUrls }, odynUrl: 'http://127.0.0.1:1', rpcUrl: 'http://127.0.0.1:1' };
  const call = createFetch(config, fetch, createDial({ hosts: [], proxyUrl: proxyUrl(), ...(authorities.length > 0 && { authorities }) }));
  return (signal: AbortSignal) => call({ url: URL_OF_PEER, method: 'GET' }, { timeoutMs: 60_000, bodyBytesMax: 1_000, signal });
}

describe.each(Object.entries(KINDS))('S-M8 a call %s', (_kind, make) => {
  beforeEach(() => {
    onTunnel = make;
  });

  it('outlives its end and keeps its connection where Node’s own agent makes the tunnel', async () => {
    const over = new AbortController();
    const agent = new Agent({ keepAlive: true, proxyEnv: { https_proxy: proxyUrl() } });
    let ended = false;
    const asked = plainRequest(URL_OF_PEER, { agent, signal: over.signal });
    asked.on('error', () => (ended = true)).end();
    await seen.promise;
    over.abort();
    await turn();
    expect([ended, tunnels.map((tunnel) => tunnel.closed)]).toEqual([false, [false]]);
    tunnels[0]?.destroy();
    await closed(asked);
  });

  it('ends when it is over, and its connection with it', async () => {
    const over = new AbortController();
    const asked = reasonOfAsync(createCall()(over.signal));
    await seen.promise;
    const [tunnel] = tunnels as [Socket];
    const left = closed(tunnel.resume());
    over.abort();
    expect(await asked).toBe('outbound_failed');
    await left;
  });
});

describe('S-M8 calls that were given up', () => {
  it('take no turn from those that come after them, however many they are', async () => {
    onTunnel = KINDS['whose proxy never answers'] as (tunnel: Socket) => void;
    const call = createCall();
    const over = new AbortController();
    const given = Array.from({ length: 2 * DIAL_SOCKETS_PER_PEER_MAX }, () => reasonOfAsync(call(over.signal)));
    await seen.promise;
    over.abort();
    expect(new Set(await Promise.all(given))).toEqual(new Set(['outbound_failed']));
    const before = tunnels.length;
    onTunnel = (tunnel) => tunnel.end('HTTP/1.1 403 Forbidden\r\n\r\n');
    expect(await reasonOfAsync(call(new AbortController().signal))).toBe('outbound_failed');
    expect(tunnels.length).toBeGreaterThan(before);
  });
});

describe('S-M8 a tunnel that stands', () => {
  it('carries one call after the other, and does not end with the first of them', async () => {
    const { certificate, privateKey } = selfSigned(['node-2.nova.example']);
    const peer = createTlsServer({ cert: certificate, key: privateKey }, (_request, response) => response.end('honest'));
    await new Promise<void>((resolve) => peer.listen(0, '127.0.0.1', resolve));
    onTunnel = (tunnel) => {
      const upstream = connect((peer.address() as AddressInfo).port, '127.0.0.1', () => {
        tunnel.write('HTTP/1.1 200 OK\r\n\r\n');
        tunnel.pipe(upstream).pipe(tunnel);
      });
      upstream.on('error', () => tunnel.destroy());
    };
    const call = createCall([certificate]);
    for (let count = 0; count < 3; count += 1) {
      const over = new AbortController();
      const { status, body } = await call(over.signal);
      expect([status, Buffer.from(body).toString()]).toEqual([200, 'honest']);
      over.abort();
      await turn();
    }
    expect(tunnels.length).toBe(1);
    peer.close();
  });
});
