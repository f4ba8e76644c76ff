/** What a person reads of runs: tables of totals, one run, a schedule. */
import { table } from '../simulation/narrate.ts';
import type { RunResult } from './run.ts';
import type { FaultKind, Item } from './world/schedule.ts';
import type { Totals } from './sweep.ts';

const HOUR_MS = 3_600_000;

function sumsOf({ sums }: Totals, kind: string): [string, number][] {
  return Object.entries(sums)
    .filter(([name]) => name.startsWith(`${kind} `))
    .map(([name, value]): [string, number] => [name.slice(kind.length + 1), value])
    .toSorted((a, b) => b[1] - a[1]);
}

/** Every kind that there is, by the compiler's word; one at zero is to be seen. */
export const FAULT_KINDS = Object.keys({
  ...{ cut: 1, isolate: 1, loss: 1, duplicate: 1, slow: 1, clog: 1, crash: 1, skew: 1, rpc_down: 1, odyn_down: 1, stop: 1, rpc_lag: 1 },
  ...{ reorg: 1, late_transactions: 1, lost_activations: 1, join: 1, rotate: 1, retire: 1, revoke_app: 1 },
} satisfies Record<FaultKind, 1>);

export function reportTotals(totals: Totals, seconds: number): string {
  const operations = sumsOf(totals, 'operation');
  const asked = operations.reduce((sum, [, value]) => sum + value, 0);
  const faults = new Map(sumsOf(totals, 'fault'));
  const rows = [
    ['seeds', String(totals.seeds)],
    ['virtual hours', (totals.virtualMs / HOUR_MS).toFixed(1)],
    ['seconds', seconds.toFixed(1)],
    ['slowest to come to rest', `${totals.slowest.settledMs / 1_000} s, seed ${totals.slowest.seed}`],
    ['operations of apps', String(asked)],
    ...operations.slice(0, 12).map(([name, value]) => [`  ${name}`, String(value)]),
    ['  others', String(operations.slice(12).reduce((sum, [, value]) => sum + value, 0))],
    ['faults that were brought about', String(FAULT_KINDS.reduce((sum, kind) => sum + (faults.get(kind) ?? 0), 0))],
    ...FAULT_KINDS.map((kind) => [`  ${kind}`, String(faults.get(kind) ?? 0)]),
    ['  not done: too little would be left', String(faults.get('spared') ?? 0)],
    ['  not done: nothing there to do it to', String(faults.get('idle') ?? 0)],
    ...sumsOf(totals, 'message').map(([name, value]) => [`messages ${name}`, String(value)]),
    ['violations', String(totals.failed.length)],
    ...totals.failed.map(({ seed, profile, violation }) => [`  seed ${seed} (${profile})`, violation?.detail.split('\n')[0] ?? '']),
  ];
  return table(['what', 'how much'], rows);
}

export function scheduleText(items: readonly Item[], keep: readonly number[] | undefined): string {
  return items
    .flatMap(({ atMs, does }, index) =>
      keep && !keep.includes(index)
        ? []
        : [`  ${String(index).padStart(3)}  ${(atMs / 1_000).toFixed(3).padStart(8)} s  ${JSON.stringify(does)}`],
    )
    .join('\n');
}

export function reportSeed(result: RunResult, keep: readonly number[] | undefined): string {
  const { seed, profile, hash, virtualMs, violation, outcomes, faults, items } = result;
  const counted = (counts: Readonly<Record<string, number>>) =>
    Object.entries(counts)
      .map(([name, value]) => `${name} ${value}`)
      .join(', ');
  return [
    `seed ${seed}, profile ${profile}, ${(virtualMs / 1_000).toFixed(1)} virtual seconds, trace ${hash}`,
    `operations: ${counted(outcomes)}`,
    `faults: ${counted(faults) || 'none'}`,
    violation ? `${violation.detail}\n\nSchedule:\n${scheduleText(items, keep)}` : 'nothing broke',
  ].join('\n');
}
