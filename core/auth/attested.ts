/**
 * Whether an app's instance runs what the registry says of it (`docs/protocol.md` clause 3.4), where the profile requires that. The
 * hardware of its enclave vouches in one document for the measurement, for the key of the wallet, and for the very text that this wallet
 * has signed to prove a request: so it is fresh, for this node, and of no use beside any other request. Asked once for an instance, its
 * version and its measurement, as long as that is remembered.
 */
import { LRUCache } from 'lru-cache';
import { judgeDocument } from '../crypto/nitro/judgement.ts';
import { SECP256K1_SPKI_HEAD } from '../crypto/spki.ts';
import { personalDigest, walletOf } from '../crypto/wallet.ts';
import { Refusal } from '../errors.ts';
import { CALLER_DOCUMENT_BYTES_MAX, CALLER_DOCUMENTS_BURST, CALLER_DOCUMENTS_PER_SECOND, CALLERS_CACHED_MAX } from '../limits.ts';
import { hex, parseBase64 } from '../wire/bytes.ts';
import { createRate } from './rate.ts';
import type { Wallet } from '../identity.ts';
import type { NetworkProfile } from '../networks.ts';
import type { Clock, Log } from '../ports.ts';
import type { Caller } from './standing.ts';

/** What came with a proof, attacker-controlled, and the text that the caller's wallet signed. */
export interface Evidence {
  /** Of the request; base64 when it is one of ours. */
  readonly header: string | null;
  readonly text: string;
}

export interface CallerAttestations {
  /** Throws `attestation_required`, `attestation_refused` or `rate_limited`. May cost milliseconds: ask when it is known who asks. */
  require(caller: Caller, evidence: Evidence): void;
  /** That what was attested is still what the registry says. Throws `attestation_required`. */
  requireUnchanged(caller: Caller): void;
}

export interface CallerAttestationsDependencies {
  readonly profile: Pick<NetworkProfile, 'appAttestation' | 'attestationRoot'>;
  readonly clock: Clock;
  readonly log: Log;
}

/** Base64 of the longest document that is read. */
const HEADER_CHARS_MAX = 4 * Math.ceil(CALLER_DOCUMENT_BYTES_MAX / 3);
const POINT_HEX_CHARS = 130;

export function createCallerAttestations({ profile, clock, log }: CallerAttestationsDependencies): CallerAttestations {
  const attested = new LRUCache<string, true>({ max: CALLERS_CACHED_MAX });
  const refusals = createRate(clock, {
    perSecond: CALLER_DOCUMENTS_PER_SECOND,
    burst: CALLER_DOCUMENTS_BURST,
    keysMax: CALLERS_CACHED_MAX,
  });

  function stands(caller: Caller): boolean {
    return profile.appAttestation === 'ignore' || attested.get(keyOf(caller)) === true;
  }

  function judge({ wallet, measurement }: Caller, header: string, text: string): string | undefined {
    const document = header.length <= HEADER_CHARS_MAX ? parseBase64(header) : undefined;
    if (!document) return 'header_malformed';
    const trust = { root: profile.attestationRoot, nowMs: clock.nowMs() };
    // Of its key the node has the address alone.
    const judged = judgeDocument(document, trust, { measurement, nonce: personalDigest(text), publicKey: 'any', wallet });
    if (judged.kind === 'refused') return judged.why;
    return isKeyOf(wallet, judged.attestation.publicKey) ? undefined : 'public_key_mismatch';
  }

  return {
    require(caller, { header, text }) {
      if (stands(caller)) return;
      const { wallet, measurement } = caller;
      if (header === null) throw new Refusal('attestation_required', wallet);
      // Taken for each, and given back for a good one.
      if (!refusals.take(wallet)) throw new Refusal('rate_limited', `documents of ${wallet}`);
      const fault = judge(caller, header, text);
      if (fault !== undefined) {
        log('caller.unattested', { wallet, instanceId: String(caller.instanceId), fault, measurement });
        throw new Refusal('attestation_refused', fault);
      }
      refusals.giveBack(wallet, 1);
      attested.set(keyOf(caller), true);
    },
    requireUnchanged(caller) {
      if (!stands(caller)) throw new Refusal('attestation_required', `${caller.wallet} is not what it was`);
    },
  };
}

/** An instance that is given another version, or a version that is given another measurement, has proven nothing. */
function keyOf({ wallet, instanceId, versionId, measurement }: Caller): string {
  return [wallet, instanceId, versionId, measurement].join(' ');
}

/**
 * Whether an SPKI DER is that of the wallet's key. Odyn writes no other of that form: keys that are named to it are reduced to their bits.
 */
function isKeyOf(wallet: Wallet, publicKey: Uint8Array | undefined): boolean {
  const text = publicKey ? hex(publicKey) : '';
  const isWhole = text.startsWith(`${SECP256K1_SPKI_HEAD}04`) && text.length === SECP256K1_SPKI_HEAD.length + POINT_HEX_CHARS;
  return isWhole && publicKey !== undefined && walletOf(publicKey.subarray(SECP256K1_SPKI_HEAD.length / 2)) === wallet;
}
