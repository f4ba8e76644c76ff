/**
 * Records by the sequence of their last change. Sequences only grow and most of the older ones are gone, so they lie in segments: each
 * a map in order of arrival, dropped when it is empty. Adding, removing and finding a place cost the same whatever is held.
 */
import type { Stored } from './stored.ts';

const SEGMENT = 1_024;

export interface ChangeLog {
  /** The sequence must be higher than all before. */
  add(record: Stored): void;
  delete(record: Stored): void;
  size(): number;
  /** Records with a later sequence, ascending. Must not be walked across a change. */
  after(sequence: number): Generator<Stored, void>;
}

export function createChangeLog(): ChangeLog {
  const segments = new Map<number, Map<number, Stored>>();
  let lastSegment = -1;
  let size = 0;

  /** By number where few are ahead, in order of arrival where most of the numbers are empty. */
  function* from(first: number): Generator<Map<number, Stored>, void> {
    if (lastSegment - first > segments.size) {
      for (const [index, segment] of segments) if (index >= first) yield segment;
      return;
    }
    for (let index = first; index <= lastSegment; index += 1) {
      const segment = segments.get(index);
      if (segment) yield segment;
    }
  }

  return {
    add(record) {
      const index = Math.floor(record.sequence / SEGMENT);
      const segment = segments.get(index) ?? new Map<number, Stored>();
      segments.set(index, segment.set(record.sequence, record));
      lastSegment = index;
      size += 1;
    },
    delete({ sequence }) {
      const index = Math.floor(sequence / SEGMENT);
      const segment = segments.get(index);
      if (!segment?.delete(sequence)) return;
      if (segment.size === 0) segments.delete(index);
      size -= 1;
    },
    size: () => size,
    *after(sequence) {
      const first = Math.floor(sequence / SEGMENT);
      for (const segment of from(first)) for (const record of segment.values()) if (record.sequence > sequence) yield record;
    },
  };
}
