import { webcrypto } from 'node:crypto';
import { X509Certificate } from '@peculiar/x509';
import { describe, expect, it } from 'vitest';
import { bytesOf } from '../../../core/ca/der.ts';
import { secretHash } from '../../../core/crypto/kdf.ts';
import { createVault } from '../../../core/crypto/vault.ts';
import { createCa } from '../../../core/ca/issuer.ts';
import { CA_LIFE_MS, LEAF_BACKDATE_MS, LEAF_LIFE_DEFAULT_MS, LEAF_LIFE_MAX_MS, LEAF_LIFE_MIN_MS } from '../../../core/limits.ts';
import { base64, hex, parseHex } from '../../../core/wire/bytes.ts';
import vectors from '../../vectors/ca.json' with { type: 'json' };
import { createClock, createRandom, epochOf, hashOf, profile, reasonOf } from '../fakes.ts';
import { ACTIVATED_AT_MS, createTestCa, csrOf, ecSigning, SECRET, subject } from './fixtures.ts';
import type { EpochRecord } from '../../../core/chain/registry.ts';
import type { Ca } from '../../../core/ca/issuer.ts';

const signing = ecSigning('P-256');
const csr = csrOf(signing);
const read = (der: Uint8Array) => new X509Certificate(der as Uint8Array<ArrayBuffer>);
const order = (epoch: EpochRecord, lifeMs = LEAF_LIFE_DEFAULT_MS) => ({ subject, csr, lifeMs, epoch });
const another = Uint8Array.from(SECRET).reverse();
const caBytes = (ca: Ca, record: EpochRecord) => hex(ca.certificate(record).der);

describe('the CA certificate', () => {
  it.each(vectors.cas)('U-5 of epoch $epoch is that of the vectors, byte for byte', ({ epoch, certificate, keyId }) => {
    const { ca, record } = createTestCa(parseHex(vectors.secret), vectors.trustDomain);
    const made = ca.certificate(record(epoch, { activatedAtMs: vectors.activatedAtMs }));
    expect([base64(made.der), hex(made.keyId)]).toEqual([certificate, keyId]);
  });
  it('U-5 is the same on three nodes that got the secret at different times, and after a restart', () => {
    const nodes = [createTestCa(), createTestCa(), createTestCa()];
    nodes.forEach(({ clock, vault }, index) => {
      clock.advance(index * 12_345_678);
      if (index === 2) vault.keepCandidate(epochOf(2), another, new Set());
    });
    expect(new Set(nodes.map(({ ca, record }) => caBytes(ca, record(0)))).size).toBe(1);
    expect(caBytes(createTestCa().ca, createTestCa().record(0))).toBe(
      caBytes((nodes[0] as (typeof nodes)[0]).ca, createTestCa().record(0)),
    );
  });
  it('is another for another epoch, secret, activation or trust domain', () => {
    const { ca, record } = createTestCa();
    const other = createTestCa(another);
    const made = [
      caBytes(ca, record(0)),
      caBytes(ca, record(1)),
      caBytes(ca, record(0, { activatedAtMs: ACTIVATED_AT_MS + 1_000 })),
      caBytes(other.ca, other.record(0)),
      caBytes(createTestCa(SECRET, 'other.example').ca, record(0)),
    ];
    expect(new Set(made).size).toBe(made.length);
  });
  it('is the same whatever the epoch has become and whenever it was opened', () => {
    const { ca, record } = createTestCa();
    expect(caBytes(ca, record(0, { state: 'previous', openedAtBlock: 99 }))).toBe(caBytes(ca, record(0)));
  });
  it('has a serial of at most 20 octets, positive and its own', () => {
    const { ca, record } = createTestCa();
    const { serialNumber } = read(ca.certificate(record(0)).der);
    expect(serialNumber).toBe(`02${secretHash(SECRET).slice(2, 34)}`);
  });
  it.each([
    [0, '1970-01-01T00:00:00.000Z'],
    [Date.UTC(2039, 11, 31, 23, 59, 59), '2039-12-31T23:59:59.000Z'],
    [Date.UTC(2049, 11, 31, 23, 59, 59), '2049-12-31T23:59:59.000Z'],
    [Date.UTC(2050, 0, 1), '2050-01-01T00:00:00.000Z'],
  ])('is valid from the activation at %i ms for ten years, across the change of time formats', (activatedAtMs, from) => {
    const { ca, record } = createTestCa();
    const { der, validity } = ca.certificate(record(0, { activatedAtMs }));
    const { notBefore, notAfter } = read(der);
    expect([notBefore.toISOString(), notAfter.getTime() - notBefore.getTime()]).toEqual([from, CA_LIFE_MS]);
    expect(validity).toEqual({ notBeforeMs: notBefore.getTime(), notAfterMs: notAfter.getTime() });
    const years = [notBefore, notAfter].map((date) => date.getUTCFullYear());
    const formats = [...hex(der).matchAll(/(?:170d(?:3\d){12}|180f(?:3\d){14})5a/g)].map(([text]) => text.slice(0, 2));
    expect(formats).toEqual(years.map((year) => (year < 2_050 ? '17' : '18')));
  });
  it.each<[string, Partial<EpochRecord>, string]>([
    ['is retired', { state: 'retired' }, 'epoch_retired'],
    ['is lost', { state: 'lost' }, 'epoch_retired'],
    ['has no secret yet', { state: 'open', hash: undefined }, 'epoch_unknown'],
    ['has another secret than the vault', { hash: hashOf(9) }, 'fetching_secret'],
    ['is not in the vault', { epoch: epochOf(2) }, 'fetching_secret'],
  ])('is refused when its epoch %s', (_what, changes, reason) => {
    const { ca, record } = createTestCa();
    expect(reasonOf(() => ca.certificate(record(0, changes)))).toBe(reason);
    expect(reasonOf(() => ca.issue(order(record(0, changes))))).toBe(reason);
  });
  it('S-C1 comes of no candidate', () => {
    const vault = createVault();
    vault.keepCandidate(epochOf(0), SECRET, new Set());
    const ca = createCa({ vault, trustDomain: profile.trustDomain, random: createRandom('x'), clock: createClock() });
    expect(reasonOf(() => ca.certificate(createTestCa().record(0)))).toBe('fetching_secret');
  });
  it('S-C2 goes with its secret, and that of the next one is another', () => {
    const { ca, vault, record } = createTestCa();
    const [before, hash] = [caBytes(ca, record(0)), secretHash(another)];
    vault.settle([{ epoch: epochOf(0), state: 'usable', hash }]);
    expect(reasonOf(() => ca.certificate(record(0)))).toBe('fetching_secret');
    expect(reasonOf(() => ca.issue(order(record(0))))).toBe('fetching_secret');
    vault.install(epochOf(0), hash, another);
    expect(reasonOf(() => ca.certificate(record(0)))).toBe('fetching_secret');
    expect(caBytes(ca, record(0, { hash }))).not.toBe(before);
    expect(caBytes(ca, record(0, { hash }))).toBe(caBytes(createTestCa(another).ca, record(0, { hash })));
  });
  it('is made once: a vault that signs no more still has what it signed, while it holds the secret', () => {
    const { vault, record } = createTestCa();
    let signatures = 0;
    const counting = { ...vault, signAsCa: (...given: Parameters<typeof vault.signAsCa>) => ((signatures += 1), vault.signAsCa(...given)) };
    const ca = createCa({ vault: counting, trustDomain: profile.trustDomain, random: createRandom('x'), clock: createClock() });
    for (let round = 0; round < 3; round += 1) for (const epoch of [0, 1]) ca.certificate(record(epoch));
    expect(signatures).toBe(2);
  });
});

