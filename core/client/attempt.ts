/**
 * One try at one node: seal, prove, send, and believe the answer only once its signature, its sender and its seal are the
 * node's. Everything is made anew for every node and every try. Ends with the opened answer, with an `AttemptFailed` (another
 * node may do better), or with the node's own signed refusal of the request, which every node would repeat.
 */
import { Refusal } from '../errors.ts';
import { CLIENT_ANSWER_BYTES_MAX } from '../limits.ts';
import { hex, parseHex, parseUtf8, utf8 } from '../wire/bytes.ts';
import { encodeEnvelope, parseEnvelope } from '../wire/envelope.ts';
import { parseJsonObject } from '../wire/json.ts';
import { AttemptFailed, KmsError, printable } from './error.ts';
import { teePointOf } from './keys.ts';
import type { RequestReason } from '../errors.ts';
import type { Box, OutboundAnswer } from '../ports.ts';
import type { JsonObject } from '../wire/json.ts';
import type { AttemptOutcome } from './error.ts';
import type { LiveNode } from './directory.ts';
import type { ProofLimits, Prove, ProverDependencies, Proven } from './proofs.ts';

export interface AttemptDependencies extends ProverDependencies {
  readonly prove: Prove;
  readonly box: Pick<Box, 'seal' | 'open'>;
}

export interface KmsRequest {
  readonly method: 'GET' | 'POST';
  /** With its query, if it has one. */
  readonly path: string;
  /** Canonical JSON of an object, sealed to each node; a `GET` has none. */
  readonly plaintext: string | undefined;
}

/**
 * The signed refusals that end a call: each says something of the sealed plaintext alone, which nobody between can alter, by
 * rules that need neither a clock nor the chain. Every other one leads to the next node, also one that is added later. A host
 * brings about refusals of the body as it arrived (altered, swollen, cut short, held back); the rest are one node's view of the
 * chain, its clock, its memory or its load.
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
] satisfies RequestReason[]);

export async function attempt(
  dependencies: AttemptDependencies,
  node: LiveNode,
  { method, path, plaintext }: KmsRequest,
  limits: ProofLimits,
): Promise<JsonObject> {
  const { box, prove, fetch } = dependencies;
  try {
    const body = plaintext === undefined ? undefined : utf8(encodeEnvelope(await box.seal(teeKeyOf(node), plaintext)));
    const request = { method, url: new URL(`${node.url}${path}`).href, body };
    const proven = await prove(dependencies, node, request, limits);
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
  if (!key || !teePointOf(key)) throw new AttemptFailed('unopenable', 'has no P-384 key in the registry');
  return key;
}

function believe(node: LiveNode, proven: Proven, answer: OutboundAnswer): void {
  const complaint = proven.complaint(answer);
  if (complaint !== undefined) {
    const claimed = answer.status === 200 ? '' : `; it claims ${answer.status} ${reasonOf(answer) ?? ''}`.trimEnd();
    throw new AttemptFailed('unproven', `the answer ${complaint}${claimed}`);
  }
  if (answer.status !== 200) throw refusalOf(node, answer);
}

/** A refusal that the node signed. */
function refusalOf(node: LiveNode, answer: OutboundAnswer): Error {
  const { status } = answer;
  const reason = reasonOf(answer) ?? 'unknown';
  if (!FINAL.has(reason)) return new AttemptFailed('refused', `refuses with ${status} ${reason}`);
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
function failureOf(refusal: Refusal): AttemptFailed {
  const [outcome, detail] = OUTCOMES[refusal.reason] ?? ['enclave', `this app’s own enclave failed: ${printable(refusal.message)}`];
  return new AttemptFailed(outcome, detail, refusal);
}
