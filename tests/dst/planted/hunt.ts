/** Looks for the first seed in which a planted bug is caught. */
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { bundle } from '../bundle.ts';
import { patchesFor } from './list.ts';
import type { InvariantId } from '../judges/invariants.ts';
import type { Mode, PlantedBug } from './list.ts';
import type { RunOptions, RunResult } from '../run.ts';
import type { ProfileName } from '../world/schedule.ts';

export interface Caught {
  readonly profile: ProfileName;
  readonly seed: number;
  /** How many runs it took. */
  readonly took: number;
  readonly id: InvariantId;
}

export type RunSeed = (options: RunOptions) => Promise<RunResult>;

export interface Hunt {
  readonly seedsMax: number;
  /** Bundles are made there. */
  readonly folder: string;
}

/** `act` with the simulation that has this bug, or none. */
async function withBug<T>(bug: PlantedBug | undefined, mode: Mode, within: string, act: (runSeed: RunSeed) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(within, 'planted-'));
  try {
    const outfile = join(folder, 'simulation.mjs');
    await bundle({ outfile, patches: patchesFor(bug) });
    const { runSeed } = (await import(pathToFileURL(outfile).href)) as { readonly runSeed: RunSeed };
    return await act((options) => {
      Object.assign(globalThis, { dstRounds: mode });
      return runSeed(options);
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * Seeds from 0 up, of each of the bug's profiles in turn, until one is caught that breaks nothing without the bug; `undefined` when none
 * of `seedsMax` is. A run that breaks something else than the bug is expected to does not count. Without rounds an honest run may break:
 * a member that was away gets what it missed by them alone.
 */
export async function hunt(bug: PlantedBug, mode: Mode, { seedsMax, folder }: Hunt): Promise<Caught | undefined> {
  const isClean = ({ violation }: RunResult) => violation === undefined;
  return await withBug(undefined, mode, folder, (honest) =>
    withBug(bug, mode, folder, async (runSeed) => {
      for (let took = 1; took <= seedsMax; took += 1) {
        const seed = Math.floor((took - 1) / bug.profiles.length);
        const profile = bug.profiles[(took - 1) % bug.profiles.length] as ProfileName;
        const id = (await runSeed({ seed, profile })).violation?.id as InvariantId | undefined;
        if (id !== undefined && bug.expects.includes(id) && isClean(await honest({ seed, profile }))) return { profile, seed, took, id };
      }
      return undefined;
    }),
  );
}
