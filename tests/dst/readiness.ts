/** Judges of nodes as a whole: with which secret they serve, when they say that they have all data, and whom they still talk to. */
import * as limits from '../../core/limits.ts';
import { secretHash } from '../../core/crypto/kdf.ts';
import { STATES } from '../core/fakes.ts';
import { hold } from './invariants.ts';
import { isLater } from './ledger.ts';
import { CLUSTER_PROFILE } from './node.ts';
import type { EventFields } from '../../core/events.ts';
import type { Hash, Wallet } from '../../core/identity.ts';
import type { Known } from './ledger.ts';
import type { Boot, Slot } from './node.ts';
import type { World } from './world.ts';

export interface Readiness {
  began(boot: Boot): void;
  mined(): void;
  installed(slot: Slot, fields: EventFields['secret.installed']): void;
  /** A call of a peer failed. */
  unreached(slot: Slot, fields: EventFields['peer.unreachable']): void;
  /** A node answered what a peer had signed or sealed. */
  admitted(boot: Boot, peer: Wallet, receivedAtMs: number): void;
  observe(boot: Boot): void;
  /** A fault of the network, the chain, a clock or an enclave begins, or ends. */
  fault(isOn: boolean): void;
  /** Since when nothing has been wrong. */
  calmSinceMs(): number;
  /** For how long this node must have known that a wallet is out, at that time: no live operator, or no active caller. 0: it need not. */
  knownOutMs(boot: Boot, wallet: Wallet, atMs: number): number;
}

interface Held {
  readonly by: Boot;
  readonly known: Known;
}

/** From a block until a node has read it: the end of a tick that began before, the pause to the next one, its answers. */
const SEEN_WITHIN_MS = limits.DATA_TICK_MS_MAX + CLUSTER_PROFILE.tickMs + 500;
/** What cannot be read, or whose clock is set, serves on what it read last; by so much clocks are set while that is judged. */
const UNSEEN_MS_MAX = CLUSTER_PROFILE.headAgeMaxMs + CLUSTER_PROFILE.tickMs + 8_000;
/** Who was a member all the while from so long before a node began is one in its eyes. */
const MEMBER_MS = 15_000;

