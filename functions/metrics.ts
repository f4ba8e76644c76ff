/**
 * `GET /metrics`: what this node counts, in the text format of Prometheus 0.0.4. Anybody may ask, so it names members of the cluster and
 * no app, key or version; it makes no outbound call and takes time in the number of peers, whatever they lag.
 */
import { metricsReply } from './answers.ts';
import type { PeerReport, ReplicationReport } from '../core/replication/report.ts';
import type { Kms } from '../core/kms.ts';

/** A metric with its samples. A counter only grows, until the node starts anew. */
export interface Metric {
  readonly name: string;
  readonly type: 'gauge' | 'counter';
  readonly help: string;
  readonly samples: readonly Sample[];
}

interface Sample {
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
}

const PREFIX = 'nova_kms_';

export function metrics(kms: Kms): Response {
  const report = kms.replication.report();
  return metricsReply(metricsText([...gateMetrics(kms), ...storeMetrics(kms), ...replicationMetrics(report), ...peerMetrics(report)]));
}

function gateMetrics({ admission, replication, requestsInWork, bodiesInFlight }: Kms): readonly Metric[] {
  const isServing = admission.gate().kind === 'serving';
  return [
    gauge('ready', 'Whether this node serves keys.', Number(isServing)),
    gauge('data_ready', 'Whether this node serves data as well.', Number(isServing && replication.gate().kind === 'serving')),
    gauge('requests_in_work', 'Requests of callers that are worked on.', requestsInWork.held()),
    gauge('bodies_in_flight_bytes', 'Room that requests and answers under way hold.', bodiesInFlight.held()),
  ];
}

function storeMetrics({ store }: Kms): readonly Metric[] {
  const { namespaces, keys, tombstones, bytes, conflicts, evictions, expiries, collected } = store.gauges();
  return [
    gauge('store_namespaces', 'Apps that hold data.', namespaces),
    gauge('store_keys', 'Values that can be read.', keys),
    gauge('store_tombstones', 'Deleted keys and expired values that are not collected yet.', tombstones),
    gauge('store_bytes', 'What all records charge, in bytes.', bytes),
    gauge('store_sequence', 'The number of the last change.', store.sequence()),
    counter('store_conflicts_total', 'Concurrent writes of one key that met here.', conflicts),
    counter('store_evictions_total', 'Values deleted to make room.', evictions),
    counter('store_expiries_total', 'Values that expired.', expiries),
    counter('store_collected_total', 'Tombstones that every member knew of and that were dropped.', collected),
  ];
}

function replicationMetrics({ totals }: ReplicationReport): readonly Metric[] {
  return [
    counter('replication_rounds_total', 'Rounds of anti-entropy that this node began.', totals.rounds),
    counter('replication_rounds_skipped_total', 'Rounds that ended at once, because the epochs differed.', totals.skipped),
    counter('replication_rounds_incomplete_total', 'Rounds that were broken off and go on later.', totals.incomplete),
    counter('replication_found_total', 'Records that a round changed here: none in steady state.', totals.found),
    counter('replication_pushed_total', 'Records that a round found missing at a peer.', totals.pushed),
    counter('replication_snapshot_bytes_total', 'Bytes of snapshots that were pulled.', totals.snapshotBytes),
  ];
}

function peerMetrics({ peers }: ReplicationReport): readonly Metric[] {
  const each = (name: string, help: string, samplesOf: (peer: PeerReport) => readonly Sample[]): Metric => ({
    name,
    type: 'gauge',
    help,
    samples: peers.flatMap((peer) => samplesOf(peer).map(({ labels, value }) => ({ labels: { peer: peer.wallet, ...labels }, value }))),
  });
  return [
    each('peer_lag_records', 'Changes that the peer has not taken, counted up to 1000.', ({ lagRecords }) => [{ value: lagRecords }]),
    each('peer_lag_seconds', 'For how long at most the peer has not had everything.', ({ lagMs }) => [{ value: lagMs / 1_000 }]),
    each('peer_cursor', 'Up to which change of this node the peer has answered.', ({ cursor }) => [{ value: cursor }]),
    each('peer_based', 'Whether the peer is known to hold all that came before its cursor.', ({ isBased }) => [{ value: Number(isBased) }]),
    each('peer_data_ready', 'Whether the peer last said that it serves data.', ({ isReady }) => [{ value: Number(isReady) }]),
    each('peer_last_contact_timestamp_seconds', 'When the peer last answered.', ({ lastContactAtMs }) =>
      lastContactAtMs === null ? [] : [{ value: lastContactAtMs / 1_000 }],
    ),
    each('peer_refused_records', 'Records of this node that the peer refuses now.', ({ refusedThere }) => byReason(refusedThere)),
    each('peer_records_refused_here', 'Records of the peer that this node has refused.', ({ refusedHere }) => byReason(refusedHere)),
  ];
}

function byReason(counts: PeerReport['refusedHere']): readonly Sample[] {
  return Object.entries(counts).map(([reason, value]) => ({ labels: { reason }, value }));
}

function gauge(name: string, help: string, value: number): Metric {
  return { name, type: 'gauge', help, samples: [{ value }] };
}

function counter(name: string, help: string, value: number): Metric {
  return { name, type: 'counter', help, samples: [{ value }] };
}

/** A metric without samples is left out. */
export function metricsText(all: readonly Metric[]): string {
  return all
    .filter(({ samples }) => samples.length > 0)
    .map(metricText)
    .join('');
}

function metricText({ name, type, help, samples }: Metric): string {
  const full = `${PREFIX}${name}`;
  const lines = samples.map(({ labels = {}, value }) => `${full}${labelsText(labels)} ${value}`);
  return [`# HELP ${full} ${escaped(help)}`, `# TYPE ${full} ${type}`, ...lines, ''].join('\n');
}

function labelsText(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value).replaceAll('"', '\\"')}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

function escaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}
