/** What a run comes to: faults, operations, recoveries and violations, for people and as JSON. */
import { table } from '../simulation/narrate.ts';
import type { Fault, FaultKind } from './faults.ts';
import type { History, Op, Violation } from './history.ts';

export interface Outcome {
  readonly seed: number;
  /** All that there are, and those that struck. */
  readonly kinds: readonly FaultKind[];
  readonly faults: readonly Fault[];
  readonly history: History;
  readonly errors: ReadonlyMap<string, number>;
  readonly violations: readonly Violation[];
  /** Where the history is, when something was violated. */
  readonly file: string | undefined;
}

const VIOLATIONS_SHOWN_MAX = 20;

/** Of each kind, how many ended how. A conditional write that lost its condition counts with those of which nothing is known. */
function countOps(ops: readonly Op[]): Record<string, Record<string, number>> {
  const sortOf = (op: Op): string => {
    if (op.kind !== 'put' && op.kind !== 'delete') return op.kind;
    const extras = [op.isConditional ? 'if_version' : '', op.ttlMs === undefined ? '' : 'ttl_ms'].filter(Boolean);
    return [op.kind, ...extras].join(', ');
  };
  const outcomeOf = (op: Op): string => {
    if (op.kind === 'get' && op.outcome === 'answered') return op.found ? 'answered' : 'nothing there';
    if ((op.kind === 'put' || op.kind === 'delete') && op.outcome === 'acknowledged')
      return op.isReplicated ? 'answered' : 'on too few nodes';
    if (op.outcome === 'unknown' && 'isConditional' in op && op.isConditional) return 'conflict or unknown';
    return op.outcome;
  };
  const counts: Record<string, Record<string, number>> = {};
  for (const op of ops) {
    const ofKind = (counts[sortOf(op)] ??= {});
    ofKind[outcomeOf(op)] = (ofKind[outcomeOf(op)] ?? 0) + 1;
  }
  return counts;
}

function countFaults({ kinds, faults }: Outcome): Record<string, { readonly count: number; readonly seconds: number }> {
  const rows = kinds.map((kind) => {
    const all = faults.filter((fault) => fault.kind === kind);
    const seconds = Math.round(all.reduce((sum, { lastsMs }) => sum + lastsMs, 0) / 1_000);
    return [kind, { count: all.length, seconds }] as const;
  });
  return Object.fromEntries(rows);
}

export function asJson(outcome: Outcome): string {
  const { seed, history, errors, violations, file } = outcome;
  return JSON.stringify({
    seed,
    nodes: history.nodes.length,
    faults: countFaults(outcome),
    operations: countOps(history.ops),
    errors: Object.fromEntries(errors),
    recoveries: history.recoveries,
    keys: new Set(history.final.map(({ app, key }) => `${app} ${key}`)).size,
    violations,
    file: file ?? null,
  });
}

export function asText(outcome: Outcome): string {
  const { history, errors, violations, file } = outcome;
  const counts = countOps(history.ops);
  const outcomes = [...new Set(Object.values(counts).flatMap((each) => Object.keys(each)))].toSorted();
  const faults = Object.entries(countFaults(outcome)).map(([kind, { count, seconds }]) => [kind, `${count}`, `${seconds} s`]);
  const operations = Object.entries(counts).map(([kind, each]) => [kind, ...outcomes.map((name) => `${each[name] ?? 0}`)]);
  const recoveries = history.recoveries.map(({ tookMs, limitMs }, at) => [
    at === history.recoveries.length - 1 ? 'at the end' : `pause ${at + 1}`,
    tookMs === undefined ? `not within ${limitMs / 1_000} s` : `${(tookMs / 1_000).toFixed(1)} s`,
  ]);
  const keys = history.final.filter(({ node }) => node === history.nodes[0]);
  const shown = violations.slice(0, VIOLATIONS_SHOWN_MAX).map(({ id, text }) => `  ${id}  ${text}`);
  return [
    table(['fault', 'times', 'lasted'], faults),
    table(['operation', ...outcomes], operations.toSorted()),
    table(['all healed', 'until all served and owed nothing'], recoveries),
    `  errors of calls: ${[...errors].map(([code, count]) => `${code} ${count}`).join(', ') || 'none'}`,
    `  keys compared on ${history.nodes.length} nodes at the end: ${keys.length}, with a value: ${keys.filter(({ found }) => found).length}`,
    violations.length === 0
      ? '  no invariant was violated'
      : [`  ${violations.length} violations, seed ${outcome.seed}`, ...shown].join('\n'),
    ...(file === undefined ? [] : [`  the whole history: ${file}`]),
  ].join('\n\n');
}
