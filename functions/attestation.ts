/**
 * `GET /attestation?nonce=` (`docs/protocol.md` clause 11): a document of this enclave's hardware for its TEE key, for whoever wants to see
 * what runs here before it trusts the node. With that key no document passes for one of a hello. Strangers share what the hardware bears; an
 * app that signs its request has a share of its own, so that no stranger keeps it from looking.
 */
import { withDeadline } from '../core/deadline.ts';
import { createRate } from '../core/auth/rate.ts';
import { Refusal } from '../core/errors.ts';
import * as limits from '../core/limits.ts';
import { parseHex } from '../core/wire/bytes.ts';
import { bytesReply } from './answers.ts';
import { authenticateSigned, compareBody, isSigned, requireUnused, signAnswer, useUp } from './proofs.ts';
import type { Kms } from '../core/kms.ts';
import type { Visit } from './visitors.ts';

export function attestation(kms: Kms): (request: Request, visit: Visit) => Promise<Response> {
  const ofStrangers = createRate(kms.clock, {
    perSecond: limits.ATTESTATIONS_PER_SECOND,
    burst: limits.ATTESTATIONS_BURST,
    keysMax: 1,
  });
  const ofCallers = createRate(kms.clock, {
    perSecond: limits.CALLER_ATTESTATIONS_PER_SECOND,
    burst: limits.CALLER_ATTESTATIONS_BURST,
    keysMax: limits.CALLERS_CACHED_MAX,
  });

  const document = async (nonce: Uint8Array): Promise<Response> =>
    bytesReply(await kms.attester.document({ nonce, publicKey: 'tee' }), 'application/cbor');

  async function forStranger(nonce: Uint8Array): Promise<Response> {
    if (!ofStrangers.take('all')) throw new Refusal('rate_limited', 'attestations');
    return await document(nonce);
  }

  async function forCaller(request: Request, nonce: Uint8Array, { welcome, refuse }: Visit): Promise<Response> {
    const proof = authenticateSigned(kms, request);
    const { wallet } = await kms.authorizer.authorize(proof.wallet);
    requireUnused(kms, proof);
    const answer = kms.requestsInWork.hold(wallet, 1, async () => {
      if (!ofCallers.take(wallet)) throw new Refusal('rate_limited', `attestations for ${wallet}`);
      welcome();
      useUp(kms, proof);
      const told = async () => (compareBody(proof, new Uint8Array(0)), await document(nonce));
      return await signAnswer(kms, proof, await told().catch(refuse));
    });
    if (!answer) throw new Refusal('busy', `requests in work of ${wallet} or of all`);
    return await answer;
  }

  return (request, visit) => {
    const nonce = readNonce(new URL(request.url).search);
    const answer = isSigned(request) ? forCaller(request, nonce, visit) : forStranger(nonce);
    return withDeadline(kms.clock, limits.REQUEST_MS_MAX, 'deadline_exceeded', answer);
  };
}

/** One spelling, so that nobody has to guess which bytes were signed. */
function readNonce(search: string): Uint8Array {
  const digits = /^\?nonce=([0-9a-f]+)$/.exec(search)?.[1];
  const nonce = digits === undefined ? undefined : parseHex(digits);
  if (!nonce || nonce.length < limits.ATTESTATION_NONCE_BYTES_MIN || nonce.length > limits.ATTESTATION_NONCE_BYTES_MAX)
    throw new Refusal('attestation_nonce_malformed');
  return nonce;
}
