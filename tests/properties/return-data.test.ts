/** Whatever an endpoint answers is a whole view or a refusal: never another error, never half a view. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeCallerView, decodeClusterView } from '../../core/chain/registry.ts';
import { Refusal } from '../../core/errors.ts';
import { hex, parseHex } from '../../core/wire/bytes.ts';
import {
  callerAnswer,
  clusterAnswer,
  encodeCallerAnswer,
  encodeClusterAnswer,
  epochAnswer,
  hashOf,
  operatorAnswer,
  signerNamed,
  STATES,
} from '../core/fakes.ts';

const wallet = signerNamed('a').wallet;
const honest = {
  cluster: parseHex(
    encodeClusterAnswer(
      clusterAnswer(
        [operatorAnswer(wallet, 1), operatorAnswer(signerNamed('b').wallet, 2)],
        [epochAnswer(0, STATES.active, hashOf(1))],
        9n,
        9n,
      ),
    ),
  ) as Uint8Array,
  caller: parseHex(encodeCallerAnswer(callerAnswer(wallet))) as Uint8Array,
};

/** Noise, the honest answer cut short, and the honest answer with some words replaced by awkward ones. */
function hostile(whole: Uint8Array): fc.Arbitrary<Uint8Array> {
  const word = fc.constantFrom(0x00, 0x20, 0x40, 0xff);
  const replaced = fc.array(fc.tuple(fc.nat(whole.length / 32), word, fc.nat(31)), { minLength: 1, maxLength: 4 }).map((changes) => {
    const bytes = whole.slice();
    for (const [at, byte, offset] of changes) bytes[Math.min(at * 32 + offset, bytes.length - 1)] = byte;
    return bytes;
  });
  return fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.nat(whole.length).map((length) => whole.slice(0, length)),
    replaced,
  );
}

describe.each([
  ['clusterView', honest.cluster, decodeClusterView],
  ['callerView', honest.caller, decodeCallerView],
] as const)('an answer to %s', (_name, whole, decode) => {
  it('is read when it is honest', () => expect(() => decode(`0x${hex(whole)}`)).not.toThrow());
  it('R-8 is a view or a refusal, whatever the bytes', () =>
    fc.assert(
      fc.property(hostile(whole), (bytes) => {
        try {
          const view = decode(`0x${hex(bytes)}`);
          expect(Number.isSafeInteger(view.blockNumber)).toBe(true);
          expect(Number.isSafeInteger(view.blockTimeMs)).toBe(true);
        } catch (error) {
          expect(error).toBeInstanceOf(Refusal);
          expect((error as Refusal).reason).toBe('chain_unavailable');
        }
      }),
      { numRuns: 1_000 },
    ));
});
