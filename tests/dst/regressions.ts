/** Runs that once broke an invariant because of a fault of the node: their schedules, cut down, are played for ever. */
import type { Item, ProfileName } from './world/schedule.ts';

export interface Regression {
  readonly what: string;
  readonly profile: ProfileName;
  readonly seed: number;
  readonly schedule?: readonly Item[];
}

export const REGRESSIONS: readonly Regression[] = [
  {
    what: 'a node that saw an activation undone at the head and at the confirmed block at once served on without the secret until its tick was over',
    profile: 'chain',
    seed: 1_008_376,
    schedule: [
      { atMs: 14_226, does: { kind: 'rpc_lag', slot: 'n0', blocks: 4, forMs: 7_736 } },
      { atMs: 16_399, does: { kind: 'reorg', depth: 5 } },
    ],
  },
  {
    what: 'a node that saw a rotation undone said until its tick was over that it served the epoch whose secret it had put back',
    profile: 'chain',
    seed: 3_016_019,
    schedule: [
      { atMs: 14_633, does: { kind: 'rotate' } },
      { atMs: 31_290, does: { kind: 'reorg', depth: 3 } },
      { atMs: 32_677, does: { kind: 'reorg', depth: 3 } },
    ],
  },
];
