/**
 * Anti-entropy (`docs/protocol.md` clause 13.7): a round compares this store with one peer's, pulls what is missing here and owes the
 * peer what is missing there. In steady state it is one fingerprint and finds nothing. A round is bounded in trips and in what
 * waits, whatever the peer answers; the next one begins anew.
 */
import { Refusal } from '../errors.ts';
import * as limits from '../limits.ts';
import { hex } from '../wire/bytes.ts';
import { compare, cutOf, differences, wholeOf } from './digests.ts';
import { areDisjoint, liesWithin } from './ranges.ts';
import {
  decodeAckAnswer,
  decodeDigestAnswer,
  decodeDigestRequest,
  encodeAck,
  encodeDigestAnswer,
  encodeDigestRequest,
} from './messages.ts';
import type { Epoch, Wallet } from '../identity.ts';
import type { Digest, Store, StoredRecord, TimeRange } from '../store/interface.ts';
import type { Cursor, Cursors } from './cursors.ts';
import type { DigestPart } from './fields.ts';
import type { DigestAnswer } from './messages.ts';
import type { Intake } from './intake.ts';
import type { Peer, Peers } from '../cluster/peers.ts';
import type { Pushes } from './pushes.ts';
import type { FrameHandler } from '../cluster/sessions.ts';

/**
 * `complete`: this node holds all that the peer held, but for what is from the future. `skipped`: the two digests were of different epochs.
 */
export type Outcome = 'complete' | 'incomplete' | 'skipped';

export interface AntiEntropyCounts {
  rounds: number;
  skipped: number;
  incomplete: number;
  /** Records that a round changed here, and those that it found missing at peers. */
  found: number;
  pushed: number;
}

export interface AntiEntropy {
  readonly handler: FrameHandler;
  /** Throws what `peers.call` does. */
  reconcile(peer: Peer): Promise<Outcome>;
  /** Tells the peer that this node holds all that it held at that sequence. */
  acknowledge(peer: Peer, of: string, through: number): Promise<void>;
  counts(): Readonly<AntiEntropyCounts>;
}

export interface AntiEntropyDependencies {
  readonly store: Store;
  readonly cursors: Cursors;
  readonly pushes: Pushes;
  readonly intake: Intake;
  readonly peers: Peers;
  readonly isReady: () => boolean;
}

/** What is still to be compared; `list`: whatever its size, if a list of it can be sent. */
interface Waiting {
  readonly range: TimeRange;
  readonly form: 'whole' | 'cut' | 'list';
}

interface Round {
  readonly cursor: Cursor;
  readonly incarnation: string;
  readonly epoch: Epoch;
  /** This store's last change when the round began: what was there then will have been compared. */
  readonly through: number;
  /** The same of the peer's, from its first answer. */
  theirThrough: number | undefined;
  /** Whether the peer knows already that this node has been through all of its records. */
  isBasedThere: boolean;
  /** False once something could not be had, taken or noted. */
  isClean: boolean;
  /** Whether records were left with the peer until their time has come: then it is not told that all is held here. */
  hasFuture: boolean;
  /** The last is next: ranges are finished before others are begun, so little waits. */
  readonly waiting: Waiting[];
}

interface Question {
  readonly asked: readonly Waiting[];
  readonly parts: readonly DigestPart[];
  /** The changes that it lists, by id in hex. */
  readonly listed: ReadonlyMap<string, number>;
}

