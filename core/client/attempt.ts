/**
 * One try at one node: seal, prove, send, and believe the answer only once its signature, its sender and its seal are the
 * node's. Everything is made anew for every node and every try. Ends with the opened answer, with an `AttemptFailed` (another
 * node may do better), or with the node's own signed refusal of the request, which every node would repeat.
 */
import { p384PointOf } from '../crypto/spki.ts';
import { Refusal } from '../errors.ts';
import { CLIENT_ANSWER_BYTES_MAX } from '../limits.ts';
import { hex, parseHex, parseUtf8, utf8 } from '../wire/bytes.ts';
import { encodeEnvelope, parseEnvelope } from '../wire/envelope.ts';
import { parseJsonObject } from '../wire/json.ts';
import { AttemptFailed, DocumentAsked, KmsError, printable } from './error.ts';
import { ANSWERED } from './proofs.ts';
import type { RequestReason } from '../errors.ts';
import type { Box, OutboundAnswer, OutboundRequest } from '../ports.ts';
import type { JsonObject } from '../wire/json.ts';
import type { AttemptOutcome } from './error.ts';
import type { Known, LiveNode } from './directory.ts';
import type { ProofLimits, Prove, ProverDependencies, Proven } from './proofs.ts';

export interface AttemptDependencies extends ProverDependencies {
  readonly prove: Prove;
  readonly box: Pick<Box, 'seal' | 'open'>;
  /** Called when the request is about to leave. */
  readonly onSend?: () => void;
}

export interface KmsRequest {
  readonly method: OutboundRequest['method'];
  /** With its query, if it has one. */
  readonly path: string;
  /** Canonical JSON of an object, sealed to each node; a `GET` has none. */
  readonly plaintext: string | undefined;
}

/** What is asked for: when it can be given, and what an answer to it is. */
export interface Purpose<T> {
  /** Before a node is asked. Throws a `KmsError` for what no node can give. */
  readonly require?: (known: Known) => Promise<void>;
  /** Throws `AttemptFailed` for an answer to something else. */
  readonly read: (answer: JsonObject, known: Known, node: LiveNode, limits: ProofLimits) => Promise<T> | T;
  /** Called when a try is about to leave; what it answers, when that try ended with proof that its node did nothing. */
  readonly onSend?: () => () => void;
}

/**
 * The signed refusals that end a call: each says something of the sealed plaintext alone, which nobody between can alter, by rules that
 * need neither a clock nor the chain (a cursor needs the key of its epoch, which every node that serves holds). Every other one leads to
 * the next node, also one that is added later. A host brings about refusals of the body as it arrived (altered, swollen, cut short, held
 * back); the rest are one node's view of the chain, its clock, its memory or its load.
 */
const FINAL: ReadonlySet<string> = new Set([
  'request_malformed',
  'field_unknown',
  'path_malformed',
  'context_malformed',
  'length_malformed',
  'epoch_malformed',
  'csr_too_large',
  'csr_malformed',
  'csr_key_refused',
  'csr_algorithm_refused',
  'csr_signature_invalid',
  'validity_malformed',
  'key_malformed',
  'value_malformed',
  'value_too_large',
  'ttl_malformed',
  'version_malformed',
  'min_replicas_malformed',
  'when_full_malformed',
  'prefix_malformed',
  'limit_malformed',
  'cursor_malformed',
  'operations_malformed',
] satisfies RequestReason[]);

/**
 * The other signed refusals that are given before anything is done. A node signs one answer to one signature, so whoever brings one of
 * these about has spoilt the request for good. Of any other refusal, and of silence, nobody knows what was done.
 */
const UNDONE: ReadonlySet<string> = new Set([
  'content_type_refused',
  'body_too_large',
  'body_timeout',
  'body_malformed',
  'digest_mismatch',
  'plaintext_refused',
  'envelope_malformed',
  'envelope_sender_mismatch',
  'envelope_replayed',
  'envelope_unopenable',
  'attestation_required',
  'attestation_refused',
  'rate_limited',
  'replay_memory_full',
  'chain_unavailable',
  'data_catching_up',
] satisfies RequestReason[]);

