import { secp256k1 } from '@noble/curves/secp256k1.js';
import { describe, expect, it } from 'vitest';
import { parseSignature, personalDigest, recoverWallet } from '../../../core/crypto/wallet.ts';
import { concat, hex, parseHex } from '../../../core/wire/bytes.ts';
import { asView, flipped, signerNamed } from '../fakes.ts';
import vectors from '../../vectors/signatures.json' with { type: 'json' };

const ORDER = secp256k1.Point.Fn.ORDER;
const scalar = (value: bigint) => parseHex(value.toString(16).padStart(64, '0')) as Uint8Array;
const signature = (r: bigint, s: bigint, v: number) => concat(scalar(r), scalar(s), Uint8Array.of(v));

describe.each(vectors.signatures)('the vector of $name', ({ text, signer, signature: header }) => {
  const bytes = parseSignature(header) as Uint8Array;
  const wallet = signer === 'app' ? vectors.app : vectors.kms;
  const number = (from: number) => BigInt(`0x${hex(bytes.subarray(from, from + 32))}`);
  const [r, s, v] = [number(0), number(32), bytes[64] as number];

  it('recovers its signer', () => expect(recoverWallet(text, bytes)).toBe(wallet));
  it('recovers it in the form of Odyn, v 0 or 1', () => expect(recoverWallet(text, signature(r, s, v - 27))).toBe(wallet));
  it('recovers it from a view with an offset', () => expect(recoverWallet(text, asView(bytes))).toBe(wallet));
  it('recovers another wallet, or none, with a flipped bit anywhere', () => {
    for (let index = 0; index < 65; index += 1) expect(recoverWallet(text, flipped(bytes, index, index % 8))).not.toBe(wallet);
  });
  it('recovers another wallet for another text', () => expect(recoverWallet(`${text} `, bytes)).not.toBe(wallet));
  it('refuses its twin with a high s', () => {
    expect(recoverWallet(text, signature(r, ORDER - s, v === 27 ? 28 : 27))).toBeUndefined();
    expect(recoverWallet(text, signature(r, ORDER - s, v))).toBeUndefined();
  });
  it.each([2, 3, 4, 26, 29, 31, 35, 128, 255])('refuses v = %i', (odd) =>
    expect(recoverWallet(text, signature(r, s, odd))).toBeUndefined(),
  );
  it.each<[string, bigint, bigint]>([
    ['r = 0', 0n, s],
    ['s = 0', r, 0n],
    ['r = the order', ORDER, s],
    ['s = the order', r, ORDER],
    ['r over the order', ORDER + 1n, s],
    ['r of all ones', 2n ** 256n - 1n, s],
    ['s of all ones', r, 2n ** 256n - 1n],
  ])('refuses %s', (_what, oddR, oddS) => expect(recoverWallet(text, signature(oddR, oddS, v))).toBeUndefined());
  it.each([0, 1, 64, 66, 130])('refuses %i bytes', (length) =>
    expect(recoverWallet(text, concat(bytes, bytes).subarray(0, length))).toBeUndefined(),
  );
});

describe('a signature that recovers to infinity', () => {
  it('is none', () => {
    // R = G and s = the digest give s·R − z·G = 0.
    const { x, y } = secp256k1.Point.BASE.toAffine();
    const parity = Number(y % 2n);
    for (let tried = 0; tried < 64; tried += 1) {
      const text = `text ${tried}`;
      const z = BigInt(`0x${hex(personalDigest(text))}`) % ORDER;
      if (z > ORDER / 2n) continue;
      expect(recoverWallet(text, signature(x, z + 1n, parity))).toBeDefined();
      expect(recoverWallet(text, signature(x, z, parity))).toBeUndefined();
      return;
    }
    throw new Error('no text with a low digest');
  });
  it('and so is an r that no point has', () => {
    const recovered = Array.from({ length: 32 }, (_, index) => recoverWallet('text', signature(BigInt(index + 1), 1n, 0)));
    expect(recovered.some((wallet) => wallet === undefined)).toBe(true);
    expect(recovered.some((wallet) => wallet !== undefined)).toBe(true);
  });
});

describe('the text of a signature', () => {
  const header = signerNamed('a').signNow('text');
  it('is read with and without 0x, in any case', () => {
    for (const text of [header, header.slice(2), header.toUpperCase()])
      expect(hex(parseSignature(text) as Uint8Array)).toBe(header.slice(2));
  });
  it.each([`${header}00`, header.slice(0, -2), header.slice(0, -1), `${header} `, '', '0x', 'signature'])('is refused as %j', (text) =>
    expect(parseSignature(text)).toBeUndefined(),
  );
  it('counts the bytes of the message, not its characters', () => {
    const signer = signerNamed('a');
    expect(recoverWallet('ключ', parseSignature(signer.signNow('ключ')) as Uint8Array)).toBe(signer.wallet);
    expect(hex(personalDigest(''))).toBe('5f35dce98ba4fba25530a026ed80b2cecdaa31091ba4958b99b52ea1d068adad');
  });
});
