/**
 * Items in order, with how many lie before a bound and the sum of their prints: a B+-tree in memory. The order is the caller's, and two
 * items that compare equal cannot both be there. What an item compares by, its rank and its print must not change while it is in.
 *
 * Items are spread over all memory, and looking at one costs more than the rest of a step: where a number tells most of the order, it
 * lies in the nodes.
 */
import { assert } from '../errors.ts';
import { addLanes, LANES, lastOf, lastRankOf, lowerBound, printsOf, toSum } from './tree.ts';
import type { Inner, Node, Print, Probe, Sum } from './tree.ts';

export type { Print, Probe, Sum } from './tree.ts';

export interface SortedIndexOptions<T> {
  readonly compare: (a: T, b: T) => number;
  /** A number that never falls along the order. Items of equal rank are compared. */
  readonly rankOf?: (item: T) => number;
  readonly printOf?: (item: T) => Print;
}

export interface SortedIndex<T> {
  size(): number;
  /** The item must not be there. */
  add(item: T): void;
  /** False when nothing there compares equal. */
  delete(item: T): boolean;
  first(): T | undefined;
  last(): T | undefined;
  /** Items at or after the bound, ascending. The index must not change while it is walked. Items of another rank are not asked. */
  from(bound: Probe<T>, rank?: number): Generator<T, void>;
  /** The item with so many before it. */
  at(rank: number): T | undefined;
  /** Of all items before the bound. Items of another rank are not asked. */
  below(bound: Probe<T>, rank?: number): Sum;
  /** Of all items. */
  total(): Sum;
}

const ITEMS_MAX = 64;
/** A node that overflows is halved, but at the right end of the tree it keeps this many: appending leaves nodes nearly full. */
const ITEMS_KEPT_BY_APPEND = 60;
/** A node with fewer after a deletion joins its neighbour. */
const ITEMS_MIN = 16;
/** Joined nodes with more share evenly instead, so that neither is soon to split or to join again. */
const ITEMS_JOINED_MAX = 48;

