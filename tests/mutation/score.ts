/** What a report of mutations comes to, and what nobody noticed in it. */

export interface Mutant {
  readonly status: 'Killed' | 'Timeout' | 'Survived' | 'NoCoverage' | 'CompileError' | 'RuntimeError' | 'Ignored' | 'Pending';
  readonly mutatorName: string;
  readonly replacement?: string;
  readonly location: { readonly start: { readonly line: number } };
}

/** Of the mutation testing report schema, what is read here. */
export interface Report {
  readonly files: Readonly<Record<string, { readonly source: string; readonly mutants: readonly Mutant[] }>>;
}

export interface Survivor {
  readonly file: string;
  readonly line: number;
  readonly source: string;
  readonly becomes: string;
}

export interface Score {
  readonly mutants: number;
  readonly killed: number;
  /** Of 100: killed, or never ending, of all that could run. */
  readonly percent: number;
  readonly survivors: readonly Survivor[];
}

const SHOWN_CHARS = 90;
const short = (text: string): string => text.replaceAll(/\s+/g, ' ').trim().slice(0, SHOWN_CHARS);

/** What does not compile or run is no mutant; what no test ran counts as not noticed. */
export function scoreOf({ files }: Report): Score {
  const all = Object.entries(files).flatMap(([file, { source, mutants }]) => mutants.map((mutant) => ({ file, source, mutant })));
  const counted = all.filter(({ mutant }) => ['Killed', 'Timeout', 'Survived', 'NoCoverage'].includes(mutant.status));
  const alive = counted.filter(({ mutant }) => mutant.status === 'Survived' || mutant.status === 'NoCoverage');
  const killed = counted.length - alive.length;
  return {
    mutants: counted.length,
    killed,
    percent: counted.length === 0 ? 0 : (100 * killed) / counted.length,
    survivors: alive.map(({ file, source, mutant: { location, mutatorName, replacement } }) => ({
      file,
      line: location.start.line,
      source: short(source.split('\n')[location.start.line - 1] ?? ''),
      becomes: short(replacement ?? mutatorName),
    })),
  };
}
