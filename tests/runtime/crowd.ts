/**
 * Many clients of one node, in a process of their own, because each end of a connection takes a file descriptor. Started with a
 * URL; takes orders as messages, `{ manner, count }`, and tells how many connections of each manner are open and closed.
 */
import { connect } from 'node:net';

export type Manner = 'idle' | 'silent' | 'slow-headers' | 'slow-body' | 'slow-reader';

export interface Order {
  readonly manner: Manner;
  readonly count: number;
}

/** Of all orders of one manner. */
export interface Count {
  open: number;
  closed: number;
  /** Got an answer. */
  answered: number;
}

export interface Tally {
  /** Orders that were carried out. */
  readonly done: number;
  readonly of: Readonly<Record<Manner, Count>>;
}

const BATCH = 250;
const HELLO = `0x${'11'.repeat(65)}`;
const openings: Readonly<Record<Manner, string>> = {
  idle: 'GET /health HTTP/1.1\r\nHost: x\r\n\r\n',
  silent: '',
  'slow-headers': 'GET /health HTTP/1.1\r\nHost: x\r\nX-Slow: ',
  // A hello is the one body of which a stranger's first bytes are read.
  'slow-body': `POST /sync HTTP/1.1\r\nHost: x\r\nContent-Type: application/cbor\r\nX-KMS-Signature: ${HELLO}\r\nContent-Length: 1000\r\n\r\n`,
  // Reads nothing, and asks on until the buffers on the way hold no more answers.
  'slow-reader': 'GET /status HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(8),
};
/** What goes on being sent, and how often. */
const next: Readonly<Partial<Record<Manner, { readonly text: string; readonly everyMs: number }>>> = {
  'slow-headers': { text: 'a', everyMs: 1_000 },
  'slow-body': { text: 'a', everyMs: 1_000 },
  'slow-reader': { text: openings['slow-reader'], everyMs: 50 },
};

if (process.send) {
  const { hostname, port } = new URL(process.argv[2] ?? '');
  const none = (): Count => ({ open: 0, closed: 0, answered: 0 });
  const of = { idle: none(), silent: none(), 'slow-headers': none(), 'slow-body': none(), 'slow-reader': none() };
  let done = 0;

  const one = (manner: Manner): Promise<void> =>
    new Promise((resolve) => {
      const socket = connect(Number(port), hostname);
      const [count, more] = [of[manner], next[manner]];
      let timer: NodeJS.Timeout | undefined;
      let isAnswered = false;
      let isOpen = false;
      socket.on('connect', () => {
        isOpen = true;
        count.open += 1;
        socket.write(openings[manner]);
        if (manner === 'slow-reader') socket.pause();
        if (manner !== 'idle') resolve();
      });
      socket.on('data', () => {
        if (!isAnswered) count.answered += 1;
        isAnswered = true;
        resolve();
      });
      socket.on('error', () => resolve());
      socket.on('close', () => {
        if (isOpen) count.open -= 1;
        count.closed += 1;
        clearInterval(timer);
        resolve();
      });
      if (more) timer = setInterval(() => socket.writable && socket.write(more.text), more.everyMs);
    });

  process.on('message', async ({ manner, count }: Order) => {
    for (let left = count; left > 0; left -= BATCH) await Promise.all(Array.from({ length: Math.min(BATCH, left) }, () => one(manner)));
    done += 1;
  });
  setInterval(() => process.send?.({ done, of } satisfies Tally), 100);
}
