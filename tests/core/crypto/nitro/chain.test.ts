/** The certificates under a document: good, or wrong in one thing. The document itself is always well signed by the leaf's key. */
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { p384 } from '@noble/curves/nist.js';
import { describe, expect, it } from 'vitest';
import { bytesOf, encodeDer, INTEGER, parseDer, sequence } from '../../../../core/ca/der.ts';
import { verifyAttestation } from '../../../../core/crypto/nitro/attestation.ts';
import { concat, hex, utf8 } from '../../../../core/wire/bytes.ts';
import { asView, flipped } from '../../fakes.ts';
import {
  authority,
  certificateOf,
  constraints,
  CRITICAL,
  derSignature,
  ECDSA_SHA256,
  extension,
  extensionsOf,
  integer,
  leafExtensions,
  nameOf,
  usage,
  validityOf,
  VERSION_3,
} from '../../../attestation/certificates.ts';
import { chainWith, LEAF, leafKey, LEVELS, plansOf, strangerKey } from './chain-plans.ts';
import { documentOf, expectRefused, NOW_MS, ROOT, said, verify } from './documents.ts';
import type { CertificatePlan } from '../../../attestation/certificates.ts';

type Change = Partial<CertificatePlan>;

const SECOND_MS = 1_000;
const ISSUERS = [0, 1, 2, 3];
const names = LEVELS.map(({ name }, index) => [name, index] as const);
const tail = (...extensions: readonly Uint8Array[]): Change => ({ tail: [extensionsOf(...extensions)] });
const plan = (index: number) => plansOf()[index] as CertificatePlan;
const refusedAt = (index: number, change: Change, why: string) => expectRefused({ chain: chainWith(index, change) }, why);
/** A root that is itself wrong is the given one all the same. */
const saidUnderItself = (change: Change) => {
  const chain = chainWith(0, change);
  return said(verifyAttestation(documentOf({ chain }), { root: certificateOf(chain[0] as CertificatePlan), nowMs: NOW_MS, skewMsMax: 0 }));
};

