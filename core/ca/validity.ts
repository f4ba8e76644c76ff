/** For how long an app wants its certificate (`docs/protocol.md` clause 12.4). Pure. */
import { Refusal } from '../errors.ts';
import { LEAF_LIFE_DEFAULT_MS, LEAF_LIFE_MAX_MS, LEAF_LIFE_MIN_MS } from '../limits.ts';
import type { JsonObject } from '../wire/json.ts';

const UNITS_MS = { ttl_seconds: 1_000, validity_days: 86_400_000 };

/** Milliseconds of `ttl_seconds` or `validity_days`, of which a request has one or none. Throws `validity_malformed`. */
export function parseValidity({ ttl_seconds: seconds, validity_days: days }: JsonObject): number {
  if (seconds !== undefined && days !== undefined) throw new Refusal('validity_malformed', 'both ttl_seconds and validity_days');
  if (seconds === undefined && days === undefined) return LEAF_LIFE_DEFAULT_MS;
  const count = seconds ?? days;
  if (typeof count !== 'number' || !Number.isInteger(count)) throw new Refusal('validity_malformed', 'not an integer');
  const lifeMs = count * (seconds === undefined ? UNITS_MS.validity_days : UNITS_MS.ttl_seconds);
  if (lifeMs < LEAF_LIFE_MIN_MS || lifeMs > LEAF_LIFE_MAX_MS) throw new Refusal('validity_malformed', `${lifeMs} ms`);
  return lifeMs;
}
