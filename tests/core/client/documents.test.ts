/** The client at nodes that ask for documents of its enclave: it sends one to each that asks, once, and never where nobody does. */
import { beforeEach, describe, expect, it } from 'vitest';
import { createClient, keysInMemory } from '../../../core/client/main.ts';
import { KmsError } from '../../../core/client/error.ts';
import { Refusal } from '../../../core/errors.ts';
import { CALLER_DOCUMENT_BYTES_MAX } from '../../../core/limits.ts';
import { base64, hex, utf8 } from '../../../core/wire/bytes.ts';
import { profile } from '../fakes.ts';
import { createStubCluster, keyOf, passing, plain, refusal, vouch } from './stubs.ts';
import type { ClientDependencies, KmsClient } from '../../../core/client/client.ts';
import type { StubCluster, StubNode } from './stubs.ts';

let cluster: StubCluster;
let attested: string[];

beforeEach(async () => {
  cluster = await createStubCluster();
  attested = [];
});

const requiring = { ...profile, appAttestation: 'require' } as const;
const path = 'my/disk';
const documentOf = (text: string) => utf8(`a document of ${text}`);
const client = (changes: Partial<ClientDependencies> = {}): KmsClient => {
  const signAttested = async (text: string) => {
    attested.push(text);
    return { signature: cluster.app.signNow(text), document: documentOf(text) };
  };
  return cluster.client({ signer: { ...cluster.app, signAttested }, ...changes });
};
const derive = (asker: KmsClient, options = {}) => passing(cluster.clock, asker.derive(path, options));
const headerOf = (request: { headers?: Readonly<Record<string, string>> }) => request.headers?.['x-kms-attestation'];
const asks = (node: StubNode, isRemembering = true) => {
  let isKnown = false;
  node.bend = async ({ request, honest }) => {
    if (headerOf(request) === undefined && !isKnown) return vouch(node, request, 403, refusal('attestation_required'));
    isKnown ||= isRemembering;
    return await honest();
  };
};
const asked = () => cluster.nodes.flatMap((node) => node.asked.map((request) => headerOf(request) !== undefined));

describe('a client', () => {
  it('sends no document to nodes that ask for none', async () => {
    await derive(client());
    expect([asked(), attested]).toEqual([[false], []]);
  });

  it.each(['erc8128', 'platform'] as const)('sends one, of the text that it signs, to a node that asks: %s', async (proof) => {
    const [one] = cluster.nodes;
    asks(one);
    const asker = client({ proof });
    const { node, key } = await derive(asker, { node: one.signer.wallet });
    expect([node, hex(key)]).toEqual([one.signer.wallet, hex(keyOf(path))]);
    expect(asked()).toEqual([false, true]);
    expect(headerOf(one.asked[1] ?? {})).toBe(base64(documentOf(attested[0] ?? '')));
    await derive(asker, { node: one.signer.wallet });
    expect(asked()).toEqual([false, true, false]);
  });

  it('sends one first where the profile asks for it, to each node once, and again to one that has forgotten', async () => {
    const asker = client({ profile: requiring });
    for (const round of [1, 2]) {
      for (const node of cluster.nodes) await derive(asker, { node: node.signer.wallet });
      expect(attested.length, String(round)).toBe(3);
    }
    const [one] = cluster.nodes;
    one.asked.length = 0;
    asks(one);
    await derive(asker, { node: one.signer.wallet });
    expect(one.asked.map((request) => headerOf(request) !== undefined)).toEqual([false, true]);
  });

  it('asks no node more than twice in a try, however often it asks', async () => {
    for (const node of cluster.nodes) node.bend = async ({ request }) => vouch(node, request, 403, refusal('attestation_required'));
    const error = (await derive(client()).catch((each: unknown) => each)) as KmsError;
    expect([error.code, error.attempts.length, asked().length]).toEqual(['no_answer', 9, 18]);
    expect(error.message).toContain('attestation_required');
  });

  it('does what a host asks that forges the question, and is none the worse', async () => {
    for (const node of cluster.nodes) {
      let forged = false;
      node.bend = async ({ honest }) => {
        if (forged) return await honest();
        forged = true;
        return plain(403, { reason: 'attestation_required' });
      };
    }
    expect(hex((await derive(client())).key)).toBe(hex(keyOf(path)));
    expect(asked()).toEqual([false, true]);
  });

  it('goes to another node when its document is refused', async () => {
    const [one] = cluster.nodes;
    one.bend = async ({ request }) => vouch(one, request, 403, refusal('attestation_refused'));
    const asker = client({ profile: requiring });
    for (let count = 0; count < 6; count += 1) expect((await derive(asker)).node).not.toBe(one.signer.wallet);
  });

  it('knows a write that was refused for want of a document as not done', async () => {
    const [one] = cluster.nodes;
    one.bend = async ({ request }) => vouch(one, request, 403, refusal('attestation_required'));
    const put = client().kv.put('k', 'v', { ifVersion: null, node: one.signer.wallet });
    await expect(passing(cluster.clock, put)).rejects.toMatchObject({ code: 'no_answer' });
  });

  it('says so when its enclave gives none, or one that no node reads', async () => {
    const down = () => Promise.reject(new Refusal('odyn_unavailable', '/v1/eth/sign answered 500'));
    const long = async (text: string) => ({
      signature: cluster.app.signNow(text),
      document: new Uint8Array(CALLER_DOCUMENT_BYTES_MAX + 1),
    });
    for (const signAttested of [down, long]) {
      const asker = client({ profile: requiring, signer: { ...cluster.app, signAttested } });
      await expect(derive(asker)).rejects.toMatchObject({ code: 'enclave_unavailable' });
    }
    expect(asked()).toEqual([]);
  });

  it('without an enclave is passed over by nodes that ask, and not made where the profile asks', async () => {
    for (const node of cluster.nodes) asks(node);
    const error = (await derive(cluster.client()).catch((each: unknown) => each)) as KmsError;
    expect(error).toMatchObject({ code: 'no_answer' });
    expect(error.message).toContain('which these keys cannot give');
    const keys = keysInMemory({ walletPrivateKey: '11'.repeat(32), teePrivateKey: '11'.repeat(48) });
    expect(() => createClient({ profile: requiring, chain: 'http://127.0.0.1:1', keys })).toThrow(
      expect.objectContaining({ code: 'bad_argument' }),
    );
  });
});
