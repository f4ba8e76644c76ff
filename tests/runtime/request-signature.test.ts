/**
 * Request signatures over HTTP: an app that knows ERC-8128 and the envelope and nothing else derives a key, every deviation is
 * refused, and every answer to a request that was its sender's own is signed for it, errors included.
 */
import { request as httpRequest } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { signRequest } from '@slicekit/erc8128';
import { privateKeyToAccount } from 'viem/accounts';
import { DERIVE_BODY_BYTES_MAX } from '../../core/limits.ts';
import { call, platformProof } from '../simulation/platform-client.ts';
import { answerSigner, exchange, signedRequest } from '../simulation/signed-client.ts';
import { NODE_KINDS } from '../simulation/node.ts';
import { createWorld, until, untilServing } from '../simulation/world.ts';
import type { NodeKeys } from '../simulation/platform-client.ts';
import type { SignedRequestOptions } from '../simulation/signed-client.ts';
import type { App, Member, World } from '../simulation/world.ts';

let world: World;
let app: App;
let member: Member;
let other: Member;
let node: NodeKeys;
let chainId: number;

beforeAll(async () => {
  world = await createWorld({ nodes: 3, kinds: NODE_KINDS });
  await world.contracts.openGenesis();
  await untilServing(world.members);
  [app] = world.apps as [App];
  chainId = world.profile.chainId;
});

afterAll(async () => world?.stop());

const signed = (options: Partial<SignedRequestOptions> = {}, to = node) => signedRequest(app, to, { chainId, ...options });

/** Sent and its answer's signature checked, when it has one. */
async function exchanged(options: Partial<SignedRequestOptions> = {}) {
  const request = await signed(options);
  return await outcomeOf(request);
}

async function outcomeOf(request: Request): Promise<{ status: number; reason: string; signer: string }> {
  const sent = { method: request.method, url: request.url, headers: Object.fromEntries(request.headers) };
  const response = await fetch(request);
  const wire = await response.text();
  const { reason = '' } = JSON.parse(wire) as { reason?: string };
  return { status: response.status, reason, signer: await answerSigner(response, wire, sent) };
}

/** The same signature under something else: what a host between can do. */
async function bent(request: Request, change: { url?: string; method?: string; body?: string; headers?: (headers: Headers) => void }) {
  const headers = new Headers(request.headers);
  change.headers?.(headers);
  const body = change.body ?? (await request.clone().text());
  return new Request(change.url ?? request.url, { method: change.method ?? request.method, headers, body });
}

const PROOF_REFUSED = { status: 403, reason: 'proof_refused', signer: 'unsigned' };

