/** PEM (RFC 7468): one block with one label, and nothing around it. */
import { base64, parseBase64, parseUtf8 } from '../wire/bytes.ts';

const LINE_CHARS = 64;

/** Ends with a line feed, so that blocks can be put one after the other. */
export function encodePem(label: string, der: Uint8Array): string {
  const text = base64(der);
  const lines = Array.from({ length: Math.ceil(text.length / LINE_CHARS) }, (_, index) =>
    text.slice(index * LINE_CHARS, (index + 1) * LINE_CHARS),
  );
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n');
}

/** Exactly one block of that label, lines of 1 to 64 characters, LF or CRLF, with or without one at the end. */
export function parsePem(label: string, bytes: Uint8Array): Uint8Array | undefined {
  const lines = (parseUtf8(bytes) ?? '').split(/\r?\n/);
  if (lines.at(-1) === '') lines.pop();
  const [first, last] = [lines.shift(), lines.pop()];
  if (first !== `-----BEGIN ${label}-----` || last !== `-----END ${label}-----`) return undefined;
  return lines.every((line) => line.length >= 1 && line.length <= LINE_CHARS) ? parseBase64(lines.join('')) : undefined;
}
