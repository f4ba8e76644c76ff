import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeCborMap, encodeCbor, readBytes, readCount, readList, readMap, readText } from '../../../core/wire/cbor.ts';
import { Refusal } from '../../../core/errors.ts';
import { CBOR_DEPTH_MAX, CBOR_ITEMS_MAX, FRAME_PAYLOAD_BYTES_MAX } from '../../../core/limits.ts';
import { concat, parseHex } from '../../../core/wire/bytes.ts';
import { asView, reasonOf } from '../fakes.ts';

const good = encodeCbor({ a: 1, b: 'text', c: Uint8Array.of(1, 2) });
const decode = (bytes: Uint8Array) => decodeCborMap(bytes, ['a', 'b', 'c']);
const fromHex = (text: string) => parseHex(text) as Uint8Array;

describe('a map from a peer', () => {
  it('is read', () =>
    expect([...decode(good)]).toEqual([
      ['a', 1],
      ['b', 'text'],
      ['c', Uint8Array.of(1, 2)],
    ]));
  it('is read from a view with an offset', () => expect(readBytes(decode(asView(good)), 'c', 2)).toEqual(Uint8Array.of(1, 2)));
  it('is refused when cut short anywhere', () => {
    for (let length = 0; length < good.length; length += 1)
      expect(reasonOf(() => decode(good.subarray(0, length)))).toBe('frame_malformed');
  });
  it.each([
    ['extended by a byte', concat(good, Uint8Array.of(0))],
    ['given twice', concat(good, good)],
    ['a duplicate key', fromHex('a2616101616102')],
    ['an indefinite map', fromHex('bf616101ff')],
    ['an indefinite text', fromHex('a161627f6161ff')],
    ['an indefinite list', fromHex('a161619f01ff')],
    ['undefined', fromHex('a16161f7')],
    ['not a number', fromHex('a16161f97e00')],
    ['infinity', fromHex('a16161f97c00')],
    ['a tag', fromHex('a16161c11a00000000')],
    ['a number longer than it need be', fromHex('a161611801')],
    ['a key that is a number', fromHex('a10101')],
    ['a member that nobody named', encodeCbor({ a: 1, d: 1 })],
    ['a member named __proto__', encodeCbor(new Map([['__proto__', 1]]))],
    ['a list', encodeCbor([1])],
    ['a text', encodeCbor('a')],
    ['a key of ill-formed UTF-8', fromHex('a161ff01')],
  ])('is refused when it is or holds %s', (_what, bytes) => expect(reasonOf(() => decode(bytes))).toBe('frame_malformed'));
  it('keeps an inner __proto__ key away from every prototype, and refuses it', () => {
    const inner = decode(encodeCbor({ a: new Map([['__proto__', { polluted: 1 }]]) })).get('a');
    expect(inner).toBeInstanceOf(Map);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
    expect(reasonOf(() => readMap(inner, ['x']))).toBe('frame_malformed');
  });
  it.each(['81', 'a16161', 'a1a0', 'c1', '98ff'])('X-9 is refused when it is nested too deep, whatever it would end with: %s', (open) => {
    const nested = (depth: number) => fromHex(`a16161${open.repeat(depth)}`);
    for (const depth of [CBOR_DEPTH_MAX, CBOR_DEPTH_MAX + 1, 200_000]) expect(reasonOf(() => decode(nested(depth)))).toBe('frame_too_deep');
    expect(reasonOf(() => decode(concat(nested(CBOR_DEPTH_MAX - 1))))).toBe('frame_malformed');
  });
  it('is read as deep as it may be', () => {
    const deep = (lists: number) => concat(fromHex('a16161'), new Uint8Array(lists).fill(0x81), Uint8Array.of(0));
    expect(reasonOf(() => decode(deep(CBOR_DEPTH_MAX - 1)))).toBe('none');
    expect(reasonOf(() => decode(deep(CBOR_DEPTH_MAX)))).toBe('frame_too_deep');
  });
  // Two million of them fit into a frame: four hundred megabytes, and seconds in which the node does nothing else.
  it.each(['a0', '80', '40', '00', 'f6'])('X-9 is refused when it holds more values than any message: %s', (value) => {
    const inner = (count: number) =>
      concat(fromHex(`a161619a${count.toString(16).padStart(8, '0')}`), new Uint8Array(count).fill(parseInt(value, 16)));
    const around = 3;
    expect(reasonOf(() => decode(inner(CBOR_ITEMS_MAX - around)))).toBe('none');
    expect(reasonOf(() => decode(inner(CBOR_ITEMS_MAX - around + 1)))).toBe('frame_too_full');
    expect(reasonOf(() => decode(inner(FRAME_PAYLOAD_BYTES_MAX)))).toBe('frame_too_full');
  });
  it('X-9 hides no depth and no values behind what is skipped: text, bytes, numbers, simple values, a break for a value', () => {
    const deep = '81'.repeat(CBOR_DEPTH_MAX);
    for (const before of ['6162', '4162', '18ff', '1903e8', '1a00010000', '1b0000000100000000', '20', 'f4', 'f97e00'])
      expect(
        reasonOf(() => decode(fromHex(`a26161${before}6162${deep}`))),
        before,
      ).toBe('frame_too_deep');
    expect(reasonOf(() => decode(fromHex(`a26161ff6162${deep}`)))).toBe('frame_malformed');
  });
  it('is refused when it claims more than it holds', () => {
    for (const claim of ['ba00ffffff', 'a161619affffffff', 'a161615affffffff', 'a161617bffffffffffffffff'])
      expect(reasonOf(() => decode(fromHex(claim)))).toBe('frame_malformed');
  });
  it('is a value or a refusal, whatever the bytes', () =>
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array({ maxLength: 80 }),
          fc.tuple(fc.nat(good.length - 1), fc.nat(255)).map(([at, byte]) => Uint8Array.from(good).fill(byte, at, at + 1)),
        ),
        (bytes) => {
          try {
            decode(bytes);
          } catch (error) {
            expect(error).toBeInstanceOf(Refusal);
          }
        },
      ),
    ));
});

