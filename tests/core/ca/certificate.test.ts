/** Both certificates against RFC 5280 and SPIFFE X509-SVID, clause by clause, read by a library that did not write them. */
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
} from '@peculiar/x509';
import { describe, expect, it } from 'vitest';
import { childrenOf, parseDer } from '../../../core/ca/der.ts';
import { LEAF_LIFE_DEFAULT_MS } from '../../../core/limits.ts';
import { concat, hex, utf8 } from '../../../core/wire/bytes.ts';
import { createTestCa, csrOf, ecSigning, ed25519Signing, rsaSigning, subject } from './fixtures.ts';
import type { Extension } from '@peculiar/x509';
import type { AppId } from '../../../core/identity.ts';
import type { Signing } from './fixtures.ts';

const signing = ecSigning('P-256');
const { ca, record } = createTestCa();
const issue = (key: Signing = signing, named = subject) =>
  ca.issue({ subject: named, csr: csrOf(key), lifeMs: LEAF_LIFE_DEFAULT_MS, epoch: record(0) });
const read = (der: Uint8Array) => new X509Certificate(der as Uint8Array<ArrayBuffer>);
const issued = issue();
const [leaf, authority] = [read(issued.leaf), read(issued.ca.der)];

function extension<E extends Extension>(of: X509Certificate, type: new (...given: never[]) => E): E {
  const found = of.extensions.filter((each) => each instanceof type);
  expect(found).toHaveLength(1);
  return found[0] as E;
}

const uris = (of: X509Certificate) => extension(of, SubjectAlternativeNameExtension).names.toJSON();

describe('a leaf, as an X509-SVID', () => {
  it('X-2 has exactly one URI among its names, and no other name (§2)', () =>
    expect(uris(leaf)).toEqual([{ type: 'url', value: 'spiffe://kms.nova.example/app/43/instance/21' }]));
  it('has a SPIFFE ID with a path, whose characters are those of SPIFFE-ID (§2.2, §4.1)', () => {
    const id = new URL(uris(leaf)[0]?.value as string);
    expect([id.protocol, id.host, id.username, id.port, id.search, id.hash]).toEqual(['spiffe:', 'kms.nova.example', '', '', '', '']);
    expect(id.pathname).toMatch(/^(?:\/[a-zA-Z0-9._-]+)+$/);
  });
  it('is no CA (§4.1)', () => {
    const constraints = extension(leaf, BasicConstraintsExtension);
    expect([constraints.ca, constraints.pathLength, constraints.critical]).toEqual([false, undefined, true]);
  });
  it('may sign digitally and nothing else, certificates and revocations least (§4.3)', () => {
    const usages = extension(leaf, KeyUsagesExtension);
    expect([usages.usages, usages.critical]).toEqual([KeyUsageFlags.digitalSignature, true]);
  });
  it('is for servers and clients (§4.4)', () =>
    expect(extension(leaf, ExtendedKeyUsageExtension).usages).toEqual(['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2']));
});

describe('a CA certificate, as a signing certificate of SPIFFE', () => {
  it('has the trust domain as its SPIFFE ID, without a path (§3.2)', () =>
    expect(uris(authority)).toEqual([{ type: 'url', value: 'spiffe://kms.nova.example' }]));
  it('is a CA, and none below it is (§4.1)', () => {
    const constraints = extension(authority, BasicConstraintsExtension);
    expect([constraints.ca, constraints.pathLength, constraints.critical]).toEqual([true, 0, true]);
  });
  it('may sign certificates and revocations and nothing else (§4.3)', () => {
    const usages = extension(authority, KeyUsagesExtension);
    expect([usages.usages, usages.critical]).toEqual([KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true]);
  });
  it('has four extensions', () => expect(authority.extensions).toHaveLength(4));
});

describe('certificates by RFC 5280', () => {
  it.each([
    ['the CA', issued.ca.der],
    ['a leaf', issued.leaf],
  ])('are DER: %s', (_what, der) => expect(parseDer(der, 16)?.whole).toEqual(der));
  it('have six extensions in a leaf, each once', () => {
    expect(leaf.extensions.map(({ type }) => type).toSorted()).toEqual(
      ['2.5.29.14', '2.5.29.15', '2.5.29.17', '2.5.29.19', '2.5.29.35', '2.5.29.37'].toSorted(),
    );
  });
  it('say the same algorithm inside and outside, ECDSA with SHA-256', () => {
    for (const der of [issued.ca.der, issued.leaf]) {
      const [tbs, outer] = childrenOf(parseDer(der, 16) as never);
      const [, , inner] = childrenOf(tbs as never);
      expect([hex(outer?.whole as Uint8Array), hex(inner?.whole as Uint8Array)]).toEqual(Array(2).fill('300a06082a8648ce3d040302'));
    }
  });
  it('chain by names and by key identifiers', async () => {
    expect(leaf.issuer).toBe(authority.subject);
    expect(authority.issuer).toBe(authority.subject);
    const caKeyId = extension(authority, SubjectKeyIdentifierExtension).keyId;
    expect(extension(leaf, AuthorityKeyIdentifierExtension).keyId).toBe(caKeyId);
    expect(caKeyId).toBe(hex(issued.ca.keyId));
    expect(caKeyId).toMatch(/^[0-9a-f]{40}$/);
    expect(extension(leaf, SubjectKeyIdentifierExtension).keyId).not.toBe(caKeyId);
    expect(
      [extension(leaf, AuthorityKeyIdentifierExtension), extension(leaf, SubjectKeyIdentifierExtension)].map(({ critical }) => critical),
    ).toEqual([false, false]);
  });
  it('name the epoch in the CA and the app in the leaf', () => {
    expect([authority.subject, leaf.subject]).toEqual(['O=Nova KMS, CN=Nova KMS CA epoch 0', 'CN=app-43']);
    expect(read(ca.certificate(record(1)).der).subject).toBe('O=Nova KMS, CN=Nova KMS CA epoch 1');
  });
  it.each<[string, Signing]>([
    ['P-384', ecSigning('P-384')],
    ['Ed25519', ed25519Signing()],
    ['RSA 4096', rsaSigning(4_096)],
    ['RSA 8192', rsaSigning(8_192)],
  ])('hold the key of the request, %s, byte for byte', (_what, key) =>
    expect(hex(new Uint8Array(read(issue(key).leaf).publicKey.rawData))).toBe(hex(key.spki)),
  );
  it('hold the numbers of the registry, however large', () => {
    const named = { appId: (2n ** 64n) as AppId, instanceId: 2n ** 128n };
    expect(uris(read(issue(signing, named).leaf))[0]?.value).toBe(`spiffe://kms.nova.example/app/${2n ** 64n}/instance/${2n ** 128n}`);
  });
  it('X-2 are, in a leaf, a function of the registry, the key, the serial and the time', () => {
    const made = [{ subject: 'a' }, { subject: 'b' }].map(() =>
      createTestCa().ca.issue({ subject, csr: csrOf(signing), lifeMs: LEAF_LIFE_DEFAULT_MS, epoch: record(0) }),
    );
    expect(new Set(made.map((each) => hex(each.leaf))).size).toBe(1);
  });
});

describe('texts', () => {
  it('are in a certificate as UTF-8, so a marker in bytes would be found', () =>
    expect(hex(issued.leaf)).toContain(hex(concat(utf8('spiffe://kms.nova.example/app/43/instance/21')))));
});
