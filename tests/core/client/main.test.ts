import { describe, expect, it } from 'vitest';
import { createClient, keysInMemory, odyn, parseProfile } from '../../../core/client/main.ts';
import { SIMULATED_ROOT } from '../../attestation/roots.ts';
import type { ClientOptions } from '../../../core/client/main.ts';

const json = {
  ...{ name: 'test', chainId: 1, novaAppRegistry: `0x${'11'.repeat(20)}`, kmsRegistry: `0x${'22'.repeat(20)}`, kmsAppId: '1' },
  ...{ confirmationBlocks: 2, headAgeMaxMs: 15_000, tickMs: 400, proposalWindowBlocks: 8, trustDomain: 'kms.test.example' },
  ...{ peerUrls: { scheme: 'https', hosts: [], hostSuffixes: ['.kms.test.example'] }, platformProof: 'accept', trustedProxies: [] },
  appAttestation: 'ignore',
  attestationRoot: SIMULATED_ROOT,
};
const good = { profile: parseProfile(json), chain: 'http://127.0.0.1:1', keys: odyn('http://127.0.0.1:2') };

describe('a client', () => {
  it('is made without asking anything', () => expect(createClient(good).derive).toBeTypeOf('function'));

  it.each([
    ['nothing', undefined],
    ['no options', {}],
    ['a profile as JSON has it', { ...good, profile: json }],
    ['no keys', { ...good, keys: undefined }],
    ['a chain that is no URL', { ...good, chain: 'chain' }],
  ])('is not made of %s, and says what is wrong', (_what, options) => {
    expect(() => createClient(options as ClientOptions)).toThrow(expect.objectContaining({ name: 'KmsError', code: 'bad_argument' }));
  });

  it('is not made of secret keys that are none', () => {
    expect(() => keysInMemory({} as never)).toThrow(expect.objectContaining({ code: 'bad_argument' }));
    expect(() => keysInMemory(undefined as never)).toThrow(expect.objectContaining({ code: 'bad_argument' }));
  });
});
