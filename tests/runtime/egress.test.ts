/**
 * S-H2: the way out of an enclave. A little proxy stands where Odyn's stands; it must see every call to a peer as CONNECT to a
 * name, and TLS bytes after it, and must never see a call to Odyn or the chain, whatever else the environment asks for.
 */
import { createServer as createHttpServer } from 'node:http';
import { connect } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createWorld, until } from '../simulation/world.ts';
import { createEar } from '../cluster/observe.ts';
import { selfSigned } from './self-signed.ts';
import type { AddressInfo, Server } from 'node:net';
import type { Member, World } from '../simulation/world.ts';

const PEER = 'node-2.kms.test';
const ear = createEar();
/** What the proxy was asked, and the first bytes that went through it. */
const asked: string[] = [];
const seen: Buffer[] = [];
/** Requests that reached the peer's impostor in spite of its certificate. */
let believed = 0;
let world: World;
const servers: Server[] = [];

async function listen(server: Server): Promise<number> {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

/** Leads every name to the impostor, as a host that answers for any name would. */
async function startProxy(impostorPort: number): Promise<number> {
  const proxy = createHttpServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    response.writeHead(503).end();
  });
  proxy.on('connect', (request, client, head) => {
    asked.push(`CONNECT ${request.url}`);
    const upstream = connect(impostorPort, '127.0.0.1', () => {
      client.write('HTTP/1.1 200 OK\r\n\r\n');
      upstream.write(head);
      client.once('data', (chunk: Buffer) => seen.push(chunk));
      client.pipe(upstream).pipe(client);
    });
    // Either end may leave at any time.
    for (const socket of [client, upstream]) socket.on('error', () => socket.destroy());
  });
  return await listen(proxy);
}

beforeAll(async () => {
  const { certificate, privateKey } = selfSigned([PEER]);
  const impostor = createTlsServer({ cert: certificate, key: privateKey }, (socket) => {
    socket.on('data', () => (believed += 1));
    socket.on('error', () => socket.destroy());
  });
  impostor.on('tlsClientError', () => undefined);
  const proxy = `http://127.0.0.1:${await startProxy(await listen(impostor))}`;
  const env = {
    https_proxy: `${proxy}/`,
    HTTPS_PROXY: proxy,
    http_proxy: proxy,
    HTTP_PROXY: proxy,
    ALL_PROXY: proxy,
    NO_PROXY: '.kms.test',
    no_proxy: PEER,
  };
  world = await createWorld({
    nodes: 2,
    kinds: ['binary', 'worker'],
    env,
    onLog: ear.onLog,
    register: false,
    profile: { peerUrls: { scheme: 'https', hosts: [], hostSuffixes: ['.kms.test'] } },
  });
  const [binary, worker] = world.members as [Member, Member];
  await world.register({ ...binary, url: 'https://node-1.kms.test' });
  await world.register({ ...worker, url: `https://${PEER}` });
  await world.contracts.openGenesis();
});

afterAll(async () => {
  await world?.stop();
  for (const server of servers) server.close();
});

/** What went through the proxy first. */
const firstBytes = () => until('the first bytes of a call to the peer', async () => seen[0]);

describe('S-H2 a call of the binary', () => {
  it('to a peer leaves by CONNECT to its name, without looking the name up', async () => {
    await firstBytes();
    expect(new Set(asked)).toEqual(new Set([`CONNECT ${PEER}:443`]));
  });

  it('shows the proxy a TLS hello with the peer’s name, and nothing readable besides', async () => {
    const hello = await firstBytes();
    expect([hello[0], hello.includes(PEER), hello.includes('/sync'), hello.includes('HTTP')]).toEqual([0x16, true, false, false]);
  });

  it('believes no certificate that nobody issued, though it names the peer', async () => {
    await until('the peer to count as unreachable', async () =>
      ear.lines.some(({ node, event }) => node === 'node-1' && event === 'peer.unreachable'),
    );
    expect(believed).toBe(0);
  });

  it('to Odyn or the chain never takes the proxy, whatever http_proxy and NO_PROXY say', async () => {
    // It booted and reads the chain, so those calls were made; the proxy saw none.
    await until('the node to read the chain', async () => {
      const { reason } = (await (await fetch(`${world.members[0]?.node.url}/ready`)).json()) as { reason: string };
      return !['starting', 'odyn_unreachable', 'chain_unreadable'].includes(reason);
    });
    expect(asked.filter((line) => !line.startsWith('CONNECT'))).toEqual([]);
  });
});
