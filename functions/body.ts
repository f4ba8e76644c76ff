/** Request bodies: type first, counted while they stream, and with a time by which they must have arrived. */
import { Refusal } from '../core/errors.ts';
import { REQUEST_BODY_MS_MAX } from '../core/limits.ts';
import { readBounded } from '../core/wire/stream.ts';
import { withDeadline } from '../core/deadline.ts';
import type { Clock } from '../core/ports.ts';

/** What a sender says of its body's length holds so much room, and no more of it is read. */
export function roomFor({ headers }: Request, bytesMax: number): number {
  const declared = headers.get('content-length') ?? '';
  return /^\d{1,9}$/.test(declared) ? Math.min(Number(declared), bytesMax) : bytesMax;
}

/** Throws `content_type_refused`, `body_too_large` or `body_timeout`. */
export async function readBody(request: Request, mediaType: string, bytesMax: number, clock: Clock): Promise<Uint8Array> {
  const declared = (request.headers.get('content-type') ?? '').split(';')[0]?.trim().toLowerCase();
  if (declared !== mediaType) throw new Refusal('content_type_refused');
  const reading = readBounded(request.body, bytesMax).catch((error: unknown) => {
    throw new Refusal('body_malformed', 'the body broke off', error);
  });
  const body = await withDeadline(clock, REQUEST_BODY_MS_MAX, 'body_timeout', reading);
  if (!body) throw new Refusal('body_too_large', `over ${bytesMax} bytes`);
  return body;
}
