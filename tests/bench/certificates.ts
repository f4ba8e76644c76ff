/** What issuing a certificate costs beside the two operations that it cannot do without. */
import { createPublicKey, verify } from 'node:crypto';
import { p256 } from '@noble/curves/nist.js';
import { keyOfCsr } from '../../core/ca/csr-policy.ts';
import { childrenOf, parseDer } from '../../core/ca/der.ts';
import { LEAF_LIFE_DEFAULT_MS } from '../../core/limits.ts';
import { createTestCa, csrOf, ecSigning, rsaHostSigning, subject } from '../core/ca/fixtures.ts';
import { atLeast, figure, median } from './figures.ts';
import type { Element } from '../../core/ca/der.ts';
import type { Figure } from './figures.ts';

const SERIES = 9;
const CALLS = 100;

/** Microseconds for one call of each, taken in turns, so that a machine that slows down slows all of them. */
function costs(works: readonly (() => unknown)[]): number[] {
  const series = works.map((): number[] => []);
  for (let run = 0; run < SERIES; run += 1)
    for (const [index, work] of works.entries()) {
      const startedAtMs = performance.now();
      for (let call = 0; call < CALLS; call += 1) work();
      series[index]?.push(((performance.now() - startedAtMs) * 1_000) / CALLS);
    }
  return series.map(median);
}

export function measureCertificates(): Figure[] {
  const { ca, record } = createTestCa();
  const signing = ecSigning('P-256');
  const csr = csrOf(signing);
  const order = { subject, csr, lifeMs: LEAF_LIFE_DEFAULT_MS, epoch: record(0) };
  const rsaOrder = { ...order, csr: csrOf(rsaHostSigning()) };
  const [signed, , bits] = childrenOf(parseDer(csr, 16) as Element) as [Element, Element, Element];
  const key = createPublicKey({ key: signing.spki as Buffer, format: 'der', type: 'spki' });
  const scalar = p256.utils.randomSecretKey();
  const tbs = ca.issue(order).leaf.slice(0, 420);
  const bare = () => {
    verify('sha256', signed.whole, key, bits.content.subarray(1));
    p256.sign(tbs, scalar, { format: 'der', lowS: false });
  };
  costs([bare, () => ca.issue(order)]);
  const [bareUs = 0, issueUs = 0, policyUs = 0, rsaUs = 0] = costs([
    bare,
    () => ca.issue(order),
    () => keyOfCsr(csr),
    () => ca.issue(rsaOrder),
  ]);
  return [
    figure('one verification and one signature, P-256, alone', bareUs, 'µs', 'OpenSSL verifies, @noble/curves signs'),
    figure('a certificate for a P-256 request', issueUs, 'µs', `${Math.round(1e6 / issueUs)} a second`),
    atLeast(60, figure('of that, what the two alone take', (bareUs / issueUs) * 100, '%')),
    figure('judging that request', policyUs, 'µs', 'of the certificate’s time'),
    figure('a certificate for an RSA 2048 request', rsaUs, 'µs'),
  ];
}
