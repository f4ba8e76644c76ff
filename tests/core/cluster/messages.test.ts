import { describe, expect, it } from 'vitest';
import {
  decodeEndorsements,
  decodeGiven,
  decodeWanted,
  encodeEndorsements,
  encodeGiven,
  encodeWanted,
} from '../../../core/cluster/messages.ts';
import { HANDOVER_SECRETS_MAX } from '../../../core/limits.ts';
import { encodeCbor } from '../../../core/wire/cbor.ts';
import { epochOf, hashOf, reasonOf, signerNamed } from '../fakes.ts';

const wallet = signerNamed('a').wallet;
const signature = `0x${'ab'.repeat(65)}` as const;
const e0 = epochOf(0);
const x = hashOf(1);
const secret = new Uint8Array(32).fill(7);

describe('messages', () => {
  it('are read as they were written', () => {
    const endorsements = { epoch: e0, offers: [{ hash: x, validUntilBlock: 9, signatures: new Map([[wallet, signature]]) }] };
    expect(decodeEndorsements(encodeEndorsements(endorsements))).toEqual(endorsements);
    expect(decodeEndorsements(encodeEndorsements({ epoch: undefined, offers: [] }))).toEqual({ epoch: undefined, offers: [] });
    expect(decodeWanted(encodeWanted([{ epoch: e0, hash: x }]))).toEqual([{ epoch: e0, hash: x }]);
    expect(decodeGiven(encodeGiven([{ epoch: e0, hash: x, secret }]))).toEqual([{ epoch: e0, hash: x, secret }]);
  });
  const offer = { hash: x, valid_until_block: 9, signatures: [{ wallet, signature }] };
  const endorse = (change: object) => decodeEndorsements(encodeCbor({ epoch: 0, offers: [{ ...offer, ...change }] }));
  const want = (...wanted: unknown[]) => decodeWanted(encodeCbor({ wanted }));
  const many = (count: number) => Array.from({ length: count }, (_, epoch) => ({ epoch, hash: x }));
  const give = (change: object) => decodeGiven(encodeCbor({ given: [{ epoch: 0, hash: x, secret, ...change }] }));
  it.each<[string, () => unknown]>([
    ['an epoch below zero', () => decodeEndorsements(encodeCbor({ epoch: -1, offers: [] }))],
    ['an epoch that is a text', () => decodeEndorsements(encodeCbor({ epoch: '0', offers: [] }))],
    ['no epoch at all', () => decodeEndorsements(encodeCbor({ offers: [] }))],
    ['offers that are no list', () => decodeEndorsements(encodeCbor({ epoch: 0, offers: {} }))],
    ['an offer that is no map', () => decodeEndorsements(encodeCbor({ epoch: 0, offers: [1] }))],
    ['a hash of 31 bytes', () => endorse({ hash: `0x${'11'.repeat(31)}` })],
    ['a hash without 0x', () => endorse({ hash: '11'.repeat(33) })],
    ['an expiry below zero', () => endorse({ valid_until_block: -1 })],
    ['a signature of a wallet that is none', () => endorse({ signatures: [{ wallet: 'me', signature }] })],
    ['a signature of 64 bytes', () => endorse({ signatures: [{ wallet, signature: `0x${'ab'.repeat(64)}` }] })],
    ['a signature in upper case', () => endorse({ signatures: [{ wallet, signature: `0x${'AB'.repeat(65)}` }] })],
    ['a member of an offer that nobody named', () => endorse({ extra: 1 })],
    ['more secrets wanted than one frame may ask for', () => want(...many(HANDOVER_SECRETS_MAX + 1))],
    ['S-M2 a secret that is wanted twice', () => want({ epoch: 0, hash: x }, { epoch: 1, hash: x }, { epoch: 0, hash: x })],
    ['something wanted without its hash', () => want({ epoch: 0 })],
    ['something wanted under another name', () => want({ epoch: 0, hash: x, secret })],
    ['S-C3 a secret of 31 bytes', () => give({ secret: secret.subarray(1) })],
    ['S-C3 a secret as text', () => give({ secret: '07'.repeat(32) })],
    ['S-C3 the old plaintext form', () => decodeGiven(encodeCbor({ secret }))],
  ])('are refused with %s', (_what, read) => expect(reasonOf(read)).toBe('frame_malformed'));
  it('are read with as many secrets as one frame may ask for', () =>
    expect(want(...many(HANDOVER_SECRETS_MAX))).toHaveLength(HANDOVER_SECRETS_MAX));
});
