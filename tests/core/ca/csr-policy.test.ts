/** What is no request is refused by its reason, one deviation at a time; what is one, gives its key and nothing else. */
import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { keyOfCsr } from '../../../core/ca/csr-policy.ts';
import { bytesOf, childrenOf, encodeDer, objectId, parseDer, sequence } from '../../../core/ca/der.ts';
import { encodePem } from '../../../core/ca/pem.ts';
import { CSR_BYTES_MAX, CSR_DEPTH_MAX } from '../../../core/limits.ts';
import { concat, hex, utf8 } from '../../../core/wire/bytes.ts';
import { asView, flipped, reasonOf } from '../fakes.ts';
import { ALGORITHM, algorithmOf, commonName, csrOf, ecSigning, ed25519Signing, rsaSigning, secp256k1Signing } from './fixtures.ts';
import type { Element } from '../../../core/ca/der.ts';
import type { CsrParts, Signing } from './fixtures.ts';

const p256 = ecSigning('P-256');
const p384 = ecSigning('P-384', 'sha384', ALGORITHM.ecdsaSha384);
const ed25519 = ed25519Signing();
const rsa = rsaSigning(2_048);
const reason = (csr: Uint8Array) => reasonOf(() => keyOfCsr(csr));
const good = csrOf(p256);

