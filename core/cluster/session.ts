/** One session of two nodes, and those that a responder keeps: its peers' newest, in a bounded number. */
import { Refusal } from '../errors.ts';
import { SESSION_AGE_MAX_MS, SESSION_FRAMES_MAX, SESSIONS_PER_PEER_MAX, SESSIONS_TOTAL_MAX } from '../limits.ts';
import { equalBytes, hex } from '../wire/bytes.ts';
import type { Hash, Wallet } from '../identity.ts';
import type { Clock } from '../ports.ts';
import type { SessionSecrets } from './frames.ts';
import type { Window } from './window.ts';

/** `counter`: as initiator the last one sent, as responder the highest taken. */
export interface Session extends SessionSecrets, Window {
  readonly peer: Wallet;
  /** What the peer's enclave proved to run when the session was opened. */
  readonly attested: Hash;
  /** By elapsed time. */
  readonly openedAtMs: number;
}

export function createSession(clock: Clock, made: SessionSecrets & Pick<Session, 'peer' | 'attested'>): Session {
  return { ...made, openedAtMs: clock.elapsedMs(), counter: 0, taken: new Set<number>() };
}

/** Its peer has to prove itself again. */
export function isWorn(session: Session, clock: Clock): boolean {
  return clock.elapsedMs() - session.openedAtMs > SESSION_AGE_MAX_MS || session.counter >= SESSION_FRAMES_MAX;
}

export interface Accepted {
  keep(session: Session): void;
  /** One that is not worn. `id` as hex. Throws `session_unknown`. */
  require(id: string): Session;
  /** Oldest first. */
  of(peer: Wallet): readonly Session[];
  end(session: Session): void;
}

export function createAccepted(clock: Clock): Accepted {
  /** By id, oldest first. */
  const sessions = new Map<string, Session>();
  const of = (peer: Wallet) => [...sessions.values()].filter((session) => session.peer === peer);
  return {
    of,
    /** A new boot of a peer ends the sessions of the one before; its newest displace its older; what is worn goes with its keys; the whole has a bound. */
    keep(session) {
      const { peer, initiatorIncarnation } = session;
      sessions.set(hex(session.id), session);
      for (const [id, other] of sessions) {
        const isOfAnotherBoot = other.peer === peer && !equalBytes(other.initiatorIncarnation, initiatorIncarnation);
        if (isOfAnotherBoot || isWorn(other, clock)) sessions.delete(id);
      }
      for (const { id } of of(peer).slice(0, -SESSIONS_PER_PEER_MAX)) sessions.delete(hex(id));
      for (const id of sessions.keys()) {
        if (sessions.size <= SESSIONS_TOTAL_MAX) break;
        sessions.delete(id);
      }
    },
    require(id) {
      const session = sessions.get(id);
      if (session && !isWorn(session, clock)) return session;
      sessions.delete(id);
      throw new Refusal('session_unknown');
    },
    end: (session) => void sessions.delete(hex(session.id)),
  };
}
