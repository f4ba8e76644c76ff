import { TRUSTED_PROXIES_MAX } from '../../core/limits.ts';
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../core/config.ts';
import { parseProfile } from '../../core/networks.ts';
import { AWS_NITRO_ROOT_G1 } from '../../core/crypto/nitro/root.ts';
import { base64, concat } from '../../core/wire/bytes.ts';
import { foreignRoot, freshKey, SIMULATED_ROOT, simulatedRoot } from '../attestation/roots.ts';
import { certificateOf, levelsAt, plansFor } from '../attestation/certificates.ts';
import { flipped, profile } from './fakes.ts';
import type { Level } from '../attestation/certificates.ts';

const written = {
  name: 'test',
  chainId: 31_337,
  novaAppRegistry: profile.novaAppRegistry,
  kmsRegistry: profile.kmsRegistry,
  kmsAppId: '7',
  confirmationBlocks: 3,
  headAgeMaxMs: 60_000,
  tickMs: 2_000,
  proposalWindowBlocks: 30,
  peerUrls: { scheme: 'https', hosts: [], hostSuffixes: ['.nova.example'] },
  platformProof: 'accept',
  trustDomain: 'kms.nova.example',
  trustedProxies: [] as readonly string[],
  appAttestation: 'ignore',
  attestationRoot: SIMULATED_ROOT,
};
const FIELDS = Object.keys(written) as (keyof typeof written)[];

describe('a network profile', () => {
  it('is read', () => expect(parseProfile(written)).toEqual(profile));
  it('S-L1 has exactly the fields that are tested here', () =>
    expect(Object.keys(parseProfile(written)).toSorted()).toEqual(FIELDS.toSorted()));
  it.each(FIELDS)('S-L1 is refused without %s, and names it', (field) => {
    const { [field]: _left, ...rest } = written;
    expect(() => parseProfile(rest)).toThrow(field);
  });
  it.each([...FIELDS])('is refused when %s is null, an empty text or an object', (field) => {
    for (const value of [null, '', {}, ['x'], true]) expect(() => parseProfile({ ...written, [field]: value })).toThrow(field);
  });
  it.each(['rpcUrl', 'simulation', 'Name', '__proto__', 'constructor'])('S-L1 is refused with the unknown field %s', (field) => {
    expect(() => parseProfile(JSON.parse(JSON.stringify(written).replace('{', `{"${field}":1,`)))).toThrow(`unknown field ${field}`);
  });
  it.each<[keyof typeof written, unknown[], unknown[]]>([
    ['name', ['a', 'base-sepolia-1', 'a'.repeat(40)], ['A', 'a b', 'a'.repeat(41), 'a\n', 1]],
    ['chainId', [1, 2 ** 53 - 1], [0, -1, 1.5, 2 ** 53, '1']],
    ['novaAppRegistry', [`0x${'Ab'.repeat(20)}`], [`0x${'00'.repeat(20)}`, '0x12', `0x${'gg'.repeat(20)}`, 12]],
    ['kmsRegistry', [`0x${'01'.repeat(20)}`], [`0x${'00'.repeat(20)}`, '0x']],
    ['kmsAppId', ['1', String(2n ** 256n - 1n)], ['0', '-1', '1.0', '0x1', String(2n ** 256n), ' 1', 7]],
    ['confirmationBlocks', [1, 60], [0, 61, 1.5, '3']],
    ['headAgeMaxMs', [1_000, 600_000], [999, 600_001]],
    ['tickMs', [100, 60_000], [99, 60_001]],
    ['proposalWindowBlocks', [2, 10_000], [1, 10_001]],
    [
      'attestationRoot',
      [SIMULATED_ROOT, AWS_NITRO_ROOT_G1, base64(foreignRoot().der)],
      [
        AWS_NITRO_ROOT_G1.slice(4),
        `${AWS_NITRO_ROOT_G1} `,
        AWS_NITRO_ROOT_G1.replaceAll('+', '-'),
        base64(flipped(simulatedRoot().der)),
        base64(simulatedRoot().der.subarray(1)),
        base64(concat(simulatedRoot().der, Uint8Array.of(0))),
        'AAAA',
        'A'.repeat(24_000),
      ],
    ],
    ['platformProof', ['accept', 'refuse'], ['off', 'ACCEPT', 1]],
    ['appAttestation', ['ignore', 'require'], ['off', 'REQUIRE', 'accept', 1]],
    [
      'trustDomain',
      ['a', 'kms.nova-1_x.example', 'a'.repeat(255)],
      ['a'.repeat(256), 'Kms.example', 'a/b', 'a:1', 'spiffe://a', 'é', 'a%41', 'a\n'],
    ],
    [
      'trustedProxies',
      [
        [],
        ['10.0.0.0/8', '127.0.0.1/32', '2001:db8::/32', 'fd00::/8', '::1/128'],
        Array.from({ length: TRUSTED_PROXIES_MAX }, (_, index) => `10.0.0.${index}/32`),
      ],
      [
        ['0.0.0.0/0'],
        ['::/0'],
        ['8.0.0.0/7'],
        ['fc00::/7'],
        ['10.0.0.1/8'],
        ['10.0.0.1'],
        ['proxy.example/32'],
        ['10.0.0.0/8', 1],
        Array.from({ length: TRUSTED_PROXIES_MAX + 1 }, (_, index) => `10.0.0.${index}/32`),
      ],
    ],
  ])('takes %s at its bounds and not beyond', (field, good, odd) => {
    for (const value of good) expect(() => parseProfile({ ...written, [field]: value })).not.toThrow();
    for (const value of odd) expect(() => parseProfile({ ...written, [field]: value })).toThrow(field);
  });
  it.each<[string, object]>([
    ['another scheme', { scheme: 'ftp' }],
    ['no hosts at all', { hostSuffixes: [] }],
    ['a suffix without its dot', { hostSuffixes: ['nova.example'] }],
    ['a suffix that is a whole top level', { hostSuffixes: ['.example'] }],
    ['a suffix in upper case', { hostSuffixes: ['.Nova.Example'] }],
    ['a suffix with a wildcard', { hostSuffixes: ['.*.example'] }],
    ['an empty host', { hosts: [''] }],
    ['a host that is no text', { hosts: [1] }],
    ['hosts that are no list', { hosts: 'localhost' }],
    ['an unknown member', { ports: [] }],
  ])('R-10 is refused when its peer URLs have %s', (_what, change) =>
    expect(() => parseProfile({ ...written, peerUrls: { ...written.peerUrls, ...change } })).toThrow('peerUrls'),
  );
  it.each([null, undefined, 'base', [], [written], 7])('is refused when it is %j', (value) =>
    expect(() => parseProfile(value)).toThrow('JSON object'),
  );
  it('S-M5 takes no leaf for an attestation root', () => {
    const keys = [freshKey(), freshKey()];
    const [root, leaf] = plansFor([levelsAt(0)[0], levelsAt(0)[4]] as Level[], keys).map(certificateOf) as [Uint8Array, Uint8Array];
    expect(parseProfile({ ...written, attestationRoot: base64(root) }).attestationRoot).toEqual(root);
    expect(() => parseProfile({ ...written, attestationRoot: base64(leaf) })).toThrow('attestationRoot');
  });
  it('writes addresses in lower case, however they came', () => {
    expect(parseProfile({ ...written, kmsRegistry: `0x${'Ab'.repeat(20)}` }).kmsRegistry).toBe(`0x${'ab'.repeat(20)}`);
  });
});