export async function attempt(
  dependencies: AttemptDependencies,
  node: LiveNode,
  { method, path, plaintext }: KmsRequest,
  limits: ProofLimits,
): Promise<JsonObject> {
  const { box, prove, fetch, onSend } = dependencies;
  try {
    const body = plaintext === undefined ? undefined : utf8(encodeEnvelope(await box.seal(teeKeyOf(node), plaintext)));
    const request = { method, url: new URL(`${node.url}${path}`).href, body };
    const proven = await prove(dependencies, node, request, limits);
    onSend?.();
    const answer = await fetch(
      { url: request.url, method, headers: proven.headers, ...(body && { body }) },
      { ...limits, bodyBytesMax: CLIENT_ANSWER_BYTES_MAX },
    );
    believe(node, proven, answer);
    return await openAnswer(box, node, answer.body);
  } catch (error) {
    throw error instanceof Refusal ? failureOf(error) : error;
  }
}

/** The registry's bytes: whoever registers an operator writes them. */
function teeKeyOf({ teePubkey }: LiveNode): Uint8Array {
  const key = parseHex(teePubkey);
  if (!key || !p384PointOf(key)) throw new AttemptFailed('unopenable', 'has no P-384 key in the registry');
  return key;
}

function believe(node: LiveNode, proven: Proven, answer: OutboundAnswer): void {
  const complaint = proven.complaint(answer);
  if (complaint !== undefined) {
    const claimed = ANSWERED.has(answer.status) ? '' : `; it claims ${answer.status} ${reasonOf(answer) ?? ''}`.trimEnd();
    const Failure = reasonOf(answer) === 'attestation_required' ? DocumentAsked : AttemptFailed;
    throw new Failure('unproven', `the answer ${complaint}${claimed}`);
  }
  if (!ANSWERED.has(answer.status)) throw refusalOf(node, answer);
}

/** A refusal that the node signed. */
function refusalOf(node: LiveNode, answer: OutboundAnswer): Error {
  const { status } = answer;
  const reason = reasonOf(answer) ?? 'unknown';
  const Failure = reason === 'attestation_required' ? DocumentAsked : AttemptFailed;
  if (!FINAL.has(reason)) return new Failure('refused', `refuses with ${status} ${reason}`, undefined, UNDONE.has(reason));
  const told = parseJsonObject(parseUtf8(answer.body) ?? '')?.['message'];
  const message = typeof told === 'string' ? printable(told) : 'It gave no message.';
  return new KmsError('refused', `The cluster refuses this request (${status} ${reason}): ${message}`, {
    reason,
    status,
    attempts: [{ node: node.wallet, url: node.url, outcome: 'refused', detail: `refuses with ${status} ${reason}` }],
  });
}

function reasonOf({ body }: OutboundAnswer): string | undefined {
  const reason = parseJsonObject(parseUtf8(body) ?? '')?.['reason'];
  return typeof reason === 'string' && /^[a-z_]{1,40}$/.test(reason) ? reason : undefined;
}

async function openAnswer(box: Pick<Box, 'open'>, node: LiveNode, body: Uint8Array): Promise<JsonObject> {
  const outcome = parseEnvelope(parseUtf8(body) ?? '');
  if (outcome.kind !== 'envelope') throw new AttemptFailed('unopenable', 'the answer is no envelope');
  if (hex(outcome.envelope.senderTeePubkey) !== node.teePubkey)
    throw new AttemptFailed('unopenable', 'the answer is sealed by another key than the registry names');
  const opened = parseJsonObject(await box.open(outcome.envelope));
  if (!opened) throw new AttemptFailed('other_answer', 'the sealed answer is no JSON object');
  return opened;
}

const OUTCOMES: Readonly<Record<string, readonly [AttemptOutcome, string]>> = {
  outbound_timeout: ['timeout', 'did not answer in time'],
  outbound_failed: ['unreachable', 'could not be reached'],
  outbound_too_large: ['too_large', 'answered more than an answer can be'],
  outbound_redirect: ['redirect', 'sent us elsewhere, which is not followed'],
  envelope_unopenable: ['unopenable', 'the answer does not open: another key schedule, or sealed to another key'],
};

/** What the ports could not do. Odyn's own refusals count against the attempt: a registered key may be no key at all. */
export function failureOf(refusal: Refusal): AttemptFailed {
  const [outcome, detail] = OUTCOMES[refusal.reason] ?? ['enclave', `this app’s own enclave failed: ${printable(refusal.message)}`];
  return new AttemptFailed(outcome, detail, refusal);
}
