/**
 * `GET /operator/status` (`docs/protocol.md` clause 14.5): what `/ready` and `/status` keep to themselves. Why exactly this node does not
 * serve, which epochs it holds, and how it gets on with each peer. No secret, but where the secrets are.
 */
import { operatorOf, usableBlocks } from '../core/chain/view.ts';
import type { Operator } from '../core/chain/registry.ts';
import type { SessionReport } from '../core/cluster/sessions.ts';
import type { Kms } from '../core/kms.ts';
import type { PeerReport } from '../core/replication/report.ts';
import type { Json } from '../core/wire/json.ts';
import type { Telling } from './operators.ts';

export const operatorStatus: Telling = (kms) => {
  const { identity, profile, audit, clock, view } = kms;
  const blocks = usableBlocks(view);
  const self = blocks && operatorOf(blocks.head, identity.wallet);
  return {
    node: identity.wallet,
    incarnation: audit.incarnation,
    network: profile.name,
    at_ms: clock.nowMs(),
    booted_at_ms: Math.floor(kms.bootedAtMs()),
    gate: gateOf(kms.admission.gate()),
    data_gate: gateOf(kms.replication.gate()),
    chain: {
      head: blocks?.head.blockNumber ?? null,
      confirmed: blocks?.confirmed.blockNumber ?? null,
      head_age_ms: blocks ? clock.nowMs() - blocks.head.blockTimeMs : null,
    },
    registered: self ? standingOf(self) : null,
    epochs: epochsOf(kms),
    peers: peersOf(kms),
    audit: { seq: audit.head().seq, ...audit.kept() },
  };
};

type AnyGate = ReturnType<Kms['admission']['gate']> | ReturnType<Kms['replication']['gate']>;

/** The detail is the log's: exact, and of no secret. */
function gateOf(gate: AnyGate): Json {
  return gate.kind === 'serving' ? { serving: true } : { serving: false, reason: gate.reason, detail: gate.detail };
}

function standingOf({
  live,
  eligible,
  instanceStatus,
  versionStatus,
  zkVerified,
  measurementApproved,
  measurement,
  instanceUrl,
}: Operator): Json {
  return {
    live,
    eligible,
    instance_status: instanceStatus,
    version_status: versionStatus,
    zk_verified: zkVerified,
    measurement,
    measurement_approved: measurementApproved,
    instance_url: instanceUrl,
  };
}

function epochsOf({ view, vault }: Kms): Json {
  const epochs = usableBlocks(view)?.confirmed.epochs ?? [];
  return epochs.map(({ epoch, state, hash }) => ({
    epoch,
    state,
    secret_hash: hash ?? null,
    held: vault.holds(epoch),
    candidates: vault.candidates(epoch),
  }));
}

/** Of every other operator at the head, live or not. */
function peersOf({ identity, view, peers, sessions, replication }: Kms): Json {
  const reports = new Map(replication.report().peers.map((report) => [report.wallet, report]));
  const others = (usableBlocks(view)?.head.operators ?? []).filter(({ wallet }) => wallet !== identity.wallet);
  return others.map((operator) => {
    const { reachable, lastContactAtMs, failures, failure } = peers.contact(operator.wallet);
    const report = reports.get(operator.wallet);
    return {
      wallet: operator.wallet,
      ...(standingOf(operator) as Readonly<Record<string, Json>>),
      contact: { reachable, last_contact_at_ms: lastContactAtMs, failures, failure },
      sessions: sessions.with(operator.wallet).map(sessionOf),
      replication: report ? replicationOf(report) : null,
    };
  });
}

function sessionOf({ role, ageMs, frames, attested }: SessionReport): Json {
  return { role, age_ms: Math.floor(ageMs), frames, measurement: attested };
}

function replicationOf(report: PeerReport): Json {
  return {
    cursor: report.cursor,
    based: report.isBased,
    data_ready: report.isReady,
    lag_records: report.lagRecords,
    lag_ms: Math.floor(report.lagMs),
    refused_there: report.refusedThere,
    refused_here: report.refusedHere,
  };
}
