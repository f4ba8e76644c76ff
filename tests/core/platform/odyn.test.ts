/** The node's Odyn client against the emulated Odyn, over HTTP: what it sends is taken, what it gets is checked. */
import { parseTransaction, recoverTransactionAddress } from 'viem';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { SECP256K1_SPKI_HEAD } from '../../../core/crypto/spki.ts';
import { parseSignature, personalDigest, recoverWallet, walletOf } from '../../../core/crypto/wallet.ts';
import { createEphemeral } from '../../../core/cluster/keys.ts';
import { verifyAttestation } from '../../../core/crypto/nitro/attestation.ts';
import { ATTESTATION_BYTES_MAX } from '../../../core/limits.ts';
import { systemRandom } from '../../../core/platform/system.ts';
import { createFetch } from '../../../core/platform/fetch.ts';
import { createOdyn } from '../../../core/platform/odyn.ts';
import { hex, parseHex, parseUtf8 } from '../../../core/wire/bytes.ts';
import { readIdentity } from '../../../functions/boot.ts';
import { measurementOf } from '../../attestation/pcrs.ts';
import { createBox } from '../../simulation/odyn/box.ts';
import { startOdyn } from '../../simulation/odyn.ts';
import { verified } from '../crypto/nitro/documents.ts';
import { profile, reasonOfAsync } from '../fakes.ts';
import type { Wallet } from '../../../core/identity.ts';
import type { Odyn } from '../../simulation/odyn.ts';

let odyn: Odyn;
let client: ReturnType<typeof createOdyn>;

beforeAll(async () => {
  odyn = await startOdyn();
  client = createOdyn(odyn.url, createFetch({ profile, odynUrl: odyn.url, rpcUrl: 'http://127.0.0.1:1' }, fetch));
});
beforeEach(() => odyn.faults.clear());
afterAll(async () => odyn.close());

const transaction = {
  chainId: 31337,
  nonce: 0,
  maxPriorityFeePerGas: 1n,
  maxFeePerGas: 3n,
  gasLimit: 100_000n,
  to: `0x${'22'.repeat(20)}` as Wallet,
  data: '0x1234',
} as const;

describe('the wallet', () => {
  it('signs texts that recover to its address', async () => {
    const signature = parseSignature(await client.signer.sign('NovaKMS:text'));
    expect(recoverWallet('NovaKMS:text', signature ?? new Uint8Array())).toBe(odyn.wallet);
  });

  it('S-M5 has the hardware vouch for what it signs, and for its own key', async () => {
    const text = 'NovaKMS:text';
    const { signature, document } = await client.signer.signAttested(text);
    expect(recoverWallet(text, parseSignature(signature) ?? new Uint8Array())).toBe(odyn.wallet);
    const trust = { root: profile.attestationRoot, nowMs: Date.now(), skewMsMax: 0 };
    const { nonce, publicKey, userData } = verified(verifyAttestation(document, trust));
    expect([nonce, parseUtf8(userData as Uint8Array)]).toEqual([personalDigest(text), `{"eth_addr":"${odyn.wallet}"}`]);
    expect([hex(publicKey as Uint8Array).slice(0, -130), walletOf((publicKey as Uint8Array).slice(-65))]).toEqual([
      ...[SECP256K1_SPKI_HEAD, odyn.wallet],
    ]);
  });

  it.each([
    ['none', null],
    ['no base64', '*'],
    ['no text', 5],
    ['more than any document has', 'A'.repeat(4 * Math.ceil((ATTESTATION_BYTES_MAX + 1) / 3))],
  ])('takes no document that is %s', async (_what, attestation) => {
    odyn.faults.set('/v1/eth/sign', { kind: 'answer', json: () => ({ signature: `0x${'11'.repeat(65)}`, attestation }) });
    expect(await reasonOfAsync(client.signer.signAttested('text'))).toBe('odyn_unavailable');
  });

  it('U-9 signs the one transaction that a node sends, in the one shape that Odyn takes', async () => {
    const signed = (await client.signer.signTransaction(transaction)) as `0x02${string}`;
    expect(parseTransaction(signed)).toMatchObject({ chainId: 31337, to: transaction.to, data: '0x1234', gas: 100_000n, maxFeePerGas: 3n });
    expect((await recoverTransactionAddress({ serializedTransaction: signed })).toLowerCase()).toBe(odyn.wallet);
    const camelCase = { payload: { chainId: 31337, type: 2, to: transaction.to, nonce: 0, data: '0x', value: 0, gas: 1 } };
    const refused = await fetch(`${odyn.url}/v1/eth/sign-tx`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(camelCase),
    });
    expect(refused.status).toBe(400);
  });

  it('X-1 of zeros, or none, is no identity', async () => {
    expect(await readIdentity(client.signer, client.box)).toEqual({ wallet: odyn.wallet, teePubkey: odyn.teePubkey });
    for (const address of [`0x${'00'.repeat(20)}`, '', 'garbage']) {
      odyn.faults.set('/v1/eth/address', { kind: 'answer', json: () => ({ address }) });
      expect(await reasonOfAsync(readIdentity(client.signer, client.box))).toBe('zero_wallet');
    }
    odyn.faults.set('/v1/eth/address', { kind: 'status', status: 500, text: 'no' });
    expect(await reasonOfAsync(readIdentity(client.signer, client.box))).toBe('odyn_unreachable');
  });
});

