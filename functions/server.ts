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
  HTTP_HEADERS_MAX,
  HTTP_HEADERS_MS_MAX,
  HTTP_IDLE_MS_MAX,
  HTTP_LINGER_BYTES_MAX,
  HTTP_LINGER_MS_MAX,
  HTTP_PIPELINED_MAX,
  HTTP_REQUEST_MS_MAX,
  STOP_CHECK_MS,
} from '../core/limits.ts';
import { bodyOf, isBodyComing, requestOf } from './incoming.ts';
import { deliverInSlices } from './slices.ts';
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
  readonly answer: (request: Request, peerAddress: string | undefined) => Promise<Response>;
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
  /** At which look of the watch each request without a finished answer came, the oldest first. */
  readonly asked: number[];
  newest: IncomingMessage | undefined;
  /** How many bytes had left when output last moved, or was empty, and at which look that was. */
  sent: number;
  sentAt: number;
  isLeaving: boolean;
}

/** Rejects when the address cannot be listened on. */
export async function startServer(options: ServerOptions): Promise<HttpServer> {
  const { answer, listen, clock, log, connectionsMax = CONNECTIONS_MAX } = options;
  const connections = new Map<Socket, Connection>();
  const stopped = new AbortController();
  let isStopping = false;
  let looks = 0;
  const server = createServer({
    maxHeaderSize: HTTP_HEADERS_BYTES_MAX,
    headersTimeout: HTTP_HEADERS_MS_MAX,
    requestTimeout: HTTP_REQUEST_MS_MAX,
    keepAliveTimeout: HTTP_IDLE_MS_MAX,
    connectionsCheckingInterval: HTTP_CHECK_MS,
    noDelay: true,
    // Asked for in `requestOf`: what Node answers by itself is not counted here.
    requireHostHeader: false,
  });
  server.maxConnections = connectionsMax;
  // Node drops what is more without a word, and a proxy may append what it has to tell. One more than may be shows that there were more.
  server.maxHeadersCount = HTTP_HEADERS_MAX + 1;

  function take(incoming: IncomingMessage, outgoing: ServerResponse, invite?: () => void): void {
    const connection = connections.get(incoming.socket);
    if (!connection || connection.asked.length >= HTTP_PIPELINED_MAX) return void incoming.socket.destroy();
    connection.asked.push(looks);
    connection.newest = incoming;
    outgoing.once('close', () => {
      connection.asked.shift();
      // A body that came whole and was left unread would keep the next request out.
      if (incoming.complete && !incoming.readableEnded) incoming.removeAllListeners('data').resume();
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
    const response = await answer(request, incoming.socket.remoteAddress);
    const bytes = response.body === null ? undefined : new Uint8Array(await response.arrayBuffer());
    if (isBodyComing(incoming)) await clock.sleep(0);
    // The client left: there is nobody to answer.
    if (incoming.socket.destroyed) return;
    const headers = [...response.headers].flat();
    if (bytes) headers.push('content-length', String(bytes.length));
    // Of a body that is still coming, or was not invited and may come or not, nobody reads the end. And of what follows a wish for another
    // protocol, Node's parser drops what came in the same piece: the next request would be read from its middle.
    if (isStopping || isBodyComing(incoming) || incoming.headers.upgrade !== undefined) headers.push('connection', 'close');
    outgoing.writeHead(response.status, headers);
    outgoing.end(bytes);
  }

  /** Slow readers, and whoever else makes one exchange last too long. Counted in looks: the host may turn the time of day. */
  async function watch(): Promise<void> {
    while (!stopped.signal.aborted) {
      await clock.sleep(HTTP_CHECK_MS, stopped.signal).catch(() => undefined);
      looks += 1;
      for (const [socket, connection] of connections) {
        const sent = socket.bytesWritten - socket.writableLength;
        if (socket.writableLength === 0 || sent !== connection.sent) Object.assign(connection, { sent, sentAt: looks });
        const oldest = Math.min(connection.sentAt, connection.asked[0] ?? looks);
        if ((looks - oldest) * HTTP_CHECK_MS > HTTP_EXCHANGE_MS_MAX) socket.destroy();
      }
    }
  }

  /** Says the last, and lets what the client still sends come to nothing for a while: as bytes, which nobody parses. */
  async function leave(socket: Socket, connection: Connection, last = ''): Promise<void> {
    if (connection.isLeaving) return;
    connection.isLeaving = true;
    let bytes = 0;
    socket.end(last);
    // A paused connection goes on in the next turn, and only while Node's parser still has it.
    socket.resume();
    await clock.sleep(0);
    socket.removeAllListeners('data').on('data', (chunk: Uint8Array) => {
      bytes += chunk.length;
      if (bytes > HTTP_LINGER_BYTES_MAX) socket.destroy();
    });
    await clock.sleep(HTTP_LINGER_MS_MAX, stopped.signal).catch(() => undefined);
    socket.destroy();
  }

  const inFlight = (): number => [...connections.values()].reduce((sum, { asked }) => sum + asked.length, 0);
  const isBusy = (): boolean => [...connections.values()].some(({ asked, isLeaving }) => asked.length > 0 || isLeaving);

  server.on('connection', (socket: Socket) => {
    const connection: Connection = { asked: [], newest: undefined, sent: 0, sentAt: looks, isLeaving: false };
    connections.set(socket, connection);
    deliverInSlices(socket);
    socket.once('close', () => connections.delete(socket));
    // Node calls it after the last answer of a connection, also while its client still sends, who is then reset.
    const destroySoon = socket.destroySoon.bind(socket);
    socket.destroySoon = () => (connection.newest && isBodyComing(connection.newest) ? void leave(socket, connection) : destroySoon());
  });
  server.on('request', take);
  server.on('checkContinue', (incoming, outgoing) => take(incoming, outgoing, () => outgoing.writeContinue()));
  // Those but "100-continue", which are refused.
  server.on('checkExpectation', take);
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    const connection = connections.get(socket);
    // In the middle of an exchange a status of ours would be read as part of another answer.
    const isAmidst = !connection || connection.asked.length > 0 || connection.newest?.complete === false;
    if (isAmidst || !socket.writable) socket.destroy();
    else void leave(socket, connection, statusLine(statusOf(error)));
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
      for (let waitedMs = 0; isBusy() && waitedMs < msMax; waitedMs += STOP_CHECK_MS) await clock.sleep(STOP_CHECK_MS);
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
