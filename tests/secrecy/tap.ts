/**
 * Before each file of the tests: every connection that this process opens is read along, whoever reads it and however slowly, so no test has
 * to remember the watch. Answers of an Odyn are left out: plaintext is at home there.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { relative } from 'node:path';
import { expect } from 'vitest';
import { isOdyn } from './odyn.ts';
import { noteAnswer, noteFile, WATCH_FOLDER } from './recorder.ts';
import type { Socket } from 'node:net';

const TAP = Symbol.for('nova-kms.secrecy.tap');
const shared = process as typeof process & { [TAP]?: (message: unknown) => void };
let connections = 0;

function readAlong(socket: Socket): void {
  const name = `connection ${(connections += 1)}`;
  const push = socket.push.bind(socket);
  // Where the bytes are handed to the reader: listening to them instead would set a socket flowing that a test wants to stand still.
  socket.push = (chunk: unknown, encoding?: BufferEncoding) => {
    if (chunk instanceof Uint8Array && !isOdyn(socket.remotePort)) noteAnswer(`${name} to port ${socket.remotePort}`, chunk);
    return push(chunk, encoding);
  };
}

if (process.env[WATCH_FOLDER] !== undefined) {
  noteFile(relative(process.cwd(), expect.getState().testPath ?? 'a file of the tests'));
  // Files share processes: that of the file before ends, or every byte would be noted as often as files came before.
  if (shared[TAP]) unsubscribe('net.client.socket', shared[TAP]);
  shared[TAP] = (message) => readAlong((message as { socket: Socket }).socket);
  subscribe('net.client.socket', shared[TAP]);
}