describe('a chain', () => {
  it('is one for the host, too, and its document is as long as those of AWS', () => {
    const certificates = plansOf().map((each) => new X509Certificate(certificateOf(each)));
    for (const [index, certificate] of certificates.entries()) {
      const issuer = certificates[Math.max(0, index - 1)] as X509Certificate;
      expect(certificate.verify(issuer.publicKey)).toBe(true);
      expect(certificate.checkIssued(issuer)).toBe(true);
      expect(certificate.ca).toBe(index !== LEAF);
    }
    expect(said(verify(documentOf()))).toBe('verified');
  });
  it('begins with the given root, byte for byte', () => {
    const document = documentOf();
    const under = (root: Uint8Array) => said(verifyAttestation(document, { root, nowMs: NOW_MS, skewMsMax: 0 }));
    expect(under(asView(ROOT))).toBe('verified');
    const others = [
      new Uint8Array(0),
      ROOT.subarray(1),
      ROOT.subarray(0, -1),
      concat(ROOT, Uint8Array.of(0)),
      flipped(ROOT, ROOT.length - 1),
    ];
    for (const other of [...others, certificateOf(plan(1)), certificateOf(plan(LEAF))]) expect(under(other)).toBe('root_unknown');
  });
  it('is not under a root of the same name and key that was made anew', () => refusedAt(0, { serial: bytesOf('01') }, 'root_unknown'));
  it('is not under a root of the same name with another key', () =>
    refusedAt(0, { spki: strangerKey.spki, signer: strangerKey }, 'root_unknown'));
  it('is refused without one of its certificates', () => {
    for (const index of [1, 2, 3]) expectRefused({ chain: plansOf().toSpliced(index, 1) }, 'issuer_mismatch');
    expectRefused({ chain: plansOf().slice(1) }, 'root_unknown');
  });
  it('is refused in another order', () => {
    const [root, region, zone, instance, leaf] = plansOf() as [
      CertificatePlan,
      CertificatePlan,
      CertificatePlan,
      CertificatePlan,
      CertificatePlan,
    ];
    expectRefused({ chain: [instance, zone, region, root, leaf] }, 'root_unknown');
    expectRefused({ chain: [root, zone, region, instance, leaf] }, 'issuer_mismatch');
  });
  it('is refused with its leaf in the bundle as well, or its root twice', () => {
    expectRefused({ chain: [...plansOf(), plan(LEAF)] }, 'path_too_long');
    expectRefused({ chain: [plan(0), ...plansOf()] }, 'self_issued');
  });
  it('is refused when the leaf is the root', () => expectRefused({ chain: [plan(0), plan(0)] }, 'self_issued'));
  it('is refused when one of its certificates has its issuer’s name', () =>
    expectRefused(
      { chain: [...plansOf().slice(0, 3), { ...plan(3), subject: plan(2).subject }, { ...plan(LEAF), issuer: plan(2).subject }] },
      'self_issued',
    ));
  it('may be as short as root and leaf, and has eight issuers at most', () => {
    const short = { ...plan(LEAF), issuer: plan(0).subject, signer: plan(1).signer };
    expect(said(verify(documentOf({ chain: [plan(0), short] })))).toBe('verified');
    const link = (index: number): CertificatePlan => ({
      ...plan(1),
      issuer: index === 1 ? plan(0).subject : nameOf(`link ${index - 1}`),
      subject: nameOf(`link ${index}`),
      ...tail(...authority(undefined, 0x04)),
      signer: index === 1 ? plan(1).signer : strangerKey,
      spki: strangerKey.spki,
    });
    const long = (links: number) => [
      plan(0),
      ...Array.from({ length: links }, (_, index) => link(index + 1)),
      { ...plan(LEAF), issuer: nameOf(`link ${links}`), signer: strangerKey },
    ];
    expect(said(verify(documentOf({ chain: long(7) })))).toBe('verified');
    expectRefused({ chain: long(8) }, 'member_malformed');
  });
});

describe('names and signatures', () => {
  it.each(names.slice(1))('S-M5 %s is refused with another issuer', (_name, index) => {
    refusedAt(index, { issuer: nameOf('another') }, 'issuer_mismatch');
    refusedAt(index, { issuer: nameOf((LEVELS[index - 1]?.name ?? '').toUpperCase()) }, 'issuer_mismatch');
  });
  it.each(names.slice(1))('S-M5 %s is refused when another key signed it', (_name, index) =>
    refusedAt(index, { signer: strangerKey }, 'certificate_signature_invalid'),
  );
  it.each(names.slice(1))('S-M5 %s is refused when it signed itself', (_name, index) => {
    const own = plansOf()[index + 1]?.signer ?? leafKey;
    refusedAt(index, { signer: own }, 'certificate_signature_invalid');
  });
  it.each(names.slice(1))('%s is refused when it was altered after it was signed', (_name, index) => {
    const serial = hex(plan(index).serial);
    const altered = (der: Uint8Array) => bytesOf(hex(der).replace(serial, `00f932${serial.slice(6)}`));
    refusedAt(index, { bend: altered }, 'certificate_signature_invalid');
  });
  it.each(['issuer', 'subject'] as const)('are refused with an %s that is empty', (field) =>
    refusedAt(LEAF, { [field]: sequence() }, 'certificate_malformed'),
  );
  it.each<[string, (raw: Uint8Array) => Uint8Array, string]>([
    ['r‖s', (raw) => raw, 'certificate_signature_invalid'],
    ['nothing', () => new Uint8Array(0), 'certificate_signature_invalid'],
    ['two zeros', () => bytesOf('3006020100020100'), 'certificate_signature_invalid'],
    ['two ones', () => bytesOf('3006020101020101'), 'certificate_signature_invalid'],
    ['one number', (raw) => sequence(integer(raw.subarray(0, 48))), 'certificate_signature_invalid'],
    [
      'three numbers',
      (raw) => sequence(integer(raw.subarray(0, 48)), integer(raw.subarray(48)), integer(raw.subarray(48))),
      'certificate_signature_invalid',
    ],
    ['a byte after them', (raw) => concat(derSignature(raw), Uint8Array.of(0)), 'certificate_signature_invalid'],
    [
      'a number with zeros before it',
      (raw) => sequence(encodeDer(INTEGER, Uint8Array.of(0, 0), raw.subarray(0, 48)), integer(raw.subarray(48))),
      'certificate_signature_invalid',
    ],
    [
      'a negative number',
      (raw) => sequence(encodeDer(INTEGER, Uint8Array.of(0x80), raw.subarray(1, 48)), integer(raw.subarray(48))),
      'certificate_signature_invalid',
    ],
  ])('are refused with a signature that is %s', (_what, signature, why) => refusedAt(LEAF, { signature }, why));
  it('are refused with a signature that has bits left over', () => {
    const bend = (der: Uint8Array) => bytesOf(hex(der).replace(/^(.*03(?:6[0-9a-f]))00(30[0-9a-f]*)$/, '$101$2'));
    expect(hex(bend(certificateOf(plan(LEAF))))).not.toBe(hex(certificateOf(plan(LEAF))));
    refusedAt(LEAF, { bend }, 'certificate_malformed');
  });
});

