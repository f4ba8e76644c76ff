import { describe, expect, it } from 'vitest';
import { caPublicKey, signAsCa } from '../../../core/crypto/ca-key.ts';
import { createVault } from '../../../core/crypto/vault.ts';
import { hmacSha256 } from '../../../core/crypto/hmac.ts';
import { deriveAppKey, deriveInternalKey, secretHash } from '../../../core/crypto/kdf.ts';
import { CANDIDATES_PER_EPOCH_MAX } from '../../../core/limits.ts';
import { hex, utf8 } from '../../../core/wire/bytes.ts';
import { epochOf } from '../fakes.ts';
import type { AppId, Hash } from '../../../core/identity.ts';

const [e0, e1] = [epochOf(0), epochOf(1)];
const secretOf = (byte: number) => new Uint8Array(32).fill(byte);
const hashOfSecret = (byte: number) => secretHash(secretOf(byte));
const derivation = { appId: 43n as AppId, epoch: e0, path: 'disk', context: '', lengthBytes: 32 };
const usable = (byte: number, epoch = e0) => ({ epoch, state: 'usable', hash: hashOfSecret(byte) }) as const;
const open = (epoch = e0) => ({ epoch, state: 'open', hash: undefined }) as const;
const gone = (epoch = e0) => ({ epoch, state: 'gone', hash: undefined }) as const;

function vaultWith(...candidates: readonly number[]) {
  const vault = createVault();
  for (const byte of candidates) vault.keepCandidate(e0, secretOf(byte), none);
  return vault;
}

function installed(byte: number) {
  const vault = createVault();
  expect(vault.install(e0, hashOfSecret(byte), secretOf(byte))).toBe(true);
  return vault;
}

const none: ReadonlySet<Hash> = new Set();

describe('a secret', () => {
  it('derives once it is installed', () => {
    const vault = installed(1);
    expect(vault.holds(e0)).toBe(true);
    expect(vault.appKey(derivation)).toEqual(deriveAppKey(secretOf(1), derivation));
    expect(vault.recordKey(derivation.appId, e0)).toEqual(deriveInternalKey(secretOf(1), 'data', e0, 32, `record:${derivation.appId}`));
    expect(vault.digestKey(e0)).toEqual(deriveInternalKey(secretOf(1), 'data', e0, 32, 'digest'));
  });
  it('serves its own epoch only', () => {
    const vault = installed(1);
    expect(vault.holds(e1)).toBe(false);
    expect(vault.appKey({ ...derivation, epoch: e1 })).toBeUndefined();
    expect(vault.recordKey(derivation.appId, e1)).toBeUndefined();
    expect(vault.handOver(e1, hashOfSecret(1))).toBeUndefined();
  });
  it('S-C3 is refused when its hash is another, and nothing is held', () => {
    const vault = createVault();
    expect(vault.install(e0, hashOfSecret(2), secretOf(1))).toBe(false);
    expect(vault.holds(e0)).toBe(false);
  });
  it.each([0, 31, 33])('is refused with %i bytes, even under their own hash', (length) => {
    const bytes = new Uint8Array(length).fill(1);
    expect(createVault().install(e0, secretHash(bytes), bytes)).toBe(false);
  });
  it('S-C3 stays when a wrong one is offered for its place', () => {
    const vault = installed(1);
    expect(vault.install(e0, hashOfSecret(1), secretOf(2))).toBe(false);
    expect(vault.appKey(derivation)).toEqual(deriveAppKey(secretOf(1), derivation));
  });
  it('S-C2 a replaced secret takes its derived keys with it', () => {
    const vault = installed(1);
    const before = vault.appKey(derivation);
    const cached = vault.recordKey(derivation.appId, e0);
    const dataBefore = cached?.slice();
    expect(vault.settle([usable(2)]).wiped).toEqual([{ epoch: e0, why: 'another hash is active', count: 1 }]);
    expect(vault.appKey(derivation)).toBeUndefined();
    expect(vault.recordKey(derivation.appId, e0)).toBeUndefined();
    expect(cached).toEqual(new Uint8Array(32));
    expect(vault.handOver(e0, hashOfSecret(1))).toBeUndefined();
    vault.install(e0, hashOfSecret(2), secretOf(2));
    expect(vault.appKey(derivation)).toEqual(deriveAppKey(secretOf(2), derivation));
    expect(vault.appKey(derivation)).not.toEqual(before);
    expect(vault.recordKey(derivation.appId, e0)).toEqual(deriveInternalKey(secretOf(2), 'data', e0, 32, `record:${derivation.appId}`));
    expect(vault.recordKey(derivation.appId, e0)).not.toEqual(dataBefore);
  });
  it('S-C2 goes when its epoch is gone', () => {
    const vault = installed(1);
    expect(vault.settle([gone()]).wiped).toEqual([{ epoch: e0, why: 'the epoch is gone', count: 1 }]);
    expect([vault.holds(e0), vault.candidates(e0)]).toEqual([false, []]);
  });
  it('stays while the chain names it', () => {
    const vault = installed(1);
    expect(vault.settle([usable(1), open(e1)])).toEqual({ installed: [], wiped: [] });
    expect(vault.holds(e0)).toBe(true);
  });
  it('S-C1 is a candidate again, and nothing is derived from it, when its activation was reorganised away', () => {
    for (const truths of [[open()], [], [usable(2, e1)]]) {
      const vault = installed(1);
      expect(vault.settle(truths)).toEqual({ installed: [], wiped: [] });
      expect([vault.holds(e0), vault.appKey(derivation), vault.candidates(e0)]).toEqual([false, undefined, [hashOfSecret(1)]]);
      expect(vault.settle([usable(1)]).installed).toHaveLength(1);
      expect(vault.appKey(derivation)).toEqual(deriveAppKey(secretOf(1), derivation));
    }
  });
});

