/** HTTP as bytes: what a well-behaved client would never send, and exactly what comes back. */
import { connect } from 'node:net';
import type { Socket, TcpNetConnectOpts } from 'node:net';

export interface Wire {
  readonly socket: Socket;
  /** Everything received so far, as Latin-1 text. */
  text(): string;
  send(text: string): void;
  /** Resolves with everything once the server closed the connection, however. */
  closed: Promise<string>;
  /** Resolves when what was received matches; rejects when the connection closes first. */
  received(pattern: RegExp): Promise<string>;
}

export function open(url: string, options: Pick<TcpNetConnectOpts, 'allowHalfOpen'> = {}): Promise<Wire> {
  const { hostname, port } = new URL(url);
  const socket = connect({ port: Number(port), host: hostname, ...options });
  let text = '';
  const watchers = new Set<() => void>();
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1');
    watchers.forEach((watch) => watch());
  });
  const closed = new Promise<string>((resolve) => socket.once('close', () => resolve(text)));
  // A reset is one way to be closed.
  socket.on('error', () => undefined);
  const wire: Wire = {
    socket,
    text: () => text,
    send: (bytes) => void socket.write(bytes, 'latin1'),
    closed,
    received: (pattern) =>
      new Promise((resolve, reject) => {
        const watch = (): void => {
          if (!pattern.test(text)) return;
          watchers.delete(watch);
          resolve(text);
        };
        watchers.add(watch);
        void closed.then(() => reject(new Error(`closed before ${String(pattern)} came: ${text}`)));
        watch();
      }),
  };
  return new Promise((resolve, reject) => {
    socket.once('connect', () => resolve(wire));
    socket.once('error', reject);
  });
}

/** Sends and answers with all that came until the server closed. */
export async function exchange(url: string, bytes: string): Promise<string> {
  const wire = await open(url);
  wire.send(bytes);
  return await wire.closed;
}

/** The status codes of all answers in a stream of them. */
export function statuses(text: string): number[] {
  return [...text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map((match) => Number(match[1]));
}
