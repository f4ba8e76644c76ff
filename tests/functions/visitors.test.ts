/** U-4: whose word counts on a client's address, and what one address may ask before it is known who asks. */
import { beforeEach, describe, expect, it } from 'vitest';
import { createApi } from '../../functions/api.ts';
import { clientAddress } from '../../functions/visitors.ts';
import * as limits from '../../core/limits.ts';
import { hex } from '../../core/wire/bytes.ts';
import { parseAddress, parseBlock } from '../../core/wire/address.ts';
import { createCluster } from '../core/fakes.ts';
import type { AddressBlock } from '../../core/wire/address.ts';
import type { TestCluster, TestNode } from '../core/fakes.ts';

const blocks = (...texts: readonly string[]): AddressBlock[] => texts.flatMap((text) => parseBlock(text) ?? []);
const proxies = blocks('10.0.0.0/8', '127.0.0.1/32', 'fd00::/8');
const told = (forwarded: string | undefined, peer: string | undefined, trusted = proxies): string | undefined => {
  const headers = new Headers(forwarded === undefined ? {} : { 'x-forwarded-for': forwarded });
  const address = clientAddress(headers, peer, trusted);
  return address && hex(address);
};
const hexOf = (text: string) => hex(parseAddress(text) as Uint8Array);

/** What is often done instead: the first address in the list is believed, whoever wrote it. */
const leftmost = (forwarded: string) => forwarded.split(',')[0]?.trim();

describe('U-4 the address of a client', () => {
  it('is not the one that it writes itself, though who takes the first of the list would believe it', () => {
    const forged = '192.0.2.1, 198.51.100.7';
    expect(leftmost(forged)).toBe('192.0.2.1');
    expect(told(forged, '10.0.0.1')).toBe(hexOf('198.51.100.7'));
  });

  it('is the connection’s own where no proxy is, whatever it writes', () =>
    expect(told('192.0.2.1', '198.51.100.7')).toBe(hexOf('198.51.100.7')));

  it.each([
    ['nothing is believed', '192.0.2.1', '10.0.0.1', []],
    ['the host knows none', '192.0.2.1', undefined, proxies],
    ['the host knows a name', '192.0.2.1', 'socket', proxies],
  ] as const)('is unknown where %s', (_what, forwarded, peer, trusted) => expect(told(forwarded, peer, [...trusted])).toBeUndefined());

  it.each([
    ['one proxy', '198.51.100.7', '10.0.0.1', '198.51.100.7'],
    ['two proxies', '192.0.2.1, 198.51.100.7, 10.2.3.4', '127.0.0.1', '198.51.100.7'],
    ['a proxy of the other family', '2001:db8::7', 'fd00::1', '2001:db8::7'],
    ['a proxy in its mapped form', '198.51.100.7', '::ffff:10.0.0.1', '198.51.100.7'],
    ['a port', '198.51.100.7:4711', '10.0.0.1', '198.51.100.7'],
    ['a port after brackets', '[2001:db8::7]:4711', '10.0.0.1', '2001:db8::7'],
    ['brackets', '[2001:db8::7]', '10.0.0.1', '2001:db8::7'],
    ['no header', undefined, '10.0.0.1', '10.0.0.1'],
    ['an empty header', '', '10.0.0.1', '10.0.0.1'],
    ['what is no address', '198.51.100.7, unknown', '10.0.0.1', '10.0.0.1'],
    ['what is no address behind a proxy', '198.51.100.7, _x, 10.2.3.4', '10.0.0.1', '10.2.3.4'],
    ['proxies only', '10.9.9.9, 10.2.3.4', '10.0.0.1', '10.9.9.9'],
  ])('with %s is the rightmost that no proxy has', (_what, forwarded, peer, address) => expect(told(forwarded, peer)).toBe(hexOf(address)));

  it('is looked for in so many addresses and no more', () => {
    const chain = (length: number) => ['198.51.100.7', ...Array.from({ length }, () => '10.2.3.4')].join(',');
    expect(told(chain(limits.FORWARDED_ADDRESSES_MAX - 1), '10.0.0.1')).toBe(hexOf('198.51.100.7'));
    expect(told(chain(limits.FORWARDED_ADDRESSES_MAX), '10.0.0.1')).toBe(hexOf('10.2.3.4'));
  });
});

describe('U-4 one address', () => {
  let cluster: TestCluster;
  let node: TestNode;
  let ask: (path: string, from: string, init?: RequestInit) => Promise<number>;

  beforeEach(() => {
    cluster = createCluster('a', 'b');
    node = cluster.nodes[0] as TestNode;
    const api = createApi({ ...node.kms, profile: { ...node.kms.profile, trustedProxies: proxies } });
    ask = async (path, from, init = {}) => {
      const headers = { ...(init.headers as Record<string, string>), 'x-forwarded-for': from };
      return (await api(new Request(`http://node${path}`, { ...init, headers }), '10.0.0.1')).status;
    };
  });

  const drain = async (from: string, path = '/nonce'): Promise<number> => {
    for (let answered = 0; ; answered += 1) if ((await ask(path, from)) === 429) return answered;
  };

  it('may ask so much and no more, and leaves the others theirs', async () => {
    expect(await drain('198.51.100.7')).toBe(limits.ADDRESS_REQUESTS_BURST);
    expect(await ask('/ca', '198.51.100.7')).toBe(429);
    expect(await ask('/nonce', '198.51.100.8')).toBe(200);
    cluster.clock.advance(1_000);
    expect(await drain('198.51.100.7')).toBe(limits.ADDRESS_REQUESTS_PER_SECOND);
  });

  it('pays for a proof that is refused as for several answers', async () => {
    const burst = limits.ADDRESS_REQUESTS_BURST / limits.ADDRESS_PROOF_REQUESTS;
    for (let asked = 0; asked < burst; asked += 1) expect(await ask('/kms/derive', '198.51.100.7', { method: 'POST' })).not.toBe(429);
    expect(await ask('/kms/derive', '198.51.100.7', { method: 'POST' })).toBe(429);
    expect(await ask('/sync', '198.51.100.7', { method: 'POST' })).toBe(429);
  });

  it.each(['/audit', '/audit/head', '/operator/status'])('pays as much where operators ask: %s', async (path) => {
    const burst = limits.ADDRESS_REQUESTS_BURST / limits.ADDRESS_PROOF_REQUESTS;
    expect(await drain('198.51.100.7', path)).toBe(burst);
  });

  it('is a whole network of a customer, of IPv6', async () => {
    await drain('2001:db8:0:1::1');
    expect(await ask('/nonce', '2001:db8:0:1:ffff::2')).toBe(429);
    expect(await ask('/nonce', '2001:db8:0:2::1')).toBe(200);
  });

  it('still sees whether the node lives and serves', async () => {
    await drain('198.51.100.7');
    expect([await ask('/health', '198.51.100.7'), await ask('/ready', '198.51.100.7')]).toEqual([200, 503]);
  });

  it('without a proxy that tells it is nobody: nothing is counted', async () => {
    const api = createApi(node.kms);
    const asked = async () =>
      (await api(new Request('http://node/nonce', { headers: { 'x-forwarded-for': '198.51.100.7' } }), '10.0.0.1')).status;
    for (let count = 0; count < limits.ADDRESS_REQUESTS_BURST; count += 1) await asked();
    expect(await asked()).toBe(200);
  });
});
