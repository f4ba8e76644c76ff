/**
 * One node: wires the rooms and nothing else. Everything it makes lives in this closure, so any number of nodes run in one
 * process without seeing each other.
 */
import { audited, createAudit } from './audit/audit.ts';
import { createCallerAttestations } from './auth/attested.ts';
import { createAuthorizer } from './auth/caller.ts';
import { createCallerMemories } from './auth/memories.ts';
import { createNonces } from './auth/nonces.ts';
import { createOperators } from './auth/operators.ts';
import { createCa } from './ca/issuer.ts';
import { createChainView, memberOf, usableBlocks } from './chain/view.ts';
import { createAdmission } from './cluster/admission.ts';
import { createAttestations } from './cluster/attestations.ts';
import { createEndorsements } from './cluster/endorsements.ts';
import { createGossip } from './cluster/gossip.ts';
import { createHandover } from './cluster/handover.ts';
import { createPeers } from './cluster/peers.ts';
import { usableEpochs } from './cluster/readiness.ts';
import { createRelay } from './cluster/relay.ts';
import { createSessions } from './cluster/sessions.ts';
import { createSteps } from './cluster/steps.ts';
import { createVault } from './crypto/vault.ts';
import { Refusal } from './errors.ts';
import * as limits from './limits.ts';
import { createMembership } from './replication/membership.ts';
import { createReplication } from './replication/replication.ts';
import { INCARNATION_BYTES } from './store/record.ts';
import { createStore } from './store/store.ts';
import { hex } from './wire/bytes.ts';
import type { Audit } from './audit/audit.ts';
import type { CallerAttestations } from './auth/attested.ts';
import type { Authorizer } from './auth/caller.ts';
import type { CallerMemories } from './auth/memories.ts';
import type { Nonces } from './auth/nonces.ts';
import type { Operators } from './auth/operators.ts';
import type { Ca } from './ca/issuer.ts';
import type { Operator } from './chain/registry.ts';
import type { ChainView } from './chain/view.ts';
import type { Admission } from './cluster/admission.ts';
import type { DataFrameType } from './cluster/frames.ts';
import type { Peers } from './cluster/peers.ts';
import type { FrameHandler, Sessions } from './cluster/sessions.ts';
import type { Vault } from './crypto/vault.ts';
import type { Wallet } from './identity.ts';
import type { NetworkProfile } from './networks.ts';
import type { Attester, Box, Chain, Clock, Fetch, Log, Random, Recover, Signer } from './ports.ts';
import type { Replication } from './replication/replication.ts';
import type { DataKeys, Store } from './store/interface.ts';

/** Read from the enclave's Odyn before the node is made: a node without them is not made at all. */
export interface Identity {
  readonly wallet: Wallet;
  /** Lower-case hex of the SPKI DER, without `0x`. */
  readonly teePubkey: string;
}

export interface KmsDependencies {
  readonly identity: Identity;
  readonly profile: NetworkProfile;
  readonly clock: Clock;
  readonly random: Random;
  readonly signer: Signer;
  readonly recover: Recover;
  readonly box: Box;
  readonly attester: Attester;
  readonly chain: Chain;
  readonly fetch: Fetch;
  readonly log: Log;
}

/** A node as its handlers see it: its ports but for chain and network, which only its rooms reach. */
export interface Kms extends Omit<KmsDependencies, 'chain' | 'fetch'>, CallerMemories {
  /** By the node's clock as it goes now: one that is set after the boot moves the boot with it. */
  readonly bootedAtMs: () => number;
  readonly view: ChainView;
  readonly vault: Vault;
  readonly ca: Ca;
  readonly nonces: Nonces;
  readonly authorizer: Authorizer;
  readonly callerAttestations: CallerAttestations;
  readonly audit: Audit;
  readonly operators: Operators;
  readonly admission: Admission;
  readonly sessions: Sessions;
  readonly peers: Peers;
  readonly store: Store;
  readonly replication: Replication;
}

