/** What a build carries, and what a release must be: a pure judgement of its profile, made when it is built and when it starts. */
import { RELEASE_CONFIRMATION_BLOCKS_MIN, RELEASE_HEAD_AGE_MS_MAX } from './limits.ts';
import { parseProfile } from './networks.ts';
import { isJsonObject } from './wire/json.ts';
import type { NetworkProfile } from './networks.ts';

export interface Build {
  readonly version: string;
  readonly release: boolean;
  /** As it was embedded, not yet read. */
  readonly profile: unknown;
}

/** Chains that run on a developer's machine, by the ids that their programs choose. */
const PRIVATE_CHAINS = [1_337, 31_337];

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
export function releaseFault({ name, chainId, peerUrls, confirmationBlocks, headAgeMaxMs }: NetworkProfile): string | undefined {
  if (name === 'simulation' || PRIVATE_CHAINS.includes(chainId)) return `the profile ${name} is of a simulated network`;
  if (peerUrls.scheme !== 'https') return 'its peers are not reached over https';
  const literal = peerUrls.hosts.find((host) => !/^(?:[a-z0-9-]+\.)+[a-z][a-z0-9-]*$/.test(host) || host.endsWith('.localhost'));
  if (literal !== undefined) return `it lists the peer host ${literal}, which is no DNS name`;
  if (confirmationBlocks < RELEASE_CONFIRMATION_BLOCKS_MIN)
    return `it confirms after ${confirmationBlocks} blocks; ${RELEASE_CONFIRMATION_BLOCKS_MIN} is the least`;
  if (headAgeMaxMs > RELEASE_HEAD_AGE_MS_MAX) return `it takes a head of ${headAgeMaxMs} ms; ${RELEASE_HEAD_AGE_MS_MAX} is the most`;
  return undefined;
}
