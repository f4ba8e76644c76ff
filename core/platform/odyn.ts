/**
 * The enclave's Odyn over HTTP on loopback: wallet, TEE key, hardware randomness, attestation documents. Its answers are checked for shape
 * and its error texts stay in the log.
 */
import { Refusal } from '../errors.ts';
import { encodePem } from '../ca/pem.ts';
import { p384SpkiOf } from '../crypto/spki.ts';
import { ATTESTATION_BYTES_MAX, ODYN_ANSWER_BYTES_MAX, ODYN_MS_MAX } from '../limits.ts';
import { base64, hex, parseBase64, parseHex, parseUtf8 } from '../wire/bytes.ts';
import { parseJsonObject } from '../wire/json.ts';
import type { Reason } from '../errors.ts';
import type { AttestationRequest, AttestedSigner, Attester, Box, Fetch, OutboundAnswer, TransactionRequest } from '../ports.ts';

export interface OdynPorts {
  readonly signer: AttestedSigner;
  readonly box: Box;
  readonly attester: Attester;
}

export function createOdyn(origin: string, fetch: Fetch): OdynPorts {
  const call = async (path: string, body?: object): Promise<OdynAnswer> => callOdyn(fetch, `${origin}${path}`, body);

  const signer: AttestedSigner = {
    address: async () => textOf(await call('/v1/eth/address'), 'address'),
    sign: async (message) => hexTextOf(await call('/v1/eth/sign', { message, include_attestation: false }), 'signature', 65),
    async signAttested(message) {
      const answer = await call('/v1/eth/sign', { message, include_attestation: true });
      const document = parseBase64(textOf(answer, 'attestation'));
      if (!document || document.length > ATTESTATION_BYTES_MAX)
        throw new Refusal('odyn_unavailable', 'attestation is no document in its answer');
      return { signature: hexTextOf(answer, 'signature', 65), document };
    },
    signTransaction: async (request) =>
      hexTextOf(await call('/v1/eth/sign-tx', { include_attestation: false, payload: structured(request) }), 'raw_transaction'),
  };

  const box: Box = {
    publicKey: async () => bytesOf(await call('/v1/encryption/public_key'), 'public_key_der'),
    async seal(recipient, plaintext) {
      const answer = await call('/v1/encryption/encrypt', { plaintext, client_public_key: hex(recipient) });
      return {
        senderTeePubkey: bytesOf(answer, 'enclave_public_key'),
        nonce: bytesOf(answer, 'nonce'),
        encrypted: bytesOf(answer, 'encrypted_data'),
      };
    },
    async open({ senderTeePubkey, nonce, encrypted }) {
      const body = { nonce: hex(nonce), client_public_key: hex(senderTeePubkey), encrypted_data: hex(encrypted) };
      const answer = await callOdyn(fetch, `${origin}/v1/encryption/decrypt`, body, 'envelope_unopenable');
      return textOf(answer, 'plaintext');
    },
    entropy: async () => bytesOf(await call('/v1/random'), 'random_bytes'),
  };

  const attester: Attester = {
    async document(request) {
      const { status, body } = await askOdyn(fetch, `${origin}/v1/attestation`, attestationOf(request));
      if (status === 200 && body.length > 0 && body.length <= ATTESTATION_BYTES_MAX) return body;
      throw new Refusal('odyn_unavailable', `/v1/attestation answered ${status} with ${body.length} bytes`);
    },
  };
  return { signer, box, attester };
}

type OdynAnswer = Readonly<Record<string, unknown>>;

/** Odyn answers 400 to what its caller sent wrong; for a decryption that is the client's fault, otherwise ours. */
async function callOdyn(fetch: Fetch, url: string, body?: object, whenRefused: Reason = 'odyn_unavailable'): Promise<OdynAnswer> {
  const { pathname } = new URL(url);
  const answer = await askOdyn(fetch, url, body);
  if (answer.status === 400) throw new Refusal(whenRefused, `${pathname} answered 400`);
  const object = answer.status === 200 ? parseJsonObject(parseUtf8(answer.body) ?? '') : undefined;
  if (!object) throw new Refusal('odyn_unavailable', `${pathname} answered ${answer.status}, not a JSON object with status 200`);
  return object;
}

async function askOdyn(fetch: Fetch, url: string, body?: object): Promise<OutboundAnswer> {
  const limits = { timeoutMs: ODYN_MS_MAX, bodyBytesMax: ODYN_ANSWER_BYTES_MAX };
  return await fetch(requestOf(url, body), limits).catch((error: unknown) => {
    throw new Refusal('odyn_unavailable', `${new URL(url).pathname}: ${error instanceof Refusal ? error.message : 'failed'}`, error);
  });
}

/** Odyn has the point of the PEM attested; without one, the key of its box as SPKI DER. */
function attestationOf({ nonce, publicKey }: AttestationRequest): object {
  if (publicKey === 'tee') return { nonce: base64(nonce) };
  return { nonce: base64(nonce), public_key: encodePem('PUBLIC KEY', p384SpkiOf(publicKey)) };
}

function requestOf(url: string, body?: object): Parameters<Fetch>[0] {
  if (body === undefined) return { url, method: 'GET' };
  return { url, method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
}

/** The one shape that Odyn signs; everything but `to` and `data` is required by it. */
function structured(request: TransactionRequest): object {
  const quantity = (value: number | bigint) => `0x${value.toString(16)}`;
  return {
    kind: 'structured',
    chain_id: quantity(request.chainId),
    nonce: quantity(request.nonce),
    max_priority_fee_per_gas: quantity(request.maxPriorityFeePerGas),
    max_fee_per_gas: quantity(request.maxFeePerGas),
    gas_limit: quantity(request.gasLimit),
    to: request.to,
    value: '0x0',
    data: request.data,
  };
}

function textOf(answer: OdynAnswer, name: string): string {
  const value = answer[name];
  if (typeof value !== 'string') throw new Refusal('odyn_unavailable', `${name} is missing in its answer`);
  return value;
}

function bytesOf(answer: OdynAnswer, name: string): Uint8Array {
  const bytes = parseHex(textOf(answer, name));
  if (!bytes || bytes.length === 0) throw new Refusal('odyn_unavailable', `${name} is not hex in its answer`);
  return bytes;
}

function hexTextOf(answer: OdynAnswer, name: string, length?: number): `0x${string}` {
  const bytes = bytesOf(answer, name);
  if (length !== undefined && bytes.length !== length) throw new Refusal('odyn_unavailable', `${name} has not ${length} bytes`);
  return `0x${hex(bytes)}`;
}
