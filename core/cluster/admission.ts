/**
 * The tick: read the chain, bring the vault in line with it, do the one step that readiness asks for, tell the peers
 * (`docs/protocol.md` clause 9). Single-flight; every part of it is bounded; a tick that fails says why and the next one
 * starts from the facts again.
 */
import { withDeadline } from '../deadline.ts';
import { assert, Refusal } from '../errors.ts';
import { FETCH_SECRET_MS_MAX, TICK_MS_MAX } from '../limits.ts';
import { SECRET_BYTES, secretHash } from '../crypto/kdf.ts';
import { endorsementText } from '../wire/pop.ts';
import { fetchSecret } from './handover.ts';
import { turnAt } from './proposer.ts';
import { parseWallet } from '../identity.ts';
import { decide, eligibleSigners, openEpoch } from './readiness.ts';
import type { Blocks, ChainView } from '../chain/view.ts';
import type { EpochTruth, Vault } from '../crypto/vault.ts';
import type { Epoch, Hash, Wallet } from '../identity.ts';
import type { NetworkProfile } from '../networks.ts';
import type { Box, Clock, Log, Signer } from '../ports.ts';
import type { Endorsements } from './endorsements.ts';
import type { Gossip } from './gossip.ts';
import type { Offer } from './messages.ts';
import type { Peers } from './peers.ts';
import type { Facts, Gate, OdynState, Step } from './readiness.ts';
import type { Relay } from './relay.ts';

export interface Admission {
  tick(): Promise<void>;
  /** Whether private requests are answered, judged against the clock at the moment of asking. */
  gate(): Gate;
  /** A majority's endorsements of the open epoch, for whoever relays by hand. */
  activation(): { readonly epoch: Epoch; readonly offer: Offer } | undefined;
}

export interface AdmissionDependencies {
  readonly self: { readonly wallet: Wallet; readonly teePubkey: string };
  readonly profile: NetworkProfile;
  readonly view: ChainView;
  readonly vault: Vault;
  readonly endorsements: Endorsements;
  readonly peers: Peers;
  readonly gossip: Gossip;
  readonly relay: Relay;
  readonly box: Box;
  readonly signer: Signer;
  readonly clock: Clock;
  readonly log: Log;
}

const STARTING: Gate = { kind: 'waiting', reason: 'starting', detail: 'before the first tick' };

