/**
 * Who is a live member by the confirmed block, and for how long (`docs/protocol.md` clause 13.6). Collection of tombstones asks who
 * still counts, and a node that was no member for too long has to forget its records. Time that passed is counted, not the time of
 * day, and a chain that cannot be read changes nothing.
 */
import { MEMBERSHIP_GRACE_MS, MESSAGE_LIFETIME_MS } from '../limits.ts';
import { operatorOf, usableBlocks } from '../chain/view.ts';
import type { ChainView } from '../chain/view.ts';
import type { Wallet } from '../identity.ts';
import type { Clock } from '../ports.ts';

export interface Membership {
  /** Takes note of the chain as it stands. False when this node has to forget its records: it is out, and has been for too long. */
  observe(): boolean;
  /** Live now, or when the chain was last readable; this node among them if it is. */
  live(): ReadonlySet<Wallet>;
  /** Live, without this node. */
  others(): readonly Wallet[];
  /** Others that were live at any time while a message of theirs could still arrive; `undefined` until all such times were seen. */
  recent(): readonly Wallet[] | undefined;
}

export interface MembershipDependencies {
  readonly self: Wallet;
  readonly view: ChainView;
  readonly clock: Clock;
}

/** Seeing the members less often than this would miss one that left, and returns before it has to forget its records. */
const BLIND_MS_MAX = MESSAGE_LIFETIME_MS - MEMBERSHIP_GRACE_MS;

export function createMembership({ self, view, clock }: MembershipDependencies): Membership {
  let live: ReadonlySet<Wallet> = new Set();
  let confirmed: unknown;
  let firstSeenMs: number | undefined;
  let selfSeenMs: number | undefined;
  let observedAtMs = -Infinity;
  const lastSeenMs = new Map<Wallet, number>();

  /** The set of the newest block that could be read. */
  function current(): ReadonlySet<Wallet> {
    const blocks = usableBlocks(view);
    if (!blocks || blocks.confirmed === confirmed) return live;
    confirmed = blocks.confirmed;
    live = new Set(blocks.confirmed.operators.filter((operator) => operator.live).map((operator) => operator.wallet));
    return live;
  }

  const others = () => [...current()].filter((wallet) => wallet !== self);

  /** Who came and went meanwhile is not known: those of before may still count, and all is watched anew. */
  function beBlind(elapsedMs: number): void {
    firstSeenMs = elapsedMs;
    for (const wallet of lastSeenMs.keys()) lastSeenMs.set(wallet, elapsedMs);
  }

  return {
    observe() {
      const blocks = usableBlocks(view);
      if (!blocks) return true;
      const elapsedMs = clock.elapsedMs();
      if (elapsedMs - observedAtMs > BLIND_MS_MAX) beBlind(elapsedMs);
      observedAtMs = elapsedMs;
      for (const wallet of others()) lastSeenMs.set(wallet, elapsedMs);
      for (const [wallet, seenMs] of lastSeenMs) if (elapsedMs - seenMs > MESSAGE_LIFETIME_MS) lastSeenMs.delete(wallet);
      const isLive = operatorOf(blocks.confirmed, self)?.live ?? false;
      const isLost = !isLive && selfSeenMs !== undefined && elapsedMs - selfSeenMs > MEMBERSHIP_GRACE_MS;
      selfSeenMs = isLive ? elapsedMs : isLost ? undefined : selfSeenMs;
      return !isLost;
    },
    live: current,
    others,
    recent() {
      if (firstSeenMs === undefined || clock.elapsedMs() - firstSeenMs < MESSAGE_LIFETIME_MS) return undefined;
      return [...lastSeenMs.keys()];
    },
  };
}
