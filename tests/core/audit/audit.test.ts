import { beforeEach, describe, expect, it } from 'vitest';
import { audited, createAudit } from '../../../core/audit/audit.ts';
import { createVault } from '../../../core/crypto/vault.ts';
import { AUDIT_PERIOD_MS, LOGGED_LIES_BURST } from '../../../core/limits.ts';
import { deriveInternalKey, secretHash } from '../../../core/crypto/kdf.ts';
import { hmacSha256 } from '../../../core/crypto/hmac.ts';
import { canonicalJson } from '../../../core/wire/json.ts';
import { hex, utf8 } from '../../../core/wire/bytes.ts';
import { createClock, createCluster, createRecordingLog, epochOf, hashOf, signerNamed } from '../fakes.ts';
import { INCARNATION } from './trails.ts';
import type { Audit } from '../../../core/audit/audit.ts';
import type { AppId, Epoch } from '../../../core/identity.ts';
import type { Json } from '../../../core/wire/json.ts';
import type { RecordingLog, VirtualClock } from '../fakes.ts';

const secret = new Uint8Array(32).fill(0x5e);
const APP = 9n as AppId;
const peer = signerNamed('a peer').wallet;
let clock: VirtualClock;
let lines: RecordingLog;
let epoch: Epoch | undefined;
let audit: Audit;

beforeEach(() => {
  clock = createClock();
  lines = createRecordingLog();
  epoch = epochOf(0);
  audit = auditWith(secret);
});

function auditWith(ofEpoch: Uint8Array): Audit {
  const vault = createVault();
  vault.install(epochOf(0), secretHash(ofEpoch), ofEpoch);
  return createAudit({ incarnation: INCARNATION, clock, log: lines.log, vault, epoch: () => epoch });
}

const records = (from = audit) => from.page(1, { recordsMax: 10_000, bytesMax: 10_000_000 }).records;
const refusals = () => records().map(({ kind, reason, count }) => [kind, reason, count]);

describe('an audit', () => {
  it('puts each record into the log, whole', () => {
    audit.record('data_forgotten', { members: 3 });
    audit.record('serving', { epoch: epochOf(0), block: 7 });
    expect(lines.named('audit.recorded').map(({ record }) => record)).toEqual(records());
  });

  it('hears what the log is told, and tells the log what it was told', () => {
    const log = audited(lines.log, audit);
    log('node.booted', { wallet: peer, profile: 'test', incarnation: INCARNATION });
    log('secret.installed', { epoch: epochOf(0), hash: hashOf(1), source: 'handover', peer });
    log('secret.wiped', { epoch: epochOf(0), why: 'the epoch is gone', count: 2 });
    log('handover.given', { epoch: epochOf(0), hash: hashOf(1), peer, measurement: hashOf(3) });
    log('attestation.refused', { peer, fault: 'nonce_differs', detail: 'what it says' });
    log('handover.refused', { peer, reason: 'handover_not_eligible' });
    log('candidate.endorsed', { epoch: epochOf(1), hash: hashOf(2), validUntilBlock: 9 });
    log('chain.readable', { block: 1 });
    expect(records()).toMatchObject([
      { kind: 'boot', node: peer, incarnation: INCARNATION, network: 'test' },
      { kind: 'secret_installed', epoch: 0, secret_hash: hashOf(1), source: 'handover', peer },
      { kind: 'secret_wiped', epoch: 0, count: 2 },
      { kind: 'handover_given', epoch: 0, secret_hash: hashOf(1), peer, measurement: hashOf(3) },
      { kind: 'attestation_refused', reason: 'peer_not_attested', peer, fault: 'nonce_differs', count: 1 },
      { kind: 'handover_refused', reason: 'handover_not_eligible', peer, count: 1 },
      { kind: 'endorsed', epoch: 1, secret_hash: hashOf(2), valid_until_block: 9 },
    ]);
    expect(lines.named('chain.readable')).toEqual([{ block: 1 }]);
    expect(lines.named('node.booted').length).toBe(1);
  });

  it('has the reason for which a node waits once, however often and however it says so', () => {
    const log = audited(lines.log, audit);
    const waiting = (detail: string) => log('node.waiting', { reason: 'chain_stale', detail, block: 3 });
    for (const detail of ['1 s old', '2 s old', '3 s old']) waiting(detail);
    log('node.serving', { epoch: epochOf(0), block: 4 });
    waiting('1 s old');
    expect(records().map(({ kind }) => kind)).toEqual(['waiting', 'serving', 'waiting']);
  });

  it('begins with the boot of its node and follows it to its secret and its service', async () => {
    const cluster = createCluster('a', 'b', 'c');
    cluster.chain.openNext();
    await cluster.until(() => cluster.nodes.every(({ kms }) => kms.admission.gate().kind === 'serving'));
    for (const { kms, wallet } of cluster.nodes) {
      const all = records(kms.audit);
      expect(all[0]).toMatchObject({ kind: 'boot', node: wallet, incarnation: kms.audit.incarnation, seq: 1 });
      const kinds = all.map(({ kind }) => kind);
      expect(kinds).toContain('secret_installed');
      expect(kinds).toContain('endorsed');
      expect(kinds.at(-1)).toBe('serving');
    }
    // The proposer handed its candidate to the others.
    const given = cluster.nodes.flatMap(({ kms }) => records(kms.audit).filter(({ kind }) => kind === 'handover_given'));
    expect(given.length).toBeGreaterThanOrEqual(2);
  });
});

