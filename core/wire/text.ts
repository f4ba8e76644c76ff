/** Texts that callers may name things by. */
import { Buffer } from 'node:buffer';

/** Well-formed Unicode without control characters, so that no two texts share their UTF-8 bytes; at most so many of them. */
export function isPlainText(value: unknown, bytesMax: number): value is string {
  return typeof value === 'string' && value.isWellFormed() && !/\p{Cc}/u.test(value) && Buffer.byteLength(value) <= bytesMax;
}
