/**
 * The forms in which a secret may be seen. It is searched in pieces of sixteen bytes, so that half of it is found as well as all of it, and inside
 * a longer token as well as alone.
 */
export interface Secret {
  readonly what: string;
  readonly bytes: Uint8Array;
}

export interface Form {
  readonly name: string;
  readonly bytes: Buffer;
}

export const PIECE_BYTES = 16;
/** Bytes of which so few differ are no secret of anybody: padding, a counter, a wallet key of a vector. */
const DIFFERENT_BYTES_MIN = 5;

/** Where pieces that are worth searching begin; none in what is too short or too plain. */
export function piecesOf(bytes: Uint8Array): number[] {
  const starts = new Set<number>();
  for (let start = 0; start + PIECE_BYTES <= bytes.length; start += PIECE_BYTES) starts.add(start);
  if (bytes.length >= PIECE_BYTES) starts.add(bytes.length - PIECE_BYTES);
  return [...starts].filter((start) => new Set(bytes.subarray(start, start + PIECE_BYTES)).size >= DIFFERENT_BYTES_MIN);
}

/** Of the piece that begins at `start` in its secret. */
export function formsOfPiece(secret: Uint8Array, start: number): Form[] {
  const piece = Buffer.from(secret.subarray(start, start + PIECE_BYTES));
  const hex = piece.toString('hex');
  const pairs = hex.match(/../g) ?? [];
  const texts = {
    hex,
    'upper-case hex': hex.toUpperCase(),
    'hex in pairs': pairs.join(' '),
    'a list of bytes': [...piece].join(','),
    'a spaced list of bytes': [...piece].join(', '),
    'a JSON object of bytes': [...piece].map((byte, index) => `"${start + index}":${byte}`).join(','),
    'a JSON text of bytes': JSON.stringify(piece.toString('latin1')).slice(1, -1),
  };
  const base64 = [0, 1, 2].flatMap((before) => base64Forms(piece, before));
  return unique([{ name: 'raw bytes', bytes: piece }, ...Object.entries(texts).map(([name, text]) => formOf(name, text)), ...base64]);
}

/** Of the secret as one: what no piece of it looks like. */
export function formsOfWhole(secret: Uint8Array): Form[] {
  const bytes = Buffer.from(secret);
  const text = bytes.toString('utf8');
  const decoded = [text, JSON.stringify(text).slice(1, -1)].map((each) => formOf('decoded text', each));
  return unique([formOf('decimal', BigInt(`0x${bytes.toString('hex')}`).toString()), ...decoded]).filter(
    ({ bytes: form }) => form.length >= PIECE_BYTES,
  );
}

/** Behind so many bytes of something else, modulo three; without the characters that depend on its neighbours. */
function base64Forms(piece: Buffer, before: number): Form[] {
  const text = Buffer.concat([Buffer.alloc(before), piece]).toString('base64');
  const own = text.slice(Math.ceil((before * 8) / 6), Math.floor(((before + piece.length) * 8) / 6));
  return [formOf('base64', own), formOf('base64url', own.replaceAll('+', '-').replaceAll('/', '_'))];
}

function formOf(name: string, text: string): Form {
  return { name, bytes: Buffer.from(text) };
}

function unique(forms: readonly Form[]): Form[] {
  return [...new Map(forms.toReversed().map((form) => [form.bytes.toString('latin1'), form])).values()];
}
