/**
 * The host before an enclave: a plain HTTP forwarder that every byte to and from one node passes. By default it is honest;
 * a test gives it an intention, and then it reads, alters, swaps, holds or drops. What only bytes can say, it carries as bytes.
 */
import { createServer } from 'node:http';
import { createServer as createListener } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { noteRequest } from '../secrecy/recorder.ts';
import { carry } from './carrier.ts';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { ByteIntention } from './carrier.ts';

export interface Exchange {
  readonly method: string;
  readonly path: string;
  readonly headers: Record<string, string>;
  readonly body: Buffer;
}

export interface Reply {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body: Buffer;
  /** The body again and again, until who asked goes away. */
  readonly isEndless?: boolean;
}

/** Gets each request and the honest way on; answers what the host wants the caller to see. Never answering hangs the caller. */
export type Intention = (request: Exchange, forward: (request: Exchange) => Promise<Reply>) => Promise<Reply>;

export interface Host {
  readonly url: string;
  intend(intention: Intention | undefined): void;
  /** Carries bytes instead, from now on; `undefined` makes it a forwarder again. Either cuts the connections of before. */
  carry(intention: ByteIntention | undefined): void;
  close(): Promise<void>;
}

const HOP_HEADERS = new Set(['connection', 'content-length', 'transfer-encoding', 'host', 'keep-alive']);

export async function startHost(target: () => string): Promise<Host> {
  let intention: Intention | undefined;
  let byteIntention: ByteIntention | undefined;
  const sockets = new Set<Socket>();
  const forward = (request: Exchange) => forwardTo(target(), request);
  const forwarder = createServer((incoming, outgoing) => {
    void serve(incoming, outgoing, async (request) => (intention ? intention(request, forward) : forward(request)));
  });
  const listener = createListener({ allowHalfOpen: true, noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    if (byteIntention) carry(socket, target(), byteIntention);
    else forwarder.emit('connection', socket);
  });
  const cutAll = () => sockets.forEach((socket) => socket.destroy());
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const { port } = listener.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    intend: (next) => {
      intention = next;
    },
    carry: (next) => {
      byteIntention = next;
      cutAll();
    },
    close: () =>
      new Promise((resolve) => {
        listener.close(() => resolve());
        cutAll();
      }),
  };
}

async function serve(incoming: IncomingMessage, outgoing: ServerResponse, answer: (request: Exchange) => Promise<Reply>): Promise<void> {
  try {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    const headers = Object.fromEntries(
      Object.entries(incoming.headers)
        .filter(([name]) => !HOP_HEADERS.has(name))
        .map(([name, value]) => [name, String(value)]),
    );
    const request = { method: incoming.method ?? 'GET', path: incoming.url ?? '/', headers, body: Buffer.concat(chunks) };
    noteRequest('a host', Buffer.concat([Buffer.from(`\n${JSON.stringify([request.method, request.path, headers])}\n`), request.body]));
    const reply = await answer(request);
    if (reply.isEndless) return await pour(reply, outgoing);
    outgoing.writeHead(reply.status, { ...reply.headers, 'content-length': reply.body.length });
    outgoing.end(reply.body);
  } catch {
    // The node is down or the caller went away: a host can only close the connection.
    outgoing.destroy();
  }
}

async function pour({ status, headers, body }: Reply, outgoing: ServerResponse): Promise<void> {
  outgoing.writeHead(status, headers);
  await pipeline(function* () {
    for (;;) yield body;
  }, outgoing);
}

async function forwardTo(target: string, { method, path, headers, body }: Exchange): Promise<Reply> {
  const answer = await fetch(`${target}${path}`, {
    method,
    headers,
    redirect: 'manual',
    ...(method === 'GET' || method === 'HEAD' ? {} : { body }),
  });
  const kept = Object.fromEntries([...answer.headers].filter(([name]) => !HOP_HEADERS.has(name) && name !== 'content-encoding'));
  return { status: answer.status, headers: kept, body: Buffer.from(await answer.arrayBuffer()) };
}
