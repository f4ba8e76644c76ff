/** The server by itself, on a real port, spoken to in bytes: what it hands on, what it refuses, and how it ends. */
import { afterEach, describe, expect, it } from 'vitest';
import {
  HTTP_BODY_CHUNK_BYTES_MIN,
  HTTP_BODY_CHUNKS_FREE,
  HTTP_CHECK_MS,
  HTTP_EXCHANGE_MS_MAX,
  HTTP_HEADERS_BYTES_MAX,
  HTTP_HEADERS_MAX,
  HTTP_LINGER_BYTES_MAX,
  HTTP_LINGER_MS_MAX,
  HTTP_PIPELINED_MAX,
  SYNC_BODY_BYTES_MAX,
} from '../../core/limits.ts';
import { systemClock } from '../../core/platform/system.ts';
import { startServer } from '../../functions/server.ts';
import { exchange, open, statuses } from './raw.ts';
import type { Clock } from '../../core/ports.ts';
import type { HttpServer, ServerOptions } from '../../functions/server.ts';

const started: HttpServer[] = [];
let faults: string[] = [];

afterEach(async () => {
  await Promise.all(started.splice(0).map((server) => server.stop(0)));
  faults = [];
});

/** Tells what reached it, with the body read unless the path says otherwise. */
async function tell(request: Request): Promise<Response> {
  const body = request.url.includes('unread') ? '' : await request.text();
  return Response.json({ method: request.method, url: request.url, x: request.headers.get('x'), body });
}

async function serve(
  answer: ServerOptions['answer'] = tell,
  change: Partial<ServerOptions> = {},
): Promise<{ url: string; server: HttpServer }> {
  const log: ServerOptions['log'] = (event, fields) => void faults.push(`${event} ${JSON.stringify(fields)}`);
  const server = await startServer({ answer, listen: { host: '127.0.0.1', port: 0 }, clock: systemClock, log, ...change });
  started.push(server);
  return { url: `http://127.0.0.1:${server.address.port}`, server };
}

/** A machine that has other things to do may take longer than a poll waits by itself. */
const POLLED = { timeout: 20_000 };
const END = 'connection: close\r\n\r\n';
const bodyIn = (text: string) => JSON.parse(/\r\n\r\n(\{.*\})/s.exec(text)?.[1] ?? 'null') as Record<string, string> | null;

const LOOKS_MAX = HTTP_EXCHANGE_MS_MAX / HTTP_CHECK_MS;

/** Time goes on by looks of the server only: each ends every sleep that was begun before it, but for those of no time. */
function clockOfLooks(): { readonly clock: Clock; look(count: number): Promise<void>; slept(): readonly number[] } {
  const slept: number[] = [];
  const wake: (() => void)[] = [];
  const sleep: Clock['sleep'] = async (ms, signal) => {
    if (ms === 0) return await systemClock.sleep(0, signal);
    await new Promise<void>((resolve, reject) => {
      slept.push(ms);
      wake.push(resolve);
      signal?.addEventListener('abort', () => reject(new Error('aborted')));
    });
  };
  return {
    clock: { ...systemClock, sleep },
    async look(count) {
      for (let left = count; left > 0; left -= 1) {
        for (const end of wake.splice(0)) end();
        // What was woken acts, and sleeps again.
        await new Promise(setImmediate);
      }
    },
    slept: () => slept,
  };
}

/** Resolves from outside. */
function gate(): { readonly opened: Promise<void>; open(): void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { opened: promise, open: resolve };
}

