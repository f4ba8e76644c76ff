/**
 * Network profiles: everything that differs between one network and another, as data. A profile is part of the build (or,
 * under workerd, a binding); nothing in the environment can change it.
 */
import { parseNitroCertificate } from './crypto/nitro/certificate.ts';
import { Unverified } from './crypto/nitro/fault.ts';
import { parseBase64 } from './wire/bytes.ts';
import { isJsonObject, unknownMember } from './wire/json.ts';
import { ATTESTATION_BYTES_MAX, CONFIRMATION_BLOCKS_MAX, TRUSTED_PROXIES_MAX, TRUSTED_PROXY_BITS_MIN } from './limits.ts';
import { parseBlock, prefixBits } from './wire/address.ts';
import { parseAppId, parseWallet, ZERO_WALLET } from './identity.ts';
import type { AppId, Wallet } from './identity.ts';
import type { AddressBlock } from './wire/address.ts';

export interface PeerUrlPolicy {
  readonly scheme: 'https' | 'http';
  /** Hosts allowed exactly as written; the only way for an address literal. */
  readonly hosts: readonly string[];
  /** Suffixes of allowed DNS names, each starting with a dot. */
  readonly hostSuffixes: readonly string[];
}

export interface NetworkProfile {
  readonly name: string;
  readonly chainId: number;
  readonly novaAppRegistry: Wallet;
  readonly kmsRegistry: Wallet;
  readonly kmsAppId: AppId;
  /** A block is confirmed when the head is this far above it. Light clients keep 256 blocks; 60 is the most. */
  readonly confirmationBlocks: number;
  /** An older head is no head: the hard deadline after which nothing is served. */
  readonly headAgeMaxMs: number;
  /** Time between two ticks. */
  readonly tickMs: number;
  /** Blocks that one proposer has before the next in line may propose. */
  readonly proposalWindowBlocks: number;
  readonly peerUrls: PeerUrlPolicy;
  /** Whether the platform's proof, which does not bind the body, is taken at all. */
  readonly platformProof: 'accept' | 'refuse';
  /** The SPIFFE trust domain of the certificates: every name that they hold begins with it. */
  readonly trustDomain: string;
  /** Whose word counts on the address of a client. Without any, no address is known and no header is read for one. */
  readonly trustedProxies: readonly AddressBlock[];
  /** Whether an app's instance must prove by its hardware that it runs what the registry says of it. */
  readonly appAttestation: 'ignore' | 'require';
  /** DER of the one certificate under which enclaves are attested; base64 where the profile is written. */
  readonly attestationRoot: Uint8Array;
}

type Field = keyof NetworkProfile;
const readers: { readonly [Name in Field]: (value: unknown) => NetworkProfile[Name] | undefined } = {
  name: (value) => (typeof value === 'string' && /^[a-z0-9-]{1,40}$/.test(value) ? value : undefined),
  chainId: (value) => integer(value, 1, Number.MAX_SAFE_INTEGER),
  novaAppRegistry: contract,
  kmsRegistry: contract,
  kmsAppId: (value) => (typeof value === 'string' && /^\d{1,78}$/.test(value) ? parseAppId(BigInt(value)) : undefined),
  confirmationBlocks: (value) => integer(value, 1, CONFIRMATION_BLOCKS_MAX),
  headAgeMaxMs: (value) => integer(value, 1_000, 600_000),
  tickMs: (value) => integer(value, 100, 60_000),
  proposalWindowBlocks: (value) => integer(value, 2, 10_000),
  peerUrls: readPeerUrls,
  platformProof: (value) => (value === 'accept' || value === 'refuse' ? value : undefined),
  // SPIFFE-ID §2.1: lower-case letters, digits, dots, hyphens and underscores, at most 255.
  trustDomain: (value) => (typeof value === 'string' && /^[a-z0-9._-]{1,255}$/.test(value) ? value : undefined),
  trustedProxies: readProxies,
  appAttestation: (value) => (value === 'ignore' || value === 'require' ? value : undefined),
  attestationRoot: readRoot,
};

/** Reads a profile strictly: every field, no other. Throws an error that names the field. */
export function parseProfile(value: unknown): NetworkProfile {
  if (!isJsonObject(value)) throw new TypeError('a network profile is a JSON object');
  const unknown = unknownMember(value, Object.keys(readers));
  if (unknown !== undefined) throw new TypeError(`network profile: unknown field ${unknown}`);
  const entries = (Object.keys(readers) as Field[]).map((name) => {
    const field = readers[name](value[name]);
    if (field === undefined) throw new TypeError(`network profile: ${name} is missing or malformed`);
    return [name, field] as const;
  });
  return Object.fromEntries(entries) as unknown as NetworkProfile;
}

function contract(value: unknown): Wallet | undefined {
  const address = typeof value === 'string' ? parseWallet(value) : undefined;
  return address === ZERO_WALLET ? undefined : address;
}

function integer(value: unknown, min: number, max: number): number | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= min && value <= max ? value : undefined;
}

function readPeerUrls(value: unknown): PeerUrlPolicy | undefined {
  if (!isJsonObject(value) || unknownMember(value, ['scheme', 'hosts', 'hostSuffixes']) !== undefined) return undefined;
  const { scheme, hosts, hostSuffixes } = value;
  if (scheme !== 'https' && scheme !== 'http') return undefined;
  if (!isTexts(hosts) || !isTexts(hostSuffixes) || hosts.length + hostSuffixes.length === 0) return undefined;
  return hostSuffixes.every((suffix) => /^(\.[a-z0-9-]+){2,}$/.test(suffix)) ? { scheme, hosts, hostSuffixes } : undefined;
}

/** Blocks in CIDR form (RFC 4632), none of them so wide that it holds the world. */
function readProxies(value: unknown): AddressBlock[] | undefined {
  if (!isTexts(value) || value.length > TRUSTED_PROXIES_MAX) return undefined;
  const blocks = value.flatMap((text) => parseBlock(text) ?? []);
  return blocks.length === value.length && blocks.every((block) => prefixBits(block) >= TRUSTED_PROXY_BITS_MIN) ? blocks : undefined;
}

/** What nobody could verify a document under is no root. */
function readRoot(value: unknown): Uint8Array | undefined {
  const der = typeof value === 'string' && value.length <= ATTESTATION_BYTES_MAX ? parseBase64(value) : undefined;
  try {
    return der && parseNitroCertificate(der).isAuthority ? der : undefined;
  } catch (error) {
    if (error instanceof Unverified) return undefined;
    throw error;
  }
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string' && item.length > 0 && item.length <= 253);
}
