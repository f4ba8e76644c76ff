/** whatever a request says, its certificate says what the registry says, and any bytes at all are a key or a refusal. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { keyOfCsr } from '../../core/ca/csr-policy.ts';
import { bytesOf, encodeDer, objectId, sequence } from '../../core/ca/der.ts';
import { encodePem } from '../../core/ca/pem.ts';
import { CSR_BYTES_MAX, LEAF_LIFE_DEFAULT_MS } from '../../core/limits.ts';
import { concat, hex, utf8 } from '../../core/wire/bytes.ts';
import { reasonOf } from '../core/fakes.ts';
import { createTestCa, csrOf, ecSigning, ed25519Signing, extensionOf, extensionRequest, rsaSigning, subject } from '../core/ca/fixtures.ts';
import type { Signing } from '../core/ca/fixtures.ts';

/** In every text that a hostile request holds. */
const MARK = 'MARKER';
const SIGNINGS = [ecSigning('P-256'), ecSigning('P-384'), ed25519Signing(), rsaSigning(2_048)];

const text = fc.constantFrom(
  `${MARK}.example`,
  `*.${MARK}.example`,
  `admin@${MARK}.example`,
  `spiffe://kms.nova.example/app/1/instance/${MARK}`,
  `spiffe://${MARK}`,
  `\u0000${MARK}`,
  `app-1${MARK}`,
  MARK.repeat(500),
);
const markedBytes = fc.oneof(
  text.map(utf8),
  // Not well-formed UTF-8.
  text.map((each) => concat(bytesOf('fffec0'), utf8(each))),
);
const attributeType = fc.constantFrom(
  '2.5.4.3',
  '2.5.4.10',
  '2.5.4.11',
  '2.5.4.6',
  '1.2.840.113549.1.9.1',
  '2.5.4.45',
  '1.3.6.1.4.1.99999.1',
);
const stringTag = fc.constantFrom(0x0c, 0x13, 0x16, 0x1e, 0x14, 0x04);
const relativeName = fc
  .array(fc.tuple(attributeType, stringTag, markedBytes), { minLength: 1, maxLength: 3 })
  .map((attributes) => encodeDer(0x31, ...attributes.map(([type, tag, value]) => sequence(objectId(type), encodeDer(tag, value)))));
const name = fc.array(relativeName, { maxLength: 6 }).map((names) => sequence(...names));

const generalName = fc.oneof(
  fc.tuple(fc.constantFrom(0x81, 0x82, 0x86), markedBytes).map(([tag, value]) => encodeDer(tag, value)),
  fc.constantFrom(utf8('MARK'), utf8(`${MARK}MARKERMARK`)).map((address) => encodeDer(0x87, address)),
  name.map((directory) => encodeDer(0xa4, directory)),
);
const extension = fc.oneof(
  fc.constant(extensionOf('2.5.29.19', true, bytesOf('30060101ff020105'))),
  fc.constant(extensionOf('2.5.29.15', true, bytesOf('03020106'))),
  fc.constant(extensionOf('2.5.29.37', true, sequence(objectId('2.5.29.37.0'), objectId('1.3.6.1.5.5.7.3.9')))),
  fc.array(generalName, { maxLength: 4 }).map((names) => extensionOf('2.5.29.17', false, sequence(...names))),
  fc.tuple(fc.boolean(), markedBytes).map(([critical, value]) => extensionOf('1.3.6.1.4.1.99999.2', critical, value)),
  markedBytes.map((value) => extensionOf('2.5.29.14', false, encodeDer(0x04, value))),
);
const attribute = fc.oneof(
  fc.array(extension, { maxLength: 5 }).map((extensions) => extensionRequest(...extensions, ...extensions.slice(0, 1))),
  markedBytes.map((value) => sequence(objectId('1.2.840.113549.1.9.7'), encodeDer(0x31, encodeDer(0x0c, value)))),
  markedBytes.map((value) => sequence(objectId('1.3.6.1.4.1.99999.3'), encodeDer(0x31, encodeDer(0x04, value), encodeDer(0x04, value)))),
);
const hostile = fc
  .tuple(fc.constantFrom(...SIGNINGS), name, fc.array(attribute, { maxLength: 3 }), fc.boolean())
  .map(([signing, subjectName, attributes, asPem]) => {
    const der = csrOf(signing, { subject: subjectName, attributes: encodeDer(0xa0, ...attributes, ...attributes.slice(0, 1)) });
    return { signing, der, csr: asPem ? utf8(encodePem('CERTIFICATE REQUEST', der)) : der };
  })
  .filter(({ csr }) => csr.length <= CSR_BYTES_MAX);

/** From a new CA each time, so that every leaf has the same serial and the same time. */
function leafFor(csr: Uint8Array): Uint8Array {
  const { ca, record } = createTestCa();
  return ca.issue({ subject, csr, lifeMs: LEAF_LIFE_DEFAULT_MS, epoch: record(0) }).leaf;
}

describe('a hostile request', () => {
  const plain = new Map<Signing, string>(SIGNINGS.map((signing) => [signing, hex(leafFor(csrOf(signing, { subject: sequence() })))]));

  it('X-2 gets the certificate that a plain one of the same key gets, byte for byte, and not one of its texts is in it', () => {
    let marked = 0;
    fc.assert(
      fc.property(hostile, ({ signing, der, csr }) => {
        const leaf = hex(leafFor(csr));
        if (hex(der).includes(hex(utf8('MARK')))) marked += 1;
        expect(leaf).toBe(plain.get(signing));
        for (const needle of [MARK, 'MARK', 'example.', '99999', '*.', 'admin@']) expect(leaf).not.toContain(hex(utf8(needle)));
        // CA:TRUE, keyCertSign and any extended usage, as the hostile extensions have them.
        for (const bytes of ['0101ff0201', '03020106', '0604551d2500', '06082b06010505070309']) expect(leaf).not.toContain(bytes);
      }),
      { numRuns: 300 },
    );
    expect(marked).toBeGreaterThan(200);
  });
});

describe('any bytes', () => {
  const noise = fc.oneof(
    fc.uint8Array({ maxLength: 400 }),
    fc.uint8Array({ maxLength: 400 }).map((bytes) => utf8(encodePem('CERTIFICATE REQUEST', bytes))),
    fc.uint8Array({ maxLength: 300 }).map((bytes) => encodeDer(0x30, encodeDer(0x30, bytes), bytes)),
    fc
      .string({ unit: 'binary', maxLength: 300 })
      .map((each) => utf8(`-----BEGIN CERTIFICATE REQUEST-----\n${each}\n-----END CERTIFICATE REQUEST-----`)),
  );
  it('are refused by a reason', () =>
    fc.assert(
      fc.property(noise, (bytes) => {
        expect(reasonOf(() => keyOfCsr(bytes))).toBe('csr_malformed');
      }),
      { numRuns: 3_000 },
    ));
});