describe('a request reaches the handler', () => {
  it.each([
    ['its path and query', '/a/b?c=d', '/a/b?c=d'],
    ['a path of an absolute target, without its authority', 'http://evil.example:1/p?q', '/p?q'],
    ['the root of an absolute target without a path', 'HTTPS://evil.example', '/'],
    ['a query of an absolute target without a path', 'http://evil.example?q', '/?q'],
    ['two slashes as a path, not as a host', '//evil.example/p', '//evil.example/p'],
    ['escapes as they came', '/a%2Fb%00+c', '/a%2Fb%00+c'],
    ['an asterisk as a path', '*', '/*'],
  ])('with %s', async (_what, target, path) => {
    const { url } = await serve();
    const text = await exchange(url, `OPTIONS ${target} HTTP/1.1\r\nHost: x\r\n${END}`);
    expect(bodyIn(text)).toMatchObject({ method: 'OPTIONS', url: `http://node${path}` });
  });

  it.each(['evil.example', '', 'a b@c/?#', '[::1', 'x'.repeat(4_000)])(
    'with an origin of nobody, whatever the Host: "%.20s"',
    async (host) => {
      const { url } = await serve();
      expect(bodyIn(await exchange(url, `GET /p HTTP/1.1\r\nHost: ${host}\r\n${END}`))).toMatchObject({ url: 'http://node/p' });
    },
  );

  it.each([
    ['counted', 'Content-Length: 3\r\n', 'abc'],
    ['chunked', 'Transfer-Encoding: chunked\r\n', '1\r\na\r\n2\r\nbc\r\n0\r\n\r\n'],
  ])('with a %s body', async (_what, header, body) => {
    const { url } = await serve();
    expect(bodyIn(await exchange(url, `POST / HTTP/1.1\r\nHost: x\r\n${header}${END}${body}`))).toMatchObject({ body: 'abc' });
  });

  it('with a body as it comes, not at its end', async () => {
    const { url } = await serve(async (request) => {
      const first = await request.body?.getReader().read();
      return new Response(String(first?.value?.length));
    });
    const wire = await open(url);
    wire.send('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nabc');
    expect(await wire.received(/\r\n\r\n3$/)).toContain('200 OK');
  });

  it('without the body of a GET', async () => {
    const { url } = await serve();
    expect(bodyIn(await exchange(url, `GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n${END}abc`))).toMatchObject({ body: '' });
  });

  it('with two headers of one name as one list, so that none of two can hide', async () => {
    const { url } = await serve();
    expect(bodyIn(await exchange(url, `GET / HTTP/1.1\r\nHost: x\r\nX: 1\r\nX: 2\r\n${END}`))).toMatchObject({ x: '1, 2' });
  });

  it('and a wish for another protocol is none: it is answered in this one', async () => {
    const { url } = await serve();
    const text = await exchange(url, 'GET /u HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade, close\r\n\r\n');
    expect([statuses(text), bodyIn(text)?.['url']]).toEqual([[200], 'http://node/u']);
  });
});

