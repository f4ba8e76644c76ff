/**
 * What a node does next and whether it serves, as a pure function of facts (`docs/protocol.md` clause 9). No I/O, no clock.
 * The gate fails closed: a node serves only when the confirmed chain names an active epoch, the head does not contradict
 * it, this node is a member with its own key, and the vault holds exactly those secrets.
 */
import { ENDORSEMENT_LIFE_BLOCKS, ENDORSEMENT_MARGIN_BLOCKS, RELAY_STEP_BLOCKS } from '../limits.ts';
import { eligibleMemberOf, operatorOf } from '../chain/view.ts';
import { peerOrigin } from './peer-url.ts';
import { eligibleInOrder, proposersNow, relayPlace, turnAt } from './proposer.ts';
import type { Blocks, ChainState } from '../chain/view.ts';
import type { EpochRecord, Operator } from '../chain/registry.ts';
import type { UnreadyReason } from '../errors.ts';
import type { Epoch, Hash, Wallet } from '../identity.ts';
import type { NetworkProfile } from '../networks.ts';
import type { Offer } from './messages.ts';

export interface Facts {
  readonly self: { readonly wallet: Wallet; readonly teePubkey: string };
  readonly profile: NetworkProfile;
  readonly chain: ChainState;
  /** What Odyn said on this tick. */
  readonly odyn: OdynState;
  /** Epochs whose secret the vault holds. */
  readonly held: ReadonlySet<Epoch>;
  /** Candidates of the open epoch that the vault keeps. */
  readonly candidates: readonly Hash[];
  /** Offers of the open epoch that this node knows. */
  readonly offers: readonly Offer[];
  /** The proposers' turn, counted since the epoch was opened, in which this node last took a candidate. */
  readonly followedTurn: number | undefined;
}

/** `changed`: it answers with another wallet, so it is not the Odyn that this node was made with. */
export type OdynState = 'present' | 'unreachable' | 'changed';

export type Gate =
  | { readonly kind: 'serving'; readonly epoch: Epoch }
  | { readonly kind: 'waiting'; readonly reason: UnreadyReason; readonly detail: string };

export type Step =
  | { readonly kind: 'none' }
  | { readonly kind: 'fetchSecret'; readonly epoch: Epoch; readonly hash: Hash }
  | { readonly kind: 'generate'; readonly epoch: Epoch; readonly validUntilBlock: number }
  | { readonly kind: 'fetchCandidate'; readonly epoch: Epoch; readonly hash: Hash; readonly holders: readonly Wallet[] }
  | { readonly kind: 'endorse'; readonly epoch: Epoch; readonly hash: Hash; readonly validUntilBlock: number }
  | { readonly kind: 'relay'; readonly epoch: Epoch; readonly offer: Offer };

export interface Decision {
  readonly gate: Gate;
  readonly step: Step;
}

const NONE: Step = { kind: 'none' };

/** Whether private requests are answered, and the one thing to be done next. Any facts have an answer; it throws nothing. */
export function decide(facts: Facts): Decision {
  const { chain, odyn } = facts;
  if (odyn === 'changed') return { gate: waiting('wallet_changed', 'this enclave must be started again'), step: NONE };
  if (odyn === 'unreachable') return { gate: waiting('odyn_unreachable', 'no answer from /v1/eth/address'), step: NONE };
  if (chain.kind === 'unusable') return { gate: waiting(chain.reason, chain.detail), step: NONE };
  const unfit = membershipRefusal(facts, chain.blocks);
  if (unfit) return { gate: unfit, step: NONE };
  const missing = usableEpochs(chain.blocks).find((epoch) => !facts.held.has(epoch.epoch));
  if (missing?.hash) return fetching(facts, chain.blocks, missing.epoch, missing.hash);
  return { gate: servingGate(facts, chain.blocks), step: birthStep(facts, chain.blocks) };
}

/** Epochs whose secret must be held: active or previous at the confirmed block, and not given up at the head. */
export function usableEpochs({ head, confirmed }: Blocks): readonly EpochRecord[] {
  const usable = (epoch: EpochRecord | undefined) => epoch?.hash !== undefined && (epoch.state === 'active' || epoch.state === 'previous');
  return confirmed.epochs.filter(
    (epoch) => usable(epoch) && usable(head.epochs[epoch.epoch]) && head.epochs[epoch.epoch]?.hash === epoch.hash,
  );
}

