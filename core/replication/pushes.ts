/**
 * Pushing changes to peers (`docs/protocol.md` clause 13.5): one delta under way per peer, until the peer has everything or fails. What
 * this node wrote travels whole; what it took from others travels as offers, since their writers push it themselves, and is sent
 * when a peer lacks it. One slow peer delays no other.
 */
import { endOf } from '../deadline.ts';
import { Refusal } from '../errors.ts';
import * as limits from '../limits.ts';
import { createRate } from '../auth/rate.ts';
import { recordBytes } from './fields.ts';
import { decodeDeltaAnswer, encodeDelta } from './messages.ts';
import type { Wallet } from '../identity.ts';
import type { Clock, Log } from '../ports.ts';
import type { Offer, Store, StoredRecord } from '../store/interface.ts';
import type { TravellingRecord } from '../store/record.ts';
import type { Cursor, Cursors } from './cursors.ts';
import type { Delta, DeltaAnswer } from './messages.ts';
import type { Intake } from './intake.ts';
import type { Peer, Peers } from '../cluster/peers.ts';

export interface Pushes {
  /** To every peer that may be dialled now, all at once, but for those to whom something is under way: it goes on with what is new. */
  pushAll(): Promise<void>;
  /** Until that peer has everything, fails, or has had its time: then it is for a later call. Says hello first to one not met yet. */
  push(peer: Peer): Promise<void>;
  /** Asks for the peer's incarnation and whether it serves. Throws what `peers.call` does. */
  greet(peer: Peer): Promise<void>;
  /** The version of a later record that had not seen this one, when a peer answered that it holds one. */
  supersededBy(record: StoredRecord): string | undefined;
}

export interface PushesDependencies {
  readonly store: Store;
  readonly cursors: Cursors;
  readonly intake: Intake;
  readonly peers: Peers;
  readonly clock: Clock;
  readonly log: Log;
  /** A flight has had its time, and something is left. */
  readonly onMore: () => void;
}

/** A delta with what its entries are here. */
interface Outgoing extends Delta {
  readonly records: TravellingRecord[];
  readonly offers: Offer[];
  readonly wholes: StoredRecord[];
  readonly offered: StoredRecord[];
  bytes: number;
  through: number;
}

/** Work that belongs to a request may die with it: then `beatMs` stands still. */
interface Flight {
  readonly sinceMs: number;
  beatMs: number;
  ended: Promise<void>;
}

const FLIGHT_MS_MAX = limits.PEER_MS_MAX + 1_000;

