import { describe, expect, it } from 'vitest';
import { bytesOf } from '../../../../core/ca/der.ts';
import { decodeDocumentCbor } from '../../../../core/crypto/nitro/cbor.ts';
import { Unverified } from '../../../../core/crypto/nitro/fault.ts';
import { asView } from '../../fakes.ts';

function fault(bytes: Uint8Array): string {
  try {
    decodeDocumentCbor(bytes);
  } catch (error) {
    if (error instanceof Unverified) return error.why;
    throw error;
  }
  return 'none';
}

describe('CBOR that a document may hold', () => {
  it.each<[string, unknown]>([
    // RFC 8949, appendix A.
    ['00', 0],
    ['17', 23],
    ['1818', 24],
    ['1903e8', 1_000],
    ['1a000f4240', 1_000_000],
    ['1b000000e8d4a51000', 1_000_000_000_000],
    ['1b001fffffffffffff', Number.MAX_SAFE_INTEGER],
    ['20', -1],
    ['3903e7', -1_000],
    ['f6', null],
    ['40', new Uint8Array(0)],
    ['4401020304', Uint8Array.of(1, 2, 3, 4)],
    ['60', ''],
    ['62c3bc', 'ü'],
    ['80', []],
    ['83010203', [1, 2, 3]],
    ['8301820203820405', [1, [2, 3], [4, 5]]],
    ['9f01820203820405ff', [1, [2, 3], [4, 5]]],
    ['9fff', []],
    ['83018202039f0405ff', [1, [2, 3], [4, 5]]],
    ['a0', new Map()],
    [
      'a201020304',
      new Map([
        [1, 2],
        [3, 4],
      ]),
    ],
    [
      'bf61610161629f0203ffff',
      new Map<string, unknown>([
        ['a', 1],
        ['b', [2, 3]],
      ]),
    ],
    ['a1695f5f70726f746f5f5f00', new Map([['__proto__', 0]])],
    // The same digits, as text and as number, are two keys.
    [
      'a20100613102',
      new Map<unknown, number>([
        [1, 0],
        ['1', 2],
      ]),
    ],
  ])('%s is read', (written, value) => {
    expect(decodeDocumentCbor(bytesOf(written))).toEqual(value);
    expect(decodeDocumentCbor(asView(bytesOf(written)))).toEqual(value);
  });
  it('is read at every boundary of a length', () => {
    for (const [length, start] of [
      [23, '57'],
      [24, '5818'],
      [255, '58ff'],
      [256, '590100'],
      [65_535, '59ffff'],
      [65_536, '5a00010000'],
    ] as const)
      expect(decodeDocumentCbor(bytesOf(start + 'ab'.repeat(length))), start).toEqual(new Uint8Array(length).fill(0xab));
  });
});

describe('X-9 CBOR that no document holds is refused', () => {
  it.each([
    ['nothing', ''],
    ['a byte after it', '0000'],
    ['a break after it', '00ff'],
    ['a break alone', 'ff'],
    ['a number cut short', '1903'],
    ['bytes cut short', '44010203'],
    ['text cut short', '6261'],
    ['a list cut short', '8301'],
    ['a map without a value', 'a101'],
    ['an open list that never ends', '9f01'],
    ['an open map that never ends', 'bf0102'],
    ['an open map that ends after a key', 'bf01ff'],
    ['a break in a definite list', '82ff01'],
    ['a break for the value of a definite map', 'a101ff'],
    ['bytes of indefinite length', '5f42010243030405ff'],
    ['text of indefinite length', '7f657374726561646d696e67ff'],
    ['bytes of indefinite length in an open map', 'bf01 5f4101ff ff'.replaceAll(' ', '')],
    ['a number of indefinite length', '1f'],
    ['a reserved length', '1c'],
    ['23 in two bytes', '1817'],
    ['255 in three bytes', '1900ff'],
    ['65535 in five bytes', '1a0000ffff'],
    ['2³² − 1 in nine bytes', '1b00000000ffffffff'],
    ['a length of 4 in two bytes', '580401020304'],
    ['a list of one in two bytes', '980100'],
    ['a map of none in two bytes', 'b800'],
    ['2⁵³', '1b0020000000000000'],
    ['2⁶⁴ − 1', '1bffffffffffffffff'],
    ['a length of 2⁶⁴ − 1', '5bffffffffffffffff'],
    ['a list of 2³² − 1', '9affffffff'],
    ['a tag', 'c000'],
    ['tag 18', 'd280'],
    ['false', 'f4'],
    ['true', 'f5'],
    ['undefined', 'f7'],
    ['a simple value', 'f8ff'],
    ['a half float', 'f90000'],
    ['a float', 'fb3ff199999999999a'],
    ['text that is no UTF-8', '61ff'],
    ['half a surrogate pair', '63eda080'],
    ['a key twice', 'a201000100'],
    ['a key of text twice', 'a2616100616101'],
    ['a key twice in an open map', 'bf01000100ff'],
    ['a key of bytes', 'a1410100'],
    ['a key that is null', 'a1f600'],
    ['a key that is a list', 'a18000'],
    ['a key that is a map', 'a1a000'],
    ['a third level', '81818100'],
    ['a third level in maps', 'a101a101a10100'],
  ])('when it is %s', (_what, written) => expect(fault(bytesOf(written))).toBe('cbor_malformed'));
  it('when it is a thousand levels deep, without a stack as deep', () =>
    expect(['81', '9f', 'a101', 'bf01'].map((open) => fault(bytesOf(open.repeat(100_000))))).toEqual(Array(4).fill('cbor_malformed')));
});
