/** Judges what nodes write into their audit trails, as their logs tell it: in one unbroken row, and one record for each thing that was done. */
import { hold } from './invariants.ts';
import type { AuditKind, AuditRecord } from '../../../core/audit-kinds.ts';
import type { EventFields } from '../../../core/events.ts';
import type { Boot } from '../world/node.ts';

export interface Trails {
  recorded(boot: Boot, record: AuditRecord): void;
  /** What a node has told an app that it did: `name` is the version that it wrote, or the serial number that it gave. */
  judgeAnswer(boot: Boot, kind: AuditKind, name: string, times?: number): void;
  /** Every version that its trail tells of is one that a node held. */
  judgeWritten(boot: Boot, isKnown: (version: string) => boolean): void;
  /** A secret that a node has from another: that one's trail says so. */
  judgeHandover(boot: Boot, installed: EventFields['secret.installed']): void;
}

export function createTrails(): Trails {
  const last = new Map<Boot, AuditRecord>();
  /** How often each boot recorded each of these. */
  const done = new Map<Boot, Map<string, number>>();
  /** Givers outlive their boots. */
  const given = new Set<string>();

  function nameOf(record: AuditRecord): string | undefined {
    if (record.kind === 'value_written' || record.kind === 'value_deleted' || record.kind === 'value_evicted')
      return `${record.kind} ${record.version}`;
    return record.kind === 'certificate_issued' ? `${record.kind} ${record.serial}` : undefined;
  }

  return {
    recorded(boot, record) {
      const before = last.get(boot);
      const isNext = !before || (record.seq === before.seq + 1 && record.prev !== before.prev);
      hold('I20', isNext, () => `the trail of ${boot.name} goes on from ${before?.seq} with ${record.seq}`);
      last.set(boot, record);
      if (record.kind === 'handover_given') given.add(`${boot.kms.identity.wallet} ${record.peer} ${record.epoch} ${record.secret_hash}`);
      const name = nameOf(record);
      if (name === undefined) return;
      const mine = done.get(boot) ?? new Map<string, number>();
      done.set(boot, mine.set(name, (mine.get(name) ?? 0) + 1));
    },
    judgeAnswer(boot, kind, name, times = 1) {
      const count = done.get(boot)?.get(`${kind} ${name}`) ?? 0;
      hold('I20', count === times, () => `the trail of ${boot.name} has ${count} records of ${kind} ${name}`);
    },
    judgeWritten(boot, isKnown) {
      for (const name of done.get(boot)?.keys() ?? []) {
        const [kind = '', version = ''] = name.split(' ');
        const isThere = !kind.startsWith('value_') || isKnown(version);
        hold('I20', isThere, () => `the trail of ${boot.name} has ${name}, which no node ever held`);
      }
    },
    judgeHandover(boot, { source, peer, epoch, hash }) {
      const isTold = source !== 'handover' || given.has(`${peer} ${boot.kms.identity.wallet} ${epoch} ${hash}`);
      hold('I20', isTold, () => `${boot.name} has a secret of ${peer}, whose trail does not tell of it`);
    },
  };
}
