/**
 * The certificate authority that all nodes of a cluster are (`docs/protocol.md` clause 12): one per epoch, its key in the vault, its
 * certificate the same bytes on every node. Synchronous, so that no secret is wiped between a judgement and a signature.
 */
import { assert, Refusal } from '../errors.ts';
import { CA_LIFE_MS, LEAF_BACKDATE_MS } from '../limits.ts';
import { hex } from '../wire/bytes.ts';
import { caCertificate, keyIdOf, leafCertificate, leafSerial, SERIAL_BYTES, signedCertificate } from './certificate.ts';
import { keyOfCsr } from './csr-policy.ts';
import type { EpochRecord } from '../chain/registry.ts';
import type { Vault } from '../crypto/vault.ts';
import type { Epoch, Hash } from '../identity.ts';
import type { Clock, Random } from '../ports.ts';
import type { Subject, Validity } from './certificate.ts';

export interface CaDependencies {
  readonly vault: Vault;
  readonly trustDomain: string;
  readonly random: Random;
  readonly clock: Clock;
}

export interface CaCertificate {
  readonly epoch: Epoch;
  /** Of the epoch's secret. */
  readonly hash: Hash;
  readonly der: Uint8Array;
  readonly validity: Validity;
  /** What its leaves call it by. */
  readonly keyId: Uint8Array;
}

export interface LeafOrder {
  readonly subject: Subject;
  /** PEM or DER, as it came. */
  readonly csr: Uint8Array;
  readonly lifeMs: number;
  readonly epoch: EpochRecord;
}

export interface Issued {
  readonly leaf: Uint8Array;
  readonly ca: CaCertificate;
  /** Hex of the number's bytes. */
  readonly serial: string;
  readonly validity: Validity;
}

export interface Ca {
  /**
   * Throws `epoch_retired`, `epoch_unknown` for an epoch without a hash, and `fetching_secret` when the vault does not hold that
   * very secret.
   */
  certificate(epoch: EpochRecord): CaCertificate;
  /** Throws the same, a `csr_…` reason, or `validity_beyond_ca`: a life is refused rather than cut short. */
  issue(order: LeafOrder): Issued;
}

export function createCa({ vault, trustDomain, random, clock }: CaDependencies): Ca {
  /** As many as the vault holds secrets: what belongs to none of them goes when the next one is made. */
  const kept = new Map<Epoch, CaCertificate>();

  function certificate({ epoch, state, hash, activatedAtMs }: EpochRecord): CaCertificate {
    if (state === 'retired' || state === 'lost') throw new Refusal('epoch_retired', `epoch ${epoch} is ${state}`);
    if (hash === undefined) throw new Refusal('epoch_unknown', `epoch ${epoch} has no secret`);
    if (!vault.holdsExactly(epoch, hash)) throw new Refusal('fetching_secret', `epoch ${epoch}`);
    const known = kept.get(epoch);
    if (known?.hash === hash && known.validity.notBeforeMs === activatedAtMs) return known;
    for (const [other, { hash: of }] of kept) if (!vault.holdsExactly(other, of)) kept.delete(other);
    const made = make(epoch, hash, activatedAtMs);
    kept.set(epoch, made);
    return made;
  }

  function make(epoch: Epoch, hash: Hash, activatedAtMs: number): CaCertificate {
    const publicKey = vault.caPublicKey(epoch, hash);
    assert(publicKey, 'a vault that holds a secret has its CA key');
    const validity = { notBeforeMs: activatedAtMs, notAfterMs: activatedAtMs + CA_LIFE_MS };
    const der = sign(epoch, hash, caCertificate({ epoch, hash, validity, trustDomain, publicKey }));
    return { epoch, hash, der, validity, keyId: keyIdOf(publicKey) };
  }

  function sign(epoch: Epoch, hash: Hash, tbs: Uint8Array): Uint8Array {
    const signature = vault.signAsCa(epoch, hash, tbs);
    assert(signature, 'a secret stays while nothing awaits');
    return signedCertificate(tbs, signature);
  }

  function issue({ subject, csr, lifeMs, epoch }: LeafOrder): Issued {
    const ca = certificate(epoch);
    const validity = leafValidity(clock.nowMs(), lifeMs, ca.validity);
    const spki = keyOfCsr(csr);
    const serial = leafSerial(random.bytes(SERIAL_BYTES));
    const tbs = leafCertificate({ subject, trustDomain, serial, validity, spki, issuer: ca });
    return { leaf: sign(ca.epoch, ca.hash, tbs), ca, serial: hex(serial), validity };
  }

  return { certificate, issue };
}

/** From a little before now, but not from before the CA, in whole seconds. */
function leafValidity(nowMs: number, lifeMs: number, ca: Validity): Validity {
  const notBeforeMs = Math.max(wholeSeconds(nowMs - LEAF_BACKDATE_MS), ca.notBeforeMs);
  const notAfterMs = wholeSeconds(nowMs + lifeMs);
  if (notAfterMs > ca.notAfterMs) throw new Refusal('validity_beyond_ca', `the CA ends at ${ca.notAfterMs} ms`);
  return { notBeforeMs, notAfterMs };
}

function wholeSeconds(ms: number): number {
  return Math.floor(ms / 1_000) * 1_000;
}
