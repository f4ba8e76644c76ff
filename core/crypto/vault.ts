/**
 * The single holder of master secrets and candidates. It derives; it never answers with a secret except to the
 * handover, and nothing is ever derived from a candidate. Synchronous: nothing interleaves inside it.
 */
import { LRUCache } from 'lru-cache';
import { AEAD_KEY_BYTES } from './aead.ts';
import { caPublicKey, signAsCa } from './ca-key.ts';
import { hmacSha256 } from './hmac.ts';
import { deriveAppKey, deriveInternalKey, secretHash, SECRET_BYTES } from './kdf.ts';
import { assert } from '../errors.ts';
import { CANDIDATES_PER_EPOCH_MAX, DATA_KEYS_CACHED_MAX } from '../limits.ts';
import { utf8 } from '../wire/bytes.ts';
import type { AppId, Epoch, Hash } from '../identity.ts';
import type { AppDerivation } from './kdf.ts';

/** What the confirmed chain says of one epoch, as far as its secret is concerned. */
export interface EpochTruth {
  readonly epoch: Epoch;
  readonly state: 'open' | 'usable' | 'gone';
  /** Of a usable epoch. */
  readonly hash: Hash | undefined;
}

export interface Settled {
  readonly installed: readonly { readonly epoch: Epoch; readonly hash: Hash }[];
  readonly wiped: readonly { readonly epoch: Epoch; readonly why: string; readonly count: number }[];
}

export interface Vault {
  /**
   * Keeps 32 bytes that may become the secret of an open epoch. When the epoch's candidates are full, one that is not
   * `endorsed` by this node makes room; false when there is none such.
   */
  keepCandidate(epoch: Epoch, secret: Uint8Array, endorsed: ReadonlySet<Hash>): boolean;
  candidates(epoch: Epoch): readonly Hash[];
  /** Installs bytes whose hash the chain holds. False when the hash differs. */
  install(epoch: Epoch, hash: Hash, secret: Uint8Array): boolean;
  /** Brings everything held in line with the chain: installs the candidate that won, wipes what lost or is gone. */
  settle(truths: readonly EpochTruth[]): Settled;
  holds(epoch: Epoch): boolean;
  /** Whether the epoch's secret is the one with exactly that hash. */
  holdsExactly(epoch: Epoch, hash: Hash): boolean;
  /** A copy for a handover: the secret or candidate with exactly that hash. */
  handOver(epoch: Epoch, hash: Hash): Uint8Array | undefined;
  /** `undefined` when the epoch's secret is not held. */
  appKey(derivation: AppDerivation): Uint8Array | undefined;
  /**
   * 32 bytes: what the records of an app are sealed under. `undefined` when the epoch's secret is not held. For use at once: the
   * vault zeroes the bytes when it forgets them.
   */
  recordKey(appId: AppId, epoch: Epoch): Uint8Array | undefined;
  /** 32 bytes, likewise: what members compare their stores under. `undefined` when the epoch's secret is not held. */
  digestKey(epoch: Epoch): Uint8Array | undefined;
  /** 32 bytes that stand for the name of an app's key in audit trails. `undefined` when the epoch's secret is not held. */
  auditName(appId: AppId, name: string, epoch: Epoch): Uint8Array | undefined;
  /** The public half of the epoch's CA key (65 bytes, 0x04 first). `undefined` unless the secret with exactly that hash is held. */
  caPublicKey(epoch: Epoch, hash: Hash): Uint8Array | undefined;
  /** The signature of the epoch's CA (DER), the same for the same message. `undefined` unless that very secret is held. */
  signAsCa(epoch: Epoch, hash: Hash, message: Uint8Array): Uint8Array | undefined;
}

/** The internal keys derived so far live and die with their secret. */
interface Held {
  readonly hash: Hash;
  readonly secret: Uint8Array;
  readonly internalKeys: LRUCache<string, Uint8Array>;
}

/** `clear` disposes of every key, which zeroes it. */
function wipe(held: Held | undefined): void {
  held?.secret.fill(0);
  held?.internalKeys.clear();
}

