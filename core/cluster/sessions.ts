/**
 * Peer sessions, both ends (`docs/protocol.md` clause 7): one handshake, then sealed frames, each counter taken once.
 * Membership is asked of the chain view at every hello and every frame, and that the chain still says of a peer what its enclave proved; a
 * session of a wallet that is no longer a member is worth nothing. A session ends with its incarnation, its age or its count; the initiator
 * drops it after the first frame that failed. There is no session without documents of both enclaves.
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
} from '../limits.ts';
import { createRate } from '../auth/rate.ts';
import { createReplays } from '../auth/replays.ts';
import { equalBytes, hex } from '../wire/bytes.ts';
import { decodeFrame, openFrame, sealFrame, SESSION_ID_BYTES } from './frames.ts';
import {
  answerChallenge,
  encodeHello,
  encodeHelloAnswer,
  helloAnswerText,
  helloChallenge,
  helloText,
  verifyHello,
  verifyHelloAnswer,
} from './hello.ts';
import { createEphemeral, deriveSessionKeys } from './keys.ts';
import { createAccepted, createSession, isWorn } from './session.ts';
import { take, wasTaken } from './window.ts';
import type { Nonces } from '../auth/nonces.ts';
import type { Operator } from '../chain/registry.ts';
import type { Hash, Wallet } from '../identity.ts';
import type { Clock, Log, Random, Recover, Signer } from '../ports.ts';
import type { Attestations } from './attestations.ts';
import type { FrameType } from './frames.ts';
import type { HelloHeaders } from './hello.ts';
import type { Session } from './session.ts';

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

/** Answers one opened frame of a member; what its record says of its code, its enclave proved when the session was opened. */
export type FrameHandler = (peer: Operator, payload: Uint8Array) => Promise<Uint8Array>;

export interface Sessions {
  /** Throws what `verifyHello` does, a reason of its nonce, `rate_limited`, `peer_not_attested` or `odyn_unavailable`. */
  acceptHello(body: Uint8Array, headers: HelloHeaders): Promise<SignedAnswer>;
  /** The member whose session has that id (hex): asked before a body is read. Throws `session_unknown`, or `peer_not_member` once it is none. */
  requireSession(id: string): Wallet;
  /** Throws `session_unknown`, `peer_not_member`, `peer_not_attested`, a `frame_…` reason, or what the handler of its type does. */
  acceptFrame(body: Uint8Array): Promise<Uint8Array>;
  /** Sends one frame, after a hello when there is no session. */
  call(peer: Wallet, wire: PeerWire, type: FrameType, payload: Uint8Array): Promise<Uint8Array>;
  /** Those with a peer that are not over, either way: for operators. */
  with(peer: Wallet): readonly SessionReport[];
}

export interface SessionReport {
  /** Ours in it. */
  readonly role: 'initiator' | 'responder';
  readonly ageMs: number;
  readonly frames: number;
  /** What the peer's enclave proved to run. */
  readonly attested: Hash;
}

export interface SessionsDependencies {
  readonly self: { readonly wallet: Wallet; readonly incarnation: Uint8Array };
  readonly clock: Clock;
  readonly random: Random;
  readonly signer: Signer;
  readonly recover: Recover;
  readonly nonces: Nonces;
  readonly attestations: Attestations;
  readonly log: Log;
  /** A member now, by the chain view. Throws `chain_unavailable` when there is none. */
  readonly member: (wallet: Wallet) => Operator | undefined;
  /** A member proved that it is there: by a hello or a frame that was taken. */
  readonly heard: (wallet: Wallet) => void;
  readonly handlers: Readonly<Record<FrameType, FrameHandler>>;
}

interface Opening {
  readonly sinceMs: number;
  readonly session: Promise<Session>;
}

