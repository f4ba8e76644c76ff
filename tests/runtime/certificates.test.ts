/**
 * `POST /kms/sign_cert` and `GET /ca` over HTTP, on every kind of node in one cluster: one CA, and leaves that name what the
 * registry names. OpenSSL is the judge.
 */
import { execFile } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CSR_BYTES_MAX, LEAF_LIFE_MAX_MS } from '../../core/limits.ts';
import { csrOf, ecSigning, ed25519Signing, rsaSigning } from '../core/ca/fixtures.ts';
import { call } from '../simulation/platform-client.ts';
import { NODE_KINDS } from '../simulation/node.ts';
import { exchange, signedRequest } from '../simulation/signed-client.ts';
import { createWorld, until, untilServing } from '../simulation/world.ts';
import type { SealedAnswer } from '../simulation/platform-client.ts';
import type { App, Member, World } from '../simulation/world.ts';

const run = promisify(execFile);
let world: World;
let app: App;
let folder = '';

beforeAll(async () => {
  world = await createWorld({ nodes: 3, kinds: NODE_KINDS, apps: 3 });
  await world.contracts.openGenesis();
  await untilServing(world.members);
  [app] = world.apps as [App];
  folder = await mkdtemp(join(tmpdir(), 'nova-kms-certificates-'));
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
  await world?.stop();
});

const csr64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
const plainCsr = csr64(csrOf(ecSigning('P-256')));
/** The last byte is of the signature’s second number. */
const brokenCsr = csr64(csrOf(ecSigning('P-256')).map((byte, at, all) => (at === all.length - 1 ? byte ^ 1 : byte)));
const ask = (member: Member, request: Record<string, unknown>, from = app): Promise<SealedAnswer> =>
  call(from, member.keys(), '/kms/sign_cert', request);
const pemOf = (answer: SealedAnswer, name: string): string => Buffer.from(String(answer.body?.[name]), 'base64').toString('utf8');
const bundleOf = async (member: Member): Promise<string> => (await fetch(`${member.url}/ca`)).text();

async function verdict(leaf: string, bundle: string, purpose: string): Promise<string> {
  await writeFile(join(folder, 'leaf.pem'), leaf);
  await writeFile(join(folder, 'bundle.pem'), bundle);
  const args = ['verify', '-x509_strict', '-purpose', purpose, '-CAfile', join(folder, 'bundle.pem'), join(folder, 'leaf.pem')];
  return await run('openssl', args).then(
    ({ stdout }) => stdout.trim().split(': ').at(-1) ?? '',
    ({ stderr }: { stderr: string }) => stderr,
  );
}

describe('U-5 the trust bundle', () => {
  it('is the same bytes on every kind of node, and after a restart of each', async () => {
    const before = await Promise.all(world.members.map(bundleOf));
    expect(before[0]).toMatch(/^-----BEGIN CERTIFICATE-----\n[A-Za-z0-9+/=\n]+-----END CERTIFICATE-----\n$/);
    expect(new Set(before).size).toBe(1);
    for (const { node } of world.members) {
      await node.stop();
      await node.start();
      await untilServing(world.members);
    }
    expect(new Set([...before, ...(await Promise.all(world.members.map(bundleOf)))]).size).toBe(1);
  });
});

