/**
 * Everything a node writes into its audit trail (`docs/protocol.md` clause 14.1): a closed list of kinds, each with its fields, as the wire
 * has them. A field holds numbers, reasons and public identifiers; no kind has a place for a key or its name, a value or a signature.
 */
import type { Epoch, Hash, Wallet } from './identity.ts';
import type { Reason } from './errors.ts';
import type { Motion } from './wire/pop.ts';

/** Told with the first of a period, and once more with how many followed: whoever brings them about floods nothing. */
export interface Counted {
  readonly reason: Reason;
  readonly count: number;
  /** When the period began. */
  readonly since_ms: number;
}

/** `name` is an HMAC (clause 14.2): the same on every node of the cluster, and nothing to guess from for anybody else. */
export interface Named {
  readonly app_id: string;
  readonly name: string | null;
  /** Under whose key the name is. */
  readonly epoch: Epoch | null;
  readonly version: string;
}

export interface AuditFields {
  boot: { readonly node: Wallet; readonly incarnation: string; readonly network: string };
  serving: { readonly epoch: Epoch; readonly block: number };
  waiting: { readonly reason: Reason; readonly block: number | null };
  endorsed: { readonly epoch: Epoch; readonly secret_hash: Hash; readonly valid_until_block: number };
  /** For the account that registered the node. */
  vote_signed: {
    readonly purpose: Motion['purpose'];
    readonly subject: string;
    readonly valid_until_block: number;
    readonly registrant: Wallet;
  };
  secret_installed: {
    readonly epoch: Epoch;
    readonly secret_hash: Hash;
    readonly source: 'candidate' | 'handover';
    readonly peer: Wallet | null;
  };
  secret_wiped: { readonly epoch: Epoch; readonly why: string; readonly count: number };
  handover_given: {
    readonly epoch: Epoch;
    readonly secret_hash: Hash;
    readonly peer: Wallet;
    /** What the peer's enclave proved to run. */
    readonly measurement: Hash;
  };
  handover_refused: Counted & { readonly peer: Wallet };
  /** A member's enclave did not prove to be what the chain says of it. */
  attestation_refused: Counted & { readonly peer: Wallet; readonly fault: string };
  /** An app's enclave did not prove to be what the registry says of its instance. */
  caller_unattested: Counted & { readonly wallet: Wallet; readonly instance_id: string; readonly fault: string };
  certificate_issued: {
    readonly app_id: string;
    readonly instance_id: string;
    readonly epoch: Epoch;
    readonly serial: string;
    readonly not_after_ms: number;
  };
  value_written: Named & { readonly bytes: number };
  value_deleted: Named & { readonly existed: boolean };
  /** To make room for the write of that version. */
  value_evicted: Named;
  data_forgotten: { readonly members: number };
  refused: Counted;
}

export type AuditKind = keyof AuditFields;

/** What was done here and nobody brings about as often as they like: kept when all else has left, each naming the one before it. */
const MILESTONES = [
  'boot',
  'endorsed',
  'vote_signed',
  'secret_installed',
  'secret_wiped',
  'handover_given',
  'data_forgotten',
] as const satisfies readonly AuditKind[];

export function isMilestone(kind: unknown): boolean {
  return MILESTONES.some((each) => each === kind);
}

/** A record as it is hashed, sent and logged. `prev` is the hash of the record before it, `mark` that of the milestone before it. */
export type AuditRecord = {
  readonly [Kind in AuditKind]: {
    readonly seq: number;
    readonly at_ms: number;
    readonly prev: string;
    readonly mark: string;
    readonly kind: Kind;
  } & AuditFields[Kind];
}[AuditKind];
