/**
 * The tick: read the chain, bring the vault in line with it, do the one step that readiness asks for, tell the peers
 * (`docs/protocol.md` clause 9). Single-flight; every part of it is bounded; a tick that fails says why and the next one
 * starts from the facts again.
 */
import { endOf } from '../deadline.ts';
import { Refusal } from '../errors.ts';
import { TICK_MS_MAX } from '../limits.ts';
import { usableBlocks } from '../chain/view.ts';
import { parseWallet } from '../identity.ts';
import { decide, eligibleSigners, openEpoch } from './readiness.ts';
import type { Blocks, ChainView } from '../chain/view.ts';
import type { EpochTruth, Vault } from '../crypto/vault.ts';
import type { Epoch, Wallet } from '../identity.ts';
import type { NetworkProfile } from '../networks.ts';
import type { Clock, Log, Signer } from '../ports.ts';
import type { Endorsements } from './endorsements.ts';
import type { Gossip } from './gossip.ts';
import type { Offer } from './messages.ts';
import type { Peers } from './peers.ts';
import type { Facts, Gate, OdynState } from './readiness.ts';
import type { Steps } from './steps.ts';

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
  readonly steps: Steps;
  readonly signer: Signer;
  readonly clock: Clock;
  readonly log: Log;
}

const STARTING: Gate = { kind: 'waiting', reason: 'starting', detail: 'before the first tick' };

export function createAdmission(dependencies: AdmissionDependencies): Admission {
  const { self, profile, view, vault, endorsements, peers, gossip, steps, signer, clock, log } = dependencies;
  let gate: Gate = STARTING;
  let runningSinceMs: number | undefined;
  let chainWasReadable = true;
  let odyn: OdynState = 'present';

  const blocks = () => usableBlocks(view);

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
      followedTurn: steps.followedTurn(),
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

  /** Peers may take their time; the chain is read on meanwhile, or a slow peer would make this node stale. */
  async function readingChain(work: Promise<void>): Promise<void> {
    let done = false;
    const ended = work.finally(() => {
      done = true;
    });
    while (!done) {
      await endOf(ended, profile.tickMs, clock);
      if (!done) await readChain();
    }
    await ended;
  }

  async function runTick(): Promise<void> {
    await Promise.all([readChain(), readOdyn()]);
    settle();
    const { step, gate: now } = decide(gatherFacts());
    // What shuts the gate, or moves it to another epoch, does so before peers are waited for: the secret may be gone already.
    if (gate.kind === 'serving') record(now);
    await readingChain(steps.perform(step).then(() => gossip.exchange(peers)));
    settle();
    record(decide(gatherFacts()).gate);
  }

  return {
    async tick() {
      const nowMs = clock.elapsedMs();
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
