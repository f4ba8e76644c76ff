/**
 * Who asks, before it is known who asks: the client's address, and how much one address may ask (`docs/protocol.md` clause 5.3).
 * An address decides nothing else. It is the word of proxies that the profile names, and of nobody else.
 */
import { createRate } from '../core/auth/rate.ts';
import { Refusal } from '../core/errors.ts';
import * as limits from '../core/limits.ts';
import { hex } from '../core/wire/bytes.ts';
import { isIpv4, isWithin, parseAddress } from '../core/wire/address.ts';
import type { Kms } from '../core/kms.ts';
import type { AddressBlock } from '../core/wire/address.ts';
import type { Refuse } from './reply.ts';

/** What a handler is given beside its request. */
export interface Visit {
  readonly refuse: Refuse;
  /** It is known who asks, and its own limits let it in: its address gets back what it was charged. */
  readonly welcome: () => void;
}

/** Throws `rate_limited` for an address that has asked too much. Answers with what gives it back. */
export type Admit = (request: Request, pathname: string, peerAddress: string | undefined) => Visit['welcome'];

/** They cost next to nothing, and whoever watches the node must see it when it is busy. */
const FREE = ['/health', '/ready'];
/** Each asks, or may ask, for a recovery, and whatever is under them. */
const PROVEN = ['/sync', '/kms', '/attestation', '/audit', '/operator'];

export function createAdmit({ clock, profile }: Pick<Kms, 'clock' | 'profile'>): Admit {
  const addresses = createRate(clock, {
    perSecond: limits.ADDRESS_REQUESTS_PER_SECOND,
    burst: limits.ADDRESS_REQUESTS_BURST,
    keysMax: limits.ADDRESSES_REMEMBERED_MAX,
  });
  const nothing = (): void => undefined;

  return (request, pathname, peerAddress) => {
    const address = clientAddress(request.headers, peerAddress, profile.trustedProxies);
    if (!address || FREE.includes(pathname)) return nothing;
    const key = keyOf(address);
    const isProven = PROVEN.some((path) => pathname === path || pathname.startsWith(`${path}/`));
    const charged = isProven ? limits.ADDRESS_PROOF_REQUESTS : 1;
    if (!addresses.take(key, charged)) throw new Refusal('rate_limited', `address ${key}`);
    return () => addresses.giveBack(key, charged);
  };
}

/**
 * The rightmost address that no trusted proxy has: whatever stands left of it, its client may have written. Without trusted proxies nobody
 * has an address, and no header is read. `Forwarded` never is: a proxy that appends to the one hands on the other as it came.
 */
export function clientAddress(headers: Headers, peerAddress: string | undefined, trusted: readonly AddressBlock[]): Uint8Array | undefined {
  const peer = peerAddress === undefined ? undefined : parseAddress(peerAddress);
  if (trusted.length === 0 || !peer) return undefined;
  const isTrusted = (address: Uint8Array): boolean => trusted.some((block) => isWithin(address, block));
  const told = (headers.get('x-forwarded-for') ?? '').split(',').slice(-limits.FORWARDED_ADDRESSES_MAX);
  let nearest = peer;
  while (isTrusted(nearest)) {
    // Behind what is no address stands nobody who could be believed.
    const next = parseAddress(withoutPort(told.pop() ?? ''));
    if (!next) break;
    nearest = next;
  }
  return nearest;
}

/** Some proxies write the client's port as well. */
function withoutPort(text: string): string {
  const trimmed = text.trim();
  return /^\[([0-9a-fA-F:.]+)\](?::\d{1,5})?$/.exec(trimmed)?.[1] ?? /^([0-9.]+):\d{1,5}$/.exec(trimmed)?.[1] ?? trimmed;
}

function keyOf(address: Uint8Array): string {
  return hex(isIpv4(address) ? address : address.subarray(0, limits.ADDRESS_IPV6_BITS / 8));
}
