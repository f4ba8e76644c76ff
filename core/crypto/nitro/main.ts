/**
 * `nova-kms/attestation`: what an app imports to verify an attestation document by itself, a node's of `GET /attestation` or any other.
 * Pure, but for the host's verification of P-384. Runs in Node 20.3 and newer and in workers with `nodejs_compat`.
 */
export { verifyAttestation } from './attestation.ts';
export { faultOf } from './policy.ts';
export { awsNitroRoot, AWS_NITRO_ROOT_G1 } from './root.ts';
export type { Attestation, Trust, Verdict } from './attestation.ts';
export type { AttestationFault } from './fault.ts';
export type { Expectation, PolicyFault } from './policy.ts';
export type { Hash, Wallet } from '../../identity.ts';
