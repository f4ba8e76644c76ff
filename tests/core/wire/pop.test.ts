import { describe, expect, it } from 'vitest';
import { appProofText, appResponseText, endorsementText, peerProofText, peerResponseText, voteText } from '../../../core/wire/pop.ts';
import { epochOf, hashOf, KMS_REGISTRY } from '../fakes.ts';
import vectors from '../../vectors/signatures.json' with { type: 'json' };
import votes from '../../vectors/votes.json' with { type: 'json' };
import type { Hash, Wallet } from '../../../core/identity.ts';

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
  it('S-M6 X-13 are the contract’s, byte for byte, where it judges them', () => {
    const registry = votes.registry as Wallet;
    const { endorse, veto, rotate, remove_measurement: removal } = votes.texts;
    const said = (vote: Parameters<typeof voteText>[2]) => voteText(votes.chain_id, registry, vote);
    const endorsed = [epochOf(endorse.epoch), endorse.secret_hash as Hash, endorse.valid_until_block] as const;
    expect(endorsementText(votes.chain_id, registry, ...endorsed)).toBe(endorse.text);
    expect(said({ purpose: 'veto', subject: BigInt(veto.subject), validUntilBlock: veto.valid_until_block })).toBe(veto.text);
    expect(said({ purpose: 'rotate', subject: epochOf(rotate.subject), validUntilBlock: rotate.valid_until_block })).toBe(rotate.text);
    const measurement = removal.subject as Hash;
    expect(said({ purpose: 'remove_measurement', subject: measurement, validUntilBlock: removal.valid_until_block })).toBe(removal.text);
  });
  it('carry nonce, timestamp and signature exactly as the headers had them', () => {
    expect(appProofText('aA+/=', kms, '0001')).toBe(`NovaKMS:AppAuth:aA+/=:${kms}:0001`);
    expect(appResponseText('0xABcd', kms)).toContain(':0xABcd:');
  });
});
