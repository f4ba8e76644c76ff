/**
 * What strangers can bring about as often as they like: told with the first of a period, counted after it, and told once more when the
 * period is over. As many records as there are reasons (and members, and callers with their faults), however many requests.
 */
import { AUDIT_PERIOD_MS } from '../limits.ts';
import { canonicalJson } from '../wire/json.ts';
import type { AuditFields, Counted } from '../audit-kinds.ts';
import type { Clock } from '../ports.ts';
import type { Json } from '../wire/json.ts';

export type CountedKind = { [Kind in keyof AuditFields]: AuditFields[Kind] extends Counted ? Kind : never }[keyof AuditFields];
type Told<Kind extends CountedKind> = Omit<AuditFields[Kind], 'count' | 'since_ms'>;

export interface Counts {
  /** Answers how often that was by now in this period. */
  count<Kind extends CountedKind>(kind: Kind, what: Told<Kind>): number;
  /** Tells what was counted in a period that is over. */
  settle(): void;
}

interface Repeated {
  times: number;
  readonly tell: (count: number) => void;
}

export function createCounts(clock: Clock, write: <Kind extends CountedKind>(kind: Kind, fields: AuditFields[Kind]) => void): Counts {
  const repeated = new Map<string, Repeated>();
  let beganAtMs = -Infinity;
  let sinceMs = 0;

  function settle(): void {
    if (clock.elapsedMs() - beganAtMs < AUDIT_PERIOD_MS) return;
    for (const { times, tell } of repeated.values()) if (times > 0) tell(times);
    repeated.clear();
    beganAtMs = clock.elapsedMs();
    sinceMs = clock.nowMs();
  }

  return {
    count(kind, what) {
      settle();
      const key = `${kind}:${canonicalJson(what as unknown as Json)}`;
      const known = repeated.get(key);
      if (known) return (known.times += 1) + 1;
      const ofPeriod = sinceMs;
      const tell = (count: number) => write(kind, { ...what, count, since_ms: ofPeriod } as unknown as AuditFields[typeof kind]);
      repeated.set(key, { times: 0, tell });
      tell(1);
      return 1;
    },
    settle,
  };
}
