/**
 * Bugs that are planted in one bundle of the simulation at a time, so that each rule and each invariant is seen to be guarded. Anti-entropy
 * mends what other rules break, so each is looked for with its rounds and without.
 */
import { patch } from './bug.ts';
import { CLUSTER_BUGS } from './cluster.ts';
import { COMPARING_BUGS } from './comparing.ts';
import { FORGETTING_BUGS } from './forgetting.ts';
import { ORDER_BUGS } from './order.ts';
import { PUSHING_BUGS } from './pushing.ts';
import { READ_BUGS } from './reads.ts';
import { ROOM_BUGS } from './room.ts';
import { TELLING_BUGS } from './telling.ts';
import { TRAIL_BUGS } from './trails.ts';
import type { Patch } from '../bundle.ts';
import type { PlantedBug } from './bug.ts';

export type { PlantedBug } from './bug.ts';

/** With the rounds of anti-entropy, or without. */
export type Mode = 'on' | 'off';
export const MODES: readonly Mode[] = ['on', 'off'];

export const PLANTED: readonly PlantedBug[] = [
  ...ORDER_BUGS,
  ...READ_BUGS,
  ...TELLING_BUGS,
  ...ROOM_BUGS,
  ...PUSHING_BUGS,
  ...COMPARING_BUGS,
  ...FORGETTING_BUGS,
  ...CLUSTER_BUGS,
  ...TRAIL_BUGS,
];

/** Rounds can be left out while it runs. Catching up compares as before; nothing does afterwards. */
const ROUNDS: Patch = patch(
  'core/replication/replication.ts',
  'if (isReady()) await rounds.next();',
  "if (isReady()) await (globalThis.dstRounds === 'off' ? undefined : rounds.next());",
);

export function patchesFor(bug: PlantedBug | undefined): readonly Patch[] {
  return [...(bug?.patches ?? []), ROUNDS];
}

export function modesOf({ isOfRounds = false }: PlantedBug): readonly Mode[] {
  return isOfRounds ? ['on'] : MODES;
}
