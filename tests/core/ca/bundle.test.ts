import { X509Certificate } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { bundlePem, certificatePem, isoSeconds, trustBundle } from '../../../core/ca/bundle.ts';
import { epochOf, reasonOf } from '../fakes.ts';
import { createTestCa } from './fixtures.ts';

const { ca, vault, record } = createTestCa();
const hash = record(0).hash;
vault.install(
  epochOf(2),
  hash as NonNullable<typeof hash>,
  Uint8Array.from({ length: 32 }, (_, index) => index),
);

describe('the trust bundle', () => {
  const entries = trustBundle(ca, [
    record(0, { state: 'previous' }),
    record(1, { state: 'previous' }),
    record(2),
    record(3, { state: 'open', hash: undefined }),
  ]);
  it('has the current epoch first, then the previous ones from the newest', () =>
    expect(entries.map(({ epoch, is_current: isCurrent }) => [epoch, isCurrent])).toEqual([
      [2, true],
      [1, false],
      [0, false],
    ]));
  it('has neither retired nor lost nor open epochs', () =>
    expect(
      trustBundle(ca, [record(0, { state: 'retired' }), record(1, { state: 'lost' }), record(2, { state: 'open', hash: undefined })]),
    ).toEqual([]));
  it('says of each certificate what the certificate says', () => {
    for (const entry of entries) {
      const read = new X509Certificate(entry.certificate);
      expect(read.fingerprint256.replaceAll(':', '').toLowerCase()).toBe(entry.fingerprint);
      expect([read.validFromDate, read.validToDate].map((date) => isoSeconds(date.getTime()))).toEqual([entry.not_before, entry.not_after]);
      expect(entry.certificate).toBe(certificatePem(ca.certificate(record(entry.epoch)).der));
    }
  });
  it('is, as PEM, the certificates one after the other', () => {
    const blocks = bundlePem(entries).match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n/g) as string[];
    expect(blocks).toEqual(entries.map(({ certificate }) => certificate));
    expect(bundlePem(entries)).toBe(blocks.join(''));
  });
  it('is whole or none: an epoch whose secret is not held refuses all of it', () =>
    expect(reasonOf(() => trustBundle(ca, [record(2), record(9, { state: 'previous' })]))).toBe('fetching_secret'));
  it('has times in whole seconds', () => expect(entries[0]?.not_before).toBe('2026-02-02T02:40:00Z'));
});
