/**
 * Bugs that are planted in one bundle of the simulation at a time, so that each rule and each invariant is seen to be guarded. Anti-entropy
 * mends what other rules break, so each is looked for with its rounds and without.
 */
import { patch } from './planted/bug.ts';
import { CLUSTER_BUGS } from './planted/cluster.ts';
import { REPLICATION_BUGS } from './planted/replication.ts';
import { STORE_BUGS } from './planted/store.ts';
import type { Patch } from './bundle.ts';
import type { PlantedBug } from './planted/bug.ts';

export type { PlantedBug } from './planted/bug.ts';

/** With the rounds of anti-entropy, or without. */
export type Mode = 'on' | 'off';
export const MODES: readonly Mode[] = ['on', 'off'];

export const PLANTED: readonly PlantedBug[] = [...STORE_BUGS, ...REPLICATION_BUGS, ...CLUSTER_BUGS];

/** Catching up compares as before; nothing does afterwards. */
const ROUNDS_OFF: Patch = patch(
  'core/replication/replication.ts',
  'if (isReady()) await rounds.next();',
  'if (isReady()) await Promise.resolve();',
);

export function patchesFor(bug: PlantedBug | undefined, mode: Mode): readonly Patch[] {
  return [...(bug?.patches ?? []), ...(mode === 'off' ? [ROUNDS_OFF] : [])];
}

export function modesOf({ isOfRounds = false }: PlantedBug): readonly Mode[] {
  return isOfRounds ? ['on'] : MODES;
}
