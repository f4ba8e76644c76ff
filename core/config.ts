/**
 * What a node is told besides its profile: where its own enclave's Odyn and its own light client listen. Both are on
 * loopback by nature; anything else would be a stranger's key store or a stranger's chain, and is refused.
 */
import { parseProfile } from './networks.ts';
import { isJsonObject, parseJsonObject, unknownMember } from './wire/json.ts';
import type { NetworkProfile } from './networks.ts';

export interface NodeConfig {
  readonly profile: NetworkProfile;
  /** Origins without a trailing slash. */
  readonly odynUrl: string;
  readonly rpcUrl: string;
}

/** Reads `{ PROFILE, ODYN_URL, RPC_URL }` strictly. Throws an error that names the setting. */
export function parseConfig(settings: unknown): NodeConfig {
  if (!isJsonObject(settings)) throw new TypeError('the configuration is an object of settings');
  const unknown = unknownMember(settings, ['PROFILE', 'ODYN_URL', 'RPC_URL']);
  if (unknown !== undefined) throw new TypeError(`configuration: unknown setting ${unknown}`);
  return {
    profile: parseProfile(objectOf(settings['PROFILE'])),
    odynUrl: loopbackOrigin('ODYN_URL', settings['ODYN_URL']),
    rpcUrl: loopbackOrigin('RPC_URL', settings['RPC_URL']),
  };
}

/** A binding may carry the profile as an object or as its JSON text. */
function objectOf(value: unknown): unknown {
  return typeof value === 'string' ? parseJsonObject(value) : value;
}

/** Throws an error that names the setting. */
export function loopbackOrigin(name: string, value: unknown): string {
  const url = typeof value === 'string' && URL.canParse(value) ? new URL(value) : undefined;
  const bare = url && url.protocol === 'http:' && url.pathname === '/' && !url.search && !url.hash && !url.username && !url.password;
  if (!url || !bare || !['127.0.0.1', 'localhost'].includes(url.hostname)) {
    throw new TypeError(`configuration: ${name} must be a plain http URL on loopback, http://127.0.0.1:<port>`);
  }
  return url.origin;
}
