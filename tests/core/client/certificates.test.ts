/**
 * What an app believes to be its certificate. Every refused answer is one thing away from one that is taken, and most of them are
 * good certificates, signed by a CA: of another key, app, instance, time, epoch or secret.
 */
import { X509Certificate } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { certificatePem } from '../../../core/ca/bundle.ts';
import { certificateOrder, confirmCa, readCertificate } from '../../../core/client/certificates.ts';
import { AttemptFailed, KmsError } from '../../../core/client/error.ts';
import { Refusal } from '../../../core/errors.ts';
import { base64, parseBase64, utf8 } from '../../../core/wire/bytes.ts';
import { createRandom, profile, signerNamed } from '../fakes.ts';
import { createTestCa, subject } from '../ca/fixtures.ts';
import { MEASUREMENT } from '../../attestation/attester.ts';
import type { Known, LiveNode } from '../../../core/client/directory.ts';
import type { Fetch } from '../../../core/ports.ts';
import type { JsonObject } from '../../../core/wire/json.ts';
import type { TestCa } from '../ca/fixtures.ts';

const test = createTestCa();
const nowMs = test.clock.nowMs();
const order = certificateOrder({ ttlSeconds: 3_600 }, createRandom('the app'));
const epochs = [test.record(0, { state: 'previous' }), test.record(1)];
const knownWith = (confirmed: readonly object[], head = confirmed) =>
  ({ app: subject, blocks: { head: { epochs: head }, confirmed: { epochs: confirmed, blockTimeMs: nowMs } } }) as unknown as Known;
const known = knownWith(epochs);

interface Asked {
  readonly from?: TestCa;
  readonly epoch?: number;
  readonly csr?: string;
  readonly instanceId?: bigint;
  readonly appId?: bigint;
  readonly lifeMs?: number;
}

/** As an honest node answers. */
function answerOf({
  from = test,
  epoch = 1,
  csr = order.body.csr,
  instanceId = subject.instanceId,
  appId = subject.appId,
  lifeMs = order.lifeMs,
}: Asked = {}): JsonObject {
  const named = { appId: appId as typeof subject.appId, instanceId };
  const { leaf, ca } = from.ca.issue({ subject: named, csr: parseBase64(csr) as Uint8Array, lifeMs, epoch: from.record(epoch) });
  const pem = (der: Uint8Array) => base64(utf8(certificatePem(der)));
  return { certificate: pem(leaf), ca_certificate: pem(ca.der), epoch, block: 7 };
}

const read = (answer: JsonObject, atMs = nowMs, view = known) => readCertificate(answer, order, view, profile, atMs);
function complaint(answer: JsonObject, atMs = nowMs, view = known): string {
  try {
    read(answer, atMs, view);
  } catch (error) {
    if (error instanceof AttemptFailed) return `${error.outcome}: ${error.message}`;
    throw error;
  }
  return 'none';
}

const textOf = (answer: JsonObject, name: string) => Buffer.from(String(answer[name]), 'base64').toString('utf8');
const withText = (answer: JsonObject, name: string, text: string): JsonObject => ({ ...answer, [name]: base64(utf8(text)) });

