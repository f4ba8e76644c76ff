/**
 * The texts that wallets sign, byte for byte (`docs/protocol.md` clauses 3, 7.2, 8.1, 14.3 and 14.6). All are EIP-191 personal messages.
 * `nonce`, `timestamp` and `clientSignature` go in exactly as the header carried them.
 */
import type { Epoch, Hash, Wallet } from '../identity.ts';

/** Where an audit trail ends; `incarnation` and `hash` are hex. */
export interface AuditHead {
  readonly node: Wallet;
  readonly incarnation: string;
  readonly seq: number;
  readonly hash: string;
}

/** What a registrant may have its node vote for (clause 14.6): of a change its number, the epoch to be opened, a measurement. */
export type Motion =
  | { readonly purpose: 'veto'; readonly subject: bigint }
  | { readonly purpose: 'rotate'; readonly subject: Epoch }
  | { readonly purpose: 'remove_measurement'; readonly subject: Hash };

export type Vote = Motion & { readonly validUntilBlock: number };

/** As the contract calls them. */
const VOTE_NAMES = { veto: 'Veto', rotate: 'Rotate', remove_measurement: 'RemoveMeasurement' } as const satisfies Record<
  Motion['purpose'],
  string
>;

export function appProofText(nonce: string, node: Wallet, timestamp: string): string {
  return `NovaKMS:AppAuth:${nonce}:${node}:${timestamp}`;
}

export function appResponseText(clientSignature: string, node: Wallet): string {
  return `NovaKMS:Response:${clientSignature}:${node}`;
}

/** Bound to the body, unlike the platform's older form: `bodyDigest` is lower-case hex of its SHA-256. */
export function peerProofText(nonce: string, recipient: Wallet, timestamp: string, bodyDigest: string): string {
  return `NovaKMS:Auth:${nonce}:${recipient}:${timestamp}:${bodyDigest}`;
}

export function peerResponseText(clientSignature: string, responder: Wallet, bodyDigest: string): string {
  return `NovaKMS:Response:${clientSignature}:${responder}:${bodyDigest}`;
}

export function endorsementText(chainId: number, registry: Wallet, epoch: Epoch, secretHash: Hash, validUntilBlock: number): string {
  return registryText('Endorse', chainId, registry, `${epoch}:${secretHash}`, validUntilBlock);
}

export function voteText(chainId: number, registry: Wallet, { purpose, subject, validUntilBlock }: Vote): string {
  return registryText(VOTE_NAMES[purpose], chainId, registry, `${subject}`, validUntilBlock);
}

/** What `KMSRegistry` has operators sign: one deployment on one chain, one purpose, until a block. */
function registryText(purpose: string, chainId: number, registry: Wallet, subject: string, validUntilBlock: number): string {
  return `NovaKMS:${purpose}:${chainId}:${registry}:${subject}:${validUntilBlock}`;
}

/** Names the node and its boot, so that no head of another trail passes for this one's (clause 14.3). */
export function auditHeadText({ node, incarnation, seq, hash }: AuditHead): string {
  return `NovaKMS:Audit:${node}:${incarnation}:${seq}:${hash}`;
}
