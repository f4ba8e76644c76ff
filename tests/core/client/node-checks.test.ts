/**
 * A client that is asked to (`attestNodes`) uses no node whose enclave has not proven itself. Each forgery stands in the way of a client
 * that asks for no documents first, which takes the node; then the same node is passed over, and another one gives the key.
 */
import { beforeEach, describe, expect, it } from 'vitest';
import { verifyRequestSignature } from '../../../core/auth/httpsig.ts';
import { KmsError } from '../../../core/client/error.ts';
import { recoverWallet } from '../../../core/crypto/wallet.ts';
import { Refusal } from '../../../core/errors.ts';
import {
  ATTESTATION_AGE_MAX_MS,
  ATTESTATION_BYTES_MAX,
  ATTESTATION_SKEW_MAX_MS,
  CLIENT_CHECK_MS,
  CLIENT_CHECKED_MS,
  CLIENT_VIEW_MS,
} from '../../../core/limits.ts';
import { hex, parseHex, utf8 } from '../../../core/wire/bytes.ts';
import { measurementOf, pcrsOf } from '../../attestation/pcrs.ts';
import { foreignRoot } from '../../attestation/roots.ts';
import { flipped, profile } from '../fakes.ts';
import { createStubCluster, document, keyOf, passing, plain } from './stubs.ts';
import type { KmsClient } from '../../../core/client/client.ts';
import type { SecurityModule } from '../../attestation/module.ts';
import type { StubCluster, StubNode } from './stubs.ts';

let cluster: StubCluster;
let careful: KmsClient;
let careless: KmsClient;

beforeEach(async () => {
  cluster = await createStubCluster();
  careful = cluster.client({ attestNodes: true });
  careless = cluster.client();
});

type Forge = (node: StubNode, nonce: Uint8Array) => Uint8Array;
const path = 'my/disk';
const derive = (client: KmsClient, options = {}) => passing(cluster.clock, client.derive(path, options));
const failed = async (client: KmsClient, options = {}): Promise<KmsError> => {
  const outcome = await derive(client, options).catch((error: unknown) => error);
  if (outcome instanceof KmsError) return outcome;
  throw new Error(`no KmsError: ${String(outcome)}`);
};
const FOREIGN = parseHex('b'.repeat(240)) as Uint8Array;
const userDataOf = ({ signer }: StubNode) => utf8(`{"eth_addr":"${signer.wallet}"}`);
const teeOf = ({ teePubkey }: StubNode) => parseHex(teePubkey) as Uint8Array;
const honest: Forge = (node, nonce) => node.attester.module.attest({ nonce, publicKey: teeOf(node), userData: userDataOf(node) });
const module =
  (change: Partial<SecurityModule>): Forge =>
  (node, nonce) => {
    const before = { ...node.attester.module };
    Object.assign(node.attester.module, change);
    const made = honest(node, nonce);
    Object.assign(node.attester.module, before);
    return made;
  };
const saying =
  (change: (node: StubNode) => object): Forge =>
  (node, nonce) =>
    node.attester.module.attest({ nonce, publicKey: teeOf(node), userData: userDataOf(node), ...change(node) });

const FORGED: readonly (readonly [string, string, Forge])[] = [
  ['no bytes', 'cbor_malformed', () => new Uint8Array(0)],
  ['a page of a proxy', 'cbor_malformed', () => utf8('<html>')],
  ['a bit of its signature flipped', 'document_signature_invalid', (...to) => flipLast(honest(...to))],
  ['an answer to an earlier challenge', 'nonce_mismatch', (node, nonce) => honest(node, flipped(nonce))],
  ['no challenge', 'nonce_mismatch', saying(() => ({ nonce: null }))],
  ['an enclave in debug mode', 'debug', module({ isDebug: true })],
  ['other code than is registered', 'measurement_mismatch', module({ pcrs: pcrsOf(2) })],
  ['hardware of another root', 'root_unknown', module({ root: foreignRoot() })],
  ['the enclave of another operator', 'wallet_mismatch', saying(() => ({ userData: userDataOf(cluster.nodes[1]) }))],
  ['another wallet hidden before its own', 'wallet_mismatch', saying((node) => ({ userData: hidden(node) }))],
  ['another TEE key', 'public_key_mismatch', saying(() => ({ publicKey: FOREIGN }))],
  ['no TEE key', 'public_key_mismatch', saying(() => ({ publicKey: null }))],
  ['a time long ago', 'too_old', module({ shiftMs: -ATTESTATION_AGE_MAX_MS - 1 })],
  ['a time to come', 'from_the_future', module({ shiftMs: ATTESTATION_SKEW_MAX_MS + 1 })],
];
const flipLast = (bytes: Uint8Array) => flipped(bytes, bytes.length - 8);
const hidden = (node: StubNode) => utf8(`{"a":{"eth_addr":"${cluster.nodes[1].signer.wallet}"},"eth_addr":"${node.signer.wallet}"}`);

