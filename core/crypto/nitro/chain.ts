/**
 * The path from a given root to the leaf that signed a document (RFC 5280 §6.1), for the one shape that there is: every certificate issued
 * by the one before it. Revocation lists are not asked for: leaves live three hours.
 */
import { equalBytes } from '../../wire/bytes.ts';
import { parseNitroCertificate } from './certificate.ts';
import { isSignedDer } from './ecdsa.ts';
import { Unverified } from './fault.ts';
import type { Certificate } from './certificate.ts';

/** Root first, leaf last; at least two. */
export type Chain = readonly Certificate[];

/** `bundle` begins with `root`, byte for byte: it is trusted for being it, whatever it says of itself. */
export function readChain(bundle: readonly Uint8Array[], leaf: Uint8Array, root: Uint8Array): Chain {
  const [first, ...between] = bundle;
  if (first === undefined || !equalBytes(first, root)) throw new Unverified('root_unknown', 'the bundle begins with another certificate');
  return [root, ...between, leaf].map(parseNitroCertificate);
}

/** Everything about a path but its signatures. */
export function checkPath(chain: Chain, nowMs: number, skewMsMax: number): void {
  for (const [index, certificate] of chain.entries()) {
    const issuer = chain[index - 1];
    if (issuer && !equalBytes(certificate.issuer, issuer.subject)) throw new Unverified('issuer_mismatch', `certificate ${index}`);
    if (issuer && equalBytes(certificate.issuer, certificate.subject)) throw new Unverified('self_issued', `certificate ${index}`);
    // Written so that a time that is no number is in no validity.
    if (!(nowMs + skewMsMax >= certificate.notBeforeMs)) throw new Unverified('not_yet_valid', `certificate ${index}`);
    if (!(nowMs - skewMsMax <= certificate.notAfterMs)) throw new Unverified('expired', `certificate ${index}`);
    // Between an authority and the leaf.
    const following = chain.length - 2 - index;
    if (following < 0) checkLeaf(certificate);
    else checkAuthority(certificate, index, following);
  }
}

function checkAuthority({ isAuthority, mayIssue, pathLengthMax }: Certificate, index: number, following: number): void {
  if (!isAuthority) throw new Unverified('not_an_authority', `certificate ${index}`);
  if (!mayIssue) throw new Unverified('key_usage_refused', `certificate ${index} must not sign certificates`);
  if (pathLengthMax !== undefined && following > pathLengthMax) throw new Unverified('path_too_long', `certificate ${index}`);
}

function checkLeaf({ isAuthority, mayIssue, maySign }: Certificate): void {
  if (isAuthority) throw new Unverified('leaf_is_authority', 'a leaf with the CA flag');
  if (!maySign || mayIssue) throw new Unverified('key_usage_refused', 'a leaf that must not sign, or signs certificates');
}

/** From the leaf upward, so that whoever made up a leaf alone is found out by the first. The root's own signature says nothing, and is not asked. */
export function checkSignatures(chain: Chain): void {
  for (let index = chain.length - 1; index > 0; index -= 1) {
    const [issuer, certificate] = [chain[index - 1] as Certificate, chain[index] as Certificate];
    if (!isSignedDer(issuer.spki, certificate.tbs, certificate.signature))
      throw new Unverified('certificate_signature_invalid', `certificate ${index}`);
  }
}