describe('a leaf', () => {
  it('is signed by its CA, names it, and is valid from five minutes ago for as long as was asked', async () => {
    const { ca, clock, record } = createTestCa();
    const { leaf, ca: issuer, serial, validity } = ca.issue(order(record(1)));
    const [certificate, authority] = [read(leaf), read(issuer.der)];
    expect(await certificate.verify({ publicKey: authority.publicKey, signatureOnly: true }, webcrypto as unknown as Crypto)).toBe(true);
    expect([certificate.issuer, certificate.serialNumber]).toEqual([authority.subject, serial]);
    expect(certificate.notBefore.getTime()).toBe(clock.nowMs() - LEAF_BACKDATE_MS);
    expect(certificate.notAfter.getTime()).toBe(clock.nowMs() + LEAF_LIFE_DEFAULT_MS);
    expect(validity).toEqual({ notBeforeMs: certificate.notBefore.getTime(), notAfterMs: certificate.notAfter.getTime() });
  });
  it('has whole seconds, and never one more than was asked', () => {
    const { ca, clock, record } = createTestCa();
    clock.advance(999);
    const { validity } = ca.issue(order(record(0), LEAF_LIFE_MIN_MS));
    expect(validity.notAfterMs % 1_000).toBe(0);
    expect(validity.notAfterMs).toBe(clock.nowMs() + LEAF_LIFE_MIN_MS - 999);
  });
  it('never begins before its CA, also when the clock is behind the chain', () => {
    const { ca, clock, record } = createTestCa();
    for (const activatedAtMs of [clock.nowMs() - 1_000, clock.nowMs() + 30_000]) {
      const { validity } = ca.issue(order(record(0, { activatedAtMs })));
      expect(validity.notBeforeMs).toBe(activatedAtMs);
    }
  });
  it('may end with its CA, and is refused a second later rather than cut short', () => {
    const { ca, clock, record } = createTestCa();
    const endMs = ACTIVATED_AT_MS + CA_LIFE_MS;
    clock.advance(endMs - LEAF_LIFE_MAX_MS - clock.nowMs());
    expect(ca.issue(order(record(0), LEAF_LIFE_MAX_MS)).validity.notAfterMs).toBe(endMs);
    clock.advance(1_000);
    expect(reasonOf(() => ca.issue(order(record(0), LEAF_LIFE_MAX_MS)))).toBe('validity_beyond_ca');
    clock.advance(LEAF_LIFE_MAX_MS);
    expect(reasonOf(() => ca.issue(order(record(0), LEAF_LIFE_MIN_MS)))).toBe('validity_beyond_ca');
  });
  it('has 128 random bits in its serial, positive and never zero, even when the bits are', () => {
    const { vault, clock, record } = createTestCa();
    for (const byte of [0x00, 0x7f, 0x80, 0xff]) {
      const random = { bytes: (length: number) => new Uint8Array(length).fill(byte) };
      const ca = createCa({ vault, trustDomain: profile.trustDomain, random, clock });
      const { leaf, serial } = ca.issue(order(record(0)));
      expect(serial).toBe(`01${byte.toString(16).padStart(2, '0').repeat(16)}`);
      expect(hex(leaf)).toContain(`0211${serial}`);
    }
    const { ca } = createTestCa();
    expect(new Set(Array.from({ length: 50 }, () => ca.issue(order(record(0))).serial)).size).toBe(50);
  });
  it('refuses what the policy refuses', () => {
    const { ca, record } = createTestCa();
    expect(reasonOf(() => ca.issue({ ...order(record(0)), csr: bytesOf('3000') }))).toBe('csr_malformed');
  });
});
