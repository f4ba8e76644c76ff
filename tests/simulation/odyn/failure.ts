/**
 * Requests that the Odyn refuses, and the readers of request fields that refuse them.
 * A refusal is an answer with a plain-text body; it is never JSON.
 */
export class OdynFailure extends Error {
  readonly status: number;

  constructor(status: number, text: string) {
    super(text);
    this.name = 'OdynFailure';
    this.status = status;
  }
}

export type Fields = Readonly<Record<string, unknown>>;

/** A JSON object, whatever its content type said: the real service does not look at the header. */
export function parseFields(body: Uint8Array): Fields {
  let parsed: unknown;
  try {
    parsed = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch (cause) {
    throw new OdynFailure(400, `invalid JSON: ${(cause as Error).message}`);
  }
  return asFields(parsed, 'the body');
}

export function asFields(value: unknown, what: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new OdynFailure(400, `invalid type: expected an object for ${what}`);
  }
  return value as Fields;
}

export function readText(fields: Fields, name: string): string {
  const value = fields[name];
  if (value === undefined) throw new OdynFailure(400, `missing field \`${name}\``);
  if (typeof value !== 'string') throw new OdynFailure(400, `invalid type for \`${name}\`: expected a string`);
  return value;
}

/** Absent is false; null is not, as in the real service. */
export function readSwitch(fields: Fields, name: string): boolean {
  const value = fields[name];
  if (value === undefined) return false;
  if (typeof value !== 'boolean') throw new OdynFailure(400, `invalid type for \`${name}\`: expected a boolean`);
  return value;
}

/** Hex of either case, `0x` optional. */
export function readHexBytes(fields: Fields, name: string): Uint8Array {
  const digits = readText(fields, name).replace(/^0x/, '');
  if (!/^([0-9a-fA-F]{2})*$/.test(digits)) throw new OdynFailure(400, `Invalid ${name} hex`);
  return new Uint8Array(Buffer.from(digits, 'hex'));
}