describe('the CA key of a secret', () => {
  const message = new Uint8Array(10);
  it('signs for exactly that secret', () => {
    const vault = installed(1);
    expect(vault.caPublicKey(e0, hashOfSecret(1))).toEqual(caPublicKey(secretOf(1), e0));
    expect(vault.signAsCa(e0, hashOfSecret(1), message)).toEqual(signAsCa(secretOf(1), e0, message));
    expect(vault.holdsExactly(e0, hashOfSecret(1))).toBe(true);
  });
  it.each([
    ['of another epoch', e1, hashOfSecret(1)],
    ['of another secret', e0, hashOfSecret(2)],
  ])('is not that %s', (_what, epoch, hash) => {
    const vault = installed(1);
    vault.keepCandidate(e0, secretOf(2), none);
    vault.keepCandidate(e1, secretOf(1), none);
    expect(vault.holdsExactly(epoch, hash)).toBe(false);
    expect([vault.caPublicKey(epoch, hash), vault.signAsCa(epoch, hash, message)]).toEqual([undefined, undefined]);
  });
  it('S-C2 goes when its epoch is gone', () => {
    const vault = installed(1);
    vault.settle([gone()]);
    expect([vault.caPublicKey(e0, hashOfSecret(1)), vault.signAsCa(e0, hashOfSecret(1), message)]).toEqual([undefined, undefined]);
  });
});

describe('the name of a key in the audit trail', () => {
  const name = (byte: number, appId = 43n, key = 'a', epoch = e0) => installed(byte).auditName(appId as AppId, key, epoch);
  it('is an HMAC under a key of the secret, of that app and that key', () => {
    const key = deriveInternalKey(secretOf(1), 'audit', e0, 32, 'name');
    expect(name(1)).toEqual(hmacSha256(key, utf8('43:a')));
  });
  it('is another for another app, key or secret', () => {
    const all = [name(1), name(1, 44n), name(1, 43n, 'b'), name(2)].map((bytes) => hex(bytes as Uint8Array));
    expect(new Set(all).size).toBe(all.length);
  });
  it('is none without the secret', () => expect(name(1, 43n, 'a', e1)).toBeUndefined());
});

