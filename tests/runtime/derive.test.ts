/**
 * `POST /kms/derive` over HTTP on three real nodes, one of each kind: what a platform app gets, and everything that is refused.
 * Each refusal is one deviation from a request that is shown to work.
 */
import { request as httpRequest } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import vectors from '../vectors/derive.json' with { type: 'json' };
import { call, platformProof, platformRequest, sealedBody, send } from '../simulation/platform-client.ts';
import { createBox } from '../simulation/odyn/box.ts';
import { NODE_KINDS } from '../simulation/node.ts';
import { createWorld, until, untilServing } from '../simulation/world.ts';
import type { NodeKeys, RequestParts } from '../simulation/platform-client.ts';
import type { App, Member, World } from '../simulation/world.ts';

let world: World;
let app: App;
let member: Member;
let other: Member;
let node: NodeKeys;

const nowSeconds = () => Math.floor(Date.now() / 1_000);

beforeAll(async () => {
  world = await createWorld({ nodes: 3, kinds: NODE_KINDS, apps: 2 });
  // The hardware randomness of every enclave is fixed, so that the cluster's secret is the one of the vectors.
  const secret = { random_bytes: `0x${vectors.secret}` };
  for (const { node: each } of world.members) each.odyn.faults.set('/v1/random', { kind: 'answer', json: () => secret });
  await world.chain.automine(true);
  while (((await world.contracts.readNova('getAppCount')) as bigint) < 42n) await world.contracts.createApp();
  await world.chain.interval(1);
  await world.contracts.openGenesis();
  await untilServing(world.members);
  [app] = world.apps as [App];
});

afterAll(async () => world?.stop());

/** A request that works, then changed by the test. */
async function refused(
  change: (parts: RequestParts) => Promise<RequestParts> | RequestParts,
  path = '/kms/derive',
  method = 'POST',
): Promise<{ status: number; code: string; reason: string; message: string; text: string }> {
  const parts = await change(await platformRequest(app, node, { path: 'refusals' }));
  const response = await send(node, path, parts, method);
  const text = await response.text();
  const { code, reason, message, request_id: requestId } = JSON.parse(text) as Record<string, string>;
  expect(requestId).toMatch(/^[0-9a-f]{16}$/);
  expect(response.headers.get('x-request-id')).toBe(requestId);
  expect(response.headers.get('x-kms-response-signature')).toBeNull();
  return { status: response.status, code: code ?? '', reason: reason ?? '', message: message ?? '', text };
}

const PROOF_REFUSED = { status: 403, code: 'unauthorized', reason: 'proof_refused' };

describe('derive', () => {
  it('gives the platform’s vectors for app 43, the same from every node', async () => {
    const app43 = await world.addApp('app-43');
    expect(app43.appId).toBe(43n);
    // Each node asks the chain for itself, so each is asked whether it knows the app.
    for (const each of world.members) {
      const knows = async () => (await call(app43, each.keys(), '/kms/derive', { path: 'x' })).status === 200;
      await until(`app 43 to be confirmed at ${each.name}`, knows);
    }
    for (const { path, context, length, key } of vectors.derived) {
      for (const each of world.members) {
        const answer = await call(app43, each.keys(), '/kms/derive', { path, context, length });
        expect(answer.status, `${each.name}: ${answer.wire}`).toBe(200);
        expect(Buffer.from(String(answer.body?.['key']), 'base64').toString('hex'), `${path} on ${each.name}`).toBe(key);
      }
    }
  });
});

