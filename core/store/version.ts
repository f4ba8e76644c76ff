/**
 * Vector clocks (Mattern, 1989; `docs/protocol.md` clause 13.2): who had seen what when a record was written. They tell a conflict from
 * a successor; which record wins is the hybrid clock's word alone.
 */
import type { Wallet } from '../identity.ts';

export interface Seen {
  readonly wallet: Wallet;
  readonly count: number;
}

/** By wallet, ascending, each once. */
export type VectorClock = readonly Seen[];

export function mergeClocks(a: VectorClock, b: VectorClock): VectorClock {
  if (a === b || b.length === 0) return a;
  const counts = new Map(a.map(({ wallet, count }) => [wallet, count]));
  for (const { wallet, count } of b) counts.set(wallet, Math.max(count, counts.get(wallet) ?? 0));
  return clockOf(counts);
}

export function incremented(clock: VectorClock, wallet: Wallet): VectorClock {
  const counts = new Map(clock.map((seen) => [seen.wallet, seen.count]));
  // Whoever sends the highest count there is stops it, and nothing else.
  return clockOf(counts.set(wallet, Math.min((counts.get(wallet) ?? 0) + 1, Number.MAX_SAFE_INTEGER)));
}

/** Only what members have seen: a wallet that is no member any more takes no room. */
export function pruned(clock: VectorClock, isMember: (wallet: Wallet) => boolean): VectorClock {
  return clock.every(({ wallet }) => isMember(wallet)) ? clock : clock.filter(({ wallet }) => isMember(wallet));
}

/** Neither had seen the other. */
export function areConcurrent(a: VectorClock, b: VectorClock): boolean {
  return !hasSeen(a, b) && !hasSeen(b, a);
}

function hasSeen(a: VectorClock, b: VectorClock): boolean {
  return b.every(({ wallet, count }) => count <= (a.find((seen) => seen.wallet === wallet)?.count ?? 0));
}

function clockOf(counts: ReadonlyMap<Wallet, number>): VectorClock {
  return [...counts].map(([wallet, count]) => ({ wallet, count })).sort((a, b) => (a.wallet < b.wallet ? -1 : 1));
}
