/** What an enclave measures of itself: 48 bytes each of image, kernel and application. */
import { keccak_256 } from '@noble/hashes/sha3.js';
import { concat, hex, parseHex } from '../../core/wire/bytes.ts';
import type { Hash } from '../../core/identity.ts';

export interface Pcrs {
  readonly pcr0: `0x${string}`;
  readonly pcr1: `0x${string}`;
  readonly pcr2: `0x${string}`;
}

/** They differ by their seed. */
export function pcrsOf(seed: number): Pcrs {
  const byte = (value: number): string => value.toString(16).padStart(2, '0');
  const pcr = (index: number) => `0x${byte(seed)}${byte(index)}${'5a'.repeat(46)}` as const;
  return { pcr0: pcr(0), pcr1: pcr(1), pcr2: pcr(2) };
}

export function pcrBytes({ pcr0, pcr1, pcr2 }: Pcrs): readonly Uint8Array[] {
  return [pcr0, pcr1, pcr2].map((digits) => parseHex(digits) as Uint8Array);
}

/** As the app registry computes it of the three. */
export function measurementOf(pcrs: Pcrs): Hash {
  return `0x${hex(keccak_256(concat(...pcrBytes(pcrs))))}` as Hash;
}
