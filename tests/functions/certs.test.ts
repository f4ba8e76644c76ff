/** `GET /ca` in process: the bundle follows the chain's epochs, and a node that does not serve gives none. */
import { X509Certificate } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import { createApi } from '../../functions/api.ts';
import { signCertificate } from '../../functions/certs.ts';
import { CALLER_REQUESTS_BURST, CERTIFICATE_REQUESTS } from '../../core/limits.ts';
import { createCluster, STATES } from '../core/fakes.ts';
import type { TestCluster, TestNode } from '../core/fakes.ts';

let cluster: TestCluster;
let apis: ((request: Request) => Promise<Response>)[];

/** That epoch is active, and every node serves after it was confirmed. */
async function activated(id: bigint): Promise<void> {
  await cluster.until(() => cluster.chain.epochs.some((epoch) => epoch.id === id && epoch.state === STATES.active));
  await cluster.round(6);
  await cluster.until(() => cluster.nodes.every(({ kms }) => kms.admission.gate().kind === 'serving'));
}

async function bundle(of = 0): Promise<string[]> {
  const response = await apis[of]?.(new Request('http://node/ca'));
  expect(response?.status).toBe(200);
  return (await (response as Response).text()).split(/(?<=-----END CERTIFICATE-----\n)/);
}
const namesIn = (pems: readonly string[]): string[] => pems.map((pem) => /CN=(.*)/.exec(new X509Certificate(pem).subject)?.[1] ?? '');

beforeEach(async () => {
  cluster = createCluster('a', 'b', 'c');
  apis = cluster.nodes.map(({ kms }: TestNode) => createApi(kms));
});

describe('the trust bundle', () => {
  it('is refused with the reason while the node does not serve', async () => {
    const answer = await apis[0]?.(new Request('http://node/ca'));
    expect([answer?.status, answer?.headers.get('cache-control')]).toEqual([503, 'no-store']);
  });

  it('U-5 is the same on every node, has the CA of each epoch in use, and loses that of a retired one', async () => {
    cluster.chain.openNext();
    await activated(0n);
    expect(namesIn(await bundle())).toEqual(['Nova KMS CA epoch 0']);
    cluster.chain.openNext();
    await activated(1n);
    const both = await Promise.all([0, 1, 2].map(bundle));
    expect(namesIn(both[0] ?? [])).toEqual(['Nova KMS CA epoch 1', 'Nova KMS CA epoch 0']);
    expect(new Set(both.map(String)).size).toBe(1);
    const authorities = both[0]?.map((pem) => new X509Certificate(pem).publicKey.export({ format: 'der', type: 'spki' }).toString('hex'));
    expect(new Set(authorities).size).toBe(2);
    cluster.chain.epochs = cluster.chain.epochs.map((epoch) => (epoch.id === 0n ? { ...epoch, state: STATES.retired } : epoch));
    await cluster.round(1);
    expect(namesIn(await bundle())).toEqual(['Nova KMS CA epoch 1']);
  });
});

describe('a certificate', () => {
  it('counts as so many requests of its app’s rate that it has its share of the node, and no more', () => {
    expect(signCertificate.countsAs).toBe(CERTIFICATE_REQUESTS);
    expect(CALLER_REQUESTS_BURST / CERTIFICATE_REQUESTS).toBe(40);
  });
});