describe('the time of a chain', () => {
  it.each(names)('X-9 of which %s is past, or still to come, is refused', (_name, index) => {
    const { fromMs, toMs } = LEVELS[index] as (typeof LEVELS)[number];
    const now = Math.floor(NOW_MS / SECOND_MS) * SECOND_MS;
    const judged = (from: number, to: number, nowMs: number) => {
      const chain = chainWith(index, { validity: validityOf(from, to) });
      const root = certificateOf(chain[0] as CertificatePlan);
      return said(verifyAttestation(documentOf({ chain }), { root, nowMs, skewMsMax: 0 }));
    };
    expect(judged(fromMs, now, now)).toBe('verified');
    expect(judged(fromMs, now, now + 1)).toBe('expired');
    expect(judged(fromMs, now - SECOND_MS, now)).toBe('expired');
    expect(judged(now, toMs, now)).toBe('verified');
    expect(judged(now, toMs, now - 1)).toBe('not_yet_valid');
    expect(judged(now + SECOND_MS, toMs, now)).toBe('not_yet_valid');
    expect(['expired', 'not_yet_valid']).toContain(judged(now + SECOND_MS, now - SECOND_MS, now));
  });
  it('is the verifier’s, give or take the skew that it allows', () => {
    const { fromMs, toMs } = LEVELS[LEAF] as (typeof LEVELS)[number];
    const judged = (nowMs: number) => said(verifyAttestation(documentOf(), { root: ROOT, nowMs, skewMsMax: 60_000 }));
    expect([judged(fromMs - 60_000), judged(toMs + 60_000)]).toEqual(['verified', 'verified']);
    expect([judged(fromMs - 60_001), judged(toMs + 60_001)]).toEqual(['not_yet_valid', 'expired']);
    expect(said(verifyAttestation(documentOf(), { root: ROOT, nowMs: NOW_MS, skewMsMax: NaN }))).toBe('not_yet_valid');
  });
  it.each([NaN, Infinity, -Infinity, 0])('is not %d', (nowMs) =>
    expect(said(verify(documentOf(), nowMs))).toMatch(/^(expired|not_yet_valid)$/),
  );
  const good = '170d3236303330313030303030305a';
  it.each([
    ['a UTCTime without seconds', '170b323630333031303030305a'],
    ['a UTCTime with an offset', '1711323630333031303030303030 2b30303030'],
    ['a UTCTime without its Z', '170c323630333031303030303030'],
    ['a GeneralizedTime before 2050', '180f32303236303330313030303030305a'],
    ['a GeneralizedTime with fractions', '181132303531303330313030303030302e315a'],
    ['the thirtieth of February', '170d3236303233303030303030305a'],
    ['hour 24', '170d3236303330313234303030305a'],
    ['second 60', '170d3236303330313030303036305a'],
    ['month 0', '170d3236303030313030303030305a'],
    ['month 13', '170d3236313330313030303030305a'],
    ['a space', '170d3236303330312030303030305a'],
    ['a text', '0c0d3236303330313030303030305a'],
    ['nothing', '1700'],
    ['bytes that are no text', '170dffffffffffffffffffffffffff'],
  ])('is refused when it is written as %s', (_what, written) => {
    const time = bytesOf(written.replaceAll(' ', ''));
    expect(said(verify(documentOf({ chain: chainWith(1, { validity: sequence(bytesOf(good), plan(1).validity.subarray(17)) }) })))).toBe(
      'verified',
    );
    refusedAt(1, { validity: sequence(time, plan(1).validity.subarray(17)) }, 'certificate_malformed');
  });
  it('is refused with one end, or three', () => {
    refusedAt(LEAF, { validity: sequence(bytesOf(good)) }, 'certificate_malformed');
    refusedAt(LEAF, { validity: sequence(bytesOf(good), bytesOf(good), bytesOf(good)) }, 'certificate_malformed');
    refusedAt(LEAF, { validity: sequence() }, 'certificate_malformed');
  });
  it('is read of the centuries that there are', () => {
    const far = validityOf(Date.parse('1970-01-01T00:00:00Z'), Date.parse('9999-12-31T23:59:59Z'));
    expect(said(verify(documentOf({ chain: chainWith(1, { validity: far }) })))).toBe('verified');
    const past = validityOf(Date.parse('1950-01-01T00:00:00Z'), Date.parse('1999-12-31T23:59:59Z'));
    refusedAt(1, { validity: past }, 'expired');
    const future = validityOf(Date.parse('2049-12-31T23:59:59Z'), Date.parse('2050-01-01T00:00:00Z'));
    refusedAt(1, { validity: future }, 'not_yet_valid');
  });
});

