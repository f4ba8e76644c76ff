import { describe, expect, it } from 'vitest';
import { appProofText, appResponseText, endorsementText, peerProofText, peerResponseText } from '../../../core/wire/pop.ts';
import { epochOf, hashOf, KMS_REGISTRY } from '../fakes.ts';
import vectors from '../../vectors/signatures.json' with { type: 'json' };
import type { Wallet } from '../../../core/identity.ts';

const kms = vectors.kms as Wallet;
const [, , appAuth, response, peerAuth] = vectors.signatures;

describe('the texts that wallets sign', () => {
  it('are the platform’s, byte for byte', () => {
    expect(appProofText(vectors.nonce, kms, vectors.timestamp)).toBe(appAuth?.text);
    expect(appResponseText(appAuth?.signature ?? '', kms)).toBe(response?.text);
  });
  it('bind the body where the platform’s do not', () => {
    expect(peerProofText(vectors.nonce, kms, vectors.timestamp, 'digest')).toBe(`${peerAuth?.text}:digest`);
    expect(peerResponseText('0xsignature', kms, 'digest')).toBe(`NovaKMS:Response:0xsignature:${kms}:digest`);
  });
  it('name chain, registry, epoch, hash and expiry in an endorsement', () => {
    expect(endorsementText(31_337, KMS_REGISTRY, epochOf(2), hashOf(0xab), 99)).toBe(
      `NovaKMS:Endorse:31337:${KMS_REGISTRY}:2:0x${'ab'.repeat(32)}:99`,
    );
  });
  it('carry nonce, timestamp and signature exactly as the headers had them', () => {
    expect(appProofText('aA+/=', kms, '0001')).toBe(`NovaKMS:AppAuth:aA+/=:${kms}:0001`);
    expect(appResponseText('0xABcd', kms)).toContain(':0xABcd:');
  });
});
