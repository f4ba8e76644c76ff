/** The enclave binary under load on a whole cluster: rates of derive, its memory and its start. */
import { createWorld, untilServing } from '../simulation/world.ts';
import { residentBytes } from '../runtime/siege.ts';
import { createLoader } from './loader.ts';
import { atLeast, figure, median } from './figures.ts';
import type { Member, World } from '../simulation/world.ts';
import type { Figure } from './figures.ts';
import type { Loader, Measured } from './loader.ts';

const APPS = 8;
const CONNECTIONS = 16;
const BATCH = 3_000;
const SERIES = 3;
const MIB = 1_048_576;

export interface LoadOptions {
  readonly requests: number;
  readonly onProgress: (line: string) => void;
}

async function createBusyWorld(): Promise<{ world: World; loader: Loader; pid: number }> {
  const world = await createWorld({ nodes: 2, kinds: ['binary', 'binary'], apps: APPS, prepare: true });
  await world.contracts.openGenesis();
  await untilServing(world.members);
  const [member] = world.members as [Member];
  const { pid } = member.node.binary();
  if (pid === undefined) throw new Error(`no process for ${member.name}`);
  const { wallet, teePubkey, url } = member.keys();
  const apps = world.apps.map(({ walletKey, odyn }) => ({
    wallet: odyn.wallet,
    walletKey,
    boxKey: odyn.boxKey,
    teePubkey: odyn.teePubkey,
  }));
  const node = { port: Number(new URL(url).port), wallet, teePubkey, chainId: world.profile.chainId };
  return { world, loader: createLoader({ apps, node }), pid };
}

const rateOf = ({ elapsedMs }: Measured, count: number): number => (count * 1_000) / elapsedMs;

async function rates(loader: Loader, kind: 'platform' | 'signed'): Promise<{ perSecond: number; p99Ms: number }> {
  const series: Measured[] = [];
  for (let run = 0; run <= SERIES; run += 1) {
    const measured = await loader.run({ kind, count: BATCH, connections: CONNECTIONS });
    if (run > 0) series.push(measured);
  }
  return {
    perSecond: median(series.map((measured) => rateOf(measured, BATCH))),
    p99Ms: median(series.map(({ latencyMs }) => latencyMs.p99)),
  };
}

/** `requestUs`: the cryptography of one request, measured alone in the same run. */
export async function measureNode(requestUs: number, { requests, onProgress }: LoadOptions): Promise<Figure[]> {
  const { world, loader, pid } = await createBusyWorld();
  try {
    const restMiB = residentBytes(pid) / MIB;
    const health = await loader.run({ kind: 'get', path: '/health', count: 20_000, connections: CONNECTIONS });
    const platform = await rates(loader, 'platform');
    onProgress(`platform proof: ${platform.perSecond.toFixed(0)}/s`);
    const signed = await rates(loader, 'signed');
    onProgress(`request signature: ${signed.perSecond.toFixed(0)}/s`);
    let served = (SERIES + 1) * BATCH * 2;
    for (; served < requests; served += BATCH) {
      await loader.run({ kind: 'platform', count: BATCH, connections: CONNECTIONS });
      onProgress(`${served + BATCH} of ${requests} requests`);
    }
    const loadedMiB = residentBytes(pid) / MIB;
    const ceiling = 1_000_000 / requestUs;
    const share = figure('of that ceiling, derive by platform proof', (platform.perSecond * 100) / ceiling, '%');
    return [
      figure('GET /health of the binary', rateOf(health, 20_000), 'requests/s'),
      figure('ceiling of one request’s own cryptography', ceiling, 'requests/s', 'recovery, signature, opening, sealing, in one thread'),
      figure('derive by platform proof', platform.perSecond, 'requests/s', `p99 ${platform.p99Ms.toFixed(0)} ms`),
      atLeast(80, share),
      figure('derive by request signature (ERC-8128)', signed.perSecond, 'requests/s', `p99 ${signed.p99Ms.toFixed(0)} ms`),
      figure('of that ceiling, derive by request signature', (signed.perSecond * 100) / ceiling, '%'),
      figure('resident memory at rest', restMiB, 'MiB', 'serving, before the first request'),
      figure('resident memory after load', loadedMiB, 'MiB', `after ${served.toLocaleString('en')} derive requests`),
    ];
  } finally {
    await loader.stop();
    await world.stop();
  }
}
