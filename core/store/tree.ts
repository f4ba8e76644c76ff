/** What an ordered index is made of: its nodes, the sums that they carry, and the search within one. */

/** 128 bits as four lanes of 32, added lane by lane (mod 2^32). */
export type Print = Int32Array;

/** How an item lies to a bound: below 0 before it, 0 or more at or after it. Must be monotonic over the order. */
export type Probe<T> = (item: T) => number;

/** How many items, and the sum of their prints: zero when the index takes none. */
export interface Sum {
  readonly count: number;
  readonly print: Print;
}

/** Of a sum: the count, then the print. */
export const LANES = 5;
const PRINT_LANES = LANES - 1;

export interface Node<T> {
  /** A leaf's items; of an inner node, the last item under each child. */
  items: T[];
  /** Of each item. */
  ranks: number[];
  readonly inner: Inner<T> | undefined;
  /** Of a leaf's items, once they were asked for and until they change. */
  prints: Int32Array | undefined;
  /** The node to the right on the same level. */
  next: Node<T> | undefined;
}

export interface Inner<T> {
  readonly children: Node<T>[];
  /** The sum of each child, one after the other. */
  readonly sums: Int32Array;
}

/** How many of the node's items lie before the bound. */
export function lowerBound<T>({ items, ranks }: Node<T>, bound: Probe<T>, rank?: number): number {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const apart = rank === undefined ? 0 : (ranks[middle] as number) - rank;
    if ((apart || bound(items[middle] as T)) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Undefined for the empty root alone. */
export function lastOf<T>({ items }: Node<T>): T {
  return items[items.length - 1] as T;
}

export function lastRankOf<T>({ ranks }: Node<T>): number {
  return ranks[ranks.length - 1] as number;
}

export function addLanes(to: Int32Array, toAt: number, from: Int32Array, fromAt: number, lanes: number, sign: 1 | -1 = 1): void {
  for (let i = 0; i < lanes; i += 1) to[toAt + i] = ((to[toAt + i] as number) + sign * (from[fromAt + i] as number)) | 0;
}

export function toSum(lanes: Int32Array): Sum {
  return { count: lanes[0] as number, print: lanes.slice(1) };
}

/** The prints of items, one after the other. */
export function printsOf<T>(items: readonly T[], printOf: (item: T) => Print): Int32Array {
  const prints = new Int32Array(items.length * PRINT_LANES);
  items.forEach((item, index) => prints.set(printOf(item), index * PRINT_LANES));
  return prints;
}