describe('a client that attests nodes', () => {
  it('S-M5 gets its key from nodes that prove themselves', async () => {
    for (const node of cluster.nodes) {
      const derived = await derive(careful, { node: node.signer.wallet });
      expect([derived.node, hex(derived.key), node.attested]).toEqual([node.signer.wallet, hex(keyOf(path)), 1]);
    }
  });

  it.each(FORGED)('S-M5 passes over a node whose document is of %s: %s', async (_what, fault, forge) => {
    const [bad] = cluster.nodes;
    const node = bad.signer.wallet;
    bad.attest = (nonce) => Promise.resolve(document(forge(bad, nonce)));
    expect((await derive(careless, { node })).node).toBe(node);
    bad.asked.length = 0;
    for (let count = 0; count < 8; count += 1) expect((await derive(careful)).node).not.toBe(node);
    const error = await failed(careful, { node });
    expect(error.code).toBe('no_answer');
    expect(new Set(error.attempts.map(({ outcome, detail }) => `${outcome}: ${detail}`))).toEqual(
      new Set([`unattested: its enclave is not proven to be the registered one (${fault})`]),
    );
    expect(error.message).toContain(fault);
    expect(error.message).toContain('attestationRoot');
    // It was sent neither a proof nor an envelope.
    expect(bad.asked).toEqual([]);
  });

  it.each([
    ['has no document', 'unattested', () => Promise.resolve(plain(503, { reason: 'odyn_unavailable' }))],
    ['is asked too often', 'unattested', () => Promise.resolve(plain(429, { reason: 'rate_limited' }))],
    ['cannot be reached', 'unreachable', () => Promise.reject(new Refusal('outbound_failed'))],
    ['does not answer in time', 'timeout', () => Promise.reject(new Refusal('outbound_timeout'))],
    ['hangs', 'timeout', () => new Promise<never>(() => undefined)],
    ['redirects', 'redirect', () => Promise.reject(new Refusal('outbound_redirect'))],
    ['sends without end', 'too_large', () => Promise.reject(new Refusal('outbound_too_large'))],
  ] as const)('passes over a node that %s', async (_what, outcome, attest) => {
    for (const node of cluster.nodes) node.attest = attest;
    const error = await failed(careful, { attemptMs: 1_000 });
    expect(error.code).toBe('no_answer');
    expect(new Set(error.attempts.map((each) => each.outcome))).toEqual(new Set([outcome]));
    expect(cluster.nodes.flatMap(({ asked }) => asked)).toEqual([]);
  });

  it('X-9 asks in the app’s own name where strangers have used up what there is for them, and believes the document only', async () => {
    const [busy] = cluster.nodes;
    const node = busy.signer.wallet;
    const { attest } = busy;
    const signed: string[] = [];
    busy.attest = (nonce, limits, request) => {
      const { pathname: at, search: query, host: authority } = new URL(request.url);
      const headers = new Headers(request.headers);
      if (!headers.has('signature')) return Promise.resolve(plain(429, { reason: 'rate_limited' }));
      const target = { method: 'GET', authority, path: at, query, headers };
      const by = { chainId: profile.chainId, bootedAtMs: 0, clock: cluster.clock, recover: recoverWallet };
      signed.push(verifyRequestSignature(target, by).wallet);
      return attest(nonce, limits, request);
    };
    expect((await derive(careful, { node })).node).toBe(node);
    expect([signed, busy.attested]).toEqual([[cluster.app.wallet], 2]);
    busy.attester.module.isDebug = true;
    later(CLIENT_CHECKED_MS);
    expect((await failed(careful, { node })).message).toContain('debug');
  });

  it('bounds what it reads, and for how long', async () => {
    const seen: object[] = [];
    for (const node of cluster.nodes) {
      const { attest } = node;
      node.attest = (nonce, limits, request) => (seen.push(limits), attest(nonce, limits, request));
    }
    await derive(careful);
    expect(seen).toEqual([{ timeoutMs: CLIENT_CHECK_MS, bodyBytesMax: ATTESTATION_BYTES_MAX }]);
  });

  it('passes over a node whose registered key is none', async () => {
    const [first] = cluster.nodes;
    cluster.chain.operators = cluster.chain.operators.map((each, index) => (index === 0 ? { ...each, teePubkey: '0x' } : each));
    cluster.chain.mine(profile.confirmationBlocks + 1);
    const error = await failed(careful, { node: first.signer.wallet });
    expect(new Set(error.attempts.map(({ outcome }) => outcome))).toEqual(new Set(['unattested']));
  });

  it('has its CA confirmed by nodes that prove themselves only', async () => {
    const [first, second, third] = cluster.nodes;
    for (const node of [second, third]) node.attest = (nonce) => Promise.resolve(document(module({ isDebug: true })(node, nonce)));
    const { confirmCa } = await import('../../../core/client/certificates.ts');
    const { createNodeChecks } = await import('../../../core/client/node-checks.ts');
    const limits = { timeoutMs: 1_000, signal: new AbortController().signal };
    const others = (await careful.nodes()).slice(1);
    const fetch = async ({ url }: { url: string }) => {
      const node = cluster.nodes.find((each) => url.startsWith(`${each.url}/`)) as StubNode;
      if (url.endsWith('/ca')) return document(utf8('the CA'));
      return await node.attest(
        parseHex(new URL(url).searchParams.get('nonce') ?? '') as Uint8Array,
        { timeoutMs: 1, bodyBytesMax: 1 },
        { url, method: 'GET' },
      );
    };
    const random = { bytes: (length: number) => new Uint8Array(length) };
    const self = () => Promise.resolve({ wallet: cluster.app.wallet });
    const checks = createNodeChecks({ profile, signer: cluster.app, self, fetch, clock: cluster.clock, random });
    expect(others.map(({ wallet }) => wallet)).toContain(await confirmCa(fetch, 'the CA', others, limits));
    await expect(confirmCa(fetch, 'the CA', others, limits, checks)).rejects.toMatchObject({ outcome: 'unproven' });
    expect(first.attested).toBe(0);
  });
});

