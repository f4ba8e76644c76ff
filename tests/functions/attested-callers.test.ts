/**
 * The road of a request where instances have to prove themselves, in process, with both forms of proof: what a document buys, when it is
 * read, and what it costs whom.
 */
import { beforeEach, describe, expect, it } from 'vitest';
import { createCallerAttestations } from '../../core/auth/attested.ts';
import { contentDigestOf } from '../../core/crypto/digest.ts';
import { SIGNATURE_AHEAD_MAX_MS } from '../../core/limits.ts';
import { parseHex, utf8 } from '../../core/wire/bytes.ts';
import { encodeRequestInput, encodeSignature, requestBase } from '../../core/wire/httpsig.ts';
import { appProofText } from '../../core/wire/pop.ts';
import { createApi } from '../../functions/api.ts';
import { createTestApp } from '../attestation/app.ts';
import { MEASUREMENT } from '../attestation/attester.ts';
import { measurementOf, pcrsOf } from '../attestation/pcrs.ts';
import { callerAnswer, createCluster, profile, teePubkeyOf } from '../core/fakes.ts';
import type { Kms } from '../../core/kms.ts';
import type { TestApp } from '../attestation/app.ts';
import type { CallerAnswer, TestCluster, TestNode } from '../core/fakes.ts';

const PATH = '/kms/derive';
let cluster: TestCluster;
let node: TestNode;
let app: TestApp;
let kms: Kms;
let believing: Kms;
let opened = 0;
let sent = 0;

beforeEach(async () => {
  cluster = createCluster('a', 'b');
  app = createTestApp(cluster.clock);
  register(app);
  cluster.chain.openNext();
  await cluster.until(() => cluster.nodes.every((each) => each.kms.admission.gate().kind === 'serving'));
  node = cluster.nodes[0] as TestNode;
  opened = 0;
  const sealed = {
    senderTeePubkey: parseHex(node.kms.identity.teePubkey) as Uint8Array,
    nonce: new Uint8Array(12),
    encrypted: new Uint8Array(40),
  };
  const box = { ...node.kms.box, open: () => ((opened += 1), Promise.resolve('{"path":"p"}')), seal: () => Promise.resolve(sealed) };
  believing = { ...node.kms, box };
  const { clock, log } = node.kms;
  const callerAttestations = createCallerAttestations({ profile: { ...profile, appAttestation: 'require' }, clock, log });
  kms = { ...believing, callerAttestations };
  cluster.clock.advance(2 * SIGNATURE_AHEAD_MAX_MS);
});

function register(who: TestApp, change: Partial<CallerAnswer> = {}): void {
  const known = { ...callerAnswer(who.wallet), teePubkey: `0x${teePubkeyOf(who.wallet)}` as const, codeMeasurement: MEASUREMENT };
  cluster.chain.callers.set(who.wallet, { ...known, ...change });
}

function envelope(): string {
  sent += 1;
  const nonce = sent.toString(16).padStart(24, '0');
  return JSON.stringify({ sender_tee_pubkey: teePubkeyOf(app.wallet), nonce, encrypted_data: '00'.repeat(20) });
}

/** A proven request, and the text that its wallet signed. */
interface Proven {
  readonly request: Request;
  readonly text: string;
}
type Form = (body?: ReadableStream<Uint8Array>, by?: TestApp) => Proven;

const signed: Form = (stream, by = app) => {
  const body = envelope();
  const created = Math.floor(cluster.clock.nowMs() / 1_000);
  const components = ['@method', '@authority', '@path', 'content-digest'];
  const keyId = { chainId: profile.chainId, wallet: by.wallet };
  const input = encodeRequestInput(components, { created, expires: created + 60, nonce: `n-${sent}`, keyId });
  const headers = new Headers({ 'content-type': 'application/json', 'content-digest': contentDigestOf(utf8(body)) });
  const text =
    requestBase({ method: 'POST', authority: new URL(node.origin).host, path: PATH, query: '', headers }, components, input) ?? '';
  headers.set('signature-input', `eth=${input}`);
  headers.set('signature', `eth=${encodeSignature(parseHex(by.sign(text)) as Uint8Array)}`);
  return { request: post(headers, stream ?? body), text };
};

const byPlatform: Form = (stream, by = app) => {
  const [nonce, timestamp] = [kms.nonces.issue(), String(Math.floor(cluster.clock.nowMs() / 1_000))];
  const text = appProofText(nonce, node.wallet, timestamp);
  const proof = { 'x-app-signature': by.sign(text), 'x-app-nonce': nonce, 'x-app-timestamp': timestamp };
  return { request: post(new Headers({ 'content-type': 'application/json', ...proof }), stream ?? envelope()), text };
};

const FORMS: readonly (readonly [string, Form])[] = [
  ['a request signature', signed],
  ['the platform’s proof', byPlatform],
];

function post(headers: Headers, body: string | ReadableStream<Uint8Array>): Request {
  return new Request(`http://whoever${PATH}`, { method: 'POST', headers, body, duplex: 'half' } as RequestInit);
}

function bearing({ request }: Proven, header: string): Request {
  request.headers.set('x-kms-attestation', header);
  return request;
}

