import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { RELEASE_CONFIRMATION_BLOCKS_MIN, RELEASE_HEAD_AGE_MS_MAX } from '../../core/limits.ts';
import { parseProfile } from '../../core/networks.ts';
import { NAMED_PROFILES } from '../../core/profiles.ts';
import { profileOf, releaseFault } from '../../core/release.ts';
import { SIMULATED_ROOT } from '../attestation/roots.ts';

const peerUrls = { scheme: 'https', hosts: [] as string[], hostSuffixes: ['.kms.acme.org'] };
const cluster = { kmsRegistry: `0x${'22'.repeat(20)}`, kmsAppId: '43', peerUrls, trustDomain: 'kms.acme.org' };
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
  it.each([
    ['the name of the simulated network', { name: 'simulation' }, 'simulated'],
    ['a chain of a developer’s machine', { chainId: 31_337 }, 'simulated'],
    ['another such chain', { chainId: 1_337 }, 'simulated'],
    ['a third such chain', { chainId: 1_338 }, 'simulated'],
    ['a name that begins like that of the simulated network', { name: 'simulation-2' }, 'simulated'],
    ['one contract for both', { kmsRegistry: written.novaAppRegistry }, 'KMSRegistry is the app registry'],
    ['both in other letters', { kmsRegistry: `0x${(written.novaAppRegistry ?? '').slice(2).toUpperCase()}` }, 'is the app registry'],
    ['peers without TLS', { peerUrls: { ...peerUrls, scheme: 'http' } }, 'https'],
    ['a peer by address', { peerUrls: { ...peerUrls, hosts: ['10.0.0.1'] } }, '10.0.0.1'],
    ['a peer by IPv6 address', { peerUrls: { ...peerUrls, hosts: ['[::1]'] } }, '[::1]'],
    ['a peer by a number', { peerUrls: { ...peerUrls, hosts: ['2130706433'] } }, '2130706433'],
    ['localhost', { peerUrls: { ...peerUrls, hosts: ['localhost'] } }, 'localhost'],
    ['a name below localhost', { peerUrls: { ...peerUrls, hosts: ['node.localhost'] } }, 'node.localhost'],
    ['a bare name', { peerUrls: { ...peerUrls, hosts: ['host'] } }, 'host'],
    ['too little confirmation', { confirmationBlocks: RELEASE_CONFIRMATION_BLOCKS_MIN - 1 }, 'confirms'],
    ['the attestation root of the simulated network', { attestationRoot: SIMULATED_ROOT }, 'another root than that of AWS'],
    ['too old a head', { headAgeMaxMs: RELEASE_HEAD_AGE_MS_MAX + 1 }, 'head'],
  ])('with %s', (_what, change, why) => {
    const profile = { ...written, ...change };
    expect(() => profileOf({ release: true, profile })).toThrow(why);
    expect(profileOf({ release: false, profile })).toEqual(parseProfile(profile));
  });

  const named = (name: string) => [
    { peerUrls: { ...peerUrls, hosts: [name] } },
    { peerUrls: { ...peerUrls, hostSuffixes: ['.nodes.acme.org', `.${name}`] } },
    { trustDomain: name },
  ];

  it.each([
    ...['a.localhost', 'a.test', 'a.invalid', 'a.example', 'example.com', 'kms.example.com', 'a.example.net', 'example.org'],
    ...['printer.local', 'metadata.google.internal', 'kubernetes.default.svc.cluster.local', 'a.onion', '1.0.0.10.in-addr.arpa', 'a.alt'],
  ])('with the reserved name %s of a peer, of all peers or of certificates', (name) => {
    for (const change of named(name)) expect(() => profileOf({ release: true, profile: { ...written, ...change } })).toThrow('reserved');
  });

  it.each(['0.1', '-.-', 'a-.org', '-a.org', 'acme.x1', 'a.0x7f', `${'a'.repeat(64)}.org`, 'acme.o'])(
    'with %s, which is no DNS name, of a peer, of all peers or of certificates',
    (name) => {
      for (const change of named(name))
        expect(() => profileOf({ release: true, profile: { ...written, ...change } })).toThrow('no DNS name');
    },
  );

  it.each(['acme.org', 'a-b.c0.acme.org', 'xn--bcher-kva.example-bank.com', 'kms.xn--p1ai', 'localhost.acme.org', 'notexample.com'])(
    'not with the name %s',
    (name) => {
      for (const change of named(name)) expect(releaseFault(parseProfile({ ...written, ...change }))).toBeUndefined();
    },
  );

  it.each(Object.keys(NAMED_PROFILES))('with the names that stand in %s for those of a cluster', (name) => {
    const { kmsRegistry, kmsAppId } = cluster;
    const profile = { ...NAMED_PROFILES[name], kmsRegistry, kmsAppId };
    expect(() => profileOf({ release: true, profile })).toThrow('--peer-suffix and --trust-domain');
  });

  it.each([
    ['the least confirmation', { confirmationBlocks: RELEASE_CONFIRMATION_BLOCKS_MIN }],
    ['the oldest head', { headAgeMaxMs: RELEASE_HEAD_AGE_MS_MAX }],
    ['a peer by name', { peerUrls: { ...peerUrls, hosts: ['node-1.kms.acme.org'] } }],
  ])('not with %s', (_what, change) => expect(releaseFault(parseProfile({ ...written, ...change }))).toBeUndefined());
});