describe('S-M5 an issuer', () => {
  it.each(names.slice(1, LEAF))('%s is refused without the CA flag', (_name, index) => {
    const usages = usage(0x86, CRITICAL);
    for (const extensions of [[constraints('3000', CRITICAL), usages], [usages], leafExtensions()])
      refusedAt(index, tail(...extensions), 'not_an_authority');
  });
  it.each(names.slice(1, LEAF))('%s is refused when its key must not sign certificates', (_name, index) => {
    const [flag] = authority(undefined, 0) as [Uint8Array];
    for (const usages of [[usage(0x80, CRITICAL)], [usage(0x82, CRITICAL)], [usage(0xfa)], []])
      refusedAt(index, tail(flag, ...usages), 'key_usage_refused');
  });
  it.each<[string, number, number]>([
    ['region', 1, 1],
    ['region', 1, 0],
    ['zone', 2, 0],
  ])('%s is refused when no more than %i follow', (_name, index, pathLength) =>
    refusedAt(index, tail(...authority(pathLength, 0x86)), 'path_too_long'),
  );
  it('may allow as many as follow, more, or any number', () => {
    for (const pathLength of [2, 3, 127, undefined])
      expect(said(verify(documentOf({ chain: chainWith(1, tail(...authority(pathLength, 0x86))) })))).toBe('verified');
  });
  it('root is judged like the others, but for its own signature', () => {
    expect(saidUnderItself({})).toBe('verified');
    expect(saidUnderItself({ signer: strangerKey })).toBe('verified');
    expect(saidUnderItself(tail(constraints('3000', CRITICAL), usage(0x86)))).toBe('not_an_authority');
    expect(saidUnderItself(tail(...authority(2, 0x86)))).toBe('path_too_long');
    expect(saidUnderItself(tail(...authority(3, 0x86)))).toBe('verified');
    expect(saidUnderItself(tail(...authority(undefined, 0x80)))).toBe('key_usage_refused');
    expect(saidUnderItself({ spki: strangerKey.spki })).toBe('certificate_signature_invalid');
  });
  it.each<[string, string, string]>([
    ['not critical', '30030101ff', 'extension_refused'],
    ['a flag of FALSE, which DER leaves out', '3003010100', 'certificate_malformed'],
    ['a flag of 1', '3003010101', 'certificate_malformed'],
    ['a path length without the flag', '3003020100', 'certificate_malformed'],
    ['a negative path length', '30060101ff0201ff', 'certificate_malformed'],
    ['a path length in two bytes', '30070101ff02020000', 'certificate_malformed'],
    ['a path length of 256', '30070101ff02020100', 'certificate_malformed'],
    ['two path lengths', '30090101ff020102020102', 'certificate_malformed'],
    ['a byte after them', '30030101ff00', 'certificate_malformed'],
    ['a SET', '31030101ff', 'certificate_malformed'],
    ['nothing', '', 'certificate_malformed'],
  ])('is refused when its constraints are %s', (what, value, why) => {
    const flag = what === 'not critical' ? [] : [CRITICAL];
    for (const index of ISSUERS.slice(1)) refusedAt(index, tail(constraints(value, ...flag), usage(0x86, CRITICAL)), why);
  });
});

