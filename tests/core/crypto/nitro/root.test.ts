/** The roots that profiles name: that of AWS as AWS publishes it, and that of the simulated network. */
import { X509Certificate } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { parseNitroCertificate } from '../../../../core/crypto/nitro/certificate.ts';
import { awsNitroRoot } from '../../../../core/crypto/nitro/root.ts';
import { foreignRoot, simulatedRoot } from '../../../attestation/roots.ts';

describe('the root', () => {
  it('S-M5 of AWS is the certificate whose fingerprint AWS publishes', () => {
    const certificate = new X509Certificate(awsNitroRoot());
    expect(certificate.fingerprint256.replaceAll(':', '').toLowerCase()).toBe(
      '641a0321a3e244efe456463195d606317ed7cdcc3c1756e09893f3c68f79bb5b',
    );
    expect(certificate.subject).toContain('CN=aws.nitro-enclaves');
    expect(certificate.verify(certificate.publicKey)).toBe(true);
    expect(new Date(parseNitroCertificate(awsNitroRoot()).notAfterMs).toISOString()).toBe('2049-10-28T14:28:05.000Z');
  });
  it('cannot be altered through what it was read into', () => {
    awsNitroRoot().fill(0);
    expect(parseNitroCertificate(awsNitroRoot()).isAuthority).toBe(true);
  });
  it('of the simulated network is the same in every run, and signed by its own key alone', () => {
    const { key, der } = simulatedRoot();
    const certificate = new X509Certificate(der);
    expect(certificate.publicKey.export({ format: 'der', type: 'spki' })).toEqual(Buffer.from(key.spki));
    expect(certificate.verify(certificate.publicKey)).toBe(true);
    expect(new X509Certificate(foreignRoot().der).verify(certificate.publicKey)).toBe(false);
  });
});
