/** `GET /attestation` in process: what it proves, what it costs, and which nonces it takes. */
import { beforeEach, describe, expect, it } from 'vitest';
import { verifyAttestation } from '../../core/crypto/nitro/attestation.ts';
import { faultOf } from '../../core/crypto/nitro/policy.ts';
import { proveBySignature } from '../../core/client/proofs.ts';
import {
  ATTESTATION_NONCE_BYTES_MAX,
  ATTESTATION_NONCE_BYTES_MIN,
  ATTESTATIONS_BURST,
  ATTESTATIONS_PER_SECOND,
  CALLER_ATTESTATIONS_BURST,
  CALLER_ATTESTATIONS_PER_SECOND,
} from '../../core/limits.ts';
import { hex, parseHex } from '../../core/wire/bytes.ts';
import { createApi } from '../../functions/api.ts';
import { MEASUREMENT } from '../attestation/attester.ts';
import { verified } from '../core/crypto/nitro/documents.ts';
import { callerAnswer, createCluster, createRandom, profile, signerNamed } from '../core/fakes.ts';
import type { LocalSigner, TestCluster, TestNode } from '../core/fakes.ts';

const NONCE = 'ab'.repeat(32);
const unused = () => Promise.reject(new Error('no round trip before it'));
let cluster: TestCluster;
let node: TestNode;
let asked: number;
let get: (path: string, headers?: Readonly<Record<string, string>>) => Promise<Response>;

beforeEach(() => {
  cluster = createCluster('a', 'b');
  node = cluster.nodes[0] as TestNode;
  asked = 0;
  const attester = { document: (request: Parameters<typeof node.attester.document>[0]) => ((asked += 1), node.attester.document(request)) };
  const api = createApi({ ...node.kms, attester });
  get = (path, headers = {}) => api(new Request(`http://node${path}`, { headers }));
});

const reasonOf = async (answer: Response) => ((await answer.json()) as { reason: string }).reason;

describe('the attestation of a node', () => {
  it('S-M2 S-M5 proves its wallet, its TEE key and its code to whoever asks', async () => {
    const answer = await get(`/attestation?nonce=${NONCE}`);
    expect([answer.status, answer.headers.get('content-type'), answer.headers.get('cache-control')]).toEqual([
      ...[200, 'application/cbor', 'no-store'],
    ]);
    const nowMs = cluster.clock.nowMs();
    const document = new Uint8Array(await answer.arrayBuffer());
    const attestation = verified(verifyAttestation(document, { root: profile.attestationRoot, nowMs, skewMsMax: 0 }));
    const publicKey = parseHex(node.kms.identity.teePubkey) as Uint8Array;
    const expected = { nowMs, ageMsMax: 0, aheadMsMax: 0, measurement: MEASUREMENT, nonce: parseHex(NONCE) as Uint8Array, publicKey };
    expect(faultOf(attestation, { ...expected, wallet: node.wallet })).toBeUndefined();
    expect(hex(attestation.nonce as Uint8Array)).toBe(NONCE);
  });

  it('is given as often as the hardware bears, to all strangers together', async () => {
    for (let given = 0; given < ATTESTATIONS_BURST; given += 1) expect((await get(`/attestation?nonce=${NONCE}`)).status).toBe(200);
    const refused = await get(`/attestation?nonce=${NONCE}`);
    expect([refused.status, await reasonOf(refused), asked]).toEqual([429, 'rate_limited', ATTESTATIONS_BURST]);
    cluster.clock.advance(1_000 / ATTESTATIONS_PER_SECOND);
    expect((await get(`/attestation?nonce=${NONCE}`)).status).toBe(200);
  });

  it('takes the shortest nonce and the longest', async () => {
    for (const length of [ATTESTATION_NONCE_BYTES_MIN, ATTESTATION_NONCE_BYTES_MAX])
      expect((await get(`/attestation?nonce=${'ab'.repeat(length)}`)).status).toBe(200);
  });

  it.each([
    ['none', ''],
    ['an empty one', '?nonce='],
    ['one in upper case', `?nonce=${NONCE.toUpperCase()}`],
    ['one with 0x', `?nonce=0x${NONCE}`],
    ['one in base64', `?nonce=${'q'.repeat(41)}_-`],
    ['half a byte', `?nonce=${NONCE}a`],
    ['one byte too few', `?nonce=${'ab'.repeat(ATTESTATION_NONCE_BYTES_MIN - 1)}`],
    ['one byte too many', `?nonce=${'ab'.repeat(ATTESTATION_NONCE_BYTES_MAX + 1)}`],
    ['two', `?nonce=${NONCE}&nonce=${NONCE}`],
    ['one beside something else', `?nonce=${NONCE}&public_key=x`],
    ['one that is escaped', `?nonce=%61b${NONCE.slice(2)}`],
  ])('takes no nonce that is %s, asks the hardware nothing and costs nobody’s turn', async (_what, query) => {
    for (let tried = 0; tried <= ATTESTATIONS_BURST; tried += 1) {
      const answer = await get(`/attestation${query}`);
      expect([answer.status, await reasonOf(answer)]).toEqual([400, 'attestation_nonce_malformed']);
    }
    expect(asked).toBe(0);
    expect((await get(`/attestation?nonce=${NONCE}`)).status).toBe(200);
  });
});

