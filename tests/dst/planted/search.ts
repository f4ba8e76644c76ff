/** The search for planted bugs as a command: each in both modes, told as it is found, and written down if asked. */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { hunt } from './hunt.ts';
import { MODES, modesOf, PLANTED } from './list.ts';
import type { Caught } from './hunt.ts';
import type { Mode, PlantedBug } from './list.ts';

/** By bug and mode: what caught it, as one text. */
export type CaughtTable = Readonly<Record<string, Partial<Record<Mode, string>>>>;

const FILE = fileURLToPath(new URL('caught.ts', import.meta.url));
const HEAD = `/**
 * What \`npm run dst -- --planted\` found: profile, seed, how many runs it took, and the invariant that the bug breaks there, with the
 * rounds of anti-entropy and without. What is left out was not found, or is nothing to be found. Anew whenever schedules or limits change:
 * \`npm run dst -- --planted --record\`.
 */
import type { CaughtTable } from './search.ts';
`;

const textOf = ({ profile, seed, took, id }: Caught): string => `${profile} ${seed} ${took} ${id}`;

export interface Search {
  readonly bugs: readonly PlantedBug[];
  readonly seedsMax: number;
  readonly isRecorded: boolean;
  /** Bundles are made there; whoever made it takes it away. */
  readonly folder: string;
  readonly say: (line: string) => void;
}

/** Names of bugs that nothing caught in either mode. */
export async function searchPlanted({ bugs, seedsMax, isRecorded, folder, say }: Search): Promise<readonly string[]> {
  const found: Record<string, Partial<Record<Mode, string>>> = {};
  for (const bug of bugs)
    for (const mode of modesOf(bug)) {
      const caught = await hunt(bug, mode, { seedsMax, folder });
      const text = caught ? `${caught.id} after ${caught.took} (${caught.profile} ${caught.seed})` : `not in ${seedsMax}`;
      say(`${bug.name.padEnd(34)} rounds ${mode.padEnd(3)}  ${text}`);
      if (caught) found[bug.name] = { ...found[bug.name], [mode]: textOf(caught) };
    }
  if (isRecorded) writeFileSync(FILE, `${HEAD}\nexport const CAUGHT: CaughtTable = {\n${rowsOf(found)}\n};\n`);
  return bugs.map(({ name }) => name).filter((name) => !found[name]);
}

function rowsOf(found: CaughtTable): string {
  return PLANTED.map(({ name }) => {
    const modes = MODES.flatMap((mode) => (found[name]?.[mode] === undefined ? [] : [`${mode}: '${found[name]?.[mode]}'`]));
    return `  ${name}: { ${modes.join(', ')} },`;
  }).join('\n');
}
