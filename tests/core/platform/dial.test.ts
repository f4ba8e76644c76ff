/** The way to peers of a process with sockets, against real servers and a resolver that lies. */
import { lookup as systemLookup } from 'node:dns';
import { createServer as createHttpServer, request as plainRequest } from 'node:http';
import { createServer as createHttpsServer, request as tlsRequest } from 'node:https';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createDial } from '../../../core/platform/dial.ts';
import { createFetch } from '../../../core/platform/fetch.ts';
import { HTTP_HEADERS_BYTES_MAX } from '../../../core/limits.ts';
import { selfSigned } from '../../runtime/self-signed.ts';
import { profile, reasonOfAsync } from '../fakes.ts';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { AddressInfo, Server } from 'node:net';
import type { DialOptions, Resolve } from '../../../core/platform/dial.ts';

const NAME = 'node-2.nova.example';
/** Nobody is meant to be reached there: the call is given up in the moment in which it is dialled. */
const PUBLIC = '2606:4700::1111';
const limits = { timeoutMs: 20_000, bodyBytesMax: 1_000 };

let answer: (request: IncomingMessage, response: ServerResponse) => void;
let hits = 0;
const listener: RequestListener = (request, response) => {
  hits += 1;
  answer(request, response);
};
const servers: Server[] = [];
let httpPort = 0;

