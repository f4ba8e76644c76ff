/**
 * What leaves the node. One table maps every reason to its status, code and public message (`docs/protocol.md` clause 10); the
 * compiler checks that none is missing. Details stay in the log, under the request id. Anything unexpected is a blank 500.
 */
import { Refusal } from '../core/errors.ts';
import { BUNDLE_CACHED_SECONDS } from '../core/limits.ts';
import { canonicalJson } from '../core/wire/json.ts';
import type { Reason } from '../core/errors.ts';
import type { Json } from '../core/wire/json.ts';

type Code =
  | 'bad_request'
  | 'unauthorized'
  | 'forbidden'
  | 'not_found'
  | 'method_not_allowed'
  | 'request_timeout'
  | 'gone'
  | 'payload_too_large'
  | 'unsupported_media_type'
  | 'rate_limited'
  | 'internal_error'
  | 'service_unavailable';

interface Wire {
  readonly status: number;
  readonly code: Code;
  /** Shown instead of the reason where the reason itself would tell an attacker something. */
  readonly shownAs?: string;
  readonly message: string;
}

const proofRefused: Wire = {
  status: 403,
  code: 'unauthorized',
  shownAs: 'proof_refused',
  message:
    'The proof was refused. Sign with the wallet that the registry binds to an ACTIVE, verified instance: either the request itself (ERC-8128, for this node’s registered URL and chain, each nonce once), or NovaKMS:AppAuth:<fresh nonce of this node>:<node wallet as /status shows it>:<unix seconds now>. The node’s log has the cause under this request id.',
};

const internal: Wire = {
  status: 500,
  code: 'internal_error',
  shownAs: 'internal',
  message: 'The node failed to answer. Its log has the cause under this request id.',
};

function unready(message: string): Wire {
  return { status: 503, code: 'service_unavailable', message };
}

function badRequest(message: string): Wire {
  return { status: 400, code: 'bad_request', message };
}

function badPeer(status: number, code: Code, message: string): Wire {
  return { status, code, message };
}

const peerRefused = badPeer(403, 'forbidden', 'Only members of this cluster speak here, each with its own wallet.');

