/**
 * A Node HTTP server before a handler of Request and Response: nothing but the adaptor, its bounds and a graceful end. What a
 * client claims about itself or this node (Host, an absolute target, forwarding headers) decides nothing here. Whatever is not
 * HTTP gets a status and no text.
 */
import { createServer, STATUS_CODES } from 'node:http';
import {
  CONNECTIONS_MAX,
  HTTP_CHECK_MS,
  HTTP_EXCHANGE_MS_MAX,
  HTTP_HEADERS_BYTES_MAX,
  HTTP_HEADERS_MS_MAX,
  HTTP_IDLE_MS_MAX,
  HTTP_PIPELINED_MAX,
  HTTP_REQUEST_MS_MAX,
  STOP_CHECK_MS,
} from '../core/limits.ts';
import { bodyOf, requestOf } from './incoming.ts';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Clock, Log } from '../core/ports.ts';

export interface ListenAddress {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
}

export interface ServerOptions {
  /** Never rejects but by a mistake in it, which is then a blank 500. */
  readonly answer: (request: Request) => Promise<Response>;
  readonly listen: ListenAddress;
  readonly clock: Clock;
  readonly log: Log;
  readonly connectionsMax?: number;
}

export interface HttpServer {
  readonly address: ListenAddress;
  /** Takes nothing more and finishes what it took. Resolves with how many requests the deadline cut off. */
  stop(msMax: number): Promise<number>;
}

interface Connection {
  /** Requests without a finished answer. */
  unanswered: number;
  /** How many looks of the watch its oldest exchange has seen. */
  looks: number;
  newest: IncomingMessage | undefined;
}

/** Rejects when the address cannot be listened on. */
export async function startServer(options: ServerOptions): Promise<HttpServer> {
  const { answer, listen, clock, log, connectionsMax = CONNECTIONS_MAX } = options;
  const connections = new Map<Socket, Connection>();
  const stopped = new AbortController();
  let isStopping = false;
  const server = createServer({
    maxHeaderSize: HTTP_HEADERS_BYTES_MAX,
    headersTimeout: HTTP_HEADERS_MS_MAX,
    requestTimeout: HTTP_REQUEST_MS_MAX,
    keepAliveTimeout: HTTP_IDLE_MS_MAX,
    connectionsCheckingInterval: HTTP_CHECK_MS,
    noDelay: true,
  });
  server.maxConnections = connectionsMax;

  function take(incoming: IncomingMessage, outgoing: ServerResponse, invite?: () => void): void {
    const connection = connections.get(incoming.socket);
    if (!connection || connection.unanswered >= HTTP_PIPELINED_MAX) return void incoming.socket.destroy();
    if (connection.unanswered === 0) connection.looks = 0;
    connection.unanswered += 1;
    connection.newest = incoming;
    outgoing.once('close', () => {
      connection.unanswered -= 1;
      connection.looks = 0;
      // What is left of an unread body is thrown away, for as long as the whole request may take.
      if (!incoming.complete) incoming.removeAllListeners('data').resume();
    });
    void respond(incoming, outgoing, invite).catch((error: unknown) => {
      log('server.failed', { detail: String(error) });
      bare(outgoing, 500);
    });
  }

  async function respond(incoming: IncomingMessage, outgoing: ServerResponse, invite?: () => void): Promise<void> {
    const body = bodyOf(incoming, invite);
    const request = requestOf(incoming, body);
    if (typeof request === 'number') return bare(outgoing, request);
    const response = await answer(request);
    const bytes = response.body === null ? undefined : new Uint8Array(await response.arrayBuffer());
    // The client left: there is nobody to answer.
    if (incoming.socket.destroyed) return;
    const headers = [...response.headers].flat();
    if (bytes) headers.push('content-length', String(bytes.length));
    // A body that was announced and not invited may come or not: what follows could be taken for it.
    if (isStopping || (invite && !incoming.complete)) headers.push('connection', 'close');
    outgoing.writeHead(response.status, headers);
    outgoing.end(bytes);
  }

  /** Slow readers, and whoever else makes one exchange last too long. Counted in looks: the host may turn the time of day. */
  async function watch(): Promise<void> {
    while (!stopped.signal.aborted) {
      await clock.sleep(HTTP_CHECK_MS, stopped.signal).catch(() => undefined);
      for (const [socket, connection] of connections) {
        connection.looks += 1;
        if (connection.unanswered > 0 && connection.looks * HTTP_CHECK_MS > HTTP_EXCHANGE_MS_MAX) socket.destroy();
      }
    }
  }

  const inFlight = (): number => [...connections.values()].reduce((sum, { unanswered }) => sum + unanswered, 0);

  server.on('connection', (socket: Socket) => {
    connections.set(socket, { unanswered: 0, looks: 0, newest: undefined });
    socket.once('close', () => connections.delete(socket));
  });
  server.on('request', take);
  server.on('checkContinue', (incoming, outgoing) => take(incoming, outgoing, () => outgoing.writeContinue()));
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    const { unanswered = 0, newest } = connections.get(socket as Socket) ?? {};
    // In the middle of an exchange a status of ours would be read as part of another answer.
    if (!socket.writable || unanswered > 0 || (newest && !newest.complete)) socket.destroy();
    else socket.end(statusLine(statusOf(error)), () => socket.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(listen.port, listen.host, resolve);
  });
  server.on('error', (error) => log('server.failed', { detail: String(error) }));
  void watch();
  const { address: host, port } = server.address() as AddressInfo;
  return {
    address: { host, port },
    async stop(msMax) {
      isStopping = true;
      const closed = new Promise((resolve) => server.close(resolve));
      for (let waitedMs = 0; inFlight() > 0 && waitedMs < msMax; waitedMs += STOP_CHECK_MS) await clock.sleep(STOP_CHECK_MS);
      const cut = inFlight();
      stopped.abort();
      server.closeAllConnections();
      await closed;
      return cut;
    },
  };
}

function bare(outgoing: ServerResponse, status: number): void {
  if (outgoing.headersSent) return void outgoing.destroy();
  outgoing.writeHead(status, { 'content-length': 0, connection: 'close' });
  outgoing.end();
}

function statusLine(status: number): string {
  return `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`;
}

function statusOf({ code }: NodeJS.ErrnoException): number {
  if (code === 'HPE_HEADER_OVERFLOW') return 431;
  return code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : 400;
}
