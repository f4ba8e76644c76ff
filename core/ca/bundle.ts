/** The trust bundle (`docs/protocol.md` clause 12.5): the CA certificates that apps believe, of all epochs not retired. */
import { digestOf } from '../crypto/digest.ts';
import { hex } from '../wire/bytes.ts';
import { encodePem } from './pem.ts';
import type { EpochRecord } from '../chain/registry.ts';
import type { Ca } from './issuer.ts';

/** A type, not an interface: it goes out as JSON. */
export type BundleEntry = {
  readonly epoch: number;
  /** SHA-256 of the certificate, hex. */
  readonly fingerprint: string;
  /** PEM. */
  readonly certificate: string;
  /** ISO 8601, UTC, whole seconds. */
  readonly not_before: string;
  readonly not_after: string;
  readonly is_current: boolean;
};

/** The active epoch first, then the previous ones from the newest. Throws what `certificate` throws: a bundle is whole or none. */
export function trustBundle(ca: Pick<Ca, 'certificate'>, epochs: readonly EpochRecord[]): BundleEntry[] {
  const current = epochs.filter(({ state }) => state === 'active');
  const previous = epochs.filter(({ state }) => state === 'previous').toSorted((a, b) => b.epoch - a.epoch);
  return [...current, ...previous].map((record) => {
    const { der, validity } = ca.certificate(record);
    return {
      epoch: record.epoch,
      fingerprint: hex(digestOf(der)),
      certificate: certificatePem(der),
      not_before: isoSeconds(validity.notBeforeMs),
      not_after: isoSeconds(validity.notAfterMs),
      is_current: record.state === 'active',
    };
  });
}

export function bundlePem(entries: readonly BundleEntry[]): string {
  return entries.map(({ certificate }) => certificate).join('');
}

export function certificatePem(der: Uint8Array): string {
  return encodePem('CERTIFICATE', der);
}

/** As certificates have their times. */
export function isoSeconds(ms: number): string {
  return new Date(ms).toISOString().replace('.000Z', 'Z');
}