describe('an app that signs its request for the attestation of a node', () => {
  const random = createRandom('the app');
  const limits = { timeoutMs: 1_000, signal: new AbortController().signal };
  const signed = (by: LocalSigner, nonce = NONCE) => {
    const tools = { chainId: profile.chainId, signer: by, wallet: by.wallet, clock: cluster.clock, random, fetch: unused };
    const url = `${node.origin}/attestation?nonce=${nonce}`;
    return proveBySignature(tools, { wallet: node.wallet, url: node.origin }, { method: 'GET', url, body: undefined }, limits);
  };
  const app = signerNamed('an app');
  const ask = (headers: Readonly<Record<string, string>>, nonce = NONCE) => get(`/attestation?nonce=${nonce}`, headers);
  const asApp = async (by = app) => ask((await signed(by)).headers);
  const useUpStrangers = async () => {
    for (let given = 0; given < ATTESTATIONS_BURST; given += 1) await ask({});
    expect((await ask({})).status).toBe(429);
    asked = 0;
  };

  beforeEach(async () => {
    cluster.chain.callers.set(app.wallet, callerAnswer(app.wallet));
    cluster.chain.mine(profile.confirmationBlocks + 1);
    await node.kms.view.refresh();
  });

  it('X-9 gets one when strangers have used up what there is for them, and a signed answer', async () => {
    await useUpStrangers();
    const proven = await signed(app);
    const answer = await ask(proven.headers);
    expect([answer.status, answer.headers.get('content-type'), asked]).toEqual([200, 'application/cbor', 1]);
    const body = new Uint8Array(await answer.arrayBuffer());
    const nowMs = cluster.clock.nowMs();
    expect(verified(verifyAttestation(body, { root: profile.attestationRoot, nowMs, skewMsMax: 0 })).nonce).toEqual(parseHex(NONCE));
    expect(proven.complaint({ status: 200, headers: answer.headers, body })).toBeUndefined();
  });

  it('has its own rate, and takes nothing of what there is for strangers', async () => {
    for (let given = 0; given < CALLER_ATTESTATIONS_BURST; given += 1) expect((await asApp()).status).toBe(200);
    expect([(await asApp()).status, asked]).toEqual([429, CALLER_ATTESTATIONS_BURST]);
    await useUpStrangers();
    cluster.clock.advance(1_000 / CALLER_ATTESTATIONS_PER_SECOND);
    expect([(await asApp()).status, (await asApp()).status]).toEqual([200, 429]);
  });

  it('S-M2 buys nothing with a signature of another, for another challenge, or one that was used', async () => {
    const good = (await signed(app)).headers;
    expect((await ask(good)).status).toBe(200);
    asked = 0;
    const other = 'cd'.repeat(32);
    const refusals = [
      await ask(good),
      await ask((await signed(app)).headers, other),
      await asApp(signerNamed('a stranger')),
      await ask({ signature: good['signature'] ?? '' }),
      await ask({ ...(await signed(app)).headers, 'x-app-signature': '0x00' }),
    ];
    expect(await Promise.all(refusals.map(reasonOf))).toEqual(Array(refusals.length).fill('proof_refused'));
    expect(asked).toBe(0);
  });
});
