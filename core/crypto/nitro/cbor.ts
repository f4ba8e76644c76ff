/**
 * CBOR (RFC 8949) as the Nitro Security Module writes it, and nothing more: integers, byte and text strings, lists, maps, null. Lists and
 * maps may have an indefinite length, as newer modules write their map; strings may not. Every head is in its shortest form, no key is
 * there twice, nothing follows the value. It reads strangers' bytes: depth is bounded, and no length is believed before its bytes came.
 */
import { parseUtf8 } from '../../wire/bytes.ts';
import { Unverified } from './fault.ts';

export type CborValue = null | number | string | Uint8Array | readonly CborValue[] | CborTable;
export type CborTable = ReadonlyMap<number | string, CborValue>;

const NULL = 0xf6;
const BREAK = 0xff;
const INDEFINITE = 31;
/** A document is a map of maps and lists of plain values; a COSE_Sign1 is a list with a map. */
const DEPTH_MAX = 2;

interface Cursor {
  readonly bytes: Uint8Array;
  at: number;
}

/** The one value that `bytes` are. Strings of bytes are views into them. */
export function decodeDocumentCbor(bytes: Uint8Array): CborValue {
  const cursor = { bytes, at: 0 };
  const value = readValue(cursor, 0);
  if (cursor.at !== bytes.length) throw malformed('bytes after the end');
  return value;
}

function readValue(cursor: Cursor, depth: number): CborValue {
  const initial = readByte(cursor);
  if (initial === NULL) return null;
  const info = initial & 0x1f;
  switch (initial >> 5) {
    case 0:
      return readArgument(cursor, info);
    case 1:
      return -1 - readArgument(cursor, info);
    case 2:
      return readSpan(cursor, readArgument(cursor, info));
    case 3:
      return readWords(cursor, info);
    case 4:
      return readArray(cursor, info, depth + 1);
    case 5:
      return readTable(cursor, info, depth + 1);
    default:
      throw malformed('a tag, a float or a simple value');
  }
}

function readWords(cursor: Cursor, info: number): string {
  const text = parseUtf8(readSpan(cursor, readArgument(cursor, info)));
  if (text === undefined) throw malformed('text that is no UTF-8');
  return text;
}

function readArray(cursor: Cursor, info: number, depth: number): CborValue[] {
  const count = readCountOf(cursor, info, depth);
  const items: CborValue[] = [];
  while (hasNext(cursor, count, items.length)) items.push(readValue(cursor, depth));
  return items;
}

function readTable(cursor: Cursor, info: number, depth: number): CborTable {
  const count = readCountOf(cursor, info, depth);
  const table = new Map<number | string, CborValue>();
  while (hasNext(cursor, count, table.size)) {
    const key = readValue(cursor, DEPTH_MAX);
    if (typeof key !== 'string' && typeof key !== 'number') throw malformed('a key that is neither text nor number');
    if (table.has(key)) throw malformed('a key that is there twice');
    table.set(key, readValue(cursor, depth));
  }
  return table;
}

/** How many items follow; `undefined` when a break ends them. */
function readCountOf(cursor: Cursor, info: number, depth: number): number | undefined {
  if (depth > DEPTH_MAX) throw malformed('nested too deep');
  return info === INDEFINITE ? undefined : readArgument(cursor, info);
}

function hasNext(cursor: Cursor, count: number | undefined, done: number): boolean {
  if (count !== undefined) return done < count;
  if (cursor.bytes[cursor.at] !== BREAK) return true;
  cursor.at += 1;
  return false;
}

/** The argument of a head (RFC 8949 §3), in its shortest form, up to 2^53 − 1. */
function readArgument(cursor: Cursor, info: number): number {
  if (info < 24) return info;
  if (info > 27) throw malformed('a length that is indefinite or reserved');
  const width = 2 ** (info - 24);
  let value = 0;
  for (const byte of readSpan(cursor, width)) value = value * 0x100 + byte;
  const least = width === 1 ? 24 : 0x100 ** (width / 2);
  if (value < least || !Number.isSafeInteger(value)) throw malformed('a number that is too long or too large');
  return value;
}

function readByte(cursor: Cursor): number {
  return readSpan(cursor, 1)[0] as number;
}

function readSpan(cursor: Cursor, length: number): Uint8Array {
  const end = cursor.at + length;
  if (end > cursor.bytes.length) throw malformed('cut short');
  const span = cursor.bytes.subarray(cursor.at, end);
  cursor.at = end;
  return span;
}

function malformed(detail: string): Unverified {
  return new Unverified('cbor_malformed', detail);
}
