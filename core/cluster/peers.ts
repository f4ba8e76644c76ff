/**
 * The other members, as this node reaches them: URL policy, the wire to `/sync`, back-off with jitter, and what is known of
 * each for `/nodes`. A peer that hangs costs its timeout once, then its back-off; it is logged when it goes and when it
 * comes back, not each time.
 */
import { withDeadline } from '../deadline.ts';
import { Refusal } from '../errors.ts';
import {
  HELLO_BYTES_MAX,
  PEER_BACKOFF_MAX_MS,
  PEER_BACKOFF_MIN_MS,
  PEER_MS_MAX,
  PROOF_HEADER_CHARS_MAX,
  SYNC_BODY_BYTES_MAX,
} from '../limits.ts';
import { parseUtf8 } from '../wire/bytes.ts';
import { parseJsonObject } from '../wire/json.ts';
import { memberOf } from '../chain/view.ts';
import { backoffAfter } from './backoff.ts';
import { peerOrigin } from './peer-url.ts';
import type { ChainView } from '../chain/view.ts';
import type { Reason } from '../errors.ts';
import type { Wallet } from '../identity.ts';
import type { NetworkProfile } from '../networks.ts';
import type { Clock, Fetch, Log, OutboundAnswer, Random } from '../ports.ts';
import type { FrameType } from './frames.ts';
import type { PeerWire, Sessions } from './sessions.ts';

export interface Peer {
  readonly wallet: Wallet;
  readonly origin: string;
}

/** What is known of a peer without asking it. */
export interface Contact {
  readonly reachable: boolean | null;
  readonly lastContactAtMs: number | null;
  /** For how long there was none; `Infinity` before the first. */
  readonly quietMs: number;
  readonly failures: number;
  /** Of the last call, when it failed: for operators, not for the public. */
  readonly failure: Reason | null;
}

export interface Peers {
  /** Members that may be dialled now, without those in back-off. */
  due(): readonly Peer[];
  /**
   * One frame there and back, and what `read` makes of the answer. A peer that cannot be reached and one whose authentic
   * answer `read` refuses are counted alike: the failure starts or lengthens its back-off and is thrown on.
   */
  call<T>(peer: Peer, type: FrameType, payload: Uint8Array, read: (answer: Uint8Array) => T): Promise<T>;
  contact(wallet: Wallet): Contact;
  /** The peer is there, by its own word: it is tried again soon, whatever its back-off. */
  heard(wallet: Wallet): void;
}

