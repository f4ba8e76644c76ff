/** What anybody may ask of a node over HTTP, the same on every kind of it, down to requests that no client library would send. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { verifyAttestation } from '../../core/crypto/nitro/attestation.ts';
import { faultOf } from '../../core/crypto/nitro/policy.ts';
import { ATTESTATION_AGE_MAX_MS, ATTESTATION_SKEW_MAX_MS } from '../../core/limits.ts';
import { parseProfile } from '../../core/networks.ts';
import { systemRandom } from '../../core/platform/system.ts';
import { hex, parseHex } from '../../core/wire/bytes.ts';
import { verified } from '../core/crypto/nitro/documents.ts';
import { platformProof, sealedBody, send } from '../simulation/platform-client.ts';
import { NODE_KINDS } from '../simulation/node.ts';
import { createWorld, untilServing } from '../simulation/world.ts';
import { exchange, open, statuses } from '../functions/raw.ts';
import type { Hash, Wallet } from '../../core/identity.ts';
import type { App, Member, World } from '../simulation/world.ts';

let world: World;

beforeAll(async () => {
  world = await createWorld({ nodes: 3, kinds: NODE_KINDS });
  await world.contracts.openGenesis();
  await untilServing(world.members);
});

afterAll(async () => world?.stop());

describe.each(NODE_KINDS)('%s:', (kind) => {
  let member: Member;
  let url: string;

  beforeAll(() => {
    member = world.members.find(({ node }) => node.kind === kind) as Member;
    ({ url } = member);
  });

  const answered = async (path: string, init?: RequestInit) => {
    const response = await fetch(`${url}${path}`, init);
    const text = await response.text();
    expect(response.headers.get('x-request-id')).toMatch(/^[0-9a-f]{16}$/);
    expect(response.headers.get('cache-control')).toBe(path === '/ca' && response.ok ? 'public, max-age=60' : 'no-store');
    const isJson = text !== '' && response.headers.get('content-type') === 'application/json';
    return { status: response.status, body: (isJson ? JSON.parse(text) : null) as Record<string, unknown> | null, text };
  };

  describe('a public endpoint', () => {
    it('GET / lists them, and each of those answers', async () => {
      const { body } = await answered('/');
      const endpoints = body?.['endpoints'] as string[];
      expect([body?.['service'], body?.['node']]).toEqual(['nova-kms', member.node.odyn.wallet]);
      for (const endpoint of endpoints) {
        const [method, path] = endpoint.split(' ') as [string, string];
        expect((await answered(path, { method })).status, endpoint).not.toBe(404);
      }
    });

    it('GET /health and /ready say that it lives and serves', async () => {
      expect(await answered('/health')).toMatchObject({ status: 200, body: { status: 'healthy' } });
      expect(await answered('/ready')).toMatchObject({ status: 200, body: { ready: true } });
    });

    it('GET /attestation proves wallet, key and code to whoever asks, by what the chain says', async () => {
      const nonce = systemRandom.bytes(32);
      const response = await fetch(`${url}/attestation?nonce=${hex(nonce)}`);
      expect([response.status, response.headers.get('content-type'), response.headers.get('cache-control')]).toEqual([
        ...[200, 'application/cbor', 'no-store'],
      ]);
      const nowMs = Date.now();
      const { attestationRoot: root } = parseProfile(world.profile);
      const attestation = verified(
        verifyAttestation(new Uint8Array(await response.arrayBuffer()), { root, nowMs, skewMsMax: ATTESTATION_SKEW_MAX_MS }),
      );
      const { codeMeasurement } = (await world.contracts.readNova('getVersion', [world.contracts.kmsAppId, world.contracts.versionId])) as {
        codeMeasurement: Hash;
      };
      const { wallet, teePubkey } = member.node.odyn;
      const publicKey = parseHex(teePubkey) as Uint8Array;
      const expected = {
        nowMs,
        ageMsMax: ATTESTATION_AGE_MAX_MS,
        aheadMsMax: ATTESTATION_SKEW_MAX_MS,
        measurement: codeMeasurement,
        nonce,
        publicKey,
        wallet: wallet as Wallet,
      };
      expect(faultOf(attestation, expected)).toBeUndefined();
      expect((await answered('/attestation')).body).toMatchObject({ reason: 'attestation_nonce_malformed' });
    });

    it('GET /status shows its keys and its network', async () => {
      const { body } = await answered('/status');
      const { odyn } = member.node;
      expect(body).toMatchObject({
        node: { tee_wallet: odyn.wallet, tee_pubkey: odyn.teePubkey, node_url: url, is_operator: true, service_available: true },
        cluster: { network: 'simulation', kms_registry_address: world.profile.kmsRegistry, total_instances: 3 },
      });
    });

    it('GET /nodes shows every member of whatever kind', async () => {
      const { text } = await answered('/nodes');
      for (const { node } of world.members) expect(text).toContain(node.odyn.wallet);
    });

    it('R-3 GET /nonce gives a thousand at once, all different, and an early one is still good', async () => {
      const [app] = world.apps as [App];
      const nonceOf = async () => String((await answered('/nonce')).body?.['nonce']);
      const early = await nonceOf();
      const nonces = new Set<string>();
      for (let round = 0; round < 20; round += 1)
        for (const nonce of await Promise.all(Array.from({ length: 50 }, nonceOf))) nonces.add(nonce);
      expect(nonces.size).toBe(1_000);
      const keys = member.keys();
      const headers = await platformProof(app, keys.wallet, early, Math.floor(Date.now() / 1_000));
      expect((await send(keys, '/kms/derive', { headers, body: sealedBody(app, keys, '{"path":"early"}') })).status).toBe(200);
    });

    it('POST /sync refuses who is no member, in any form', async () => {
      const octets = { method: 'POST', headers: { 'content-type': 'application/octet-stream' }, body: new Uint8Array(64) };
      expect(await answered('/sync', octets)).toMatchObject({ status: 409, body: { reason: 'session_unknown' } });
      const hello = { 'content-type': 'application/cbor', 'x-kms-signature': `0x${'11'.repeat(65)}` };
      expect((await answered('/sync', { method: 'POST', headers: hello, body: new Uint8Array(64) })).status).toBeGreaterThanOrEqual(400);
      expect((await answered('/sync', { method: 'POST', headers: hello, body: new Uint8Array(40_000) })).status).toBe(413);
    });
  });

  describe('a request', () => {
    it.each([
      ['GET', '/nope', 404, 'not_found'],
      ['GET', '/kms', 404, 'not_found'],
      ['GET', '//status', 404, 'not_found'],
      ['GET', '/status/', 200, undefined],
      ['GET', '/%2e%2e/kms/derive', 405, 'method_not_allowed'],
      ['DELETE', '/status', 405, 'method_not_allowed'],
      ['OPTIONS', '/kms/derive', 405, 'method_not_allowed'],
      ['GET', `/${'a'.repeat(5_000)}`, 414, 'url_too_long'],
    ])('%s %.20s gets %i', async (method, path, status, reason) => {
      const { status: got, body } = await answered(path, { method });
      expect([got, body?.['reason']]).toEqual([status, reason]);
    });

    it('HEAD gets the headers of GET and no body', async () =>
      expect(await answered('/status', { method: 'HEAD' })).toMatchObject({ status: 200, text: '' }));

    it('of another Host, by an absolute target or with forwarding headers is the same request', async () => {
      const lies = 'Host: evil.example\r\nForwarded: host=evil.example\r\nX-Forwarded-Host: evil.example\r\nX-Forwarded-For: 127.0.0.1\r\n';
      // workerd takes an absolute target for a proxy's business, and fails with a status and no more.
      for (const target of kind === 'worker' ? ['/health'] : ['/health', 'http://evil.example/health'])
        expect(statuses(await exchange(url, `GET ${target} HTTP/1.1\r\n${lies}Connection: close\r\n\r\n`)), target).toEqual([200]);
    });

    it('that asks to go on with another protocol is answered in this one', async () => {
      const text = await exchange(url, 'GET /health HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: Upgrade, close\r\n\r\n');
      expect(statuses(text)).toEqual([200]);
    });

    it('and the next two on one connection are answered in their order', async () => {
      const wire = await open(url);
      wire.send(
        'GET /health HTTP/1.1\r\nHost: x\r\n\r\nGET /nope HTTP/1.1\r\nHost: x\r\n\r\nGET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
      );
      expect(statuses(await wire.closed)).toEqual([200, 404, 200]);
    });

    it.each([
      ['no HTTP', 'garbage\r\n\r\n'],
      ['two lengths', 'POST /sync HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc'],
      ['an unknown coding', 'POST /sync HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\nConnection: close\r\n\r\nabc'],
    ])('with %s is refused with nothing internal, or cut off', async (_what, bytes) => {
      const text = await exchange(url, bytes);
      expect(statuses(text).every((status) => status >= 400)).toBe(true);
      expect(text).not.toMatch(/\.ts|node_modules|Error:|stack|\/work|functions\//);
    });
  });

  it('U-7 no answer names the software that gave it', async () => {
    const { headers } = await fetch(`${url}/status`);
    expect([headers.get('server'), headers.get('x-powered-by')]).toEqual([null, null]);
  });
});
