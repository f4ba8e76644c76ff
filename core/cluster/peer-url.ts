/**
 * Which URL of the registry may be dialled (`docs/protocol.md` clause 7.1). The registry's text is attacker-controlled: whoever
 * can register an instance writes it. The profile's list decides; an address literal passes only when listed exactly.
 */
import { PEER_URL_CHARS_MAX } from '../limits.ts';
import type { PeerUrlPolicy } from '../networks.ts';

/** Services that take a line of text for a command. */
const PORTS_REFUSED = new Set(['25', '465', '587', '2049', '3306', '5432', '6379', '11211', '27017']);
const DNS_NAME = /^(?=.{1,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]$/;

/** The origin to dial, or `undefined` when the policy does not allow it. */
export function peerOrigin(instanceUrl: string, policy: PeerUrlPolicy): string | undefined {
  if (instanceUrl.length > PEER_URL_CHARS_MAX || !URL.canParse(instanceUrl)) return undefined;
  const url = new URL(instanceUrl);
  const bare = !url.username && !url.password && !url.search && !url.hash && url.pathname === '/';
  if (url.protocol !== `${policy.scheme}:` || !bare || PORTS_REFUSED.has(url.port)) return undefined;
  return hostAllowed(url.hostname, policy) ? url.origin : undefined;
}

function hostAllowed(host: string, policy: PeerUrlPolicy): boolean {
  if (policy.hosts.includes(host)) return true;
  return DNS_NAME.test(host) && policy.hostSuffixes.some((suffix) => host.endsWith(suffix));
}