describe('the configuration', () => {
  const settings = { PROFILE: written, ODYN_URL: 'http://127.0.0.1:18000', RPC_URL: 'http://localhost:18545' };
  it('is read', () =>
    expect(parseConfig(settings)).toEqual({ profile, odynUrl: 'http://127.0.0.1:18000', rpcUrl: 'http://localhost:18545' }));
  it.each(['PROFILE', 'ODYN_URL', 'RPC_URL'])('S-L1 is refused without %s', (name) =>
    expect(() => parseConfig({ ...settings, [name]: undefined })).toThrow(),
  );
  it('S-L1 is refused with an unknown setting, and names it', () =>
    expect(() => parseConfig({ ...settings, SIMULATION: '1' })).toThrow('SIMULATION'));
  it.each(['ODYN_URL', 'RPC_URL'])('X-4 takes %s on loopback only: nothing else is a default or a choice', (name) => {
    for (const url of ['http://127.0.0.1:1', 'http://127.0.0.1:1/', 'http://localhost'])
      expect(() => parseConfig({ ...settings, [name]: url })).not.toThrow();
    const odd = [
      '',
      'rpc',
      'https://127.0.0.1:1',
      'http://127.0.0.2:1',
      'http://10.0.0.1',
      'http://[::1]:1',
      'http://0.0.0.0:1',
      'http://169.254.169.254',
      'http://rpc.example',
      'https://mainnet.base.org',
      'http://localhost.evil.example',
      'http://127.0.0.1.nip.io',
      'http://127.0.0.1@evil.example',
      'http://user@127.0.0.1',
      'http://127.0.0.1/path',
      'http://127.0.0.1/?a',
      'http://127.0.0.1/#a',
      'ws://127.0.0.1',
      7,
      null,
    ];
    for (const url of odd) expect(() => parseConfig({ ...settings, [name]: url })).toThrow(name);
  });
  it.each([null, undefined, [], 'x'])('is refused when it is %j', (value) => expect(() => parseConfig(value)).toThrow('object'));
});
