/**
 * A host as a carrier of bytes, for what no HTTP forwarder can do: let part of a request through and end its side of the
 * connection, keep the rest for ever, or rewrite what it passes. Requests are told apart by their `Content-Length`; the bytes
 * of answers pass as they are.
 */
import { connect } from 'node:net';
import { noteRequest } from '../secrecy/recorder.ts';
import type { Socket } from 'node:net';

/** What becomes of one request on its way in. */
export interface Handling {
  /** What goes on instead of the head, which ends with an empty line; what stands behind that line comes before the body. */
  readonly head?: string;
  /** So many bytes of the body go on, and no more. */
  readonly bodyBytesMax: number;
  /** With what is left of the body: the carrier ends its side of the connection, or keeps the rest and says nothing. */
  readonly then: 'half-close' | 'hold';
  /** The bytes of the answer, as they pass. */
  readonly heard?: (bytes: Buffer) => void;
}

/** Gets the head of each request; `undefined` lets it through as it is. */
export type ByteIntention = (head: string) => Handling | undefined;

const HEAD_END = '\r\n\r\n';

/** Carries one connection to `target` and back, until either side is done. */
export function carry(client: Socket, target: string, intend: ByteIntention): void {
  const { hostname, port } = new URL(target);
  const node = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
  let unread: Buffer = Buffer.alloc(0);
  let handling: Handling | undefined;
  /** Of the request that is being carried: what its client has still to send, and what of it may still go on. */
  let [expected, allowed] = [0, 0];

  function begin(): boolean {
    const end = unread.indexOf(HEAD_END);
    if (end < 0) return false;
    const head = unread.subarray(0, end + HEAD_END.length).toString('latin1');
    unread = unread.subarray(end + HEAD_END.length);
    expected = Number(/^content-length: *(\d+)\r$/im.exec(head)?.[1] ?? 0);
    handling = intend(head);
    allowed = handling?.bodyBytesMax ?? Infinity;
    node.write(handling?.head ?? head, 'latin1');
    return true;
  }

  function passBody(): void {
    const body = unread.subarray(0, expected);
    unread = unread.subarray(body.length);
    expected -= body.length;
    node.write(body.subarray(0, allowed));
    allowed -= Math.min(allowed, body.length);
    if (handling?.then === 'half-close' && allowed === 0) node.end();
  }

  client.on('data', (bytes: Buffer) => {
    noteRequest(`a carrier, from port ${client.remotePort}`, bytes);
    unread = Buffer.concat([unread, bytes]);
    while (expected > 0 ? unread.length > 0 : begin()) passBody();
  });
  node.on('data', (bytes: Buffer) => {
    handling?.heard?.(bytes);
    client.write(bytes);
  });
  client.on('end', () => node.end());
  node.on('end', () => client.end());
  // A reset is one way to be done.
  for (const [socket, other] of [
    [client, node],
    [node, client],
  ] as const)
    socket.on('error', () => other.destroy()).on('close', () => other.destroySoon());
}