async function listen(server: Server): Promise<number> {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

beforeAll(async () => {
  httpPort = await listen(createHttpServer(listener));
});
beforeEach(() => {
  hits = 0;
  answer = (_request, response) => response.end('honest');
});
afterAll(() => servers.forEach((server) => server.close()));

/** Answers each question with the next list; the last one stays. */
function resolver(...lists: readonly (readonly string[])[]): { readonly resolve: Resolve; readonly asked: string[] } {
  const asked: string[] = [];
  const resolve: Resolve = (name, _options, told) => {
    const found = lists[Math.min(asked.length, lists.length - 1)] ?? [];
    asked.push(name);
    told(
      null,
      found.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    );
  };
  return { resolve, asked };
}

function fetchBy(scheme: 'http' | 'https', options: Omit<DialOptions, 'hosts'> & { hosts?: readonly string[] }) {
  const hosts = options.hosts ?? [];
  const peerUrls = { ...profile.peerUrls, scheme, hosts };
  const config = { profile: { ...profile, peerUrls }, odynUrl: 'http://127.0.0.1:1', rpcUrl: 'http://127.0.0.1:1' };
  return createFetch(config, fetch, createDial({ ...options, hosts }));
}

describe('S-H2 R-6 a name that turns', () => {
  /** What is often done instead: the name is judged, and then somebody else looks it up again and dials that. */
  async function judgedThenDialled(resolve: Resolve): Promise<string> {
    const first = await new Promise<string>((told) => resolve(NAME, { all: true }, (_error, [found]) => told(found?.address ?? '')));
    if (first !== PUBLIC) return 'refused';
    return await new Promise((told) => {
      const lookup: typeof resolve = (name, options, callback) => resolve(name, options, callback);
      plainRequest({ host: NAME, port: httpPort, lookup: lookup as never }, (response) => {
        let text = '';
        response.on('data', (chunk: Buffer) => (text += chunk.toString())).on('end', () => told(text));
      }).end();
    });
  }

  it('leads astray who judges it before it is dialled', async () => {
    const { resolve, asked } = resolver([PUBLIC], ['127.0.0.1']);
    expect(await judgedThenDialled(resolve)).toBe('honest');
    expect([hits, asked.length]).toEqual([1, 2]);
  });

  it('is asked once here, and what was judged is what is dialled', async () => {
    const given = new AbortController();
    const { resolve, asked } = resolver([PUBLIC], ['127.0.0.1']);
    const once: Resolve = (name, options, told) => {
      resolve(name, options, told);
      given.abort(new Error('seen enough'));
    };
    const call = fetchBy('http', { resolve: once })(
      { url: `http://${NAME}:${httpPort}/`, method: 'GET' },
      { ...limits, signal: given.signal },
    );
    expect(await reasonOfAsync(call)).toBe('outbound_failed');
    expect([hits, asked]).toEqual([0, [NAME]]);
  });

  it('to a private address between two calls is refused, though the connection of the first may be kept for one more', async () => {
    const given = new AbortController();
    const { resolve } = resolver([PUBLIC], ['127.0.0.1']);
    const call = fetchBy('http', { resolve });
    const url = `http://${NAME}:${httpPort}/`;
    const first = call({ url, method: 'GET' }, { ...limits, signal: given.signal });
    given.abort(new Error('seen enough'));
    await reasonOfAsync(first);
    const later = async () => await reasonOfAsync(call({ url, method: 'GET' }, { ...limits, timeoutMs: 50 }));
    expect([await later(), await later()]).toContain('address_refused_outbound');
    expect(hits).toBe(0);
  });
});

describe('S-H2 S-M8 a peer', () => {
  it.each([
    ['127.0.0.1'],
    ['10.0.0.1'],
    ['169.254.169.254'],
    ['100.64.0.1'],
    ['::1'],
    ['fd00::1'],
    ['fe80::1'],
    ['::ffff:127.0.0.1'],
    ['64:ff9b::7f00:1'],
    ['no address'],
    [PUBLIC, '127.0.0.1'],
    ['127.0.0.1', PUBLIC],
  ])('is not dialled at %s %s', async (...addresses) => {
    const call = fetchBy('http', resolver(addresses))({ url: `http://${NAME}:${httpPort}/`, method: 'GET' }, limits);
    expect([await reasonOfAsync(call), hits]).toEqual(['address_refused_outbound', 0]);
  });

  it('is dialled anywhere when the profile lists its host exactly, at the address that was given', async () => {
    const { resolve, asked } = resolver(['127.0.0.1']);
    const call = fetchBy('http', { resolve, hosts: [NAME] });
    const post = () => call({ url: `http://${NAME}:${httpPort}/x`, method: 'POST', headers: { 'x-a': 'b' }, body: 'text' }, limits);
    answer = (request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () =>
        response.end(`${request.method} ${request.url} ${request.headers.host} ${request.headers['x-a']} ${chunks.join('')}`),
      );
    };
    const { status, body } = await post();
    expect([status, Buffer.from(body).toString()]).toEqual([200, `POST /x ${NAME}:${httpPort} b text`]);
    // The connection is kept: nothing is looked up again.
    await post();
    expect(asked).toEqual([NAME]);
  });

  it('by its address is dialled only when that is listed', async () => {
    const dial = createDial({ hosts: ['127.0.0.1'] });
    const call = { method: 'GET', redirect: 'manual', signal: new AbortController().signal } as const;
    expect((await dial(`http://127.0.0.1:${httpPort}/`, call)).status).toBe(200);
    for (const host of ['127.0.0.2', '[::1]', '8.8.8.8', '2130706434', '0x7f.2'])
      expect(() => dial(`http://${host}:${httpPort}/`, call)).toThrow('address_refused_outbound');
  });

  it('whose name is not found, or has no address, is a failure', async () => {
    const missing: Resolve = (_name, _options, told) => told(Object.assign(new Error('none'), { code: 'ENOTFOUND' }), []);
    for (const resolve of [missing, resolver([]).resolve])
      expect(await reasonOfAsync(fetchBy('http', { resolve })({ url: `http://${NAME}/`, method: 'GET' }, limits))).toBe('outbound_failed');
  });

  it('is looked up by the system by default, and judged as well', async () => {
    const resolve: Resolve = (_name, options, told) => systemLookup('localhost', options, told);
    const call = fetchBy('http', { resolve })({ url: `http://${NAME}:${httpPort}/`, method: 'GET' }, limits);
    expect(await reasonOfAsync(call)).toBe('address_refused_outbound');
  });
});

