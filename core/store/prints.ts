/**
 * Prints of records for the digest: the first half of SHA-256(digest key ‖ id), both of fixed length. A sum of prints tells two sets
 * apart, and without the key nobody can look for sets whose sums meet.
 */
import { digestOf } from '../crypto/digest.ts';
import { equalBytes } from '../wire/bytes.ts';
import { RECORD_ID_BYTES } from './record.ts';
import type { Epoch } from '../identity.ts';
import type { Print } from './sorted.ts';

export interface Printer {
  readonly epoch: Epoch;
  /** Whether it prints under that key: an epoch's secret can be replaced. */
  isUnder(key: Uint8Array): boolean;
  /** Of a 16-byte id. The lanes are written over by the next call. */
  print(id: Uint8Array): Print;
}

const LANES = 4;

export function createPrinter(epoch: Epoch, key: Uint8Array): Printer {
  const input = new Uint8Array(key.length + RECORD_ID_BYTES);
  input.set(key);
  const lanes = new Int32Array(LANES);
  return {
    epoch,
    isUnder: (other) => equalBytes(input.subarray(0, key.length), other),
    print(id) {
      input.set(id, key.length);
      const digest = digestOf(input);
      const view = new DataView(digest.buffer, digest.byteOffset, digest.byteLength);
      for (let lane = 0; lane < LANES; lane += 1) lanes[lane] = view.getInt32(lane * 4);
      return lanes;
    },
  };
}

export function printBytes(print: Print): Uint8Array {
  const bytes = new Uint8Array(print.length * 4);
  const view = new DataView(bytes.buffer);
  print.forEach((lane, index) => view.setInt32(index * 4, lane));
  return bytes;
}