describe.each(NODE_KINDS)('%s:', (kind) => {
  beforeAll(() => {
    const at = NODE_KINDS.indexOf(kind);
    [member, other] = [...world.members.slice(at), ...world.members.slice(0, at)] as [Member, Member];
    node = member.keys();
    expect(member.node.kind).toBe(kind);
  });

  describe('derive', () => {
    it('names the app, the epoch and the block in every answer', async () => {
      const { body } = await call(app, node, '/kms/derive', { path: 'named' });
      expect(body).toMatchObject({ app_id: Number(app.appId), path: 'named', length: 32, epoch: 0 });
      expect(body?.['block']).toBeGreaterThan(0);
    });

    it('takes an epoch by number and as "current", and a length as digits', async () => {
      const byDefault = await call(app, node, '/kms/derive', { path: 'epochs', length: 16 });
      for (const request of [
        { path: 'epochs', length: '16', epoch: 0 },
        { path: 'epochs', length: 16, epoch: 'current' },
      ]) {
        expect((await call(app, node, '/kms/derive', request)).body?.['key']).toBe(byDefault.body?.['key']);
      }
    });

    it('gives two apps two keys for the same path', async () => {
      const keys = await Promise.all(
        world.apps.slice(0, 2).map(async (each) => (await call(each, node, '/kms/derive', { path: 'shared' })).body?.['key']),
      );
      expect(new Set(keys).size).toBe(2);
    });

    it('U-1 keeps ambiguous paths and contexts apart', async () => {
      const requests = [
        { path: 'a:b' },
        { path: 'a', context: 'b' },
        { path: 'a%3Ab' },
        { path: 'a:', context: 'b' },
        { path: 'a', context: ':b' },
        { path: 'a/b' },
        { path: 'a%2Fb' },
        { path: 'a+b' },
        { path: 'a b' },
      ];
      const keys = await Promise.all(requests.map(async (request) => (await call(app, node, '/kms/derive', request)).body?.['key']));
      expect(new Set(keys).size).toBe(requests.length);
    });

    it('S-H1 shows no key byte on the wire', async () => {
      const { wire, body } = await call(app, node, '/kms/derive', { path: 'wire', length: 64 });
      const key = Buffer.from(String(body?.['key']), 'base64');
      expect(key.length).toBe(64);
      expect(Object.keys(JSON.parse(wire) as object).toSorted()).toEqual(['encrypted_data', 'nonce', 'sender_tee_pubkey']);
      for (const form of [key.toString('base64').slice(0, 20), key.toString('hex').slice(0, 16)]) expect(wire).not.toContain(form);
    });

    it('answers a signature with v 27 or 28 as well', async () => {
      const parts = await platformRequest(app, node, { path: 'v' });
      const signature = parts.headers['x-app-signature'] ?? '';
      const v = (Number.parseInt(signature.slice(-2), 16) + 27).toString(16);
      expect(
        (await send(node, '/kms/derive', { ...parts, headers: { ...parts.headers, 'x-app-signature': signature.slice(0, -2) + v } }))
          .status,
      ).toBe(200);
    });

    it('ignores further members of an envelope, upper case and 0x', async () => {
      const parts = await platformRequest(app, node, { path: 'tolerant' });
      const envelope = JSON.parse(parts.body) as Record<string, string>;
      const body = JSON.stringify({
        sender_tee_pubkey: `0x${envelope['sender_tee_pubkey']?.toUpperCase()}`,
        nonce: `0x${envelope['nonce']}`,
        encrypted_data: envelope['encrypted_data'],
        version: 2,
      });
      expect((await send(node, '/kms/derive', { ...parts, body })).status).toBe(200);
    });
  });

  describe('a proof', () => {
    const withProof = (nonce: () => Promise<string>, nodeWallet = () => node.wallet, time: () => number | string = nowSeconds) =>
      refused(async (parts) => ({ ...parts, headers: await platformProof(app, nodeWallet(), await nonce(), time()) }));
    const freshNonce = async () => ((await (await fetch(`${node.url}/nonce`)).json()) as { nonce: string }).nonce;

    it.each(['x-app-signature', 'x-app-nonce', 'x-app-timestamp'])('is refused without %s', async (header) => {
      const answer = await refused(({ headers, body }) => ({
        body,
        headers: Object.fromEntries(Object.entries(headers).filter(([name]) => name !== header)),
      }));
      expect(answer).toMatchObject(PROOF_REFUSED);
    });

    it.each([
      ['stale', () => nowSeconds() - 200],
      ['future', () => nowSeconds() + 200],
      ['not a number', () => 'now'],
      ['in milliseconds', () => Date.now()],
    ])('is refused when its time is %s', async (_name, time) => {
      expect(await withProof(freshNonce, undefined, time)).toMatchObject(PROOF_REFUSED);
    });

    it('is refused with a nonce that this node did not issue', async () => {
      const { url } = other.keys();
      expect(await withProof(async () => ((await (await fetch(`${url}/nonce`)).json()) as { nonce: string }).nonce)).toMatchObject(
        PROOF_REFUSED,
      );
      expect(await withProof(async () => Buffer.alloc(40).toString('base64'))).toMatchObject(PROOF_REFUSED);
      expect(await withProof(async () => 'not base64!')).toMatchObject(PROOF_REFUSED);
    });

    it('is refused when it was made for another node', async () => {
      expect(await withProof(freshNonce, () => other.keys().wallet)).toMatchObject(PROOF_REFUSED);
    });

    it('S-L7 is taken once: the same nonce again is refused', async () => {
      const parts = await platformRequest(app, node, { path: 'once' });
      expect((await send(node, '/kms/derive', parts)).status).toBe(200);
      const again = { headers: parts.headers, body: sealedBody(app, node, JSON.stringify({ path: 'once' })) };
      expect(await refused(() => again)).toMatchObject(PROOF_REFUSED);
    });

    it('is refused when one bit of the signature differs', async () => {
      const answer = await refused(({ headers, body }) => {
        const signature = headers['x-app-signature'] ?? '';
        return {
          body,
          headers: {
            ...headers,
            'x-app-signature': `0x${(Number.parseInt(signature[2] ?? '0', 16) ^ 1).toString(16)}${signature.slice(3)}`,
          },
        };
      });
      expect(answer).toMatchObject(PROOF_REFUSED);
    });

    it('is refused when the wallet hint names somebody else', async () => {
      expect(await refused(({ headers, body }) => ({ body, headers: { ...headers, 'x-app-wallet': node.wallet } }))).toMatchObject(
        PROOF_REFUSED,
      );
    });

    it('U-8 of a wallet that no registry knows is refused', async () => {
      const stranger = { walletKey: `0x${'42'.repeat(32)}` as const, box: createBox() };
      const parts = await platformRequest(stranger, node, { path: 'stranger' });
      expect(await refused(() => parts)).toMatchObject(PROOF_REFUSED);
    });

    it('has one public message, whatever is wrong with it', async () => {
      const messages = await Promise.all([
        withProof(async () => 'AAAA'),
        withProof(freshNonce, undefined, () => 1),
        refused((parts) => ({ ...parts, headers: {} })),
      ]);
      expect(new Set(messages.map((answer) => answer.message)).size).toBe(1);
    });
  });

  describe('an envelope', () => {
    const withBody = (body: string | (() => string)) =>
      refused(({ headers }) => ({ headers, body: typeof body === 'string' ? body : body() }));
    const bent = (change: (envelope: Record<string, string>) => void) =>
      refused(({ headers, body }) => {
        const envelope = JSON.parse(body) as Record<string, string>;
        change(envelope);
        return { headers, body: JSON.stringify(envelope) };
      });
    const flip = (text: string | undefined, at: number) =>
      `${text?.slice(0, at)}${(Number.parseInt(text?.[at] ?? '0', 16) ^ 1).toString(16)}${text?.slice(at + 1)}`;

    it('is the only form: plaintext is refused', async () => {
      const answer = await withBody(JSON.stringify({ path: 'plain' }));
      expect(answer).toMatchObject({
        status: 400,
        code: 'bad_request',
        reason: 'plaintext_refused',
        message: 'Request must be E2E encrypted. Plaintext fallback is disabled.',
      });
    });

    it('is refused when its key is not the one that the registry holds', async () => {
      const other = createBox();
      expect(await withBody(() => sealedBody({ ...app, box: other }, node, '{"path":"x"}'))).toMatchObject({
        status: 403,
        code: 'forbidden',
        reason: 'envelope_sender_mismatch',
      });
    });

    it('is refused with one bit flipped, in ciphertext, tag or nonce', async () => {
      const unopenable = { status: 400, code: 'bad_request', reason: 'envelope_unopenable' };
      expect(await bent((envelope) => (envelope['encrypted_data'] = flip(envelope['encrypted_data'], 0)))).toMatchObject(unopenable);
      expect(
        await bent(
          (envelope) => (envelope['encrypted_data'] = flip(envelope['encrypted_data'], (envelope['encrypted_data']?.length ?? 1) - 1)),
        ),
      ).toMatchObject(unopenable);
      expect(await bent((envelope) => (envelope['nonce'] = flip(envelope['nonce'], 3)))).toMatchObject(unopenable);
    });

    it('is refused when cut short, extended or not hex', async () => {
      expect(await bent((envelope) => (envelope['encrypted_data'] = envelope['encrypted_data']?.slice(0, 8) ?? ''))).toMatchObject({
        status: 400,
        reason: 'envelope_malformed',
      });
      expect(await bent((envelope) => (envelope['encrypted_data'] += '00'))).toMatchObject({ status: 400, reason: 'envelope_unopenable' });
      expect(await bent((envelope) => (envelope['nonce'] = 'zz'))).toMatchObject({ status: 400, reason: 'envelope_malformed' });
      expect(await bent((envelope) => delete envelope['nonce'])).toMatchObject({ status: 400, reason: 'envelope_malformed' });
    });

    it('U-18 sent again under a fresh proof is refused', async () => {
      const parts = await platformRequest(app, node, { path: 'captured' });
      expect((await send(node, '/kms/derive', parts)).status).toBe(200);
      expect(await withBody(parts.body)).toMatchObject({ status: 400, reason: 'envelope_replayed' });
    });

    it('must hold a request that this endpoint knows', async () => {
      const cases: readonly (readonly [string, string])[] = [
        ['[]', 'request_malformed'],
        ['{', 'request_malformed'],
        ['{}', 'path_malformed'],
        ['{"path":""}', 'path_malformed'],
        ['{"path":7}', 'path_malformed'],
        ['{"path":"a\\u0000b"}', 'path_malformed'],
        ['{"path":"a\\ud800b"}', 'path_malformed'],
        [`{"path":"${'a'.repeat(257)}"}`, 'path_malformed'],
        [`{"path":"${'ä'.repeat(129)}"}`, 'path_malformed'],
        ['{"path":"a","context":"\\udfff"}', 'context_malformed'],
        ['{"path":"a","context":null}', 'context_malformed'],
        [`{"path":"a","context":"${'c'.repeat(257)}"}`, 'context_malformed'],
        ['{"path":"a","length":0}', 'length_malformed'],
        ['{"path":"a","length":1025}', 'length_malformed'],
        ['{"path":"a","length":1.5}', 'length_malformed'],
        ['{"path":"a","length":"x"}', 'length_malformed'],
        ['{"path":"a","length":-1}', 'length_malformed'],
        ['{"path":"a","length":null}', 'length_malformed'],
        ['{"path":"a","epoch":-1}', 'epoch_malformed'],
        ['{"path":"a","epoch":"0"}', 'epoch_malformed'],
        ['{"path":"a","app_id":1}', 'field_unknown'],
        ['{"path":"a","__proto__":{}}', 'field_unknown'],
      ];
      for (const [plaintext, reason] of cases)
        expect(await withBody(() => sealedBody(app, node, plaintext)), plaintext).toMatchObject({
          status: 400,
          code: 'bad_request',
          reason,
        });
      expect(await withBody(() => sealedBody(app, node, '{"path":"a","epoch":9}'))).toMatchObject({ status: 404, reason: 'epoch_unknown' });
    });

    it('may name the longest path, context and length', async () => {
      for (const request of [
        { path: 'p'.repeat(256) },
        { path: 'a', context: 'ä'.repeat(128) },
        { path: 'a', length: 1 },
        { path: 'a', length: 1_024 },
      ]) {
        expect((await call(app, node, '/kms/derive', request)).status).toBe(200);
      }
    });
  });

  describe('a body', () => {
    it('is refused with another content type', async () => {
      const answer = await refused(({ headers, body }) => ({ headers: { ...headers, 'content-type': 'text/plain' }, body }));
      expect(answer).toMatchObject({ status: 415, code: 'unsupported_media_type' });
    });

    it('S-H3 over the limit is cut, whatever its Content-Length says', async () => {
      const { headers } = await platformRequest(app, node, { path: 'large' });
      expect(await rawPost(headers, (write) => write('a'.repeat(4 * 1024 * 1024)), 4 * 1024 * 1024)).toBe(413);
      const chunked = await platformRequest(app, node, { path: 'chunked' });
      expect(await rawPost(chunked.headers, (write) => Array.from({ length: 64 }, () => write('b'.repeat(65_536))))).toBe(413);
    });

    it('that breaks off takes nothing with it', async () => {
      const { headers } = await platformRequest(app, node, { path: 'half' });
      await rawPost(
        headers,
        (write, socket) => {
          write('{"sender_tee_pubkey":"');
          setTimeout(() => socket.destroy(), 50);
        },
        1_000,
      );
      expect((await call(app, node, '/kms/derive', { path: 'after half' })).status).toBe(200);
    });

    it('that is half sent is answered with 408 or closed, and holds nobody up', async () => {
      const { headers } = await platformRequest(app, node, { path: 'slow' });
      const slow = rawPost(headers, (write) => write('{'), 1_000);
      const others = await Promise.all(
        Array.from({ length: 10 }, (_, index) => call(app, node, '/kms/derive', { path: `beside ${index}` })),
      );
      expect(others.every((answer) => answer.status === 200)).toBe(true);
      expect(await slow).toBe(408);
    });

    /** The status, or 413 when the node closed the connection while still being sent to. */
    function rawPost(
      headers: Record<string, string>,
      write: (write: (text: string) => void, socket: { destroy(): void }) => void,
      contentLength?: number,
    ): Promise<number> {
      return new Promise((resolve) => {
        const length = contentLength === undefined ? {} : { 'content-length': String(contentLength) };
        const request = httpRequest(`${node.url}/kms/derive`, {
          method: 'POST',
          headers: { 'content-type': 'application/json', ...headers, ...length },
        });
        request.on('response', (response) => {
          resolve(response.statusCode ?? 0);
          request.destroy();
        });
        request.on('error', (error: NodeJS.ErrnoException) => resolve(['ECONNRESET', 'EPIPE'].includes(error.code ?? '') ? 413 : -1));
        write((text) => void request.write(text), request);
        if (contentLength === undefined) request.end();
      });
    }
  });

  describe('an answer', () => {
    it('U-7 of an error tells nothing internal', async () => {
      member.node.odyn.faults.set('/v1/encryption/decrypt', {
        kind: 'status',
        status: 500,
        text: 'panicked at /root/odyn/src/secret.rs:42 key=deadbeef',
      });
      const answer = await refused((parts) => parts);
      member.node.odyn.faults.clear('/v1/encryption/decrypt');
      expect(answer).toMatchObject({ status: 503, code: 'service_unavailable', reason: 'odyn_unavailable' });
      expect(answer.text).not.toMatch(/panicked|secret|127\.0\.0\.1|deadbeef|\.ts|stack/i);
    });

    it('S-M7 carries no CORS header, whatever the origin', async () => {
      for (const [method, path] of [
        ['GET', '/status'],
        ['OPTIONS', '/kms/derive'],
        ['GET', '/nope'],
      ] as const) {
        const { headers } = await fetch(`${node.url}${path}`, {
          method,
          headers: { origin: 'https://evil.example', 'access-control-request-method': 'POST' },
        });
        expect([...headers.keys()].filter((name) => name.startsWith('access-control-'))).toEqual([]);
      }
    });

    it('to a wrong path or method says what would be right', async () => {
      expect((await fetch(`${node.url}/kms/nope`, { method: 'POST' })).status).toBe(404);
      const wrong = await fetch(`${node.url}/kms/derive`);
      expect([wrong.status, wrong.headers.get('allow')]).toEqual([405, 'POST']);
      const head = await fetch(`${node.url}/health`, { method: 'HEAD' });
      expect([head.status, await head.text()]).toEqual([200, '']);
    });

    it('S-M1 of /status shows no state of the secret', async () => {
      const text = await (await fetch(`${node.url}/status`)).text();
      expect(text).not.toMatch(/master|secret|hash|synced|generated|epoch/i);
      expect(JSON.parse(text)).toMatchObject({
        node: { tee_wallet: node.wallet, tee_pubkey: node.teePubkey, service_available: true, reason: null },
      });
    });
  });
});
