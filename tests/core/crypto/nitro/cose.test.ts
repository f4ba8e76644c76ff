/** What is around the payload. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bytesOf } from '../../../../core/ca/der.ts';
import { concat, equalBytes, hex } from '../../../../core/wire/bytes.ts';
import { flipped } from '../../fakes.ts';
import { bytes, head, list, NULL, openList, openTable, table, text, uint } from '../../../attestation/cbor-writer.ts';
import { derSignature } from '../../../attestation/certificates.ts';
import { chainWith, keyOf, LEAF, leafKey, MADE_MS, strangerKey } from './chain-plans.ts';
import { documentOf, expectRefused, said, verify, withMember } from './documents.ts';
import type { Entry } from '../../../attestation/cbor-writer.ts';
import type { DocumentPlan } from './documents.ts';

const ORDER = 0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n;
const number = (digits: Uint8Array) => BigInt(`0x${hex(digits)}`);
const scalar = (value: bigint) => bytesOf(value.toString(16).padStart(96, '0'));

describe('the envelope of a document', () => {
  it('is untagged or under tag 18', () => {
    expect(said(verify(documentOf()))).toBe('verified');
    expect(said(verify(concat(Uint8Array.of(0xd2), documentOf())))).toBe('verified');
  });
  it.each<[string, Partial<DocumentPlan>]>([
    ['ES256', { header: bytesOf('a10126') }],
    ['ES512', { header: bytesOf('a1013823') }],
    ['an HMAC', { header: bytesOf('a10105') }],
    ['EdDSA', { header: bytesOf('a10127') }],
    ['no algorithm', { header: bytesOf('a0') }],
    ['nothing at all in the protected header', { header: new Uint8Array(0) }],
    ['a second protected member', { header: bytesOf('a20138220440') }],
    ['the algorithm in a longer form', { header: bytesOf('a101390022') }],
    ['the algorithm in an open map', { header: bytesOf('bf013822ff') }],
    ['the algorithm as text', { header: concat(bytesOf('a101'), text('ES384')) }],
    ['a byte after the protected header', { header: bytesOf('a101382200') }],
    [
      'an unprotected algorithm',
      { parts: (header, _, payload, signature) => list(header, table([uint(1), bytesOf('3822')]), payload, signature) },
    ],
    [
      'the algorithm in the unprotected header alone',
      {
        header: bytesOf('a0'),
        parts: (header, _, payload, signature) => list(header, table([uint(1), bytesOf('3822')]), payload, signature),
      },
    ],
    ['a key id', { parts: (header, _, payload, signature) => list(header, table([uint(4), bytes(Uint8Array.of(1))]), payload, signature) }],
  ])('is refused with %s', (_what, change) => expectRefused(change, 'algorithm_refused'));
  it.each<[string, Partial<DocumentPlan>]>([
    ['three parts', { parts: (header, unprotected, payload) => list(header, unprotected, payload) }],
    ['five parts', { parts: (...parts) => list(...parts, NULL) }],
    ['a map of parts', { parts: (...parts) => table(...parts.map((part, index): Entry => [uint(index), part])) }],
    ['a payload that is elsewhere', { parts: (header, unprotected, _, signature) => list(header, unprotected, NULL, signature) }],
    ['a payload of text', { parts: (header, unprotected, _, signature) => list(header, unprotected, text('payload'), signature) }],
    [
      'a protected header that is a map',
      { parts: (_, unprotected, payload, signature) => list(table([uint(1), bytesOf('3822')]), unprotected, payload, signature) },
    ],
    [
      'an unprotected header of bytes',
      { parts: (header, _, payload, signature) => list(header, bytes(bytesOf('a0')), payload, signature) },
    ],
    ['a list of signatures', { parts: (header, unprotected, payload, signature) => list(header, unprotected, payload, list(signature)) }],
    ['a signature of 95 bytes', { signature: (raw) => raw.subarray(0, 95) }],
    ['a signature of 97 bytes', { signature: (raw) => concat(raw, Uint8Array.of(0)) }],
    ['a signature in DER', { signature: derSignature }],
    ['no signature', { signature: () => new Uint8Array(0) }],
    ['an open list around it', { parts: openList }],
    ['an open map for the unprotected header', { parts: (header, _, payload, signature) => list(header, openTable(), payload, signature) }],
  ])('is refused with %s', (_what, change) => expectRefused(change, 'cose_malformed'));
  it.each<[string, Uint8Array]>([
    ['a byte after it', concat(documentOf(), Uint8Array.of(0))],
    ['another tag', concat(Uint8Array.of(0xd1), documentOf())],
    ['tag 18 in two bytes', concat(bytesOf('d812'), documentOf())],
    ['tag 18 twice', concat(bytesOf('d2d2'), documentOf())],
    ['a tag of tags (55799)', concat(bytesOf('d9d9f7'), documentOf())],
    ['no bytes', new Uint8Array(0)],
    ['a tag alone', Uint8Array.of(0xd2)],
  ])('is refused with %s', (_what, document) => expect(said(verify(document))).toBe('cbor_malformed'));
  it.each<[string, Partial<DocumentPlan>]>([
    [
      'the payload in parts',
      {
        parts: (header, unprotected, payload, signature) =>
          list(header, unprotected, concat(Uint8Array.of(0x5f), payload, Uint8Array.of(0xff)), signature),
      },
    ],
    [
      'a longer length than it needs',
      {
        parts: (header, unprotected, payload, signature) =>
          list(header, unprotected, payload, concat(bytesOf('590060'), signature.subarray(2))),
      },
    ],
    ['a list of four in two bytes', { parts: (...parts) => concat(bytesOf('9804'), ...parts) }],
  ])('is refused with %s', (_what, change) => expectRefused(change, 'cbor_malformed'));
  it('is as large as it may be, and no larger', () => {
    expect(said(verify(new Uint8Array(16_384)))).toBe('cbor_malformed');
    expect(said(verify(new Uint8Array(16_385)))).toBe('too_large');
    expect(said(verify(concat(head(2, 2 ** 24), new Uint8Array(2 ** 24))))).toBe('too_large');
  });
});

describe('X-9 any bytes', () => {
  const good = documentOf();
  const splices = fc.array(fc.record({ at: fc.nat(good.length), length: fc.nat(3), bytes: fc.uint8Array({ maxLength: 3 }) }), {
    minLength: 1,
    maxLength: 4,
  });
  it('are answered, and never believed', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (document) => said(verify(document)) !== 'verified'));
    fc.assert(
      fc.property(splices, (changes) => {
        const document = changes.reduce(
          (bytes, { at, length, bytes: put }) => concat(bytes.subarray(0, at), put, bytes.subarray(at + length)),
          good,
        );
        return said(verify(document)) !== 'verified' || equalBytes(document, good);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('the signature of a document', () => {
  it.each<[string, Partial<DocumentPlan>]>([
    ['by another key', { signer: strangerKey }],
    ['by the key of its issuer', { signer: keyOf(LEAF) }],
    ['with r and s changed over', { signature: (raw) => concat(raw.subarray(48), raw.subarray(0, 48)) }],
    ['that is all zeros', { signature: () => new Uint8Array(96) }],
    ['with an r of zero', { signature: (raw) => concat(new Uint8Array(48), raw.subarray(48)) }],
    ['with an s of zero', { signature: (raw) => concat(raw.subarray(0, 48), new Uint8Array(48)) }],
    ['with an s of the order', { signature: (raw) => concat(raw.subarray(0, 48), scalar(ORDER)) }],
    ['that is all ones', { signature: () => new Uint8Array(96).fill(0xff) }],
    ['over other bytes', { signature: () => leafKey.sign(bytesOf('00')) }],
    ['with a bit turned', { signature: (raw) => flipped(raw, 95) }],
    ['of another leaf in the chain', { chain: chainWith(LEAF, { spki: strangerKey.spki }) }],
  ])('is refused %s', (_what, change) => expectRefused(change, 'document_signature_invalid'));
  it('has a twin, which says the same', () => {
    const twin = documentOf({ signature: (raw) => concat(raw.subarray(0, 48), scalar(ORDER - number(raw.subarray(48)))) });
    expect(said(verify(twin))).toBe('verified');
  });
  it.each([
    ['r', 0],
    ['s', 48],
  ])('is taken when %s begins with zeros', (_which, at) => {
    for (let tries = 0; tries < 2_000; tries += 1) {
      let isShort = false;
      const members = withMember('timestamp', uint(MADE_MS + tries));
      const document = documentOf({ members, signature: (raw) => ((isShort = raw[at] === 0), raw) });
      if (isShort) return expect(said(verify(document))).toBe('verified');
    }
    throw new Error('no such signature');
  });
});
