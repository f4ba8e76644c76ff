/**
 * Request signatures, made by the signer of an independent library and judged by ours. What the library's own verifier takes
 * under its strictest policy and ours refuses is listed case by case; what ours takes, it takes as well.
 */
import { signRequest, verifyRequest } from '@slicekit/erc8128';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkBody, verifyRequestSignature } from '../../../core/auth/httpsig.ts';
import { recoverWallet } from '../../../core/crypto/wallet.ts';
import { SIGNATURE_AHEAD_MAX_MS, SIGNATURE_LATE_MAX_MS, SIGNATURE_LIFE_MAX_MS } from '../../../core/limits.ts';
import { base64, hex, parseBase64, parseHex, utf8 } from '../../../core/wire/bytes.ts';
import { encodeSignature } from '../../../core/wire/httpsig.ts';
import { createClock, flipped, reasonOf, signerNamed, START_MS } from '../fakes.ts';
import type { EthHttpSigner, SignOptions } from '@slicekit/erc8128';
import type { RequestProof } from '../../../core/auth/httpsig.ts';
import type { LocalSigner } from '../fakes.ts';

const CHAIN_ID = 31_337;
const ORIGIN = 'https://node-1.kms.example.com';
const NOW_S = START_MS / 1_000;
const BODY = '{"sealed":true}';
const app = signerNamed('an app');
const other = signerNamed('another app');

const signerFor = (wallet: LocalSigner, chainId = CHAIN_ID): EthHttpSigner => ({
  address: wallet.wallet,
  chainId,
  signMessage: (message) => Promise.resolve(wallet.signNow(new TextDecoder().decode(message))),
});

interface Signed {
  readonly method?: string;
  readonly url?: string;
  readonly body?: string | null;
  readonly signer?: EthHttpSigner;
  readonly options?: SignOptions;
  readonly headers?: Record<string, string>;
}

async function signed({
  method = 'POST',
  url = `${ORIGIN}/kms/derive`,
  body = BODY,
  signer,
  options,
  headers,
}: Signed = {}): Promise<Request> {
  const request = new Request(url, { method, body, headers: { 'content-type': 'application/json', ...headers } });
  return await signRequest(request, signer ?? signerFor(app), { created: NOW_S, expires: NOW_S + 60, ...options });
}

interface Judged {
  readonly authority?: string;
  readonly nowMs?: number;
  readonly bootedAtMs?: number;
}

function judge(request: Request, { authority = 'node-1.kms.example.com', nowMs = START_MS, bootedAtMs = 0 }: Judged = {}): RequestProof {
  const { pathname: path, search: query } = new URL(request.url);
  const target = { method: request.method, authority, path, query, headers: request.headers };
  return verifyRequestSignature(target, { chainId: CHAIN_ID, bootedAtMs, clock: createClock(nowMs), recover: recoverWallet });
}

const verdict = (request: Request, judged?: Judged) => reasonOf(() => judge(request, judged));

/** The same request with one header changed. */
function bent(request: Request, name: string, change: (value: string) => string): Request {
  const headers = new Headers(request.headers);
  headers.set(name, change(headers.get(name) ?? ''));
  return new Request(request.url, { method: request.method, headers });
}

const signatureOf = (request: Request) =>
  parseBase64(request.headers.get('signature')?.slice('eth=:'.length, -1) ?? '') ?? new Uint8Array(0);

/** What the library's verifier says of it at the same moment. */
async function libraryTakes(request: Request): Promise<boolean> {
  const result = await verifyRequest({
    request,
    verifyMessage: ({ address, message, signature }) =>
      recoverWallet(new TextDecoder().decode(parseHex(message.raw)), parseHex(signature) ?? new Uint8Array(0)) === address,
    nonceStore: { consume: () => Promise.resolve(true) },
    policy: { label: 'eth', strictLabel: true, maxSignatureVerifications: 1, now: () => NOW_S },
  });
  return result.ok;
}