async function said(request: Request, by: Kms = kms): Promise<string> {
  const answer = await createApi(by)(request);
  const { reason } = (await answer.clone().json()) as { reason?: string };
  return `${answer.status} ${reason ?? 'served'}${answer.headers.has('signature') ? ', signed' : ''}`;
}

describe.each(FORMS)('an instance that proves a request by %s', (what, prove) => {
  const isSigned = what === 'a request signature' ? ', signed' : '';

  it('S-M5 is served once its enclave has proven itself, and from then on', async () => {
    expect(await said(prove().request)).toBe(`403 attestation_required${isSigned}`);
    const first = prove();
    expect(await said(bearing(first, app.header(first.text)))).toBe(`200 served${isSigned}`);
    expect(await said(prove().request)).toBe(`200 served${isSigned}`);
  });

  it('S-M5 is served without a word of its enclave where the profile does not ask for one', async () => {
    app.module.isDebug = true;
    expect(await said(prove().request, believing)).toBe(`200 served${isSigned}`);
    expect(await said(bearing(prove(), '*'), believing)).toBe(`200 served${isSigned}`);
  });

  it('S-M5 is refused with a document that is not of this proof, and its body is not read', async () => {
    const earlier = prove();
    const header = app.header(earlier.text);
    const unread = new ReadableStream<Uint8Array>({ pull: () => Promise.reject(new Error('read')) }, { highWaterMark: 0 });
    expect(await said(bearing(prove(unread), header))).toBe(`403 attestation_refused${isSigned}`);
    expect(await said(prove(unread).request)).toBe(`403 attestation_required${isSigned}`);
    expect(opened).toBe(0);
    const lines = node.logs.named('caller.unattested');
    expect(lines).toEqual([{ wallet: app.wallet, instanceId: '21', fault: 'nonce_mismatch', measurement: MEASUREMENT }]);
    const refused = node.logs.named('request.refused').map(({ reason, detail }) => `${reason}: ${detail}`);
    expect(refused).toContain('attestation_refused: nonce_mismatch');
  });

  it('S-M5 has used its proof up, whatever became of it', async () => {
    const { request, text } = prove();
    const again = new Request(request.clone());
    expect(await said(request)).toContain('attestation_required');
    expect(await said(bearing({ request: again, text }, app.header(text)))).toBe('403 proof_refused');
  });

  it('S-M5 that is another version now, or whose version is measured otherwise, is asked anew', async () => {
    const first = prove();
    expect(await said(bearing(first, app.header(first.text)))).toContain('200');
    for (const change of [
      { versionId: 5n, versionRecordId: 5n },
      { versionId: 5n, versionRecordId: 5n, codeMeasurement: measurementOf(pcrsOf(7)) },
    ]) {
      register(app, change);
      await cluster.round(profile.confirmationBlocks + 1);
      expect(await said(prove().request)).toContain('attestation_required');
      const next = prove();
      const isMeasured = change.codeMeasurement === undefined;
      expect(await said(bearing(next, app.header(next.text)))).toContain(isMeasured ? '200' : 'attestation_refused');
    }
  });

  it('S-M5 that changes while its body comes is not served', async () => {
    const first = prove();
    expect(await said(bearing(first, app.header(first.text)))).toContain('200');
    let finish = () => {};
    const text = envelope();
    const slow = new ReadableStream<Uint8Array>({
      start(controller) {
        finish = () => {
          controller.enqueue(utf8(text));
          controller.close();
        };
      },
    });
    // Only the form that binds no body can be given one that comes later.
    const answer = said(byPlatform(slow).request);
    await new Promise((resolve) => setTimeout(resolve, 20));
    register(app, { versionId: 5n, versionRecordId: 5n });
    await cluster.round(profile.confirmationBlocks + 1);
    finish();
    expect(await answer).toBe('403 attestation_required');
  });
});

describe('a document', () => {
  it('S-M5 R-5 buys a stranger, or a replay, no verification', async () => {
    let judged = 0;
    const { callerAttestations } = kms;
    const require: typeof callerAttestations.require = (...of) => ((judged += 1), callerAttestations.require(...of));
    const counting = { ...kms, callerAttestations: { ...callerAttestations, require } };
    const stranger = createTestApp(cluster.clock);
    const strange = signed(undefined, stranger);
    expect(await said(bearing(strange, stranger.header(strange.text)), counting)).toBe('403 proof_refused');
    expect(judged).toBe(0);
    const known = signed();
    const replay = known.request.clone();
    expect(await said(bearing(known, app.header(known.text)), counting)).toContain('200');
    expect(await said(bearing({ ...known, request: replay }, app.header(known.text)), counting)).toBe('403 proof_refused');
    expect(judged).toBe(1);
  });

  it('that is refused is counted in the audit trail, with its fault', async () => {
    app.module.isDebug = true;
    const bad = signed();
    expect(await said(bearing(bad, app.header(bad.text)))).toContain('attestation_refused');
    const records = node.logs.named('audit.recorded').map(({ record }) => record);
    expect(records.find(({ kind }) => kind === 'caller_unattested')).toMatchObject({
      ...{ wallet: app.wallet, instance_id: '21', fault: 'debug', reason: 'attestation_refused', count: 1 },
    });
  });
});