export function createKms(dependencies: KmsDependencies): Kms {
  const { chain, fetch, ...given } = dependencies;
  const { identity, profile, clock, random, signer, recover, box, attester } = given;
  const bootedAtElapsedMs = clock.elapsedMs();
  const incarnation = random.bytes(INCARNATION_BYTES);
  const view = createChainView({ chain, clock, profile });
  const vault = createVault();
  const audit = createAudit({ incarnation: hex(incarnation), clock, log: given.log, vault, epoch: dataKeys(vault, view).current });
  const log = audited(given.log, audit);
  const ports = { ...given, log };
  const nonces = createNonces({ clock, random });
  const endorsements = createEndorsements({ recover, profile });
  const gossip = createGossip({ view, endorsements, clock, log });
  const handlers = {
    endorsement: gossip.handler,
    handover: createHandover({ view, vault, clock, log }),
    ...dataHandlers(() => replication),
  };
  const sessions = createSessions({
    self: { wallet: identity.wallet, incarnation },
    clock,
    random,
    signer,
    recover,
    nonces,
    attestations: createAttestations({ attester, profile, clock, log }),
    log,
    member: (wallet) => currentMember(view, wallet),
    heard: (wallet) => peers.heard(wallet),
    handlers,
  });
  const peers = createPeers({ self: identity.wallet, view, profile, sessions, fetch, clock, random, log });
  const relay = createRelay({ self: identity.wallet, profile, chain, signer, log });
  const steps = createSteps({
    self: identity.wallet,
    profile,
    blocks: () => usableBlocks(view),
    vault,
    endorsements,
    peers,
    relay,
    box,
    signer,
    clock,
    log,
  });
  const admission = createAdmission({ self: identity, profile, view, vault, endorsements, peers, gossip, steps, signer, clock, log });
  const { store, replication } = createData(ports, { view, vault, peers, admission });
  log('node.booted', { wallet: identity.wallet, profile: profile.name, incarnation: hex(incarnation) });
  return {
    ...ports,
    bootedAtMs: () => clock.nowMs() - (clock.elapsedMs() - bootedAtElapsedMs),
    view,
    vault,
    ca: createCa({ vault, trustDomain: profile.trustDomain, random, clock }),
    nonces,
    audit,
    operators: createOperators({ self: identity.wallet, chain, view, clock, profile }),
    authorizer: createAuthorizer({ chain, view, clock, profile }),
    callerAttestations: createCallerAttestations({ profile, clock, log }),
    ...createCallerMemories(clock),
    admission,
    sessions,
    peers,
    store,
    replication,
  };
}

/** The store and what replicates it: the one asks the other who holds a record, the other is told what changed. */
function createData(
  { identity, clock, random, log }: Omit<KmsDependencies, 'chain' | 'fetch'>,
  { view, vault, peers, admission }: Pick<Kms, 'view' | 'vault' | 'peers' | 'admission'>,
): Pick<Kms, 'store' | 'replication'> {
  const membership = createMembership({ self: identity.wallet, view, clock });
  const store = createStore({
    self: identity.wallet,
    clock,
    random,
    keys: dataKeys(vault, view),
    members: () => membership.live(),
    isReplicated: (record) => replication.isReplicated(record),
    quotaBytes: limits.APP_QUOTA_BYTES,
    memoryBytesMax: limits.STORE_MEMORY_BYTES_MAX,
    isCatchingUp: () => replication.gate().kind === 'waiting',
  });
  const isServing = () => admission.gate().kind === 'serving';
  const replication: Replication = createReplication({ store, membership, view, peers, clock, random, log, isServing });
  return { store, replication };
}

/** Sessions come before peers, and peers before the replication that they carry. */
function dataHandlers(replication: () => Replication): Record<DataFrameType, FrameHandler> {
  return {
    delta: (peer, payload) => replication().handlers.delta(peer, payload),
    ack: (peer, payload) => replication().handlers.ack(peer, payload),
    snapshot: (peer, payload) => replication().handlers.snapshot(peer, payload),
    digest: (peer, payload) => replication().handlers.digest(peer, payload),
  };
}

/** Values are sealed under the epoch that is active at the confirmed block and not given up at the head, once it is held. */
function dataKeys(vault: Vault, view: ChainView): DataKeys {
  return {
    current() {
      const blocks = usableBlocks(view);
      const active = blocks && usableEpochs(blocks).find(({ state }) => state === 'active');
      return active && vault.holds(active.epoch) ? active.epoch : undefined;
    },
    recordKey: (appId, epoch) => vault.recordKey(appId, epoch),
    digestKey: (epoch) => vault.digestKey(epoch),
  };
}

/** A member other nodes may talk to, by the view as it stands. Throws `chain_unavailable`. */
function currentMember(view: ChainView, wallet: Wallet): Operator | undefined {
  const state = view.state();
  if (state.kind !== 'fresh') throw new Refusal('chain_unavailable', state.detail);
  return memberOf(state.blocks, wallet);
}