export function createSessions(dependencies: SessionsDependencies): Sessions {
  const { self, clock, random, signer, recover, nonces, attestations, log, member, heard, handlers } = dependencies;
  /** As responder. */
  const accepted = createAccepted(clock);
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

  /** The registry may name other code for a wallet than its enclave proved: then the session is over. */
  function requireAttested(peer: Operator, session: Session, end: () => void): void {
    try {
      attestations.requireUnchanged(peer, session.attested);
    } catch (error) {
      end();
      throw error;
    }
  }

  async function acceptHello(body: Uint8Array, headers: HelloHeaders): Promise<SignedAnswer> {
    nonces.check(headers.nonce ?? '');
    const hello = verifyHello(body, headers, self.wallet, clock.nowMs(), recover, requireMember);
    // A replay is known before it costs its victim anything of its rate.
    if (!usedNonces.use(hello.wallet, hello.nonce)) throw new Refusal('nonce_replayed');
    if (!hellos.take(hello.wallet)) throw new Refusal('rate_limited', 'hellos of one peer');
    // Last, so that a member that replays or hurries buys none.
    const claim = { challenge: helloChallenge(hello), ephemeral: hello.ephemeral };
    const attested = attestations.judge(requireMember(hello.wallet), hello.attestation, claim);
    const ephemeral = createEphemeral(random);
    const shared = ephemeral.agree(hello.ephemeral);
    const attestation = await attestations.ours({ challenge: answerChallenge(body), ephemeral: ephemeral.publicKey });
    const id = random.bytes(SESSION_ID_BYTES);
    const answer = encodeHelloAnswer({
      wallet: self.wallet,
      recipient: hello.wallet,
      incarnation: self.incarnation,
      ephemeral: ephemeral.publicKey,
      session: id,
      attestation,
    });
    const signature = await signer.sign(helloAnswerText(headers.signature ?? '', self.wallet, answer));
    const keys = deriveSessionKeys(shared, body, answer);
    const incarnations = { initiatorIncarnation: hello.incarnation, responderIncarnation: self.incarnation };
    accepted.keep(createSession(clock, { id, peer: hello.wallet, attested, keys, ...incarnations }));
    heard(hello.wallet);
    log('session.opened', { peer: hello.wallet, role: 'responder', measurement: attested });
    return { body: answer, signature };
  }

  async function acceptFrame(body: Uint8Array): Promise<Uint8Array> {
    const frame = decodeFrame(body);
    const session = accepted.require(hex(frame.session));
    const peer = requireMember(session.peer);
    requireAttested(peer, session, () => accepted.end(session));
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
    const nonce = await wire.nonce();
    const pair = { wallet: self.wallet, recipient: peer, nonce };
    const attestation = await attestations.ours({ challenge: helloChallenge(pair), ephemeral: ephemeral.publicKey });
    const hello = { ...pair, incarnation: self.incarnation, ephemeral: ephemeral.publicKey, timestamp, attestation };
    const body = encodeHello(hello);
    const signature = await signer.sign(helloText(hello, body));
    const headers = { 'x-kms-signature': signature, 'x-kms-wallet': self.wallet, 'x-kms-nonce': hello.nonce, 'x-kms-timestamp': timestamp };
    const received = await wire.post(body, headers);
    const answer = verifyHelloAnswer(received.body, received.signature, { hello, signature }, recover);
    const claim = { challenge: answerChallenge(body), ephemeral: answer.ephemeral };
    const attested = attestations.judge(requireMember(peer), answer.attestation, claim);
    const keys = deriveSessionKeys(ephemeral.agree(answer.ephemeral), body, received.body);
    const incarnations = { initiatorIncarnation: self.incarnation, responderIncarnation: answer.incarnation };
    const session = createSession(clock, { id: answer.session, peer, attested, keys, ...incarnations });
    for (const [other, standing] of opened) if (isWorn(standing, clock)) opened.delete(other);
    opened.set(peer, session);
    log('session.opened', { peer, role: 'initiator', measurement: attested });
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
    const operator = requireMember(peer);
    const standing = opened.get(peer);
    if (!standing || isWorn(standing, clock)) return await exchange(await openShared(peer, wire), wire, type, payload);
    requireAttested(operator, standing, () => opened.delete(peer));
    try {
      return await exchange(standing, wire, type, payload);
    } catch (error) {
      if (opened.get(peer) === standing) opened.delete(peer);
      // The peer restarted or forgot: what it could not have read is safe to send again under new keys.
      if (!(error instanceof Refusal) || error.reason !== 'session_unknown') throw error;
      return await exchange(await openShared(peer, wire), wire, type, payload);
    }
  }

  function reported(role: SessionReport['role'], session: Session): readonly SessionReport[] {
    if (isWorn(session, clock)) return [];
    return [{ role, ageMs: clock.elapsedMs() - session.openedAtMs, frames: session.counter, attested: session.attested }];
  }

  return {
    acceptHello,
    with(peer) {
      const ours = opened.get(peer);
      const theirs = accepted.of(peer).flatMap((session) => reported('responder', session));
      return ours ? [...reported('initiator', ours), ...theirs] : theirs;
    },
    requireSession: (id) => requireMember(accepted.require(id).peer).wallet,
    acceptFrame,
    call,
  };
}
