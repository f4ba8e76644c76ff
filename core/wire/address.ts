/** IP addresses and blocks of them as bytes: of 16, IPv4 as its mapped form (RFC 4291 §2.5.5.2), so that one address has one form. */

/** All addresses whose first `bits` are those of `address`. */
export interface AddressBlock {
  readonly address: Uint8Array;
  readonly bits: number;
}

const BYTES = 16;
const IPV4_BITS = 32;
const BITS = 128;
const MAPPED = new Uint8Array([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]);

/** Of `192.0.2.1` or `2001:db8::1`; `undefined` for short, octal and other forms, for zones and for what is no address. */
export function parseAddress(text: string): Uint8Array | undefined {
  const ipv4 = parseIpv4(text);
  return ipv4 ? mapped(ipv4) : parseIpv6(text);
}

/** Of `192.0.2.0/24` or `2001:db8::/32`; `undefined` also when a bit behind its length is set, which nobody can have meant. */
export function parseBlock(text: string): AddressBlock | undefined {
  const [, host = '', length = ''] = /^([0-9a-fA-F:.]+)\/(0|[1-9]\d{0,2})$/.exec(text) ?? [];
  const address = parseAddress(host);
  const lengthMax = host.includes(':') ? BITS : IPV4_BITS;
  if (!address || Number(length) > lengthMax) return undefined;
  const bits = Number(length) + BITS - lengthMax;
  const isBare = address.every((byte, index) => (byte & ~maskAt(index, bits)) === 0);
  return isBare ? { address, bits } : undefined;
}

/** `address`: 16 bytes, as `parseAddress` gives them. One of IPv4 lies in blocks of IPv4 alone: nobody means it by `::/8`. */
export function isWithin(address: Uint8Array, block: AddressBlock): boolean {
  if (isIpv4(address) && block.bits < BITS - IPV4_BITS) return false;
  return block.address.every((byte, index) => (byte & maskAt(index, block.bits)) === ((address[index] ?? 0) & maskAt(index, block.bits)));
}

export function isIpv4(address: Uint8Array): boolean {
  return MAPPED.every((byte, index) => byte === address[index]);
}

/** How many bits of a block its own family counts. */
export function prefixBits({ address, bits }: AddressBlock): number {
  return isIpv4(address) && bits >= BITS - IPV4_BITS ? bits - (BITS - IPV4_BITS) : bits;
}

/** The bits of the byte at `index` that belong to the first `bits` of an address. */
function maskAt(index: number, bits: number): number {
  const own = Math.min(8, Math.max(0, bits - 8 * index));
  return (0xff << (8 - own)) & 0xff;
}

function mapped(ipv4: readonly number[]): Uint8Array {
  const address = new Uint8Array(BYTES);
  address.set(MAPPED);
  address.set(ipv4, MAPPED.length);
  return address;
}

function parseIpv4(text: string): number[] | undefined {
  const parts = text.split('.');
  const isPlain = parts.length === 4 && parts.every((part) => /^(?:0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 0xff);
  return isPlain ? parts.map(Number) : undefined;
}

function parseIpv6(text: string): Uint8Array | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const [head, tail] = halves.map((half, index) => groupsOf(half, index === halves.length - 1));
  if (!head || (halves.length === 2 && !tail)) return undefined;
  const missing = BYTES - head.length - (tail?.length ?? 0);
  // Two colons stand for one group at least, and nothing else does.
  if (tail ? missing < 2 : missing !== 0) return undefined;
  return new Uint8Array([...head, ...Array.from({ length: missing }, () => 0), ...(tail ?? [])]);
}

/** Bytes of groups between colons; the last of the whole address may be an IPv4 address. */
function groupsOf(half: string, isLast: boolean): number[] | undefined {
  if (half === '') return [];
  const bytes: number[] = [];
  const groups = half.split(':');
  for (const [index, group] of groups.entries()) {
    const ipv4 = isLast && index === groups.length - 1 ? parseIpv4(group) : undefined;
    if (ipv4) bytes.push(...ipv4);
    else if (/^[0-9a-fA-F]{1,4}$/.test(group)) bytes.push(Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 0xff);
    else return undefined;
  }
  return bytes;
}
