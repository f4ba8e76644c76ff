/** A figure is a number with its unit and, where there is one, the target that it is held against. */

export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly target?: { readonly text: string; readonly isMet: boolean };
  readonly note?: string;
}

export function figure(name: string, value: number, unit: string, note?: string): Figure {
  return { name, value, unit, ...(note !== undefined && { note }) };
}

export function atLeast(minimum: number, of: Figure): Figure {
  return { ...of, target: { text: `≥ ${minimum} ${of.unit}`, isMet: of.value >= minimum } };
}

export function below(maximum: number, of: Figure): Figure {
  return { ...of, target: { text: `< ${maximum} ${of.unit}`, isMet: of.value < maximum } };
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

export function shown(value: number): string {
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** A table for people: Markdown, so that it reads the same in a terminal and in a document. */
export function table(figures: readonly Figure[]): string {
  const rows = figures.map(({ name, value, unit, target, note }) => [
    name,
    `${shown(value)} ${unit}`,
    target ? `${target.text} ${target.isMet ? '✓' : '✗'}` : '',
    note ?? '',
  ]);
  const header = ['figure', 'value', 'target', 'how'];
  return [header, header.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');
}
