import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createPrinter, printBytes } from '../../../core/store/prints.ts';
import { hex } from '../../../core/wire/bytes.ts';
import { e0, e1 } from './stores.ts';
import type { Print } from '../../../core/store/sorted.ts';

const id = fc.uint8Array({ minLength: 16, maxLength: 16 });
const keyOf = (byte: number) => new Uint8Array(32).fill(byte);

function sumOf(prints: readonly Print[]): Print {
  const sum = new Int32Array(4);
  for (const print of prints) for (let lane = 0; lane < 4; lane += 1) sum[lane] = ((sum[lane] as number) + (print[lane] as number)) | 0;
  return sum;
}

describe('a print', () => {
  it('is half of the hash of key and id, whatever was printed before, by whomever', () =>
    fc.assert(
      fc.property(fc.array(id, { minLength: 1, maxLength: 5 }), (ids) => {
        const printer = createPrinter(e0, keyOf(7));
        for (const each of ids) {
          const expected = createHash('sha256').update(keyOf(7)).update(each).digest('hex').slice(0, 32);
          expect(hex(printBytes(printer.print(each)))).toBe(expected);
          expect(hex(printBytes(createPrinter(e1, keyOf(7)).print(each)))).toBe(expected);
        }
      }),
    ));
  it('depends on every bit of the key', () => {
    const prints = Array.from({ length: 256 }, (_, bit) => {
      const key = keyOf(0);
      key[bit >> 3] = 1 << (bit & 7);
      return hex(printBytes(createPrinter(e0, key).print(new Uint8Array(16))));
    });
    expect(new Set(prints).size).toBe(256);
  });
  it('needs no key any more once its printer is made: the vault may zero it', () => {
    const key = keyOf(7);
    const printer = createPrinter(e0, key);
    key.fill(0);
    expect(printer.print(new Uint8Array(16)).slice()).toEqual(createPrinter(e0, keyOf(7)).print(new Uint8Array(16)));
  });
  it('cannot be balanced by another without the key, as sums of the ids themselves can', () => {
    const lanesOf = (bytes: Uint8Array): Print =>
      Int32Array.from({ length: 4 }, (_, lane) => new DataView(bytes.buffer).getInt32(lane * 4));
    const idOf = (last: number) => new Uint8Array(16).fill(9, 0, 15).fill(last, 15);
    const [one, other] = [
      [idOf(10), idOf(20)],
      [idOf(11), idOf(19)],
    ];
    expect(sumOf(one.map(lanesOf))).toEqual(sumOf(other.map(lanesOf)));
    const printer = createPrinter(e0, keyOf(7));
    const keyed = (ids: readonly Uint8Array[]) => sumOf(ids.map((each) => printer.print(each).slice()));
    expect(keyed(one)).not.toEqual(keyed(other));
  });
});