describe('members', () => {
  const map = new Map<string, unknown>([
    ['text', 'abc'],
    ['bytes', Uint8Array.of(1, 2, 3)],
    ['count', 7],
    ['list', [1, 2]],
    ['big', 2n ** 60n],
    ['half', 1.5],
    ['less', -1],
    ['unsafe', 2 ** 53],
  ]);
  it('are read', () => {
    expect(readText(map, 'text', 3)).toBe('abc');
    expect(readBytes(map, 'bytes', 3)).toHaveLength(3);
    expect(readBytes(map, 'bytes', { max: 3 })).toHaveLength(3);
    expect(readCount(map, 'count')).toBe(7);
    expect(readList(map, 'list', 2, (item) => item)).toEqual([1, 2]);
  });
  it.each<[string, () => unknown]>([
    ['a text over its length', () => readText(map, 'text', 2)],
    ['a text that is missing', () => readText(map, 'none', 2)],
    ['a text that is bytes', () => readText(map, 'bytes', 9)],
    ['bytes of another length', () => readBytes(map, 'bytes', 4)],
    ['bytes over their maximum', () => readBytes(map, 'bytes', { max: 2 })],
    ['bytes that are a text', () => readBytes(map, 'text', 3)],
    ['a count beyond 2^53', () => readCount(map, 'big')],
    ['a count of 2^53', () => readCount(map, 'unsafe')],
    ['a count that is no whole number', () => readCount(map, 'half')],
    ['a count below zero', () => readCount(map, 'less')],
    ['a list over its length', () => readList(map, 'list', 1, (item) => item)],
    ['a list that is a text', () => readList(map, 'text', 9, (item) => item)],
  ])('refuses %s', (_what, read) => expect(reasonOf(read)).toBe('frame_malformed'));
});
