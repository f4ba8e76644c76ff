/** Addresses that no peer has: those of one machine, one network or one purpose (IANA's special-purpose registries, RFC 6890). */
import { assert } from '../errors.ts';
import { isIpv4, isWithin, parseBlock } from '../wire/address.ts';
import type { AddressBlock } from '../wire/address.ts';

const SPECIAL_IPV4 = blocks(
  '0.0.0.0/8', // this network
  '10.0.0.0/8', // private
  '100.64.0.0/10', // shared, behind a carrier's NAT
  '127.0.0.0/8', // loopback
  '169.254.0.0/16', // link-local, and what clouds tell their machines: 169.254.169.254
  '172.16.0.0/12', // private
  '192.0.0.0/24', // protocol assignments
  '192.0.2.0/24', // documentation
  '192.31.196.0/24', // AS112
  '192.52.193.0/24', // AMT
  '192.88.99.0/24', // 6to4 relays
  '192.168.0.0/16', // private
  '192.175.48.0/24', // AS112
  '198.18.0.0/15', // benchmarks
  '198.51.100.0/24', // documentation
  '203.0.113.0/24', // documentation
  '224.0.0.0/3', // multicast, reserved, broadcast
);

/** All that is given to networks of the world. Outside lie loopback, NAT64, unique local, link-local, multicast and the rest. */
const GLOBAL_IPV6 = blocks('2000::/3');

const SPECIAL_IPV6 = blocks(
  '2001::/23', // protocol assignments, Teredo among them
  '2001:db8::/32', // documentation
  '2002::/16', // 6to4: an IPv4 address inside
  '2620:4f:8000::/48', // AS112
  '3fff::/20', // documentation
);

/** `address`: 16 bytes, as `parseAddress` gives them. */
export function isSpecial(address: Uint8Array): boolean {
  const within = (list: readonly AddressBlock[]): boolean => list.some((block) => isWithin(address, block));
  return isIpv4(address) ? within(SPECIAL_IPV4) : !within(GLOBAL_IPV6) || within(SPECIAL_IPV6);
}

/** A block with a mistake in it would let its addresses through: it lets nothing start. */
function blocks(...texts: readonly string[]): AddressBlock[] {
  return texts.map((text) => {
    const block = parseBlock(text);
    assert(block, `${text} is a block of addresses`);
    return block;
  });
}
