/**
 * Everything a node can log: a closed list of events, each with its fields. A field holds names, numbers, reasons and
 * public identifiers; no event has a place for a key, a plaintext, a signature or a request body.
 */
import type { Epoch, Hash, Wallet } from './identity.ts';
import type { AuditRecord } from './audit-kinds.ts';
import type { Reason } from './errors.ts';

export interface EventFields {
  'binary.started': { version: string; profile: string; release: boolean };
  'binary.listening': { host: string; port: number; connectionsMax: number; proxy: string | null };
  'binary.refused': { detail: string };
  'binary.stopping': { signal: string };
  'binary.stopped': { cut: number };
  'binary.failed': { detail: string };
  'recover.slow': { detail: string };
  'server.failed': { detail: string };
  'node.booted': { wallet: Wallet; profile: string; incarnation: string };
  'node.boot_failed': { reason: Reason; detail: string };
  'node.serving': { epoch: Epoch; block: number };
  'node.waiting': { reason: Reason; detail: string; block: number | null };
  'tick.failed': { reason: Reason; detail: string };
  'tick.skipped': { runningMs: number };
  'chain.unreadable': { reason: Reason; detail: string };
  'chain.readable': { block: number };
  'peer.reachable': { peer: Wallet; failures: number };
  'peer.unreachable': { peer: Wallet; reason: Reason; detail: string };
  'session.opened': { peer: Wallet; role: 'initiator' | 'responder'; measurement: Hash };
  'attestation.refused': { peer: Wallet; fault: string; detail: string };
  'caller.unattested': { wallet: Wallet; instanceId: string; fault: string; measurement: Hash };
  'candidate.generated': { epoch: Epoch; hash: Hash };
  'candidate.fetched': { epoch: Epoch; hash: Hash; peer: Wallet };
  'candidate.endorsed': { epoch: Epoch; hash: Hash; validUntilBlock: number };
  'endorsement.refused': { peer: Wallet; epoch: Epoch; detail: string };
  'activation.sent': { epoch: Epoch; hash: Hash; signatures: number; transaction: string };
  'activation.failed': { epoch: Epoch; reason: Reason; detail: string };
  'secret.installed': { epoch: Epoch; hash: Hash; source: 'candidate' | 'handover'; peer: Wallet | null };
  'secret.wiped': { epoch: Epoch; why: string; count: number };
  'handover.given': { epoch: Epoch; hash: Hash; peer: Wallet; measurement: Hash };
  'handover.refused': { peer: Wallet; reason: Reason };
  'records.refused': { peer: Wallet; reason: string; count: number };
  'records.nacked': { peer: Wallet; reason: string; count: number };
  'replication.overflowed': { peer: Wallet; owed: number; refused: number };
  'replication.failed': { reason: Reason; detail: string };
  'data.ready': { members: number };
  'data.forgotten': { members: number };
  'audit.recorded': { record: AuditRecord };
  'request.refused': { requestId: string; route: string; reason: Reason; detail: string };
  'request.failed': { requestId: string; route: string; detail: string };
}

export type EventName = keyof EventFields;

type Level = 'info' | 'warn' | 'error';

export const EVENT_LEVELS = {
  'binary.started': 'info',
  'binary.listening': 'info',
  'binary.refused': 'error',
  'binary.stopping': 'info',
  'binary.stopped': 'info',
  'binary.failed': 'error',
  'recover.slow': 'warn',
  'server.failed': 'error',
  'node.booted': 'info',
  'node.boot_failed': 'error',
  'node.serving': 'info',
  'node.waiting': 'info',
  'tick.failed': 'warn',
  'tick.skipped': 'warn',
  'chain.unreadable': 'warn',
  'chain.readable': 'info',
  'peer.reachable': 'info',
  'peer.unreachable': 'warn',
  'session.opened': 'info',
  'attestation.refused': 'warn',
  'caller.unattested': 'warn',
  'candidate.generated': 'info',
  'candidate.fetched': 'info',
  'candidate.endorsed': 'info',
  'endorsement.refused': 'warn',
  'activation.sent': 'info',
  'activation.failed': 'warn',
  'secret.installed': 'info',
  'secret.wiped': 'info',
  'handover.given': 'info',
  'handover.refused': 'warn',
  'records.refused': 'warn',
  'records.nacked': 'warn',
  'replication.overflowed': 'warn',
  'replication.failed': 'warn',
  'data.ready': 'info',
  'data.forgotten': 'warn',
  'audit.recorded': 'info',
  'request.refused': 'info',
  'request.failed': 'error',
} as const satisfies Record<EventName, Level>;
