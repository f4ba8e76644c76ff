/** Judges of nodes as a whole: with which secret they serve, when they say that they have all data, and whom they still talk to. */
import * as limits from '../../../core/limits.ts';
import { secretHash } from '../../../core/crypto/kdf.ts';
import { STATES } from '../../core/fakes.ts';
import { judgeBounds } from './bounds.ts';
import { createDepartures } from './departures.ts';
import { hold } from './invariants.ts';
import { createKeyJudge } from './keys.ts';
import { isCovered } from './known.ts';
import type { EventFields } from '../../../core/events.ts';
import type { AppId, Epoch, Hash, Wallet } from '../../../core/identity.ts';
import type { Departures } from './departures.ts';
import type { Known } from './known.ts';
import type { Boot, Slot } from '../world/node.ts';
import type { World } from '../world/world.ts';

export interface Readiness extends Pick<Departures, 'knownOutMs' | 'countedOutMs'> {
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
}

interface Held {
  readonly by: Boot;
  readonly known: Known;
}

/** How one boot came to its data, from its beginning or since it forgot its records. */
interface Course {
  beganMs: number;
  incarnation: string | undefined;
  /** Members that were ready then; others that were not, and had been; and what all of them held. */
  members: readonly Boot[];
  others: readonly Boot[];
  baseline: readonly Held[];
  /** Since when it has its secrets. */
  servingSinceMs: number | undefined;
  isReady: boolean;
  /** When it last became ready, and what it held then. */
  become: { readonly atMs: number; readonly held: readonly Held[] } | undefined;
  /** Peers that this boot has failed to reach. */
  readonly failed: Set<string>;
}

/** Who was a member all the while from so long before a node began is one in its eyes. */
const MEMBER_MS = 15_000;
const JUDGED_APPS = [9n, 10n];

