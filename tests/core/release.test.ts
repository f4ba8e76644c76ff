import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { RELEASE_CONFIRMATION_BLOCKS_MIN, RELEASE_HEAD_AGE_MS_MAX } from '../../core/limits.ts';
import { parseProfile } from '../../core/networks.ts';
import { NAMED_PROFILES } from '../../core/profiles.ts';
import { profileOf, releaseFault } from '../../core/release.ts';

const cluster = { kmsRegistry: `0x${'22'.repeat(20)}`, kmsAppId: '43' };
const named = Object.entries(NAMED_PROFILES);
const written = { ...NAMED_PROFILES['base-sepolia'], ...cluster };

describe('a named profile', () => {
  it.each(named)('%s is one of a release, given its cluster', (name, profile) => {
    expect(profile.name).toBe(name);
    expect(profileOf({ release: true, profile: { ...profile, ...cluster } })).toEqual(parseProfile({ ...profile, ...cluster }));
  });

  it.each(named)('%s dials what enclaver.yaml lets out, and nothing else', (_name, { peerUrls }) => {
    const { egress } = parse(readFileSync(new URL('../../enclaver.yaml', import.meta.url), 'utf8')) as { egress: { allow: string[] } };
    for (const suffix of peerUrls.hostSuffixes) expect(egress.allow).toContain(`*${suffix}`);
    for (const host of peerUrls.hosts) expect(egress.allow).toContain(host);
  });

  it.each(['kmsRegistry', 'kmsAppId'])('is refused without %s, and says how it is given', (field) => {
    const { [field]: _gone, ...rest } = written as Record<string, unknown>;
    expect(() => profileOf({ release: true, profile: rest })).toThrow('--kms-registry and --kms-app-id');
  });
});

describe('a release is refused', () => {
  const peerUrls = { scheme: 'https', hosts: [] as string[], hostSuffixes: ['.kms.example.com'] };
  it.each([
    ['the name of the simulated network', { name: 'simulation' }, 'simulated'],
    ['a chain of a developer’s machine', { chainId: 31_337 }, 'simulated'],
    ['another such chain', { chainId: 1_337 }, 'simulated'],
    ['peers without TLS', { peerUrls: { ...peerUrls, scheme: 'http' } }, 'https'],
    ['a peer by address', { peerUrls: { ...peerUrls, hosts: ['10.0.0.1'] } }, '10.0.0.1'],
    ['a peer by IPv6 address', { peerUrls: { ...peerUrls, hosts: ['[::1]'] } }, '[::1]'],
    ['a peer by a number', { peerUrls: { ...peerUrls, hosts: ['2130706433'] } }, '2130706433'],
    ['localhost', { peerUrls: { ...peerUrls, hosts: ['localhost'] } }, 'localhost'],
    ['a name below localhost', { peerUrls: { ...peerUrls, hosts: ['node.localhost'] } }, 'node.localhost'],
    ['a bare name', { peerUrls: { ...peerUrls, hosts: ['host'] } }, 'host'],
    ['too little confirmation', { confirmationBlocks: RELEASE_CONFIRMATION_BLOCKS_MIN - 1 }, 'confirms'],
    ['too old a head', { headAgeMaxMs: RELEASE_HEAD_AGE_MS_MAX + 1 }, 'head'],
  ])('with %s', (_what, change, why) => {
    const profile = { ...written, ...change };
    expect(() => profileOf({ release: true, profile })).toThrow(why);
    expect(profileOf({ release: false, profile })).toEqual(parseProfile(profile));
  });

  it.each([
    ['the least confirmation', { confirmationBlocks: RELEASE_CONFIRMATION_BLOCKS_MIN }],
    ['the oldest head', { headAgeMaxMs: RELEASE_HEAD_AGE_MS_MAX }],
    ['a peer by name', { peerUrls: { ...peerUrls, hosts: ['node-1.kms.example.com'] } }],
  ])('not with %s', (_what, change) => expect(releaseFault(parseProfile({ ...written, ...change }))).toBeUndefined());
});
