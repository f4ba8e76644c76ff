/** What anybody may ask. None of it makes an outbound call or shows anything of a secret but, while one is born, its public hash. */
import { revocationBoundMs } from '../core/auth/caller.ts';
import { safeNumber } from '../core/chain/registry.ts';
import { operatorOf, usableBlocks } from '../core/chain/view.ts';
import { inContractOrder } from '../core/cluster/relay.ts';
import { jsonReply } from './answers.ts';
import { notReadyReply } from './reply.ts';
import type { Operator } from '../core/chain/registry.ts';
import type { Blocks } from '../core/chain/view.ts';
import type { Kms } from '../core/kms.ts';
import type { Json } from '../core/wire/json.ts';

export function index(kms: Kms): Response {
  return jsonReply(200, {
    service: 'nova-kms',
    node: kms.identity.wallet,
    endpoints: [
      'GET /',
      'GET /health',
      'GET /ready',
      'GET /status',
      'GET /nonce',
      'GET /nodes',
      'GET /attestation',
      'GET /ca',
      'GET /metrics',
      'POST /kms/derive',
      'POST /kms/sign_cert',
      'GET /kms/data',
      'PUT /kms/data',
      'DELETE /kms/data',
      'GET /kms/data/*',
      'POST /kms/data/batch',
      'GET /audit',
      'GET /audit/head',
      'GET /audit/milestones',
      'GET /operator/status',
      'POST /operator/vote',
      'POST /sync',
    ],
  });
}

/** Alive: the process answers. Whether it serves is `/ready`. */
export function health(): Response {
  return jsonReply(200, { status: 'healthy' });
}

/** Of the keys. That the data are there as well, for which no key has to wait, is `data_ready`. */
export function ready(kms: Kms): Response {
  const gate = kms.admission.gate();
  const isDataReady = gate.kind === 'serving' && kms.replication.gate().kind === 'serving';
  if (gate.kind === 'serving') return jsonReply(200, { ready: true, data_ready: isDataReady });
  return notReadyReply(gate.reason, isDataReady);
}

export function nonce(kms: Kms): Response {
  return jsonReply(200, { nonce: kms.nonces.issue() });
}

export function status(kms: Kms): Response {
  const { identity, profile } = kms;
  const gate = kms.admission.gate();
  const blocks = usableBlocks(kms.view);
  const self = blocks && operatorOf(blocks.head, identity.wallet);
  return jsonReply(200, {
    node: {
      tee_wallet: identity.wallet,
      tee_pubkey: identity.teePubkey,
      node_url: self?.instanceUrl ?? '',
      is_operator: self?.live ?? false,
      service_available: gate.kind === 'serving',
      reason: gate.kind === 'serving' ? null : gate.reason,
    },
    cluster: {
      network: profile.name,
      chain_id: profile.chainId,
      kms_app_id: safeNumber(profile.kmsAppId),
      registry_address: profile.novaAppRegistry,
      kms_registry_address: profile.kmsRegistry,
      total_instances: blocks?.head.operators.filter((operator) => operator.live).length ?? 0,
    },
    chain: {
      head: blocks?.head.blockNumber ?? null,
      confirmed: blocks?.confirmed.blockNumber ?? null,
      head_age_ms: blocks ? kms.clock.nowMs() - blocks.head.blockTimeMs : null,
    },
    data_store: dataStore(kms),
    revocation_bound_ms: revocationBoundMs(profile),
    activation: activation(kms, blocks),
  });
}

/** How much in all and how far behind each peer is; `/metrics` has more. Nothing of any one app. */
function dataStore({ store, replication }: Kms): Json {
  const { namespaces, keys, bytes } = store.gauges();
  const { peers } = replication.report();
  return {
    ready: replication.gate().kind === 'serving',
    namespaces,
    total_keys: keys,
    total_bytes: bytes,
    peers: peers.map(({ wallet, lagRecords, lagMs, lastContactAtMs }) => ({
      wallet,
      lag_records: lagRecords,
      lag_ms: lagMs,
      last_contact_at_ms: lastContactAtMs,
    })),
  };
}

/** The arguments of `activate` for whoever relays by hand: only once a majority has signed, and only while the epoch is open. */
function activation(kms: Kms, blocks: Blocks | undefined): Json {
  const pending = blocks && kms.admission.activation();
  if (!pending) return null;
  const { epoch, offer } = pending;
  return { epoch, hash: offer.hash, valid_until_block: offer.validUntilBlock, signatures: inContractOrder(offer, blocks) };
}

export function nodes(kms: Kms): Response {
  const operators = usableBlocks(kms.view)?.head.operators ?? [];
  return jsonReply(200, { count: operators.length, operators: operators.map((operator) => nodeEntry(kms, operator)) });
}

function nodeEntry({ identity, peers, profile }: Kms, operator: Operator): Json {
  const { reachable, lastContactAtMs, failures } = peers.contact(operator.wallet);
  return {
    operator: operator.wallet,
    live: operator.live,
    eligible: operator.eligible,
    instance: {
      instance_id: safeNumber(operator.instanceId),
      app_id: safeNumber(profile.kmsAppId),
      version_id: safeNumber(operator.versionId),
      operator: operator.registrant,
      instance_url: operator.instanceUrl,
      tee_pubkey: operator.teePubkey,
      tee_wallet_address: operator.wallet,
      zk_verified: operator.zkVerified,
      version_status: operator.versionStatus,
      instance_status: { name: operator.instanceStatus === 'active' ? 'ACTIVE' : 'NON_ACTIVE', value: operator.instanceStatus },
    },
    connection:
      operator.wallet === identity.wallet ? { self: true } : { self: false, reachable, last_contact_at_ms: lastContactAtMs, failures },
  };
}
