/**
 * The server of the enclave binary in a process of its own, before one of two handlers: `constant` reads the body and answers
 * the same bytes each time; `free` is the whole road of `POST /kms/derive` with a wallet, a box and a chain that cost nothing.
 * What lies between them is the handlers' own work. Prints its port and, for `free`, the keys that requests must name.
 */
import { createApi } from '../../functions/api.ts';
import { startServer } from '../../functions/server.ts';
import { systemClock, systemRandom } from '../../core/platform/system.ts';
import { parseHex } from '../../core/wire/bytes.ts';
import { callerAnswer, createCluster, teePubkeyOf } from '../core/fakes.ts';
import type { Wallet } from '../../core/identity.ts';
import type { Kms } from '../../core/kms.ts';
import type { TestNode } from '../core/fakes.ts';

const APPS = 8;
const wallets = Array.from({ length: APPS }, (_, index) => `0x${(index + 1).toString(16).padStart(40, '0')}` as Wallet);

/** As long as a real answer. */
const SEALED = { senderTeePubkey: new Uint8Array(120), nonce: new Uint8Array(12), encrypted: new Uint8Array(170) };
const SIGNATURE = `0x${'11'.repeat(65)}` as const;

const cluster = createCluster('a', 'b');

async function freeApi(): Promise<(request: Request) => Promise<Response>> {
  for (const wallet of wallets) cluster.chain.callers.set(wallet, { ...callerAnswer(wallet), teePubkey: `0x${teePubkeyOf(wallet)}` });
  cluster.chain.openNext();
  await cluster.until(() => cluster.nodes.every(({ kms }) => kms.admission.gate().kind === 'serving'));
  const [{ kms }] = cluster.nodes as [TestNode];
  const sealed = { ...SEALED, senderTeePubkey: parseHex(kms.identity.teePubkey) ?? new Uint8Array(0) };
  const free: Kms = {
    ...kms,
    random: systemRandom,
    signer: { ...kms.signer, sign: () => Promise.resolve(SIGNATURE) },
    box: { ...kms.box, open: () => Promise.resolve('{"path":"bench"}'), seal: () => Promise.resolve(sealed) },
    // The first byte of a signature says whose it is.
    recover: (_text, signature) => wallets[(signature[0] as number) % APPS],
    callerRate: { take: () => true, giveBack: () => undefined },
  };
  return createApi(free);
}

async function constant(request: Request): Promise<Response> {
  await request.arrayBuffer();
  return new Response('{"sender_tee_pubkey":"00"}'.padEnd(640), { headers: { 'content-type': 'application/json' } });
}

const answer = process.argv[2] === 'free' ? await freeApi() : constant;
const { address } = await startServer({ answer, listen: { host: '127.0.0.1', port: 0 }, clock: systemClock, log: () => undefined });
const callers = wallets.map((wallet) => ({ wallet, teePubkey: teePubkeyOf(wallet) }));
console.log(JSON.stringify({ port: address.port, callers, timestamp: String(cluster.clock.nowMs() / 1_000) }));
