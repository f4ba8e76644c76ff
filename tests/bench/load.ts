/** A client for load: requests written beforehand go out over a fixed number of connections, one at a time on each. */
import { connect } from 'node:net';
import type { Socket } from 'node:net';

export interface Load {
  readonly port: number;
  /** Whole HTTP/1.1 requests, as bytes. */
  readonly requests: readonly Buffer[];
  readonly connections: number;
}

export interface LoadResult {
  readonly elapsedMs: number;
  /** Answers by status. */
  readonly statuses: Readonly<Record<number, number>>;
  readonly latencyMs: { readonly p50: number; readonly p99: number };
  /** Bodies in the order of the requests. */
  readonly bodies: readonly string[];
}

export async function runLoad({ port, requests, connections }: Load): Promise<LoadResult> {
  const statuses: Record<number, number> = {};
  const latencies: number[] = [];
  const bodies: string[] = Array.from({ length: requests.length });
  let next = 0;

  async function drive(socket: Socket): Promise<void> {
    for (let index = next; index < requests.length; index = next) {
      next += 1;
      const startedAtMs = performance.now();
      const { status, body } = await exchange(socket, requests[index] as Buffer);
      latencies.push(performance.now() - startedAtMs);
      statuses[status] = (statuses[status] ?? 0) + 1;
      bodies[index] = body;
    }
    socket.end();
  }

  const sockets = await Promise.all(Array.from({ length: connections }, () => opened(port)));
  const startedAtMs = performance.now();
  await Promise.all(sockets.map(drive));
  const elapsedMs = performance.now() - startedAtMs;
  const sorted = latencies.toSorted((a, b) => a - b);
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  return { elapsedMs, statuses, latencyMs: { p50: at(0.5), p99: at(0.99) }, bodies };
}

function opened(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, noDelay: true }, () => resolve(socket));
    socket.once('error', reject);
  });
}

/** Reads one answer of known length. Every server here sends `content-length`. */
function exchange(socket: Socket, request: Buffer): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    let received: Buffer = Buffer.alloc(0);
    const failed = (): void => reject(new Error(`the connection ended within an answer: ${received.toString('latin1').slice(0, 200)}`));
    function onData(chunk: Buffer): void {
      received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
      const headEnd = received.indexOf('\r\n\r\n');
      if (headEnd < 0) return;
      const head = received.toString('latin1', 0, headEnd);
      const length = Number(/^content-length: (\d+)$/im.exec(head)?.[1] ?? Number.NaN);
      if (Number.isNaN(length)) return reject(new Error(`an answer without a length: ${head}`));
      if (received.length < headEnd + 4 + length) return;
      socket.off('data', onData).off('close', failed).off('error', failed);
      resolve({ status: Number(head.slice(9, 12)), body: received.toString('utf8', headEnd + 4) });
    }
    socket.on('data', onData).on('close', failed).on('error', failed);
    socket.write(request);
  });
}