describe('a check', () => {
  it('is shared by all who need it at a time, and counts for a while', async () => {
    const [{ signer }] = cluster.nodes;
    const node = signer.wallet;
    const attested = () => cluster.nodes[0].attested;
    await passing(cluster.clock, Promise.all(Array.from({ length: 20 }, () => careful.derive(path, { node }))));
    expect(attested()).toBe(1);
    const beganAtMs = cluster.clock.elapsedMs();
    later(CLIENT_CHECKED_MS - 1);
    await derive(careful, { node });
    expect(attested()).toBe(1);
    later(CLIENT_CHECKED_MS + beganAtMs - cluster.clock.elapsedMs());
    await derive(careful, { node });
    expect(attested()).toBe(2);
    // Setting the clock back makes no check younger.
    cluster.clock.set(-CLIENT_CHECKED_MS / 2);
    later(CLIENT_CHECKED_MS);
    await derive(careful, { node });
    expect(attested()).toBe(3);
  });

  it('S-M5 of one record of the registry is none of another', async () => {
    const [bad] = cluster.nodes;
    const node = bad.signer.wallet;
    await derive(careful, { node });
    const other = measurementOf(pcrsOf(3));
    cluster.chain.operators = cluster.chain.operators.map((each, index) => (index === 0 ? { ...each, codeMeasurement: other } : each));
    later(CLIENT_VIEW_MS);
    expect((await failed(careful, { node })).message).toContain('measurement_mismatch');
    bad.attester.module.pcrs = pcrsOf(3);
    expect((await derive(careful, { node })).node).toBe(node);
  });

  it('that failed is made again for the next call', async () => {
    const [bad] = cluster.nodes;
    const node = bad.signer.wallet;
    bad.attester.module.isDebug = true;
    await failed(careful, { node });
    bad.attester.module.isDebug = false;
    expect((await derive(careful, { node })).node).toBe(node);
  });

  it('outlives the call that began it, and dies when it takes too long', async () => {
    const [slow] = cluster.nodes;
    const node = slow.signer.wallet;
    const { attest } = slow;
    slow.attest = () => new Promise(() => undefined);
    const signal = AbortSignal.abort();
    await expect(careful.derive(path, { node, signal })).rejects.toMatchObject({ code: 'aborted' });
    const error = await failed(careful, { node, attemptMs: 500, callMs: 2_000 });
    expect([error.code, slow.attested]).toEqual(['no_answer', 1]);
    slow.attest = attest;
    later(CLIENT_CHECK_MS);
    expect((await derive(careful, { node })).node).toBe(node);
    expect(slow.attested).toBe(2);
  });
});

/** Time passes, and the chain with it. */
function later(ms: number): void {
  cluster.clock.advance(Math.max(0, ms - 2_000 * (profile.confirmationBlocks + 1)));
  cluster.chain.mine(profile.confirmationBlocks + 1);
}
