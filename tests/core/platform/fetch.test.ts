/** The one way out, against real servers: who may be dialled, and what a bad answer costs. */
import { createServer } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createFetch } from '../../../core/platform/fetch.ts';
import { profile, reasonOfAsync } from '../fakes.ts';
import type { AddressInfo } from 'node:net';
import type { IncomingMessage, ServerResponse } from 'node:http';

let answer: (request: IncomingMessage, response: ServerResponse) => void = (_request, response) => response.end('honest');
let hits = 0;
const server = createServer((request, response) => {
  hits += 1;
  answer(request, response);
});
let own = '';

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  own = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterAll(() => {
  server.closeAllConnections();
  server.close();
});

const limits = { timeoutMs: 20_000, bodyBytesMax: 1_000 };
const open = () => createFetch({ profile, odynUrl: own, rpcUrl: 'http://127.0.0.1:1' }, fetch);
const reasonOf = (url: string, change = {}) => reasonOfAsync(open()({ url, method: 'GET' }, { ...limits, ...change }));

describe('S-M8 an outbound call', () => {
  it('reaches this enclave’s own services', async () => {
    answer = (_request, response) => response.end('honest');
    const { status, body } = await open()({ url: `${own}/path`, method: 'GET' }, limits);
    expect([status, Buffer.from(body).toString()]).toEqual([200, 'honest']);
  });

  it.each([
    'http://127.0.0.1:2/',
    'http://localhost:80/',
    'http://169.254.169.254/latest/meta-data',
    'https://10.0.0.1/',
    'https://[::1]/',
    'https://[::ffff:127.0.0.1]/',
    'https://2130706433/',
    'https://example.org/',
    'ftp://127.0.0.1/',
    'file:///etc/passwd',
    'no url',
    '',
  ])('goes nowhere else: %s', async (url) => {
    const before = hits;
    expect(await reasonOf(url)).toBe('url_refused_outbound');
    expect(hits).toBe(before);
  });

  it('follows no redirect, not even to an allowed place', async () => {
    for (const status of [301, 302, 303, 307, 308]) {
      answer = (_request, response) => response.writeHead(status, { location: `${own}/again` }).end();
      const before = hits;
      expect(await reasonOf(`${own}/`)).toBe('outbound_redirect');
      expect(hits - before).toBe(1);
    }
  });

  it('ends before its time when it is told to, and its connection with it', async () => {
    const caller = new AbortController();
    const closed = new Promise<void>((resolve) => {
      answer = (request) => {
        request.socket.once('close', resolve);
        caller.abort(new Error('enough'));
      };
    });
    const outcome = open()({ url: `${own}/`, method: 'GET' }, { ...limits, timeoutMs: 30_000, signal: caller.signal });
    expect(await reasonOfAsync(outcome)).toBe('outbound_failed');
    await closed;
  });

  it('is bounded in size, whatever is declared, and in time', async () => {
    answer = (_request, response) => response.end('x'.repeat(1_000));
    expect(await reasonOf(`${own}/`)).toBe('none');
    answer = (_request, response) => response.end('x'.repeat(1_001));
    expect(await reasonOf(`${own}/`)).toBe('outbound_too_large');
    answer = (_request, response) => {
      const timer = setInterval(() => response.write('x'.repeat(500)), 5);
      response.on('close', () => clearInterval(timer));
    };
    expect(await reasonOf(`${own}/`)).toBe('outbound_too_large');
    answer = () => undefined;
    expect(await reasonOf(`${own}/`, { timeoutMs: 500 })).toBe('outbound_timeout');
    answer = (_request, response) => void response.write('half');
    expect(await reasonOf(`${own}/`, { timeoutMs: 500 })).toBe('outbound_timeout');
  });

  it('says that a connection failed, and not where it went', async () => {
    answer = (request) => request.socket.destroy();
    const error = await open()({ url: `${own}/secret-path?token=1`, method: 'GET' }, limits).catch((reason: Error) => reason);
    expect(error).toMatchObject({ reason: 'outbound_failed' });
    expect(String(error)).not.toMatch(/secret-path|token/);
  });
});
