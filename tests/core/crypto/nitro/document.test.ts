/** What is in the payload. */
import { describe, expect, it } from 'vitest';
import { concat, utf8 } from '../../../../core/wire/bytes.ts';
import { BREAK, bytes, list, NULL, openList, openTable, table, text, uint } from '../../../attestation/cbor-writer.ts';
import { MADE_MS } from './chain-plans.ts';
import {
  documentOf,
  expectRefused,
  NONCE,
  pcr,
  pcrs,
  PUBLIC_KEY,
  said,
  USER_DATA,
  verified,
  verify,
  withMember,
  without,
} from './documents.ts';
import type { Entry } from '../../../attestation/cbor-writer.ts';

const withPcr = (index: Uint8Array, digest: Uint8Array) =>
  withMember('pcrs', concat(Uint8Array.of(0xa4), pcrs(0, 1, 2).subarray(1), index, digest));

describe('a document', () => {
  it('says what is in it', () => {
    const attestation = verified(verify(documentOf()));
    expect(attestation).toMatchObject({
      moduleId: 'i-0d77c5a9ff8a7dbad-enc0199e6cadc8142c2',
      timeMs: MADE_MS,
      isDebug: false,
      publicKey: PUBLIC_KEY,
      userData: USER_DATA,
      nonce: NONCE,
    });
    expect([...attestation.pcrs]).toEqual(Array.from({ length: 16 }, (_, index) => [index, pcr(index)]));
  });
  it('may be an open map, with open maps and lists in it, in any order', () => {
    const shuffled = documentOf({
      members: (members) =>
        [...members].toReversed().map(([name, value]) => {
          if (name === 'pcrs') return [name, openTable(...[2, 0, 1, 31].map((index): Entry => [uint(index), bytes(pcr(index))]))];
          return name === 'cabundle' ? [name, concat(Uint8Array.of(0x9f), value.subarray(1), BREAK)] : [name, value];
        }),
      payload: (entries) => openTable(...entries),
    });
    expect(verified(verify(shuffled)).measurement).toBe(verified(verify(documentOf())).measurement);
  });
  it.each(['public_key', 'user_data', 'nonce'])('may have no %s, or null', (name) => {
    const field = { public_key: 'publicKey', user_data: 'userData', nonce: 'nonce' }[name] as 'nonce';
    for (const members of [without(name), withMember(name, NULL)]) expect(verified(verify(documentOf({ members })))[field]).toBeUndefined();
  });
  it.each(['module_id', 'digest', 'timestamp', 'pcrs', 'certificate', 'cabundle'])('is refused without %s, or with null', (name) => {
    expectRefused({ members: without(name) }, 'member_missing');
    expectRefused({ members: withMember(name, NULL) }, 'member_malformed');
  });
  it.each([
    ['extra', uint(1)],
    ['', uint(1)],
    ['Nonce', bytes(NONCE)],
    ['__proto__', uint(1)],
    ['nitrotpm_pcrs', pcrs(0)],
  ])('is refused with a member %j', (name, value) => expectRefused({ members: withMember(name, value) }, 'member_unknown'));
  it('is refused with a member whose name is a number', () =>
    expectRefused({ payload: (entries) => table(...entries, [uint(1), uint(1)]) }, 'member_unknown'));
  it('is refused when it is of a NitroTPM, which the same root signs', () =>
    expectRefused(
      { members: (members) => [...members].map(([name, value]) => [name === 'pcrs' ? 'nitrotpm_pcrs' : name, value]) },
      'member_unknown',
    ));
  it('is refused with a member twice', () => {
    expectRefused({ payload: (entries) => table(...entries, entries.at(-1) as Entry) }, 'cbor_malformed');
    expectRefused({ payload: (entries) => openTable(...entries, entries[0] as Entry) }, 'cbor_malformed');
    expectRefused({ payload: (entries) => table(...entries, [text('nonce'), NULL]) }, 'cbor_malformed');
  });
  it('is refused with a byte after its map, or before', () => {
    expectRefused({ payload: (entries) => concat(table(...entries), Uint8Array.of(0)) }, 'cbor_malformed');
    expectRefused({ payload: (entries) => concat(openTable(...entries), BREAK) }, 'cbor_malformed');
    expectRefused({ payload: (entries) => concat(Uint8Array.of(0xf6), table(...entries)) }, 'cbor_malformed');
  });
  it('is refused when it is no map', () => {
    for (const payload of [list(), NULL, bytes(table()), uint(0)]) expectRefused({ payload: () => payload }, 'member_missing');
    expectRefused({ payload: () => new Uint8Array(0) }, 'cbor_malformed');
  });
  it('is refused with strings in parts', () => {
    const parts = (value: Uint8Array, open: number) => concat(Uint8Array.of(open), value, BREAK);
    expectRefused({ members: withMember('nonce', parts(bytes(NONCE), 0x5f)) }, 'cbor_malformed');
    expectRefused({ members: withMember('module_id', parts(text('i-0'), 0x7f)) }, 'cbor_malformed');
  });
});