export function createVault(): Vault {
  const secrets = new Map<Epoch, Held>();
  const candidates = new Map<Epoch, Map<Hash, Uint8Array>>();

  function keepCandidate(epoch: Epoch, secret: Uint8Array, endorsed: ReadonlySet<Hash>): boolean {
    assert(secret.length === SECRET_BYTES, 'a candidate has 32 bytes');
    const ofEpoch = candidates.get(epoch) ?? new Map<Hash, Uint8Array>();
    const hash = secretHash(secret);
    if (!ofEpoch.has(hash) && ofEpoch.size >= CANDIDATES_PER_EPOCH_MAX && !makeRoom(ofEpoch, endorsed)) return false;
    ofEpoch.set(hash, secret.slice());
    candidates.set(epoch, ofEpoch);
    return true;
  }

  function makeRoom(ofEpoch: Map<Hash, Uint8Array>, endorsed: ReadonlySet<Hash>): boolean {
    const idle = [...ofEpoch.keys()].find((hash) => !endorsed.has(hash));
    if (idle === undefined) return false;
    ofEpoch.get(idle)?.fill(0);
    return ofEpoch.delete(idle);
  }

  function install(epoch: Epoch, hash: Hash, secret: Uint8Array): boolean {
    if (secret.length !== SECRET_BYTES || secretHash(secret) !== hash) return false;
    wipe(secrets.get(epoch));
    secrets.set(epoch, {
      hash,
      secret: secret.slice(),
      internalKeys: new LRUCache({ max: DATA_KEYS_CACHED_MAX, dispose: (key) => void key.fill(0) }),
    });
    return true;
  }

  function settle(truths: readonly EpochTruth[]): Settled {
    const usable = new Map(truths.flatMap((truth) => (truth.state === 'usable' && truth.hash ? [[truth.epoch, truth.hash] as const] : [])));
    const decided = new Set(truths.filter((truth) => truth.state !== 'open').map((truth) => truth.epoch));
    const wiped = [...dropSecrets(usable, decided)];
    const installed = [...usable].flatMap(([epoch, hash]) => (promote(epoch, hash) ? [{ epoch, hash }] : []));
    wiped.push(...dropCandidates(decided));
    return { installed, wiped };
  }

  /**
   * A secret whose epoch is open again, or not there, lost its activation to a reorganisation deeper than the confirmation:
   * it is a candidate once more. The same activation most likely comes back, and then nobody else would have it.
   */
  function* dropSecrets(usable: ReadonlyMap<Epoch, Hash>, decided: ReadonlySet<Epoch>): Generator<Settled['wiped'][number]> {
    for (const [epoch, held] of secrets) {
      if (usable.get(epoch) === held.hash) continue;
      secrets.delete(epoch);
      if (!decided.has(epoch)) keepCandidate(epoch, held.secret, new Set());
      wipe(held);
      if (decided.has(epoch)) yield { epoch, why: usable.has(epoch) ? 'another hash is active' : 'the epoch is gone', count: 1 };
    }
  }

  function promote(epoch: Epoch, hash: Hash): boolean {
    const secret = secrets.has(epoch) ? undefined : candidates.get(epoch)?.get(hash);
    return secret !== undefined && install(epoch, hash, secret);
  }

  function* dropCandidates(decided: ReadonlySet<Epoch>): Generator<Settled['wiped'][number]> {
    for (const [epoch, ofEpoch] of candidates) {
      if (!decided.has(epoch)) continue;
      for (const secret of ofEpoch.values()) secret.fill(0);
      candidates.delete(epoch);
      const won = secrets.get(epoch)?.hash;
      const lost = [...ofEpoch.keys()].filter((hash) => hash !== won).length;
      if (lost > 0) yield { epoch, why: 'candidates that did not become the secret', count: lost };
    }
  }

  function internalKey(epoch: Epoch, purpose: 'audit' | 'data', use: string): Uint8Array | undefined {
    const held = secrets.get(epoch);
    if (!held) return undefined;
    const known = held.internalKeys.get(`${purpose}:${use}`);
    if (known) return known;
    const key = deriveInternalKey(held.secret, purpose, epoch, AEAD_KEY_BYTES, use);
    held.internalKeys.set(`${purpose}:${use}`, key);
    return key;
  }

  function exactly(epoch: Epoch, hash: Hash): Uint8Array | undefined {
    const held = secrets.get(epoch);
    return held?.hash === hash ? held.secret : undefined;
  }

  return {
    keepCandidate,
    candidates: (epoch) => [...(candidates.get(epoch)?.keys() ?? [])],
    install,
    settle,
    holds: (epoch) => secrets.has(epoch),
    holdsExactly: (epoch, hash) => exactly(epoch, hash) !== undefined,
    handOver(epoch, hash) {
      const secret = exactly(epoch, hash) ?? candidates.get(epoch)?.get(hash);
      return secret?.slice();
    },
    appKey(derivation) {
      const held = secrets.get(derivation.epoch);
      return held && deriveAppKey(held.secret, derivation);
    },
    recordKey: (appId, epoch) => internalKey(epoch, 'data', `record:${appId}`),
    digestKey: (epoch) => internalKey(epoch, 'data', 'digest'),
    auditName(appId, name, epoch) {
      const key = internalKey(epoch, 'audit', 'name');
      return key && hmacSha256(key, utf8(`${appId}:${name}`));
    },
    caPublicKey(epoch, hash) {
      const secret = exactly(epoch, hash);
      return secret && caPublicKey(secret, epoch);
    },
    signAsCa(epoch, hash, message) {
      const secret = exactly(epoch, hash);
      return secret && signAsCa(secret, epoch, message);
    },
  };
}
