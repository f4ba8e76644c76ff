/**
 * Snapshots (`docs/protocol.md` clause 13.8): everything that a peer holds, in the order of its changes, up to its last one at the start.
 * A page at a time, so memory is bounded at both ends; what changes meanwhile is pushed, since it comes after that. Resumable: the
 * responder keeps nothing, and one that forgot its records is begun anew.
 */
import { Refusal } from '../errors.ts';
import { DATA_FRAME_BYTES_MAX, DATA_FRAME_ITEMS_MAX } from '../limits.ts';
import { recordBytes } from './fields.ts';
import { decodeSnapshotPage, decodeSnapshotRequest, encodeSnapshotPage, encodeSnapshotRequest } from './messages.ts';
import type { Wallet } from '../identity.ts';
import type { Clock } from '../ports.ts';
import type { Store } from '../store/interface.ts';
import type { TravellingRecord } from '../store/record.ts';
import type { Cursors } from './cursors.ts';
import type { SnapshotPage, SnapshotRequest } from './messages.ts';
import type { Intake } from './intake.ts';
import type { Peer, Peers } from '../cluster/peers.ts';
import type { FrameHandler } from '../cluster/sessions.ts';

/** What a snapshot brought: all through that change of that incarnation, unless something could not be had or taken. */
export interface Pulled {
  readonly of: string;
  readonly through: number;
  readonly isWhole: boolean;
  /** Whether some were left with the peer until their time has come. */
  readonly hasFuture: boolean;
}

export interface Snapshots {
  readonly handler: FrameHandler;
  /** Goes on with the snapshot of that peer; `undefined` when time is over before it ends. Throws what `peers.call` does. */
  pull(peer: Peer, untilMs: number): Promise<Pulled | undefined>;
  /** That were pulled since the boot. */
  bytes(): number;
}

export interface SnapshotsDependencies {
  readonly store: Store;
  readonly cursors: Cursors;
  readonly intake: Intake;
  readonly peers: Peers;
  readonly clock: Clock;
  readonly isReady: () => boolean;
}

/** How far the snapshot of one peer has come. */
interface Progress {
  readonly peer: Wallet;
  readonly incarnation: string;
  readonly of: string | undefined;
  readonly after: number;
  readonly through: number | undefined;
  readonly isWhole: boolean;
  readonly hasFuture: boolean;
}

export function createSnapshots({ store, cursors, intake, peers, clock, isReady }: SnapshotsDependencies): Snapshots {
  let pulledBytes = 0;
  const ongoing = new Map<Wallet, Progress>();

  function pageFor({ of, after, through }: SnapshotRequest): SnapshotPage {
    const isOngoing = of === store.incarnation() && through !== undefined;
    const end = isOngoing ? Math.min(through, store.sequence()) : store.sequence();
    const page = fillPage(store, isOngoing ? after : 0, end);
    return { incarnation: store.incarnation(), isReady: isReady(), through: end, ...page };
  }

  function begun({ wallet: peer }: Peer): Progress {
    const progress = ongoing.get(peer);
    if (progress?.incarnation === store.incarnation()) return progress;
    return { peer, incarnation: store.incarnation(), of: undefined, after: 0, through: undefined, isWhole: true, hasFuture: false };
  }

  /** What came is taken before the next page is asked for. Throws `peer_answer_odd` for a snapshot that does not go on. */
  function take(before: Progress, payload: Uint8Array): SnapshotPage {
    const page = decodeSnapshotPage(payload);
    const goesOn = before.of === page.incarnation;
    const after = page.next ?? page.through;
    if (page.next !== undefined && (page.records.length === 0 || (goesOn && after <= before.after)))
      throw new Refusal('peer_answer_odd', 'a snapshot that does not go on');
    cursors.meet(before.peer, page.incarnation).isReady = page.isReady;
    const { refused, future } = intake.takeAnswer(before.peer, page.records);
    const hasFuture = (before.hasFuture && goesOn) || future > 0;
    const isWhole = (before.isWhole || !goesOn) && page.isWhole && refused === 0;
    pulledBytes += payload.length;
    ongoing.set(before.peer, { ...before, of: page.incarnation, after, through: page.through, isWhole, hasFuture });
    return page;
  }

  return {
    async handler({ wallet }, payload) {
      const request = decodeSnapshotRequest(payload);
      cursors.meet(wallet, request.incarnation);
      return encodeSnapshotPage(pageFor(request));
    },
    async pull(peer, untilMs) {
      while (clock.elapsedMs() < untilMs) {
        const before = begun(peer);
        const page = await peers.call(peer, 'snapshot', encodeSnapshotRequest(before), (payload) => take(before, payload));
        if (page.next !== undefined) continue;
        const { isWhole, hasFuture } = ongoing.get(peer.wallet) ?? { isWhole: false, hasFuture: false };
        ongoing.clear();
        return { of: page.incarnation, through: page.through, isWhole, hasFuture };
      }
      return undefined;
    },
    bytes: () => pulledBytes,
  };
}

/** Records after one change and up to another: as many as a frame takes, and where the next page begins if there are more. */
function fillPage(store: Store, after: number, through: number): Pick<SnapshotPage, 'records' | 'isWhole' | 'next'> {
  const records: TravellingRecord[] = [];
  let [bytes, isWhole, last] = [0, true, after];
  for (const record of store.changes(after)) {
    if (record.sequence > through) break;
    const travelling = store.travelling(record);
    bytes += travelling ? recordBytes(travelling) : 0;
    const isFull = records.length > 0 && (bytes > DATA_FRAME_BYTES_MAX || records.length >= DATA_FRAME_ITEMS_MAX);
    if (isFull) return { records, isWhole, next: last };
    if (travelling) records.push(travelling);
    else isWhole = false;
    last = record.sequence;
  }
  return { records, isWhole, next: undefined };
}
