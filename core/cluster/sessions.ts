/**
 * Peer sessions, both ends (`docs/protocol.md` clause 7): one handshake, then sealed frames, each counter taken once.
 * Membership is asked of the chain view at every hello and every frame; a session of a wallet that is no longer a member
 * is worth nothing. A session ends with its incarnation, its age or its count; the initiator drops it after the first
 * frame that failed.
 */
import { Refusal } from '../errors.ts';
import {
  CONSUMED_NONCES_TOTAL_MAX,
  HELLO_NONCES_PER_PEER_MAX,
  HELLOS_BURST,
  HELLOS_PER_SECOND,
  NONCE_AHEAD_MAX_MS,
  NONCE_LIFETIME_MS,
  OPERATORS_MAX,
  PEER_MS_MAX,
  SESSION_AGE_MAX_MS,
  SESSION_FRAMES_MAX,
  SESSIONS_PER_PEER_MAX,
  SESSIONS_TOTAL_MAX,
} from '../limits.ts';
import { createRate } from '../auth/rate.ts';
import { createReplays } from '../auth/replays.ts';
import { equalBytes, hex } from '../wire/bytes.ts';
import { decodeFrame, openFrame, sealFrame, SESSION_ID_BYTES } from './frames.ts';
import { encodeHello, encodeHelloAnswer, helloAnswerText, helloText, verifyHello, verifyHelloAnswer } from './hello.ts';
import { createEphemeral, deriveSessionKeys } from './keys.ts';
import { take, wasTaken } from './window.ts';
import type { Nonces } from '../auth/nonces.ts';
import type { Operator } from '../chain/registry.ts';
import type { Wallet } from '../identity.ts';
import type { Clock, Log, Random, Recover, Signer } from '../ports.ts';
import type { FrameType, SessionSecrets } from './frames.ts';
import type { HelloHeaders } from './hello.ts';
import type { Window } from './window.ts';

/** What a hello or frame needs of the wire: `nonce` asks the peer for one, `post` carries a body to its `/sync`. */
export interface PeerWire {
  nonce(): Promise<string>;
  post(
    body: Uint8Array,
    headers: Readonly<Record<string, string>>,
  ): Promise<{ readonly body: Uint8Array; readonly signature: string | null }>;
}

export interface SignedAnswer {
  readonly body: Uint8Array;
  readonly signature: `0x${string}`;
}

/** Answers one opened frame of a member. */
export type FrameHandler = (peer: Operator, payload: Uint8Array) => Promise<Uint8Array>;

export interface Sessions {
  acceptHello(body: Uint8Array, headers: HelloHeaders): Promise<SignedAnswer>;
  /** Throws `session_unknown` for an id (hex) that no hello of this boot opened: asked before a body is read. */
  requireSession(id: string): void;
  acceptFrame(body: Uint8Array): Promise<Uint8Array>;
  /** Sends one frame, after a hello when there is no session. */
  call(peer: Wallet, wire: PeerWire, type: FrameType, payload: Uint8Array): Promise<Uint8Array>;
}

export interface SessionsDependencies {
  readonly self: { readonly wallet: Wallet; readonly incarnation: Uint8Array };
  readonly clock: Clock;
  readonly random: Random;
  readonly signer: Signer;
  readonly recover: Recover;
  readonly nonces: Nonces;
  readonly log: Log;
  /** A member now, by the chain view. Throws `chain_unavailable` when there is none. */
  readonly member: (wallet: Wallet) => Operator | undefined;
  /** A member proved that it is there: by a hello or a frame that was taken. */
  readonly heard: (wallet: Wallet) => void;
  readonly handlers: Readonly<Record<FrameType, FrameHandler>>;
}

/** `counter`: as initiator the last one sent, as responder the highest taken. */
interface Session extends SessionSecrets, Window {
  readonly peer: Wallet;
  /** By elapsed time. */
  readonly openedAtMs: number;
}

interface Opening {
  readonly sinceMs: number;
  readonly session: Promise<Session>;
}

