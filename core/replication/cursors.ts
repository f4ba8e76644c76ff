/**
 * What each peer has acknowledged of this node's changes (`docs/protocol.md` clause 13.5): a cursor into their sequence for the peer's
 * present incarnation, and by number what below it the peer lacks or refused. A cursor moves on the peer's word only, starts over with
 * its incarnation, and claims nothing of what was there before first contact until the peer has been through all of it.
 */
import { Refusal } from '../errors.ts';
import * as limits from '../limits.ts';
import { createRate } from '../auth/rate.ts';
import { backoffAfter } from '../cluster/backoff.ts';
import type { Wallet } from '../identity.ts';
import type { Clock, Log, Random } from '../ports.ts';
import type { NackReason, Store, StoredRecord } from '../store/interface.ts';

export interface Cursor {
  readonly wallet: Wallet;
  /** Of the peer's store, hex. */
  readonly incarnation: string;
  /** Where pushing began. */
  floor: number;
  /** Every change after the floor and up to here was answered. */
  acked: number;
  /** Whether the peer has been through all that was there up to the floor as well. */
  isBased: boolean;
  /** Whether the peer serves, by its last word. */
  isReady: boolean;
  /** Changes that the peer asked for. */
  readonly owed: Set<number>;
  /** Changes that the peer refused, to be tried again. */
  readonly refused: Map<number, Refused>;
  /** What was held through which change, oldest first. */
  readonly samples: Sample[];
  caughtUpAtMs: number;
}

interface Refused {
  readonly reason: NackReason;
  readonly tries: number;
  readonly nextTryAtMs: number;
}

interface Sample {
  readonly elapsedMs: number;
  readonly through: number;
}

export interface Cursors {
  /** The peer speaks as that incarnation; what was known of another is forgotten. Throws `peer_answer_odd` for one that never stays. */
  meet(wallet: Wallet, incarnation: string): Cursor;
  of(wallet: Wallet): Cursor | undefined;
  /** Forgets all peers but these. */
  retain(wallets: readonly Wallet[]): void;
  /** How many peers hold that record. A record that another has replaced here is nobody's to ask about. */
  holders(record: StoredRecord): number;
  /** Pushing came so far; what was not taken has been noted before. */
  advance(cursor: Cursor, through: number): void;
  /** The peer has been through all of ours, up to there. Throws `cursor_ahead`. */
  base(cursor: Cursor, through: number): void;
  /** More is missing than can be remembered: nothing so far counts as held any more, and anti-entropy has to find it. */
  overflow(cursor: Cursor): void;
  /** The peer lacks these. False when there was no room for all of them. */
  owe(cursor: Cursor, sequences: readonly number[]): boolean;
  refuse(cursor: Cursor, sequence: number, reason: NackReason): void;
  /** Taken by the peer, or not there any more. */
  settle(cursor: Cursor, sequence: number): void;
  /** Refused changes whose next try is due. */
  due(cursor: Cursor): readonly number[];
  /**
   * The first change that the peer is known to lack; `Infinity` when there is none. What it refuses because it holds another record
   * with the same dot or time is not waited for: only a liar makes two, and it could hold up collection everywhere and for ever.
   */
  missingFrom(cursor: Cursor): number;
  /** Up to which change the peer holds everything. */
  heldThrough(cursor: Cursor): number;
  /** Notes for later what is held by now. */
  sample(): void;
  /** Up to which change all of these held everything, so long ago that nothing older can arrive any more, and do now. */
  collectable(wallets: readonly Wallet[]): number;
  /** Calls the listener whenever a cursor has moved, until what it answers is called. */
  watch(listener: () => void): () => void;
}