describe.each(NODE_KINDS)('%s:', (kind) => {
  beforeAll(async () => {
    const at = NODE_KINDS.indexOf(kind);
    [member, other] = [...world.members.slice(at), ...world.members.slice(0, at)] as [Member, Member];
    node = member.keys();
    expect(member.node.kind).toBe(kind);
    await until('the node to be old enough for a signature', async () => (await exchanged()).status === 200);
  });

  describe('a signed request', () => {
    it('of a client that knows only ERC-8128 and the envelope derives the same key as the platform’s proof', async () => {
      const byProof = await call(app, node, '/kms/derive', { path: 'both-ways' });
      const request = await signed({ body: { path: 'both-ways' } });
      const { status, body, headers } = await exchange(app, node, request, chainId);
      expect(status).toBe(200);
      expect(body?.['key']).toBe(byProof.body?.['key']);
      expect(Buffer.from(String(body?.['key']), 'base64').length).toBe(32);
      expect(headers.get('x-kms-response-signature')).toBeNull();
    });

    it('U-14 counts for the URL that the registry names, whatever Host says', async () => {
      const request = await signed();
      expect(await statusWithHost(request, 'evil.example')).toBe(200);
      const elsewhere = await signedRequest(app, { ...node, url: 'http://evil.example' }, { chainId });
      expect(await statusWithHost(elsewhere, 'evil.example')).toBe(403);
    });

    it('U-14 for another node is refused, and taken by that node', async () => {
      const forOther = await signed({}, other.keys());
      const here = await bent(forOther, { url: `${node.url}/kms/derive` });
      expect(await outcomeOf(here)).toEqual(PROOF_REFUSED);
      expect(await outcomeOf(forOther)).toMatchObject({ status: 200, signer: `erc8128:${chainId}:${other.keys().wallet}` });
    });

    it.each([
      ['path', { path: '/kms/derive/' }, (url: string) => ({ url: url.slice(0, -1) })],
      ['query', { path: '/kms/derive?a=b' }, (url: string) => ({ url: url.replace('a=b', 'a=c') })],
      ['query that was not there', {}, (url: string) => ({ url: `${url}?a=b` })],
      ['method', { method: 'PUT' }, () => ({ method: 'POST' })],
    ])('for another %s is refused', async (_what, options, change) => {
      const request = await signed(options);
      expect(await outcomeOf(await bent(request, change(request.url)))).toEqual(PROOF_REFUSED);
    });

    it.each([
      ['another chain', { chainId: 1 }],
      ['a time that is over', { sign: { created: nowS() - 200, expires: nowS() - 140 } }],
      ['a time to come', { sign: { created: nowS() + 600, expires: nowS() + 660 } }],
      ['too long a life', { sign: { ttlSeconds: 300 } }],
      ['no nonce', { sign: { replay: 'replayable' } }],
      ['a class of requests', { sign: { binding: 'class-bound', components: ['@authority'] } }],
      ['another label', { sign: { label: 'sig1' } }],
    ] satisfies [string, Partial<SignedRequestOptions>][])('for %s is refused', async (_what, options) => {
      expect(await exchanged(options)).toEqual(PROOF_REFUSED);
    });

    it('of which a covered header is missing or another is refused', async () => {
      const options = { headers: { 'x-note': 'n' }, sign: { components: ['x-note'] } };
      expect((await exchanged(options)).status).toBe(200);
      const changes = [(headers: Headers) => headers.delete('x-note'), (headers: Headers) => headers.set('x-note', 'm')];
      for (const headers of changes) expect(await outcomeOf(await bent(await signed(options), { headers }))).toEqual(PROOF_REFUSED);
    });

    it('of which the body differs from its digest is refused, and the refusal is signed', async () => {
      const request = await signed();
      const altered = (await request.clone().text()).replace(/.$/, ' }');
      const outcome = await outcomeOf(await bent(request, { body: altered }));
      expect(outcome).toEqual({ status: 400, reason: 'digest_mismatch', signer: `erc8128:${chainId}:${node.wallet}` });
    });

    it('under two signatures, or with the platform’s proof beside it, is refused', async () => {
      const account = privateKeyToAccount(app.walletKey);
      const signer = { address: account.address, chainId, signMessage: (raw: Uint8Array) => account.signMessage({ message: { raw } }) };
      expect(await outcomeOf(await signRequest(await signed(), signer, { label: 'second' }))).toEqual(PROOF_REFUSED);
      const { nonce } = (await (await fetch(`${node.url}/nonce`)).json()) as { nonce: string };
      const proof = await platformProof(app, node.wallet, nonce, nowS());
      const both = await bent(await signed(), {
        headers: (headers) => Object.entries(proof).forEach(([name, value]) => headers.set(name, value)),
      });
      expect(await outcomeOf(both)).toEqual(PROOF_REFUSED);
    });
  });

  describe('U-15 the same signature again', () => {
    it('is refused at once, and after it expired', async () => {
      const created = nowS();
      const request = await signed({ sign: { created, expires: created + 2 } });
      const again = request.clone();
      const late = request.clone();
      expect((await outcomeOf(request)).status).toBe(200);
      expect(await outcomeOf(again)).toEqual(PROOF_REFUSED);
      const unused = await signed({ sign: { created, expires: created + 2 } });
      await until('it to expire', () => Promise.resolve(nowS() > created + 3));
      expect(await outcomeOf(late)).toEqual(PROOF_REFUSED);
      // Lateness alone is no cause: one that was not used yet is still taken.
      expect((await outcomeOf(unused)).status).toBe(200);
    });

    it('is refused after the node restarted, while a new one is taken', async () => {
      const request = await signed({ sign: { ttlSeconds: 120 } });
      const again = request.clone();
      expect((await outcomeOf(request)).status).toBe(200);
      await member.node.stop();
      await member.node.start();
      await untilServing(world.members);
      await until('new signatures to be taken', async () => (await exchanged()).status === 200);
      expect(await outcomeOf(again)).toEqual(PROOF_REFUSED);
      expect(member.node.lines.some((line) => line.includes('created before this boot'))).toBe(true);
    });
  });

  describe('U-19 an answer', () => {
    it.each([
      ['a key', { body: { path: 'p' } }, 200, ''],
      ['an error in the request', { body: { path: '' } }, 400, 'path_malformed'],
      ['an unknown epoch', { body: { path: 'p', epoch: 99 } }, 404, 'epoch_unknown'],
      ['a plaintext', { body: '{"path":"p"}' }, 400, 'plaintext_refused'],
      ['another content type', { headers: { 'content-type': 'text/plain' } }, 415, 'content_type_refused'],
    ])('with %s is signed by the node, for this request', async (_what, options, status, reason) => {
      expect(await exchanged(options)).toEqual({ status, reason, signer: `erc8128:${chainId}:${node.wallet}` });
    });

    it('to a body over the limit is signed as well', async () => {
      // A client that is still sending may find the connection closed before it reads the answer: then it asks again.
      const outcome = await until('an answer to be read', async () => {
        try {
          return await exchanged({ body: 'x'.repeat(DERIVE_BODY_BYTES_MAX + 1) });
        } catch (error) {
          if (error instanceof TypeError) return undefined;
          throw error;
        }
      });
      expect(outcome).toEqual({ status: 413, reason: 'body_too_large', signer: `erc8128:${chainId}:${node.wallet}` });
    });

    it('does not pass for another status, body or request', async () => {
      const request = await signed();
      const sent = { method: request.method, url: request.url, headers: Object.fromEntries(request.headers) };
      const response = await fetch(request);
      const wire = await response.text();
      const own = `erc8128:${chainId}:${node.wallet}`;
      expect(await answerSigner(response, wire, sent)).toBe(own);
      expect(await answerSigner(new Response(wire, { status: 201, headers: response.headers }), wire, sent)).toBe('unsigned');
      expect(await answerSigner(response, `${wire} `, sent)).toBe('unsigned');
      const other = await signed();
      expect(await answerSigner(response, wire, { ...sent, headers: Object.fromEntries(other.headers) })).toBe('unsigned');
    });
  });
});

function nowS(): number {
  return Math.floor(Date.now() / 1_000);
}

/** Node's own client, which lets its caller write `Host`. */
async function statusWithHost(request: Request, host: string): Promise<number> {
  const body = await request.text();
  const { port } = new URL(node.url);
  return await new Promise((resolve, reject) => {
    const headers = { ...Object.fromEntries(request.headers), host };
    const sending = httpRequest({ host: '127.0.0.1', port, path: '/kms/derive', method: 'POST', headers }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    sending.on('error', reject);
    sending.end(body);
  });
}