describe('a request signature', () => {
  it('of an independent signer proves its wallet, and names its nonce, its signature and the body’s digest', async () => {
    const request = await signed({ options: { nonce: 'a nonce' } });
    const proof = judge(request);
    expect(proof).toMatchObject({ form: 'request', wallet: app.wallet, nonce: 'a nonce' });
    expect(`eth=${proof.signature}`).toBe(request.headers.get('signature'));
    expect(base64(proof.bodyDigest ?? new Uint8Array(0))).toBe(request.headers.get('content-digest')?.slice('sha-256=:'.length, -1));
    expect(await libraryTakes(request)).toBe(true);
  });

  it('covers a query, fields of the signer’s own and requests without a body', async () => {
    expect(judge(await signed({ url: `${ORIGIN}/kms/derive?a=b%20c` })).wallet).toBe(app.wallet);
    expect(judge(await signed({ options: { components: ['content-type', 'x-note'] }, headers: { 'x-note': 'n' } })).wallet).toBe(
      app.wallet,
    );
    const bodiless = judge(await signed({ method: 'GET', url: `${ORIGIN}/kms/data/a%2Fb`, body: null }));
    expect([bodiless.wallet, bodiless.bodyDigest]).toEqual([app.wallet, undefined]);
  });

  /** The same signature with its parity, 0 or 1, written as a `v` of the test's choice. */
  async function withV(vOf: (parity: number) => number): Promise<Request> {
    const request = await signed();
    const bytes = signatureOf(request);
    bytes[64] = vOf((bytes[64] as number) % 27);
    return bent(request, 'signature', () => `eth=${encodeSignature(bytes)}`);
  }

  it('takes v 27 for 0 and 28 for 1', async () => {
    expect(verdict(await withV((parity) => parity))).toBe('none');
    expect(verdict(await withV((parity) => parity + 27))).toBe('none');
  });

  it('refuses the other v', async () => {
    expect(verdict(await withV((parity) => 1 - parity))).toBe('wallet_mismatch');
    expect(verdict(await withV((parity) => 28 - parity))).toBe('wallet_mismatch');
  });
});

describe('U-14 a request signature', () => {
  it('for another node is refused, whatever the request says of its host', async () => {
    const request = await signed({ url: 'https://node-2.kms.example.com/kms/derive' });
    // Judged by the URL that the sender wrote, as a node that trusts `Host` would, it passes.
    expect(verdict(request, { authority: new URL(request.url).host })).toBe('none');
    expect(verdict(request)).toBe('wallet_mismatch');
  });

  it('for another port of the same host is refused', async () => {
    expect(verdict(await signed({ url: `${ORIGIN}:8443/kms/derive` }))).toBe('wallet_mismatch');
    expect(verdict(await signed({ url: `${ORIGIN}:443/kms/derive` }))).toBe('none');
  });

  it('for another chain is refused', async () => {
    const request = await signed({ signer: signerFor(app, 1) });
    expect(await libraryTakes(request)).toBe(true);
    expect(verdict(request)).toBe('chain_id_mismatch');
  });

  it.each([
    ['path', (request: Request) => new Request(`${ORIGIN}/kms/data?a=b`, request)],
    ['query', (request: Request) => new Request(`${ORIGIN}/kms/derive?a=c`, request)],
    ['method', (request: Request) => new Request(request, { method: 'PUT' })],
  ])('for another %s is refused', async (_what, change) => {
    const request = await signed({ url: `${ORIGIN}/kms/derive?a=b` });
    expect(verdict(new Request(request.url, { method: 'POST', headers: request.headers }))).toBe('none');
    const changed = change(new Request(request.url, { method: 'POST', headers: request.headers }));
    expect(verdict(changed)).toBe('wallet_mismatch');
  });

  it('under a query that was not there is refused, and so is a covered query that is not there', async () => {
    const bare = await signed();
    expect(verdict(new Request(`${bare.url}?a=b`, { method: 'POST', headers: bare.headers }))).toBe('component_missing');
    const covering = await signed({ options: { components: ['@query'] } });
    expect(await libraryTakes(covering)).toBe(true);
    expect(verdict(covering)).toBe('component_missing');
  });

  it('over another body is refused when the body is there', async () => {
    const proof = judge(await signed());
    expect(reasonOf(() => checkBody(proof, utf8(BODY)))).toBe('none');
    expect(reasonOf(() => checkBody(proof, flipped(utf8(BODY))))).toBe('digest_mismatch');
    expect(reasonOf(() => checkBody(proof, new Uint8Array(0)))).toBe('digest_mismatch');
    const bodiless = judge(await signed({ body: null }));
    expect(reasonOf(() => checkBody(bodiless, new Uint8Array(0)))).toBe('none');
    expect(reasonOf(() => checkBody(bodiless, utf8('x')))).toBe('digest_mismatch');
  });
});