describe('S-M5 a leaf', () => {
  it('is refused with the CA flag', () => {
    refusedAt(LEAF, tail(constraints('30030101ff', CRITICAL), usage(0xc0)), 'leaf_is_authority');
    refusedAt(LEAF, tail(constraints('30060101ff020100', CRITICAL), usage(0xc0)), 'leaf_is_authority');
  });
  it('is refused when its key must not sign, or may sign certificates', () => {
    for (const usages of [usage(0x40), usage(0x04), usage(0x84, CRITICAL)])
      refusedAt(LEAF, tail(constraints('3000', CRITICAL), usages), 'key_usage_refused');
    refusedAt(LEAF, tail(constraints('3000', CRITICAL)), 'key_usage_refused');
  });
  it('may leave the constraints out', () =>
    expect(said(verify(documentOf({ chain: chainWith(LEAF, tail(usage(0x80, CRITICAL))) })))).toBe('verified'));
  it('may not be an instance that signs documents itself', () =>
    expectRefused({ chain: plansOf().slice(0, LEAF), signer: plan(LEAF).signer }, 'leaf_is_authority'));
});

describe('an extension', () => {
  const others = (index: number) => (index === LEAF ? leafExtensions() : authority(undefined, 0x86));
  it.each([1, 2, 3, LEAF])('of certificate %i that is unknown is refused when it is critical, and may be there when it is not', (index) => {
    const unknown = [
      ['2.5.29.30', '3000'],
      ['2.5.29.37', '300a06082b06010505070301'],
      ['2.5.29.31', '3000'],
      ['2.5.29.36', '3000'],
      ['1.3.6.1.4.1.99999.1', '0500'],
    ] as const;
    for (const [id, value] of unknown) {
      expect(said(verify(documentOf({ chain: chainWith(index, tail(...others(index), extension(id, value))) })))).toBe('verified');
      refusedAt(index, tail(...others(index), extension(id, value, CRITICAL)), 'extension_refused');
    }
  });
  it('is refused when it is there twice', () => {
    refusedAt(LEAF, tail(...leafExtensions(), usage(0xc0)), 'extension_refused');
    refusedAt(1, tail(...authority(2, 0x86), constraints('3000', CRITICAL)), 'extension_refused');
    refusedAt(1, tail(...authority(2, 0x86), extension('1.2.3', '0500'), extension('1.2.3', '0500')), 'extension_refused');
  });
  it.each<[string, Change]>([
    ['with a criticality of FALSE, which DER leaves out', tail(...leafExtensions(), extension('1.2.3', '0500', bytesOf('010100')))],
    ['with a criticality of 1', tail(...leafExtensions(), extension('1.2.3', '0500', bytesOf('010101')))],
    ['with two criticalities', tail(...leafExtensions(), extension('1.2.3', '0500', CRITICAL, CRITICAL))],
    ['without a value', tail(...leafExtensions(), sequence(bytesOf('06022a03')))],
    ['that is empty', tail(...leafExtensions(), sequence())],
    ['whose id is a number', tail(...leafExtensions(), sequence(bytesOf('020101'), bytesOf('0400')))],
    ['whose value is no string', tail(...leafExtensions(), sequence(bytesOf('06022a03'), bytesOf('0500')))],
    ['that is a SET', tail(...leafExtensions(), encodeDer(0x31, bytesOf('06022a03'), bytesOf('0400')))],
    ['of which there is none', tail()],
    [
      'of which there are seventeen',
      tail(...leafExtensions(), ...Array.from({ length: 15 }, (_, index) => extension(`1.2.${index}`, '0500'))),
    ],
    ['in two lists', { tail: [encodeDer(0xa3, sequence(...leafExtensions()), sequence(...leafExtensions()))] }],
    ['in a SET', { tail: [encodeDer(0xa3, encodeDer(0x31, ...leafExtensions()))] }],
    ['under another tag', { tail: [encodeDer(0xa4, sequence(...leafExtensions()))] }],
    ['after a unique id', { tail: [encodeDer(0x81, bytesOf('00ff')), extensionsOf(...leafExtensions())] }],
    ['that is missing altogether', { tail: [] }],
    ['with a key usage of nothing', tail(extension('2.5.29.15', ''))],
    ['with a key usage of no bits', tail(usage(0))],
    ['with a key usage of no bits and some left over', tail(extension('2.5.29.15', '030105'))],
    ['with a key usage whose last bits are set', tail(extension('2.5.29.15', '030207c0'))],
    ['with a key usage with zeros at its end', tail(extension('2.5.29.15', '030200c0'))],
    ['with a key usage of eight bits left over', tail(extension('2.5.29.15', '030208c0'))],
    // A shift by 32 is a shift by none.
    ['with a key usage of 32 bits left over', tail(extension('2.5.29.15', '030220c1'))],
    ['with a key usage of three bytes', tail(extension('2.5.29.15', '030400c00001'))],
    ['with a key usage that is a string', tail(extension('2.5.29.15', '040206c0'))],
  ])('is refused %s', (_what, change) => refusedAt(LEAF, change, 'certificate_malformed'));
  it('with a key usage of nine bits is read', () =>
    expect(said(verify(documentOf({ chain: chainWith(LEAF, tail(extension('2.5.29.15', '030307c080'))) })))).toBe('verified'));
});

