/**
 * The steps that readiness may ask for (`docs/protocol.md` clause 9.2), each done once and bounded. What is fetched is checked
 * by its hash before it is kept; what is endorsed is held.
 */
import { withDeadline } from '../deadline.ts';
import { assert, Refusal } from '../errors.ts';
import { FETCH_SECRET_MS_MAX, OPERATORS_MAX } from '../limits.ts';
import { SECRET_BYTES, secretHash } from '../crypto/kdf.ts';
import { endorsementText } from '../wire/pop.ts';
import { fetchSecret } from './handover.ts';
import { turnAt } from './proposer.ts';
import { openEpoch } from './readiness.ts';
import type { Blocks } from '../chain/view.ts';
import type { Vault } from '../crypto/vault.ts';
import type { Epoch, Hash, Wallet } from '../identity.ts';
import type { NetworkProfile } from '../networks.ts';
import type { Box, Clock, Log, Signer } from '../ports.ts';
import type { Endorsements } from './endorsements.ts';
import type { Peer, Peers } from './peers.ts';
import type { Step } from './readiness.ts';
import type { Relay } from './relay.ts';

export interface Steps {
  perform(step: Step): Promise<void>;
  /** The proposers' turn in which this node last took a candidate of the open epoch; forgotten with it. */
  followedTurn(): number | undefined;
}

export interface StepsDependencies {
  readonly self: Wallet;
  readonly profile: NetworkProfile;
  /** The blocks as they stand, or none that can be used. */
  readonly blocks: () => Blocks | undefined;
  readonly vault: Vault;
  readonly endorsements: Endorsements;
  readonly peers: Peers;
  readonly relay: Relay;
  readonly box: Box;
  readonly signer: Signer;
  readonly clock: Clock;
  readonly log: Log;
}

export function createSteps(dependencies: StepsDependencies): Steps {
  const { self, profile, blocks, vault, endorsements, peers, relay, box, signer, clock, log } = dependencies;
  let followed: { readonly epoch: Epoch; readonly turn: number } | undefined;
  /** Holders that were asked first, the latest last. */
  const askedFirst = new Set<Wallet>();

  async function generate(epoch: Epoch, validUntilBlock: number): Promise<void> {
    const secret = await box.entropy();
    assert(secret.length === SECRET_BYTES && secret.some((byte) => byte !== 0), 'the NSM gives 32 random bytes');
    if (!keepCandidate(epoch, secret)) return;
    const hash = secretHash(secret);
    log('candidate.generated', { epoch, hash });
    await endorse(epoch, hash, validUntilBlock);
  }

  /** Kept beside what this wallet has endorsed and somebody could still activate. */
  function keepCandidate(epoch: Epoch, secret: Uint8Array): boolean {
    const endorsed = endorsements.offers(epoch).filter((offer) => offer.signatures.has(self));
    const kept = vault.keepCandidate(epoch, secret, new Set(endorsed.map((offer) => offer.hash)));
    const current = blocks();
    const open = current && openEpoch(current);
    if (kept && current && open) followed = { epoch, turn: turnAt(current.confirmed, open, profile) };
    return kept;
  }

  async function endorse(epoch: Epoch, hash: Hash, validUntilBlock: number): Promise<void> {
    assert(vault.candidates(epoch).includes(hash), 'only what is held is endorsed');
    const signature = await signer.sign(endorsementText(profile.chainId, profile.kmsRegistry, epoch, hash, validUntilBlock));
    endorsements.add(epoch, hash, validUntilBlock, self, signature);
    log('candidate.endorsed', { epoch, hash, validUntilBlock });
  }

  /**
   * Whose turn was longest ago comes first. What lets us hang may be a holder's host, for frames of this one type, and it is due again as
   * soon as its enclave is heard: in an order that stays, two of those would stand before the others for ever.
   */
  function inTurn(holders: readonly Peer[]): Peer[] {
    const turns = [...askedFirst];
    const inOrder = holders.toSorted((one, other) => turns.indexOf(one.wallet) - turns.indexOf(other.wallet));
    if (askedFirst.size >= OPERATORS_MAX) askedFirst.clear();
    for (const { wallet } of inOrder.slice(0, 1)) {
      askedFirst.delete(wallet);
      askedFirst.add(wallet);
    }
    return inOrder;
  }

  /** Nothing when no holder gave it in time; which of them is to blame is known to `peers`. */
  async function fetchInTime(epoch: Epoch, hash: Hash, holders: readonly Peer[]): ReturnType<typeof fetchSecret> {
    const over = new AbortController();
    const fetched = fetchSecret(epoch, hash, inTurn(holders), peers, over.signal);
    try {
      return await withDeadline(clock, FETCH_SECRET_MS_MAX, 'outbound_timeout', fetched);
    } catch (error) {
      if (error instanceof Refusal && error.reason === 'outbound_timeout') return undefined;
      throw error;
    } finally {
      over.abort('over');
    }
  }

  async function fetchCandidate(epoch: Epoch, hash: Hash, holders: readonly Wallet[]): Promise<void> {
    const fetched = await fetchInTime(
      epoch,
      hash,
      peers.due().filter((peer) => holders.includes(peer.wallet)),
    );
    if (fetched && keepCandidate(epoch, fetched.secret)) log('candidate.fetched', { epoch, hash, peer: fetched.peer });
  }

  async function fetchActive(epoch: Epoch, hash: Hash): Promise<void> {
    const fetched = await fetchInTime(epoch, hash, peers.due());
    if (fetched && vault.install(epoch, hash, fetched.secret))
      log('secret.installed', { epoch, hash, source: 'handover', peer: fetched.peer });
  }

  return {
    async perform(step) {
      const current = blocks();
      switch (step.kind) {
        case 'none':
          return;
        case 'generate':
          return await generate(step.epoch, step.validUntilBlock);
        case 'endorse':
          return await endorse(step.epoch, step.hash, step.validUntilBlock);
        case 'fetchCandidate':
          return await fetchCandidate(step.epoch, step.hash, step.holders);
        case 'fetchSecret':
          return await fetchActive(step.epoch, step.hash);
        case 'relay':
          return current && (await relay.send(step.epoch, step.offer, current));
      }
    },
    followedTurn() {
      const current = blocks();
      return current && openEpoch(current)?.epoch === followed?.epoch ? followed?.turn : undefined;
    },
  };
}
