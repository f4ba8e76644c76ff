/**
 * What leaves the node when something is refused. One table maps every reason to its status, code and public message (`docs/protocol.md`
 * clause 10); the compiler checks that none is missing. Details stay in the log, under the request id. Anything unexpected is a blank 500.
 */
import { Refusal } from '../core/errors.ts';
import { jsonReply } from './answers.ts';
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
  | 'precondition_failed'
  | 'payload_too_large'
  | 'unsupported_media_type'
  | 'rate_limited'
  | 'internal_error'
  | 'service_unavailable'
  | 'insufficient_storage';

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
    'The proof was refused. Sign with the wallet that the registry binds to an ACTIVE, verified instance: either the request itself (ERC-8128, for this node’s registered URL and chain, each nonce once), or NovaKMS:AppAuth:<fresh nonce of this node>:<node wallet as /status shows it>:<unix seconds now>. What operators see is shown to the account that registered this node, and to the owner of KMSRegistry: by ERC-8128 alone. The node’s log has the cause under this request id.',
};

const failed = 'The node failed to answer. Its log has the cause under this request id.';
const internal: Wire = { status: 500, code: 'internal_error', shownAs: 'internal', message: failed };

function unready(message: string): Wire {
  return { status: 503, code: 'service_unavailable', message };
}

function badRequest(message: string): Wire {
  return { status: 400, code: 'bad_request', message };
}

function tooLarge(message: string): Wire {
  return { status: 413, code: 'payload_too_large', message };
}

function full(message: string): Wire {
  return { status: 507, code: 'insufficient_storage', message };
}

function refused(status: number, code: Code, message: string): Wire {
  return { status, code, message };
}