describe('the hardware', () => {
  const nonce = new Uint8Array(32).fill(7);
  const judged = (document: Uint8Array) =>
    verified(verifyAttestation(document, { root: profile.attestationRoot, nowMs: Date.now(), skewMsMax: 1_000 }));

  it('S-M2 attests a challenge for the point of a key, beside the wallet', async () => {
    const { publicKey } = createEphemeral(systemRandom);
    const attestation = judged(await client.attester.document({ nonce, publicKey }));
    expect([attestation.nonce, attestation.publicKey]).toEqual([nonce, publicKey]);
    expect(parseUtf8(attestation.userData as Uint8Array)).toBe(`{"eth_addr":"${odyn.wallet}"}`);
    expect(attestation.measurement).toBe(measurementOf(odyn.module.pcrs));
  });

  it('attests the key of the box when that is asked for', async () => {
    const attestation = judged(await client.attester.document({ nonce, publicKey: 'tee' }));
    expect(hex(attestation.publicKey as Uint8Array)).toBe(odyn.teePubkey);
  });

  it.each([
    ['nothing', { kind: 'drop' }],
    ['an error', { kind: 'status', status: 500, text: 'no' }],
    ['a refusal', { kind: 'status', status: 400, text: 'user_data must be a JSON object' }],
    ['no bytes', { kind: 'document', bytes: () => new Uint8Array(0) }],
    ['more bytes than a document has', { kind: 'document', bytes: () => new Uint8Array(ATTESTATION_BYTES_MAX + 1) }],
  ] as const)('refuses %s for a document', async (_what, fault) => {
    odyn.faults.set('/v1/attestation', fault);
    expect(await reasonOfAsync(client.attester.document({ nonce, publicKey: 'tee' }))).toBe('odyn_unavailable');
  });
});

describe('the box', () => {
  it('opens what an app sealed, and seals what the app opens', async () => {
    const app = createBox();
    const { nonce, encryptedData } = app.sealTo(odyn.teePubkey, Buffer.from('to the node'));
    const bytes = (text: string) => parseHex(text) ?? new Uint8Array();
    expect(await client.box.open({ senderTeePubkey: bytes(app.teePubkey), nonce: bytes(nonce), encrypted: bytes(encryptedData) })).toBe(
      'to the node',
    );
    const sealed = await client.box.seal(bytes(app.teePubkey), 'to the app');
    expect(hex(sealed.senderTeePubkey)).toBe(odyn.teePubkey);
    expect(Buffer.from(app.openFrom(odyn.teePubkey, { nonce: hex(sealed.nonce), encryptedData: hex(sealed.encrypted) })).toString()).toBe(
      'to the app',
    );
  });

  it('blames the sender for an envelope that does not open, and Odyn for everything else', async () => {
    const envelope = {
      senderTeePubkey: parseHex(createBox().teePubkey) ?? new Uint8Array(),
      nonce: new Uint8Array(12),
      encrypted: new Uint8Array(40),
    };
    expect(await reasonOfAsync(client.box.open(envelope))).toBe('envelope_unopenable');
    odyn.faults.set('/v1/encryption/decrypt', { kind: 'status', status: 500, text: 'broken' });
    expect(await reasonOfAsync(client.box.open(envelope))).toBe('odyn_unavailable');
    odyn.faults.set('*', { kind: 'status', status: 400, text: 'bad' });
    expect(await reasonOfAsync(client.box.entropy())).toBe('odyn_unavailable');
  });

  it.each([
    ['garbage', { kind: 'garbage' }],
    ['nothing', { kind: 'drop' }],
    ['another shape', { kind: 'answer', json: () => ({ random: 1 }) }],
    ['no hex', { kind: 'answer', json: () => ({ random_bytes: 'zz' }) }],
    ['an empty text', { kind: 'answer', json: () => ({ random_bytes: '0x' }) }],
    ['a redirect', { kind: 'redirect', location: 'http://127.0.0.1:1/' }],
  ] as const)('refuses %s for randomness', async (_what, fault) => {
    odyn.faults.set('/v1/random', fault);
    expect(await reasonOfAsync(client.box.entropy())).toBe('odyn_unavailable');
  });

  it('U-7 keeps Odyn’s error text to itself', async () => {
    odyn.faults.set('/v1/random', { kind: 'status', status: 500, text: 'secret=deadbeef at /root' });
    const error = await client.box.entropy().catch((reason: Error) => reason);
    expect(String(error)).not.toMatch(/deadbeef|\/root/);
  });
});
