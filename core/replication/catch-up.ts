/**
 * How a node comes to hold the data before it serves any (`docs/protocol.md` clause 13.8): one whole pass of every ready member that
 * can be reached, the first of them by snapshot, and then a round of anti-entropy; or, when nobody is ready, a pass of everybody. Alone
 * by the chain's word, what is here is all there is. Keys and certificates do not wait for this.
 */
import { Refusal } from '../errors.ts';
import { DATA_TICK_MS_MAX } from '../limits.ts';
import type { Wallet } from '../identity.ts';
import type { Clock, Log } from '../ports.ts';
import type { Store } from '../store/interface.ts';
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
  readonly store: Pick<Store, 'sequence'>;
  readonly cursors: Cursors;
  readonly pushes: Pushes;
  readonly snapshots: Snapshots;
  readonly antiEntropy: AntiEntropy;
  readonly membership: Membership;
  readonly peers: Peers;
  readonly clock: Clock;
  readonly log: Log;
}

export function createCatchUp(dependencies: CatchUpDependencies): CatchUp {
  const { store, cursors, pushes, snapshots, antiEntropy, membership, peers, clock, log } = dependencies;
  /** The incarnation of each member whose records were all taken. */
  const passed = new Map<Wallet, string>();
  let gate: DataGate = waiting('before the first tick');
  let turn = 0;

  const isReady = ({ wallet }: { readonly wallet: Wallet }) => cursors.of(wallet)?.isReady ?? false;

  function hasPassed(wallet: Wallet): boolean {
    const incarnation = cursors.of(wallet)?.incarnation;
    return incarnation !== undefined && passed.get(wallet) === incarnation;
  }

  /** Everything of that peer: the incarnation that held it, or `undefined` when something is missing yet. */
  async function passOver(peer: Peer, untilMs: number): Promise<string | undefined> {
    const of = cursors.of(peer.wallet)?.incarnation;
    if (passed.size > 0) return (await antiEntropy.reconcile(peer)) === 'complete' ? of : undefined;
    const pulled = await snapshots.pull(peer, untilMs);
    if (!pulled?.isWhole) return undefined;
    await antiEntropy.acknowledge(peer, pulled.of, pulled.through);
    return pulled.of;
  }

  /** Ready members first, and another one first after a turn that brought nothing: a peer that never ends holds up nobody else. */
  function inTurn(): Peer[] {
    const due = peers.due();
    const first = turn % Math.max(1, due.length);
    return [...due.slice(first), ...due.slice(0, first)].toSorted((a, b) => Number(isReady(b)) - Number(isReady(a)));
  }

  async function passOverAll(untilMs: number): Promise<void> {
    const sequence = store.sequence();
    for (const peer of inTurn()) {
      if (hasPassed(peer.wallet)) continue;
      if (clock.elapsedMs() >= untilMs) return;
      const incarnation = await withoutRefusal(passOver(peer, untilMs));
      if (incarnation !== undefined) passed.set(peer.wallet, incarnation);
      else if (store.sequence() === sequence) turn += 1;
    }
  }

  /** `undefined` when nothing is missing. */
  async function missing(): Promise<string | undefined> {
    const ready = peers.due().filter(isReady);
    const unpassed = (ready.length > 0 ? ready.map(({ wallet }) => wallet) : membership.others()).filter((wallet) => !hasPassed(wallet));
    if (unpassed.length > 0) return `records of ${unpassed.length} members, ${unpassed[0]} among them`;
    const [last] = ready;
    if (!last || (await withoutRefusal(antiEntropy.reconcile(last))) === 'complete') return undefined;
    return `a comparison with ${last.wallet}`;
  }

  return {
    gate: () => gate,
    async advance() {
      const untilMs = clock.elapsedMs() + DATA_TICK_MS_MAX;
      await Promise.all(peers.due().map((peer) => withoutRefusal(pushes.greet(peer))));
      await passOverAll(untilMs);
      const lacking = await missing();
      gate = lacking === undefined ? { kind: 'serving' } : waiting(lacking);
      if (lacking === undefined) log('data.ready', { members: membership.live().size });
    },
    restart() {
      passed.clear();
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
