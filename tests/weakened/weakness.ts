/** What a weakness is: text of the node or its contracts that is replaced while a test runs, and the test that must fail of it. */
import type { Patch } from '../dst/bundle.ts';

export interface Weakness {
  /** The findings that it is about. */
  readonly ids: readonly string[];
  /** What the weaker one does. */
  readonly what: string;
  /** A file of tests; at least one that has such an id in its name must fail. */
  readonly test: string;
  readonly patches: readonly Patch[];
}

export function weakness(ids: string, what: string, test: string, ...patches: readonly Patch[]): Weakness {
  return { ids: ids.split(' '), what, test, patches };
}

export function patch(file: string, find: string, put: string): Patch {
  return { file, find, put };
}
