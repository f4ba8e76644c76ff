/** CBOR as a sender may write it, also as none should: pieces of bytes, put together by hand. Nothing of the reader under test is in it. */
import { concat, utf8 } from '../../core/wire/bytes.ts';

export const NULL = Uint8Array.of(0xf6);
export const BREAK = Uint8Array.of(0xff);

/** A head in its shortest form (RFC 8949 §3). */
export function head(major: number, argument: number): Uint8Array {
  const first = major << 5;
  if (argument < 24) return Uint8Array.of(first | argument);
  if (argument < 0x100) return Uint8Array.of(first | 24, argument);
  if (argument < 0x1_0000) return Uint8Array.of(first | 25, argument >> 8, argument & 0xff);
  if (argument < 0x1_0000_0000) return Uint8Array.of(first | 26, ...digits(argument, 4));
  return Uint8Array.of(first | 27, ...digits(argument, 8));
}

function digits(value: number, count: number): number[] {
  return Array.from({ length: count }, (_, index) => Math.floor(value / 0x100 ** (count - 1 - index)) % 0x100);
}

export function uint(value: number): Uint8Array {
  return head(0, value);
}

export function bytes(value: Uint8Array): Uint8Array {
  return concat(head(2, value.length), value);
}

export function text(value: string): Uint8Array {
  return concat(head(3, utf8(value).length), utf8(value));
}

export function list(...items: readonly Uint8Array[]): Uint8Array {
  return concat(head(4, items.length), ...items);
}

export type Entry = readonly [key: Uint8Array, value: Uint8Array];

export function table(...entries: readonly Entry[]): Uint8Array {
  return concat(head(5, entries.length), ...entries.flat());
}

/** Of indefinite length, as newer modules write theirs. */
export function openTable(...entries: readonly Entry[]): Uint8Array {
  return concat(Uint8Array.of(0xbf), ...entries.flat(), BREAK);
}

export function openList(...items: readonly Uint8Array[]): Uint8Array {
  return concat(Uint8Array.of(0x9f), ...items, BREAK);
}
