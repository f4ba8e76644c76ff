/** The vectors of signatures and their negatives, one table for every implementation of `Recover`. */
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { describe, expect, it } from 'vitest';
import { createWasmRecover } from '../../../core/crypto/recover-wasm.ts';
import { parseSignature, personalDigest, recoverWallet, recoveryBit } from '../../../core/crypto/wallet.ts';
import { concat, hex, parseHex } from '../../../core/wire/bytes.ts';
import { asView, flipped, signerNamed } from '../fakes.ts';
import vectors from '../../vectors/signatures.json' with { type: 'json' };
import type { Recover } from '../../../core/ports.ts';

const ORDER = secp256k1.Point.Fn.ORDER;
const implementations: readonly { by: string; recover: Recover }[] = [
  { by: 'noble', recover: recoverWallet },
  { by: 'WebAssembly', recover: await createWasmRecover() },
];
const scalar = (value: bigint) => parseHex(value.toString(16).padStart(64, '0')) as Uint8Array;
const signature = (r: bigint, s: bigint, v: number) => concat(scalar(r), scalar(s), Uint8Array.of(v));

describe.each(implementations)('by $by', ({ recover }) => {
  describe.each(vectors.signatures)('the vector of $name', ({ text, signer, signature: header }) => {
    const bytes = parseSignature(header) as Uint8Array;
    const wallet = signer === 'app' ? vectors.app : vectors.kms;
    const number = (from: number) => BigInt(`0x${hex(bytes.subarray(from, from + 32))}`);
    const [r, s, v] = [number(0), number(32), bytes[64] as number];

    it('recovers its signer', () => expect(recover(text, bytes)).toBe(wallet));
    it('recovers it in the form of Odyn, v 0 or 1', () => expect(recover(text, signature(r, s, v - 27))).toBe(wallet));
    it('recovers it from a view with an offset', () => expect(recover(text, asView(bytes))).toBe(wallet));
    it('recovers it after a refusal, and refuses after it', () => {
      expect(recover(text, signature(r, 0n, v))).toBeUndefined();
      expect(recover(text, bytes)).toBe(wallet);
      expect(recover(text, signature(5n, s, v))).toBeUndefined();
    });
    it('recovers another wallet with the other v', () => {
      const other = recover(text, signature(r, s, v === 27 ? 28 : 27));
      expect(other).toMatch(/^0x[0-9a-f]{40}$/);
      expect(other).not.toBe(wallet);
    });
    it('recovers another wallet, or none, with a flipped bit anywhere', () => {
      for (let index = 0; index < 65; index += 1) expect(recover(text, flipped(bytes, index, index % 8))).not.toBe(wallet);
    });
    it('recovers another wallet for another text', () => expect(recover(`${text} `, bytes)).not.toBe(wallet));
    it('refuses its twin with a high s', () => {
      expect(recover(text, signature(r, ORDER - s, v === 27 ? 28 : 27))).toBeUndefined();
      expect(recover(text, signature(r, ORDER - s, v))).toBeUndefined();
    });
    it.each([2, 3, 4, 26, 29, 31, 35, 128, 255])('refuses v = %i', (odd) => expect(recover(text, signature(r, s, odd))).toBeUndefined());
    it.each<[string, bigint, bigint]>([
      ['r = 0', 0n, s],
      ['s = 0', r, 0n],
      ['r = the order', ORDER, s],
      ['s = the order', r, ORDER],
      ['r over the order', ORDER + 1n, s],
      ['s over the order', r, ORDER + 1n],
      ['r of all ones', 2n ** 256n - 1n, s],
      ['s of all ones', r, 2n ** 256n - 1n],
    ])('refuses %s', (_what, oddR, oddS) => expect(recover(text, signature(oddR, oddS, v))).toBeUndefined());
    it.each([0, 1, 64, 66, 130])('refuses %i bytes', (length) =>
      expect(recover(text, concat(bytes, bytes).subarray(0, length))).toBeUndefined(),
    );
  });

  it.each(vectors.edges.signatures)('$name gives $wallet', ({ signature: header, wallet }) => {
    const bytes = parseSignature(header) as Uint8Array;
    for (const more of [0, 27]) {
      const sent = concat(bytes.subarray(0, 64), Uint8Array.of((bytes[64] as number) + more));
      expect(recover(vectors.edges.text, sent)).toBe(wallet ?? undefined);
      expect(recover(vectors.edges.text, asView(sent))).toBe(wallet ?? undefined);
    }
  });

  it('refuses what recovers to infinity, whatever the point', () => {
    const { Point } = secp256k1;
    const digest = (text: string) => BigInt(`0x${hex(personalDigest(text))}`);
    for (let k = 1n; k < 32n; k += 1n) {
      // R = k·G and s = z/k give s·R − z·G = 0; where that s is high, −R and −s give the same.
      const { x, y } = Point.BASE.multiply(k).toAffine();
      const s = Point.Fn.mul(Point.Fn.create(digest(`text ${k}`)), Point.Fn.inv(k));
      const [low, parity] = s > ORDER / 2n ? [ORDER - s, 1n - (y % 2n)] : [s, y % 2n];
      expect(recover(`text ${k}`, signature(x, low, Number(parity)))).toBeUndefined();
      expect(recover(`text ${k}`, signature(x, low, Number(1n - parity)))).toBeDefined();
      expect(recover(`another ${k}`, signature(x, low, Number(parity)))).toBeDefined();
    }
  });

  it('counts the bytes of the message, not its characters', () => {
    const signer = signerNamed('a');
    for (const text of ['', 'ключ', '\u0000', '0'.repeat(10_000)])
      expect(recover(text, parseSignature(signer.signNow(text)) as Uint8Array)).toBe(signer.wallet);
  });
});

describe('the recovery bit, which no library is asked for', () => {
  const HALF = ORDER / 2n;
  it.each<[string, bigint, bigint, number, 0 | 1 | undefined]>([
    ['the smallest r and s', 1n, 1n, 0, 0],
    ['the largest r and s', ORDER - 1n, HALF, 28, 1],
    ['r = 0', 0n, 1n, 0, undefined],
    ['r = the order', ORDER, 1n, 0, undefined],
    ['s = 0', 1n, 0n, 0, undefined],
    ['s over half the order', 1n, HALF + 1n, 0, undefined],
    ['s = the order', 1n, ORDER, 0, undefined],
    ['v = 1', 1n, 1n, 1, 1],
    ['v = 2', 1n, 1n, 2, undefined],
    ['v = 26', 1n, 1n, 26, undefined],
    ['v = 27', 1n, 1n, 27, 0],
    ['v = 29', 1n, 1n, 29, undefined],
  ])('of %s is told from its bytes', (_what, r, s, v, bit) => {
    expect(recoveryBit(signature(r, s, v))).toBe(bit);
    expect(recoveryBit(asView(signature(r, s, v)))).toBe(bit);
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
});

describe('the digest of a message', () => {
  it('is that of EIP-191', () => expect(hex(personalDigest(''))).toBe('5f35dce98ba4fba25530a026ed80b2cecdaa31091ba4958b99b52ea1d068adad'));
});
