/** A node in this process, asked by one wallet after the other that no registry knows; recovery costs nothing here, so there can be a million. */
import { createApi } from '../../functions/api.ts';
import { hex } from '../../core/wire/bytes.ts';
import { createCluster } from '../core/fakes.ts';
import type { Wallet } from '../../core/identity.ts';
import type { TestNode } from '../core/fakes.ts';

export interface Strangers {
  readonly answers: Readonly<Record<string, number>>;
  /** Questions to the chain, two for each look-up. */
  readonly chainReads: number;
  readonly virtualSeconds: number;
  readonly usedNonces: number;
}

/** Virtual time between two of them. */
const PAUSE_MS = 1;
/** How often the chain goes on and a nonce is fetched. */
const TICK_REQUESTS = 5_000;

export async function askAsStrangers(count: number, onTick: (asked: number) => void = () => undefined): Promise<Strangers> {
  const cluster = createCluster('a', 'b');
  cluster.chain.openNext();
  await cluster.until(() => cluster.nodes.every(({ kms }) => kms.admission.gate().kind === 'serving'));
  const [{ kms }] = cluster.nodes as [TestNode];
  const beganAtMs = cluster.clock.elapsedMs();
  const readsBefore = cluster.chain.calls.length;
  const api = createApi({ ...kms, recover: (_text, signature) => `0x${hex(signature.subarray(0, 20))}` as Wallet });
  const answers: Record<string, number> = {};
  let nonce = '';
  for (let asked = 0; asked < count; asked += 1) {
    if (asked % TICK_REQUESTS === 0) {
      cluster.chain.mine();
      await Promise.all(cluster.nodes.map((node) => node.kms.admission.tick()));
      nonce = ((await (await api(new Request('http://node/nonce'))).json()) as { nonce: string }).nonce;
      onTick(asked);
    }
    cluster.clock.advance(PAUSE_MS);
    const headers = {
      'x-app-signature': `0x${(asked + 1).toString(16).padStart(40, '0')}${'11'.repeat(44)}00`,
      'x-app-nonce': nonce,
      'x-app-timestamp': String(Math.floor(cluster.clock.nowMs() / 1_000)),
    };
    const { status } = await api(new Request('http://node/kms/derive', { method: 'POST', headers }));
    answers[status] = (answers[status] ?? 0) + 1;
  }
  return {
    answers,
    chainReads: cluster.chain.calls.length - readsBefore,
    virtualSeconds: (cluster.clock.elapsedMs() - beganAtMs) / 1_000,
    usedNonces: kms.usedNonces.size(),
  };
}