const table = {
  starting: unready('The node is starting: it has not finished its first look at the chain.'),
  zero_wallet: unready('The enclave has no wallet, so this node refuses to start.'),
  odyn_unreachable: unready('The enclave’s Odyn does not answer.'),
  wallet_changed: unready('The enclave’s wallet is not the one this node was started with; it must be restarted.'),
  chain_unreadable: unready('The chain could not be read yet.'),
  chain_stale: unready('The newest readable block is too old; the node waits for the chain to move on.'),
  chain_clock_ahead: unready('The newest block is in the future of this node’s clock.'),
  chain_mismatch: unready('The chain’s registry does not match the network profile of this build.'),
  not_registered: unready('This node’s wallet is not in the operator set at a confirmed block.'),
  not_live: unready(
    'This node’s instance is not live: stopped, superseded, unverified, on a revoked version or of a build that is not approved.',
  ),
  tee_key_mismatch: unready('The registry holds another TEE key for this node’s wallet.'),
  url_refused: unready('The URL registered for this node is not allowed by the network profile.'),
  genesis_not_open: unready('The cluster’s first epoch is not open yet: its owner calls openGenesis() when enough operators are live.'),
  awaiting_proposal: unready('An epoch is open; its proposer has not offered a secret yet.'),
  collecting_endorsements: unready('A secret is proposed; a majority of operators has not endorsed it yet.'),
  awaiting_activation: unready('A majority has endorsed; the activation is not confirmed on chain yet.'),
  not_eligible: unready('This node’s version is deprecated, so no peer hands it a secret.'),
  fetching_secret: unready('The node waits for a peer to hand over the cluster’s secret.'),
  cluster_reset: unready('The cluster was reset and waits for its owner to open a new epoch.'),

  proof_missing: proofRefused,
  proof_form_refused: proofRefused,
  proof_ambiguous: proofRefused,
  timestamp_malformed: proofRefused,
  timestamp_stale: proofRefused,
  nonce_malformed: proofRefused,
  nonce_unknown: proofRefused,
  nonce_expired: proofRefused,
  nonce_replayed: proofRefused,
  signature_malformed: proofRefused,
  signature_invalid: proofRefused,
  component_missing: proofRefused,
  chain_id_mismatch: proofRefused,
  wallet_mismatch: proofRefused,
  instance_unknown: proofRefused,
  instance_not_active: proofRefused,
  instance_not_verified: proofRefused,
  app_not_active: proofRefused,
  version_not_allowed: proofRefused,

  not_found: { status: 404, code: 'not_found', message: 'No such endpoint. GET / lists them.' },
  method_not_allowed: {
    status: 405,
    code: 'method_not_allowed',
    message: 'This endpoint does not take that method; the Allow header names those it does.',
  },
  url_too_long: { status: 414, code: 'bad_request', message: 'The URL is longer than any endpoint reads.' },
  content_type_refused: {
    status: 415,
    code: 'unsupported_media_type',
    message: 'The body must be application/json (on /sync application/cbor for a hello, application/octet-stream for a frame).',
  },
  body_too_large: { status: 413, code: 'payload_too_large', message: 'The body is larger than this endpoint reads.' },
  body_timeout: { status: 408, code: 'request_timeout', message: 'The body did not arrive in time.' },
  body_malformed: badRequest('The body is not well-formed UTF-8 JSON.'),
  digest_mismatch: badRequest('The body is not the one whose Content-Digest was signed.'),
  plaintext_refused: badRequest('Request must be E2E encrypted. Plaintext fallback is disabled.'),
  envelope_malformed: badRequest('The envelope needs sender_tee_pubkey, nonce (12 bytes) and encrypted_data, each as hex.'),
  envelope_sender_mismatch: { status: 403, code: 'forbidden', message: 'sender_tee_pubkey does not match on-chain registration' },
  envelope_replayed: badRequest('This envelope was used already. Encrypt each request anew.'),
  envelope_unopenable: badRequest(
    'The envelope does not open. Encrypt to the tee_pubkey in /status, with the key schedule of this platform generation.',
  ),
  request_malformed: badRequest('The decrypted request is not a JSON object.'),
  field_unknown: badRequest(
    'The request has a field that this endpoint does not know. derive takes path, context, length and epoch; sign_cert takes csr and either ttl_seconds or validity_days.',
  ),
  path_malformed: badRequest("'path' must be a text of 1 to 256 bytes of UTF-8 without control characters"),
  context_malformed: badRequest("'context' must be a text of at most 256 bytes of UTF-8 without control characters"),
  length_malformed: badRequest("'length' must be an integer in range 1..1024"),
  epoch_malformed: badRequest('\'epoch\' must be a number of an epoch or "current"'),
  epoch_unknown: { status: 404, code: 'not_found', message: 'No such epoch.' },
  epoch_retired: { status: 410, code: 'gone', message: 'That epoch was retired; its keys are no longer derived.' },
  csr_too_large: { status: 413, code: 'payload_too_large', message: 'The CSR is larger than 16 KiB.' },
  csr_malformed: badRequest(
    'The CSR is not one certification request (RFC 2986): DER without anything after it, or PEM with one block CERTIFICATE REQUEST and nothing else.',
  ),
  csr_key_refused: badRequest(
    'The CSR has a key that gets no certificate here. It may be P-256 or P-384 (uncompressed), Ed25519, or RSA of 2048 to 8192 bits with an odd exponent from 65537 to 2147483647.',
  ),
  csr_algorithm_refused: badRequest(
    'The CSR is signed with an algorithm that is not taken, or that is not one of its key. Taken are ECDSA and RSA PKCS1 v1.5 with SHA-256, SHA-384 or SHA-512, and Ed25519.',
  ),
  csr_signature_invalid: badRequest('CSR signature is invalid'),
  validity_malformed: badRequest(
    "The validity is either 'ttl_seconds', an integer in range 300..7776000, or 'validity_days', an integer in range 1..90, not both.",
  ),
  validity_beyond_ca: badRequest('The certificate would outlive its CA. Ask for a shorter validity.'),
  rate_limited: { status: 429, code: 'rate_limited', message: 'Rate limit exceeded. Wait a moment and try again.' },
  replay_memory_full: {
    status: 429,
    code: 'rate_limited',
    message: 'Too many requests of this wallet are remembered. Wait some minutes, or use another node.',
  },
  deadline_exceeded: unready('The request took too long. Try again, or another node.'),
  odyn_unavailable: unready('The enclave’s Odyn did not answer. Try another node.'),
  chain_unavailable: unready('The chain could not be read to judge the caller. Try another node.'),
  internal,

  peer_not_member: peerRefused,
  peer_proof_refused: peerRefused,
  peer_unreachable: internal,
  peer_answer_odd: internal,
  session_unknown: badPeer(409, 'forbidden', 'This session is not known here; say hello again.'),
  frame_malformed: badPeer(400, 'bad_request', 'Not a hello or frame of this protocol.'),
  frame_unauthentic: badPeer(403, 'forbidden', 'The frame does not open under its session.'),
  frame_replayed: badPeer(403, 'forbidden', 'The frame’s counter was used already.'),
  handover_not_eligible: badPeer(403, 'forbidden', 'Secrets are handed to eligible operators only.'),
  handover_rate_limited: badPeer(429, 'rate_limited', 'Too many handovers for one member.'),

  url_refused_outbound: internal,
  outbound_timeout: internal,
  outbound_failed: internal,
  outbound_too_large: internal,
  outbound_redirect: internal,
} as const satisfies Record<Reason, Wire>;

