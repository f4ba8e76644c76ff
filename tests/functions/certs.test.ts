/** `GET /ca` in process: the bundle follows the chain's epochs, and a node that does not serve gives none. */
import { X509Certificate } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import { createApi } from '../../functions/api.ts';
import { signCertificate } from '../../functions/certs.ts';
import { CERTIFICATES_BURST } from '../../core/limits.ts';
import { csrOf, ecSigning } from '../core/ca/fixtures.ts';
import { createCluster, reasonOf, signerNamed, STATES } from '../core/fakes.ts';
import type { Caller } from '../../core/auth/standing.ts';
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

describe('certificates of one app', () => {
  it('are bounded in number for a while, and those of another are not touched', async () => {
    cluster.chain.openNext();
    await activated(0n);
    const [{ kms }] = cluster.nodes as [TestNode];
    const csr = Buffer.from(csrOf(ecSigning('P-256'))).toString('base64');
    const ask = (name: string) => {
      const { wallet } = signerNamed(name);
      const caller = { wallet, appId: 9n, instanceId: 21n, blockNumber: 7 } as unknown as Caller;
      return reasonOf(() => signCertificate.work(kms, caller, { csr, ttl_seconds: 600 }, { take: () => true, leftMs: () => 0 }));
    };
    for (let issued = 0; issued < CERTIFICATES_BURST; issued += 1) expect(ask('busy')).toBe('none');
    expect([ask('busy'), ask('another')]).toEqual(['rate_limited', 'none']);
    cluster.clock.advance(1_000);
    expect(ask('busy')).toBe('none');
  });
});
