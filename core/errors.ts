/**
 * Expected failures, as one closed union. `functions/reply.ts` maps each to what the outside may learn; the detail goes
 * to the log only and never holds a secret.
 */

/** Why this node does not serve. Visible at `/ready`; each has its row in `docs/operations.md`. */
export type UnreadyReason =
  | 'starting'
  | 'zero_wallet'
  | 'odyn_unreachable'
  | 'wallet_changed'
  | 'chain_unreadable'
  | 'chain_stale'
  | 'chain_clock_ahead'
  | 'chain_mismatch'
  | 'not_registered'
  | 'not_live'
  | 'tee_key_mismatch'
  | 'url_refused'
  | 'genesis_not_open'
  | 'awaiting_proposal'
  | 'collecting_endorsements'
  | 'awaiting_activation'
  | 'not_eligible'
  | 'fetching_secret'
  | 'cluster_reset';

/** Why a proof or its bearer was refused. All of them look the same from outside. */
export type ProofReason =
  | 'proof_missing'
  | 'proof_form_refused'
  | 'proof_ambiguous'
  | 'timestamp_malformed'
  | 'timestamp_stale'
  | 'nonce_malformed'
  | 'nonce_unknown'
  | 'nonce_expired'
  | 'nonce_replayed'
  | 'signature_malformed'
  | 'signature_invalid'
  | 'component_missing'
  | 'chain_id_mismatch'
  | 'wallet_mismatch'
  | 'instance_unknown'
  | 'instance_not_active'
  | 'instance_not_verified'
  | 'app_not_active'
  | 'version_not_allowed'
  | 'operator_unknown';

/** Why a request is not done, or cannot be now. */
export type RequestReason =
  | 'not_found'
  | 'method_not_allowed'
  | 'url_too_long'
  | 'content_type_refused'
  | 'body_too_large'
  | 'body_timeout'
  | 'body_malformed'
  | 'digest_mismatch'
  | 'plaintext_refused'
  | 'envelope_malformed'
  | 'envelope_sender_mismatch'
  | 'envelope_replayed'
  | 'envelope_unopenable'
  | 'request_malformed'
  | 'field_unknown'
  | 'path_malformed'
  | 'context_malformed'
  | 'length_malformed'
  | 'epoch_malformed'
  | 'epoch_unknown'
  | 'epoch_retired'
  | 'csr_too_large'
  | 'csr_malformed'
  | 'csr_key_refused'
  | 'csr_algorithm_refused'
  | 'csr_signature_invalid'
  | 'validity_malformed'
  | 'validity_beyond_ca'
  | 'key_malformed'
  | 'key_not_found'
  | 'value_malformed'
  | 'value_too_large'
  | 'ttl_malformed'
  | 'version_malformed'
  | 'version_conflict'
  | 'min_replicas_malformed'
  | 'when_full_malformed'
  | 'prefix_malformed'
  | 'limit_malformed'
  | 'from_malformed'
  | 'cursor_malformed'
  | 'operations_malformed'
  | 'purpose_malformed'
  | 'subject_malformed'
  | 'valid_until_malformed'
  | 'attestation_nonce_malformed'
  | 'attestation_required'
  | 'attestation_refused'
  | 'answer_too_large'
  | 'quota_exceeded'
  | 'tombstones_full'
  | 'store_full'
  | 'clock_unusable'
  | 'data_catching_up'
  | 'rate_limited'
  | 'busy'
  | 'replay_memory_full'
  | 'deadline_exceeded'
  | 'odyn_unavailable'
  | 'chain_unavailable'
  | 'internal';

/** What goes wrong between members, at either end. */
export type PeerReason =
  | 'peer_not_member'
  | 'peer_proof_refused'
  | 'peer_not_attested'
  | 'peer_unreachable'
  | 'peer_answer_odd'
  | 'session_unknown'
  | 'frame_malformed'
  | 'frame_too_deep'
  | 'frame_too_full'
  | 'frame_unauthentic'
  | 'frame_replayed'
  | 'cursor_ahead'
  | 'handover_not_eligible'
  | 'handover_not_held'
  | 'handover_rate_limited';

/** Why a call of this node, or of an app's client, came to nothing on its way. */
export type OutboundReason =
  'url_refused_outbound' | 'address_refused_outbound' | 'outbound_timeout' | 'outbound_failed' | 'outbound_too_large' | 'outbound_redirect';

export type Reason = UnreadyReason | ProofReason | RequestReason | PeerReason | OutboundReason;

/** A request, an answer or a step that is refused. Throw it where the work must stop. */
export class Refusal extends Error {
  readonly reason: Reason;
  /** For the log. Never a secret, never sent. */
  readonly detail: string;
  /** Numbers and versions that its caller needs: sent beside the reason. Never a secret. */
  readonly facts: Readonly<Record<string, string | number | null>>;

  constructor(reason: Reason, detail = '', cause?: unknown, facts: Refusal['facts'] = {}) {
    super(detail ? `${reason}: ${detail}` : reason, cause === undefined ? undefined : { cause });
    this.name = 'Refusal';
    this.reason = reason;
    this.detail = detail;
    this.facts = facts;
  }
}

/** For what only a mistake in this program can break. */
export function assert(condition: unknown, mustHold: string): asserts condition {
  if (!condition) throw new Error(`must hold: ${mustHold}`);
}
