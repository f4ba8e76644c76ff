/**
 * Ports for what comes back on its own after a while: from below those that systems hand out, so that nobody who asks for any gets one of
 * them while its owner is down. Every process begins at a place of its own.
 */
import { createServer } from 'node:net';

const FIRST = 10_000;
/** Some systems hand out everything from here on. */
const END = 16_000;
const STRETCH = 100;
let tried = process.pid * STRETCH;

export async function ownPort(): Promise<number> {
  for (let left = END - FIRST; left > 0; left -= 1) {
    const port = FIRST + (tried++ % (END - FIRST));
    if (await isFree(port)) return port;
  }
  throw new Error(`no port from ${FIRST} to ${END} is free`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