export interface PeersDependencies {
  readonly self: Wallet;
  readonly view: ChainView;
  readonly profile: NetworkProfile;
  readonly sessions: Sessions;
  readonly fetch: Fetch;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** By elapsed time, so that a clock that is set puts nobody off; but for `lastContactAtMs`, which people read. */
interface Standing {
  failures: number;
  failure: Reason | null;
  failedAtMs: number;
  nextTryAtMs: number;
  contactAtMs: number;
  lastContactAtMs: number | null;
}

const BACKOFF = { minMs: PEER_BACKOFF_MIN_MS, maxMs: PEER_BACKOFF_MAX_MS };

export function createPeers({ self, view, profile, sessions, fetch, clock, random, log }: PeersDependencies): Peers {
  const standings = new Map<Wallet, Standing>();

  function members(): Peer[] {
    const state = view.state();
    if (state.kind !== 'fresh') return [];
    const { head } = state.blocks;
    return head.operators.flatMap((operator) => {
      const origin =
        operator.wallet === self || !memberOf(state.blocks, operator.wallet)
          ? undefined
          : peerOrigin(operator.instanceUrl, profile.peerUrls);
      return origin ? [{ wallet: operator.wallet, origin }] : [];
    });
  }

  function standingOf(wallet: Wallet): Standing {
    const standing = standings.get(wallet) ?? {
      failures: 0,
      failure: null,
      failedAtMs: -Infinity,
      nextTryAtMs: 0,
      contactAtMs: -Infinity,
      lastContactAtMs: null,
    };
    standings.set(wallet, standing);
    return standing;
  }

  function succeeded(wallet: Wallet): void {
    const standing = standingOf(wallet);
    if (standing.failures > 0) log('peer.reachable', { peer: wallet, failures: standing.failures });
    Object.assign(standing, { failures: 0, failure: null, nextTryAtMs: 0, lastContactAtMs: clock.nowMs(), contactAtMs: clock.elapsedMs() });
  }

  /** Calls that were under way together fail together: that counts once. */
  function failed(wallet: Wallet, startedAtMs: number, error: unknown): void {
    const standing = standingOf(wallet);
    const refusal = error instanceof Refusal ? error : new Refusal('internal', String(error));
    standing.failure = refusal.reason;
    if (standing.failures > 0 && standing.failedAtMs > startedAtMs) return;
    standing.failures += 1;
    standing.failedAtMs = clock.elapsedMs();
    standing.nextTryAtMs = clock.elapsedMs() + backoffAfter(standing.failures, BACKOFF, random.bytes(1));
    if (standing.failures > 1) return;
    log('peer.unreachable', { peer: wallet, reason: refusal.reason, detail: refusal.detail });
  }

  return {
    due() {
      const current = members();
      const wallets = new Set(current.map((peer) => peer.wallet));
      for (const wallet of standings.keys()) if (!wallets.has(wallet)) standings.delete(wallet);
      return current.filter((peer) => standingOf(peer.wallet).nextTryAtMs <= clock.elapsedMs());
    },
    async call(peer, type, payload, read) {
      const startedAtMs = clock.elapsedMs();
      try {
        const call = sessions.call(peer.wallet, createPeerWire(peer.origin, fetch), type, payload);
        const answer = read(await withDeadline(clock, PEER_MS_MAX, 'outbound_timeout', call));
        succeeded(peer.wallet);
        return answer;
      } catch (error) {
        failed(peer.wallet, startedAtMs, error);
        throw error;
      }
    },
    heard(wallet) {
      const standing = standings.get(wallet);
      // At most once in the shortest back-off: a peer that reaches us and is not reached itself is not dialled with each of its frames.
      if (standing) standing.nextTryAtMs = Math.min(standing.nextTryAtMs, standing.failedAtMs + PEER_BACKOFF_MIN_MS);
    },
    contact(wallet) {
      const standing = standings.get(wallet);
      const asked = standing !== undefined && (standing.failures > 0 || standing.lastContactAtMs !== null);
      return {
        reachable: asked ? standing.failures === 0 : null,
        lastContactAtMs: standing?.lastContactAtMs ?? null,
        quietMs: clock.elapsedMs() - (standing?.contactAtMs ?? -Infinity),
        failures: standing?.failures ?? 0,
        failure: standing?.failure ?? null,
      };
    },
  };
}

function createPeerWire(origin: string, fetch: Fetch): PeerWire {
  return {
    async nonce() {
      const answer = await fetch({ url: `${origin}/nonce`, method: 'GET' }, { timeoutMs: PEER_MS_MAX, bodyBytesMax: HELLO_BYTES_MAX });
      const nonce = parseJsonObject(parseUtf8(answer.body) ?? '')?.['nonce'];
      if (answer.status !== 200 || typeof nonce !== 'string' || nonce.length > PROOF_HEADER_CHARS_MAX)
        throw new Refusal('peer_answer_odd', `/nonce answered ${answer.status}`);
      return nonce;
    },
    async post(body, headers) {
      const request = {
        url: `${origin}/sync`,
        method: 'POST',
        headers: { 'content-type': contentTypeOf(headers), ...headers },
        body,
      } as const;
      const answer = await fetch(request, { timeoutMs: PEER_MS_MAX, bodyBytesMax: SYNC_BODY_BYTES_MAX });
      if (answer.status !== 200) throw new Refusal(refusedReason(answer), `/sync answered ${answer.status}`);
      return { body: answer.body, signature: answer.headers.get('x-kms-peer-signature') };
    },
  };
}

/** A hello is CBOR and carries its signature beside it; a frame is its own bytes. */
function contentTypeOf(headers: Readonly<Record<string, string>>): string {
  return 'x-kms-signature' in headers ? 'application/cbor' : 'application/octet-stream';
}

/** An error of `/sync` is not authenticated: all that it may do is to make us open a new session. */
function refusedReason(answer: OutboundAnswer): 'session_unknown' | 'peer_unreachable' {
  const reason = parseJsonObject(parseUtf8(answer.body) ?? '')?.['reason'];
  return reason === 'session_unknown' ? 'session_unknown' : 'peer_unreachable';
}
