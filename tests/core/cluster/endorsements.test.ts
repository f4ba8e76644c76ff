import { describe, expect, it } from 'vitest';
import { createEndorsements } from '../../../core/cluster/endorsements.ts';
import { recoverWallet } from '../../../core/crypto/wallet.ts';
import {
  ENDORSEMENT_LIFE_BLOCKS,
  ENDORSEMENT_SLACK_BLOCKS,
  NEW_SIGNATURES_PER_MESSAGE_MAX,
  OFFERS_PER_SIGNER_MAX,
} from '../../../core/limits.ts';
import { endorsementText } from '../../../core/wire/pop.ts';
import { epochOf, hashOf, profile, signerNamed } from '../fakes.ts';
import type { LocalSigner } from '../fakes.ts';
import type { Offer } from '../../../core/cluster/messages.ts';
import type { Hash, Wallet } from '../../../core/identity.ts';

const HEAD = 100;
const VALID = HEAD + ENDORSEMENT_LIFE_BLOCKS;
const [e0, e1] = [epochOf(0), epochOf(1)];
const [a, b, c, gone] = ['a', 'b', 'c', 'gone'].map(signerNamed) as [LocalSigner, LocalSigner, LocalSigner, LocalSigner];
const x = hashOf(0x11);

const sign = (
  signer: LocalSigner,
  hash: Hash = x,
  validUntil = VALID,
  epoch = e0,
  chainId = profile.chainId,
  registry = profile.kmsRegistry,
) => signer.signNow(endorsementText(chainId, registry, epoch, hash, validUntil));
const offer = (signatures: readonly (readonly [Wallet, `0x${string}`])[], hash: Hash = x, validUntilBlock = VALID): Offer => ({
  hash,
  validUntilBlock,
  signatures: new Map(signatures),
});
const signed = (signers: readonly LocalSigner[], hash: Hash = x, validUntil = VALID) =>
  offer(
    signers.map((signer) => [signer.wallet, sign(signer, hash, validUntil)]),
    hash,
    validUntil,
  );

function setUp() {
  let recoveries = 0;
  const endorsements = createEndorsements({ profile, recover: (text, signature) => ((recoveries += 1), recoverWallet(text, signature)) });
  const eligibility = { headNumber: HEAD, isEligible: (wallet: Wallet) => wallet !== gone.wallet };
  const learn = (offers: readonly Offer[], epoch = e0) => endorsements.learn(epoch, offers, eligibility).refused;
  const known = (epoch = e0) =>
    endorsements.offers(epoch).map(({ hash, validUntilBlock, signatures }) => [hash, validUntilBlock, [...signatures.keys()]]);
  return { endorsements, learn, known, recoveries: () => recoveries };
}

describe('an endorsement', () => {
  it('is learnt when its signer signed exactly that offer', () => {
    const { learn, known } = setUp();
    expect(learn([signed([a, b])])).toBeUndefined();
    expect(known()).toEqual([[x, VALID, [a.wallet, b.wallet]]]);
  });
  it('joins the others of the same offer, and costs one recovery ever', () => {
    const { learn, known, recoveries } = setUp();
    learn([signed([a])]);
    learn([signed([a, b])]);
    learn([signed([b, a])]);
    expect(known()).toEqual([[x, VALID, [a.wallet, b.wallet]]]);
    expect(recoveries()).toBe(2);
  });
  it('is of another offer under another hash or expiry', () => {
    const { learn, known } = setUp();
    learn([signed([a]), signed([a], hashOf(2)), signed([a], x, VALID - 1)]);
    expect(known()).toHaveLength(3);
  });
  it.each<[string, Offer]>([
    ['signed by another wallet', offer([[a.wallet, sign(b)]])],
    ['over another hash', offer([[a.wallet, sign(a, hashOf(2))]])],
    ['over another expiry', offer([[a.wallet, sign(a, x, VALID - 1)]])],
    ['over another epoch', offer([[a.wallet, sign(a, x, VALID, e1)]])],
    ['over another chain', offer([[a.wallet, sign(a, x, VALID, e0, 1)]])],
    ['over another registry', offer([[a.wallet, sign(a, x, VALID, e0, profile.chainId, profile.novaAppRegistry)]])],
    ['that is no signature', offer([[a.wallet, '0x00']])],
    ['valid for too long', signed([a], x, VALID + ENDORSEMENT_SLACK_BLOCKS + 1)],
  ])('S-H5 is refused %s', (_what, odd) => {
    const { learn, known } = setUp();
    expect(learn([odd])).toBeDefined();
    expect(known()).toEqual([]);
  });
  it('is taken at the longest life that nodes a few blocks apart can see', () => {
    const { learn, known } = setUp();
    expect(learn([signed([a], x, VALID + ENDORSEMENT_SLACK_BLOCKS)])).toBeUndefined();
    expect(known()).toHaveLength(1);
  });
  it('is passed over when it has expired, and those after it are taken', () => {
    const { learn, known } = setUp();
    expect(learn([signed([a], x, HEAD), signed([a], x, HEAD - 50), signed([a], x, HEAD + 1)])).toBeUndefined();
    expect(known()).toEqual([[x, HEAD + 1, [a.wallet]]]);
  });
  it('U-10 of a wallet that is not eligible is not learnt', () => {
    const { learn, known } = setUp();
    learn([signed([gone])]);
    expect(known()).toEqual([]);
  });
  it('U-12 of a wallet that died hides nobody’s behind it: honest peers still pass it on', () => {
    const { learn, known } = setUp();
    learn([signed([gone, a, b]), signed([c], hashOf(2))]);
    expect(known()).toEqual([
      [x, VALID, [a.wallet, b.wallet]],
      [hashOf(2), VALID, [c.wallet]],
    ]);
  });
});

