/**
 * What goes wrong for an app that asks a cluster: one class, a closed list of codes, a message in plain words, and everything
 * that was tried. Nothing in it is a secret: no key, no signature, no body, and of an RPC endpoint not even its path.
 */
import { LOG_FIELD_CHARS_MAX } from '../limits.ts';
import type { Wallet } from '../identity.ts';

export type KmsErrorCode =
  /** An argument that no node would take; nothing was asked. */
  | 'bad_argument'
  /** The caller's signal; its reason is the `cause`. */
  | 'aborted'
  /** This app's own Odyn does not answer, or refuses. */
  | 'enclave_unavailable'
  /** The chain cannot be read, is too old, or is not the one of the profile. It says nothing about nodes. */
  | 'chain_unavailable'
  /** The chain was read, and does not know this app's wallet and key as good. `reason` says what is missing. */
  | 'not_registered'
  /** The chain was read, and names no live node with a URL that the profile allows. */
  | 'no_live_node'
  /** The one node that was asked for is not live. */
  | 'node_not_live'
  /** The chain was read, and has no such epoch to derive from. */
  | 'epoch_unavailable'
  /** A node refused the request itself, and signed or sealed that. `reason`, `status` and `facts` are its own. */
  | 'refused'
  /** A write was sent, and what came back does not tell whether it was done: it may have been, or be done in the next minutes. */
  | 'outcome_unknown'
  /** Every node was tried and none gave an answer that holds; `attempts` says what happened at each. */
  | 'no_answer';

export type AttemptOutcome =
  | 'unreachable'
  | 'timeout'
  | 'redirect'
  | 'too_large'
  /** An answer that nobody vouches for: unsigned, altered, signed by another wallet or for another request. */
  | 'unproven'
  /** The node itself says, signed, that another may do better. */
  | 'refused'
  /** Its enclave has not proven to be the one that the chain names; it was asked for nothing else. */
  | 'unattested'
  /** Signed by the node, but not sealed by its registered key, or not to ours. */
  | 'unopenable'
  /** Opens, but does not answer what was asked. */
  | 'other_answer'
  /** Derived from another epoch than the chain makes right. */
  | 'wrong_epoch'
  /** This app's own enclave did not seal, sign or open. */
  | 'enclave';

/** One try at one node. */
export interface Attempt {
  readonly node: Wallet;
  readonly url: string;
  readonly outcome: AttemptOutcome;
  readonly detail: string;
}

/** Numbers and versions that a node tells beside its reason, by the names of the protocol. */
export type Facts = Readonly<Record<string, string | number | null>>;

export interface KmsErrorFacts {
  readonly reason?: string | undefined;
  readonly status?: number | undefined;
  readonly facts?: Facts;
  readonly attempts?: readonly Attempt[];
  readonly cause?: unknown;
}

/** What every call of the client rejects with. */
export class KmsError extends Error {
  readonly code: KmsErrorCode;
  /** The closed word behind the code, where there is one. */
  readonly reason: string | undefined;
  /** Of a signed refusal. */
  readonly status: number | undefined;
  /** As `current_version` of a `version_conflict`. */
  readonly facts: Facts;
  readonly attempts: readonly Attempt[];

  constructor(code: KmsErrorCode, message: string, { reason, status, facts = {}, attempts = [], cause }: KmsErrorFacts = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'KmsError';
    this.code = code;
    this.reason = reason;
    this.status = status;
    this.facts = facts;
    this.attempts = attempts;
  }
}

/** Ends one attempt; the next node is tried. Never leaves the client. */
export class AttemptFailed extends Error {
  readonly outcome: AttemptOutcome;
  /** The node has proven that nothing was done. */
  readonly isUndone: boolean;

  constructor(outcome: AttemptOutcome, detail: string, cause?: unknown, isUndone = false) {
    super(detail, cause === undefined ? undefined : { cause });
    this.name = 'AttemptFailed';
    this.outcome = outcome;
    this.isUndone = isUndone;
  }
}

/** The node takes the proof with a document of this app's enclave only. Whoever says so, nothing is lost by sending one. */
export class DocumentAsked extends AttemptFailed {}

/** Text that a stranger may have written, fit for a message: printable ASCII, bounded. */
export function printable(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]+/g, ' ').slice(0, LOG_FIELD_CHARS_MAX);
}
