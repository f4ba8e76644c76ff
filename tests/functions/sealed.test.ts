/** The road of a signed request in process, by a clock and ports that the test holds: what is signed, and what costs nothing. */
import { beforeEach, describe, expect, it } from 'vitest';
import { createApi } from '../../functions/api.ts';
import {
  BYTES_PER_REQUEST,
  CALLER_REQUESTS_BURST,
  CERTIFICATE_REQUESTS,
  DATA_BODY_BYTES_MAX,
  DERIVE_BODY_BYTES_MAX,
  REQUEST_MS_MAX,
  REQUESTS_IN_WORK_MAX,
  REQUESTS_PER_WALLET_MAX,
  SIGNATURE_AHEAD_MAX_MS,
  SIGNING_MS_MAX,
} from '../../core/limits.ts';
import { contentDigestOf } from '../../core/crypto/digest.ts';
import { parseHex, utf8 } from '../../core/wire/bytes.ts';
import { encodeRequestInput, encodeSignature, requestBase } from '../../core/wire/httpsig.ts';
import { callerAnswer, createCluster, profile, signerNamed, teePubkeyOf } from '../core/fakes.ts';
import type { Kms } from '../../core/kms.ts';
import type { TestCluster, TestNode } from '../core/fakes.ts';

const app = signerNamed('an app');
const PATH = '/kms/derive';
let cluster: TestCluster;
let node: TestNode;
let kms: Kms;
let api: (request: Request) => Promise<Response>;
let signatures = 0;
let sent = 0;

beforeEach(async () => {
  cluster = createCluster('a', 'b');
  cluster.chain.callers.set(app.wallet, { ...callerAnswer(app.wallet), teePubkey: `0x${teePubkeyOf(app.wallet)}` });
  cluster.chain.openNext();
  await cluster.until(() => cluster.nodes.every((each) => each.kms.admission.gate().kind === 'serving'));
  node = cluster.nodes[0] as TestNode;
  signatures = 0;
  const sealed = {
    senderTeePubkey: parseHex(node.kms.identity.teePubkey) as Uint8Array,
    nonce: new Uint8Array(12),
    encrypted: new Uint8Array(40),
  };
  kms = {
    ...node.kms,
    signer: { ...node.signer, sign: (text) => ((signatures += 1), node.signer.sign(text)) },
    box: { ...node.kms.box, open: () => Promise.resolve('{"path":"p"}'), seal: () => Promise.resolve(sealed) },
  };
  api = createApi(kms);
  cluster.clock.advance(2 * SIGNATURE_AHEAD_MAX_MS);
});

function envelope(): string {
  sent += 1;
  return JSON.stringify({
    sender_tee_pubkey: teePubkeyOf(app.wallet),
    nonce: sent.toString(16).padStart(24, '0'),
    encrypted_data: '00'.repeat(20),
  });
}

function signed(body: string | ReadableStream<Uint8Array>, text: string, nonce = `n-${(sent += 1)}`, ageS = 0, path = PATH): Request {
  const created = Math.floor(cluster.clock.nowMs() / 1_000) - ageS;
  const components = ['@method', '@authority', '@path', 'content-digest'];
  const keyId = { chainId: profile.chainId, wallet: app.wallet };
  const input = encodeRequestInput(components, { created, expires: created + 60, nonce, keyId });
  const headers = new Headers({ 'content-type': 'application/json', 'content-digest': contentDigestOf(utf8(text)) });
  const target = { method: 'POST', authority: new URL(node.origin).host, path, query: '', headers };
  const signature = app.signNow(requestBase(target, components, input) ?? '');
  headers.set('signature-input', `eth=${input}`);
  headers.set('signature', `eth=${encodeSignature(parseHex(signature) as Uint8Array)}`);
  return new Request(`http://whoever${path}`, { method: 'POST', headers, body, duplex: 'half' } as RequestInit);
}