describe('a member', () => {
  it.each<[string, string, Uint8Array]>([
    ['module_id', 'empty', text('')],
    ['module_id', 'of 129 characters', text('i'.repeat(129))],
    ['module_id', 'bytes', bytes(utf8('i-0'))],
    ['digest', 'SHA256', text('SHA256')],
    ['digest', 'SHA512', text('SHA512')],
    ['digest', 'in small letters', text('sha384')],
    ['digest', 'bytes', bytes(utf8('SHA384'))],
    ['timestamp', 'zero', uint(0)],
    ['timestamp', 'negative', Uint8Array.of(0x20)],
    ['timestamp', 'text', text('1')],
    ['certificate', 'empty', bytes(new Uint8Array(0))],
    ['certificate', 'of 1025 bytes', bytes(new Uint8Array(1_025))],
    ['certificate', 'a list', list()],
    ['cabundle', 'empty', list()],
    ['cabundle', 'one certificate', bytes(new Uint8Array(500))],
    ['cabundle', 'of nine', list(...Array.from({ length: 9 }, () => bytes(Uint8Array.of(1))))],
    ['cabundle', 'with an empty certificate', list(bytes(new Uint8Array(0)))],
    ['cabundle', 'with one of 1025 bytes', list(bytes(new Uint8Array(1_025)))],
    ['cabundle', 'of texts', list(text('certificate'))],
    ['cabundle', 'open and empty', openList()],
    ['public_key', 'empty', bytes(new Uint8Array(0))],
    ['public_key', 'of 1025 bytes', bytes(new Uint8Array(1_025))],
    ['public_key', 'text', text('key')],
    ['user_data', 'of 513 bytes', bytes(new Uint8Array(513))],
    ['user_data', 'text', text('{}')],
    ['nonce', 'of 513 bytes', bytes(new Uint8Array(513))],
    ['nonce', 'a number', uint(7)],
  ])('%s is refused when it is %s', (name, _what, value) => expectRefused({ members: withMember(name, value) }, 'member_malformed'));
  it.each<[string, number]>([
    ['public_key', 1],
    ['public_key', 1_024],
    ['user_data', 0],
    ['user_data', 512],
    ['nonce', 0],
    ['nonce', 512],
  ])('%s may have %i bytes', (name, length) =>
    expect(said(verify(documentOf({ members: withMember(name, bytes(new Uint8Array(length))) })))).toBe('verified'),
  );
  it('timestamp is refused when it is too large to be exact', () =>
    expectRefused({ members: withMember('timestamp', uint(2 ** 53)) }, 'cbor_malformed'));
});

describe('the registers', () => {
  it.each([0, 1, 2])('are refused without %i, or with one that is not of SHA-384', (index) => {
    const others = [0, 1, 2].filter((other) => other !== index);
    expectRefused({ members: withMember('pcrs', pcrs(...others, 3)) }, 'member_malformed');
    for (const length of [32, 64]) {
      const entries = others.map((other): Entry => [uint(other), bytes(pcr(other))]);
      expectRefused({ members: withMember('pcrs', table(...entries, [uint(index), bytes(pcr(index, length))])) }, 'member_malformed');
    }
  });
  it.each([3, 15, 16, 31])('may have %i, of any of three lengths', (index) => {
    for (const length of [32, 48, 64])
      expect(verified(verify(documentOf({ members: withPcr(uint(index), bytes(pcr(index, length))) }))).pcrs.get(index)?.length).toBe(
        length,
      );
  });
  it.each<[string, Uint8Array, Uint8Array]>([
    ['of number 32', uint(32), bytes(pcr(3))],
    ['of number −1', Uint8Array.of(0x20), bytes(pcr(3))],
    ['whose number is text', text('3'), bytes(pcr(3))],
    ['of 47 bytes', uint(3), bytes(pcr(3, 47))],
    ['of 49 bytes', uint(3), bytes(pcr(3, 49))],
    ['of no bytes', uint(3), bytes(pcr(3, 0))],
    ['that is null', uint(3), NULL],
    ['of text', uint(3), text('3'.repeat(48))],
  ])('are refused with one %s', (_what, index, digest) => expectRefused({ members: withPcr(index, digest) }, 'member_malformed'));
  it('are refused with one twice', () => expectRefused({ members: withPcr(uint(2), bytes(pcr(2))) }, 'cbor_malformed'));
  it('are refused as a list', () =>
    expectRefused({ members: withMember('pcrs', list(...[0, 1, 2].map((index) => bytes(pcr(index))))) }, 'member_malformed'));
  it('S-M5 are measured in their order, whatever the order they are written in', () => {
    const of = (...indexes: readonly number[]) =>
      verified(verify(documentOf({ members: withMember('pcrs', pcrs(...indexes)) }))).measurement;
    expect(of(2, 1, 0)).toBe(of(0, 1, 2));
    const turned = table(...[0, 1, 2].map((index): Entry => [uint(index), bytes(pcr(2 - index))]));
    expect(verified(verify(documentOf({ members: withMember('pcrs', turned) }))).measurement).not.toBe(of(0, 1, 2));
  });
});
