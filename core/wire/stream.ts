/** Reads a body while counting: `Content-Length` is a claim of the sender and is not looked at. */

const FIRST_BYTES = 16_384;

/**
 * The whole body, or `undefined` as soon as it is longer than `bytesMax`; the rest is then cancelled unread. One buffer
 * that grows by doubling: a body sent byte by byte costs no object per byte.
 */
export async function readBounded(stream: ReadableStream<Uint8Array> | null, bytesMax: number): Promise<Uint8Array | undefined> {
  if (!stream) return new Uint8Array(0);
  const reader = stream.getReader();
  // What comes in one piece is not copied.
  let buffer: Uint8Array = new Uint8Array(0);
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return buffer.subarray(0, length);
    if (length + value.length > bytesMax) {
      await reader.cancel();
      return undefined;
    }
    if (length === 0) {
      buffer = value;
      length = value.length;
      continue;
    }
    if (length + value.length > buffer.length) buffer = grown(buffer, length + value.length, bytesMax);
    buffer.set(value, length);
    length += value.length;
  }
}

function grown(buffer: Uint8Array, bytesNeeded: number, bytesMax: number): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(Math.min(bytesMax, Math.max(bytesNeeded, buffer.length * 2, FIRST_BYTES)));
  larger.set(buffer);
  return larger;
}
