/** `POST /sync` (`docs/protocol.md` clause 7): hellos and frames of peers. A hello is what carries the peer's signature header. */
import { HELLO_BYTES_MAX, REQUEST_MS_MAX, SYNC_BODY_BYTES_MAX } from '../core/limits.ts';
import { readBody } from './body.ts';
import { withDeadline } from '../core/deadline.ts';
import { bytesReply } from './answers.ts';
import type { Kms } from '../core/kms.ts';

export function sync(kms: Kms, request: Request): Promise<Response> {
  return withDeadline(kms.clock, REQUEST_MS_MAX, 'deadline_exceeded', answer(kms, request));
}

async function answer({ clock, sessions }: Kms, request: Request): Promise<Response> {
  const { headers } = request;
  const signature = headers.get('x-kms-signature');
  if (signature === null) {
    // A stranger's two megabytes are not read: only who said hello knows a session.
    sessions.requireSession(headers.get('x-kms-session') ?? '');
    const frame = await readBody(request, 'application/octet-stream', SYNC_BODY_BYTES_MAX, clock);
    return bytesReply(await sessions.acceptFrame(frame), 'application/octet-stream');
  }
  const body = await readBody(request, 'application/cbor', HELLO_BYTES_MAX, clock);
  const helloHeaders = {
    signature,
    wallet: headers.get('x-kms-wallet'),
    nonce: headers.get('x-kms-nonce'),
    timestamp: headers.get('x-kms-timestamp'),
  };
  const hello = await sessions.acceptHello(body, helloHeaders);
  return bytesReply(hello.body, 'application/cbor', { 'x-kms-peer-signature': hello.signature });
}