describe('an answer', () => {
  it('has its length and, to HEAD, no body', async () => {
    const { url } = await serve(async ({ method }) => new Response(method === 'HEAD' ? null : 'four', { headers: { x: 'y' } }));
    const get = await exchange(url, `GET / HTTP/1.1\r\nHost: x\r\n${END}`);
    expect(get).toMatch(/content-length: 4\r\n[^]*\r\n\r\nfour$/);
    const head = await exchange(url, `HEAD / HTTP/1.1\r\nHost: x\r\n${END}`);
    expect(head).toMatch(/^HTTP\/1.1 200 OK\r\n[^]*x: y[^]*\r\n\r\n$/);
  });

  it('to a pipelined request comes after the one before, however long that takes', async () => {
    const first = gate();
    const { url } = await serve(async (request) => {
      if (request.url.endsWith('/1')) await first.opened;
      else first.open();
      return new Response(request.url);
    });
    const requests = ['1', '2', '3'].map((path) => `GET /${path} HTTP/1.1\r\nHost: x\r\n${path === '3' ? END : '\r\n'}`);
    const text = await exchange(url, requests.join(''));
    expect([...text.matchAll(/http:\/\/node(\/\d)/g)].map((match) => match[1])).toEqual(['/1', '/2', '/3']);
  });

  it('goes to nobody when more requests wait on one connection than may', async () => {
    const never = gate();
    const { url } = await serve(async () => (await never.opened, new Response('late')));
    expect(await exchange(url, 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(HTTP_PIPELINED_MAX + 1))).toBe('');
    never.open();
  });

  it('of a handler that throws is a blank 500, and the log has the cause', async () => {
    const { url } = await serve(async () => Promise.reject(new Error('secret text')));
    const text = await exchange(url, 'GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    expect([statuses(text), text.split('\r\n\r\n')[1]]).toEqual([[500], '']);
    expect(faults).toEqual(['server.failed {"detail":"Error: secret text"}']);
  });
});

describe('100 Continue', () => {
  it('is said when the handler reads, not before', async () => {
    const judged = gate();
    const { url } = await serve(async (request) => (await judged.opened, new Response(await request.text())));
    const wire = await open(url);
    wire.send(`POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n${END}`);
    expect(wire.text()).toBe('');
    judged.open();
    await wire.received(/^HTTP\/1.1 100 Continue\r\n\r\n$/);
    wire.send('abc');
    expect(await wire.closed).toMatch(/200 OK[^]*abc$/);
  });

  it('is not said to who is refused; the connection ends, because the body may come or not', async () => {
    const { url } = await serve();
    const text = await exchange(url, 'POST /unread HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n');
    expect(statuses(text)).toEqual([200]);
  });

  it('is the only expectation', async () => {
    const { url } = await serve();
    expect(statuses(await exchange(url, `POST / HTTP/1.1\r\nHost: x\r\nExpect: coffee\r\n${END}`))).toEqual([417]);
  });
});

describe('what is no request', () => {
  const HOST = 'Host: x\r\n';
  it.each([
    ['a TLS hello', '\x16\x03\x01\x02\x00\x01\r\n\r\n', 400],
    ['no HTTP at all', 'garbage\r\n\r\n', 400],
    ['an unknown method', `NOPE / HTTP/1.1\r\n${HOST}${END}`, 400],
    ['bare line feeds', `GET / HTTP/1.1\nHost: x\n\n`, 400],
    ['no Host', `GET / HTTP/1.1\r\n${END}`, 400],
    ['two Hosts', `GET / HTTP/1.1\r\n${HOST}${HOST}${END}`, 400],
    ['a folded header', `GET / HTTP/1.1\r\n${HOST}X: 1\r\n 2\r\n${END}`, 400],
    ['a NUL in a header', `GET / HTTP/1.1\r\n${HOST}X: a\0b\r\n${END}`, 400],
    ['a space before a colon', `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding : chunked\r\n${END}0\r\n\r\n`, 400],
    ['a length and chunks', `POST / HTTP/1.1\r\n${HOST}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n${END}0\r\n\r\n`, 400],
    ['two lengths', `POST / HTTP/1.1\r\n${HOST}Content-Length: 3\r\nContent-Length: 4\r\n${END}abc`, 400],
    ['a negative length', `POST / HTTP/1.1\r\n${HOST}Content-Length: -1\r\n${END}`, 400],
    ['a signed length', `POST / HTTP/1.1\r\n${HOST}Content-Length: +3\r\n${END}abc`, 400],
    ['too large headers', `GET / HTTP/1.1\r\n${HOST}X: ${'x'.repeat(HTTP_HEADERS_BYTES_MAX)}\r\n${END}`, 431],
    ['too many headers', `GET / HTTP/1.1\r\n${HOST}${'X: 1\r\n'.repeat(HTTP_HEADERS_BYTES_MAX / 4)}${END}`, 431],
    ['more fields than any client has', `GET / HTTP/1.1\r\n${HOST}${'X: 1\r\n'.repeat(HTTP_HEADERS_MAX)}${END}`, 431],
    ['very many fields', `GET / HTTP/1.1\r\n${HOST}${'x:\r\n'.repeat(4_000)}${END}`, 431],
    ['a coding that nobody decodes', `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: gzip, chunked\r\n${END}0\r\n\r\n`, 501],
    ['a coding in the version that had none', `POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n${END}0\r\n\r\n`, 400],
    ['TRACE', `TRACE / HTTP/1.1\r\n${HOST}${END}`, 501],
    ['HTTP/2 in clear text', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400],
    ['another HTTP', `GET / HTTP/2.0\r\n${HOST}${END}`, 505],
    ['no version', 'GET /\r\n\r\n', 505],
  ])('gets a status and no text: %s', async (_what, bytes, status) => {
    const { url } = await serve();
    const text = await exchange(url, bytes);
    expect([statuses(text), text.slice(text.indexOf('\r\n\r\n') + 4)]).toEqual([[status], expect.stringMatching(/^(?:0\r\n\r\n)?$/)]);
    expect(faults).toEqual([]);
  });

  it('U-4 is one with so many fields that the last, in which a proxy tells who asks, would be dropped unseen', async () => {
    const seen: (string | null)[] = [];
    const { url } = await serve(async (request) => (seen.push(request.headers.get('x-forwarded-for')), new Response('')));
    const asked = (fields: number) =>
      exchange(
        url,
        `GET / HTTP/1.1\r\n${HOST}X-Forwarded-For: 192.0.2.1\r\n${'x:\r\n'.repeat(fields)}X-Forwarded-For: 198.51.100.7\r\n${END}`,
      );
    expect(statuses(await asked(10))).toEqual([200]);
    for (const fields of [HTTP_HEADERS_MAX - 3, 1_000, 1_100, 2_100, 5_000])
      expect(statuses(await asked(fields)), `${fields}`).toEqual([431]);
    expect(seen).toEqual(['192.0.2.1, 198.51.100.7']);
  });

  it.each([
    ['nothing', '', ['/a', '/b']],
    ['another protocol', 'Upgrade: websocket\r\nConnection: Upgrade\r\n', ['/a']],
    ['HTTP/2', 'Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\n', ['/a']],
  ])('is none inside a body, and what follows a wish for %s is read whole or not at all', async (_what, wish, expected) => {
    const hidden = `GET /hidden HTTP/1.1\r\n${HOST}\r\n`;
    const paths: string[] = [];
    const { url } = await serve(async (request) => (paths.push(new URL(request.url).pathname), await request.text(), new Response('')));
    const post = `POST /a HTTP/1.1\r\n${HOST}${wish}Content-Length: ${hidden.length}\r\n\r\n${hidden}`;
    await exchange(url, `${post}GET /b HTTP/1.1\r\n${HOST}${END}GET /cut`);
    expect(paths).toEqual(expected);
  });

  it('gets nothing when it would be read as part of an answer', async () => {
    const never = gate();
    const { url } = await serve(async () => (await never.opened, new Response('late')));
    expect(await exchange(url, `GET / HTTP/1.1\r\n${HOST}\r\ngarbage\r\n\r\n`)).toBe('');
    expect(await exchange(url, `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\nzz\r\n`)).toBe('');
    never.open();
  });

  it('is CONNECT: the connection ends', async () => {
    const { url } = await serve();
    expect(await exchange(url, `CONNECT evil.example:443 HTTP/1.1\r\n${HOST}\r\n`)).toBe('');
  });
});

describe('a client that leaves', () => {
  it('in the middle of its body breaks the handler’s reading, and nothing else', async () => {
    const reading = gate();
    const ended = Promise.withResolvers<string>();
    const { url } = await serve(async (request) => {
      if (request.method === 'GET') return new Response('fine');
      reading.open();
      ended.resolve(await request.text().catch(String));
      return new Response('too late');
    });
    const wire = await open(url);
    wire.send('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc');
    await reading.opened;
    wire.socket.destroy();
    expect(await ended.promise).toContain('the client left');
    expect(statuses(await exchange(url, `GET / HTTP/1.1\r\nHost: x\r\n${END}`))).toEqual([200]);
    expect(faults).toEqual([]);
  });

  it('before its answer is nobody to answer', async () => {
    const [asked, left] = [gate(), gate()];
    const { url, server } = await serve(async () => (asked.open(), await left.opened, new Response('x'.repeat(1_000_000))));
    const wire = await open(url);
    wire.send('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await asked.opened;
    wire.socket.destroy();
    await wire.closed;
    left.open();
    expect(await server.stop(5_000)).toBe(0);
    expect(faults).toEqual([]);
  });
});

describe('bounds', () => {
  it('S-H3 leave unread what the handler gives up on, and the answer still goes out', async () => {
    const { url } = await serve(async (request) => {
      const reader = request.body?.getReader();
      await reader?.read();
      await reader?.cancel();
      return new Response('enough', { status: 413 });
    });
    const text = await exchange(url, `POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n${'a'.repeat(1_000_000)}`);
    expect(text).toMatch(/413[^]*connection: close[^]*enough$/);
  });

  it.each(['unread', 'begun'])('keep a connection whose body came whole and was left %s', async (path) => {
    const { url } = await serve(async (request) => {
      if (request.url.endsWith('/begun')) await request.body?.getReader().read();
      return request.url.endsWith('/begun') ? Response.json({ body: '' }) : await tell(request);
    });
    const wire = await open(url);
    wire.send(`POST /${path} HTTP/1.1\r\nHost: x\r\nContent-Length: 3000\r\n\r\n${'a'.repeat(3_000)}`);
    wire.send(`POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n${END}a`);
    const text = await wire.closed;
    expect([statuses(text), [...text.matchAll(/"body":"(\w*)"/g)].map((match) => match[1])]).toEqual([
      [200, 200],
      ['', 'a'],
    ]);
  });

  it('refuse connections over the most, and leave those that are there alone', async () => {
    const { url } = await serve(tell, { connectionsMax: 3 });
    const held = await Promise.all([open(url), open(url), open(url)]);
    expect(await exchange(url, 'GET / HTTP/1.1\r\nHost: x\r\n\r\n')).toBe('');
    for (const wire of held) wire.send(`GET / HTTP/1.1\r\nHost: x\r\n${END}`);
    for (const wire of held) expect(statuses(await wire.closed)).toEqual([200]);
    expect(statuses(await exchange(url, `GET / HTTP/1.1\r\nHost: x\r\n${END}`))).toEqual([200]);
  });

  it('end an exchange that a slow reader draws out, and no other', async () => {
    const { clock, look } = clockOfLooks();
    const large = new Uint8Array(32_000_000);
    const { url } = await serve(async (request) => new Response(request.url.endsWith('/large') ? large : 'small'), { clock });
    const [slow, idle] = await Promise.all([open(url), open(url)]);
    slow.send('GET /large HTTP/1.1\r\nHost: x\r\n\r\n');
    await slow.received(/200 OK/);
    slow.socket.pause();
    idle.send('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await idle.received(/small$/);
    await look(LOOKS_MAX + 1);
    slow.socket.resume();
    expect((await slow.closed).length).toBeLessThan(large.length);
    idle.send(`GET / HTTP/1.1\r\nHost: x\r\n${END}`);
    expect(statuses(await idle.closed)).toEqual([200, 200]);
  });

  it('count for each of pipelined requests from its own beginning, not from the end of the answer before', async () => {
    const { clock, look } = clockOfLooks();
    const { url } = await serve(async () => new Response(new Uint8Array(16_000_000)), { clock });
    const slow = await open(url);
    slow.send('GET / HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(4));
    await slow.received(/200 OK/);
    slow.socket.pause();
    await look(LOOKS_MAX - 1);
    slow.socket.resume();
    await slow.received(/200 OK[^]*200 OK/);
    slow.socket.pause();
    await look(2);
    slow.socket.resume();
    expect(statuses(await slow.closed).length).toBeLessThan(4);
  });

  it.each([
    ['an unknown expectation', 'GET / HTTP/1.1\r\nHost: x\r\nExpect: nothing\r\n\r\n', 417],
    ['no Host', 'GET / HTTP/1.1\r\n\r\n', 400],
  ])('hold for answers without a handler, too: %s, asked again and again by who never reads', async (_what, asked, status) => {
    const { url, server } = await serve();
    const wire = await open(url);
    wire.socket.pause();
    for (let count = 0; count < 100; count += 1) wire.send(asked.repeat(2_000));
    // Whoever is not read from any more has its writing broken off.
    await wire.closed;
    expect(await server.stop(5_000)).toBe(0);
    expect(statuses(await exchange((await serve()).url, asked))).toEqual([status]);
  });
});

describe('a body that nobody reads', () => {
  const CHUNKED = 'POST /unread HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n';
  const TINY = '1\r\na\r\n';

  it('ends its connection after the answer, within a time', async () => {
    const { clock, look, slept } = clockOfLooks();
    const { url } = await serve(tell, { clock });
    const wire = await open(url, { allowHalfOpen: true });
    wire.send(CHUNKED + TINY);
    const text = await wire.received(/\r\n\r\n\{.*\}$/);
    expect(text).toContain('connection: close');
    await expect.poll(slept, POLLED).toContain(HTTP_LINGER_MS_MAX);
    await look(1);
    // Its sender notices by writing on.
    await expect.poll(() => (wire.send(TINY), wire.socket.closed), POLLED).toBe(true);
    expect(wire.text()).toBe(text);
  });

  it.each([
    ['of one large piece', 'POST /unread HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999\r\n\r\n', 'a'.repeat(60_000)],
    ['of chunks of one byte', CHUNKED, TINY.repeat(10_000)],
  ])('ends it within a number of bytes: %s', async (_what, head, piece) => {
    const { url } = await serve(tell, { clock: clockOfLooks().clock });
    const wire = await open(url, { allowHalfOpen: true });
    wire.send(head);
    let bytes = 0;
    const send = (): void => {
      bytes += piece.length;
      wire.socket.write(piece, 'latin1', (error) => error || send());
    };
    send();
    await wire.closed;
    // And what fits into buffers on the way.
    expect(bytes).toBeGreaterThan(HTTP_LINGER_BYTES_MAX);
    expect(bytes).toBeLessThan(HTTP_LINGER_BYTES_MAX + 16_000_000);
  });

  it('of the largest size does not keep its sender from the answer, even if it reads only after it has sent', async () => {
    const { url } = await serve();
    const wire = await open(url, { allowHalfOpen: true });
    wire.socket.pause();
    wire.send(`POST /unread HTTP/1.1\r\nHost: x\r\nContent-Length: ${SYNC_BODY_BYTES_MAX}\r\n\r\n`);
    await new Promise((resolve) => wire.socket.write('a'.repeat(SYNC_BODY_BYTES_MAX), resolve));
    wire.socket.resume();
    await wire.received(/200 OK[^]*\}$/);
    wire.socket.end();
    expect(statuses(await wire.closed)).toEqual([200]);
  });
});

describe('a body in chunks', () => {
  const sent = async (chunk: string, count: number): Promise<number[]> => {
    const { url } = await serve();
    const chunks = `${chunk.length.toString(16)}\r\n${chunk}\r\n`.repeat(count);
    return statuses(await exchange(url, `POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n${END}${chunks}0\r\n\r\n`));
  };

  it.each([
    ['a hundred small ones', 'x'.repeat(30), 100],
    ['as many tiny ones as are free', 'x', HTTP_BODY_CHUNKS_FREE],
    ['many that are large enough', 'x'.repeat(HTTP_BODY_CHUNK_BYTES_MIN), 20_000],
  ])('is read: %s', async (_what, chunk, count) => expect(await sent(chunk, count)).toEqual([200]));

  it.each([
    ['tiny', 'x', 2 * HTTP_BODY_CHUNKS_FREE],
    ['just too small', 'x'.repeat(HTTP_BODY_CHUNK_BYTES_MIN - 1), HTTP_BODY_CHUNKS_FREE * HTTP_BODY_CHUNK_BYTES_MIN + 1],
  ])('ends its connection when they are many and %s', async (_what, chunk, count) => expect(await sent(chunk, count)).toEqual([]));
});

describe('the end', () => {
  it('finishes what was taken, takes no more and cuts nothing off', async () => {
    const [asked, finish] = [gate(), gate()];
    const { url, server } = await serve(async () => (asked.open(), await finish.opened, new Response('finished')));
    const [busy, idle] = await Promise.all([open(url), open(url)]);
    busy.send('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await asked.opened;
    const ending = server.stop(10_000);
    await expect(open(url)).rejects.toThrow('ECONNREFUSED');
    finish.open();
    expect(await busy.closed).toMatch(/connection: close[^]*finished$/);
    expect(await ending).toBe(0);
    expect(await idle.closed).toBe('');
  });

  it('comes at its deadline, and says what it cut off', async () => {
    const asked = gate();
    const { url, server } = await serve(async () => (asked.open(), new Promise<Response>(() => undefined)));
    const wire = await open(url);
    wire.send('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await asked.opened;
    expect(await server.stop(1)).toBe(1);
    expect(await wire.closed).toBe('');
  });

  it('of a port that is taken comes at the start', async () => {
    const { server } = await serve();
    await expect(serve(tell, { listen: server.address })).rejects.toThrow('EADDRINUSE');
  });
});
