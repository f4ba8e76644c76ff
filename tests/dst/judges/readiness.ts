/** Judges of nodes as a whole: with which secret they serve, when they say that they have all data, and whom they still talk to. */
import * as limits from '../../../core/limits.ts';
import { secretHash } from '../../../core/crypto/kdf.ts';
import { STATES } from '../../core/fakes.ts';
import { judgeBounds } from './bounds.ts';
import { hold } from './invariants.ts';
import { createKeyJudge } from './keys.ts';
import { isCovered } from './known.ts';
import { CLUSTER_PROFILE } from '../world/node.ts';
import type { EventFields } from '../../../core/events.ts';
import type { AppId, Epoch, Hash, Wallet } from '../../../core/identity.ts';
import type { Known } from './known.ts';
import type { Block } from '../world/chain.ts';
import type { Boot, Slot } from '../world/node.ts';
import type { World } from '../world/world.ts';

export interface Readiness {
  began(boot: Boot): void;
  mined(): void;
  /** The last blocks are others now. */
  reorganised(): void;
  installed(slot: Slot, fields: EventFields['secret.installed']): void;
  /** A call of a peer failed. */
  unreached(slot: Slot, fields: EventFields['peer.unreachable']): void;
  /** A node answered what a peer had signed or sealed. */
  admitted(boot: Boot, peer: Wallet, receivedAtMs: number): void;
  observe(boot: Boot): void;
  /** How many times of activation the chain has had for an epoch. */
  activations(epoch: number): number;
  /** How many secrets it has named for an epoch. */
  secrets(epoch: number): number;
  /** For how long this node must have known that a wallet is out, at that time: no live operator, or no active caller. 0: it need not. */
  knownOutMs(boot: Boot, wallet: Wallet, atMs: number): number;
  /** The same by the confirmed block, by which replication goes, and now. */
  countedOutMs(boot: Boot, wallet: Wallet): number;
}

interface Held {
  readonly by: Boot;
  readonly known: Known;
}

/** From a block until a node has read it: the end of a tick that began before, the pause to the next one, its answers. */
const SEEN_WITHIN_MS = limits.DATA_TICK_MS_MAX + CLUSTER_PROFILE.tickMs + 500;
/** Until replication counts by it: that is at the beginning of a tick, and the one before waits for a secret that it fetches, and for its peers. */
const COUNTED_WITHIN_MS = SEEN_WITHIN_MS + limits.FETCH_SECRET_MS_MAX + limits.PEER_MS_MAX;
/** What cannot be read, or whose clock is set, serves on what it read last; by so much clocks are set while that is judged. */
const UNSEEN_MS_MAX = CLUSTER_PROFILE.headAgeMaxMs + CLUSTER_PROFILE.tickMs + 8_000;
/** Who was a member all the while from so long before a node began is one in its eyes. */
const MEMBER_MS = 15_000;
const JUDGED_APPS = [9n, 10n];

/** Who is out in that block. */
function standingAt({ operators, callers }: Block): Map<string, boolean> {
  const ofApps = [...callers].map(([wallet, { instanceStatus }]) => [wallet, instanceStatus !== 0] as const);
  return new Map([...operators.map(({ wallet, live }) => [wallet, !live] as const), ...ofApps]);
}

