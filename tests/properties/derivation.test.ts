/** Laws of clause 6: no two requests meet, and none reaches an internal key. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { derivationInfo, deriveAppKey, deriveInternalKey } from '../../core/crypto/kdf.ts';
import { hex } from '../../core/wire/bytes.ts';
import { epochOf } from '../core/fakes.ts';
import type { AppId } from '../../core/identity.ts';

/** Few letters, so that collisions would be found: the separator, the escape, its digits, and two plain ones. */
const text = (minLength: number) => fc.string({ unit: fc.constantFrom(':', '%', '3', '2', '5', 'A', 'a', '/'), minLength, maxLength: 6 });
const request = fc.record({ path: text(1), context: text(0) });

describe('derivation domains', () => {
  it('U-1 two requests share an info only when they are the same request', () => {
    const seen = new Map<string, string>();
    fc.assert(
      fc.property(request, ({ path, context }) => {
        const info = derivationInfo(path, context);
        const asked = JSON.stringify([path, context]);
        expect(seen.get(info) ?? asked).toBe(asked);
        seen.set(info, asked);
      }),
      { numRuns: 5_000 },
    );
  });
  it('U-1 holds for every short text of the letters that matter', () => {
    const letters = ['', ':', '%', '3', 'A', '%3A', '%25', '::'];
    const requests = letters
      .flatMap((a) => letters.flatMap((b) => letters.map((context) => ({ path: a + b, context }))))
      .filter(({ path }) => path !== '');
    const distinct = new Set(requests.map((each) => JSON.stringify(each)));
    expect(new Set(requests.map(({ path, context }) => derivationInfo(path, context))).size).toBe(distinct.size);
  });
  it('the naive join would meet, so this property can fail', () => {
    const naive = (path: string, context: string) => (context === '' ? path : `${path}:${context}`);
    expect(naive('a:b', '')).toBe(naive('a', 'b'));
  });
  it('U-1 no request of any app reaches an internal key', () => {
    const secret = new Uint8Array(32).fill(7);
    const internal = new Set(
      (['ca', 'data'] as const).flatMap((purpose) => [0, 1, 2].map((epoch) => hex(deriveInternalKey(secret, purpose, epochOf(epoch), 32)))),
    );
    const path = fc.oneof(
      text(1),
      fc.constantFrom('ca', 'data', 'data_key', 'nova-kms:internal:ca', 'nova-kms:internal:ca:epoch:0', 'internal:data:epoch:0', '\u0000'),
    );
    const app = fc.oneof(fc.bigInt(0n, 5n), fc.bigInt(0n, 2n ** 256n - 1n));
    fc.assert(
      fc.property(app, fc.nat(2), path, fc.oneof(text(0), path), (appId, epoch, asked, context) => {
        expect(
          internal.has(hex(deriveAppKey(secret, { appId: appId as AppId, epoch: epochOf(epoch), path: asked, context, lengthBytes: 32 }))),
        ).toBe(false);
      }),
      { numRuns: 500 },
    );
  });
});
