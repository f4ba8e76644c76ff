/**
 * What members prove of their enclaves to each other (`docs/protocol.md` clause 7.5): a document of the hardware that answers a challenge
 * of the other side, for the ephemeral key and the wallet of this hello, from an enclave that runs what the chain says of that wallet. What
 * is refused here is written down here.
 */
import { Refusal } from '../errors.ts';
import { judgeDocument } from '../crypto/nitro/judgement.ts';
import type { Operator } from '../chain/registry.ts';
import type { Hash } from '../identity.ts';
import type { NetworkProfile } from '../networks.ts';
import type { Attester, Clock, Log } from '../ports.ts';

/** What a document must answer and be for. */
export interface Claim {
  readonly challenge: Uint8Array;
  readonly ephemeral: Uint8Array;
}

export interface Attestations {
  /** Of this enclave. Rejects with `odyn_unavailable`. */
  ours(claim: Claim): Promise<Uint8Array>;
  /** The measurement of the peer's enclave, once its document is good. Throws `peer_not_attested`. Costs milliseconds: ask last. */
  judge(peer: Operator, document: Uint8Array, claim: Claim): Hash;
  /** That the chain still says of a peer what it proved. Throws `peer_not_attested`. */
  requireUnchanged(peer: Operator, attested: Hash): void;
}

export interface AttestationsDependencies {
  readonly attester: Attester;
  readonly profile: NetworkProfile;
  readonly clock: Clock;
  readonly log: Log;
}

export function createAttestations({ attester, profile, clock, log }: AttestationsDependencies): Attestations {
  function refuse(peer: Operator, fault: string, detail: string): never {
    log('attestation.refused', { peer: peer.wallet, fault, detail });
    throw new Refusal('peer_not_attested', detail ? `${fault}: ${detail}` : fault);
  }

  return {
    ours: ({ challenge, ephemeral }) => attester.document({ nonce: challenge, publicKey: ephemeral }),
    judge(peer, document, { challenge, ephemeral }) {
      const trust = { root: profile.attestationRoot, nowMs: clock.nowMs() };
      const { measurement, wallet } = peer;
      const judged = judgeDocument(document, trust, { measurement, nonce: challenge, publicKey: ephemeral, wallet });
      return judged.kind === 'refused' ? refuse(peer, judged.why, judged.detail) : judged.attestation.measurement;
    },
    requireUnchanged(peer, attested) {
      if (peer.measurement !== attested) refuse(peer, 'measurement_changed', `attested ${attested}, registered ${peer.measurement}`);
    },
  };
}
