/**
 * ERC-8128 request signatures (`docs/protocol.md` clause 3.2): a wallet signs method, authority, path, query and body of one
 * request to one node, once. Judged from the headers alone, so that no stranger's body is read; the body is compared with its
 * signed digest when it has arrived.
 */
import { Refusal } from '../errors.ts';
import { SIGNATURE_AHEAD_MAX_MS, SIGNATURE_LATE_MAX_MS, SIGNATURE_LIFE_MAX_MS } from '../limits.ts';
import { digestOf } from '../crypto/digest.ts';
import { equalBytes } from '../wire/bytes.ts';
import { encodeSignature, parseContentDigest, parseRequestInput, parseSignatureMember, requestBase } from '../wire/httpsig.ts';
import type { Wallet } from '../identity.ts';
import type { Clock, Recover } from '../ports.ts';
import type { RequestInput, RequestParams, RequestTarget } from '../wire/httpsig.ts';

export interface RequestProof {
  readonly form: 'request';
  readonly wallet: Wallet;
  /** What the wallet signed. */
  readonly text: string;
  /** To be used once, after the wallet was authorized. */
  readonly nonce: string;
  /** The value of the request's `Signature` member: what the signed answer names. */
  readonly signature: string;
  /** SHA-256 of the body that was signed; `undefined` when the request must have none. */
  readonly bodyDigest: Uint8Array | undefined;
}

export interface RequestSignatureDependencies {
  readonly chainId: number;
  /** When this boot began: what was signed before it was perhaps used before it. */
  readonly bootedAtMs: number;
  readonly clock: Clock;
  readonly recover: Recover;
}

const ALWAYS_COVERED = ['@method', '@authority', '@path'];

/** `target.authority` is that of this node's registered URL, never of the `Host` header. Throws a `ProofReason`. */
export function verifyRequestSignature(target: RequestTarget, dependencies: RequestSignatureDependencies): RequestProof {
  const { headers } = target;
  const input = parseRequestInput(headers.get('signature-input') ?? '');
  const signature = parseSignatureMember(headers.get('signature') ?? '');
  if (!input || !signature) throw new Refusal('signature_malformed', 'Signature-Input and Signature hold not one strict member');
  const { params } = input;
  if (params.keyId.chainId !== dependencies.chainId) throw new Refusal('chain_id_mismatch', `signed for ${params.keyId.chainId}`);
  checkTimes(params, dependencies);
  const bodyDigest = checkCoverage(target, input);
  const { wallet, text } = signerOf(target, input, signature, dependencies.recover);
  if (wallet !== params.keyId.wallet) throw new Refusal('wallet_mismatch', `recovered ${wallet}`);
  return { form: 'request', wallet, text, nonce: params.nonce, signature: encodeSignature(signature), bodyDigest };
}

/** Throws `digest_mismatch` when the body is not the one that was signed. */
export function checkBody({ bodyDigest }: RequestProof, body: Uint8Array): void {
  const same = bodyDigest ? equalBytes(digestOf(body), bodyDigest) : body.length === 0;
  if (!same) throw new Refusal('digest_mismatch');
}

/** Throws `timestamp_malformed` or `timestamp_stale`. */
function checkTimes({ created, expires }: RequestParams, { clock, bootedAtMs }: RequestSignatureDependencies): void {
  const nowMs = clock.nowMs();
  const [createdMs, expiresMs] = [created * 1_000, expires * 1_000];
  if (expiresMs <= createdMs) throw new Refusal('timestamp_malformed', 'ends before it begins');
  if (expiresMs - createdMs > SIGNATURE_LIFE_MAX_MS) throw new Refusal('timestamp_malformed', 'lives too long');
  if (createdMs > nowMs + SIGNATURE_AHEAD_MAX_MS) throw new Refusal('timestamp_stale', `created ${createdMs - nowMs} ms from now`);
  if (nowMs >= expiresMs + SIGNATURE_LATE_MAX_MS) throw new Refusal('timestamp_stale', `expired ${nowMs - expiresMs} ms ago`);
  // A signature from before this boot was created at most this far ahead of it.
  if (createdMs <= bootedAtMs + SIGNATURE_AHEAD_MAX_MS) throw new Refusal('timestamp_stale', 'created before this boot');
}

/** Throws `component_missing` for what must be covered and is not; answers with the digest of the body. */
function checkCoverage({ query, headers }: RequestTarget, { components }: RequestInput): Uint8Array | undefined {
  const needed = query === '' ? ALWAYS_COVERED : [...ALWAYS_COVERED, '@query'];
  const missing = needed.find((name) => !components.includes(name));
  if (missing !== undefined) throw new Refusal('component_missing', missing);
  if (!components.includes('content-digest')) return undefined;
  const digest = parseContentDigest(headers.get('content-digest') ?? '');
  if (!digest) throw new Refusal('component_missing', 'content-digest is not one SHA-256');
  return digest;
}

function signerOf(
  target: RequestTarget,
  { components, text }: RequestInput,
  signature: Uint8Array,
  recover: Recover,
): Pick<RequestProof, 'wallet' | 'text'> {
  const base = requestBase(target, components, text);
  if (base === undefined) throw new Refusal('component_missing', 'a covered header field is missing or not plain');
  const wallet = recover(base, signature);
  if (!wallet) throw new Refusal('signature_invalid');
  return { wallet, text: base };
}
