/** Pipelined requests beyond what one connection may have: what is parsed of them after the connection has ended. */
import { createServer } from 'node:http';
import { connect, Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { HTTP_PIPELINED_MAX, HTTP_SLICE_BYTES } from '../../core/limits.ts';
import { deliverInSlices } from '../../functions/slices.ts';
import type { AddressInfo } from 'node:net';

const servers: ReturnType<typeof createServer>[] = [];
afterEach(() => servers.splice(0).forEach((server) => server.close()));

/** How many requests are made of a flood on one connection that ends with the one too many. */
async function parsedOf(flood: string, isSliced: boolean): Promise<number> {
  let parsed = 0;
  const server = createServer((incoming) => {
    parsed += 1;
    if (parsed > HTTP_PIPELINED_MAX) incoming.socket.destroy();
  });
  if (isSliced) server.on('connection', deliverInSlices);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1', () => socket.write(flood));
  socket.on('error', () => undefined);
  await new Promise((resolve) => socket.once('close', resolve));
  return parsed;
}

describe('a flood of pipelined requests', () => {
  const shortest = 'GET / HTTP/1.1\r\nHost:x\r\n\r\n';

  it('is parsed to its end by a parser that nobody stops', async () => {
    expect(await parsedOf(shortest.repeat(2_000), false)).toBeGreaterThan(500);
  });

  it.each([
    ['of the shortest form', shortest],
    ['of a longer form', shortest.replace('\r\n\r\n', `\r\nx: ${'a'.repeat(60)}\r\n\r\n`)],
  ])('%s is parsed a few dozen requests far', async (_what, request) => {
    expect(await parsedOf(request.repeat(2_000), true)).toBeLessThan((3 * HTTP_SLICE_BYTES) / shortest.length);
  });
});

describe('a chunk', () => {
  const delivered = (bytes: number, endsAfter = Infinity): number[] => {
    const socket = new Socket();
    const lengths: number[] = [];
    let whole = '';
    socket.on('data', (chunk: Uint8Array) => {
      lengths.push(chunk.length);
      whole += Buffer.from(chunk).toString('latin1');
      if (lengths.length === endsAfter) socket.destroy();
    });
    deliverInSlices(socket);
    const sent = Buffer.from(Array.from({ length: bytes }, (_, index) => index & 0xff));
    socket.emit('data', sent);
    if (endsAfter === Infinity) expect(whole).toBe(sent.toString('latin1'));
    return lengths;
  };

  it.each([
    [1, [1]],
    [HTTP_SLICE_BYTES, [HTTP_SLICE_BYTES]],
    [HTTP_SLICE_BYTES + 1, [HTTP_SLICE_BYTES, 1]],
    [7 * HTTP_SLICE_BYTES, [1, 2, 4].map((times) => times * HTTP_SLICE_BYTES)],
  ])('of %i bytes comes whole, in pieces that double', (bytes, lengths) => expect(delivered(bytes)).toEqual(lengths));

  it('is not delivered any more once the connection has ended', () => expect(delivered(65_536, 2).length).toBe(2));

  it('of a connection that nobody reads is left alone', () => expect(() => deliverInSlices(new Socket())).not.toThrow());
});