const peerRefused = refused(403, 'forbidden', 'Only members of this cluster speak here, each with its own wallet.');

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
  not_eligible: unready('This node’s version is deprecated: no peer hands it a secret, and of votes it signs vetoes alone.'),
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
  operator_unknown: proofRefused,

  not_found: { status: 404, code: 'not_found', message: 'No such endpoint. GET / lists them.' },
  method_not_allowed: refused(405, 'method_not_allowed', 'This endpoint does not take that method; the Allow header names those it does.'),
  url_too_long: { status: 414, code: 'bad_request', message: 'The URL is longer than any endpoint reads.' },
  content_type_refused: {
    status: 415,
    code: 'unsupported_media_type',
    message: 'The body must be application/json (on /sync application/cbor for a hello, application/octet-stream for a frame).',
  },
  body_too_large: tooLarge('The body is larger than this endpoint reads, or than its Content-Length.'),
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
    'The request has a field that this endpoint does not know. derive takes path, context, length and epoch; sign_cert takes csr and either ttl_seconds or validity_days; of data, PUT takes key, value, ttl_ms, if_version, min_replicas and when_full, DELETE takes key, if_version and min_replicas, and the query of GET takes prefix, limit and cursor; batch takes operations and min_replicas, and an operation takes op and what PUT, DELETE or GET take, but for min_replicas; the query of /audit takes from and limit; a vote takes purpose, subject and valid_until_block.',
  ),
  path_malformed: badRequest("'path' must be a text of 1 to 256 bytes of UTF-8 without control characters"),
  context_malformed: badRequest("'context' must be a text of at most 256 bytes of UTF-8 without control characters"),
  length_malformed: badRequest("'length' must be an integer in range 1..1024"),
  epoch_malformed: badRequest('\'epoch\' must be a number of an epoch or "current"'),
  epoch_unknown: { status: 404, code: 'not_found', message: 'No such epoch.' },
  epoch_retired: { status: 410, code: 'gone', message: 'That epoch was retired; its keys are no longer derived.' },
  csr_too_large: tooLarge('The CSR is larger than 16 KiB.'),
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
  key_malformed: badRequest(
    "'key' must be a text of 1 to 512 bytes of UTF-8 without control characters; in a path, percent-encoded after /kms/data/",
  ),
  key_not_found: { status: 404, code: 'not_found', message: 'Key not found, or its value has expired.' },
  value_malformed: badRequest("'value' must be standard base64 with padding"),
  value_too_large: tooLarge("'value' must be at most 1048576 bytes, decoded"),
  ttl_malformed: badRequest("'ttl_ms' must be an integer in range 1..315360000000, or 0 for a value that does not expire"),
  version_malformed: badRequest("'if_version' must be a version as an answer names it, or null where nothing may be"),
  version_conflict: {
    status: 412,
    code: 'precondition_failed',
    message: "Another version is there: 'current_version', or none when that is null. Read it and decide anew.",
  },
  min_replicas_malformed: badRequest('\'min_replicas\' must be an integer in range 1..512, or "majority"'),
  when_full_malformed: badRequest('\'when_full\' must be "refuse" or "evict"'),
  prefix_malformed: badRequest("'prefix' must be a text of at most 512 bytes of UTF-8 without control characters, named once"),
  limit_malformed: badRequest("'limit' must be an integer in range 1..10000"),
  from_malformed: badRequest("'from' must be the number of a record, 1 or more"),
  cursor_malformed: badRequest("'cursor' is none that was given to this app for this prefix. List again from the start."),
  operations_malformed: badRequest("'operations' must be a list of 1 to 256 objects, each with an 'op' that is put, get, delete or list"),
  purpose_malformed: badRequest("'purpose' must be veto, rotate or remove_measurement"),
  subject_malformed: badRequest(
    "'subject' must be, of a veto, the number of the change as a text of decimal digits; of a rotation, the number of the epoch that it opens; of a removal, the measurement as 0x and 64 hex digits",
  ),
  valid_until_malformed: badRequest("'valid_until_block' must be the number of a block after this node’s head, 600 after it at most"),
  attestation_nonce_malformed: badRequest("'nonce' must be 16 to 64 bytes as lower-case hex, named once and beside nothing else"),
  attestation_required: refused(403, 'forbidden', 'An instance proves itself first here: X-KMS-Attestation bears this proof’s document.'),
  attestation_refused: refused(403, 'forbidden', 'The document is not one, for this proof, of what the registry says this instance runs.'),
  answer_too_large: tooLarge('The answer to this batch is full. Ask for the rest in another.'),
  quota_exceeded: full(
    "The app's quota has no room: 'used_bytes' of 'quota_bytes' are used and 'needed_bytes' more are needed. Delete keys, or put with when_full \"evict\".",
  ),
  tombstones_full: full(
    'Too many deleted or expired keys of this app wait until every member knows of them. Write to keys that are there, or wait.',
  ),
  store_full: full('This node has no room for more data of any app. Delete keys, or tell the operators.'),
  clock_unusable: unready('This node’s clock is behind the records that it holds. Try another node.'),
  data_catching_up: unready('This node has not caught up with the data of the others yet. Try another node.'),
  rate_limited: { status: 429, code: 'rate_limited', message: 'Rate limit exceeded. Wait a moment and try again.' },
  busy: unready('This node works on as many requests as it takes at once. Try again in a moment, or another node.'),
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
  peer_not_attested: refused(403, 'forbidden', 'The attestation document is not one of what the chain says this member runs.'),
  peer_unreachable: internal,
  peer_answer_odd: internal,
  session_unknown: refused(409, 'forbidden', 'This session is not known here; say hello again.'),
  frame_malformed: refused(400, 'bad_request', 'Not a hello or frame of this protocol.'),
  frame_too_deep: refused(400, 'bad_request', 'Lists and maps in a hello or frame are nested 8 deep at most.'),
  frame_too_full: refused(400, 'bad_request', 'A hello or frame holds at most 100,000 values.'),
  frame_unauthentic: refused(403, 'forbidden', 'The frame does not open under its session.'),
  frame_replayed: refused(403, 'forbidden', 'The frame’s counter was used already.'),
  cursor_ahead: refused(403, 'forbidden', 'No change here has that number yet.'),
  handover_not_eligible: refused(403, 'forbidden', 'Secrets are handed to eligible operators only.'),
  handover_not_held: refused(404, 'not_found', 'This node holds no secret of that epoch and hash.'),
  handover_rate_limited: refused(429, 'rate_limited', 'Too many handovers for one member.'),

  url_refused_outbound: internal,
  address_refused_outbound: internal,
  outbound_timeout: internal,
  outbound_failed: internal,
  outbound_too_large: internal,
  outbound_redirect: internal,
} as const satisfies Record<Reason, Wire>;

/** Writes an error to the log and answers with its row of the table. */
export type Refuse = (error: unknown) => Response;

/** The public face of a reason: status, code, reason and message. */
export function wireOf(reason: Reason): Wire & { readonly reason: string } {
  const wire: Wire = table[reason];
  return { ...wire, reason: wire.shownAs ?? reason };
}

/** What a refusal tells, wherever it stands; its facts never take the place of the rest. */
export function refusalBody(refusal: Refusal): { readonly status: number; readonly body: { readonly [name: string]: Json } } {
  const { status, code, reason, message } = wireOf(refusal.reason);
  return { status, body: { ...refusal.facts, code, reason, message } };
}

export function refusalReply(refusal: Refusal, requestId: string): Response {
  const { status, body } = refusalBody(refusal);
  const retry = status === 429 || status === 503 ? { 'retry-after': '2' } : {};
  return jsonReply(status, { ...body, request_id: requestId }, retry);
}

/** `/ready` of a node that does not serve. */
export function notReadyReply(reasonGiven: Reason, isDataReady = false): Response {
  const { status, code, reason, message } = wireOf(reasonGiven);
  return jsonReply(status, { ready: false, data_ready: isDataReady, code, reason, message }, { 'retry-after': '2' });
}
