/**
 * The replication of the store (`docs/protocol.md` clause 13): what peers ask, what the tick does, and how many hold a record. It
 * composes pushes, anti-entropy and catching up; the store knows nothing of it.
 */
import { endOf } from '../deadline.ts';
import { Refusal } from '../errors.ts';
import * as limits from '../limits.ts';
import { usableBlocks } from '../chain/view.ts';
import { createAnswers } from './answers.ts';
import { createAntiEntropy } from './anti-entropy.ts';
import { createCatchUp, withoutRefusal } from './catch-up.ts';
import { createCursors } from './cursors.ts';
import { createIntake } from './intake.ts';
import { createPushes } from './pushes.ts';
import { createReplicas } from './replicas.ts';
import { reportOn } from './report.ts';
import { createRounds } from './rounds.ts';
import { createSnapshots } from './snapshots.ts';
import type { ChainView } from '../chain/view.ts';
import type { Epoch } from '../identity.ts';
import type { Clock, Log, Random } from '../ports.ts';
import type { Store, StoredRecord } from '../store/interface.ts';
import type { DataGate } from './catch-up.ts';
import type { DataFrameType } from '../cluster/frames.ts';
import type { Membership } from './membership.ts';
import type { Peers } from '../cluster/peers.ts';
import type { ReplicaCount } from './replicas.ts';
import type { ReplicationReport } from './report.ts';
import type { FrameHandler } from '../cluster/sessions.ts';

export interface Replication {
  readonly handlers: Readonly<Record<DataFrameType, FrameHandler>>;
  /** Bounded; talking with peers is single-flight, and goes on behind it when it takes longer, for a while. */
  tick(): Promise<void>;
  /** The store has changed: peers are told at once, with what else changes within a few milliseconds. */
  wake(): void;
  /**
   * Until nothing goes on behind a tick or a change, and no longer than that: what died with its request never ends. For hosts that end
   * what nobody waits for.
   */
  idle(msMax: number): Promise<void>;
  /** Until so many nodes, this one included, or all members hold the records; at most that long. Never throws. */
  replicated(records: readonly StoredRecord[], wanted: number, timeoutMs: number): Promise<ReplicaCount>;
  /** Whether so many others hold it that min(2, members) nodes do: it may be evicted. */
  isReplicated(record: StoredRecord): boolean;
  gate(): DataGate;
  report(): ReplicationReport;
}

export interface ReplicationDependencies {
  readonly store: Store;
  readonly membership: Membership;
  readonly view: ChainView;
  readonly peers: Peers;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Whether this node has its secrets: before that it can open no record. */
  readonly isServing: () => boolean;
}

/** A change that was to be told by now: whoever was to do it died with its request. */
const WAKING_MS_MAX = 1_000;

export function createReplication(dependencies: ReplicationDependencies): Replication {
  const { store, membership, view, peers, clock, random, log, isServing } = dependencies;
  const isReady = () => catchUp.gate().kind === 'serving';
  const cursors = createCursors({ store, clock, random, log });
  const intake = createIntake({ store, clock, log, onStored: wake });
  const pushes = createPushes({ store, cursors, intake, peers, clock, log, onMore: wake });
  const answers = createAnswers({ store, cursors, intake, isReady });
  const antiEntropy = createAntiEntropy({ store, cursors, pushes, intake, peers, isReady });
  const snapshots = createSnapshots({ store, cursors, intake, peers, clock, isReady });
  const catchUp = createCatchUp({ cursors, pushes, snapshots, antiEntropy, membership, peers, clock, log });
  const rounds = createRounds({ store, cursors, pushes, antiEntropy, peers, clock, random });
  const replicas = createReplicas({ store, cursors, pushes, membership, clock });
  /** Since when each goes on. */
  const background = new Map<Promise<void>, number>();
  let wakingSinceMs: number | undefined;
  let talkingSinceMs: number | undefined;

  /** Work that nobody waits for: what it throws is logged. */
  function begin(work: Promise<void>): Promise<void> {
    const ended = work.catch((error: unknown) => {
      const { reason, detail } = error instanceof Refusal ? error : new Refusal('internal', String(error));
      log('replication.failed', { reason, detail });
    });
    const kept = ended.finally(() => background.delete(kept));
    background.set(kept, clock.elapsedMs());
    return kept;
  }

  function wake(): void {
    const nowMs = clock.elapsedMs();
    if (wakingSinceMs !== undefined && nowMs - wakingSinceMs < WAKING_MS_MAX) return;
    wakingSinceMs = nowMs;
    void begin(pushSoon());
  }

  async function pushSoon(): Promise<void> {
    await clock.sleep(limits.REPLICATE_BATCH_MS);
    wakingSinceMs = undefined;
    await pushes.pushAll();
  }

  function forget(): void {
    log('data.forgotten', { members: membership.live().size });
    store.forget();
    cursors.retain([]);
    catchUp.restart();
  }

  function maintain(): void {
    const epochs = usableBlocks(view)?.confirmed.epochs ?? [];
    const isGone = (epoch: Epoch) => ['retired', 'lost'].includes(epochs[epoch]?.state ?? '');
    store.maintain(isGone);
    cursors.sample();
    const recent = membership.recent();
    if (isReady() && recent) store.collect(cursors.collectable(recent));
  }

  async function keepUp(): Promise<void> {
    if (isReady()) await rounds.next();
    else if (isServing()) await catchUp.advance();
  }

  /** A peer that was not ready when it last spoke says by now whether it is. */
  async function greetUnready(): Promise<void> {
    const unready = peers.due().filter(({ wallet }) => cursors.of(wallet)?.isReady === false);
    await Promise.all(unready.map((peer) => withoutRefusal(pushes.greet(peer))));
  }

  /** What no peer can hold up. */
  async function keepHouse(): Promise<void> {
    if (!membership.observe()) forget();
    cursors.retain(membership.others());
    intake.retain(membership.others());
    for (const [work, sinceMs] of background) if (clock.elapsedMs() - sinceMs > limits.TICK_MS_MAX) background.delete(work);
    maintain();
  }

  async function talk(): Promise<void> {
    await Promise.all([pushes.pushAll(), greetUnready(), keepUp()]);
  }

  return {
    handlers: { ...answers, snapshot: snapshots.handler, digest: antiEntropy.handler },
    async tick() {
      await begin(keepHouse());
      const nowMs = clock.elapsedMs();
      if (talkingSinceMs !== undefined && nowMs - talkingSinceMs < limits.TALK_MS_MAX) return;
      talkingSinceMs = nowMs;
      const run = talk().finally(() => {
        if (talkingSinceMs === nowMs) talkingSinceMs = undefined;
      });
      await endOf(begin(run), limits.DATA_TICK_MS_MAX, clock);
    },
    wake,
    async idle(msMax) {
      await endOf(Promise.all(background.keys()), msMax, clock);
    },
    async replicated(records, wanted, timeoutMs) {
      wake();
      return await replicas.wait(records, wanted, timeoutMs);
    },
    isReplicated: (record) => cursors.holders(record) >= Math.min(2, membership.live().size) - 1,
    gate: () => catchUp.gate(),
    report: () => ({
      isReady: isReady(),
      peers: membership.others().map((wallet) => reportOn(wallet, { store, cursors, intake, peers, clock })),
      totals: { ...antiEntropy.counts(), snapshotBytes: snapshots.bytes() },
    }),
  };
}