export function createSessions(dependencies: SessionsDependencies): Sessions {
  const { self, clock, random, signer, recover, nonces, log, member, heard, handlers } = dependencies;
  /** As responder, by session id, oldest first. */
  const accepted = new Map<string, Session>();
  /** As initiator, by peer. */
  const opened = new Map<Wallet, Session>();
  /** Hellos under way, by peer: calls that begin together share one. */
  const opening = new Map<Wallet, Opening>();
  const hellos = createRate(clock, { perSecond: HELLOS_PER_SECOND, burst: HELLOS_BURST, keysMax: OPERATORS_MAX });
  const usedNonces = createReplays(clock, {
    lifetimeMs: NONCE_LIFETIME_MS + 2 * NONCE_AHEAD_MAX_MS,
    perOwnerMax: HELLO_NONCES_PER_PEER_MAX,
    totalMax: CONSUMED_NONCES_TOTAL_MAX,
  });

  function requireMember(wallet: Wallet): Operator {
    const operator = member(wallet);
    if (!operator) throw new Refusal('peer_not_member', wallet);
    return operator;
  }

  function isWorn(session: Session): boolean {
    return clock.elapsedMs() - session.openedAtMs > SESSION_AGE_MAX_MS || session.counter >= SESSION_FRAMES_MAX;
  }

  async function acceptHello(body: Uint8Array, headers: HelloHeaders): Promise<SignedAnswer> {
    nonces.check(headers.nonce ?? '');
    const hello = verifyHello(body, headers, self.wallet, clock.nowMs(), recover, requireMember);
    // A replay is known before it costs its victim anything of its rate.
    if (!usedNonces.use(hello.wallet, hello.nonce)) throw new Refusal('nonce_replayed');
    if (!hellos.take(hello.wallet)) throw new Refusal('rate_limited', 'hellos of one peer');
    const ephemeral = createEphemeral(random);
    const shared = ephemeral.agree(hello.ephemeral);
    const id = random.bytes(SESSION_ID_BYTES);
    const answer = encodeHelloAnswer({
      wallet: self.wallet,
      recipient: hello.wallet,
      incarnation: self.incarnation,
      ephemeral: ephemeral.publicKey,
      session: id,
    });
    const signature = await signer.sign(helloAnswerText(headers.signature ?? '', self.wallet, answer));
    const keys = deriveSessionKeys(shared, body, answer);
    keepAccepted({
      id,
      peer: hello.wallet,
      keys,
      initiatorIncarnation: hello.incarnation,
      responderIncarnation: self.incarnation,
      openedAtMs: clock.elapsedMs(),
      counter: 0,
      taken: new Set<number>(),
    });
    heard(hello.wallet);
    log('session.opened', { peer: hello.wallet, role: 'responder' });
    return { body: answer, signature };
  }

  /** A new boot of a peer ends the sessions of the one before; its newest displace its older; the whole has a bound. */
  function keepAccepted(session: Session): void {
    const { peer, initiatorIncarnation } = session;
    accepted.set(hex(session.id), session);
    for (const [id, other] of accepted)
      if (other.peer === peer && !equalBytes(other.initiatorIncarnation, initiatorIncarnation)) accepted.delete(id);
    const ofPeer = [...accepted].filter(([, other]) => other.peer === peer);
    for (const [id] of ofPeer.slice(0, -SESSIONS_PER_PEER_MAX)) accepted.delete(id);
    for (const id of accepted.keys()) {
      if (accepted.size <= SESSIONS_TOTAL_MAX) break;
      accepted.delete(id);
    }
  }

  async function acceptFrame(body: Uint8Array): Promise<Uint8Array> {
    const frame = decodeFrame(body);
    const session = accepted.get(hex(frame.session));
    if (!session || isWorn(session)) throw new Refusal('session_unknown');
    const peer = requireMember(session.peer);
    if (wasTaken(session, frame.counter)) throw new Refusal('frame_replayed', `${frame.counter} after ${session.counter}`);
    const payload = openFrame(session, 'toResponder', frame);
    take(session, frame.counter);
    heard(session.peer);
    const answer = await handlers[frame.type](peer, payload);
    return sealFrame(session, 'toInitiator', frame.type, frame.counter, answer);
  }

  async function open(peer: Wallet, wire: PeerWire): Promise<Session> {
    const ephemeral = createEphemeral(random);
    const timestamp = String(Math.floor(clock.nowMs() / 1_000));
    const hello = {
      wallet: self.wallet,
      recipient: peer,
      incarnation: self.incarnation,
      ephemeral: ephemeral.publicKey,
      nonce: await wire.nonce(),
      timestamp,
    };
    const body = encodeHello(hello);
    const signature = await signer.sign(helloText(hello, body));
    const headers = { 'x-kms-signature': signature, 'x-kms-wallet': self.wallet, 'x-kms-nonce': hello.nonce, 'x-kms-timestamp': timestamp };
    const received = await wire.post(body, headers);
    const answer = verifyHelloAnswer(received.body, received.signature, { hello, signature }, recover);
    const keys = deriveSessionKeys(ephemeral.agree(answer.ephemeral), body, received.body);
    const session = {
      id: answer.session,
      peer,
      keys,
      initiatorIncarnation: self.incarnation,
      responderIncarnation: answer.incarnation,
      openedAtMs: clock.elapsedMs(),
      counter: 0,
      taken: new Set<number>(),
    };
    opened.set(peer, session);
    log('session.opened', { peer, role: 'initiator' });
    return session;
  }

  /** What began a hello may have died with its request, and then the hello does not end. */
  function openShared(peer: Wallet, wire: PeerWire): Promise<Session> {
    const nowMs = clock.elapsedMs();
    const known = opening.get(peer);
    if (known && nowMs - known.sinceMs < PEER_MS_MAX) return known.session;
    const begun: Opening = {
      sinceMs: nowMs,
      session: open(peer, wire).finally(() => {
        if (opening.get(peer) === begun) opening.delete(peer);
      }),
    };
    opening.set(peer, begun);
    return begun.session;
  }

  async function exchange(session: Session, wire: PeerWire, type: FrameType, payload: Uint8Array): Promise<Uint8Array> {
    const counter = (session.counter += 1);
    const received = await wire.post(sealFrame(session, 'toResponder', type, counter, payload), { 'x-kms-session': hex(session.id) });
    const frame = decodeFrame(received.body);
    const ours = frame.counter === counter && frame.type === type && equalBytes(frame.session, session.id);
    if (!ours) throw new Refusal('peer_answer_odd', 'an answer to another frame');
    return openFrame(session, 'toInitiator', frame);
  }

  async function call(peer: Wallet, wire: PeerWire, type: FrameType, payload: Uint8Array): Promise<Uint8Array> {
    requireMember(peer);
    const standing = opened.get(peer);
    if (!standing || isWorn(standing)) return await exchange(await openShared(peer, wire), wire, type, payload);
    try {
      return await exchange(standing, wire, type, payload);
    } catch (error) {
      if (opened.get(peer) === standing) opened.delete(peer);
      // The peer restarted or forgot: what it could not have read is safe to send again under new keys.
      if (!(error instanceof Refusal) || error.reason !== 'session_unknown') throw error;
      return await exchange(await openShared(peer, wire), wire, type, payload);
    }
  }

  return {
    acceptHello,
    requireSession(id) {
      if (!accepted.has(id)) throw new Refusal('session_unknown');
    },
    acceptFrame,
    call,
  };
}