describe('a request', () => {
  it.each<[string, Signing]>([
    ['P-256', p256],
    ['P-256 and SHA-384', { ...ecSigning('P-256', 'sha384'), algorithm: ALGORITHM.ecdsaSha384 }],
    ['P-256 and SHA-512', { ...ecSigning('P-256', 'sha512'), algorithm: ALGORITHM.ecdsaSha512 }],
    ['P-384', p384],
    ['P-384 and SHA-256', ecSigning('P-384')],
    ['Ed25519', ed25519],
    ['RSA 2048', rsa],
    ['RSA 2048 and SHA-384', rsaSigning(2_048, { hash: 'sha384', algorithm: ALGORITHM.rsaSha384 })],
    ['RSA 2048 and SHA-512', rsaSigning(2_048, { hash: 'sha512', algorithm: ALGORITHM.rsaSha512 })],
    ['RSA 3072', rsaSigning(3_072)],
    ['RSA 4096 and the largest exponent', rsaSigning(4_096, { exponent: 2n ** 31n - 1n })],
    ['RSA 8192', rsaSigning(8_192)],
  ])('gives the key that signed it, %s, as DER and as PEM', (_what, signing) => {
    const csr = csrOf(signing);
    for (const given of [csr, asView(csr), utf8(encodePem('CERTIFICATE REQUEST', csr))])
      expect(hex(keyOfCsr(given))).toBe(hex(signing.spki));
  });
  it.each([
    ['P-256', ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256']],
    ['P-384', ['ec', '-pkeyopt', 'ec_paramgen_curve:P-384']],
    ['Ed25519', ['ed25519']],
    ['RSA', ['rsa:2048']],
  ])('of OpenSSL is taken, %s', (_what, key) => {
    const options = [
      'req',
      '-new',
      '-nodes',
      '-keyout',
      '/dev/null',
      '-subj',
      '/CN=x',
      '-addext',
      'subjectAltName=DNS:x.example',
      '-newkey',
    ];
    for (const form of ['PEM', 'DER']) {
      const csr = execFileSync('openssl', [...options, ...key, '-outform', form], { stdio: ['ignore', 'pipe', 'ignore'] });
      expect(keyOfCsr(new Uint8Array(csr)).length).toBeGreaterThan(40);
    }
  });
  it('gives a copy, so that nothing else of the request stays', () => expect(keyOfCsr(good).buffer.byteLength).toBe(p256.spki.length));
  it('may have any size up to the limit, and none beyond', () => {
    // Signatures of Ed25519 all have one length.
    const withName = (length: number) => csrOf(ed25519, { subject: commonName(new Uint8Array(length).fill(0x41)) });
    const overhead = withName(10_000).length - 10_000;
    expect(withName(CSR_BYTES_MAX - overhead)).toHaveLength(CSR_BYTES_MAX);
    expect([0, 1].map((more) => reason(withName(CSR_BYTES_MAX - overhead + more)))).toEqual(['none', 'csr_too_large']);
    expect(reason(new Uint8Array(CSR_BYTES_MAX))).toBe('csr_malformed');
    expect(reason(new Uint8Array(CSR_BYTES_MAX + 1))).toBe('csr_too_large');
  });
});

describe('a request is malformed when', () => {
  it.each<[string, Uint8Array]>([
    ['it is nothing', new Uint8Array(0)],
    ['it is text', utf8('hello')],
    ['it is zeros', new Uint8Array(100)],
    ['it is a certificate', utf8(encodePem('CERTIFICATE', good))],
    ['it is PEM around noise', utf8(encodePem('CERTIFICATE REQUEST', utf8('hello')))],
    ['it is two blocks', utf8(encodePem('CERTIFICATE REQUEST', good).repeat(2))],
    ['a byte follows', concat(good, Uint8Array.of(0))],
    ['a byte follows inside PEM', utf8(encodePem('CERTIFICATE REQUEST', concat(good, Uint8Array.of(0))))],
    ['its last byte is missing', good.subarray(0, -1)],
    ['its length is indefinite', concat(bytesOf('3080'), good.subarray(3), bytesOf('0000'))],
    ['its length has a zero too many', concat(bytesOf('3082'), Uint8Array.of(0, good.length - 3), good.subarray(3))],
    ['it is a SET', concat(Uint8Array.of(0x31), good.subarray(1))],
    ['it has two elements', sequence(sequence(), ALGORITHM.ecdsaSha256)],
    ['it has four elements', sequence(good.subarray(3), bytesOf('0500'))],
    ['its signature has unused bits', sequence(concat(good.subarray(3, -72), bytesOf('00')))],
  ])('%s', (_what, csr) => expect(reason(csr)).toBe('csr_malformed'));
  it.each<[string, Partial<CsrParts>]>([
    ['its version is 1', { version: bytesOf('020101') }],
    ['its version is -1', { version: bytesOf('0201ff') }],
    ['its version has two bytes', { version: bytesOf('02020000') }],
    ['its version is empty', { version: bytesOf('0200') }],
    ['its version is missing', { version: new Uint8Array(0) }],
    ['its subject is missing', { subject: new Uint8Array(0) }],
    ['its subject is a SET', { subject: bytesOf('3100') }],
    ['its subject is BER', { subject: bytesOf('30800000') }],
    ['a string of its subject is made of strings', { subject: commonName(utf8('x')).map((byte) => (byte === 0x0c ? 0x2c : byte)) }],
    ['its attributes are missing', { attributes: new Uint8Array(0) }],
    ['its attributes are a SET', { attributes: bytesOf('3100') }],
    ['its attributes come twice', { attributes: bytesOf('a000a000') }],
    ['its attributes are [1]', { attributes: bytesOf('a100') }],
    ['its attributes do not end where they say', { attributes: bytesOf('a003300500') }],
    ['its attributes are nested too deeply', { attributes: encodeDer(0xa0, nested(CSR_DEPTH_MAX - 2)) }],
    ['its key is missing', { spki: new Uint8Array(0) }],
    ['its key is a BIT STRING', { spki: bytesOf('030200ff') }],
  ])('%s', (_what, parts) => expect(reason(csrOf(p256, parts))).toBe('csr_malformed'));
  it('its attributes are nested one level less, it is taken', () =>
    expect(reason(csrOf(p256, { attributes: encodeDer(0xa0, nested(CSR_DEPTH_MAX - 3)) }))).toBe('none'));
  it.each([0, 1, 7, 8, 0xff])('its signature says that %i of its bits are unused, unless it is 0', (unused) => {
    const bytes = csrOf(p256);
    elementsOf(bytes)[2].content[0] = unused;
    expect(reason(bytes)).toBe(unused === 0 ? 'none' : 'csr_malformed');
  });
  it('its signature is empty to the last bit', () =>
    expect(reason(sequence(elementsOf(good)[0].whole, ALGORITHM.ecdsaSha256, encodeDer(0x03)))).toBe('csr_malformed'));
});

function nested(levels: number): Uint8Array {
  return levels === 0 ? new Uint8Array(0) : sequence(nested(levels - 1));
}

/** What is signed, the algorithm and the signature. */
function elementsOf(csr: Uint8Array): [Element, Element, Element] {
  return childrenOf(parseDer(csr, CSR_DEPTH_MAX) as Element) as [Element, Element, Element];
}

describe('a request is refused for its key when', () => {
  it.each<[string, Signing]>([
    ['it is secp256k1', secp256k1Signing()],
    ['it is P-521', ecSigning('P-521')],
    ['it is RSA 1024', rsaSigning(1_024)],
    ['it is RSA 2047', rsaSigning(2_047)],
    ['it is RSA 8193', rsaSigning(8_193)],
    ['its exponent is 3', rsaSigning(2_048, { exponent: 3n })],
    ['its exponent is 1, so that everybody signs', rsaSigning(2_048, { exponent: 1n })],
    ['its exponent is beyond 2^31', rsaSigning(2_048, { exponent: 2n ** 32n + 1n })],
  ])('%s', (_what, signing) => expect(reason(csrOf(signing))).toBe('csr_key_refused'));
  it('is for its key, also when the signature is bad as well', () =>
    expect(reason(csrOf(secp256k1Signing(), {}, (signature) => flipped(signature, 20)))).toBe('csr_key_refused'));
});

describe('a request is refused for its algorithm when', () => {
  it.each<[string, Signing]>([
    ['it is ECDSA with SHA-1', ecSigning('P-256', 'sha1', ALGORITHM.ecdsaSha1)],
    ['it is RSA with SHA-1', { ...rsa, algorithm: ALGORITHM.rsaSha1 }],
    ['it is RSA with MD5', { ...rsa, algorithm: ALGORITHM.rsaMd5 }],
    ['it is RSA-PSS', { ...rsa, algorithm: ALGORITHM.rsaPss }],
    ['it is RSA’s for a P-256 key', { ...p256, algorithm: ALGORITHM.rsaSha256 }],
    ['it is ECDSA’s for an RSA key', { ...rsa, algorithm: ALGORITHM.ecdsaSha256 }],
    ['it is Ed25519’s for a P-256 key', { ...p256, algorithm: ALGORITHM.ed25519 }],
    ['it is ECDSA’s for an Ed25519 key', { ...ed25519, algorithm: ALGORITHM.ecdsaSha256 }],
    ['it is unknown', { ...p256, algorithm: algorithmOf('1.2.3.4') }],
    ['it is ECDSA with parameters', { ...p256, algorithm: algorithmOf('1.2.840.10045.4.3.2', bytesOf('0500')) }],
    ['it is RSA without its NULL', { ...rsa, algorithm: algorithmOf('1.2.840.113549.1.1.11') }],
    ['it is empty', { ...p256, algorithm: sequence() }],
    ['it is followed by another', { ...p256, algorithm: sequence(objectId('1.2.840.10045.4.3.2'), objectId('1.2.840.10045.4.3.2')) }],
  ])('%s', (_what, signing) => expect(reason(csrOf(signing))).toBe('csr_algorithm_refused'));
});

describe('a request is not signed when', () => {
  it.each<[string, (signature: Uint8Array) => Uint8Array]>([
    ['a bit of its signature is turned', (signature) => flipped(signature, signature.length - 1)],
    ['its signature is empty', () => new Uint8Array(0)],
    ['its signature is zeros', (signature) => new Uint8Array(signature.length)],
    ['its signature is cut short', (signature) => signature.subarray(0, -1)],
    ['a byte follows its signature', (signature) => concat(signature, Uint8Array.of(0))],
    ['its signature is two megabits of nothing', () => new Uint8Array(10_000).fill(0x30)],
  ])('%s, whatever its key', (_what, bend) => {
    for (const signing of [p256, p384, ed25519, rsa]) expect(reason(csrOf(signing, {}, bend))).toBe('csr_signature_invalid');
  });
  it.each<[string, string]>([
    ['r is zero', '3006020100020101'],
    ['s is zero', '3006020101020100'],
    ['r and s are one', '3006020101020101'],
    ['r is negative', '30060201ff020101'],
    ['its numbers are long', `3046022100${'ff'.repeat(32)}022100${'ff'.repeat(32)}`],
    ['its length is BER', '30800201010201010000'],
  ])('%s', (_what, signature) => expect(reason(csrOf(p256, {}, () => bytesOf(signature)))).toBe('csr_signature_invalid'));
  it('it was signed by another key of the same kind', () => {
    for (const [mine, other] of [
      [p256, ecSigning('P-256')],
      [ed25519, ed25519Signing()],
      [rsa, rsaSigning(2_048)],
    ] as const)
      expect(reason(csrOf(mine, { spki: other.spki }))).toBe('csr_signature_invalid');
  });
  it('its subject was changed after it was signed', () => {
    const changed = csrOf(p256, { subject: commonName(utf8('MARK')) });
    changed[changed.findIndex((_, index) => hex(changed.subarray(index, index + 4)) === hex(utf8('MARK')))] = 0x4e;
    expect(reason(changed)).toBe('csr_signature_invalid');
  });
  it('its algorithm names another hash than the one that was used', () =>
    expect(reason(csrOf({ ...p256, algorithm: ALGORITHM.ecdsaSha384 }))).toBe('csr_signature_invalid'));
  it('a bit of it is turned, wherever: no such request is taken', () => {
    for (let index = 0; index < good.length; index += 1)
      for (let bit = 0; bit < 8; bit += 1) expect(reason(flipped(good, index, bit))).toMatch(/^csr_/);
  });
  it('it is cut short, wherever: no such request is taken', () => {
    for (let length = 0; length < good.length; length += 1) expect(reason(good.subarray(0, length))).toBe('csr_malformed');
  });
});
