/**
 * Stores that replicate over direct calls: the parts of the replication on real stores, without sessions and without a chain. The test
 * sees every message, and may lose, hold or alter it.
 */
import { createAnswers } from '../../../core/replication/answers.ts';
import { createAntiEntropy } from '../../../core/replication/anti-entropy.ts';
import { createCursors } from '../../../core/replication/cursors.ts';
import { createIntake } from '../../../core/replication/intake.ts';
import { createPushes } from '../../../core/replication/pushes.ts';
import { createSnapshots } from '../../../core/replication/snapshots.ts';
import { Refusal } from '../../../core/errors.ts';
import { createClock, createRandom, createRecordingLog } from '../fakes.ts';
import { createKeyTable, e0, storeOf, walletOf } from '../store/stores.ts';
import { operator } from '../cluster/facts.ts';
import type { AntiEntropy } from '../../../core/replication/anti-entropy.ts';
import type { Cursor, Cursors } from '../../../core/replication/cursors.ts';
import type { DataFrameType } from '../../../core/cluster/frames.ts';
import type { Intake } from '../../../core/replication/intake.ts';
import type { Peer, Peers } from '../../../core/cluster/peers.ts';
import type { Pushes } from '../../../core/replication/pushes.ts';
import type { FrameHandler } from '../../../core/cluster/sessions.ts';
import type { Snapshots } from '../../../core/replication/snapshots.ts';
import type { Wallet } from '../../../core/identity.ts';
import type { RecordingLog, VirtualClock } from '../fakes.ts';
import type { Given, TestStore } from '../store/stores.ts';

export interface LinkedNode {
  readonly wallet: Wallet;
  readonly store: TestStore;
  readonly cursors: Cursors;
  readonly intake: Intake;
  readonly pushes: Pushes;
  readonly antiEntropy: AntiEntropy;
  readonly snapshots: Snapshots;
  readonly peers: Peers;
  readonly logs: RecordingLog;
  readonly handlers: Readonly<Record<DataFrameType, FrameHandler>>;
  isReady: boolean;
}

export interface Message {
  readonly from: Wallet;
  readonly to: Wallet;
  readonly type: DataFrameType;
  readonly payload: Uint8Array;
  answer: Uint8Array | undefined;
}

export interface Links {
  readonly clock: VirtualClock;
  readonly nodes: readonly LinkedNode[];
  /** Every message there was, with its answer. */
  readonly messages: Message[];
  /** Answers for the peer, holds its answer back, or throws; by default the peer's handler answers. */
  carry: (message: Message, answer: () => Promise<Uint8Array>) => Promise<Uint8Array>;
  node(index: number): LinkedNode;
  peer(index: number): Peer;
  /** What that node knows of the other. */
  cursor(of: number, about: number): Cursor;
  /** Bytes there and back since the last call, and how many messages. */
  traffic(): { readonly messages: number; readonly bytes: number };
}

export const lost = () => new Refusal('peer_unreachable', 'lost');

/** As many nodes as wallets `a…`, `b…`, one clock, and one table of keys unless told otherwise. */
export function linked(count: number, given: (index: number) => Given = () => ({})): Links {
  const clock = createClock();
  const keys = createKeyTable(e0);
  const wallets = Array.from({ length: count }, (_, index) => walletOf('abcdef'[index] ?? '0'));
  const messages: Message[] = [];
  let counted = 0;
  const links: Links = {
    clock,
    messages,
    nodes: wallets.map((wallet, index) => createNode(wallet, { clock, keys, members: new Set(wallets), ...given(index) })),
    carry: (_message, answer) => answer(),
    node: (index) => links.nodes[index] as LinkedNode,
    peer: (index) => ({ wallet: links.node(index).wallet, origin: '' }),
    cursor: (of, about) => links.node(of).cursors.of(links.node(about).wallet) as Cursor,
    traffic() {
      const since = messages.slice(counted);
      counted = messages.length;
      return { messages: since.length, bytes: since.reduce((sum, each) => sum + each.payload.length + (each.answer?.length ?? 0), 0) };
    },
  };

  function createPeersOf(wallet: Wallet): Peers {
    const failures = new Map<Wallet, number>();
    return {
      due: () => wallets.filter((each) => each !== wallet).map((each) => ({ wallet: each, origin: '' })),
      heard: () => undefined,
      contact: (each) => ({ reachable: null, lastContactAtMs: null, quietMs: Infinity, failures: failures.get(each) ?? 0, failure: null }),
      async call(peer, type, payload, read) {
        const to = links.nodes.find((node) => node.wallet === peer.wallet) as LinkedNode;
        const message: Message = { from: wallet, to: peer.wallet, type: type as DataFrameType, payload, answer: undefined };
        messages.push(message);
        try {
          const answer = await links.carry(message, () => to.handlers[message.type](operator(wallet, 1), payload));
          message.answer = answer;
          const result = read(answer);
          failures.delete(peer.wallet);
          return result;
        } catch (error) {
          failures.set(peer.wallet, (failures.get(peer.wallet) ?? 0) + 1);
          throw error;
        }
      },
    };
  }

  function createNode(wallet: Wallet, storeGiven: Given): LinkedNode {
    const store = storeOf({ ...storeGiven, wallet });
    const logs = createRecordingLog();
    const peers = createPeersOf(wallet);
    const isReady = () => node.isReady;
    const { log } = logs;
    const cursors = createCursors({ store, clock, random: createRandom(`cursors of ${wallet}`), log });
    const intake = createIntake({ store, clock, log, onStored: () => undefined });
    const pushes = createPushes({ store, cursors, intake, peers, clock, log, onMore: () => undefined });
    const antiEntropy = createAntiEntropy({ store, cursors, pushes, intake, peers, isReady });
    const snapshots = createSnapshots({ store, cursors, intake, peers, clock, isReady });
    const handlers = { ...createAnswers({ store, cursors, intake, isReady }), snapshot: snapshots.handler, digest: antiEntropy.handler };
    const node: LinkedNode = { wallet, store, cursors, intake, pushes, antiEntropy, snapshots, peers, logs, handlers, isReady: true };
    return node;
  }

  return links;
}

/** Until no promise has anything left to do. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 200; turn += 1) await Promise.resolve();
}
