/** Tables of `docs/reliability.md`: what must hold, and what each planted bug took. A test holds the document against them. */
import { INVARIANTS } from './judges/invariants.ts';
import { CAUGHT } from './planted/caught.ts';
import { MODES, modesOf, PLANTED } from './planted/list.ts';
import type { Mode, PlantedBug } from './planted/list.ts';

export function invariantsTable(): string {
  const rows = Object.entries(INVARIANTS).map(([id, what]) => `| ${id} | ${what} |`);
  return ['| id | what must hold |', '|---|---|', ...rows].join('\n');
}

export function plantedTable(): string {
  const rows = PLANTED.map((bug) => `| \`${bug.name}\` | ${bug.rule} | ${MODES.map((mode) => tookOf(bug, mode)).join(' | ')} |`);
  return ['| bug | what is broken | on | off |', '|---|---|---|---|', ...rows].join('\n');
}

function tookOf(bug: PlantedBug, mode: Mode): string {
  const [, , took, id] = CAUGHT[bug.name]?.[mode]?.split(' ') ?? [];
  if (took !== undefined) return `${id}, ${took}`;
  return modesOf(bug).includes(mode) ? 'not found' : '–';
}
