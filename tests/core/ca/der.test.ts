import { describe, expect, it } from 'vitest';
import { bytesOf, childrenOf, encodeDer, objectId, parseDer, sequence } from '../../../core/ca/der.ts';
import { CSR_BYTES_MAX } from '../../../core/limits.ts';
import { concat, hex } from '../../../core/wire/bytes.ts';
import { asView } from '../fakes.ts';

const DEPTH = 16;
const parsed = (hexadecimal: string) => parseDer(bytesOf(hexadecimal), DEPTH) !== undefined;

describe('what is written', () => {
  it.each([
    [0, '0400'],
    [1, '040100'],
    [127, `047f${'00'.repeat(127)}`],
    [128, `048180${'00'.repeat(128)}`],
    [255, `0481ff${'00'.repeat(255)}`],
    [256, `04820100${'00'.repeat(256)}`],
    [65_535, `0482ffff${'00'.repeat(65_535)}`],
  ])('has the shortest length for %i bytes', (length, written) => {
    const bytes = encodeDer(0x04, new Uint8Array(length));
    expect(hex(bytes)).toBe(written);
    expect(parseDer(bytes, DEPTH)?.content.length).toBe(length);
  });
  it.each([
    ['2.5.29.19', '0603551d13'],
    ['1.2.840.113549.1.1.11', '06092a864886f70d01010b'],
    ['1.3.101.112', '06032b6570'],
    ['1.2.840.10045.4.3.2', '06082a8648ce3d040302'],
    ['0.9.2342.19200300.100.1.1', '060a0992268993f22c640101'],
  ])('is object identifier %s as the standards print it', (dotted, written) => expect(hex(objectId(dotted))).toBe(written));
});

describe('what is read', () => {
  it('is the tree that was written', () => {
    const bytes = sequence(encodeDer(0x02, bytesOf('01')), sequence(), encodeDer(0xa0, encodeDer(0x0c, bytesOf('41'))));
    for (const given of [bytes, asView(bytes)]) {
      const root = parseDer(given, DEPTH);
      const children = root ? childrenOf(root) : [];
      expect(children.map(({ tag, content }) => [tag, hex(content)])).toEqual([
        [0x02, '01'],
        [0x30, ''],
        [0xa0, '0c0141'],
      ]);
      expect(children.map(({ whole }) => hex(whole)).join('')).toBe(hex(bytes).slice(4));
    }
  });
  it.each([
    ['nothing', ''],
    ['a tag without a length', '30'],
    ['a length without its content', '3003020100'.slice(0, -2)],
    ['a byte after it', '300000'],
    ['a second element after it', '30003000'],
    ['an indefinite length', '30800000'],
    ['an indefinite length inside', '300430800000'],
    ['a long form of a short length', '30810102'],
    ['a long form of 127', `30817f${'00'.repeat(127)}`],
    ['a length with a leading zero', `30820080${'05'.repeat(128)}`],
    ['a length of four bytes', `308400000080${'05'.repeat(128)}`],
    ['the largest lengths there are', '30ffffffffffffffffff'],
    ['a length of length 127', '30ff00'],
    ['a child longer than its parent', '300302020100'],
    ['a child that ends after its parent, at the very end', '3004300502010030'],
    ['a parent that ends inside a header', '30043002020130'],
    ['half a child', '300102'],
    ['a tag in the long form', '3f810100'],
    ['a tag in the long form inside', '30049f810100'],
    ['a tag in the long form that reads as a short one', '30049f020100'],
    ['the end-of-contents tag', '30020000'],
    ['a SEQUENCE that claims to be primitive', '1000'],
    ['a SET that claims to be primitive', '30021100'],
    ['a string made of strings', '300524030c0141'.replace('0c', '04')],
    ['a constructed INTEGER', '30052203020100'],
    ['a constructed BIT STRING', '3007230503010003'],
  ])('is refused when it is %s', (_what, bytes) => expect(parsed(bytes)).toBe(false));
  it('has as many levels as are allowed, and no more', () => {
    const nested = (levels: number): Uint8Array => (levels === 0 ? bytesOf('0500') : sequence(nested(levels - 1)));
    expect(parseDer(nested(DEPTH), DEPTH)).toBeDefined();
    expect(parseDer(nested(DEPTH + 1), DEPTH)).toBeUndefined();
  });
});

describe('a bomb', () => {
  const filled = (pattern: string, length = CSR_BYTES_MAX) =>
    bytesOf(pattern.repeat(Math.ceil((length * 2) / pattern.length)).slice(0, length * 2));
  const claims = Array.from({ length: 4_000 }, (_, index) => bytesOf(`3082${(16_000 - 4 * index).toString(16).padStart(4, '0')}`));
  it.each<[string, Uint8Array, boolean]>([
    ['of open sequences', filled('3080'), false],
    ['of sequences that each claim the rest', concat(...claims), false],
    ['of eight thousand empty elements', encodeDer(0x30, filled('0500', CSR_BYTES_MAX - 4)), true],
    ['of empty sets side by side', encodeDer(0x31, filled('3100', CSR_BYTES_MAX - 4)), true],
    ['of huge lengths', filled('3083ffffff'), false],
    ['of one byte', filled('ff'), false],
  ])('%s is judged in one pass: a thousand of them take no time worth speaking of', (_what, bytes, isWellFormed) => {
    for (let round = 0; round < 1_000; round += 1) expect(parseDer(bytes, DEPTH) !== undefined).toBe(isWellFormed);
  });
});
