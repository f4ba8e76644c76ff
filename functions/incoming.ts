/** From Node's message to a Request. Its URL is the path under an origin of nobody: the authority is the client's word. */
import { HTTP_BODY_CHUNK_BYTES_MIN, HTTP_BODY_CHUNKS_FREE, HTTP_HEADERS_MAX } from '../core/limits.ts';
import type { IncomingMessage } from 'node:http';

const ORIGIN = 'http://node';

/** The request, or the status for what is none of ours: another HTTP, a coding that nobody decodes, what no Request can carry. */
export function requestOf(incoming: IncomingMessage, body: ReadableStream<Uint8Array> | undefined): Request | number {
  const { method = 'GET', url = '/', rawHeaders, httpVersionMajor, httpVersionMinor } = incoming;
  if (httpVersionMajor !== 1) return 505;
  if (rawHeaders.length > 2 * HTTP_HEADERS_MAX) return 431;
  const coding = incoming.headers['transfer-encoding'];
  if ((coding ?? 'chunked').toLowerCase() !== 'chunked') return 501;
  // A proxy of that version looks at no coding, and would see another request begin where its body begins (RFC 9112 §6.1).
  if (coding !== undefined && httpVersionMinor === 0) return 400;
  const hosts = rawHeaders.filter((name, index) => index % 2 === 0 && name.toLowerCase() === 'host').length;
  if (hosts > 1 || (hosts === 0 && httpVersionMinor > 0)) return 400;
  if ((incoming.headers.expect ?? '100-continue').toLowerCase() !== '100-continue') return 417;
  const headers = new Headers();
  try {
    for (let index = 0; index < rawHeaders.length; index += 2) headers.append(rawHeaders[index] ?? '', rawHeaders[index + 1] ?? '');
    return new Request(`${ORIGIN}${pathOf(url)}`, { method, headers, ...(body && { body, duplex: 'half' }) });
  } catch (error) {
    // Of TRACE and TRACK, which a Request refuses.
    if (error instanceof TypeError) return 501;
    throw error;
  }
}

/** Of any form a target may have (RFC 9112 §3.2); two slashes at its start are a path, not a host. */
function pathOf(target: string): string {
  const path = /^https?:\/\/[^/?#]*(.*)$/is.exec(target)?.[1] ?? target;
  return path.startsWith('/') ? path : `/${path}`;
}

/** Whether a body was announced and is not here as a whole: what came beside the headers is here one turn after them. */
export function isBodyComing({ headers, complete }: IncomingMessage): boolean {
  return !complete && (headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0');
}

/**
 * The body as it comes, one chunk for each that is asked for; `undefined` when there is none, or none that counts. `invite` is
 * called when the first is asked for: who waits for "100 Continue" sends a refused body never. Until then nothing more is read
 * of the connection than came with the headers. Many chunks of next to nothing, each a call for us, end the connection.
 */
export function bodyOf(incoming: IncomingMessage, invite?: () => void): ReadableStream<Uint8Array> | undefined {
  if (!isBodyComing(incoming)) return undefined;
  incoming.socket.pause();
  if (incoming.method === 'GET' || incoming.method === 'HEAD') return undefined;
  let isInvited = invite === undefined;
  let isOver = false;
  let [chunks, bytes] = [0, 0];
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        incoming.pause();
        incoming.on('data', (chunk: Uint8Array) => {
          if (isOver) return;
          incoming.pause();
          chunks += 1;
          bytes += chunk.length;
          if (chunks > HTTP_BODY_CHUNKS_FREE + bytes / HTTP_BODY_CHUNK_BYTES_MIN) return void incoming.socket.destroy();
          controller.enqueue(chunk);
        });
        incoming.once('end', () => {
          if (!isOver) controller.close();
          isOver = true;
        });
        incoming.once('close', () => {
          if (!isOver) controller.error(new Error('the client left'));
          isOver = true;
        });
      },
      pull() {
        if (!isInvited) invite?.();
        isInvited = true;
        incoming.resume();
      },
      cancel() {
        isOver = true;
      },
    },
    { highWaterMark: 0 },
  );
}