export function createReadiness(world: World): Readiness {
  const { chain, timeline } = world;
  const hashes = new Map<number, Set<string>>();
  const outSinceMs = new Map<string, number>();
  /** When each was last seen out. */
  const lastOutMs = new Map<string, number>();
  /** When each slot's endpoint or clock, and when its clock, was last seen to be wrong. */
  const troubledAtMs = new Map<Slot, number>();
  const skewedAtMs = new Map<Slot, number>();
  /** What ready nodes held when a node began. */
  const baselines = new Map<Boot, { readonly members: readonly Boot[]; readonly held: readonly Held[] }>();
  /** Peers that a boot has failed to reach. */
  const failed = new Map<Boot, Set<string>>();
  /** Ready boots, and with which incarnation of their store. */
  const ready = new Map<Boot, string>();
  let faults = 0;
  let calmSinceMs = 0;

  const isDataReady = ({ kms }: Boot) => kms.admission.gate().kind === 'serving' && kms.replication.gate().kind === 'serving';

  function lacks(boot: Boot, { by, known }: Held): boolean {
    const mine = world.ledger.shelf(boot).held.get(known.place);
    const gone = world.ledger.collected.get(known.place);
    const isThere = [mine, gone].some((each) => each !== undefined && (each === known || isLater(each, known)));
    // What was from its future when it was offered comes when it is offered again.
    const sinceMs = boot.nowMs() - (timeline.nowMs() - boot.startedAtMs);
    const offered = world.ledger.shelf(by).held.get(known.place) ?? known;
    return !isThere && offered.ms <= sinceMs + limits.CLOCK_SKEW_MAX_MS;
  }

  /** Ready members then and now, of which this node holds all that they held when it began. */
  function judgeData(boot: Boot): void {
    if ((skewedAtMs.get(boot.slot) ?? -Infinity) >= boot.startedAtMs) return;
    if (timeline.nowMs() - boot.startedAtMs > limits.CATCH_UP_MS_MAX) return;
    const { peers } = boot.kms.replication.report();
    const sinceMs = boot.startedAtMs - MEMBER_MS;
    const isReady = (by: Boot): boolean => {
      const isMember = (lastOutMs.get(by.kms.identity.wallet) ?? -Infinity) < sinceMs;
      return by.isAlive && isDataReady(by) && isMember && !world.ledger.shelf(by).hasForgotten;
    };
    const { members = [], held: all = [] } = baselines.get(boot) ?? {};
    const held = all.filter(({ by }) => isReady(by));
    const whole = new Set(members.filter(isReady));
    for (const each of held) if (lacks(boot, each)) whole.delete(each.by);
    hold('I13', !members.some(isReady) || whole.size > 0, () => `${boot.name} is ready without all records of any ready member`);
    for (const each of held) {
      const { incarnation } = world.ledger.shelf(each.by);
      const { wallet } = each.by.kms.identity;
      const isReached = peers.some((peer) => peer.wallet === wallet && peer.isReady && peer.incarnation === incarnation);
      if (!isReached || failed.get(boot)?.has(wallet)) continue;
      const { place, version } = each.known;
      hold('I13', whole.has(each.by) || !lacks(boot, each), () => `${boot.name} is ready without ${place} ${version} of ${each.by.name}`);
    }
  }

  function note(wallet: string, isOut: boolean): void {
    if (!isOut) outSinceMs.delete(wallet);
    else if (!outSinceMs.has(wallet)) outSinceMs.set(wallet, timeline.nowMs());
    if (isOut) lastOutMs.set(wallet, timeline.nowMs());
  }

  function knownOutMs(boot: Boot, wallet: Wallet, atMs: number): number {
    const sinceMs = outSinceMs.get(wallet);
    if (sinceMs === undefined) return 0;
    const isTroubled = (troubledAtMs.get(boot.slot) ?? -Infinity) >= sinceMs - SEEN_WITHIN_MS;
    return Math.max(0, atMs - sinceMs - (isTroubled ? UNSEEN_MS_MAX : SEEN_WITHIN_MS));
  }

  return {
    began(boot) {
      const members = world.running().filter((other) => other !== boot && isDataReady(other));
      const held = members.flatMap((by) => [...world.ledger.shelf(by).held.values()].map((known) => ({ by, known })));
      baselines.set(boot, { members, held });
    },
    mined() {
      const { epochs, operators, callers } = chain.head();
      for (const { id, state, secretHash: hash } of epochs)
        if (state !== STATES.open) hashes.set(Number(id), (hashes.get(Number(id)) ?? new Set()).add(hash));
      for (const { wallet, live } of operators) note(wallet, !live);
      for (const [wallet, { instanceStatus }] of callers) note(wallet, instanceStatus !== 0);
    },
    installed({ boot }, { epoch, hash }) {
      hold('I23', hashes.get(epoch)?.has(hash) ?? false, () => `${boot?.name} installed ${hash} as epoch ${epoch}`);
      const secret = boot?.kms.vault.handOver(epoch, hash);
      hold('I23', !secret || secretHash(secret) === hash, () => `${boot?.name} installed another secret than ${hash} as epoch ${epoch}`);
    },
    unreached({ boot }, { peer }) {
      if (boot) failed.set(boot, (failed.get(boot) ?? new Set()).add(peer));
    },
    admitted(boot, peer, receivedAtMs) {
      const lateMs = knownOutMs(boot, peer, receivedAtMs);
      hold('I17', lateMs === 0, () => `${boot.name} answered ${peer}, ${lateMs} ms after it must have known that it is out`);
    },
    observe(boot) {
      const { rpc, skewMs } = boot.slot;
      if (skewMs !== 0) skewedAtMs.set(boot.slot, timeline.nowMs());
      if (rpc.downs > 0 || rpc.lagBlocks > 0 || skewMs !== 0) troubledAtMs.set(boot.slot, timeline.nowMs());
      const gate = boot.kms.admission.gate();
      if (gate.kind === 'serving') {
        const named = [...(hashes.get(gate.epoch) ?? [])];
        const isRight = named.some((hash) => boot.kms.vault.holdsExactly(gate.epoch, hash as Hash));
        hold('I13', isRight, () => `${boot.name} serves epoch ${gate.epoch} with another secret than the chain's`);
      }
      if (!isDataReady(boot)) return void ready.delete(boot);
      const incarnation = boot.kms.store.incarnation();
      const before = ready.get(boot);
      hold('I13', before === undefined || before === incarnation, () => `${boot.name} is ready at once after it forgot its records`);
      if (before !== undefined) return;
      ready.set(boot, incarnation);
      judgeData(boot);
    },
    fault(isOn) {
      faults += isOn ? 1 : -1;
      if (faults === 0) calmSinceMs = timeline.nowMs();
    },
    calmSinceMs: () => (faults > 0 ? Infinity : calmSinceMs),
    knownOutMs,
  };
}
