/**
 * The shape of a peer's CBOR before anything is made of it: how deep it is, and of how many items. A decoder that calls itself for each level
 * ends with the stack, and two megabytes of empty maps are two million maps: seconds of work, and half a gigabyte. One pass, no recursion.
 */
import { Refusal } from '../errors.ts';
import { CBOR_DEPTH_MAX, CBOR_ITEMS_MAX } from '../limits.ts';

/** Major types of RFC 8949 §3.1 that are followed by bytes or items; a tag is followed by one item, and is refused by who decodes. */
const [BYTES, TEXT, LIST, MAP, TAG] = [2, 3, 4, 5, 6];

/** Throws `frame_too_deep`, `frame_too_full`, or `frame_malformed` for what is cut short or has no definite length. */
export function requireBounded(bytes: Uint8Array): void {
  /** How many items each list or map that is open still waits for, the innermost last. */
  const waiting: number[] = [1];
  let at = 0;
  for (let items = 1; waiting.length > 0; items += 1) {
    if (items > CBOR_ITEMS_MAX) throw new Refusal('frame_too_full', `more than ${CBOR_ITEMS_MAX} items`);
    const { end, inside } = readItem(bytes, at);
    at = end;
    waiting.push((waiting.pop() as number) - 1);
    if (inside > 0 && waiting.push(inside) > CBOR_DEPTH_MAX + 1) throw new Refusal('frame_too_deep', `deeper than ${CBOR_DEPTH_MAX}`);
    while (waiting.at(-1) === 0) waiting.pop();
  }
}

/** Where an item's own bytes end, and how many items are inside it. */
function readItem(bytes: Uint8Array, at: number): { readonly end: number; readonly inside: number } {
  const initial = bytes[at];
  const [major, low] = [(initial ?? 0) >> 5, (initial ?? 0) & 0x1f];
  const start = at + 1 + (low < 24 ? 0 : 2 ** (low - 24));
  if (initial === undefined || low > 27 || start > bytes.length) throw cutShort();
  let argument = low < 24 ? low : 0;
  for (let digit = at + 1; digit < start; digit += 1) argument = argument * 0x100 + (bytes[digit] as number);
  if (major === LIST || major === MAP) return { end: start, inside: major === MAP ? 2 * argument : argument };
  const end = major === BYTES || major === TEXT ? start + argument : start;
  if (end > bytes.length) throw cutShort();
  return { end, inside: major === TAG ? 1 : 0 };
}

function cutShort(): Refusal {
  return new Refusal('frame_malformed', 'CBOR that is cut short, or of no definite length');
}
