/** What a planted bug is: text of the node that is replaced in one bundle of the simulation, and what has to find it. */
import type { Patch } from '../bundle.ts';
import type { InvariantId } from '../judges/invariants.ts';
import type { ProfileName } from '../world/schedule.ts';

export interface PlantedBug {
  readonly name: string;
  /** Which rule is broken, and how. */
  readonly rule: string;
  /** Any of these shows it. */
  readonly expects: readonly InvariantId[];
  readonly patches: readonly Patch[];
  /** Where to look. */
  readonly profiles: readonly ProfileName[];
  /** It is a bug of anti-entropy, or of what only anti-entropy uses: without its rounds there is nothing to be seen. */
  readonly isOfRounds?: boolean;
}

export function patch(file: string, find: string, put: string): Patch {
  return { file, find, put };
}
