/** Documents of the emulated Odyn: read by the node's reader, their chain by the host's own, and in the form that the real one gives them. */
import { createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { hashMessage, keccak256, parseTransaction, recoverMessageAddress, serializeTransaction } from 'viem';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { verifyAttestation } from '../../../core/crypto/nitro/attestation.ts';
import { decodeDocumentCbor } from '../../../core/crypto/nitro/cbor.ts';
import { parseCoseSign1 } from '../../../core/crypto/nitro/cose.ts';
import { parseHex, parseUtf8 } from '../../../core/wire/bytes.ts';
import { MEASUREMENT } from '../../attestation/attester.ts';
import { measurementOf, pcrsOf } from '../../attestation/pcrs.ts';
import { foreignRoot, simulatedRoot } from '../../attestation/roots.ts';
import { said, verified } from '../../core/crypto/nitro/documents.ts';
import { startOdyn, type Odyn } from '../odyn.ts';
import type { Attestation } from '../../../core/crypto/nitro/attestation.ts';
import type { Hex } from 'viem';

let odyn: Odyn;
beforeEach(async () => {
  odyn = await startOdyn();
});
afterEach(() => odyn.close());

const post = (path: string, json: unknown) =>
  fetch(odyn.url + path, { method: 'POST', body: typeof json === 'string' ? json : JSON.stringify(json) });
const verify = (document: Uint8Array) => verifyAttestation(document, { root: simulatedRoot().der, nowMs: Date.now(), skewMsMax: 0 });

async function document(asked: unknown): Promise<Uint8Array> {
  const response = await post('/v1/attestation', asked);
  expect([response.status, response.headers.get('content-type')]).toEqual([200, 'application/cbor']);
  return new Uint8Array(await response.arrayBuffer());
}
const attested = async (asked: unknown): Promise<Attestation> => verified(verify(await document(asked)));
const userDataOf = ({ userData }: Attestation) => parseUtf8(userData as Uint8Array);

describe('a document', () => {
  it('holds what was asked beside the wallet, of code that the registry can know', async () => {
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' });
    const spki = publicKey.export({ format: 'der', type: 'spki' });
    const attestation = await attested({
      nonce: Buffer.from('challenge').toString('base64'),
      public_key: publicKey.export({ format: 'pem', type: 'spki' }),
      user_data: { z: [1, { b: 2, a: 'x' }], eth_addr: '0x', a: null },
    });
    expect([parseUtf8(attestation.nonce as Uint8Array), attestation.measurement, attestation.isDebug]).toEqual([
      'challenge',
      MEASUREMENT,
      false,
    ]);
    // The point of a key, without what stands before it in its SPKI.
    expect(attestation.publicKey).toEqual(new Uint8Array(spki.subarray(23)));
    expect(userDataOf(attestation)).toBe(`{"a":null,"eth_addr":"${odyn.wallet}","z":[1,{"a":"x","b":2}]}`);
  });

  it('is for the key of the box when nobody names one, without a nonce when nobody gives one', async () => {
    for (const asked of [{}, { nonce: null, public_key: null, user_data: null }]) {
      const { publicKey, nonce, userData } = await attested(asked);
      expect([publicKey, nonce, parseUtf8(userData as Uint8Array)]).toEqual([
        ...[parseHex(odyn.teePubkey), undefined, `{"eth_addr":"${odyn.wallet}"}`],
      ]);
    }
  });

  it('reduces any key to its bits', async () => {
    const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const { publicKey: bits } = await attested({ public_key: publicKey.export({ format: 'pem', type: 'spki' }) });
    expect(bits).toEqual(new Uint8Array(publicKey.export({ format: 'der', type: 'pkcs1' })));
  });

  it('has the bytes of a real one: untagged, members in order, a map without a length, five certificates', async () => {
    const bytes = await document({});
    expect(Buffer.from(bytes.subarray(0, 8)).toString('hex')).toBe('8444a1013822a059');
    const { payload } = parseCoseSign1(bytes);
    expect(payload[0]).toBe(0xbf);
    const members = decodeDocumentCbor(payload) as ReadonlyMap<string, unknown>;
    expect([...members.keys()]).toEqual([
      ...['module_id', 'digest', 'timestamp', 'pcrs', 'certificate', 'cabundle', 'public_key', 'user_data', 'nonce'],
    ]);
    expect([...(members.get('pcrs') as ReadonlyMap<number, Uint8Array>).keys()]).toEqual(Array.from({ length: 16 }, (_, index) => index));
    // By other code than signed them.
    const chain = [...(members.get('cabundle') as Uint8Array[]), members.get('certificate') as Uint8Array].map(
      (der) => new X509Certificate(der),
    );
    expect(chain).toHaveLength(5);
    chain.forEach((certificate, index) =>
      expect(certificate.verify((chain[Math.max(0, index - 1)] as X509Certificate).publicKey)).toBe(true),
    );
    expect(chain.map(({ ca }) => ca)).toEqual([true, true, true, true, false]);
  });

  it('is what a test makes of the enclave: other code, none, another root, another time', async () => {
    odyn.module.pcrs = pcrsOf(9);
    expect((await attested({})).measurement).toBe(measurementOf(pcrsOf(9)));
    odyn.module.isDebug = true;
    expect(await attested({})).toMatchObject({
      isDebug: true,
      measurement: '0xcd2e66bf0b91eeedc6c648ae9335a78d7c9a4ab0ef33612a824d91cdc68a4f21',
    });
    odyn.module.shiftMs = -86_400_000;
    expect(said(verify(await document({})))).toBe('expired');
    odyn.module.root = foreignRoot();
    expect(said(verify(await document({})))).toBe('root_unknown');
  });

  it('has the measurement of the enclave that it is started as', async () => {
    const other = await startOdyn({ pcrs: pcrsOf(3) });
    try {
      const response = await fetch(`${other.url}/v1/attestation`, { method: 'POST', body: '{}' });
      expect(verified(verify(new Uint8Array(await response.arrayBuffer()))).measurement).toBe(measurementOf(pcrsOf(3)));
    } finally {
      await other.close();
    }
  });

  it.each<[string, unknown, number, string]>([
    ['an empty body', '', 400, 'invalid JSON'],
    ['a nonce that is no base64', { nonce: 'x' }, 400, 'Invalid base64'],
    ['a nonce that is no text', { nonce: 5 }, 400, 'expected a string'],
    ['a nonce that is too long', { nonce: Buffer.alloc(513).toString('base64') }, 500, 'nonce is too large'],
    ['a key that is no PEM', { public_key: '0x04' }, 400, 'Invalid public_key PEM'],
    ['user data that is a text', { user_data: 'aGVsbG8=' }, 400, 'user_data must be a JSON object'],
    ['user data that is a list', { user_data: [] }, 400, 'user_data must be a JSON object'],
    ['user data that is too long', { user_data: { a: 'x'.repeat(512) } }, 500, 'user_data is too large'],
  ])('is refused for %s', async (_what, asked, status, text) => {
    const response = await post('/v1/attestation', asked);
    expect([response.status, response.headers.get('content-type')]).toEqual([status, 'text/plain']);
    expect(await response.text()).toContain(text);
  });
});

describe('a signature with a document', () => {
  const attestedBy = ({ attestation }: Record<string, string>) =>
    verified(verify(new Uint8Array(Buffer.from(attestation ?? '', 'base64'))));
  const ofWallet = async ({ publicKey }: Attestation) => {
    const { x, y } = createPublicKey({ key: Buffer.from(publicKey as Uint8Array), format: 'der', type: 'spki' }).export({ format: 'jwk' });
    const point = Buffer.concat([Buffer.from(x as string, 'base64url'), Buffer.from(y as string, 'base64url')]);
    return `0x${keccak256(new Uint8Array(point)).slice(-40)}`;
  };

  it('of a text names its hash, and the wallet’s own key', async () => {
    const answer = (await (await post('/v1/eth/sign', { message: 'text', include_attestation: true })).json()) as Record<string, string>;
    const attestation = attestedBy(answer);
    expect(`0x${Buffer.from(attestation.nonce as Uint8Array).toString('hex')}`).toBe(hashMessage('text'));
    expect(await ofWallet(attestation)).toBe(odyn.wallet);
    expect((await recoverMessageAddress({ message: 'text', signature: answer['signature'] as Hex })).toLowerCase()).toBe(odyn.wallet);
  });

  it('of a transaction names the hash that was signed', async () => {
    const fees = { max_priority_fee_per_gas: '0x1', max_fee_per_gas: '0x2', gas_limit: '0x5208' };
    const payload = { kind: 'structured', chain_id: '0x1', nonce: '0x0', ...fees, to: `0x${'11'.repeat(20)}` };
    const answer = (await (await post('/v1/eth/sign-tx', { payload, include_attestation: true })).json()) as Record<string, string>;
    const { r: _r, s: _s, yParity: _parity, v: _v, ...unsigned } = parseTransaction(answer['raw_transaction'] as `0x02${string}`);
    const { nonce } = attestedBy(answer);
    expect(`0x${Buffer.from(nonce as Uint8Array).toString('hex')}`).toBe(keccak256(serializeTransaction(unsigned as never)));
  });
});