describe('U-15 a request signature', () => {
  const at = (request: Request, nowMs: number, bootedAtMs = 0) => verdict(request, { nowMs, bootedAtMs });
  it('is taken until its lateness is over, to the millisecond', async () => {
    const request = await signed();
    const endMs = START_MS + 60_000 + SIGNATURE_LATE_MAX_MS;
    expect([at(request, endMs - 1), at(request, endMs)]).toEqual(['none', 'timestamp_stale']);
  });
  it('from a clock ahead is taken to the millisecond', async () => {
    const request = await signed();
    const earliestMs = START_MS - SIGNATURE_AHEAD_MAX_MS;
    expect([at(request, earliestMs), at(request, earliestMs - 1)]).toEqual(['none', 'timestamp_stale']);
  });
  it('lives no longer than its limit', async () => {
    const lifeS = SIGNATURE_LIFE_MAX_MS / 1_000;
    expect(verdict(await signed({ options: { expires: NOW_S + lifeS } }))).toBe('none');
    expect(verdict(await signed({ options: { expires: NOW_S + lifeS + 1 } }))).toBe('timestamp_malformed');
  });
  it('that ends when it begins, or before, is refused', async () => {
    const request = await signed();
    for (const created of [NOW_S + 60, NOW_S + 61])
      expect(verdict(bent(request, 'signature-input', (text) => text.replace(/created=\d+/, `created=${created}`)))).toBe(
        'timestamp_malformed',
      );
  });
  it('that could have been used before this boot is refused, also one from a clock ahead', async () => {
    // Before the boot at START_MS a node would have taken any created up to then and so much ahead.
    const aheadS = SIGNATURE_AHEAD_MAX_MS / 1_000;
    for (const offsetS of [-60, -1, 0, aheadS]) {
      const request = await signed({ options: { created: NOW_S + offsetS, expires: NOW_S + offsetS + 60 } });
      expect([offsetS, at(request, START_MS)]).toEqual([offsetS, 'none']);
      expect([offsetS, at(request, START_MS + 2_000, START_MS)]).toEqual([offsetS, 'timestamp_stale']);
    }
    const later = await signed({ options: { created: NOW_S + aheadS + 1, expires: NOW_S + 60 } });
    expect(at(later, START_MS + 2_000, START_MS)).toBe('none');
  });
});