describe('a key', () => {
  const compressed = concat(bytesOf('3046301006072a8648ce3d020106052b81040022033200'), p384.Point.fromBytes(leafKey.point).toBytes(true));
  const spkiOf = (namedCurve: string) => {
    const { publicKey } = generateKeyPairSync('ec', { namedCurve });
    return new Uint8Array(publicKey.export({ format: 'der', type: 'spki' }));
  };
  it.each<[string, () => Uint8Array]>([
    ['on P-256', () => spkiOf('prime256v1')],
    ['on P-521', () => spkiOf('secp521r1')],
    ['on secp256k1', () => spkiOf('secp256k1')],
    ['on another curve of 384 bits', () => spkiOf('brainpoolP384r1')],
    ['of RSA', () => bytesOf('305c300d06092a864886f70d0101010500034b003048024100' + 'ab'.repeat(64) + '0203010001')],
    ['of Ed25519', () => bytesOf(`302a300506032b6570032100${'11'.repeat(32)}`)],
    ['that is compressed', () => compressed],
    ['in the hybrid form', () => bytesOf(hex(leafKey.spki).replace('03620004', '03620006'))],
    ['that is infinity', () => bytesOf('3016301006072a8648ce3d020106052b810400220302 0000'.replaceAll(' ', ''))],
    ['that is empty', () => sequence()],
  ])('%s is refused', (_what, spki) => {
    for (const index of [1, LEAF]) refusedAt(index, { spki: spki() }, 'certificate_key_refused');
  });
  it('that is on no curve is refused, whoever signed with it', () => {
    const off = flipped(leafKey.spki, leafKey.spki.length - 1);
    refusedAt(LEAF, { spki: off }, 'document_signature_invalid');
    refusedAt(3, { spki: flipped(plan(3).spki, 60) }, 'certificate_signature_invalid');
  });
});