describe('a candidate', () => {
  it('S-C1 is never derived from and never held as a secret', () => {
    const vault = vaultWith(1);
    expect(vault.candidates(e0)).toEqual([hashOfSecret(1)]);
    expect(vault.holds(e0)).toBe(false);
    expect(vault.appKey(derivation)).toBeUndefined();
    expect(vault.recordKey(derivation.appId, e0)).toBeUndefined();
  });
  it('S-C1 stays a candidate while its epoch is open', () => {
    const vault = vaultWith(1, 2);
    expect(vault.settle([open()])).toEqual({ installed: [], wiped: [] });
    expect(vault.candidates(e0)).toHaveLength(2);
    expect(vault.appKey(derivation)).toBeUndefined();
  });
  it('becomes the secret when it won, and the losers are wiped', () => {
    const vault = vaultWith(1, 2, 3);
    expect(vault.settle([usable(2)])).toMatchObject({
      installed: [{ epoch: e0, hash: hashOfSecret(2) }],
      wiped: [{ epoch: e0, why: 'candidates that did not become the secret', count: 2 }],
    });
    expect(vault.appKey(derivation)).toEqual(deriveAppKey(secretOf(2), derivation));
    expect(vault.candidates(e0)).toEqual([]);
    expect(vault.handOver(e0, hashOfSecret(1))).toBeUndefined();
    expect(vault.handOver(e0, hashOfSecret(3))).toBeUndefined();
  });
  it('that was the only one and won leaves nothing to tell of', () =>
    expect(vaultWith(1).settle([usable(1)])).toEqual({ installed: [{ epoch: e0, hash: hashOfSecret(1) }], wiped: [] }));
  it('is wiped when a stranger won', () => {
    const vault = vaultWith(1);
    expect(vault.settle([usable(9)]).installed).toEqual([]);
    expect(vault.holds(e0)).toBe(false);
    expect(vault.candidates(e0)).toEqual([]);
  });
  it('of another epoch does not win this one', () => {
    const vault = createVault();
    vault.keepCandidate(e1, secretOf(1), none);
    vault.settle([usable(1), open(e1)]);
    expect(vault.holds(e0)).toBe(false);
    expect(vault.candidates(e1)).toHaveLength(1);
  });
  it('is kept once, however often it comes', () => {
    const vault = vaultWith(1, 1, 1);
    expect(vault.candidates(e0)).toHaveLength(1);
  });
  it('is refused when the epoch’s are full, except one that is there', () => {
    const vault = vaultWith(...Array.from({ length: CANDIDATES_PER_EPOCH_MAX }, (_, index) => index));
    expect(vault.candidates(e0)).toHaveLength(CANDIDATES_PER_EPOCH_MAX);
    const all = new Set(vault.candidates(e0));
    expect(vault.keepCandidate(e0, secretOf(99), all)).toBe(false);
    expect(vault.keepCandidate(e0, secretOf(0), all)).toBe(true);
    expect(vault.keepCandidate(e1, secretOf(99), all)).toBe(true);
    expect(vault.candidates(e0)).toEqual([...all]);
  });
  it('makes room for a new one only by one that this node has not endorsed', () => {
    const vault = vaultWith(...Array.from({ length: CANDIDATES_PER_EPOCH_MAX }, (_, index) => index));
    const [idle, ...endorsed] = vault.candidates(e0);
    expect(vault.keepCandidate(e0, secretOf(99), new Set(endorsed))).toBe(true);
    expect(vault.candidates(e0)).toEqual([...endorsed, secretHash(secretOf(99))]);
    expect(vault.handOver(e0, idle as Hash)).toBeUndefined();
  });
  it('has 32 bytes, or the program is wrong', () =>
    expect(() => createVault().keepCandidate(e0, new Uint8Array(31), none)).toThrow('must hold'));
});

describe('bytes of the vault', () => {
  it('are copies of what came in', () => {
    const [kept, given] = [secretOf(1), secretOf(2)];
    const vault = createVault();
    vault.keepCandidate(e1, kept, none);
    vault.install(e0, hashOfSecret(2), given);
    kept.fill(0);
    given.fill(0);
    expect(vault.handOver(e1, hashOfSecret(1))).toEqual(secretOf(1));
    expect(vault.handOver(e0, hashOfSecret(2))).toEqual(secretOf(2));
  });
  it('are copies when they go out, so that a wipe here reaches no answer and nobody outside reaches in', () => {
    const vault = installed(1);
    const given = vault.handOver(e0, hashOfSecret(1));
    given?.fill(0);
    expect(vault.handOver(e0, hashOfSecret(1))).toEqual(secretOf(1));
    const kept = vault.handOver(e0, hashOfSecret(1));
    vault.settle([gone()]);
    expect(kept).toEqual(secretOf(1));
  });
  it('are handed over by exact hash only', () => {
    const vault = installed(1);
    vault.keepCandidate(e0, secretOf(2), none);
    expect(vault.handOver(e0, hashOfSecret(1))).toEqual(secretOf(1));
    expect(vault.handOver(e0, hashOfSecret(2))).toEqual(secretOf(2));
    expect(vault.handOver(e0, hashOfSecret(3))).toBeUndefined();
  });
  it('S-L9 are seen by no other vault', () => {
    installed(1);
    expect(createVault().holds(e0)).toBe(false);
  });
});