export function createPushes(dependencies: PushesDependencies): Pushes {
  const { store, cursors, intake, peers, clock, log, onMore } = dependencies;
  const flights = new Map<Wallet, Flight>();
  const superseded = new WeakMap<StoredRecord, string>();
  const logged = createRate(clock, {
    perSecond: limits.LOGGED_LIES_PER_SECOND,
    burst: limits.LOGGED_LIES_BURST,
    keysMax: limits.OPERATORS_MAX,
  });

  /** False when the frame has no room for it. A record that cannot travel now waits as if it had been refused. */
  function addWhole(delta: Outgoing, cursor: Cursor, record: StoredRecord): boolean {
    const travelling = store.travelling(record);
    if (!travelling) {
      cursors.refuse(cursor, record.sequence, 'unknown_epoch');
      return true;
    }
    const bytes = delta.bytes + recordBytes(travelling);
    if (delta.records.length > 0 && (bytes > limits.DATA_FRAME_BYTES_MAX || !hasRoom(delta))) return false;
    delta.bytes = bytes;
    delta.records.push(travelling);
    delta.wholes.push(record);
    return true;
  }

  function addOffer(delta: Outgoing, record: StoredRecord): boolean {
    if (!hasRoom(delta)) return false;
    delta.offers.push(store.offerOf(record));
    delta.offered.push(record);
    return true;
  }

  /** What the peer asked for, or refused a while ago. False when there is more of it than fits. */
  function addMissing(delta: Outgoing, cursor: Cursor): boolean {
    for (const sequence of [...cursor.owed, ...cursors.due(cursor)]) {
      const record = recordAt(store, sequence);
      if (!record) cursors.settle(cursor, sequence);
      else if (!addWhole(delta, cursor, record)) return false;
    }
    return true;
  }

  function addChanges(delta: Outgoing, cursor: Cursor): void {
    for (const record of store.changes(cursor.acked)) {
      if (cursor.refused.size > limits.OWED_PER_PEER_MAX) return;
      const { sequence, incarnation } = record;
      const isKnown = incarnation === cursor.incarnation || cursor.owed.has(sequence) || cursor.refused.has(sequence);
      const isOurs = incarnation === store.incarnation();
      if (!isKnown && !(isOurs ? addWhole(delta, cursor, record) : addOffer(delta, record))) return;
      delta.through = sequence;
    }
    delta.through = store.sequence();
  }

  function compose(cursor: Cursor): Outgoing {
    const delta = emptyDelta(store.incarnation(), cursor.acked);
    if (addMissing(delta, cursor)) addChanges(delta, cursor);
    return delta;
  }

  function learn(cursor: Cursor, delta: Outgoing, answer: DeltaAnswer): void {
    const refusals = new Map(answer.refused.map(({ index, reason }) => [index, reason]));
    delta.wholes.forEach(({ sequence }, index) => {
      const reason = refusals.get(index);
      if (reason) cursors.refuse(cursor, sequence, reason);
      else cursors.settle(cursor, sequence);
    });
    const blamed = answer.refused.find(({ reason }) => reason !== 'unknown_epoch');
    if (blamed && logged.take(cursor.wallet))
      log('records.nacked', { peer: cursor.wallet, reason: blamed.reason, count: answer.refused.length });
    intake.takeAnswer(cursor.wallet, answer.records);
    for (const { index, version } of answer.superseded) superseded.set(delta.wholes[index] as StoredRecord, version);
    const wanted = answer.wanted.map((index) => (delta.offered[index] as StoredRecord).sequence);
    const isNoted = cursors.owe(cursor, wanted);
    cursors.advance(cursor, delta.through);
    if (!isNoted) cursors.overflow(cursor);
  }

  /** One delta there and what came back. False when that counts no more: for another incarnation, or another flight's now. */
  function send(peer: Peer, cursor: Cursor | undefined, delta: Outgoing, isWanted: () => boolean): Promise<boolean> {
    return peers.call(peer, 'delta', encodeDelta(delta), (payload) => {
      const answer = decodeDeltaAnswer(payload, delta);
      const met = cursors.meet(peer.wallet, answer.incarnation);
      met.isReady = answer.isReady;
      if (met !== cursor || delta.incarnation !== store.incarnation() || !isWanted()) return false;
      learn(met, delta, answer);
      return true;
    });
  }

  async function greet(peer: Peer): Promise<void> {
    await send(peer, undefined, emptyDelta(store.incarnation(), 0), () => false);
  }

  async function fly(peer: Peer, flight: Flight): Promise<void> {
    const isMine = () => flights.get(peer.wallet) === flight;
    try {
      if (!cursors.of(peer.wallet)) await greet(peer);
      const cursor = cursors.of(peer.wallet);
      for (let goesOn = cursor !== undefined && isMine(); cursor && goesOn;) {
        const delta = compose(cursor);
        if (delta.records.length + delta.offers.length === 0) return cursors.advance(cursor, delta.through);
        flight.beatMs = clock.elapsedMs();
        goesOn = (await send(peer, cursor, delta, isMine)) && !isOver(flight);
      }
    } catch (error) {
      // Back-off and the log line are the business of `peers`; a later push finds what is missing.
      if (!(error instanceof Refusal)) throw error;
    } finally {
      if (isMine()) flights.delete(peer.wallet);
      if (isOver(flight) && hasWork(peer)) onMore();
    }
  }

  function launch(peer: Peer): Promise<void> {
    const nowMs = clock.elapsedMs();
    const flight: Flight = { sinceMs: nowMs, beatMs: nowMs, ended: Promise.resolve() };
    flights.set(peer.wallet, flight);
    flight.ended = fly(peer, flight);
    return flight.ended;
  }

  /** Whoever waits for it has waited long enough; what is left goes with the next one. */
  function isOver({ sinceMs }: Flight): boolean {
    return clock.elapsedMs() - sinceMs >= limits.DATA_TICK_MS_MAX;
  }

  function isAlive(flight: Flight | undefined): boolean {
    return flight !== undefined && flight.beatMs + FLIGHT_MS_MAX > clock.elapsedMs();
  }

  function hasWork(peer: Peer): boolean {
    const cursor = cursors.of(peer.wallet);
    const isDue = peers.due().some(({ wallet }) => wallet === peer.wallet);
    return isDue && (!cursor || cursor.acked < store.sequence() || cursor.owed.size > 0 || cursors.due(cursor).length > 0);
  }

  async function push(peer: Peer): Promise<void> {
    for (let flight = flights.get(peer.wallet); flight; flight = flights.get(peer.wallet)) {
      const leftMs = flight.beatMs + FLIGHT_MS_MAX - clock.elapsedMs();
      if (leftMs <= 0) break;
      await endOf(flight.ended, leftMs, clock);
    }
    if (hasWork(peer)) await launch(peer);
  }

  return {
    async pushAll() {
      const free = peers.due().filter((peer) => !isAlive(flights.get(peer.wallet)) && hasWork(peer));
      await Promise.all(free.map(launch));
    },
    push,
    greet,
    supersededBy: (record) => superseded.get(record),
  };
}

/** The record of that change, unless another has replaced it since. */
function recordAt(store: Pick<Store, 'changes'>, sequence: number): StoredRecord | undefined {
  for (const record of store.changes(sequence - 1)) return record.sequence === sequence ? record : undefined;
  return undefined;
}

function emptyDelta(incarnation: string, through: number): Outgoing {
  return { incarnation, records: [], offers: [], wholes: [], offered: [], bytes: 0, through };
}

function hasRoom({ records, offers }: Delta): boolean {
  return records.length + offers.length < limits.DATA_FRAME_ITEMS_MAX;
}
