/**
 * DER (X.690): what a certificate needs written, and what a CSR needs read. The reader takes strangers' bytes: one pass, no
 * recursion, nothing but definite lengths in their shortest form. It judges the structure; of what primitive contents mean it knows
 * numbers alone.
 */
import { concat, parseHex } from '../wire/bytes.ts';

export const SEQUENCE = 0x30;
export const SET = 0x31;
export const BOOLEAN = 0x01;
export const INTEGER = 0x02;
export const BIT_STRING = 0x03;
export const OCTET_STRING = 0x04;
export const OBJECT_IDENTIFIER = 0x06;
export const UTF8_STRING = 0x0c;
export const UTC_TIME = 0x17;
export const GENERALIZED_TIME = 0x18;

/** One element; both are views into the bytes that were read. */
export interface Element {
  readonly tag: number;
  /** With tag and length. */
  readonly whole: Uint8Array;
  readonly content: Uint8Array;
}

export function encodeDer(tag: number, ...contents: readonly Uint8Array[]): Uint8Array {
  const length = contents.reduce((sum, part) => sum + part.length, 0);
  return concat(Uint8Array.of(tag, ...encodeLength(length)), ...contents);
}

export function sequence(...contents: readonly Uint8Array[]): Uint8Array {
  return encodeDer(SEQUENCE, ...contents);
}

function encodeLength(length: number): number[] {
  if (length < 0x80) return [length];
  return length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
}

/** An object identifier as `1.2.840…`. */
export function objectId(dotted: string): Uint8Array {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  return encodeDer(OBJECT_IDENTIFIER, Uint8Array.from([first * 40 + second, ...rest].flatMap(base128)));
}

function base128(value: number): number[] {
  const digits = [value & 0x7f];
  for (let left = value >> 7; left > 0; left >>= 7) digits.unshift((left & 0x7f) | 0x80);
  return digits;
}

/** Bytes known in advance, as hex. */
export function bytesOf(hexadecimal: string): Uint8Array {
  return parseHex(hexadecimal) as Uint8Array;
}

/** The one element that `bytes` are, itself and everything in it well-formed; `undefined` for anything else. */
export function parseDer(bytes: Uint8Array, depthMax: number): Element | undefined {
  const ends: number[] = [];
  let offset = 0;
  while (offset < bytes.length) {
    const header = readHeader(bytes, offset);
    const end = header && header.start + header.length;
    if (header === undefined || end === undefined || end > (ends.at(-1) ?? bytes.length)) return undefined;
    if (ends.length === 0 && end !== bytes.length) return undefined;
    offset = header.isConstructed ? header.start : end;
    if (header.isConstructed && ends.push(end) > depthMax) return undefined;
    while (ends.at(-1) === offset) ends.pop();
  }
  return bytes.length === 0 ? undefined : elementAt(bytes, 0);
}

/** The elements inside one that `parseDer` has found well-formed. */
export function childrenOf({ content }: Element): Element[] {
  const children: Element[] = [];
  for (let offset = 0; offset < content.length;) {
    const child = elementAt(content, offset);
    children.push(child);
    offset += child.whole.length;
  }
  return children;
}

/** An INTEGER above zero in its shortest form: one encoding for one number. */
export function isPositive({ tag, content }: Element): boolean {
  const [first, second] = content;
  if (tag !== INTEGER || first === undefined || first >= 0x80) return false;
  return first > 0 || (second !== undefined && second >= 0x80);
}

function elementAt(bytes: Uint8Array, offset: number): Element {
  const { tag, start, length } = readHeader(bytes, offset) as Header;
  return { tag, whole: bytes.subarray(offset, start + length), content: bytes.subarray(start, start + length) };
}

interface Header {
  readonly tag: number;
  readonly isConstructed: boolean;
  /** Where its content starts. */
  readonly start: number;
  readonly length: number;
}

function readHeader(bytes: Uint8Array, offset: number): Header | undefined {
  const [tag, first] = [bytes[offset], bytes[offset + 1]];
  if (tag === undefined || first === undefined || !isTag(tag)) return undefined;
  const isConstructed = (tag & 0x20) !== 0;
  if (first < 0x80) return { tag, isConstructed, start: offset + 2, length: first };
  // 0x80 is the indefinite form of BER; four length bytes and more are beyond any limit here.
  const lengthBytes = first & 0x7f;
  if (lengthBytes === 0 || lengthBytes > 3) return undefined;
  const start = offset + 2 + lengthBytes;
  let length = 0;
  for (const byte of bytes.subarray(offset + 2, start)) length = length * 0x100 + byte;
  const isShortest = start <= bytes.length && length >= 0x80 && length >= 0x100 ** (lengthBytes - 1);
  return isShortest ? { tag, isConstructed, start, length } : undefined;
}

/** One byte long; of the universal ones SEQUENCE and SET are constructed and nothing else is, as DER has it. */
function isTag(tag: number): boolean {
  const number = tag & 0x1f;
  if (number === 0x1f || tag === 0) return false;
  return tag >= 0x40 || ((tag & 0x20) !== 0) === (number === 0x10 || number === 0x11);
}