async function outcome(answer: Promise<Response>): Promise<[status: number, reason: string | undefined, isSigned: boolean]> {
  const response = await answer;
  const { reason } = (await response.clone().json()) as { reason?: string };
  return [response.status, reason, response.headers.has('signature')];
}

/** Time passes while the request waits; timers are those of the clock. */
async function passing(ms: number, answer: Promise<Response>): Promise<Response> {
  for (let passed = 0; passed < ms; passed += 500) {
    await new Promise((resolve) => setImmediate(resolve));
    cluster.clock.advance(500);
  }
  return await answer;
}

describe('a signed request', () => {
  it('gets a signed answer', async () => {
    const text = envelope();
    expect(await outcome(api(signed(text, text)))).toEqual([200, undefined, true]);
  });

  it('U-19 gets a signed refusal for its slowness, also when judging its sender took most of the time', async () => {
    const text = envelope();
    const { authorize } = kms.authorizer;
    const slowly = async (wallet: typeof app.wallet) => {
      await cluster.clock.sleep(REQUEST_MS_MAX - SIGNING_MS_MAX - 2_000);
      return await authorize(wallet);
    };
    api = createApi({ ...kms, authorizer: { ...kms.authorizer, authorize: slowly } });
    const halfSent = new ReadableStream<Uint8Array>({ start: (controller) => controller.enqueue(utf8(text.slice(0, -1))) });
    expect(await outcome(passing(REQUEST_MS_MAX + 1_000, api(signed(halfSent, text))))).toEqual([503, 'deadline_exceeded', true]);
  });

  it('whose sender could not be judged in time is refused unsigned, and not used up', async () => {
    const text = envelope();
    const hung = () => cluster.clock.sleep(REQUEST_MS_MAX - 1_000).then(() => node.kms.authorizer.authorize(app.wallet));
    api = createApi({ ...kms, authorizer: { ...kms.authorizer, authorize: hung } });
    expect(await outcome(passing(REQUEST_MS_MAX + 1_000, api(signed(text, text, 'once'))))).toEqual([503, 'deadline_exceeded', false]);
    expect(kms.usedSignatures.size()).toBe(0);
  });

  it('U-15 from before the boot is refused, also when the clock was behind at the boot and set right after it', async () => {
    const text = envelope();
    expect(await outcome(api(signed(text, text, 'before', 60)))).toEqual([403, 'proof_refused', false]);
    // A boot remembered by the clock of its moment would lie ten minutes back now, and let this pass.
    cluster.clock.set(600_000);
    cluster.chain.mine(profile.confirmationBlocks + 1);
    await node.kms.admission.tick();
    expect(await outcome(api(signed(text, text, 'before', 60)))).toEqual([403, 'proof_refused', false]);
    expect(await outcome(api(signed(text, text, 'after')))).toEqual([200, undefined, true]);
  });

  it('U-18 whose envelope came before is refused, under a proof of its own as well', async () => {
    const text = envelope();
    expect(await outcome(api(signed(text, text, 'one')))).toEqual([200, undefined, true]);
    expect(await outcome(api(signed(text, text, 'two')))).toEqual([400, 'envelope_replayed', true]);
    const another = envelope();
    expect(await outcome(api(signed(another, another, 'three')))).toEqual([200, undefined, true]);
  });

  it('over its app’s rate costs no signature, and may be sent again', async () => {
    for (let taken = 0; taken < CALLER_REQUESTS_BURST; taken += 1) kms.callerRate.take(app.wallet);
    const text = envelope();
    expect(await outcome(api(signed(text, text, 'again')))).toEqual([429, 'rate_limited', false]);
    expect(signatures).toBe(0);
    cluster.clock.advance(1_000);
    expect(await outcome(api(signed(text, text, 'again')))).toEqual([200, undefined, true]);
  });

  it.each([
    ['a derivation', PATH, undefined, 1],
    ['a certificate', '/kms/sign_cert', 0, CERTIFICATE_REQUESTS],
    ['a small batch', '/kms/data/batch', BYTES_PER_REQUEST - 1, 1],
    ['a batch that is a little larger', '/kms/data/batch', BYTES_PER_REQUEST, 2],
    ['the largest batch', '/kms/data/batch', DATA_BODY_BYTES_MAX, 1 + DATA_BODY_BYTES_MAX / BYTES_PER_REQUEST],
    ['a batch that claims to be larger than any', '/kms/data/batch', 999_999_999, 1 + DATA_BODY_BYTES_MAX / BYTES_PER_REQUEST],
    ['a batch of unsaid length', '/kms/data/batch', undefined, 1 + DATA_BODY_BYTES_MAX / BYTES_PER_REQUEST],
  ])('counts by what it costs: %s', async (_what, path, bytes, cost) => {
    const text = envelope();
    const taken: (number | undefined)[] = [];
    api = createApi({ ...kms, callerRate: { ...kms.callerRate, take: (_wallet, tokens) => (taken.push(tokens), false) } });
    const request = signed(text, text, undefined, 0, path);
    if (bytes !== undefined) request.headers.set('content-length', String(bytes));
    expect(await outcome(api(request))).toEqual([429, 'rate_limited', false]);
    expect(taken).toEqual([cost]);
  });

  it.each([
    ['its app has', REQUESTS_PER_WALLET_MAX, (_index: number) => app.wallet as string],
    ['all together have', REQUESTS_IN_WORK_MAX, (index: number) => `app ${index % 256}`],
  ])(
    'is told that the node is busy when %s as many in work as may be; it costs no signature and may be sent again',
    async (_who, max, ownerOf) => {
      const ends: (() => void)[] = [];
      const hold = (index: number) =>
        void kms.requestsInWork.hold(ownerOf(index), 1, () => new Promise<void>((resolve) => void ends.push(resolve)));
      for (let held = 0; held < max - 1; held += 1) hold(held);
      const [text, again] = [envelope(), envelope()];
      expect(await outcome(api(signed(text, text)))).toEqual([200, undefined, true]);
      hold(max - 1);
      signatures = 0;
      const busy = await api(signed(again, again, 'again'));
      expect([busy.status, busy.headers.get('retry-after'), signatures]).toEqual([503, '2', 0]);
      expect(await busy.json()).toMatchObject({ reason: 'busy' });
      for (const path of ['/health', '/ready', '/status']) expect((await api(new Request(`http://node${path}`))).status).toBe(200);
      for (const end of ends) end();
      await new Promise((resolve) => setImmediate(resolve));
      expect(await outcome(api(signed(again, again, 'again')))).toEqual([200, undefined, true]);
      expect(kms.requestsInWork.held()).toBe(0);
    },
  );

  it('is refused when its app has too many bodies under way, and taken when they are gone', async () => {
    const text = envelope();
    const halves: ReadableStreamDefaultController<Uint8Array>[] = [];
    const half = () => new ReadableStream<Uint8Array>({ start: (controller) => void halves.push(controller) });
    const crowded = { ...kms, bodiesInFlight: { ...kms.bodiesInFlight } };
    const room = { taken: 0 };
    crowded.bodiesInFlight.hold = (owner, amount, work) => {
      expect(amount).toBe(DERIVE_BODY_BYTES_MAX);
      if (room.taken + amount > 2 * DERIVE_BODY_BYTES_MAX) return undefined;
      room.taken += amount;
      return kms.bodiesInFlight.hold(owner, amount, work)?.finally(() => void (room.taken -= amount));
    };
    api = createApi(crowded);
    const waiting = [api(signed(half(), text)), api(signed(half(), text))];
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(await outcome(api(signed(text, text)))).toEqual([429, 'rate_limited', true]);
    for (const controller of halves) controller.error(new Error('left'));
    for (const left of waiting) expect((await outcome(left))[0]).toBe(400);
    expect(await outcome(api(signed(text, text)))).toEqual([200, undefined, true]);
  });
});
