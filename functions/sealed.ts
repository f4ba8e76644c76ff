/**
 * The one road of a private request (`docs/protocol.md` clause 5): ready, authenticate, authorize, rate, attested, open, parse, work,
 * wait, seal, sign. What works at its end sees a caller and what it asks, nothing of the wire. Plaintext has no road at all.
 */
import { withDeadline } from '../core/deadline.ts';
import { Refusal } from '../core/errors.ts';
import { BYTES_PER_REQUEST, REQUEST_MS_MAX, SIGNING_MS_MAX } from '../core/limits.ts';
import { hex, parseHex, parseUtf8 } from '../core/wire/bytes.ts';
import { encodeEnvelope, parseEnvelope } from '../core/wire/envelope.ts';
import { canonicalJson, parseJsonObject } from '../core/wire/json.ts';
import { envelopeReply } from './answers.ts';
import { readBody, roomFor } from './body.ts';
import { authenticate, compareBody, requireUnused, signAnswer, signForPlatform, useUp } from './proofs.ts';
import type { Caller } from '../core/auth/standing.ts';
import type { Kms } from '../core/kms.ts';
import type { Json, JsonObject } from '../core/wire/json.ts';
import type { Proof } from './proofs.ts';
import type { Refuse } from './reply.ts';
import type { Visit } from './visitors.ts';

export interface Outcome {
  /** 202: done here, and on fewer nodes than were asked for. */
  readonly status?: 200 | 202;
  readonly body: Json;
}

/** What a request may still take while it is worked on. */
export interface Allowance {
  /** Room for so many bytes of an answer until it is sent, of its caller's rate as well; false when there is none. */
  take(bytes: number): boolean;
  /** How long it may wait: half of what is left of its time, the other half is for sealing. */
  leftMs(): number;
}

/** What an endpoint does for a caller: judged and done in one stretch before anything is waited for. */
export type Work<Asked> = (kms: Kms, caller: Caller, asked: Asked, allowance: Allowance) => Outcome | Promise<Outcome>;

interface Purpose<Asked> {
  readonly work: Work<Asked>;
  /** Throws the reason for which this endpoint waits while others serve. */
  readonly requireMore?: (kms: Kms) => void;
  /** As how many requests of its caller's rate it counts when it costs more than one. */
  readonly countsAs?: number;
}

/** What it asks for stands in its sealed body. */
export interface Endpoint extends Purpose<JsonObject> {
  readonly bodyBytesMax: number;
}

/** It has no body: what it asks for stands in its URL, and only the answer is sealed. */
export type Query = Purpose<URL>;

type Sealed = Endpoint | Query;

const NO_BODY = new Uint8Array(0);

export function sealed(kms: Kms, endpoint: Sealed): (request: Request, visit: Visit) => Promise<Response> {
  return (request, visit) => withDeadline(kms.clock, REQUEST_MS_MAX, 'deadline_exceeded', travel(kms, endpoint, request, visit));
}

async function travel(kms: Kms, endpoint: Sealed, request: Request, visit: Visit): Promise<Response> {
  const signBeforeMs = kms.clock.elapsedMs() + REQUEST_MS_MAX - SIGNING_MS_MAX;
  requireServing(kms);
  const proof = authenticate(kms, request);
  const caller = await kms.authorizer.authorize(proof.wallet);
  requireUnused(kms, proof);
  if (signBeforeMs <= kms.clock.elapsedMs()) throw new Refusal('deadline_exceeded', 'spent on judging the caller');
  // Both before the proof is used up: a refusal costs no signature, and the same request may be sent again.
  const answer = kms.requestsInWork.hold(caller.wallet, 1, async () => {
    if (!kms.callerRate.take(caller.wallet, costOf(request, endpoint))) throw new Refusal('rate_limited', caller.wallet);
    // Only now: whoever replays or hurries, its own proofs or another's, pays with its address.
    visit.welcome();
    useUp(kms, proof);
    return await proven(kms, endpoint, request, proof, caller, signBeforeMs, visit.refuse);
  });
  if (!answer) throw new Refusal('busy', `requests in work of ${caller.wallet} or of all`);
  return await answer;
}

/** In small requests. */
function costOf(request: Request, endpoint: Sealed): number {
  const bytes = 'bodyBytesMax' in endpoint ? roomFor(request, endpoint.bodyBytesMax) : 0;
  return (endpoint.countsAs ?? 1) + Math.floor(bytes / BYTES_PER_REQUEST);
}