export function createAdmission(dependencies: AdmissionDependencies): Admission {
  const { self, profile, view, vault, endorsements, peers, gossip, relay, box, signer, clock, log } = dependencies;
  let gate: Gate = STARTING;
  let runningSinceMs: number | undefined;
  let chainWasReadable = true;
  let odyn: OdynState = 'present';
  let followedTurn: number | undefined;

  function blocks(): Blocks | undefined {
    const state = view.state();
    return state.kind === 'fresh' ? state.blocks : undefined;
  }

  function gatherFacts(): Facts {
    const chain = view.state();
    const epochs = chain.kind === 'fresh' ? chain.blocks.confirmed.epochs : [];
    const open = chain.kind === 'fresh' ? openEpoch(chain.blocks)?.epoch : undefined;
    return {
      self,
      profile,
      chain,
      odyn,
      held: new Set(epochs.map((epoch) => epoch.epoch).filter((epoch) => vault.holds(epoch))),
      candidates: open === undefined ? [] : vault.candidates(open),
      offers: open === undefined ? [] : endorsements.offers(open),
      followedTurn,
    };
  }

  async function readChain(): Promise<void> {
    try {
      await view.refresh();
      if (!chainWasReadable) log('chain.readable', { block: blocks()?.head.blockNumber ?? 0 });
      chainWasReadable = true;
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      if (chainWasReadable) log('chain.unreadable', { reason: error.reason, detail: error.detail });
      chainWasReadable = false;
    }
  }

  async function readOdyn(): Promise<void> {
    try {
      odyn = parseWallet(await signer.address()) === self.wallet ? 'present' : 'changed';
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      odyn = 'unreachable';
    }
  }

  function settle(): void {
    const current = blocks();
    if (!current) return;
    const { installed, wiped } = vault.settle(epochTruths(current));
    for (const { epoch, hash } of installed) log('secret.installed', { epoch, hash, source: 'candidate', peer: null });
    for (const { epoch, why, count } of wiped) log('secret.wiped', { epoch, why, count });
    endorsements.prune(openEpoch(current)?.epoch, current.head.blockNumber);
    if (!openEpoch(current)) followedTurn = undefined;
  }

  function record(next: Gate): void {
    const same =
      next.kind === gate.kind &&
      (next.kind === 'waiting' ? gate.kind === 'waiting' && gate.reason === next.reason && gate.detail === next.detail : true);
    gate = next;
    if (same) return;
    const block = blocks()?.head.blockNumber;
    if (next.kind === 'serving') log('node.serving', { epoch: next.epoch, block: block ?? 0 });
    else log('node.waiting', { reason: next.reason, detail: next.detail, block: block ?? null });
  }

  async function perform(step: Step): Promise<void> {
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
      case 'relay': {
        const current = blocks();
        return current && (await relay.send(step.epoch, step.offer, current));
      }
    }
  }

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
    const endorsed = endorsements.offers(epoch).filter((offer) => offer.signatures.has(self.wallet));
    const kept = vault.keepCandidate(epoch, secret, new Set(endorsed.map((offer) => offer.hash)));
    const current = blocks();
    const open = current && openEpoch(current);
    if (kept && current && open) followedTurn = turnAt(current.confirmed, open, profile);
    return kept;
  }

  async function endorse(epoch: Epoch, hash: Hash, validUntilBlock: number): Promise<void> {
    assert(vault.candidates(epoch).includes(hash), 'only what is held is endorsed');
    const signature = await signer.sign(endorsementText(profile.chainId, profile.kmsRegistry, epoch, hash, validUntilBlock));
    endorsements.add(epoch, hash, validUntilBlock, self.wallet, signature);
    log('candidate.endorsed', { epoch, hash, validUntilBlock });
  }

  async function fetchCandidate(epoch: Epoch, hash: Hash, holders: readonly Wallet[]): Promise<void> {
    const from = peers.due().filter((peer) => holders.includes(peer.wallet));
    const fetched = await withDeadline(clock, FETCH_SECRET_MS_MAX, 'outbound_timeout', fetchSecret(epoch, hash, from, peers));
    if (fetched && keepCandidate(epoch, fetched.secret)) log('candidate.fetched', { epoch, hash, peer: fetched.peer });
  }

  async function fetchActive(epoch: Epoch, hash: Hash): Promise<void> {
    const fetched = await withDeadline(clock, FETCH_SECRET_MS_MAX, 'outbound_timeout', fetchSecret(epoch, hash, peers.due(), peers));
    if (fetched && vault.install(epoch, hash, fetched.secret))
      log('secret.installed', { epoch, hash, source: 'handover', peer: fetched.peer });
  }

  /** Peers may take their time; the chain is read on meanwhile, or a slow peer would make this node stale. */
  async function readingChain(work: Promise<void>): Promise<void> {
    let done = false;
    const ended = work.finally(() => {
      done = true;
    });
    while (!done) {
      await withPause(ended);
      if (!done) await readChain();
    }
    await ended;
  }

  /** Until the work ends, or a tick's time has passed; the pause that nobody needs any more ends by its signal. */
  async function withPause(work: Promise<void>): Promise<void> {
    const over = new AbortController();
    const pause = clock.sleep(profile.tickMs, over.signal).catch(() => undefined);
    await Promise.race([work, pause]).finally(() => over.abort());
  }

  async function runTick(): Promise<void> {
    await Promise.all([readChain(), readOdyn()]);
    settle();
    const { step } = decide(gatherFacts());
    await readingChain(perform(step).then(() => gossip.exchange(peers)));
    settle();
    record(decide(gatherFacts()).gate);
  }

  return {
    async tick() {
      const nowMs = clock.nowMs();
      if (runningSinceMs !== undefined && nowMs - runningSinceMs < TICK_MS_MAX) return;
      if (runningSinceMs !== undefined) log('tick.skipped', { runningMs: nowMs - runningSinceMs });
      runningSinceMs = nowMs;
      try {
        await runTick();
      } catch (error) {
        const refusal = error instanceof Refusal ? error : new Refusal('internal', String(error), error);
        log('tick.failed', { reason: refusal.reason, detail: refusal.detail });
        record(decide(gatherFacts()).gate);
      } finally {
        if (runningSinceMs === nowMs) runningSinceMs = undefined;
      }
    },
    gate() {
      const state = view.state();
      return state.kind === 'fresh' || gate === STARTING ? gate : { kind: 'waiting', reason: state.reason, detail: state.detail };
    },
    activation() {
      const current = blocks();
      const open = current && openEpoch(current);
      const offer = open && endorsements.offers(open.epoch).find((each) => eligibleSigners(each, current).length >= current.head.majority);
      return offer && { epoch: open.epoch, offer };
    },
  };
}

function epochTruths({ confirmed }: Blocks): EpochTruth[] {
  return confirmed.epochs.map(({ epoch, state, hash }) => {
    if (state === 'open') return { epoch, state, hash: undefined };
    return state === 'active' || state === 'previous' ? { epoch, state: 'usable', hash } : { epoch, state: 'gone', hash: undefined };
  });
}
