/**
 * CBOR (RFC 8949) between peers: definite lengths, no duplicate keys, maps as `Map` so that no key can reach a prototype.
 * Every reader throws `frame_malformed`, for what is too deep or too full `frame_too_deep` or `frame_too_full`; a map holds exactly the
 * members that its reader names.
 */
import { decode, encode } from 'cborg';
import { Refusal } from '../errors.ts';
import { parseWallet } from '../identity.ts';
import { requireBounded } from './cbor-shape.ts';
import type { Wallet } from '../identity.ts';

export type CborMap = ReadonlyMap<string, unknown>;

const ADDRESS_CHARS = 42;

export function encodeCbor(value: unknown): Uint8Array {
  return encode(value);
}

export function decodeCborMap(bytes: Uint8Array, members: readonly string[]): CborMap {
  requireBounded(bytes);
  let value: unknown;
  try {
    value = decode(bytes, {
      useMaps: true,
      strict: true,
      rejectDuplicateMapKeys: true,
      allowIndefinite: false,
      allowUndefined: false,
      allowInfinity: false,
      allowNaN: false,
    });
  } catch (error) {
    throw new Refusal('frame_malformed', 'not CBOR', error);
  }
  return readMap(value, members);
}

export function readMap(value: unknown, members: readonly string[]): CborMap {
  if (!(value instanceof Map)) throw new Refusal('frame_malformed', 'not a map');
  const odd = [...value.keys()].find((key) => typeof key !== 'string' || !members.includes(key));
  if (odd !== undefined) throw new Refusal('frame_malformed', 'a member that is not expected');
  return value as CborMap;
}

export function readText(map: CborMap, name: string, charsMax: number): string {
  const value = map.get(name);
  if (typeof value !== 'string' || value.length > charsMax) throw new Refusal('frame_malformed', `${name} is no text of ${charsMax}`);
  return value;
}

export function readBytes(map: CborMap, name: string, length: number | { readonly max: number }): Uint8Array {
  const value = map.get(name);
  const fits = value instanceof Uint8Array && (typeof length === 'number' ? value.length === length : value.length <= length.max);
  if (!fits) throw new Refusal('frame_malformed', `${name} is not of its length`);
  return value;
}

/** A wallet in its canonical text: `0x` and 40 hex digits. */
export function readWallet(map: CborMap, name: string): Wallet {
  const wallet = parseWallet(readText(map, name, ADDRESS_CHARS));
  if (!wallet) throw new Refusal('frame_malformed', `${name} is no address`);
  return wallet;
}

/** A whole number from 0 to 2^53 − 1. */
export function readCount(map: CborMap, name: string): number {
  const value = map.get(name);
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw new Refusal('frame_malformed', `${name} is no count`);
  return value;
}

export function readList<T>(map: CborMap, name: string, max: number, read: (item: unknown) => T): T[] {
  const value = map.get(name);
  if (!Array.isArray(value) || value.length > max) throw new Refusal('frame_malformed', `${name} is no list of at most ${max}`);
  return value.map(read);
}