describe('a certificate', () => {
  const bent = (bend: (der: Uint8Array) => Uint8Array): Change => ({ bend });
  it.each<[string, Change]>([
    ['of version 1', { version: bytesOf('a003020100') }],
    ['of version 2', { version: bytesOf('a003020101') }],
    ['of version 4', { version: bytesOf('a003020103') }],
    ['of no version', { version: new Uint8Array(0) }],
    ['of version 3 twice', { version: concat(VERSION_3, VERSION_3) }],
    ['with a serial number of zero', { serial: bytesOf('00') }],
    ['with a negative serial number', { serial: bytesOf('ff31') }],
    ['with a serial number in a longer form', { serial: bytesOf('000131') }],
    ['with a serial number of 22 bytes', { serial: bytesOf(`00${'ff'.repeat(21)}`) }],
    ['without a serial number', { serial: new Uint8Array(0) }],
    ['with a byte after it', bent((der) => concat(der, Uint8Array.of(0)))],
    ['with a byte too few', bent((der) => der.subarray(0, -1))],
    ['of indefinite length', bent((der) => concat(bytesOf('3080'), der.subarray(4), bytesOf('0000')))],
    ['with a length in a longer form', bent((der) => concat(bytesOf('308300'), der.subarray(2)))],
    ['in a SET', bent((der) => concat(Uint8Array.of(0x31), der.subarray(1)))],
    ['that is a text', bent(() => utf8('-----BEGIN CERTIFICATE-----'))],
    ['that is a number', bent(() => bytesOf('020101'))],
    ['that is empty', bent(() => sequence())],
    ['with a fourth part', bent((der) => sequence(parseDer(der, 8)?.content ?? der, bytesOf('0500')))],
  ])('is refused %s', (_what, change) => {
    for (const index of [1, 3, LEAF]) refusedAt(index, change, 'certificate_malformed');
  });
  it.each<[string, Change]>([
    ['ECDSA with SHA-256', { signedWith: ECDSA_SHA256, algorithm: ECDSA_SHA256 }],
    ['ECDSA with SHA-512', { signedWith: bytesOf('300a06082a8648ce3d040304'), algorithm: bytesOf('300a06082a8648ce3d040304') }],
    ['ECDSA with SHA-1', { signedWith: bytesOf('300906072a8648ce3d0401'), algorithm: bytesOf('300906072a8648ce3d0401') }],
    ['RSA with SHA-384', { signedWith: bytesOf('300d06092a864886f70d01010c0500'), algorithm: bytesOf('300d06092a864886f70d01010c0500') }],
    ['another algorithm inside than outside', { signedWith: ECDSA_SHA256 }],
    ['another algorithm outside than inside', { algorithm: ECDSA_SHA256 }],
    [
      'parameters that do not belong there',
      { signedWith: bytesOf('300c06082a8648ce3d0403030500'), algorithm: bytesOf('300c06082a8648ce3d0403030500') },
    ],
    ['no algorithm', { signedWith: sequence(), algorithm: sequence() }],
  ])('is refused when it is signed with %s', (_what, change) => {
    for (const index of [1, 3, LEAF]) refusedAt(index, change, 'certificate_algorithm_refused');
  });
  it('is refused when it nests deeper than any', () => {
    const deep = (levels: number): Uint8Array => (levels === 0 ? bytesOf('0500') : sequence(deep(levels - 1)));
    refusedAt(LEAF, { subject: deep(30) }, 'certificate_malformed');
  });
});