/** From here on the request was its sender's own, so an error is signed as well: nobody between can forge one. */
async function proven(
  kms: Kms,
  endpoint: Sealed,
  request: Request,
  proof: Proof,
  caller: Caller,
  endAtMs: number,
  refuse: Refuse,
): Promise<Response> {
  const leftMs = endAtMs - kms.clock.elapsedMs();
  const answer = withDeadline(kms.clock, leftMs, 'deadline_exceeded', admitted(kms, endpoint, request, proof, caller, endAtMs));
  return proof.form === 'platform' ? await answer : await signAnswer(kms, proof, await answer.catch(refuse));
}

async function admitted(kms: Kms, endpoint: Sealed, request: Request, proof: Proof, caller: Caller, endAtMs: number): Promise<Response> {
  // By now it costs nobody but its sender's wallet, and a refusal is signed: nobody between can ask for documents, or call them bad.
  kms.callerAttestations.require(caller, { header: request.headers.get('x-kms-attestation'), text: proof.text });
  const bodyBytes = 'bodyBytesMax' in endpoint ? roomFor(request, endpoint.bodyBytesMax) : 0;
  const answer = kms.bodiesInFlight.hold(caller.wallet, bodyBytes, async () => {
    // Only here, so that it is signed: whoever writes must know that this node did not.
    endpoint.requireMore?.(kms);
    const work = await prepared(kms, endpoint, request, proof, caller, bodyBytes);
    // A body may take its time: who was good when it began must still be, and the node too.
    const current = await kms.authorizer.authorize(proof.wallet);
    kms.callerAttestations.requireUnchanged(current);
    requireServing(kms);
    endpoint.requireMore?.(kms);
    let end = () => {};
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    try {
      const { status = 200, body } = await work(current, allowanceUntil(kms, current, ended, endAtMs));
      return await answerSealed(kms, current, proof, status, body);
    } finally {
      end();
    }
  });
  if (!answer) throw new Refusal('rate_limited', `bodies in flight of ${caller.wallet}`);
  return await answer;
}

function allowanceUntil({ bodiesInFlight, callerRate, clock }: Kms, { wallet }: Caller, ended: Promise<void>, endAtMs: number): Allowance {
  return {
    take: (bytes) =>
      callerRate.take(wallet, Math.floor(bytes / BYTES_PER_REQUEST)) && bodiesInFlight.hold(wallet, bytes, () => ended) !== undefined,
    leftMs: () => Math.max(0, Math.floor((endAtMs - clock.elapsedMs()) / 2)),
  };
}

/** The work with what it was asked; nothing of it has begun. */
async function prepared(
  kms: Kms,
  endpoint: Sealed,
  request: Request,
  proof: Proof,
  caller: Caller,
  bodyBytes: number,
): Promise<(caller: Caller, allowance: Allowance) => Outcome | Promise<Outcome>> {
  if (!('bodyBytesMax' in endpoint)) {
    compareBody(proof, NO_BODY);
    const url = new URL(request.url);
    return (current, allowance) => endpoint.work(kms, current, url, allowance);
  }
  const parsed = parseJsonObject(await open(kms, caller, proof, request, bodyBytes));
  if (!parsed) throw new Refusal('request_malformed');
  return (current, allowance) => endpoint.work(kms, current, parsed, allowance);
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

async function answerSealed(kms: Kms, caller: Caller, proof: Proof, status: 200 | 202, result: Json): Promise<Response> {
  const sealing = seal(kms, caller, result);
  if (proof.form === 'request') return envelopeReply(status, await sealing);
  const [envelope, signature] = await Promise.all([sealing, signForPlatform(kms, proof)]);
  return envelopeReply(status, envelope, signature);
}

async function seal(kms: Kms, caller: Caller, result: Json): Promise<string> {
  const recipient = parseHex(caller.teePubkey);
  if (!recipient) throw new Refusal('internal', 'a TEE key that is not hex');
  const envelope = await kms.box.seal(recipient, canonicalJson(result));
  if (hex(envelope.senderTeePubkey) !== kms.identity.teePubkey) throw new Refusal('odyn_unavailable', 'sealed by another key');
  return encodeEnvelope(envelope);
}
