/**
 * The audit of one node: one trail, and a line in the log for each of its records, so that whoever collects the log keeps what memory does
 * not. What the log is told of anyway the trail hears there (`audited`); only what no event says is recorded by its own call.
 * Synchronous: a record stands as soon as what it tells is done.
 */
import { AUDIT_BYTES_MAX, AUDIT_MILESTONES_MAX, AUDIT_RECORDS_MAX, LOGGED_LIES_BURST } from '../limits.ts';
import { hex } from '../wire/bytes.ts';
import { createCounts } from './counts.ts';
import { createTrail } from './trail.ts';
import type { AuditFields, AuditKind, Named } from '../audit-kinds.ts';
import type { EventFields, EventName } from '../events.ts';
import type { AppId, Epoch } from '../identity.ts';
import type { Vault } from '../crypto/vault.ts';
import type { Clock, Log } from '../ports.ts';
import type { Counts } from './counts.ts';
import type { Trail } from './trail.ts';

export interface Audit extends Pick<Trail, 'kept'>, Counts {
  /** Of this boot, hex: a trail begins with it. */
  readonly incarnation: string;
  record<Kind extends AuditKind>(kind: Kind, fields: AuditFields[Kind]): void;
  /** What a record may say of an app's key. */
  named(appId: AppId, key: string): Omit<Named, 'version'>;
  /** What was counted and is due is told first, so that a head that is read covers it. */
  head: Trail['head'];
  page: Trail['page'];
  milestones: Trail['milestones'];
}

export interface AuditDependencies {
  readonly incarnation: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly vault: Pick<Vault, 'auditName'>;
  /** Under which values are sealed now, once it is held. */
  readonly epoch: () => Epoch | undefined;
}

export function createAudit({ incarnation, clock, log, vault, epoch }: AuditDependencies): Audit {
  const trail = createTrail(clock, {
    recordsMax: AUDIT_RECORDS_MAX,
    bytesMax: AUDIT_BYTES_MAX,
    milestonesMax: AUDIT_MILESTONES_MAX,
  });

  function record<Kind extends AuditKind>(kind: Kind, fields: AuditFields[Kind]): void {
    log('audit.recorded', { record: trail.append(kind, fields) });
  }

  const counts = createCounts(clock, record);
  return {
    incarnation,
    record,
    named(appId, key) {
      const current = epoch();
      const name = current === undefined ? undefined : vault.auditName(appId, key, current);
      return { app_id: String(appId), name: name ? hex(name) : null, epoch: current ?? null };
    },
    count: counts.count,
    settle: counts.settle,
    head() {
      counts.settle();
      return trail.head();
    },
    page: trail.page,
    milestones: trail.milestones,
    kept: trail.kept,
  };
}

type Heard<Answer> = { readonly [Name in EventName]?: (fields: EventFields[Name]) => Answer };

/** The log, with a trail that hears what belongs into it. */
export function audited(log: Log, { record, count }: Audit): Log {
  /** A node that waits says why in ever new words; the trail has the reasons. */
  let gate = '';
  /** What a member can bring about with each of its frames: the log is told a few times in a period, the trail counts all of them. */
  const counted: Heard<number> = {
    'handover.refused': ({ peer, reason }) => count('handover_refused', { peer, reason }),
  };
  const heard: Heard<unknown> = {
    'node.booted': ({ wallet, profile, incarnation }) => record('boot', { node: wallet, incarnation, network: profile }),
    'node.serving': ({ epoch, block }) => {
      gate = 'serving';
      record('serving', { epoch, block });
    },
    'node.waiting': ({ reason, block }) => {
      if (gate !== reason) record('waiting', { reason, block });
      gate = reason;
    },
    'candidate.endorsed': ({ epoch, hash, validUntilBlock }) =>
      record('endorsed', { epoch, secret_hash: hash, valid_until_block: validUntilBlock }),
    'secret.installed': ({ epoch, hash, source, peer }) => record('secret_installed', { epoch, secret_hash: hash, source, peer }),
    'secret.wiped': ({ epoch, why, count: times }) => record('secret_wiped', { epoch, why, count: times }),
    'handover.given': ({ epoch, hash, peer, measurement }) => record('handover_given', { epoch, secret_hash: hash, peer, measurement }),
    'attestation.refused': ({ peer, fault }) => count('attestation_refused', { peer, fault, reason: 'peer_not_attested' }),
    'caller.unattested': ({ wallet, instanceId, fault }) =>
      count('caller_unattested', { wallet, instance_id: instanceId, fault, reason: 'attestation_refused' }),
    'data.forgotten': ({ members }) => record('data_forgotten', { members }),
  };
  return (event, fields) => {
    const countThis: ((fields: EventFields[typeof event]) => number) | undefined = counted[event];
    if ((countThis?.(fields) ?? 0) <= LOGGED_LIES_BURST) log(event, fields);
    const hear: ((fields: EventFields[typeof event]) => unknown) | undefined = heard[event];
    hear?.(fields);
  };
}