const HEADERS = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' };

export function jsonReply(status: number, body: Json, headers: Readonly<Record<string, string>> = {}): Response {
  return new Response(canonicalJson(body), { status, headers: { 'content-type': 'application/json', ...HEADERS, ...headers } });
}

export function bytesReply(body: Uint8Array, contentType: string, headers: Readonly<Record<string, string>> = {}): Response {
  return new Response(body as Uint8Array<ArrayBuffer>, { headers: { 'content-type': contentType, ...HEADERS, ...headers } });
}

/** What anybody may keep for a while; `Accept` decides its form. */
export function cacheableReply(contentType: string, body: string): Response {
  const cached = { 'cache-control': `public, max-age=${BUNDLE_CACHED_SECONDS}`, vary: 'accept' };
  return new Response(body, { headers: { 'content-type': contentType, ...HEADERS, ...cached } });
}

/** A sealed answer; with the platform's response signature when the proof was the platform's. */
export function envelopeReply(envelope: string, platformSignature?: string): Response {
  const signed = platformSignature === undefined ? {} : { 'x-kms-response-signature': platformSignature };
  return new Response(envelope, { headers: { 'content-type': 'application/json', ...HEADERS, ...signed } });
}

/** Writes an error to the log and answers with its row of the table. */
export type Refuse = (error: unknown) => Response;

/** The public face of a reason: status, code, reason and message. */
export function wireOf(reason: Reason): Wire & { readonly reason: string } {
  const wire: Wire = table[reason];
  return { ...wire, reason: wire.shownAs ?? reason };
}

export function refusalReply(refusal: Refusal, requestId: string): Response {
  const { status, code, reason, message } = wireOf(refusal.reason);
  const retry = status === 429 || status === 503 ? { 'retry-after': '2' } : {};
  return jsonReply(status, { code, reason, message, request_id: requestId }, retry);
}

/** `/ready` of a node that does not serve. */
export function notReadyReply(reasonGiven: Reason): Response {
  const { status, code, reason, message } = wireOf(reasonGiven);
  return jsonReply(status, { ready: false, code, reason, message }, { 'retry-after': '2' });
}