export interface CursorsDependencies {
  readonly store: Pick<Store, 'sequence'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

const BACKOFF = { minMs: limits.REFUSED_RETRY_MIN_MS, maxMs: limits.REFUSED_RETRY_MAX_MS };

export function createCursors({ store, clock, random, log }: CursorsDependencies): Cursors {
  const cursors = new Map<Wallet, Cursor>();
  const listeners = new Set<() => void>();
  const boots = createRate(clock, {
    perSecond: limits.INCARNATIONS_PER_SECOND,
    burst: limits.INCARNATIONS_BURST,
    keysMax: limits.OPERATORS_MAX,
  });

  function announce(): void {
    for (const listener of listeners) listener();
  }

  function meet(wallet: Wallet, incarnation: string): Cursor {
    const known = cursors.get(wallet);
    if (known?.incarnation === incarnation) return known;
    if (!boots.take(wallet)) throw new Refusal('peer_answer_odd', 'another incarnation again');
    const floor = store.sequence();
    const cursor: Cursor = {
      ...{ wallet, incarnation, floor, acked: floor, isBased: floor === 0, isReady: false },
      ...{ owed: new Set(), refused: new Map(), samples: [], caughtUpAtMs: clock.elapsedMs() },
    };
    cursors.set(wallet, cursor);
    return cursor;
  }

  function holds(cursor: Cursor, { incarnation, sequence }: StoredRecord): boolean {
    if (incarnation === cursor.incarnation) return true;
    if (cursor.owed.has(sequence) || cursor.refused.has(sequence)) return false;
    return sequence <= cursor.acked && (cursor.isBased || sequence > cursor.floor);
  }

  function missingFrom({ owed, refused }: Cursor): number {
    let first = Infinity;
    for (const sequence of owed) first = Math.min(first, sequence);
    for (const [sequence, { reason }] of refused) if (reason !== 'equivocation') first = Math.min(first, sequence);
    return first;
  }

  function heldThrough(cursor: Cursor): number {
    return cursor.isBased ? Math.min(cursor.acked, missingFrom(cursor) - 1) : 0;
  }

  function overflow(cursor: Cursor): void {
    log('replication.overflowed', { peer: cursor.wallet, owed: cursor.owed.size, refused: cursor.refused.size });
    cursor.owed.clear();
    cursor.refused.clear();
    cursor.samples.length = 0;
    Object.assign(cursor, { isBased: false, floor: cursor.acked });
  }

  function noteCaughtUp(cursor: Cursor): void {
    if (cursor.acked >= store.sequence() && cursor.owed.size === 0) cursor.caughtUpAtMs = clock.elapsedMs();
  }

  function heldLongAgo({ samples }: Cursor): number {
    const oldest = samples[0];
    return oldest && oldest.elapsedMs <= clock.elapsedMs() - limits.MESSAGE_LIFETIME_MS ? oldest.through : 0;
  }

  return {
    meet,
    of: (wallet) => cursors.get(wallet),
    retain(wallets) {
      for (const wallet of cursors.keys()) if (!wallets.includes(wallet)) cursors.delete(wallet);
    },
    overflow,
    holders(record) {
      let count = 0;
      for (const cursor of cursors.values()) if (holds(cursor, record)) count += 1;
      return count;
    },
    advance(cursor, through) {
      cursor.acked = Math.max(cursor.acked, through);
      if (cursor.refused.size > limits.OWED_PER_PEER_MAX) overflow(cursor);
      noteCaughtUp(cursor);
      announce();
    },
    base(cursor, through) {
      if (through > store.sequence()) throw new Refusal('cursor_ahead', `${through} of ${store.sequence()}`);
      if (through < cursor.floor) return;
      for (const sequence of cursor.owed) if (sequence <= through) cursor.owed.delete(sequence);
      for (const [sequence, { reason }] of cursor.refused)
        if (sequence <= through && reason !== 'equivocation') cursor.refused.delete(sequence);
      Object.assign(cursor, { isBased: true, acked: Math.max(cursor.acked, through) });
      noteCaughtUp(cursor);
      announce();
    },
    owe(cursor, sequences) {
      const room = limits.OWED_PER_PEER_MAX - cursor.owed.size;
      for (const sequence of sequences.slice(0, room)) cursor.owed.add(sequence);
      return sequences.length <= room;
    },
    refuse(cursor, sequence, reason) {
      const tries = (cursor.refused.get(sequence)?.tries ?? 0) + 1;
      const backoffMs = backoffAfter(tries, BACKOFF, random.bytes(1));
      cursor.owed.delete(sequence);
      cursor.refused.set(sequence, { reason, tries, nextTryAtMs: clock.elapsedMs() + backoffMs });
    },
    settle(cursor, sequence) {
      cursor.owed.delete(sequence);
      cursor.refused.delete(sequence);
    },
    due: ({ refused }) => [...refused].filter(([, { nextTryAtMs }]) => nextTryAtMs <= clock.elapsedMs()).map(([sequence]) => sequence),
    missingFrom,
    heldThrough,
    sample() {
      const elapsedMs = clock.elapsedMs();
      for (const cursor of cursors.values()) {
        noteCaughtUp(cursor);
        if (elapsedMs - (cursor.samples.at(-1)?.elapsedMs ?? -Infinity) < limits.CURSOR_SAMPLE_MS) continue;
        cursor.samples.push({ elapsedMs, through: heldThrough(cursor) });
        while ((cursor.samples[1]?.elapsedMs ?? Infinity) <= elapsedMs - limits.MESSAGE_LIFETIME_MS) cursor.samples.shift();
      }
    },
    collectable(wallets) {
      const held = wallets.map((wallet) => {
        const cursor = cursors.get(wallet);
        return cursor ? Math.min(heldLongAgo(cursor), heldThrough(cursor)) : 0;
      });
      return Math.min(store.sequence(), ...held);
    },
    watch(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}