describe('a certificate', () => {
  it('of an honest node is taken, with a key that fits it', () => {
    const signed = read(answerOf());
    const leaf = new X509Certificate(signed.certificate);
    expect(leaf.checkIssued(new X509Certificate(signed.ca))).toBe(true);
    expect([signed.epoch, signed.block, signed.notAfter.getTime()]).toEqual([1, 7, leaf.validToDate.getTime()]);
    expect(signed.privateKey).toMatch(/^-----BEGIN PRIVATE KEY-----\n/);
  });

  it('asked for twice is for two keys', () => {
    const random = createRandom('the app');
    expect(certificateOrder({}, random).body.csr).not.toBe(certificateOrder({}, random).body.csr);
  });

  it.each([0, -1, 299, 300.5, 7_776_001, Number.NaN, '600'])('is not asked for with a life of %s', (ttlSeconds) => {
    expect(() => certificateOrder({ ttlSeconds: ttlSeconds as number }, createRandom('x'))).toThrow(KmsError);
  });

  const otherKey = certificateOrder({}, createRandom('another app')).body.csr;
  it.each([
    ['another key', { csr: otherKey }, 'of another key, app or CA'],
    ['another instance', { instanceId: 22n }, 'of another key, app or CA'],
    ['another app', { appId: 44n }, 'of another key, app or CA'],
    ['another life', { lifeMs: 2 * 86_400_000 }, 'of another time'],
    ['an epoch before', { epoch: 0 }, 'in an epoch that the chain does not make right'],
    ['the CA of another secret', { from: createTestCa(new Uint8Array(32).fill(9)) }, 'a CA certificate that the chain does not make'],
    ['another trust domain', { from: createTestCa(undefined, 'evil.example') }, 'a CA certificate that the chain does not make'],
  ])('for %s is refused', (_what, asked: Asked, words) => {
    expect(complaint(answerOf(asked))).toContain(words);
  });

  it('of the right CA’s bytes under another signature is refused', () => {
    const [good, forged] = [answerOf(), answerOf({ csr: otherKey })];
    expect(complaint({ ...good, certificate: forged['certificate'] })).toContain('of another key, app or CA');
    const flip = (answer: JsonObject, name: string) => {
      const lines = textOf(answer, name).split('\n');
      const last = lines.at(-3) ?? '';
      lines[lines.length - 3] = (last[0] === 'A' ? 'B' : 'A') + last.slice(1);
      return withText(answer, name, lines.join('\n'));
    };
    expect(complaint(flip(good, 'certificate'))).not.toBe('none');
    expect(complaint(flip(good, 'ca_certificate'))).not.toBe('none');
  });

  it.each([
    ['an epoch that is none', { epoch: 'current' }],
    ['an epoch that is not there', { epoch: 9 }],
  ])('is refused for %s', (_what, change) => {
    expect(complaint({ ...answerOf(), ...change })).toContain('wrong_epoch: ');
  });

  it('of an epoch that was given up at the head is refused, though it is active at the confirmed block', () => {
    const lost = [test.record(0, { state: 'previous' }), test.record(1, { state: 'lost' })];
    expect(complaint(answerOf())).toBe('none');
    expect(complaint(answerOf(), nowMs, knownWith(epochs, lost))).toContain('wrong_epoch: ');
  });

  it('of the epoch before is taken for a moment after a rotation, for nodes that have not seen it yet', () => {
    const rotated = (agoMs: number) => knownWith([test.record(0, { state: 'previous' }), test.record(1, { activatedAtMs: nowMs - agoMs })]);
    expect(complaint(answerOf({ epoch: 0 }), nowMs, rotated(1_000))).toBe('none');
    expect(complaint(answerOf({ epoch: 0 }), nowMs, rotated(profile.headAgeMaxMs))).toContain('wrong_epoch: ');
  });

  it('for five minutes is refused when it is over', () => {
    const short = certificateOrder({ ttlSeconds: 300 }, createRandom('short'));
    const answer = answerOf({ csr: short.body.csr, lifeMs: short.lifeMs });
    const at = (ms: number) => () => readCertificate(answer, short, known, profile, ms);
    expect(at(nowMs + 299_000)).not.toThrow();
    expect(at(nowMs + 300_000)).toThrow('of another time');
  });

  it('is refused when it is over, or not yet there, by this app’s clock', () => {
    expect(complaint(answerOf(), nowMs + 3_600_000)).toContain('of another time');
    expect(complaint(answerOf(), nowMs - 3_600_000)).toContain('of another time');
  });

  it.each([
    ['nothing but an epoch', { epoch: 1 }],
    ['no certificate', { ...answerOf(), certificate: undefined }],
    ['no PEM', { ...answerOf(), certificate: base64(utf8('hello')) }],
    ['two certificates', withText(answerOf(), 'certificate', textOf(answerOf(), 'certificate').repeat(2))],
    ['a PEM of nothing', withText(answerOf(), 'ca_certificate', certificatePem(Uint8Array.of(0x30, 0)))],
    ['a PEM of a number', withText(answerOf(), 'ca_certificate', certificatePem(Uint8Array.of(2, 1, 1)))],
    ['no block', { ...answerOf(), block: null }],
  ])('is none in an answer with %s', (_what, answer: JsonObject) => {
    expect(complaint(answer)).toMatch(/^other_answer: /);
  });
});

describe('a CA', () => {
  const limits = { timeoutMs: 1_000, signal: new AbortController().signal };
  const nodes = ['a', 'b', 'c'].map((name): LiveNode => ({
    wallet: signerNamed(name).wallet,
    url: `https://${name}.example`,
    teePubkey: '',
    measurement: MEASUREMENT,
  }));
  const served = (answers: Readonly<Record<string, string | Error>>): Fetch => {
    return ({ url }) => {
      const answer = answers[new URL(url).host[0] ?? ''];
      if (answer === undefined || answer instanceof Error) return Promise.reject(answer ?? new Refusal('outbound_failed'));
      return Promise.resolve({ status: 200, headers: new Headers(), body: utf8(answer) });
    };
  };
  const ca = certificatePem(test.ca.certificate(test.record(1)).der);
  const older = certificatePem(test.ca.certificate(test.record(0)).der);

  it('is confirmed by the first other node that serves it', async () => {
    expect(await confirmCa(served({ b: older, c: ca + older }), ca, nodes, limits)).toBe(nodes[2]?.wallet);
  });
  it('is confirmed though another node never answers', async () => {
    const hung: Fetch = (request, limits) =>
      request.url.includes('a.example') ? new Promise(() => undefined) : served({ b: older, c: ca })(request, limits);
    expect(await confirmCa(hung, ca, nodes, limits)).toBe(nodes[2]?.wallet);
  });
  it('that no other node serves is not believed', async () => {
    for (const answers of [{ a: older, b: '', c: 'x' }, {}])
      await expect(confirmCa(served(answers), ca, nodes, limits)).rejects.toThrow('none of 3 other live nodes serves');
    await expect(confirmCa(served({}), ca, [], limits)).rejects.toThrow(AttemptFailed);
  });
  it('is not taken for unconfirmed when this program fails', async () => {
    await expect(confirmCa(served({ a: new TypeError('a mistake') }), ca, nodes, limits)).rejects.toThrow('a mistake');
  });
});
