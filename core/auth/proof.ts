/**
 * The platform proof (`docs/protocol.md` clause 3.1): an EIP-191 signature over our nonce, our wallet and the caller's time.
 * It binds the recipient; it does not bind method, path or body. What it proves is a wallet, nothing more: whether that
 * wallet may do anything is the authorizer's business.
 */
import { Refusal } from '../errors.ts';
import { parseWallet } from '../identity.ts';
import { PROOF_AGE_MAX_MS, PROOF_HEADER_CHARS_MAX } from '../limits.ts';
import { appProofText } from '../wire/pop.ts';
import { parseSignature } from '../crypto/wallet.ts';
import type { Wallet } from '../identity.ts';
import type { Clock, Recover } from '../ports.ts';
import type { Nonces } from './nonces.ts';

/** Header values, attacker-controlled, exactly as they arrived. */
export interface ProofHeaders {
  readonly signature: string | null;
  readonly nonce: string | null;
  readonly timestamp: string | null;
  readonly wallet: string | null;
}

export interface PlatformProof {
  readonly form: 'platform';
  readonly wallet: Wallet;
  /** What the answer's signature must name, verbatim. */
  readonly clientSignature: string;
  /** What the wallet signed. */
  readonly text: string;
  /** To be used once, after the wallet was authorized. */
  readonly nonce: string;
}

export interface ProofDependencies {
  readonly node: Wallet;
  readonly clock: Clock;
  readonly recover: Recover;
  readonly nonces: Nonces;
}

/** Throws a `ProofReason`. That the nonce is used once is left to whoever authorizes the wallet. */
export function verifyPlatformProof(headers: ProofHeaders, { node, clock, recover, nonces }: ProofDependencies): PlatformProof {
  const { signature, nonce, timestamp, wallet: hint } = headers;
  if (!signature || !nonce || !timestamp) throw new Refusal('proof_missing');
  if ([signature, nonce, timestamp, hint ?? ''].some((value) => value.length > PROOF_HEADER_CHARS_MAX)) {
    throw new Refusal('signature_malformed', 'a header is too long');
  }
  checkTimestamp(timestamp, clock.nowMs());
  nonces.check(nonce);
  const signatureBytes = parseSignature(signature);
  if (!signatureBytes) throw new Refusal('signature_malformed');
  const text = appProofText(nonce, node, timestamp);
  const wallet = recover(text, signatureBytes);
  if (!wallet) throw new Refusal('signature_invalid');
  if (hint !== null && parseWallet(hint) !== wallet) throw new Refusal('wallet_mismatch', `recovered ${wallet}`);
  return { form: 'platform', wallet, clientSignature: signature, text, nonce };
}

/** Unix seconds in decimal, at most 120 s from now on either side. Throws `timestamp_malformed` or `timestamp_stale`. */
export function checkTimestamp(timestamp: string, nowMs: number): void {
  if (!/^\d{1,12}$/.test(timestamp)) throw new Refusal('timestamp_malformed');
  const distanceMs = Math.abs(nowMs - Number(timestamp) * 1_000);
  if (distanceMs > PROOF_AGE_MAX_MS) throw new Refusal('timestamp_stale', `${distanceMs} ms from now`);
}
