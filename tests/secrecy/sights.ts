/** Of what a whole run has shown at least once, when the watch saw what it says it searches: each place where a secret could stand. */
import type { Kind } from './recorder.ts';

interface Sight {
  readonly name: string;
  readonly kind: Kind;
  readonly pattern: RegExp;
}

const SIGHTS: readonly Sight[] = [
  { name: 'any log', kind: 'log', pattern: /./ },
  { name: 'any record of an audit trail in a log', kind: 'log', pattern: /"audit\.recorded"/ },
  { name: 'any refusal in a log', kind: 'log', pattern: /"request\.refused"/ },
  { name: 'any answer', kind: 'answer', pattern: /./ },
  { name: 'any header of a node', kind: 'answer', pattern: /^x-request-id: [0-9a-f]{16}\r$/im },
  { name: 'any error', kind: 'answer', pattern: /HTTP\/1\.1 [45]\d\d [^]*"reason":"\w+"/ },
  { name: 'any sealed answer', kind: 'answer', pattern: /"encrypted_data":"[0-9a-f]+"/ },
  { name: 'any metric', kind: 'answer', pattern: /^# TYPE nova_kms_\w+ \w+$/m },
  { name: 'any record of an audit trail in an answer', kind: 'answer', pattern: /"prev":"[0-9a-f]{64}"/ },
  { name: 'any request', kind: 'request', pattern: /./ },
];

export interface Sights {
  look(kind: Kind, text: Buffer): void;
  missing(): string[];
}

export function createSights(): Sights {
  const left = new Set(SIGHTS);
  return {
    look(kind, text) {
      const latin1 = [...left].some((sight) => sight.kind === kind) ? text.toString('latin1') : '';
      for (const sight of left) if (sight.kind === kind && sight.pattern.test(latin1)) left.delete(sight);
    },
    missing: () => SIGHTS.filter((sight) => left.has(sight)).map(({ name }) => name),
  };
}
