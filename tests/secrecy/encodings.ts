/** What answers say beneath their encodings: chunks of a body are framed by lines of their own, which may cut a secret in two, and a compressed one hides it. */
import { brotliDecompressSync, constants, gunzipSync, inflateSync } from 'node:zlib';

/** RFC 1952 §2.3.1. */
const GZIP_MAGIC = Buffer.of(0x1f, 0x8b);

const DECODERS: Readonly<Record<string, (bytes: Buffer) => Buffer>> = {
  // What only calls itself so hides nothing: it is searched as it is.
  gzip: (bytes) => (bytes.subarray(0, 2).equals(GZIP_MAGIC) ? gunzipSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH }) : bytes),
  deflate: (bytes) => inflateSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH }),
  br: (bytes) => brotliDecompressSync(bytes, { finishFlush: constants.BROTLI_OPERATION_FLUSH }),
};

/** The bodies that do not stand in the stream as they are. `undefined` for one that nobody could read. */
export function* bodiesBeneath(answers: string): Generator<Buffer | undefined> {
  if (!/^(?:transfer|content)-encoding: /im.test(answers)) return;
  for (const answer of answers.split(/(?=HTTP\/1\.[01] \d{3})/)) {
    const end = answer.indexOf('\r\n\r\n');
    const [head, rest] = [answer.slice(0, Math.max(0, end) + 2), answer.slice(end + 2)];
    const isChunked = /^transfer-encoding: *chunked\r$/im.test(head);
    const encoding = /^content-encoding: *(\w+)\r$/im.exec(head)?.[1]?.toLowerCase() ?? 'identity';
    const body = Buffer.from(isChunked ? rest.replaceAll(/\r\n[0-9a-f]+\r\n/gi, '').replace(/\r\n$/, '') : rest.slice(2), 'latin1');
    if (encoding !== 'identity') yield decoded(body, encoding);
    else if (isChunked) yield body;
  }
}

function decoded(body: Buffer, encoding: string): Buffer | undefined {
  try {
    return body.length === 0 ? body : DECODERS[encoding]?.(body);
  } catch {
    return undefined;
  }
}
