/**
 * Many clients of one node, in a process of their own, because each end of a connection takes a file descriptor. Started with a
 * URL; takes orders as messages, `{ manner, count }`, and tells how many connections are open, closed and refused.
 */
import { connect } from 'node:net';

export type Manner = 'idle' | 'silent' | 'slow-headers' | 'slow-body' | 'slow-reader';

export interface Order {
  readonly manner: Manner;
  readonly count: number;
}

/** Of all orders together. */
export interface Tally {
  readonly done: number;
  readonly open: number;
  readonly closed: number;
  /** Got an answer. */
  readonly answered: number;
}

const BATCH = 250;
const HELLO = `0x${'11'.repeat(65)}`;
const openings: Readonly<Record<Manner, string>> = {
  idle: 'GET /health HTTP/1.1\r\nHost: x\r\n\r\n',
  silent: '',
  'slow-headers': 'GET /health HTTP/1.1\r\nHost: x\r\nX-Slow: ',
  // A hello is the one body of which a stranger's first bytes are read.
  'slow-body': `POST /sync HTTP/1.1\r\nHost: x\r\nContent-Type: application/cbor\r\nX-KMS-Signature: ${HELLO}\r\nContent-Length: 1000\r\n\r\n`,
  'slow-reader': 'GET /status HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(8),
};

if (process.send) {
  const { hostname, port } = new URL(process.argv[2] ?? '');
  const tally = { done: 0, open: 0, closed: 0, answered: 0 };

  const one = (manner: Manner): Promise<void> =>
    new Promise((resolve) => {
      const socket = connect(Number(port), hostname);
      let isAnswered = false;
      let isOpen = false;
      socket.on('connect', () => {
        isOpen = true;
        tally.open += 1;
        socket.write(openings[manner]);
        if (manner === 'slow-reader') socket.pause();
        if (manner !== 'idle') resolve();
      });
      socket.on('data', () => {
        if (!isAnswered) tally.answered += 1;
        isAnswered = true;
        resolve();
      });
      socket.on('error', () => resolve());
      socket.on('close', () => {
        if (isOpen) tally.open -= 1;
        tally.closed += 1;
        resolve();
      });
      if (manner.startsWith('slow-') && manner !== 'slow-reader') setInterval(() => socket.writable && socket.write('a'), 1_000);
    });

  process.on('message', async ({ manner, count }: Order) => {
    for (let left = count; left > 0; left -= BATCH) await Promise.all(Array.from({ length: Math.min(BATCH, left) }, () => one(manner)));
    tally.done += 1;
  });
  setInterval(() => process.send?.(tally), 100);
}
