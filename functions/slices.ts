/**
 * What came on a connection, handed to Node's parser in pieces. The parser stops for nobody: of 64 KiB it makes two thousand requests,
 * thirty milliseconds of work, also when the sixteenth too many has already ended the connection. Between two pieces it can be told that it
 * is over.
 */
import { HTTP_SLICE_BYTES } from '../core/limits.ts';
import type { Socket } from 'node:net';

/** To be called as soon as there is a connection. The pieces double, so that a large body has few of them. */
export function deliverInSlices(socket: Socket): void {
  const [deliver] = socket.listeners('data') as ((chunk: Uint8Array) => void)[];
  if (!deliver) return;
  socket.removeListener('data', deliver);
  socket.on('data', (chunk: Uint8Array) => {
    let [start, length] = [0, HTTP_SLICE_BYTES];
    while (start < chunk.length && !socket.destroyed) {
      deliver.call(socket, chunk.subarray(start, start + length));
      start += length;
      length *= 2;
    }
  });
}