describe.each(NODE_KINDS)('%s:', (kind) => {
  let member: Member;

  beforeAll(() => {
    member = world.members.find(({ node }) => node.kind === kind) as Member;
  });

  describe('the trust bundle', () => {
    it('comes as PEM, or as JSON to who asks for it, and may be kept a while', async () => {
      const pem = await fetch(`${member.url}/ca`);
      expect([pem.headers.get('content-type'), pem.headers.get('cache-control'), pem.headers.get('vary')]).toEqual([
        'application/pem-certificate-chain',
        'public, max-age=60',
        'accept',
      ]);
      const certificate = new X509Certificate(await pem.text());
      const { bundle } = (await (await fetch(`${member.url}/ca`, { headers: { accept: 'application/json' } })).json()) as {
        bundle: Record<string, unknown>[];
      };
      expect(bundle).toMatchObject([
        { epoch: 0, is_current: true, fingerprint: certificate.fingerprint256.replaceAll(':', '').toLowerCase() },
      ]);
      expect([certificate.ca, certificate.subjectAltName]).toEqual([true, `URI:spiffe://${world.profile.trustDomain}`]);
    });
  });

  describe('a certificate', () => {
    it.each([
      ['P-256', () => csrOf(ecSigning('P-256'))],
      ['P-384', () => csrOf(ecSigning('P-384'))],
      ['Ed25519', () => csrOf(ed25519Signing())],
      ['RSA 2048', () => csrOf(rsaSigning(2_048))],
    ])('for a key %s verifies by OpenSSL, strictly, for servers and clients', async (_name, csr) => {
      const answer = await ask(member, { csr: csr64(csr()) });
      expect(answer.status, answer.wire).toBe(200);
      const bundle = await bundleOf(member);
      for (const purpose of ['sslserver', 'sslclient']) expect(await verdict(pemOf(answer, 'certificate'), bundle, purpose)).toBe('OK');
      expect(pemOf(answer, 'chain')).toBe(pemOf(answer, 'certificate') + pemOf(answer, 'ca_certificate'));
      expect(pemOf(answer, 'ca_certificate')).toBe(bundle);
    });

    it('X-2 names the app and the instance of the registry, and when it ends', async () => {
      const answer = await ask(member, { csr: plainCsr, ttl_seconds: 600 });
      const leaf = new X509Certificate(pemOf(answer, 'certificate'));
      expect([leaf.subject, leaf.subjectAltName]).toEqual([
        `CN=app-${app.appId}`,
        `URI:spiffe://${world.profile.trustDomain}/app/${app.appId}/instance/${app.instanceId}`,
      ]);
      expect(answer.body).toMatchObject({ not_after: leaf.validToDate.toISOString().replace('.000Z', 'Z'), epoch: 0 });
      expect(String(answer.body?.['serial'])).toBe(leaf.serialNumber.toLowerCase().padStart(34, '0'));
      expect(leaf.validToDate.getTime() - Date.now()).toBeLessThan(600_000);
    });

    it('comes to a signed request as well, and its refusal is signed', async () => {
      const { chainId } = world.profile;
      const path = '/kms/sign_cert';
      const good = await until('a node that is old enough for a signature', async () => {
        const request = await signedRequest(app, member.keys(), { chainId, path, body: { csr: plainCsr } });
        const response = await fetch(request.clone());
        return response.headers.has('signature') && (await signedRequest(app, member.keys(), { chainId, path, body: { csr: plainCsr } }));
      });
      expect((await exchange(app, member.keys(), good, chainId)).status).toBe(200);
      const bad = await signedRequest(app, member.keys(), { chainId, path, body: { csr: plainCsr, ttl_seconds: 0 } });
      const { status, wire } = await exchange(app, member.keys(), bad, chainId);
      expect([status, (JSON.parse(wire) as { reason: string }).reason]).toEqual([400, 'validity_malformed']);
    });

    const lifeMaxS = LEAF_LIFE_MAX_MS / 1_000;
    it.each([
      ['no csr', {}, 'csr_malformed'],
      ['a csr that is no text', { csr: 7 }, 'csr_malformed'],
      ['a csr that is not base64', { csr: '%%%' }, 'csr_malformed'],
      ['neither PEM nor DER', { csr: csr64(Buffer.from('hello')) }, 'csr_malformed'],
      ['a csr over its limit', { csr: csr64(new Uint8Array(CSR_BYTES_MAX + 1).fill(0x30)) }, 'csr_too_large'],
      ['RSA of 1024 bits', { csr: csr64(csrOf(rsaSigning(1_024))) }, 'csr_key_refused'],
      ['another curve', { csr: csr64(csrOf(ecSigning('secp256k1'))) }, 'csr_key_refused'],
      ['a broken signature', { csr: brokenCsr }, 'csr_signature_invalid'],
      ['a life of zero', { csr: plainCsr, ttl_seconds: 0 }, 'validity_malformed'],
      ['a negative life', { csr: plainCsr, ttl_seconds: -600 }, 'validity_malformed'],
      ['a fraction of a day', { csr: plainCsr, validity_days: 0.5 }, 'validity_malformed'],
      ['two lives', { csr: plainCsr, validity_days: 1, ttl_seconds: 600 }, 'validity_malformed'],
      ['a life over the cap', { csr: plainCsr, ttl_seconds: lifeMaxS + 1 }, 'validity_malformed'],
      ['a field of its own', { csr: plainCsr, subject: 'CN=admin' }, 'field_unknown'],
    ])('is refused for %s', async (_what, request, reason) => {
      const { status, wire } = await ask(member, request, world.apps[1]);
      expect(status).toBeGreaterThanOrEqual(400);
      expect(status).toBeLessThan(500);
      expect((JSON.parse(wire) as { reason: string }).reason).toMatch(reason);
    });
  });
});

describe('certificates of one app', () => {
  it('are no longer issued once it is revoked, on any node, within the bound that /status states', async () => {
    const revoked = await world.addApp('revoked-app');
    for (const member of world.members)
      await until(`a certificate of ${member.name}`, async () => (await ask(member, { csr: plainCsr }, revoked)).status === 200);
    await world.contracts.writeNova('updateAppStatus', [revoked.appId, 2]);
    const revokedAtMs = Date.now();
    const { revocation_bound_ms: boundMs } = (await (await fetch(`${world.members[0]?.url}/status`)).json()) as {
      revocation_bound_ms: number;
    };
    for (const member of world.members)
      await until(`${member.name} to refuse`, async () => (await ask(member, { csr: plainCsr }, revoked)).status === 403);
    expect(Date.now() - revokedAtMs).toBeLessThan(boundMs);
  });
});