/** The epoch that waits for a secret at the confirmed block. */
export function openEpoch({ confirmed }: Blocks): EpochRecord | undefined {
  return confirmed.epochs.find((epoch) => epoch.state === 'open');
}

function membershipRefusal({ self, profile }: Facts, { head, confirmed }: Blocks): Gate | undefined {
  const atHead = operatorOf(head, self.wallet);
  const atConfirmed = operatorOf(confirmed, self.wallet);
  if (!atHead || !atConfirmed) return waiting('not_registered', atHead ? 'not confirmed yet' : 'not in the operator set');
  if (!atHead.live || !atConfirmed.live) return waiting('not_live', standingOf(atHead));
  if (atHead.teePubkey !== self.teePubkey) return waiting('tee_key_mismatch', `instance ${atHead.instanceId}`);
  if (!peerOrigin(atHead.instanceUrl, profile.peerUrls)) return waiting('url_refused', `instance ${atHead.instanceId}`);
  return undefined;
}

function standingOf({ instanceId, instanceStatus, versionStatus, measurementApproved }: Operator): string {
  const approval = measurementApproved ? 'approved' : 'not approved';
  return `instance ${instanceId} is ${instanceStatus}, its version ${versionStatus}, its measurement ${approval}`;
}

function fetching(facts: Facts, blocks: Blocks, epoch: Epoch, hash: Hash): Decision {
  const eligible = eligibleMemberOf(blocks, facts.self.wallet);
  if (!eligible) return { gate: waiting('not_eligible', 'a secret is handed only to an enrolled version'), step: NONE };
  // A birth goes on without the secret that is missing: if nobody has it any more, the next epoch is the way out.
  const birth = birthStep(facts, blocks);
  const step: Step = birth.kind === 'none' ? { kind: 'fetchSecret', epoch, hash } : birth;
  return { gate: waiting('fetching_secret', `epoch ${epoch}`), step };
}

function servingGate(facts: Facts, blocks: Blocks): Gate {
  const active = usableEpochs(blocks).find((epoch) => epoch.state === 'active');
  if (active) return { kind: 'serving', epoch: active.epoch };
  const open = openEpoch(blocks);
  if (open) return birthGate(facts, blocks, open);
  const lost = blocks.confirmed.epochs.length > 0;
  return lost
    ? waiting('cluster_reset', 'every epoch was given up')
    : waiting(
        'genesis_not_open',
        `${blocks.confirmed.operators.filter((operator) => operator.live).length} of ${blocks.confirmed.minOperators} operators are live`,
      );
}

function birthGate(facts: Facts, blocks: Blocks, open: EpochRecord): Gate {
  if (blocks.head.epochs[open.epoch]?.state !== 'open') return waiting('awaiting_activation', 'active at the head, not confirmed yet');
  const best = Math.max(0, ...facts.offers.map((offer) => eligibleSigners(offer, blocks).length));
  if (best === 0)
    return waiting('awaiting_proposal', `epoch ${open.epoch}, proposer ${proposersNow(blocks, open, facts.profile)[0] ?? 'none'}`);
  const detail = `${best} endorsed, ${blocks.head.majority} needed`;
  return best < blocks.head.majority ? waiting('collecting_endorsements', detail) : waiting('awaiting_activation', detail);
}

/** One step of the birth of the open epoch, in the order of clause 9.2. */
function birthStep(facts: Facts, blocks: Blocks): Step {
  const open = openEpoch(blocks);
  const eligible = eligibleInOrder(blocks);
  if (!open || blocks.head.epochs[open.epoch]?.state !== 'open' || !eligible.includes(facts.self.wallet)) return NONE;
  const alive = facts.offers.filter((offer) => isAlive(offer, blocks) && canBeHad(offer, facts));
  const proposers = proposersNow(blocks, open, facts.profile);
  const proposed = alive.filter((offer) => isFresh(offer, blocks) && proposers.some((proposer) => offer.signatures.has(proposer)));
  return (
    relayStep(facts, blocks, open, alive) ??
    endorseStep(facts, open, proposed) ??
    fetchStep(facts, blocks, open, alive, proposed) ??
    (proposers[0] === facts.self.wallet && proposed.length === 0 ? proposeStep(facts, blocks, open) : NONE)
  );
}

