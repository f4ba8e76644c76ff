/**
 * How a node comes to hold the data before it serves any (`docs/protocol.md` clause 13.8): one whole pass of every ready member that
 * can be reached, the first of them by snapshot, and then a round of anti-entropy; or, when nobody is ready, a pass of everybody. Alone
 * by the chain's word, what is here is all there is. Keys and certificates do not wait for this.
 */
import { Refusal } from '../errors.ts';
import { CATCH_UP_MS_MAX, CATCH_UP_TURN_MS, DATA_TICK_MS_MAX } from '../limits.ts';
import type { Wallet } from '../identity.ts';
import type { Clock, Log } from '../ports.ts';
import type { AntiEntropy } from './anti-entropy.ts';
import type { Cursors } from './cursors.ts';
import type { Membership } from './membership.ts';
import type { Peer, Peers } from '../cluster/peers.ts';
import type { Pushes } from './pushes.ts';
import type { Snapshots } from './snapshots.ts';

export type DataGate =
  { readonly kind: 'serving' } | { readonly kind: 'waiting'; readonly reason: 'data_catching_up'; readonly detail: string };

export interface CatchUp {
  gate(): DataGate;
  /** Goes on with it for a while. */
  advance(): Promise<void>;
  /** The store was emptied: from the beginning. */
  restart(): void;
}

export interface CatchUpDependencies {
  readonly cursors: Cursors;
  readonly pushes: Pushes;
  readonly snapshots: Snapshots;
  readonly antiEntropy: AntiEntropy;
  readonly membership: Membership;
  readonly peers: Peers;
  readonly clock: Clock;
  readonly log: Log;
}

interface Turn {
  readonly number: number;
  readonly sinceMs: number;
  /** When a page last came from it. */
  readonly progressMs: number;
  readonly puller: Wallet | undefined;
}

export function createCatchUp(dependencies: CatchUpDependencies): CatchUp {
  const { cursors, pushes, snapshots, antiEntropy, membership, peers, clock, log } = dependencies;
  /** The incarnation of each member whose records were all taken. */
  const passed = new Map<Wallet, string>();
  /** Since when a pass of each member is wanted. */
  const wantedSinceMs = new Map<Wallet, number>();
  let gate: DataGate = waiting('before the first tick');
  /** How often all began anew. */
  let restarts = 0;
  /** Who is asked first, since when, and whose snapshot is begun. */
  let turn: Turn = { number: 0, sinceMs: 0, progressMs: 0, puller: undefined };

  const isReady = ({ wallet }: { readonly wallet: Wallet }) => cursors.of(wallet)?.isReady ?? false;

  function hasPassed(wallet: Wallet): boolean {
    const incarnation = cursors.of(wallet)?.incarnation;
    return incarnation !== undefined && passed.get(wallet) === incarnation;
  }

  /** Everything of that peer: the incarnation that held it, or `undefined` when something is missing yet. */
  async function passOver(peer: Peer, untilMs: number): Promise<string | undefined> {
    const of = cursors.of(peer.wallet)?.incarnation;
    if (passed.size > 0) return (await antiEntropy.reconcile(peer)) === 'complete' ? of : undefined;
    const bytes = snapshots.bytes();
    const pulled = await snapshots.pull(peer, untilMs).finally(() => {
      if (snapshots.bytes() > bytes) turn = { ...turn, progressMs: clock.elapsedMs() };
    });
    if (!pulled?.isWhole) return undefined;
    if (!pulled.hasFuture) await antiEntropy.acknowledge(peer, pulled.of, pulled.through);
    return pulled.of;
  }

  /** Ready members first, and another of them first after each turn: a peer that never ends holds up nobody else. */
  function inTurn(): Peer[] {
    const due = peers.due();
    const nowMs = clock.elapsedMs();
    const isOver = nowMs - turn.progressMs >= CATCH_UP_TURN_MS || nowMs - turn.sinceMs >= CATCH_UP_MS_MAX;
    if (isOver) turn = { number: turn.number + 1, sinceMs: nowMs, progressMs: nowMs, puller: undefined };
    const first = turn.number % Math.max(1, due.length);
    return [...due.slice(first), ...due.slice(0, first)].toSorted((a, b) => Number(isReady(b)) - Number(isReady(a)));
  }

  /** One snapshot at a time: who fails for a while keeps its turn, or what came so far would be pulled again from somebody else. */
  function isForAnother({ wallet }: Peer): boolean {
    if (passed.size > 0) return false;
    const { puller } = turn;
    if (puller === undefined || !cursors.of(puller)) turn = { ...turn, puller: wallet };
    return turn.puller !== wallet;
  }

  /** `isOver`: what was asked before says nothing any more. */
  async function passOverAll(untilMs: number, isOver: () => boolean): Promise<void> {
    for (const peer of inTurn()) {
      if (hasPassed(peer.wallet) || isForAnother(peer)) continue;
      if (clock.elapsedMs() >= untilMs) return;
      if (!wantedSinceMs.has(peer.wallet)) wantedSinceMs.set(peer.wallet, clock.elapsedMs());
      const incarnation = await withoutRefusal(passOver(peer, untilMs));
      if (isOver()) return;
      if (incarnation !== undefined) passed.set(peer.wallet, incarnation);
    }
  }

  /** A ready member that does not let a newcomer finish, while another one did: its records come by anti-entropy, if they come. */
  function isGivenUp(wallet: Wallet): boolean {
    const waitedMs = clock.elapsedMs() - (wantedSinceMs.get(wallet) ?? Infinity);
    return waitedMs >= CATCH_UP_MS_MAX && peers.due().some((other) => isReady(other) && hasPassed(other.wallet));
  }

  /** `undefined` when nothing is missing. */
  async function missing(): Promise<string | undefined> {
    const ready = peers.due().filter(isReady);
    const wanted = ready.length > 0 ? ready.map(({ wallet }) => wallet) : membership.others();
    const unpassed = wanted.filter((wallet) => !hasPassed(wallet) && !isGivenUp(wallet));
    if (unpassed.length > 0) return `records of ${unpassed.length} members, ${unpassed[0]} among them`;
    const last = ready.find(({ wallet }) => hasPassed(wallet));
    if (!last || (await withoutRefusal(antiEntropy.reconcile(last))) === 'complete') return undefined;
    return `a comparison with ${last.wallet}`;
  }

  return {
    gate: () => gate,
    async advance() {
      const untilMs = clock.elapsedMs() + DATA_TICK_MS_MAX;
      const begun = restarts;
      // One that was slow ends behind a later one: it takes nothing back, and does not speak for a store that was emptied meanwhile.
      const isOver = () => restarts !== begun || gate.kind === 'serving';
      await Promise.all(peers.due().map((peer) => withoutRefusal(pushes.greet(peer))));
      await passOverAll(untilMs, isOver);
      const lacking = await missing();
      if (isOver()) return;
      gate = lacking === undefined ? { kind: 'serving' } : waiting(lacking);
      if (lacking === undefined) log('data.ready', { members: membership.live().size });
    },
    restart() {
      restarts += 1;
      passed.clear();
      wantedSinceMs.clear();
      gate = waiting('forgotten');
    },
  };
}

function waiting(detail: string): DataGate {
  return { kind: 'waiting', reason: 'data_catching_up', detail };
}

/** Of a call that failed: back-off and the log line are the business of `peers`, and the next tick tries again. */
export async function withoutRefusal<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof Refusal) return undefined;
    throw error;
  }
}
