import { describe, expect, it } from 'vitest';
import { encodePem, parsePem } from '../../../core/ca/pem.ts';
import { utf8 } from '../../../core/wire/bytes.ts';

const LABEL = 'CERTIFICATE REQUEST';
const bytes = (length: number) => Uint8Array.from({ length }, (_, index) => index);
const written = encodePem(LABEL, bytes(100));
const read = (text: string) => parsePem(LABEL, utf8(text));

describe('PEM', () => {
  it.each([1, 47, 48, 49, 96, 100, 5_000])('of %i bytes is read as it was written, its lines 64 long', (length) => {
    const pem = encodePem(LABEL, bytes(length));
    expect(read(pem)).toEqual(bytes(length));
    expect(
      Math.max(
        ...pem
          .split('\n')
          .slice(1, -2)
          .map(({ length: chars }) => chars),
      ),
    ).toBeLessThanOrEqual(64);
  });
  it('is what other programs write', () =>
    expect(encodePem('X', bytes(50))).toBe(
      '-----BEGIN X-----\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4v\nMDE=\n-----END X-----\n',
    ));
  it('may have CRLF, and no line end at the end', () => {
    expect(read(written.replaceAll('\n', '\r\n'))).toEqual(bytes(100));
    expect(read(written.trimEnd())).toEqual(bytes(100));
  });
  it.each<[string, (text: string) => string]>([
    ['text before it', (text) => `Certificate Request:\n${text}`],
    ['an empty line before it', (text) => `\n${text}`],
    ['text after it', (text) => `${text}x`],
    ['two line ends after it', (text) => `${text}\n`],
    ['a second block', (text) => text + text],
    ['another label', (text) => text.replaceAll(LABEL, 'CERTIFICATE')],
    ['the label of old programs', (text) => text.replaceAll(LABEL, `NEW ${LABEL}`)],
    ['another label at its end', (text) => text.replace(`END ${LABEL}`, 'END CERTIFICATE')],
    ['no end', (text) => text.split('-----END')[0] as string],
    ['no content', () => `-----BEGIN ${LABEL}-----\n-----END ${LABEL}-----\n`.replace('\n-', '\n\n-')],
    ['a header', (text) => text.replace('\n', '\nProc-Type: 4,ENCRYPTED\n\n')],
    ['an empty line inside', (text) => text.replace(/\n(?=\w)/, '\n\n')],
    ['a space in a line', (text) => text.replace(/\n(?=\w)/, '\n ')],
    ['a line of 65', (text) => text.replace(/\n(?=M)/, '')],
    ['base64url', (text) => text.replace(/AAEC/, 'AA-_')],
    ['no padding', (text) => text.replaceAll('=', '')],
    ['bits after its end', (text) => text.replace('w==', 'x==')],
    ['one line end only', (text) => text.replaceAll('\n', '')],
    ['a byte order mark', (text) => `\ufeff${text}`],
  ])('is refused with %s', (_what, change) => {
    expect(change(written)).not.toBe(written);
    expect(read(change(written))).toBeUndefined();
  });
  it('is refused when it is not UTF-8', () => expect(parsePem(LABEL, Uint8Array.of(0xff, 0xfe))).toBeUndefined());
  it('is refused when it is nothing', () => expect(read('')).toBeUndefined());
});