function isAlive({ validUntilBlock }: Offer, { head }: Blocks): boolean {
  return validUntilBlock > head.blockNumber + ENDORSEMENT_MARGIN_BLOCKS;
}

/** Only an offer with half its life before it is followed; a proposer offers anew by then. A short one would make all relay at once. */
function isFresh({ validUntilBlock }: Offer, { head }: Blocks): boolean {
  return validUntilBlock > head.blockNumber + ENDORSEMENT_LIFE_BLOCKS / 2;
}

/** Held here, or by another signer. What only this wallet signed, before its enclave lost its memory, nobody has. */
function canBeHad({ hash, signatures }: Offer, { self, candidates }: Facts): boolean {
  return candidates.includes(hash) || [...signatures.keys()].some((wallet) => wallet !== self.wallet);
}

function relayStep({ self, profile }: Facts, blocks: Blocks, open: EpochRecord, alive: readonly Offer[]): Step | undefined {
  const offer = alive.find((candidate) => eligibleSigners(candidate, blocks).length >= blocks.head.majority);
  if (!offer) return undefined;
  const offeredAtBlock = Math.min(offer.validUntilBlock - ENDORSEMENT_LIFE_BLOCKS, blocks.head.blockNumber);
  const turnAtBlock = offeredAtBlock + relayPlace(blocks, open, profile, self.wallet) * RELAY_STEP_BLOCKS;
  return blocks.head.blockNumber >= turnAtBlock ? { kind: 'relay', epoch: open.epoch, offer } : undefined;
}

/** Endorses what a current proposer offers, once it is held: never the other way round. */
function endorseStep({ self, candidates }: Facts, { epoch }: EpochRecord, proposed: readonly Offer[]): Step | undefined {
  const offer = proposed.find(({ hash, signatures }) => candidates.includes(hash) && !signatures.has(self.wallet));
  return offer && { kind: 'endorse', epoch, hash: offer.hash, validUntilBlock: offer.validUntilBlock };
}

/**
 * Fetches what a current proposer offers, one candidate a turn, so that a proposer who offers many fills nobody's vault;
 * and always what this wallet endorsed before its enclave lost its memory. The choice moves on with the head, so that one
 * offer that nobody hands over does not stand before the others.
 */
function fetchStep(facts: Facts, blocks: Blocks, open: EpochRecord, alive: readonly Offer[], proposed: readonly Offer[]): Step | undefined {
  const { self, profile, candidates, followedTurn } = facts;
  const following = followedTurn !== turnAt(blocks.confirmed, open, profile);
  const wanted = (offer: Offer) => offer.signatures.has(self.wallet) || (following && proposed.includes(offer));
  const lacking = alive.filter((offer) => !candidates.includes(offer.hash) && wanted(offer));
  const offer = lacking[blocks.head.blockNumber % Math.max(1, lacking.length)];
  if (!offer) return undefined;
  const holders = [...offer.signatures.keys()].filter((wallet) => wallet !== self.wallet);
  return { kind: 'fetchCandidate', epoch: open.epoch, hash: offer.hash, holders };
}

/** A proposer re-offers the candidate that most operators have endorsed already; it draws a new one only when it has none. */
function proposeStep({ candidates, offers }: Facts, blocks: Blocks, { epoch }: EpochRecord): Step {
  const { head } = blocks;
  const support = (hash: Hash) => Math.max(0, ...offers.filter((offer) => offer.hash === hash).map((offer) => offer.signatures.size));
  const best = candidates.toSorted((a, b) => support(b) - support(a) || (a < b ? -1 : 1))[0];
  if (!best) return { kind: 'generate', epoch, validUntilBlock: head.blockNumber + ENDORSEMENT_LIFE_BLOCKS };
  const standing = offers.find((offer) => offer.hash === best && isFresh(offer, blocks));
  return { kind: 'endorse', epoch, hash: best, validUntilBlock: standing?.validUntilBlock ?? head.blockNumber + ENDORSEMENT_LIFE_BLOCKS };
}

/** Signers that count at the head, where the contract will count them. */
export function eligibleSigners(offer: Offer, { head }: Blocks): readonly Wallet[] {
  return [...offer.signatures.keys()].filter((wallet) => operatorOf(head, wallet)?.eligible);
}

function waiting(reason: UnreadyReason, detail: string): Gate {
  return { kind: 'waiting', reason, detail };
}