describe('U-3 what the wallet did not sign for this request', () => {
  it.each(['@method', '@authority', '@path', '@query'])('is refused when %s is not covered', async (name) => {
    const all = ['@method', '@authority', '@path', '@query', 'content-digest'];
    const url = `${ORIGIN}/kms/derive?a=b`;
    const binding = (components: string[]) => signed({ url, options: { binding: 'class-bound', components } });
    expect(verdict(await binding(all))).toBe('none');
    // The library itself always covers the authority: there the list is bent after signing.
    const request = await binding(all.filter((each) => each !== name));
    const bare = bent(request, 'signature-input', (text) => (name === '@authority' ? text.replace('"@authority" ', '') : text));
    expect(verdict(bare)).toBe('component_missing');
  });

  it('is refused when the signature binds to a class of requests only', async () => {
    expect(verdict(await signed({ options: { binding: 'class-bound', components: ['@authority'] } }))).toBe('component_missing');
  });

  it('is refused when the signature can be replayed, having no nonce', async () => {
    expect(verdict(await signed({ options: { replay: 'replayable' } }))).toBe('signature_malformed');
  });

  it('is refused when a covered field is missing or another', async () => {
    const request = await signed({ options: { components: ['x-note'] }, headers: { 'x-note': 'n' } });
    expect(verdict(request)).toBe('none');
    expect(verdict(bent(request, 'x-note', () => 'm'))).toBe('wallet_mismatch');
    const without = bent(request, 'x-note', () => '');
    without.headers.delete('x-note');
    expect(verdict(without)).toBe('component_missing');
  });

  it('is refused when the body’s digest is missing, of another kind, or not one', async () => {
    const request = await signed();
    for (const digest of ['', 'sha-512=:AAAA:', `${request.headers.get('content-digest')}, sha-512=:AAAA:`])
      expect([digest, verdict(bent(request, 'content-digest', () => digest))]).toEqual([digest, 'component_missing']);
  });

  it('is refused with another body, or none, where one was signed, and with one where none was', async () => {
    const proof = judge(await signed());
    expect(reasonOf(() => checkBody(proof, utf8(BODY)))).toBe('none');
    for (const body of ['', `${BODY} `, BODY.slice(1), BODY.toUpperCase()])
      expect([body, reasonOf(() => checkBody(proof, utf8(body)))]).toEqual([body, 'digest_mismatch']);
    const bodiless = { ...proof, bodyDigest: undefined };
    expect([reasonOf(() => checkBody(bodiless, utf8(''))), reasonOf(() => checkBody(bodiless, utf8(BODY)))]).toEqual([
      'none',
      'digest_mismatch',
    ]);
  });

  it('is refused under two signatures, even when the first would do', async () => {
    const twice = await signRequest(await signed(), signerFor(other), { label: 'other', created: NOW_S, expires: NOW_S + 60 });
    expect(twice.headers.get('signature-input')).toMatch(/^eth=.*, other=/);
    expect(await libraryTakes(twice)).toBe(true);
    expect(verdict(twice)).toBe('signature_malformed');
  });

  it.each([
    ['no Signature', 'signature', () => ''],
    ['no Signature-Input', 'signature-input', () => ''],
    ['another label', 'signature-input', (text: string) => text.replace('eth=', 'sig=')],
    ['a signature cut short', 'signature', () => `eth=${encodeSignature(new Uint8Array(64).fill(1))}`],
    ['a signature of zeros', 'signature', () => `eth=${encodeSignature(new Uint8Array(65))}`],
    [
      'base64 that is not canonical',
      'signature',
      (text: string) => text.replace(/(.)=:$/, (_end, last: string) => `${String.fromCharCode(last.charCodeAt(0) + 1)}=:`),
    ],
  ])('is refused with %s', async (_what, name, change) => {
    expect(['signature_malformed', 'signature_invalid']).toContain(verdict(bent(await signed(), name, change)));
  });

  it('is refused with the high half of s', async () => {
    const request = await signed();
    const bytes = signatureOf(request);
    const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
    const high = order - BigInt(`0x${hex(bytes.subarray(32, 64))}`);
    bytes.set(parseHex(high.toString(16).padStart(64, '0')) ?? [], 32);
    bytes[64] = (bytes[64] as number) ^ 1;
    expect(verdict(bent(request, 'signature', () => `eth=${encodeSignature(bytes)}`))).toBe('signature_invalid');
  });

  it('is refused when another wallet signed it', async () => {
    const request = await signed({ signer: { ...signerFor(other), address: app.wallet } });
    expect(verdict(request)).toBe('wallet_mismatch');
  });
});

describe('next to the library’s own verifier', () => {
  it('takes nothing that the other refuses', async () => {
    const headers = ['signature', 'signature-input', 'content-digest'] as const;
    const property = fc.asyncProperty(
      fc.constantFrom(...headers),
      fc.nat(),
      fc.constantFrom('', '"', ';', ',', ' ', '(', ')', ':', '=', 'A', '0', '-'),
      fc.boolean(),
      async (name, at, inserted, replaces) => {
        const request = await signed();
        const edited = bent(request, name, (text) => {
          const index = at % (text.length + 1);
          return text.slice(0, index) + inserted + text.slice(index + (replaces ? 1 : 0));
        });
        const full = new Request(edited.url, { method: 'POST', headers: edited.headers, body: BODY });
        let ours = verdict(edited) === 'none';
        if (ours) ours = reasonOf(() => checkBody(judge(edited), utf8(BODY))) === 'none';
        if (ours) expect(await libraryTakes(full)).toBe(true);
      },
    );
    await fc.assert(property, { numRuns: 300 });
  });
});
