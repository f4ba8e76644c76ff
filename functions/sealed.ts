/**
 * The one road of a private request (`docs/protocol.md` clause 5): ready, authenticate, authorize, rate, open, parse, work,
 * seal, sign. What works at its end sees a caller and a parsed request, nothing of the wire. Plaintext has no road at all.
 */
import { verifyPlatformProof } from '../core/auth/proof.ts';
import { Refusal } from '../core/errors.ts';
import { REQUEST_BODY_BYTES_MAX, REQUEST_MS_MAX } from '../core/limits.ts';
import { hex, parseHex, parseUtf8 } from '../core/wire/bytes.ts';
import { encodeEnvelope, parseEnvelope } from '../core/wire/envelope.ts';
import { canonicalJson, parseJsonObject } from '../core/wire/json.ts';
import { appResponseText } from '../core/wire/pop.ts';
import { readBody } from './body.ts';
import { envelopeReply } from './reply.ts';
import { withDeadline } from '../core/deadline.ts';
import type { Caller } from '../core/auth/caller.ts';
import type { Proof } from '../core/auth/proof.ts';
import type { Kms } from '../core/kms.ts';
import type { Json, JsonObject } from '../core/wire/json.ts';

/** What an endpoint does for a caller. Synchronous: judged and done in one stretch. */
export type Work = (kms: Kms, caller: Caller, request: JsonObject) => Json;

export function sealed(kms: Kms, work: Work): (request: Request) => Promise<Response> {
  return (request) => withDeadline(kms.clock, REQUEST_MS_MAX, 'deadline_exceeded', answer(kms, work, request));
}

async function answer(kms: Kms, work: Work, request: Request): Promise<Response> {
  requireServing(kms);
  const proof = authenticate(kms, request.headers);
  const caller = await kms.authorizer.authorize(proof.wallet);
  spend(kms, caller, proof);
  const plaintext = await open(kms, caller, request);
  const parsed = parseJsonObject(plaintext);
  if (!parsed) throw new Refusal('request_malformed');
  // A body may take its time: who was good when it began must still be, and the node too.
  const current = await kms.authorizer.authorize(proof.wallet);
  requireServing(kms);
  return await seal(kms, current, proof, work(kms, current, parsed));
}

function requireServing(kms: Kms): void {
  const gate = kms.admission.gate();
  if (gate.kind === 'waiting') throw new Refusal(gate.reason, gate.detail);
}

function authenticate(kms: Kms, headers: Headers): Proof {
  if (kms.profile.platformProof === 'refuse') throw new Refusal('proof_form_refused', 'the profile takes no platform proof');
  const { identity, clock, recover, nonces } = kms;
  const proofHeaders = {
    signature: headers.get('x-app-signature'),
    nonce: headers.get('x-app-nonce'),
    timestamp: headers.get('x-app-timestamp'),
    wallet: headers.get('x-app-wallet'),
  };
  return verifyPlatformProof(proofHeaders, { node: identity.wallet, clock, recover, nonces });
}

/** The nonce is used up, whatever becomes of the request; only authorized wallets get this far. */
function spend({ usedNonces, callerRate }: Kms, { wallet }: Caller, { nonce }: Proof): void {
  if (!usedNonces.use(wallet, nonce)) throw new Refusal('nonce_replayed');
  if (!callerRate.take(wallet)) throw new Refusal('rate_limited', wallet);
}

async function open(kms: Kms, caller: Caller, request: Request): Promise<string> {
  const body = await readBody(request, 'application/json', REQUEST_BODY_BYTES_MAX, kms.clock);
  const text = parseUtf8(body);
  const outcome = text === undefined ? ({ kind: 'malformed' } as const) : parseEnvelope(text);
  if (outcome.kind === 'plaintext') throw new Refusal('plaintext_refused');
  if (outcome.kind === 'malformed') throw new Refusal('envelope_malformed');
  const { envelope } = outcome;
  if (hex(envelope.senderTeePubkey) !== caller.teePubkey) throw new Refusal('envelope_sender_mismatch', caller.wallet);
  // Older platforms use the first 12 of 32 nonce bytes: those are what makes an envelope the same envelope.
  if (!kms.usedEnvelopes.use(caller.wallet, hex(envelope.nonce.subarray(0, 12)))) throw new Refusal('envelope_replayed');
  return await kms.box.open(envelope);
}

async function seal(kms: Kms, caller: Caller, proof: Proof, result: Json): Promise<Response> {
  const recipient = parseHex(caller.teePubkey);
  if (!recipient) throw new Refusal('internal', 'a TEE key that is not hex');
  const signing = kms.signer.sign(appResponseText(proof.clientSignature, kms.identity.wallet));
  const [envelope, signature] = await Promise.all([kms.box.seal(recipient, canonicalJson(result)), signing]);
  if (hex(envelope.senderTeePubkey) !== kms.identity.teePubkey) throw new Refusal('odyn_unavailable', 'sealed by another key');
  return envelopeReply(encodeEnvelope(envelope), signature);
}
