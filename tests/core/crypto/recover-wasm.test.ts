/** Recovery by WebAssembly beside the one by noble: their vectors are in `wallet.test.ts`; here they must agree on everything else. */
import { fileURLToPath } from 'node:url';
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { build } from 'esbuild';
import fc from 'fast-check';
import { Miniflare } from 'miniflare';
import { describe, expect, it } from 'vitest';
import { createWasmRecover } from '../../../core/crypto/recover-wasm.ts';
import { parseSignature, recoverWallet } from '../../../core/crypto/wallet.ts';
import { concat, parseHex } from '../../../core/wire/bytes.ts';
import { signerOf } from '../fakes.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
/** 359 kB today; the four hash libraries of the package would add a hundred. */
const BUNDLED_BYTES_MAX = 400_000;
const recoverByWasm = await createWasmRecover();

const { Fn, Fp } = secp256k1.Point;
const bytesOf = (value: bigint) => parseHex(value.toString(16).padStart(64, '0')) as Uint8Array;
const limits = [0n, 1n, Fn.ORDER / 2n, Fn.ORDER, Fp.ORDER, 2n ** 256n - 1n].flatMap((limit) =>
  [limit - 1n, limit, limit + 1n].filter((value) => value >= 0n && value < 2n ** 256n),
);
const random = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const scalar = fc.oneof({ weight: 3, arbitrary: random(32) }, { weight: 1, arbitrary: fc.constantFrom(...limits).map(bytesOf) });
const text = fc.string({ unit: 'grapheme', maxLength: 300 });

describe('both implementations', () => {
  it('give the wallet of whoever signed', () =>
    fc.assert(
      fc.property(fc.bigInt(1n, Fn.ORDER - 1n), text, (key, signed) => {
        const signer = signerOf(bytesOf(key));
        const bytes = parseSignature(signer.signNow(signed)) as Uint8Array;
        expect(recoverByWasm(signed, bytes)).toBe(signer.wallet);
        expect(recoverWallet(signed, bytes)).toBe(signer.wallet);
      }),
      { numRuns: 300 },
    ));
  it('give the same answer to 65 bytes of garbage', () => {
    const answers = { wallet: 0, none: 0 };
    const v = fc.oneof({ weight: 9, arbitrary: fc.constantFrom(0, 1, 27, 28) }, { weight: 1, arbitrary: fc.nat(255) });
    const garbage = fc.oneof(
      { weight: 9, arbitrary: fc.tuple(scalar, scalar, v).map(([r, s, last]) => concat(r, s, Uint8Array.of(last))) },
      { weight: 1, arbitrary: random(65) },
    );
    fc.assert(
      fc.property(text, garbage, (signed, bytes) => {
        const answer = recoverByWasm(signed, bytes);
        expect(answer).toBe(recoverWallet(signed, bytes));
        answers[answer === undefined ? 'none' : 'wallet'] += 1;
      }),
      { numRuns: 1_000 },
    );
    expect(Math.min(answers.wallet, answers.none)).toBeGreaterThan(50);
  });
  it('give none to any other length', () =>
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        fc.pre(bytes.length !== 65);
        expect(recoverByWasm('text', bytes)).toBeUndefined();
        expect(recoverWallet('text', bytes)).toBeUndefined();
      }),
    ));
});

describe('recovery by WebAssembly', () => {
  const bundle = async (format: 'cjs' | 'esm') => {
    const contents = `
      import { createWasmRecover } from './core/crypto/recover-wasm.ts';
      const answer = () => createWasmRecover().then(() => 'loaded', (error) => error.name);
      export default { fetch: async () => new Response(await answer()) };`;
    const { outputFiles } = await build({
      stdin: { contents, resolveDir: ROOT },
      bundle: true,
      write: false,
      format,
      platform: 'node',
      target: 'es2024',
    });
    return outputFiles[0]?.text ?? '';
  };

  it('is bundled into one CommonJS file, with one library of its package', async () =>
    expect((await bundle('cjs')).length).toBeLessThan(BUNDLED_BYTES_MAX));
  it('rejects in workerd, which imports the file all the same', async () => {
    const worker = new Miniflare({
      modules: true,
      script: await bundle('esm'),
      compatibilityDate: '2026-07-01',
      compatibilityFlags: ['nodejs_compat'],
      cf: false,
    });
    try {
      expect(await (await worker.dispatchFetch('http://worker/')).text()).toBe('CompileError');
    } finally {
      await worker.dispose();
    }
  });
  it('gives every caller an instance of its own', async () => {
    const [one, two] = [await createWasmRecover(), await createWasmRecover()];
    const signer = signerOf(bytesOf(7n));
    const bytes = parseSignature(signer.signNow('text')) as Uint8Array;
    expect(one).not.toBe(two);
    expect([one('text', bytes), two('text', bytes)]).toEqual([signer.wallet, signer.wallet]);
  });
});