export function createAntiEntropy(dependencies: AntiEntropyDependencies): AntiEntropy {
  const { store, cursors, pushes, intake, peers, isReady } = dependencies;
  const counts: AntiEntropyCounts = { rounds: 0, skipped: 0, incomplete: 0, found: 0, pushed: 0 };

  function answer(peer: Wallet, payload: Uint8Array): DigestAnswer {
    const request = decodeDigestRequest(payload);
    const { isBased } = cursors.meet(peer, request.incarnation);
    const digest = store.digest();
    const nothing = { taken: 0, isWhole: true, cuts: [], unlisted: [], records: [], wanted: [] };
    const compared = digest?.epoch === request.epoch ? compare(store, digest, request) : nothing;
    const state = { incarnation: store.incarnation(), epoch: digest?.epoch, isReady: isReady(), isBased, sequence: store.sequence() };
    return { ...state, ...compared };
  }

  function begin(peer: Peer): Round | undefined {
    const [cursor, epoch] = [cursors.of(peer.wallet), store.digest()?.epoch];
    if (!cursor || epoch === undefined) return undefined;
    const whole: Waiting = { range: { from: undefined, to: undefined }, form: 'whole' };
    const state = { theirThrough: undefined, isBasedThere: false, isClean: true, hasFuture: false, waiting: [whole] };
    return { cursor, epoch, incarnation: store.incarnation(), through: store.sequence(), ...state };
  }

  /** The digest, as long as it is the one that the round began with. */
  function digestOf({ epoch, incarnation }: Round): Digest | undefined {
    const digest = store.digest();
    return digest?.epoch === epoch && store.incarnation() === incarnation ? digest : undefined;
  }

  function partOf(digest: Digest, { range, form }: Waiting, listed: Map<string, number>): DigestPart {
    if (form === 'whole') return wholeOf(digest);
    const listedMax = form === 'list' ? limits.DIGEST_PART_OFFERS_MAX : limits.DIGEST_LISTED_MAX;
    const cut = digest.fingerprint(range).count > listedMax ? cutOf(digest, range) : undefined;
    if (cut && cut.bounds.length > 0) return cut;
    const records = [...digest.records(range)];
    const offers = records.map((record) => store.offerOf(record));
    offers.forEach(({ id }, index) => listed.set(hex(id), (records[index] as StoredRecord).sequence));
    return { ...range, offers };
  }

  /** As much of what waits as one frame takes. */
  function nextQuestion(digest: Digest, waiting: Waiting[]): Question {
    const listed = new Map<string, number>();
    const [asked, parts]: [Waiting[], DigestPart[]] = [[], []];
    let items = 0;
    while (parts.length < limits.DIGEST_PARTS_MAX && items + limits.DIGEST_PART_OFFERS_MAX <= limits.DATA_FRAME_ITEMS_MAX) {
      const next = waiting.pop();
      if (!next) break;
      const part = partOf(digest, next, listed);
      items += 'offers' in part ? part.offers.length : part.prints.length;
      asked.push(next);
      parts.push(part);
    }
    return { asked, parts, listed };
  }

  function owe(round: Round, sequences: readonly number[]): void {
    counts.pushed += sequences.length;
    if (!cursors.owe(round.cursor, sequences)) round.isClean = false;
  }

  /** The peer has nothing in that range: it lacks all, of which as much as can be noted is owed now. */
  function oweAll(round: Round, digest: Digest, range: TimeRange): void {
    const sequences: number[] = [];
    const room = limits.OWED_PER_PEER_MAX - round.cursor.owed.size;
    for (const { sequence } of digest.records(range)) if (sequences.push(sequence) > room) break;
    owe(round, sequences);
  }

  function learn(round: Round, digest: Digest, { asked, listed }: Question, received: DigestAnswer): void {
    const { cursor, waiting } = round;
    const wanted = received.wanted.flatMap((id) => listed.get(hex(id)) ?? []);
    owe(round, wanted);
    const taken = intake.takeAnswer(cursor.wallet, received.records);
    counts.found += taken.stored;
    if (taken.refused > 0 || !received.isWhole) round.isClean = false;
    if (taken.future > 0) round.hasFuture = true;
    waiting.push(...asked.slice(received.taken).toReversed());
    for (const range of received.unlisted) waiting.push({ range, form: 'list' });
    for (const { range, theirs } of received.cuts.flatMap((cut) => differences(digest, cut))) {
      if (theirs.count === 0) oweAll(round, digest, range);
      else waiting.push({ range, form: 'cut' });
    }
  }

  /** One question and its answer. False when the two digests are not, or no longer, of one epoch. */
  async function ask(peer: Peer, round: Round): Promise<boolean> {
    const digest = digestOf(round);
    if (!digest) return false;
    const question = nextQuestion(digest, round.waiting);
    const payload = encodeDigestRequest({ incarnation: round.incarnation, epoch: round.epoch, parts: question.parts });
    return await peers.call(peer, 'digest', payload, (bytes) => {
      const received = decodeDigestAnswer(bytes);
      const met = cursors.meet(peer.wallet, received.incarnation);
      met.isReady = received.isReady;
      const still = digestOf(round);
      if (!still || met !== round.cursor || received.epoch !== round.epoch) return false;
      if (received.taken < 1 || received.taken > question.parts.length)
        throw new Refusal('peer_answer_odd', `it took ${received.taken} of ${question.parts.length} parts`);
      requireWithin(received, question.parts);
      round.theirThrough ??= received.sequence;
      round.isBasedThere = received.isBased;
      learn(round, still, question, received);
      return true;
    });
  }

  async function compareAll(peer: Peer, round: Round): Promise<Outcome> {
    for (let trips = 0; round.waiting.length > 0; trips += 1) {
      if (trips >= limits.DIGEST_TRIPS_MAX || round.waiting.length > limits.DIGEST_QUEUE_MAX) return 'incomplete';
      if (!(await ask(peer, round))) return 'skipped';
    }
    return round.isClean ? 'complete' : 'incomplete';
  }

  async function acknowledge(peer: Peer, of: string, through: number): Promise<void> {
    const payload = encodeAck({ incarnation: store.incarnation(), of, through });
    await peers.call(peer, 'ack', payload, (answer) => cursors.meet(peer.wallet, decodeAckAnswer(answer)));
  }

  /** All was compared: the peer is told so when it does not know, and gets what it lacks. */
  async function finish(peer: Peer, { cursor, through, theirThrough, isBasedThere, hasFuture }: Round): Promise<void> {
    if (!isBasedThere && !hasFuture && theirThrough !== undefined) await acknowledge(peer, cursor.incarnation, theirThrough);
    await pushes.push(peer);
    if (cursors.of(peer.wallet) === cursor && cursors.missingFrom(cursor) > through) cursors.base(cursor, through);
  }

  return {
    handler: async ({ wallet }, payload) => encodeDigestAnswer(answer(wallet, payload)),
    async reconcile(peer) {
      if (!cursors.of(peer.wallet)) await pushes.greet(peer);
      const round = begin(peer);
      counts.rounds += 1;
      const outcome = round ? await compareAll(peer, round) : 'skipped';
      if (outcome !== 'complete') counts[outcome] += 1;
      else if (round) await finish(peer, round);
      return outcome;
    },
    acknowledge,
    counts: () => ({ ...counts }),
  };
}

/** What a peer says differs lies in what it was asked and took, each time once: otherwise a small answer would cost much work. */
function requireWithin({ taken, cuts, unlisted }: DigestAnswer, parts: readonly DigestPart[]): void {
  const ranges = [...cuts, ...unlisted];
  if (!areDisjoint(ranges) || !liesWithin(ranges, parts.slice(0, taken)))
    throw new Refusal('peer_answer_odd', 'ranges that were not asked');
}
