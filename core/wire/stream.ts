/** Reads a body while counting: `Content-Length` is a claim of the sender and is not looked at. */
import { concat } from './bytes.ts';

/** The whole body, or `undefined` as soon as it is longer than `bytesMax`; the rest is then cancelled unread. */
export async function readBounded(stream: ReadableStream<Uint8Array> | null, bytesMax: number): Promise<Uint8Array | undefined> {
  if (!stream) return new Uint8Array(0);
  const reader = stream.getReader();
  const chunks: Uint8Array[] = [];
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return concat(...chunks);
    length += value.length;
    if (length > bytesMax) {
      await reader.cancel();
      return undefined;
    }
    chunks.push(value);
  }
}
