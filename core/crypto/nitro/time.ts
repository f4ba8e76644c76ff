/** The times of a certificate (RFC 5280 §4.1.2.5): seconds, UTC, two digits of the year through 2049 and four from 2050. Pure. */
import { GENERALIZED_TIME, UTC_TIME } from '../../ca/der.ts';
import { parseUtf8 } from '../../wire/bytes.ts';
import type { Element } from '../../ca/der.ts';

const DIGITS = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/;

/** `undefined` for any other form, and for a day or an hour that does not exist. */
export function parseTimeMs({ tag, content }: Element): number | undefined {
  const text = parseUtf8(content) ?? '';
  if (tag === UTC_TIME) return readDigits(`${text < '50' ? '20' : '19'}${text}`);
  return tag === GENERALIZED_TIME && text >= '2050' ? readDigits(text) : undefined;
}

function readDigits(text: string): number | undefined {
  const match = DIGITS.exec(text);
  if (!match) return undefined;
  const [year, month, day, hour, minute, second] = match.slice(1).map(Number) as [number, number, number, number, number, number];
  const at = new Date(Date.UTC(year, month - 1, day, hour, minute, second));
  const again = at.toISOString().replaceAll(/[-:T]|\.000/g, '');
  return again === text ? at.getTime() : undefined;
}
