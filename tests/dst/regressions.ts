/** Runs that once broke an invariant because of a fault of the node: their schedules, cut down, are played for ever. */
import type { Item, ProfileName } from './world/schedule.ts';

export interface Regression {
  readonly what: string;
  readonly profile: ProfileName;
  readonly seed: number;
  readonly schedule?: readonly Item[];
}

export const REGRESSIONS: readonly Regression[] = [];
