/**
 * The HTTP side of the Odyn: bodies counted while they stream, refusals in plain text, faults, and an end that waits for nobody.
 * A handler that breaks unexpectedly closes the connection without an answer, as the real service does.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { forgetOdyn, noteExchange, noteOdyn } from '../../secrecy/odyn.ts';
import type { Endpoints } from './endpoints.ts';
import { OdynFailure } from './failure.ts';
import type { Fault, FaultQueue } from './faults.ts';

/** The platform's own limit. */
export const bodyBytesMax = 10 * 1024 * 1024;

export interface OdynServer {
  readonly url: string;
  readonly calls: Readonly<Record<string, number>>;
  close(): Promise<void>;
}

export async function startServer(endpoints: Endpoints, faults: FaultQueue, port: number): Promise<OdynServer> {
  const calls: Record<string, number> = Object.create(null) as Record<string, number>;
  const server = createServer((request, response) => {
    const path = (request.url ?? '').split('?')[0] ?? '';
    calls[path] = (calls[path] ?? 0) + 1;
    serve(endpoints, faults, path, request, response).catch((cause: unknown) => {
      // A client that went away while sending is its own affair; anything else is a mistake here or in a test's fault.
      if ((cause as NodeJS.ErrnoException).code !== 'ECONNRESET') process.emitWarning(`the Odyn broke on ${path}: ${String(cause)}`);
      response.destroy();
    });
  });
  await listen(server, port);
  const { port: taken } = server.address() as AddressInfo;
  noteOdyn(taken);
  return { url: `http://127.0.0.1:${taken}`, calls, close: () => close(server).finally(() => forgetOdyn(taken)) };
}

async function serve(
  endpoints: Endpoints,
  faults: FaultQueue,
  path: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const fault = faults.take(path);
  if (fault?.kind === 'delay') await passTime(fault.delayMs, response);
  else if (fault !== undefined && fault.kind !== 'answer' && fault.kind !== 'document') return misbehave(fault, request, response);
  const endpoint = Object.hasOwn(endpoints, path) ? endpoints[path] : undefined;
  if (endpoint === undefined) return void response.writeHead(404).end();
  if (endpoint.method !== request.method) return void response.writeHead(405).end();
  try {
    const body = await readBody(request);
    const honest = endpoint.answer(body);
    if (honest instanceof Uint8Array) return send(response, 'application/cbor', fault?.kind === 'document' ? fault.bytes(honest) : honest);
    const answer = fault?.kind === 'answer' ? fault.json(honest) : honest;
    noteExchange(path, body, answer);
    send(response, 'application/json', JSON.stringify(answer));
  } catch (cause) {
    if (!(cause instanceof OdynFailure)) throw cause;
    // The rest of a body that is too large would otherwise be read as the next request.
    if (cause.status === 413) response.setHeader('connection', 'close');
    response.writeHead(cause.status, { 'content-type': 'text/plain' }).end(cause.message);
  }
}

async function readBody(request: IncomingMessage): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let bodyBytes = 0;
  // Stopping early must leave the socket whole, or the refusal could not be sent.
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    bodyBytes += (chunk as Buffer).length;
    if (bodyBytes > bodyBytesMax) throw new OdynFailure(413, 'Request body too large');
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks);
}

function send(response: ServerResponse, contentType: string, body: string | Uint8Array): void {
  response.writeHead(200, { 'content-type': contentType }).end(body);
}

type WireFault = Exclude<Fault, { kind: 'delay' } | { kind: 'answer' } | { kind: 'document' }>;

function misbehave(fault: WireFault, request: IncomingMessage, response: ServerResponse): void {
  request.resume();
  switch (fault.kind) {
    case 'hang':
      return;
    case 'status':
      return void response.writeHead(fault.status, { 'content-type': 'text/plain' }).end(fault.text);
    case 'redirect':
      return void response.writeHead(302, { location: fault.location }).end();
    case 'garbage':
      return void response.writeHead(200, { 'content-type': 'application/json' }).end('{"address": <not json>');
    case 'endless':
      return streamForEver(response);
    case 'drop':
      return void request.socket.destroy();
  }
}

/** Writes as fast as the reader takes it; ends when the reader goes. */
function streamForEver(response: ServerResponse): void {
  const chunk = '['.repeat(64 * 1024);
  response.writeHead(200, { 'content-type': 'application/json' });
  const pump = (): void => {
    while (!response.destroyed && response.write(chunk));
  };
  response.on('drain', pump);
  pump();
}

/** Ends early when the connection does, so that no timer outlives the server. */
function passTime(delayMs: number, response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      resolve();
    };
    const timer = setTimeout(end, delayMs);
    response.once('close', end);
  });
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
