/**
 * The wires between the nodes of a world with hosts. A host before a node sees who opens each session, so it can tell the frames of one
 * peer from those of another and from what apps ask: a wire from one node to another can be cut or bent by itself, and the chain stays
 * in reach. Only `GET /nonce` names nobody; a node that is cut off answers none.
 */
import { decode } from 'cborg';
import type { Exchange, Intention, Reply } from '../simulation/host.ts';
import type { Member, World } from '../simulation/world.ts';

/** What becomes of one request of a peer, a hello or a frame. */
export type Bend = (
  wire: { readonly from: Member; readonly to: Member },
  request: Exchange,
  forward: (request: Exchange) => Promise<Reply>,
) => Promise<Reply>;

export interface Wires {
  /** Nothing of a peer gets to that node or comes from it; who sent it hears nothing at all, as from a dead line. */
  cut(member: Member): void;
  /** Every wire into every node. */
  bend(bend: Bend | undefined): void;
  /** Ends cuts and bends. */
  heal(): void;
  /** Requests of peers that were kept from their node. */
  stopped(): number;
}

export function createWires({ members }: World): Wires {
  const openedBy = new Map<string, string>();
  const cutOff = new Set<Member>();
  let healed = Promise.withResolvers<never>();
  let bend: Bend | undefined;
  let stopped = 0;
  healed.promise.catch(() => undefined);

  function senderOf({ headers }: Exchange): Member | undefined {
    const wallet = headers['x-kms-wallet'] ?? openedBy.get(headers['x-kms-session'] ?? '');
    return members.find((member) => member.node.odyn.wallet === wallet);
  }

  /** What is under way when the wire is cut, and its answer, are lost with it. */
  async function dead(): Promise<never> {
    stopped += 1;
    return await healed.promise;
  }

  const carry =
    (to: Member): Intention =>
    async (request, forward) => {
      if (request.path !== '/sync') return request.path === '/nonce' && cutOff.has(to) ? await dead() : await forward(request);
      const from = senderOf(request);
      // Of a time before this host listened: a new hello will tell.
      if (!from) return UNKNOWN;
      const isCut = () => cutOff.has(to) || cutOff.has(from);
      if (isCut()) return await dead();
      const reply = await (bend ? bend({ from, to }, request, forward) : forward(request));
      const opener = request.headers['x-kms-wallet'];
      if (opener !== undefined && reply.status === 200) openedBy.set(sessionOf(reply.body), opener);
      return isCut() ? await dead() : reply;
    };

  for (const member of members) member.host?.intend(carry(member));
  return {
    cut: (member) => void cutOff.add(member),
    bend(next) {
      bend = next;
    },
    heal() {
      cutOff.clear();
      bend = undefined;
      healed.reject(new Error('lost while the wire was cut'));
      healed = Promise.withResolvers<never>();
      healed.promise.catch(() => undefined);
    },
    stopped: () => stopped,
  };
}

const UNKNOWN: Reply = {
  status: 409,
  headers: { 'content-type': 'application/json' },
  body: Buffer.from(JSON.stringify({ reason: 'session_unknown' })),
};

/** Of the answer to a hello; empty for what is none. */
function sessionOf(body: Buffer): string {
  try {
    const { session } = decode(body) as { session?: Uint8Array };
    return session ? Buffer.from(session).toString('hex') : '';
  } catch {
    return '';
  }
}
