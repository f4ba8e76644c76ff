/**
 * The one road of a private request (`docs/protocol.md` clause 5): ready, authenticate, authorize, rate, open, parse, work,
 * seal, sign. What works at its end sees a caller and a parsed request, nothing of the wire. Plaintext has no road at all.
 */
import { withDeadline } from '../core/deadline.ts';
import { Refusal } from '../core/errors.ts';
import { REQUEST_MS_MAX, SIGNING_MS_MAX } from '../core/limits.ts';
import { hex, parseHex, parseUtf8 } from '../core/wire/bytes.ts';
import { encodeEnvelope, parseEnvelope } from '../core/wire/envelope.ts';
import { canonicalJson, parseJsonObject } from '../core/wire/json.ts';
import { readBody } from './body.ts';
import { authenticate, compareBody, signAnswer, signForPlatform, useUp } from './proofs.ts';
import { envelopeReply } from './reply.ts';
import type { Caller } from '../core/auth/standing.ts';
import type { Kms } from '../core/kms.ts';
import type { Json, JsonObject } from '../core/wire/json.ts';
import type { Proof } from './proofs.ts';
import type { Refuse } from './reply.ts';

/** What an endpoint does for a caller. Synchronous: judged and done in one stretch. */
export type Work = (kms: Kms, caller: Caller, request: JsonObject) => Json;

export interface Endpoint {
  readonly work: Work;
  readonly bodyBytesMax: number;
}

export function sealed(kms: Kms, endpoint: Endpoint): (request: Request, refuse: Refuse) => Promise<Response> {
  return (request, refuse) => withDeadline(kms.clock, REQUEST_MS_MAX, 'deadline_exceeded', travel(kms, endpoint, request, refuse));
}

async function travel(kms: Kms, endpoint: Endpoint, request: Request, refuse: Refuse): Promise<Response> {
  const signBeforeMs = kms.clock.elapsedMs() + REQUEST_MS_MAX - SIGNING_MS_MAX;
  requireServing(kms);
  const proof = authenticate(kms, request);
  const caller = await kms.authorizer.authorize(proof.wallet);
  const leftMs = signBeforeMs - kms.clock.elapsedMs();
  if (leftMs <= 0) throw new Refusal('deadline_exceeded', 'spent on judging the caller');
  // Before the proof is used up: an app over its rate costs no signature, and may send the same request again.
  if (!kms.callerRate.take(caller.wallet)) throw new Refusal('rate_limited', caller.wallet);
  useUp(kms, proof);
  const answer = withDeadline(kms.clock, leftMs, 'deadline_exceeded', admitted(kms, endpoint, request, proof, caller));
  // From here on the request was its sender's own, so an error is signed as well: nobody between can forge one.
  return proof.form === 'platform' ? await answer : await signAnswer(kms, proof, await answer.catch(refuse));
}

async function admitted(kms: Kms, { work, bodyBytesMax }: Endpoint, request: Request, proof: Proof, caller: Caller): Promise<Response> {
  const answer = kms.bodiesInFlight.hold(caller.wallet, bodyBytesMax, async () => {
    const parsed = parseJsonObject(await open(kms, caller, proof, request, bodyBytesMax));
    if (!parsed) throw new Refusal('request_malformed');
    // A body may take its time: who was good when it began must still be, and the node too.
    const current = await kms.authorizer.authorize(proof.wallet);
    requireServing(kms);
    return await answerSealed(kms, current, proof, work(kms, current, parsed));
  });
  if (!answer) throw new Refusal('rate_limited', `bodies in flight of ${caller.wallet}`);
  return await answer;
}

/** Throws the reason for which this node waits. */
export function requireServing(kms: Kms): void {
  const gate = kms.admission.gate();
  if (gate.kind === 'waiting') throw new Refusal(gate.reason, gate.detail);
}

async function open(kms: Kms, caller: Caller, proof: Proof, request: Request, bodyBytesMax: number): Promise<string> {
  const body = await readBody(request, 'application/json', bodyBytesMax, kms.clock);
  compareBody(proof, body);
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

async function answerSealed(kms: Kms, caller: Caller, proof: Proof, result: Json): Promise<Response> {
  const sealing = seal(kms, caller, result);
  if (proof.form === 'request') return envelopeReply(await sealing);
  const [envelope, signature] = await Promise.all([sealing, signForPlatform(kms, proof)]);
  return envelopeReply(envelope, signature);
}

async function seal(kms: Kms, caller: Caller, result: Json): Promise<string> {
  const recipient = parseHex(caller.teePubkey);
  if (!recipient) throw new Refusal('internal', 'a TEE key that is not hex');
  const envelope = await kms.box.seal(recipient, canonicalJson(result));
  if (hex(envelope.senderTeePubkey) !== kms.identity.teePubkey) throw new Refusal('odyn_unavailable', 'sealed by another key');
  return encodeEnvelope(envelope);
}
