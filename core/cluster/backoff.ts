/**
 * How long to wait before what failed is tried again: twice as long after each failure, within two bounds, and not when all others
 * that failed with it do. Pure.
 */

export interface BackoffBounds {
  readonly minMs: number;
  readonly maxMs: number;
}

/** After so many failures in a row, from 1 up; `random`: one byte, which makes it between half of the time and all of it. */
export function backoffAfter(failures: number, { minMs, maxMs }: BackoffBounds, [random = 0]: Uint8Array): number {
  const fullMs = Math.min(maxMs, minMs * 2 ** (failures - 1));
  return fullMs * (0.5 + random / 510);
}
