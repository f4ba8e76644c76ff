/**
 * The two forms in which a private request is proven (`docs/protocol.md` clause 3), told apart by their headers, and what each
 * form asks for along the road: using the proof up, comparing the body, signing the answer.
 */
import { checkBody, verifyRequestSignature } from '../core/auth/httpsig.ts';
import { verifyPlatformProof } from '../core/auth/proof.ts';
import { operatorOf, usableBlocks } from '../core/chain/view.ts';
import { contentDigestOf } from '../core/crypto/digest.ts';
import { parseSignature } from '../core/crypto/wallet.ts';
import { Refusal } from '../core/errors.ts';
import { encodeResponseInput, encodeSignature, responseBase } from '../core/wire/httpsig.ts';
import { appResponseText } from '../core/wire/pop.ts';
import type { RequestProof } from '../core/auth/httpsig.ts';
import type { PlatformProof } from '../core/auth/proof.ts';
import type { Replays } from '../core/auth/replays.ts';
import type { Kms } from '../core/kms.ts';

export type Proof = PlatformProof | RequestProof;

const PLATFORM_HEADERS = ['x-app-signature', 'x-app-nonce', 'x-app-timestamp'];
const REQUEST_HEADERS = ['signature', 'signature-input'];

/** Whether a request bears the form that binds it whole, good or not. */
export function isSigned(request: Request): boolean {
  return bears(request, REQUEST_HEADERS);
}

function bears({ headers }: Request, names: readonly string[]): boolean {
  return names.some((name) => headers.has(name));
}

/** Throws a `ProofReason`. The wallet is proven; whether it may do anything is not yet asked. */
export function authenticate(kms: Kms, request: Request): Proof {
  const [isPlatform, isRequest] = [bears(request, PLATFORM_HEADERS), isSigned(request)];
  if (isPlatform && isRequest) throw new Refusal('proof_ambiguous');
  if (isRequest) return authenticateRequest(kms, request);
  return authenticatePlatform(kms, request.headers);
}

/** Where the platform's proof is not taken, whatever the profile says: it binds neither method nor path. Throws a `ProofReason`. */
export function authenticateSigned(kms: Kms, request: Request): RequestProof {
  if (bears(request, PLATFORM_HEADERS)) throw new Refusal('proof_form_refused', 'this endpoint takes no platform proof');
  if (!isSigned(request)) throw new Refusal('proof_missing');
  return authenticateRequest(kms, request);
}

function authenticatePlatform({ profile, identity, clock, recover, nonces }: Kms, headers: Headers): PlatformProof {
  if (profile.platformProof === 'refuse') throw new Refusal('proof_form_refused', 'the profile takes no platform proof');
  const proofHeaders = {
    signature: headers.get('x-app-signature'),
    nonce: headers.get('x-app-nonce'),
    timestamp: headers.get('x-app-timestamp'),
    wallet: headers.get('x-app-wallet'),
  };
  return verifyPlatformProof(proofHeaders, { node: identity.wallet, clock, recover, nonces });
}

function authenticateRequest(kms: Kms, request: Request): RequestProof {
  const { pathname: path, search: query } = new URL(request.url);
  const target = { method: request.method, authority: registeredAuthority(kms), path, query, headers: request.headers };
  const { profile, bootedAtMs, clock, recover } = kms;
  return verifyRequestSignature(target, { chainId: profile.chainId, bootedAtMs: bootedAtMs(), clock, recover });
}

/** Host and port under which the registry knows this node, a default port left out. What `Host` says is the sender's. */
function registeredAuthority({ view, identity }: Kms): string {
  const blocks = usableBlocks(view);
  const self = blocks && operatorOf(blocks.head, identity.wallet);
  if (!self || !URL.canParse(self.instanceUrl)) throw new Refusal('not_registered', 'no URL to compare a signature with');
  return new URL(self.instanceUrl).host;
}

/** A replay is known before it costs its victim anything of its rate. Throws `nonce_replayed`. */
export function requireUnused(kms: Kms, proof: Proof): void {
  if (memoryOf(kms, proof).has(proof.wallet, proof.nonce)) throw new Refusal('nonce_replayed');
}

/** For good, whatever becomes of the request. Only authorized wallets get this far. Throws `nonce_replayed`. */
export function useUp(kms: Kms, proof: Proof): void {
  if (!memoryOf(kms, proof).use(proof.wallet, proof.nonce)) throw new Refusal('nonce_replayed');
}

function memoryOf({ usedNonces, usedSignatures }: Kms, { form }: Proof): Replays {
  return form === 'platform' ? usedNonces : usedSignatures;
}

/** The platform's proof says nothing of the body; the other names its digest. */
export function compareBody(proof: Proof, body: Uint8Array): void {
  if (proof.form === 'request') checkBody(proof, body);
}

/** For the header of a successful answer to the platform's proof. */
export function signForPlatform({ signer, identity }: Kms, { clientSignature }: PlatformProof): Promise<string> {
  return signer.sign(appResponseText(clientSignature, identity.wallet));
}

/** Signs an answer, error or not, over its status, its body and the request's signature. Rejects with `odyn_unavailable`. */
export async function signAnswer({ signer, identity, profile, clock }: Kms, proof: RequestProof, answer: Response): Promise<Response> {
  const body = new Uint8Array(await answer.arrayBuffer());
  const contentDigest = contentDigestOf(body);
  const keyId = { chainId: profile.chainId, wallet: identity.wallet };
  const input = encodeResponseInput(Math.floor(clock.nowMs() / 1_000), keyId);
  const signature = parseSignature(await signer.sign(responseBase(answer.status, contentDigest, proof.signature, input)));
  if (!signature) throw new Refusal('odyn_unavailable', 'its signature has not 65 bytes');
  const signed = new Response(body, answer);
  signed.headers.set('content-digest', contentDigest);
  signed.headers.set('signature-input', `eth=${input}`);
  signed.headers.set('signature', `eth=${encodeSignature(signature)}`);
  return signed;
}
