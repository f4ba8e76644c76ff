import { describe, expect, it } from 'vitest';
import { deriveAppKey, deriveInternalKey, derivationInfo, secretHash } from '../../../core/crypto/kdf.ts';
import { hex, parseHex } from '../../../core/wire/bytes.ts';
import { asView, epochOf, flipped } from '../fakes.ts';
import vectors from '../../vectors/derivation.json' with { type: 'json' };
import type { AppDerivation } from '../../../core/crypto/kdf.ts';
import type { AppId } from '../../../core/identity.ts';

const secret = parseHex(vectors.secret) as Uint8Array;

describe.each(vectors.keys)('the vector of $name', ({ app, epoch, path, context, length, key }) => {
  const derivation: AppDerivation = { appId: BigInt(app) as AppId, epoch: epochOf(epoch), path, context, lengthBytes: length };
  const derive = (change: Partial<AppDerivation> = {}, from = secret) => hex(deriveAppKey(from, { ...derivation, ...change }));
  it('is met', () => expect(derive()).toBe(key));
  it('is met from a secret that is a view with an offset', () => expect(derive({}, asView(secret))).toBe(key));
  it('is missed with a flipped bit of the secret, another app, epoch, path or context', () => {
    const others = [
      derive({}, flipped(secret, 31)),
      derive({ appId: (BigInt(app) + 1n) as AppId }),
      derive({ epoch: epochOf(epoch + 1) }),
      derive({ path: `${path}x` }),
      derive({ context: `${context}x` }),
    ];
    for (const other of others) expect(other).not.toBe(key);
  });
});

describe('the info of a derivation', () => {
  it.each(vectors.infos)('U-1 is frozen for $name', ({ path, context, info }) => expect(derivationInfo(path, context)).toBe(info));
  it('U-1 tells a path with a colon from a path with a context', () =>
    expect(derivationInfo('a:b', '')).not.toBe(derivationInfo('a', 'b')));
});

describe('internal keys', () => {
  it('differ by purpose, epoch and secret', () => {
    const keys = [
      deriveInternalKey(secret, 'ca', epochOf(0), 32),
      deriveInternalKey(secret, 'data', epochOf(0), 32),
      deriveInternalKey(secret, 'ca', epochOf(1), 32),
      deriveInternalKey(flipped(secret), 'ca', epochOf(0), 32),
    ].map(hex);
    expect(new Set(keys).size).toBe(4);
  });
});

describe('the hash of a secret', () => {
  it('is keccak256 of its bytes, views included', () => {
    expect(secretHash(secret)).toBe(vectors.secretHash);
    expect(secretHash(asView(secret))).toBe(vectors.secretHash);
    expect(secretHash(flipped(secret))).not.toBe(vectors.secretHash);
  });
});
