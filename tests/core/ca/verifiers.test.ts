/** The certificates before those who will judge them: OpenSSL's command line, and Node's TLS in a handshake of two apps. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, createServer } from 'node:tls';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bundlePem, certificatePem, trustBundle } from '../../../core/ca/bundle.ts';
import { createTestCa, csrOf, ecSigning, ed25519Signing, rsaSigning } from './fixtures.ts';
import type { AddressInfo } from 'node:net';
import type { PeerCertificate, TLSSocket } from 'node:tls';
import type { AppId } from '../../../core/identity.ts';
import type { Signing } from './fixtures.ts';

const run = promisify(execFile);
const { ca, clock, record } = createTestCa();
const other = createTestCa(new Uint8Array(32).fill(9));
const LIFE_MS = 3_600_000;
const keys: Record<string, Signing> = {
  'P-256': ecSigning('P-256'),
  'P-384': ecSigning('P-384'),
  Ed25519: ed25519Signing(),
  'RSA 2048': rsaSigning(2_048),
};
// TLS judges by the machine's clock, not by the test's.
clock.advance(Date.now() - clock.nowMs());
other.clock.advance(Date.now() - other.clock.nowMs());

const leafOf = (signing: Signing, from = ca, instanceId = 21n) =>
  certificatePem(
    from.issue({
      subject: { appId: 43n as AppId, instanceId },
      csr: csrOf(signing),
      lifeMs: LIFE_MS,
      epoch: from === ca ? record(0) : other.record(0),
    }).leaf,
  );
const bundle = bundlePem(trustBundle(ca, [record(1), record(0, { state: 'previous' })]));

describe('OpenSSL', () => {
  let folder = '';
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'nova-kms-ca-'));
    await writeFile(join(folder, 'bundle.pem'), bundle);
    await writeFile(join(folder, 'other.pem'), bundlePem(trustBundle(other.ca, [other.record(0)])));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  async function verdict(leaf: string, roots: string, ...options: readonly string[]): Promise<string> {
    await writeFile(join(folder, 'leaf.pem'), leaf);
    const given = ['verify', '-x509_strict', ...options, '-CAfile', join(folder, roots), join(folder, 'leaf.pem')];
    return await run('openssl', given).then(
      ({ stdout }) => stdout.trim().split(': ').at(-1) ?? '',
      ({ stderr }: { stderr: string }) => stderr,
    );
  }

  for (const [name, signing] of Object.entries(keys))
    it.each(['sslserver', 'sslclient'])(`verifies a leaf with a key ${name} for %s, strictly`, async (purpose) =>
      expect(await verdict(leafOf(signing), 'bundle.pem', '-purpose', purpose)).toBe('OK'),
    );
  it.each(['smimesign', 'crlsign', 'timestampsign'])('takes a leaf for nothing else: %s', async (purpose) =>
    expect(await verdict(leafOf(keys['P-256'] as Signing), 'bundle.pem', '-purpose', purpose)).toMatch(
      /unsuitable|unsupported certificate purpose/,
    ),
  );
  it('refuses a leaf under the CA of another secret', async () =>
    expect(await verdict(leafOf(keys['P-256'] as Signing), 'other.pem')).toMatch(/unable to get local issuer|signature failure/));
  it('refuses a leaf when its time is over', async () => {
    const after = String(Math.floor((clock.nowMs() + LIFE_MS) / 1_000) + 1);
    expect(await verdict(leafOf(keys['P-256'] as Signing), 'bundle.pem', '-attime', after)).toContain('expired');
  });
  it('takes no leaf for a CA', async () => {
    await writeFile(join(folder, 'as-ca.pem'), leafOf(keys['P-256'] as Signing));
    expect(await verdict(leafOf(keys['P-384'] as Signing), 'as-ca.pem')).toContain('unable to get');
  });
});

interface Party {
  readonly cert: string;
  readonly key: string;
}

/** What each end of one handshake saw: the names of the other, or why there is none. */
async function handshake(server: Party, client: Party): Promise<{ server: string; client: string }> {
  const seen = Promise.withResolvers<string>();
  const listener = createServer({ ...server, ca: bundle, requestCert: true, rejectUnauthorized: false }, (socket) => {
    seen.resolve(namesOf(socket));
    socket.end();
  });
  listener.on('tlsClientError', (error) => seen.resolve((error as NodeJS.ErrnoException).code ?? error.message));
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const { port } = listener.address() as AddressInfo;
  // There is no DNS name to check: who is spoken to is the name in the certificate.
  const socket = connect({ port, host: '127.0.0.1', ...client, ca: bundle, checkServerIdentity: () => undefined });
  const saw = await new Promise<string>((resolve) => {
    socket.once('secureConnect', () => resolve(namesOf(socket)));
    socket.once('error', (error) => resolve((error as NodeJS.ErrnoException).code ?? error.message));
  });
  const both = { server: await seen.promise, client: saw };
  socket.destroy();
  await new Promise((resolve) => listener.close(resolve));
  return both;
}

/** Node lets a server go on without authorization only to say why; an app would leave `rejectUnauthorized` as it is. */
function namesOf(socket: TLSSocket): string {
  if (!socket.authorized) return String(socket.authorizationError);
  const { subjectaltname, subject } = socket.getPeerCertificate() as PeerCertificate;
  return `${subject.CN} ${subjectaltname}`;
}

describe('TLS between two apps', () => {
  const party = (signing: Signing, from = ca, instanceId = 21n): Party => ({
    cert: leafOf(signing, from, instanceId),
    key: signing.privateKeyPem as string,
  });
  it.each(['P-256', 'P-384', 'Ed25519'])('shows each the name of the other, with a key %s', async (name) => {
    const signing = keys[name] as Signing;
    const id = (instance: number) => `app-43 URI:spiffe://kms.nova.example/app/43/instance/${instance}`;
    expect(await handshake(party(signing, ca, 1n), party(signing, ca, 2n))).toEqual({ server: id(2), client: id(1) });
  });
  it('refuses a client of another secret’s CA', async () =>
    expect((await handshake(party(keys['P-256'] as Signing), party(keys['P-256'] as Signing, other.ca))).server).toMatch(
      /CERT|ISSUER|SIGNATURE/,
    ));
  it('refuses a server of another secret’s CA', async () =>
    expect((await handshake(party(keys['P-256'] as Signing, other.ca), party(keys['P-256'] as Signing))).client).toMatch(
      /CERT|ISSUER|SIGNATURE/,
    ));
});
