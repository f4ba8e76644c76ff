import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { base64, concat, equalBytes, hex, parseBase64, parseHex, parseUtf8, utf8 } from '../../../core/wire/bytes.ts';
import { asView, flipped } from '../fakes.ts';

const bytes = Uint8Array.of(0, 1, 0x7f, 0x80, 0xff);

describe('hex', () => {
  it('writes lower case without 0x', () => expect(hex(bytes)).toBe('00017f80ff'));
  it('writes a view with an offset as the view', () => expect(hex(asView(bytes))).toBe('00017f80ff'));
  it.each(['00017f80ff', '00017F80FF', '0x00017f80ff', '0X00017F80ff'])('reads %s', (text) => expect(parseHex(text)).toEqual(bytes));
  it('reads nothing as no bytes', () => expect(parseHex('0x')).toEqual(new Uint8Array(0)));
  it.each(['0', '0x0', '0g', '00 ', ' 00', '0x0x00', '00\n', '００', '-1'])('refuses %j', (text) => expect(parseHex(text)).toBeUndefined());
  it('gives back what it wrote, for all bytes', () =>
    fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), (any) => void expect(parseHex(hex(any))).toEqual(any))));
});

describe('base64', () => {
  it('writes the padded standard alphabet', () => expect(base64(Uint8Array.of(0xfb, 0xff, 0xfe, 0))).toBe('+//+AA=='));
  it('writes a view with an offset as the view', () => expect(base64(asView(bytes))).toBe(base64(bytes)));
  it.each(['', 'AA==', 'AAE=', '+//+'])('reads %j', (text) => expect(base64(parseBase64(text) ?? bytes)).toBe(text));
  it.each(['A', 'AA', 'AA=', 'AAE', 'A===', '-__-', 'AA==\n', ' AA==', 'AA==AA==', 'A A='])('refuses %j', (text) =>
    expect(parseBase64(text)).toBeUndefined(),
  );
  it.each(['AB==', 'AAF='])('refuses %j, whose unused bits are set, so that no value has two spellings', (text) =>
    expect(parseBase64(text)).toBeUndefined(),
  );
  it('gives back what it wrote, and reads no text that it would not write', () =>
    fc.assert(
      fc.property(
        fc.oneof(fc.uint8Array({ maxLength: 64 }).map(base64), fc.string({ unit: fc.constantFrom(...'AB/+=_-'), maxLength: 8 })),
        (text) => {
          const read = parseBase64(text);
          if (read) expect(base64(read)).toBe(text);
        },
      ),
    ));
});

describe('utf8', () => {
  it.each(['', 'a', 'ключ', '𝒳', '\u0000', '\uFEFFa'])('gives %j back', (text) => expect(parseUtf8(utf8(text))).toBe(text));
  it('reads a view with an offset as the view', () => expect(parseUtf8(asView(utf8('ключ')))).toBe('ключ'));
  it.each([
    ['a lone continuation byte', [0x80]],
    ['a cut sequence', [0xd0]],
    ['an overlong slash', [0xc0, 0xaf]],
    ['a surrogate', [0xed, 0xa0, 0x80]],
    ['beyond U+10FFFF', [0xf4, 0x90, 0x80, 0x80]],
  ])('refuses %s', (_what, odd) => expect(parseUtf8(Uint8Array.from(odd))).toBeUndefined());
});

describe('concat and equalBytes', () => {
  it('joins views as views', () => expect(concat(asView(bytes), new Uint8Array(0), bytes)).toEqual(Uint8Array.of(...bytes, ...bytes)));
  it('finds equal what is equal, views included', () => expect(equalBytes(asView(bytes), bytes)).toBe(true));
  it('finds different what differs in any one bit', () => {
    for (let index = 0; index < bytes.length; index += 1)
      for (let bit = 0; bit < 8; bit += 1) expect(equalBytes(bytes, flipped(bytes, index, bit))).toBe(false);
  });
  it('finds a prefix different', () => expect(equalBytes(bytes, bytes.subarray(0, 4))).toBe(false));
});
