/** What a build carries, and what a release must be: a pure judgement of its profile, made when it is built and when it starts. */
import { digestOf } from './crypto/digest.ts';
import { RELEASE_CONFIRMATION_BLOCKS_MIN, RELEASE_HEAD_AGE_MS_MAX } from './limits.ts';
import { parseProfile } from './networks.ts';
import { hex } from './wire/bytes.ts';
import { isJsonObject } from './wire/json.ts';
import type { NetworkProfile } from './networks.ts';

export interface Build {
  readonly version: string;
  readonly release: boolean;
  /** As it was embedded, not yet read. */
  readonly profile: unknown;
}

/** Chains that run on a developer's machine, by the ids that their programs choose. */
const PRIVATE_CHAINS = [1_337, 1_338, 31_337];

/** SHA-256 of the root of AWS Nitro Enclaves, G1, as AWS publishes it: named here again, so that one text alone cannot change it. */
const AWS_ROOT_SHA256 = '641a0321a3e244efe456463195d606317ed7cdcc3c1756e09893f3c68f79bb5b';

/** Two labels at least, the last of letters: no address in any spelling. Registries' own suffixes, such as co.uk, are not known here. */
const DNS_NAME = /^(?=.{1,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+(?:[a-z]{2,63}|xn--[a-z0-9-]{0,58}[a-z0-9])$/;

/** Of documentation, of one machine or of one network (RFC 2606, 6761, 6762, 7686, 9476): nobody owns them, anybody may answer for them. */
const RESERVED = [
  'localhost',
  'test',
  'invalid',
  'example',
  'example.com',
  'example.net',
  'example.org',
  'local',
  'internal',
  'onion',
  'alt',
  'arpa',
];

/** The profile that a build may start with. Throws an error that says what is wrong with it. */
export function profileOf({ release, profile }: Omit<Build, 'version'>): NetworkProfile {
  if (isJsonObject(profile) && (profile['kmsRegistry'] === undefined || profile['kmsAppId'] === undefined))
    throw new TypeError('this build names no KMSRegistry: build it with --kms-registry and --kms-app-id');
  const read = parseProfile(profile);
  const fault = release ? releaseFault(read) : undefined;
  if (fault !== undefined) throw new TypeError(`built for release, and ${fault}`);
  return read;
}

/** Why a profile is none for a release, or `undefined`. */
export function releaseFault(profile: NetworkProfile): string | undefined {
  const { name, chainId, novaAppRegistry, kmsRegistry, peerUrls, trustDomain, confirmationBlocks, headAgeMaxMs, attestationRoot } = profile;
  if (name.includes('simulation') || PRIVATE_CHAINS.includes(chainId)) return `the profile ${name} is of a simulated network`;
  if (kmsRegistry === novaAppRegistry) return 'its KMSRegistry is the app registry';
  if (peerUrls.scheme !== 'https') return 'its peers are not reached over https';
  const faults = [
    ...peerUrls.hosts.map((host) => nameFault('the peer host', host, host)),
    ...peerUrls.hostSuffixes.map((suffix) => nameFault('the peer suffix', suffix, suffix.slice(1))),
    nameFault('the trust domain', trustDomain, trustDomain),
  ];
  const fault = faults.find((found) => found !== undefined);
  if (fault !== undefined) return fault;
  if (hex(digestOf(attestationRoot)) !== AWS_ROOT_SHA256) return 'its enclaves are attested under another root than that of AWS';
  if (confirmationBlocks < RELEASE_CONFIRMATION_BLOCKS_MIN)
    return `it confirms after ${confirmationBlocks} blocks; ${RELEASE_CONFIRMATION_BLOCKS_MIN} is the least`;
  if (headAgeMaxMs > RELEASE_HEAD_AGE_MS_MAX) return `it takes a head of ${headAgeMaxMs} ms; ${RELEASE_HEAD_AGE_MS_MAX} is the most`;
  return undefined;
}

function nameFault(what: string, written: string, name: string): string | undefined {
  if (!DNS_NAME.test(name)) return `it has ${what} ${written}, which is no DNS name`;
  if (!RESERVED.some((reserved) => name === reserved || name.endsWith(`.${reserved}`))) return undefined;
  return `it has ${what} ${written}, a reserved name: build it with --peer-suffix and --trust-domain`;
}