describe('noise', () => {
  it('of one signer displaces its own signatures and nobody else’s', () => {
    const { learn, known } = setUp();
    learn([signed([a, b])]);
    const noise = Array.from({ length: OFFERS_PER_SIGNER_MAX + 3 }, (_, index) => signed([a], hashOf(0x40 + index)));
    for (const each of noise) learn([each]);
    expect(known()[0]).toEqual([x, VALID, [b.wallet]]);
    expect(known().filter(([, , signers]) => (signers as Wallet[]).includes(a.wallet))).toHaveLength(OFFERS_PER_SIGNER_MAX);
  });
  it('leaves no empty offer behind', () => {
    const { learn, known } = setUp();
    for (let index = 0; index < 3 * OFFERS_PER_SIGNER_MAX; index += 1) learn([signed([a], hashOf(index))]);
    expect(known()).toHaveLength(OFFERS_PER_SIGNER_MAX);
  });
  it('is read up to a budget of recoveries per message; the rest waits for the next', () => {
    const { learn, recoveries, known } = setUp();
    const signers = Array.from({ length: NEW_SIGNATURES_PER_MESSAGE_MAX + 1 }, (_, index) => signerNamed(`signer ${index}`));
    const message = [signed(signers)];
    expect(learn(message)).toBeUndefined();
    expect(recoveries()).toBe(NEW_SIGNATURES_PER_MESSAGE_MAX);
    learn(message);
    expect((known()[0] as [Hash, number, Wallet[]])[2]).toHaveLength(signers.length);
  });
  it('ends at the first false signature, so that a forger spends one recovery per message', () => {
    const { learn, recoveries } = setUp();
    learn([offer(Array.from({ length: 50 }, (_, index) => [signerNamed(`signer ${index}`).wallet, sign(a)] as const))]);
    expect(recoveries()).toBe(1);
  });
});

describe('what is kept', () => {
  it('is our own signature, without asking whether it is good', () => {
    const { endorsements, known } = setUp();
    endorsements.add(e0, x, VALID, a.wallet, sign(a));
    expect(known()).toEqual([[x, VALID, [a.wallet]]]);
  });
  it('goes when it expires', () => {
    const { endorsements, learn, known } = setUp();
    learn([signed([a]), signed([b], x, VALID - 1)]);
    endorsements.prune(e0, VALID - 1);
    expect(known()).toEqual([[x, VALID, [a.wallet]]]);
    endorsements.prune(e0, VALID);
    expect(known()).toEqual([]);
  });
  it('goes with its epoch', () => {
    const { endorsements, learn, known } = setUp();
    learn([signed([a])]);
    endorsements.add(e1, x, VALID, a.wallet, '0x00');
    endorsements.prune(e1, HEAD);
    expect([known(e0), known(e1)]).toEqual([[], [[x, VALID, [a.wallet]]]]);
    endorsements.prune(undefined, HEAD);
    expect(known(e1)).toEqual([]);
  });
});