describe('S-M8 an answer of a peer', () => {
  const ask = (path = '/', change = {}) =>
    reasonOfAsync(
      fetchBy('http', { ...resolver(['127.0.0.1']), hosts: [NAME] })(
        { url: `http://${NAME}:${httpPort}${path}`, method: 'GET' },
        { ...limits, ...change },
      ),
    );

  it.each([301, 302, 303, 307, 308])('that is a redirect (%i) is not followed', async (status) => {
    answer = (_request, response) => response.writeHead(status, { location: `http://127.0.0.1:${httpPort}/again` }).end('x');
    expect([await ask(), hits]).toEqual(['outbound_redirect', 1]);
  });

  it('that changes the protocol is a failure at once', async () => {
    answer = (request) => request.socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: other\r\n\r\n');
    expect(await ask()).toBe('outbound_failed');
  });

  it('is bounded in size and time, headers and what is packed included', async () => {
    answer = (_request, response) => response.end('x'.repeat(1_000));
    expect(await ask()).toBe('none');
    answer = (_request, response) => response.end('x'.repeat(1_001));
    expect(await ask()).toBe('outbound_too_large');
    answer = (_request, response) => {
      const timer = setInterval(() => response.write('x'.repeat(500)), 5);
      response.on('close', () => clearInterval(timer));
    };
    expect(await ask()).toBe('outbound_too_large');
    answer = (_request, response) => {
      const timer = setInterval(() => response.write('x'), 5);
      response.on('close', () => clearInterval(timer));
    };
    expect(await ask('/', { timeoutMs: 200 })).toBe('outbound_timeout');
    answer = () => undefined;
    expect(await ask('/', { timeoutMs: 200 })).toBe('outbound_timeout');
    answer = (_request, response) => response.writeHead(200, { x: 'x'.repeat(HTTP_HEADERS_BYTES_MAX) }).end();
    expect(await ask()).toBe('outbound_failed');
    // Nobody unpacks it: it is as long as it came.
    answer = (_request, response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end('x'.repeat(1_000));
    expect(await ask()).toBe('none');
    answer = (request) => request.socket.destroy();
    expect(await ask()).toBe('outbound_failed');
  });
});

describe('S-H2 a certificate', () => {
  const good = selfSigned([NAME]);
  const shown = {
    'of nobody': { pair: selfSigned([NAME]), authorities: [good.certificate] },
    'that ended': { pair: selfSigned([NAME], '240101000000Z'), authorities: undefined },
    'of another name': { pair: selfSigned(['node-3.nova.example']), authorities: undefined },
  } as const;

  async function serve({ certificate, privateKey }: typeof good): Promise<number> {
    const server = createHttpsServer({ cert: certificate, key: privateKey }, listener);
    server.on('tlsClientError', () => undefined);
    return await listen(server);
  }

  const call = async (port: number, authorities: readonly string[] | undefined) =>
    fetchBy('https', { ...resolver(['127.0.0.1']), hosts: [NAME], ...(authorities && { authorities }) })(
      { url: `https://${NAME}:${port}/`, method: 'GET' },
      limits,
    );

  it('that an authority stands for is taken', async () => {
    const { status } = await call(await serve(good), [good.certificate]);
    expect([status, hits]).toEqual([200, 1]);
  });

  it.each(Object.entries(shown))('%s is believed by who verifies none, and refused here', async (_what, { pair, authorities }) => {
    const port = await serve(pair);
    const status = await new Promise((told, failed) => {
      const lookup = resolver(['127.0.0.1']).resolve as never;
      tlsRequest({ host: NAME, port, lookup, rejectUnauthorized: false }, (response) => told(response.resume().statusCode))
        .once('error', failed)
        .end();
    });
    expect([status, hits]).toEqual([200, 1]);
    expect(await reasonOfAsync(call(port, authorities ?? [pair.certificate]))).toBe('outbound_failed');
    expect(await reasonOfAsync(call(port, undefined))).toBe('outbound_failed');
    expect(hits).toBe(1);
  });
});
