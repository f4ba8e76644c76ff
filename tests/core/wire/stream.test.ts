import { describe, expect, it } from 'vitest';
import { readBounded } from '../../../core/wire/stream.ts';

const MAX = 1_000;

/** Chunks of those lengths, and whether the reader gave up. */
function streamOf(lengths: Iterable<number>): { stream: ReadableStream<Uint8Array>; seen: { pulled: number; cancelled: boolean } } {
  const seen = { pulled: 0, cancelled: false };
  const left = lengths[Symbol.iterator]();
  const stream = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        const next = left.next();
        if (next.done) return controller.close();
        seen.pulled += 1;
        controller.enqueue(new Uint8Array(next.value).fill(seen.pulled));
      },
      cancel() {
        seen.cancelled = true;
      },
    },
    { highWaterMark: 0 },
  );
  return { stream, seen };
}

function* endless(length: number): Generator<number> {
  for (;;) yield length;
}

describe('a bounded read', () => {
  it('reads no body as no bytes', async () => expect(await readBounded(null, MAX)).toEqual(new Uint8Array(0)));
  it.each([[[]], [[0]], [[MAX]], [[1, 0, MAX - 1]], [Array.from({ length: MAX }, () => 1)]])(
    'reads chunks up to the bound',
    async (lengths) => {
      const total = lengths.reduce((sum, length) => sum + length, 0);
      expect(await readBounded(streamOf(lengths).stream, MAX)).toHaveLength(total);
    },
  );
  it('keeps the order of the chunks', async () => expect(await readBounded(streamOf([2, 1]).stream, MAX)).toEqual(Uint8Array.of(1, 1, 2)));
  it.each([[[MAX + 1]], [[MAX, 1]], [[1, MAX]]])('S-H3 refuses one byte more, and cancels the rest', async (lengths) => {
    const { stream, seen } = streamOf(lengths);
    expect(await readBounded(stream, MAX)).toBeUndefined();
    expect(seen.cancelled).toBe(true);
  });
  it('S-H3 cuts an endless stream at the bound and pulls nothing after it', async () => {
    const { stream, seen } = streamOf(endless(100));
    expect(await readBounded(stream, MAX)).toBeUndefined();
    expect(seen).toEqual({ pulled: 11, cancelled: true });
  });
  it('passes on the failure of a stream that breaks off', async () => {
    const broken = new ReadableStream<Uint8Array>({ pull: (controller) => controller.error(new TypeError('broken')) });
    await expect(readBounded(broken, MAX)).rejects.toThrow('broken');
  });
});
