/** `POST /sync` (`docs/protocol.md` clause 7): hellos and frames of peers. A hello is what carries the peer's signature header. */
import { createBudget } from '../core/auth/budget.ts';
import { createWaitingRoom } from '../core/auth/waiting.ts';
import { Refusal } from '../core/errors.ts';
import {
  FRAMES_PER_PEER_BYTES_MAX,
  FRAMES_RESERVE_BYTES_MAX,
  FRAMES_TOTAL_BYTES_MAX,
  HELLO_BYTES_MAX,
  HELLOS_READ_MAX,
  REQUEST_MS_MAX,
  SYNC_BODY_BYTES_MAX,
} from '../core/limits.ts';
import { readBody, roomFor } from './body.ts';
import { withDeadline } from '../core/deadline.ts';
import { bytesReply } from './answers.ts';
import type { Kms } from '../core/kms.ts';
import type { Visit } from './visitors.ts';

export function sync({ clock, sessions }: Kms): (request: Request, visit: Visit) => Promise<Response> {
  const hellosRead = createWaitingRoom(HELLOS_READ_MAX);
  const framesInFlight = createBudget({
    perOwnerMax: FRAMES_PER_PEER_BYTES_MAX,
    totalMax: FRAMES_TOTAL_BYTES_MAX,
    ownerReserveMax: FRAMES_RESERVE_BYTES_MAX,
  });

  async function answerFrame(request: Request, session: string): Promise<Response> {
    // A stranger's two megabytes are not read: only who said hello knows a session, and it counts as long as they are a member.
    const peer = sessions.requireSession(session);
    const bytes = roomFor(request, SYNC_BODY_BYTES_MAX);
    const answer = framesInFlight.hold(peer, bytes, async () => {
      const frame = await readBody(request, 'application/octet-stream', bytes, clock);
      return bytesReply(await sessions.acceptFrame(frame), 'application/octet-stream');
    });
    if (!answer) throw new Refusal('busy', 'frames in flight');
    return await answer;
  }

  async function answerHello(request: Request, signature: string): Promise<Response> {
    const { headers } = request;
    const body = await hellosRead.wait(readBody(request, 'application/cbor', HELLO_BYTES_MAX, clock));
    const hello = await sessions.acceptHello(body, {
      signature,
      wallet: headers.get('x-kms-wallet'),
      nonce: headers.get('x-kms-nonce'),
      timestamp: headers.get('x-kms-timestamp'),
    });
    return bytesReply(hello.body, 'application/cbor', { 'x-kms-peer-signature': hello.signature });
  }

  async function answer(request: Request, visit: Visit): Promise<Response> {
    const signature = request.headers.get('x-kms-signature');
    const reply = signature === null ? answerFrame(request, request.headers.get('x-kms-session') ?? '') : answerHello(request, signature);
    const answered = await reply;
    visit.welcome();
    return answered;
  }

  return (request, visit) => withDeadline(clock, REQUEST_MS_MAX, 'deadline_exceeded', answer(request, visit));
}
