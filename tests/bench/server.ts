/** What the HTTP server alone can do, and what is left of it under the whole road of a derive request without cryptography. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { runLoad } from './load.ts';
import { atLeast, figure, median } from './figures.ts';
import { limitsUs } from './limits.ts';
import type { Figure } from './figures.ts';

const MAIN = fileURLToPath(new URL('free-node.ts', import.meta.url));
const CONNECTIONS = 32;
const REQUESTS = 8_000;
const SERIES = 5;

interface Served {
  readonly port: number;
  readonly callers: readonly { readonly wallet: string; readonly teePubkey: string }[];
  /** Unix seconds by the server's clock, which stands still. */
  readonly timestamp: string;
}

async function serve(kind: 'constant' | 'free'): Promise<{ readonly served: Served; end(): void }> {
  const child = spawn(process.execPath, [MAIN, kind], { stdio: ['ignore', 'pipe', 'inherit'] });
  for await (const line of createInterface(child.stdout)) return { served: JSON.parse(line) as Served, end: () => void child.kill() };
  throw new Error(`the ${kind} server ended before it listened`);
}

/** Requests with the right shape and with keys that cost nothing to check. */
function platformRequests({ callers, timestamp }: Served, nonces: readonly string[], first: number): Buffer[] {
  return nonces.map((nonce, index) => {
    const whose = index % callers.length;
    const signature = `0x${whose.toString(16).padStart(2, '0')}${'11'.repeat(64)}`;
    const envelopeNonce = (first + index).toString(16).padStart(24, '0');
    const body = JSON.stringify({
      sender_tee_pubkey: callers[whose]?.teePubkey,
      nonce: envelopeNonce,
      encrypted_data: 'ab'.repeat(40),
    });
    const head = `POST /kms/derive HTTP/1.1\r\nhost: node\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n`;
    return Buffer.from(`${head}x-app-signature: ${signature}\r\nx-app-nonce: ${nonce}\r\nx-app-timestamp: ${timestamp}\r\n\r\n${body}`);
  });
}

async function rate(kind: 'constant' | 'free'): Promise<number> {
  const { served, end } = await serve(kind);
  try {
    const noncesOf = async (count: number): Promise<string[]> => {
      if (kind === 'constant') return Array.from({ length: count }, () => 'A'.repeat(56));
      const requests = Array.from({ length: count }, () => Buffer.from('GET /nonce HTTP/1.1\r\nhost: node\r\n\r\n'));
      const { bodies } = await runLoad({ port: served.port, requests, connections: CONNECTIONS });
      return bodies.map((body) => (JSON.parse(body) as { nonce: string }).nonce);
    };
    const series: number[] = [];
    for (let run = 0; run <= SERIES; run += 1) {
      const requests = platformRequests(served, await noncesOf(REQUESTS), run * REQUESTS);
      const { elapsedMs, statuses } = await runLoad({ port: served.port, requests, connections: CONNECTIONS });
      if (statuses[200] !== REQUESTS) throw new Error(`${kind}: ${JSON.stringify(statuses)}`);
      // The first is for the compiler.
      if (run > 0) series.push((REQUESTS * 1_000) / elapsedMs);
    }
    return median(series);
  } finally {
    end();
  }
}

export async function measureServer(onProgress: (line: string) => void): Promise<Figure[]> {
  const constant = await rate('constant');
  onProgress(`constant answer: ${constant.toFixed(0)}/s`);
  const free = await rate('free');
  onProgress(`free cryptography: ${free.toFixed(0)}/s`);
  const { withAddress, without } = await limitsUs();
  const share = (us: number) => `${((us * free) / 10_000).toFixed(1)} % of that road`;
  const ratio = figure('of the constant answer, the road without cryptography', (free * 100) / constant, '%');
  return [
    figure('constant answer, POST', constant, 'requests/s', 'the floor: the server, one thread'),
    figure('derive with free cryptography', free, 'requests/s', 'the whole road, ports that cost nothing'),
    atLeast(60, ratio),
    figure('limits of one request', without, 'µs', `rate, place and depth; ${share(without)}`),
    figure('the same where a proxy tells addresses', withAddress, 'µs', share(withAddress)),
  ];
}
