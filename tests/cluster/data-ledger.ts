/**
 * What apps were told of their writes, and what must be true of it later: whatever was acknowledged on two nodes is there or was
 * superseded, nothing comes back, and nobody reads what was never written. It believes answers only, and knows nothing of the nodes' insides.
 */
import { randomBytes } from 'node:crypto';
import { PIECE_BYTES } from '../secrecy/forms.ts';
import type { KvValue } from '../../core/client/main.ts';

export interface Write {
  readonly id: string;
  readonly app: string;
  readonly key: string;
  readonly kind: 'put' | 'delete';
  readonly node: string;
  readonly isConditional: boolean;
  readonly ttlMs: number | undefined;
  outcome: 'under way' | 'acknowledged' | 'refused' | 'unknown';
  version?: string;
  updatedAtMs?: number;
  expiresAtMs?: number | null;
  replicas?: number;
  isReplicated?: boolean;
}

/** What one node says of one key. */
export type Found = Pick<KvValue, 'version' | 'updatedAtMs' | 'value'> | undefined;

export interface Ledger {
  readonly writes: readonly Write[];
  note(write: Write): Write;
  keys(app: string): readonly string[];
  /** What is wrong with what one node has, key by key. */
  complaints(app: string, found: ReadonlyMap<string, Found>): string[];
  /** That write, or a later one of the same key, explains what a node answered after the write was acknowledged there. */
  complaintOfRead(write: Write, found: Found): string | undefined;
}

/** In every value, so that whatever shows a value can be told by it. */
const MARK = randomBytes(32).toString('hex');

/** Every value begins with the id of its write. */
export function valueOf(id: string, bytes: number): string {
  return `${id} `.padEnd(PIECE_BYTES, '.').concat(MARK).padEnd(bytes, '.');
}

export function createLedger(): Ledger {
  const writes: Write[] = [];
  const byKey = new Map<string, Write[]>();
  const placeOf = (app: string, key: string) => `${app} ${key}`;

  const mayHaveHappened = ({ outcome }: Write) => outcome !== 'refused';
  const isSafe = ({ outcome, replicas = 0 }: Write) => outcome === 'acknowledged' && replicas >= 2;
  /** For a write of which nothing is known: as late as it needs to be. */
  const timeOf = ({ updatedAtMs = Infinity }: Write) => updatedAtMs;
  /** Its value is hidden by now, or may be for all that is known. */
  const leavesNothing = ({ kind, ttlMs, expiresAtMs }: Write) =>
    kind === 'delete' || (ttlMs !== undefined && (expiresAtMs ?? 0) <= Date.now());

  function explains(write: Write, found: Found): boolean {
    if (!mayHaveHappened(write)) return false;
    if (!found) return leavesNothing(write);
    const isOurs = Buffer.from(found.value).toString('latin1').startsWith(`${write.id} `);
    return write.kind === 'put' && isOurs && (write.version === undefined || write.version === found.version);
  }

  function complaint(app: string, key: string, found: Found): string | undefined {
    const all = byKey.get(placeOf(app, key)) ?? [];
    const lastSafe = all.filter(isSafe).toSorted((a, b) => timeOf(b) - timeOf(a))[0];
    if (!found && !lastSafe) return undefined;
    const explained = all.find((write) => explains(write, found) && (!lastSafe || timeOf(write) >= timeOf(lastSafe)));
    if (explained) return undefined;
    const shown = found ? `${Buffer.from(found.value).toString('latin1').slice(0, 40).trim()} of ${found.updatedAtMs}` : 'nothing';
    return `${app} ${key}: ${shown} is there; acknowledged was ${JSON.stringify(lastSafe)}`;
  }

  return {
    writes,
    note(write) {
      writes.push(write);
      const place = placeOf(write.app, write.key);
      byKey.set(place, [...(byKey.get(place) ?? []), write]);
      return write;
    },
    keys: (app) => [...new Set(writes.filter((write) => write.app === app).map(({ key }) => key))].toSorted(),
    complaints: (app, found) => [...found].flatMap(([key, value]) => complaint(app, key, value) ?? []),
    complaintOfRead(write, found) {
      const { app, key, node } = write;
      if (found && found.updatedAtMs >= timeOf(write)) return undefined;
      const all = byKey.get(placeOf(app, key)) ?? [];
      if (!found && all.some((later) => timeOf(later) >= timeOf(write) && explains(later, found))) return undefined;
      return `${app} ${key} at ${node}: read ${found ? found.version : 'nothing'} after ${JSON.stringify(write)}`;
    },
  };
}
