/**
 * `GET /attestation?nonce=` (`docs/protocol.md` clause 11): a document of this enclave's hardware for its TEE key, for whoever wants to see
 * what runs here before it trusts the node. With that key no document passes for one of a hello.
 */
import { Refusal } from '../core/errors.ts';
import { ATTESTATION_NONCE_BYTES_MAX, ATTESTATION_NONCE_BYTES_MIN } from '../core/limits.ts';
import { parseHex } from '../core/wire/bytes.ts';
import { bytesReply } from './answers.ts';
import type { Kms } from '../core/kms.ts';

export async function attestation({ attester, attestationRate }: Kms, request: Request): Promise<Response> {
  const nonce = readNonce(new URL(request.url).search);
  if (!attestationRate.take('everybody')) throw new Refusal('rate_limited', 'attestations');
  return bytesReply(await attester.document({ nonce, publicKey: 'tee' }), 'application/cbor');
}

/** One spelling, so that nobody has to guess which bytes were signed. */
function readNonce(search: string): Uint8Array {
  const digits = /^\?nonce=([0-9a-f]+)$/.exec(search)?.[1];
  const nonce = digits === undefined ? undefined : parseHex(digits);
  if (!nonce || nonce.length < ATTESTATION_NONCE_BYTES_MIN || nonce.length > ATTESTATION_NONCE_BYTES_MAX)
    throw new Refusal('attestation_nonce_malformed');
  return nonce;
}