export function createReadiness(world: World): Readiness {
  const { chain, timeline } = world;
  const hashes = new Map<number, Set<string>>();
  const activations = new Map<number, Set<bigint>>();
  const outSinceMs = new Map<string, number>();
  const confirmedOutSinceMs = new Map<string, number>();
  /** When each was last seen out. */
  const lastOutMs = new Map<string, number>();
  /** When each slot's endpoint or clock, and when its clock, was last seen to be wrong. */
  const troubledAtMs = new Map<Slot, number>();
  const skewedAtMs = new Map<Slot, number>();
  /** When each boot began or forgot its records, since when it has its secrets, and what nodes that had been ready held when it began. */
  const beganMs = new Map<Boot, number>();
  const servingSinceMs = new Map<Boot, number>();
  const baselines = new Map<
    Boot,
    { readonly members: readonly Boot[]; readonly others: readonly Boot[]; readonly held: readonly Held[] }
  >();
  /** Peers that a boot has failed to reach. */
  const failed = new Map<Boot, Set<string>>();
  const incarnations = new Map<Boot, string>();
  const ready = new Set<Boot>();
  /** Those that have been ready since they began, or forgot. */
  const haveBeenReady = new Set<Boot>();
  const keys = createKeyJudge((epoch) => activations.get(epoch)?.size ?? 0);

  const isDataReady = ({ kms }: Boot) => kms.admission.gate().kind === 'serving' && kms.replication.gate().kind === 'serving';

  function lacks(boot: Boot, { by, known }: Held): boolean {
    const mine = world.ledger.shelf(boot).held.get(known.place);
    const gone = world.ledger.collected.get(known.place);
    const isThere = isCovered(known, mine, gone);
    // What was from its future when it was offered comes when it is offered again: a write, or an end that had come for its holder only.
    const sinceMs = boot.nowMs() - (timeline.nowMs() - (beganMs.get(boot) ?? 0));
    const { held, deadSinceMs } = world.ledger.shelf(by);
    const offered = held.get(known.place) ?? known;
    const fromMs = deadSinceMs.has(offered.version) ? Math.max(offered.ms, offered.expiresAtMs) : offered.ms;
    return !isThere && fromMs <= sinceMs + limits.CLOCK_SKEW_MAX_MS;
  }

  /**
   * Ready members then and now, of which this node holds all that they held when it began. One that was out shortly before may be a
   * member in its eyes, or not: it may have all from that one, and need not. So it may from one that was waiting when it began, and had
   * been ready before.
   */
  function judgeData(boot: Boot): void {
    const startedMs = beganMs.get(boot) ?? 0;
    if ((skewedAtMs.get(boot.slot) ?? -Infinity) >= startedMs) return;
    if (timeline.nowMs() - (servingSinceMs.get(boot) ?? 0) > limits.CATCH_UP_MS_MAX) return;
    const { peers } = boot.kms.replication.report();
    const sinceMs = startedMs - MEMBER_MS;
    const isCounted = (by: Boot): boolean => {
      const isMember = (lastOutMs.get(by.kms.identity.wallet) ?? -Infinity) < sinceMs;
      return by.isAlive && isDataReady(by) && isMember && !world.ledger.shelf(by).hasForgotten;
    };
    const { members = [], others = [], held: all = [] } = baselines.get(boot) ?? {};
    const held = all.filter(({ by }) => members.includes(by) && isCounted(by));
    // Whatever became of it since: one that has lost its Odyn gives its records on.
    const whole = new Set([...members, ...others]);
    for (const each of all) if (lacks(boot, each)) whole.delete(each.by);
    hold('I13', !members.some(isCounted) || whole.size > 0, () => `${boot.name} is ready without all records of any ready member`);
    for (const each of held) {
      const { incarnation } = world.ledger.shelf(each.by);
      const { wallet } = each.by.kms.identity;
      const isReached = peers.some((peer) => peer.wallet === wallet && peer.isReady && peer.incarnation === incarnation);
      if (!isReached || failed.get(boot)?.has(wallet)) continue;
      const { place, version } = each.known;
      hold('I13', whole.has(each.by) || !lacks(boot, each), () => `${boot.name} is ready without ${place} ${version} of ${each.by.name}`);
    }
  }

  function note(since: Map<string, number>, block: Block): void {
    for (const [wallet, isOut] of standingAt(block))
      if (!isOut) since.delete(wallet);
      else if (!since.has(wallet)) since.set(wallet, timeline.nowMs());
  }

  function outMs(boot: Boot, sinceMs: number | undefined, atMs: number, withinMs = SEEN_WITHIN_MS): number {
    if (sinceMs === undefined) return 0;
    const isTroubled = (troubledAtMs.get(boot.slot) ?? -Infinity) >= sinceMs - withinMs;
    return Math.max(0, atMs - sinceMs - (isTroubled ? UNSEEN_MS_MAX : withinMs));
  }

  const knownOutMs = (boot: Boot, wallet: Wallet, atMs: number): number => outMs(boot, outSinceMs.get(wallet), atMs);

  /** A boot, or one that forgot its records: from nothing. */
  function began(boot: Boot): void {
    const running = world.running().filter((other) => other !== boot);
    const members = running.filter(isDataReady);
    const others = running.filter((other) => haveBeenReady.has(other) && !members.includes(other));
    const held = [...members, ...others].flatMap((by) => [...world.ledger.shelf(by).held.values()].map((known) => ({ by, known })));
    baselines.set(boot, { members, others, held });
    beganMs.set(boot, timeline.nowMs());
    servingSinceMs.delete(boot);
    ready.delete(boot);
    haveBeenReady.delete(boot);
    incarnations.set(boot, boot.kms.store.incarnation());
  }

  /** A peer that by this node's count has every change of its store, in the incarnation that it is in. */
  function judgeCounted(boot: Boot): void {
    const { store, replication } = boot.kms;
    const { peers } = replication.report();
    for (const { wallet, incarnation, cursor, isBased, lagRecords } of peers) {
      if (!isBased || lagRecords > 0 || cursor < store.sequence()) continue;
      const peer = world.running().find(({ kms }) => kms.identity.wallet === wallet && kms.store.incarnation() === incarnation);
      for (const known of peer ? world.ledger.shelf(boot).held.values() : []) {
        const theirs = peer && world.ledger.shelf(peer).held.get(known.place);
        const gone = world.ledger.collected.get(known.place);
        const hasIt = isCovered(known, theirs, gone);
        hold('I26', hasIt, () => `${boot.name} counts ${peer?.name} as having ${known.place} ${known.version}: it has ${theirs?.version}`);
      }
    }
  }

  /** Of every secret that it has: those that it had before derive what they did. */
  function judgeKeys({ kms }: Boot): void {
    for (const epoch of hashes.keys())
      for (const appId of JUDGED_APPS) {
        const key = kms.vault.appKey({ appId: appId as AppId, epoch: epoch as Epoch, path: 'judged', context: '', lengthBytes: 32 });
        if (key) keys.judgeKey(`app ${appId} in epoch ${epoch}`, Buffer.from(key).toString('base64'));
      }
  }

  function mined(): void {
    for (const boot of world.running()) {
      judgeCounted(boot);
      judgeBounds(world, boot);
    }
    const { epochs } = chain.head();
    for (const { id, state, secretHash: hash, activatedAt } of epochs) {
      if (state === STATES.open) continue;
      hashes.set(Number(id), (hashes.get(Number(id)) ?? new Set()).add(hash));
      activations.set(Number(id), (activations.get(Number(id)) ?? new Set()).add(activatedAt));
    }
    note(outSinceMs, chain.head());
    note(confirmedOutSinceMs, chain.confirmed());
    for (const wallet of outSinceMs.keys()) lastOutMs.set(wallet, timeline.nowMs());
  }

  return {
    began,
    mined,
    reorganised() {
      // Its end may be in a later block than it was, which nobody has read yet.
      for (const [wallet, isOut] of standingAt(chain.confirmed())) if (!isOut) outSinceMs.delete(wallet);
      mined();
    },
    activations: (epoch) => activations.get(epoch)?.size ?? 0,
    secrets: (epoch) => hashes.get(epoch)?.size ?? 0,
    installed({ boot }, { epoch, hash }) {
      hold('I23', hashes.get(epoch)?.has(hash) ?? false, () => `${boot?.name} installed ${hash} as epoch ${epoch}`);
      const secret = boot?.kms.vault.handOver(epoch, hash);
      hold('I23', !secret || secretHash(secret) === hash, () => `${boot?.name} installed another secret than ${hash} as epoch ${epoch}`);
      if (boot) judgeKeys(boot);
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
      if (boot.kms.store.incarnation() !== incarnations.get(boot)) began(boot);
      if (gate.kind === 'serving' && !servingSinceMs.has(boot)) servingSinceMs.set(boot, timeline.nowMs());
      if (!isDataReady(boot)) return void ready.delete(boot);
      if (ready.has(boot)) return;
      ready.add(boot);
      haveBeenReady.add(boot);
      judgeData(boot);
    },
    knownOutMs,
    countedOutMs: (boot, wallet) => outMs(boot, confirmedOutSinceMs.get(wallet), timeline.nowMs(), COUNTED_WITHIN_MS),
  };
}