export function createReadiness(world: World): Readiness {
  const { chain, timeline } = world;
  const hashes = new Map<number, Set<string>>();
  const activations = new Map<number, Set<bigint>>();
  const departures = createDepartures(world);
  /** When each slot's clock was last seen to be wrong. */
  const skewedAtMs = new Map<Slot, number>();
  const courses = new Map<Boot, Course>();
  const keys = createKeyJudge((epoch) => activations.get(epoch)?.size ?? 0);

  function course(boot: Boot): Course {
    const known = courses.get(boot);
    if (known) return known;
    const fresh: Course = {
      ...{ beganMs: timeline.nowMs(), incarnation: undefined, members: [], others: [], baseline: [] },
      ...{ servingSinceMs: undefined, isReady: false, become: undefined, failed: new Set() },
    };
    courses.set(boot, fresh);
    return fresh;
  }

  const isDataReady = ({ kms }: Boot) => kms.admission.gate().kind === 'serving' && kms.replication.gate().kind === 'serving';

  const heldBy = (boots: readonly Boot[]): Held[] =>
    boots.flatMap((by) => [...world.ledger.shelf(by).held.values()].map((known) => ({ by, known })));

  function lacks(boot: Boot, { by, known }: Held): boolean {
    const mine = world.ledger.shelf(boot).held.get(known.place);
    const gone = world.ledger.collected.get(known.place);
    // What was from its future when it was offered comes when it is offered again: a write, or an end that had come for its holder only.
    const sinceMs = boot.nowMs() - (timeline.nowMs() - course(boot).beganMs);
    const { held, deadSinceMs } = world.ledger.shelf(by);
    const offered = held.get(known.place) ?? known;
    const fromMs = deadSinceMs.has(offered.version) ? Math.max(offered.ms, offered.expiresAtMs) : offered.ms;
    return !isCovered(known, mine, gone) && fromMs <= sinceMs + limits.CLOCK_SKEW_MAX_MS;
  }

  /** Whether it knows from that one that it is ready, as it is now. */
  function hearsReady({ kms }: Boot, by: Boot): boolean {
    const { incarnation } = world.ledger.shelf(by);
    return kms.replication
      .report()
      .peers.some((peer) => peer.wallet === by.kms.identity.wallet && peer.isReady && peer.incarnation === incarnation);
  }

  const hasFailed = (boot: Boot, { kms }: Boot): boolean => course(boot).failed.has(kms.identity.wallet);

  /**
   * Whether a node may have all from one that became ready since it began: nothing is missing here that it held then, and what is missing
   * of others only nodes have that this one has failed to reach. One that held nothing shows nothing.
   */
  function hasAllOfLater(boot: Boot, missing: readonly Held[]): boolean {
    const isElsewhere = missing.some(({ known }) =>
      world.ledger.holders.since(known, timeline.nowMs()).some((other) => !hasFailed(boot, other)),
    );
    const later = [...courses].flatMap(([by, { become }]) =>
      become && by !== boot && become.atMs >= course(boot).beganMs && hearsReady(boot, by) ? [become] : [],
    );
    return !isElsewhere && later.some(({ held }) => held.length > 0 && !held.some((each) => lacks(boot, each)));
  }

  /**
   * Ready members then and now, of which this node holds all that they held when it began. One that was out shortly before may be a
   * member in its eyes, or not: it may have all from that one, and need not. So it may from one that was waiting when it began, and had
   * been ready before.
   */
  function judgeData(boot: Boot): void {
    const { beganMs, servingSinceMs = 0, members, others, baseline } = course(boot);
    if ((skewedAtMs.get(boot.slot) ?? -Infinity) >= beganMs) return;
    if (timeline.nowMs() - servingSinceMs > limits.CATCH_UP_MS_MAX) return;
    const isCounted = (by: Boot): boolean => {
      const isMember = departures.lastOutMs(by.kms.identity.wallet) < beganMs - MEMBER_MS;
      return by.isAlive && isDataReady(by) && isMember && !world.ledger.shelf(by).hasForgotten;
    };
    const held = baseline.filter(({ by }) => members.includes(by) && isCounted(by));
    // Whatever became of it since: one that has lost its Odyn gives its records on.
    const whole = new Set([...members, ...others]);
    const missing = baseline.filter((each) => lacks(boot, each));
    for (const { by } of missing) whole.delete(by);
    const hasSource = !members.some(isCounted) || whole.size > 0 || hasAllOfLater(boot, missing);
    hold('I13', hasSource, () => `${boot.name} is ready without all records of any ready member`);
    for (const each of held) {
      if (!hearsReady(boot, each.by) || hasFailed(boot, each.by)) continue;
      const { place, version } = each.known;
      hold('I13', !missing.includes(each), () => `${boot.name} is ready without ${place} ${version} of ${each.by.name}`);
    }
  }

  /** A boot, or one that forgot its records: from nothing. */
  function began(boot: Boot): void {
    const running = world.running().filter((other) => other !== boot);
    const members = running.filter(isDataReady);
    const others = running.filter((other) => course(other).become && !members.includes(other));
    Object.assign(course(boot), {
      ...{ beganMs: timeline.nowMs(), incarnation: boot.kms.store.incarnation() },
      ...{ members, others, baseline: heldBy([...members, ...others]) },
      ...{ servingSinceMs: undefined, isReady: false, become: undefined },
    } satisfies Partial<Course>);
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
    departures.mined();
  }

  return {
    began,
    mined,
    reorganised() {
      departures.reorganised();
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
      if (boot) course(boot).failed.add(peer);
    },
    admitted(boot, peer, receivedAtMs) {
      const lateMs = departures.knownOutMs(boot, peer, receivedAtMs);
      hold('I17', lateMs === 0, () => `${boot.name} answered ${peer}, ${lateMs} ms after it must have known that it is out`);
    },
    observe(boot) {
      departures.observe(boot);
      if (boot.slot.skewMs !== 0) skewedAtMs.set(boot.slot, timeline.nowMs());
      const gate = boot.kms.admission.gate();
      if (gate.kind === 'serving') {
        const named = [...(hashes.get(gate.epoch) ?? [])];
        const isRight = named.some((hash) => boot.kms.vault.holdsExactly(gate.epoch, hash as Hash));
        hold('I13', isRight, () => `${boot.name} serves epoch ${gate.epoch} with another secret than the chain's`);
      }
      const mine = course(boot);
      if (boot.kms.store.incarnation() !== mine.incarnation) began(boot);
      if (gate.kind === 'serving') mine.servingSinceMs ??= timeline.nowMs();
      const wasReady = mine.isReady;
      mine.isReady = isDataReady(boot);
      if (wasReady || !mine.isReady) return;
      mine.become = { atMs: timeline.nowMs(), held: heldBy([boot]) };
      judgeData(boot);
    },
    knownOutMs: departures.knownOutMs,
    countedOutMs: departures.countedOutMs,
  };
}