export function createSortedIndex<T>({ compare, rankOf = () => 0, printOf }: SortedIndexOptions<T>): SortedIndex<T> {
  const lanes = printOf ? LANES : 1;
  const whole = new Int32Array(LANES);
  const unit = Int32Array.of(1, 0, 0, 0, 0);
  let root: Node<T> = { items: [], ranks: [], inner: undefined, prints: undefined, next: undefined };
  let changes = 0;

  function createInner(children: Node<T>[]): Inner<T> {
    return { children, sums: new Int32Array((ITEMS_MAX + ITEMS_MIN) * lanes) };
  }

  /** Makes `unit` the sum of one item. */
  function weigh(item: T): void {
    if (printOf) unit.set(printOf(item), 1);
  }

  /** Adds to `sum` what the node's entries from `start` to `end` hold. */
  function gather(sum: Int32Array, node: Node<T>, start: number, end: number): Int32Array {
    const { items, inner } = node;
    if (inner) {
      for (let i = start; i < end; i += 1) addLanes(sum, 0, inner.sums, i * lanes, lanes);
    } else {
      sum[0] = (sum[0] as number) + end - start;
      if (start < end && printOf) node.prints ??= printsOf(items, printOf);
      if (node.prints) for (let i = start; i < end; i += 1) addLanes(sum, 1, node.prints, i * (LANES - 1), LANES - 1);
    }
    return sum;
  }

  /** The child keeps its first `kept` entries; a new node beside it takes the others. */
  function split({ items, ranks, inner }: Node<T>, at: number, kept: number): void {
    const { children, sums } = inner as Inner<T>;
    const left = children[at] as Node<T>;
    const right: Node<T> = {
      items: left.items.slice(kept),
      ranks: left.ranks.slice(kept),
      inner: left.inner && createInner(left.inner.children.splice(kept)),
      prints: left.prints?.slice(kept * (LANES - 1)),
      next: left.next,
    };
    if (left.inner) right.inner?.sums.set(left.inner.sums.subarray(kept * lanes));
    left.items = left.items.slice(0, kept);
    left.ranks = left.ranks.slice(0, kept);
    left.prints = left.prints?.slice(0, kept * (LANES - 1));
    left.next = right;
    items.splice(at, 0, lastOf(left));
    ranks.splice(at, 0, lastRankOf(left));
    children.splice(at + 1, 0, right);
    const moved = gather(new Int32Array(LANES), right, 0, right.items.length);
    sums.copyWithin((at + 1) * lanes, at * lanes);
    sums.set(moved.subarray(0, lanes), (at + 1) * lanes);
    addLanes(sums, at * lanes, moved, 0, lanes, -1);
  }

  /** The child and the one to its right become one, or two again with half of the entries each. */
  function join(parent: Node<T>, at: number): void {
    const { children, sums } = parent.inner as Inner<T>;
    const left = children[at] as Node<T>;
    const [right] = children.splice(at + 1, 1) as [Node<T>];
    if (left.inner && right.inner) {
      left.inner.sums.set(right.inner.sums.subarray(0, right.items.length * lanes), left.items.length * lanes);
      left.inner.children.push(...right.inner.children);
    }
    left.items = left.items.concat(right.items);
    left.ranks = left.ranks.concat(right.ranks);
    left.prints = undefined;
    left.next = right.next;
    parent.items.splice(at, 1);
    parent.ranks.splice(at, 1);
    addLanes(sums, at * lanes, sums, (at + 1) * lanes, lanes);
    sums.copyWithin((at + 1) * lanes, (at + 2) * lanes);
    if (left.items.length > ITEMS_JOINED_MAX) split(parent, at, left.items.length >> 1);
  }

  /** Adds the item that `unit` is of. A node that overflows is for its parent to split. */
  function insert(node: Node<T>, item: T, rank: number, bound: Probe<T>): void {
    const { items, ranks, inner } = node;
    const found = lowerBound(node, bound, rank);
    if (!inner) {
      assert(ranks[found] !== rank || bound(items[found] as T) !== 0, 'an item is added once');
      items.splice(found, 0, item);
      ranks.splice(found, 0, rank);
      node.prints = undefined;
      return;
    }
    const at = Math.min(found, items.length - 1);
    const child = inner.children[at] as Node<T>;
    insert(child, item, rank, bound);
    items[at] = lastOf(child);
    ranks[at] = lastRankOf(child);
    addLanes(inner.sums, at * lanes, unit, 0, lanes);
    if (child.items.length > ITEMS_MAX) split(node, at, found > at ? ITEMS_KEPT_BY_APPEND : ITEMS_MAX >> 1);
  }

  /** Removes the item at the bound, if there is one; `unit` is then of it. A node with too few is for its parent to join. */
  function remove(node: Node<T>, bound: Probe<T>, rank: number): boolean {
    const { items, ranks, inner } = node;
    const at = lowerBound(node, bound, rank);
    if (at === items.length) return false;
    if (!inner) {
      if (ranks[at] !== rank || bound(items[at] as T) !== 0) return false;
      weigh(items[at] as T);
      items.splice(at, 1);
      ranks.splice(at, 1);
      node.prints = undefined;
      return true;
    }
    const child = inner.children[at] as Node<T>;
    if (!remove(child, bound, rank)) return false;
    items[at] = lastOf(child);
    ranks[at] = lastRankOf(child);
    addLanes(inner.sums, at * lanes, unit, 0, lanes, -1);
    if (child.items.length < ITEMS_MIN) join(node, Math.max(at - 1, 0));
    return true;
  }

  /** A new root above one that overflows. */
  function grow(kept: number): void {
    const inner = createInner([root]);
    inner.sums.set(whole.subarray(0, lanes));
    root = { items: [lastOf(root)], ranks: [lastRankOf(root)], inner, prints: undefined, next: undefined };
    split(root, 0, kept);
  }

  function at(rank: number): T | undefined {
    if (!(rank >= 0 && rank < (whole[0] as number))) return undefined;
    let node = root;
    let left = rank;
    while (node.inner) {
      const { children, sums } = node.inner;
      let i = 0;
      for (; left >= (sums[i * lanes] as number); i += 1) left -= sums[i * lanes] as number;
      node = children[i] as Node<T>;
    }
    return node.items[left];
  }

  return {
    size: () => whole[0] as number,
    add(item) {
      weigh(item);
      insert(root, item, rankOf(item), (other) => compare(other, item));
      addLanes(whole, 0, unit, 0, lanes);
      changes += 1;
      if (root.items.length > ITEMS_MAX) grow(lastOf(root) === item ? ITEMS_KEPT_BY_APPEND : ITEMS_MAX >> 1);
    },
    delete(item) {
      if (!remove(root, (other) => compare(other, item), rankOf(item))) return false;
      addLanes(whole, 0, unit, 0, lanes, -1);
      changes += 1;
      if (root.inner?.children.length === 1) root = root.inner.children[0] as Node<T>;
      return true;
    },
    first: () => at(0),
    last: () => lastOf(root),
    *from(bound, rank) {
      const begun = changes;
      let node: Node<T> | undefined = root;
      let i = lowerBound(root, bound, rank);
      while (node.inner && i < node.items.length) {
        node = node.inner.children[i] as Node<T>;
        i = lowerBound(node, bound, rank);
      }
      for (; node; node = node.next, i = 0) {
        for (const { items } = node; i < items.length; i += 1) {
          assert(changes === begun, 'an index does not change while it is walked');
          yield items[i] as T;
        }
      }
    },
    at,
    below(bound, rank) {
      const sum = new Int32Array(LANES);
      for (let node: Node<T> | undefined = root; node;) {
        const end: number = lowerBound(node, bound, rank);
        gather(sum, node, 0, end);
        node = node.inner?.children[end];
      }
      return toSum(sum);
    },
    total: () => toSum(whole),
  };
}