describe('S-M2 what strangers bring about', () => {
  const flood = (times: number) => {
    for (let index = 0; index < times; index += 1) audit.count('refused', { reason: 'proof_missing' });
  };

  it('is told at once, and once more with how often it came', () => {
    flood(1);
    expect(refusals()).toEqual([['refused', 'proof_missing', 1]]);
    flood(999);
    audit.settle();
    expect(refusals().length).toBe(1);
    clock.advance(AUDIT_PERIOD_MS);
    audit.settle();
    expect(refusals()).toEqual([
      ['refused', 'proof_missing', 1],
      ['refused', 'proof_missing', 999],
    ]);
  });

  it('would fill the trail if each were told, and takes two records a period as it is', () => {
    const told = createAudit({ incarnation: INCARNATION, clock, log: lines.log, vault: createVault(), epoch: () => epoch });
    for (let index = 0; index < 5_000; index += 1) told.record('refused', { reason: 'proof_missing', count: 1, since_ms: 0 });
    expect(told.kept().records).toBe(5_000);
    for (let minute = 0; minute < 5; minute += 1) {
      flood(1_000);
      clock.advance(AUDIT_PERIOD_MS);
    }
    audit.head();
    expect(audit.kept().records).toBe(10);
    const total = refusals().reduce((sum, [, , count]) => sum + (count as number), 0);
    expect(total).toBe(5_000);
  });

  it('X-9 of one member’s handovers is told to the log a few times a period, and counted whole', () => {
    const log = audited(lines.log, audit);
    const refuse = (times: number, of = peer) => {
      for (let index = 0; index < times; index += 1) log('handover.refused', { peer: of, reason: 'handover_rate_limited' });
    };
    const told = () => lines.named('handover.refused').length;
    refuse(1_000);
    expect(told()).toBe(LOGGED_LIES_BURST);
    refuse(1, signerNamed('another peer').wallet);
    expect(told()).toBe(LOGGED_LIES_BURST + 1);
    clock.advance(AUDIT_PERIOD_MS);
    refuse(1);
    expect(told()).toBe(LOGGED_LIES_BURST + 2);
    expect(refusals().map(([, , count]) => count)).toEqual([1, 1, 999, 1]);
  });

  it('is counted for each reason, and for each member', () => {
    const other = signerNamed('another peer').wallet;
    for (const each of [peer, other, peer]) audit.count('handover_refused', { peer: each, reason: 'handover_rate_limited' });
    audit.count('handover_refused', { peer, reason: 'handover_not_eligible' });
    clock.advance(AUDIT_PERIOD_MS);
    audit.settle();
    expect(records().map(({ peer: of, reason, count }) => [of, reason, count])).toEqual([
      [peer, 'handover_rate_limited', 1],
      [other, 'handover_rate_limited', 1],
      [peer, 'handover_not_eligible', 1],
      [peer, 'handover_rate_limited', 1],
    ]);
  });

  it('is covered by the head that is read after its period', () => {
    flood(3);
    const { seq } = audit.head();
    clock.advance(AUDIT_PERIOD_MS);
    expect(audit.head().seq).toBe(seq + 1);
  });

  it('is counted by time that passed, whatever the clock is set to', () => {
    flood(2);
    clock.set(10 * AUDIT_PERIOD_MS);
    audit.settle();
    expect(refusals().length).toBe(1);
    clock.set(-20 * AUDIT_PERIOD_MS);
    clock.advance(AUDIT_PERIOD_MS);
    audit.settle();
    expect(refusals().length).toBe(2);
  });
});

describe('the name of a key in a trail', () => {
  it('is an HMAC under a key that only the epoch’s secret gives', () => {
    const key = deriveInternalKey(secret, 'audit', epochOf(0), 32, 'name');
    expect(audit.named(APP, 'users/alice')).toEqual({ app_id: '9', name: hex(hmacSha256(key, utf8('9:users/alice'))), epoch: 0 });
  });

  it('is the same on every node of a cluster, and in no other cluster', () => {
    expect(auditWith(secret).named(APP, 'k')).toEqual(audit.named(APP, 'k'));
    expect(auditWith(new Uint8Array(32).fill(1)).named(APP, 'k').name).not.toBe(audit.named(APP, 'k').name);
  });

  it('is another for another key and another app', () => {
    const names = [audit.named(APP, 'k'), audit.named(APP, 'k2'), audit.named(10n as AppId, 'k')].map(({ name }) => name);
    expect(new Set(names).size).toBe(3);
  });

  it('could be guessed if it were a plain digest, and is not one', () => {
    const words = ['users/alice', 'users/bob'];
    const guess = (name: string | null, digest: (word: string) => string) => words.find((word) => digest(word) === name);
    const weak = (word: string) => hex(hmacSha256(new Uint8Array(32), utf8(`9:${word}`)));
    expect(guess(weak('users/bob'), weak)).toBe('users/bob');
    expect(guess(audit.named(APP, 'users/bob').name, weak)).toBeUndefined();
  });

  it('is left out while no epoch is held', () => {
    epoch = undefined;
    expect(audit.named(APP, 'k')).toEqual({ app_id: '9', name: null, epoch: null });
    epoch = epochOf(3);
    expect(audit.named(APP, 'k')).toEqual({ app_id: '9', name: null, epoch: 3 });
  });

  it('is ASCII like all of a record: its length is its bytes', () => {
    audit.record('value_written', { ...audit.named(APP, 'schlüssel/ключ/鍵'), version: 'v', bytes: 1 });
    const text = canonicalJson(records() as readonly Json[]);
    expect(utf8(text).length).toBe(text.length);
    expect(text).not.toContain('schl');
  });
});
