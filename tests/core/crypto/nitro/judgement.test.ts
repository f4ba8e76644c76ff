/** One judgement for peers, apps and nodes: the document and what it must be, with the same limits for all. */
import { keccak256 } from 'viem';
import { describe, expect, it } from 'vitest';
import { judgeDocument } from '../../../../core/crypto/nitro/judgement.ts';
import { ATTESTATION_AGE_MAX_MS, ATTESTATION_SKEW_MAX_MS } from '../../../../core/limits.ts';
import { concat, utf8 } from '../../../../core/wire/bytes.ts';
import { MADE_MS } from './chain-plans.ts';
import { documentOf, NONCE, NOW_MS, pcr, PUBLIC_KEY, ROOT, verified, verify, WALLET } from './documents.ts';
import type { Hash, Wallet } from '../../../../core/identity.ts';

// By other code than ours.
const measurement = keccak256(concat(pcr(0), pcr(1), pcr(2))) as Hash;
const expected = { measurement, nonce: NONCE, publicKey: PUBLIC_KEY, wallet: WALLET as Wallet };
const judgedAt = (nowMs: number, change: Partial<typeof expected> = {}) =>
  judgeDocument(documentOf(), { root: ROOT, nowMs }, { ...expected, ...change });
const saidAt = (nowMs: number) => {
  const judged = judgedAt(nowMs);
  return judged.kind === 'verified' ? 'verified' : judged.why;
};

describe('a judgement', () => {
  it('tells what a good document attests', () => {
    const judged = judgedAt(NOW_MS);
    expect(judged).toEqual(verify(documentOf()));
    expect(judged).toMatchObject({ kind: 'verified', attestation: { measurement } });
  });
  it('S-M2 names what is not as it was expected, and what was measured and when', () =>
    expect(judgedAt(NOW_MS, { nonce: utf8('another') })).toEqual({
      kind: 'refused',
      why: 'nonce_mismatch',
      detail: `measured ${measurement} at ${MADE_MS}`,
    }));
  it('X-9 tells what a document that does not verify was refused for', () =>
    expect(judgeDocument(new Uint8Array(3), { root: ROOT, nowMs: NOW_MS }, expected)).toMatchObject({
      kind: 'refused',
      why: 'cbor_malformed',
    }));
  it('S-M5 takes one as old as may be, or from as far ahead, and none beyond', () => {
    const [oldest, furthest] = [MADE_MS + ATTESTATION_AGE_MAX_MS, MADE_MS - ATTESTATION_SKEW_MAX_MS];
    expect([oldest, oldest + 1, furthest, furthest - 1].map(saidAt)).toEqual(['verified', 'too_old', 'verified', 'from_the_future']);
  });
});

describe('what was attested', () => {
  it('has bytes of its own: whoever writes into the document afterwards changes nothing of it', () => {
    const document = documentOf();
    const { pcrs, publicKey, userData, nonce } = verified(verify(document));
    const before = [pcrs.get(0), publicKey, userData, nonce].map((bytes) => bytes?.slice());
    document.fill(0);
    expect([pcrs.get(0), publicKey, userData, nonce]).toEqual(before);
  });
});
