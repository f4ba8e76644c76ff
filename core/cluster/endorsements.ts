/**
 * The endorsements this node knows, by offer: its own and what peers passed on. A signature gets in only when it recovers
 * to an eligible operator and its offer is neither expired nor valid for too long. Kept per signer, newest first, so a
 * noisy operator displaces its own signatures and nobody else's.
 */
import { parseSignature } from '../crypto/wallet.ts';
import { ENDORSEMENT_LIFE_BLOCKS, ENDORSEMENT_SLACK_BLOCKS, NEW_SIGNATURES_PER_MESSAGE_MAX, OFFERS_PER_SIGNER_MAX } from '../limits.ts';
import { endorsementText } from '../wire/pop.ts';
import type { Epoch, Hash, Wallet } from '../identity.ts';
import type { NetworkProfile } from '../networks.ts';
import type { Recover } from '../ports.ts';
import type { Offer } from './messages.ts';

export interface Eligibility {
  readonly headNumber: number;
  isEligible(wallet: Wallet): boolean;
}

export interface Endorsements {
  offers(epoch: Epoch): readonly Offer[];
  /** Takes what is good of a peer's offers and says what was not. */
  learn(epoch: Epoch, offers: readonly Offer[], eligibility: Eligibility): { readonly refused: string | undefined };
  /** Our own signature. */
  add(epoch: Epoch, hash: Hash, validUntilBlock: number, signer: Wallet, signature: `0x${string}`): void;
  /** Drops expired offers, and every epoch but the open one. */
  prune(openEpoch: Epoch | undefined, headNumber: number): void;
}

interface Entry {
  readonly hash: Hash;
  readonly validUntilBlock: number;
  readonly signatures: Map<Wallet, `0x${string}`>;
}

export function createEndorsements({ recover, profile }: { recover: Recover; profile: NetworkProfile }): Endorsements {
  const epochs = new Map<Epoch, Map<string, Entry>>();

  function add(epoch: Epoch, hash: Hash, validUntilBlock: number, signer: Wallet, signature: `0x${string}`): void {
    const entries = epochs.get(epoch) ?? new Map<string, Entry>();
    epochs.set(epoch, entries);
    const id = `${hash}:${validUntilBlock}`;
    const entry = entries.get(id) ?? { hash, validUntilBlock, signatures: new Map() };
    entries.set(id, entry);
    entry.signatures.set(signer, signature);
    forgetOldest(entries, signer, id);
  }

  /** Of one signer's offers, all but the newest few; `latest` was signed last, wherever it stands in the order of arrival. */
  function forgetOldest(entries: Map<string, Entry>, signer: Wallet, latest: string): void {
    const signed = [...entries].filter(([id, entry]) => id !== latest && entry.signatures.has(signer));
    for (const [id, entry] of signed.slice(0, -(OFFERS_PER_SIGNER_MAX - 1))) {
      entry.signatures.delete(signer);
      if (entry.signatures.size === 0) entries.delete(id);
    }
  }

  function refusal(epoch: Epoch, offer: Offer, signer: Wallet, signature: string): string | undefined {
    const text = endorsementText(profile.chainId, profile.kmsRegistry, epoch, offer.hash, offer.validUntilBlock);
    const bytes = parseSignature(signature);
    return bytes && recover(text, bytes) === signer ? undefined : `not signed by ${signer}`;
  }

  return {
    offers: (epoch) => [...(epochs.get(epoch)?.values() ?? [])],
    add,
    learn(epoch, offers, eligibility) {
      let budget = NEW_SIGNATURES_PER_MESSAGE_MAX;
      for (const offer of offers) {
        const lifeBlocks = offer.validUntilBlock - eligibility.headNumber;
        if (lifeBlocks <= 0) continue;
        if (lifeBlocks > ENDORSEMENT_LIFE_BLOCKS + ENDORSEMENT_SLACK_BLOCKS) return { refused: 'valid for too long' };
        const known = epochs.get(epoch)?.get(`${offer.hash}:${offer.validUntilBlock}`)?.signatures;
        for (const [signer, signature] of offer.signatures) {
          // A signer that died since does not hide what stands behind it: honest peers pass it on until it expires.
          if (known?.has(signer) || !eligibility.isEligible(signer)) continue;
          if (budget === 0) return { refused: undefined };
          budget -= 1;
          const refused = refusal(epoch, offer, signer, signature);
          if (refused) return { refused };
          add(epoch, offer.hash, offer.validUntilBlock, signer, signature);
        }
      }
      return { refused: undefined };
    },
    prune(openEpoch, headNumber) {
      for (const [epoch, entries] of epochs) {
        if (epoch !== openEpoch) epochs.delete(epoch);
        for (const [id, entry] of entries) if (entry.validUntilBlock <= headNumber) entries.delete(id);
      }
    },
  };
}
