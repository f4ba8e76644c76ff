/** Laws of the gate (S-C1, S-H4), for facts that no chain would tell as well as for those that one would. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decide } from '../../core/cluster/readiness.ts';
import { eligibleInOrder, proposersNow } from '../../core/cluster/proposer.ts';
import { epochOf, hashOf, profile } from '../core/fakes.ts';
import { a, b, blocksOf, c, cluster, factsOf, HEAD, offerOf, operator } from '../core/cluster/facts.ts';
import type { EpochRecord, Operator } from '../../core/chain/registry.ts';
import type { Facts } from '../../core/cluster/readiness.ts';

const hash = fc.constantFrom(hashOf(1), hashOf(2));
const state = fc.constantFrom('open', 'active', 'previous', 'retired', 'lost');
const epochList: fc.Arbitrary<EpochRecord[]> = fc
  .array(fc.record({ state, hash: fc.option(hash, { nil: undefined, freq: 6 }), openedAtBlock: fc.integer({ min: 1, max: HEAD }) }), {
    maxLength: 3,
  })
  .map((list) => list.map((each, index) => ({ ...each, epoch: epochOf(index), activatedAtMs: 0 })));
const mostly = fc.boolean().chain((first) => (first ? fc.constant(true) : fc.boolean()));
const operators: fc.Arbitrary<Operator[]> = fc
  .tuple(mostly, mostly, fc.boolean(), mostly)
  .map(([live, eligible, present, others]) => [
    ...(live || present ? [operator(a, 1, { live, eligible: live && eligible })] : []),
    operator(b, 2, { eligible: others }),
    operator(c, 3),
  ]);
const facts: fc.Arbitrary<Facts> = fc
  .record({
    same: fc.boolean(),
    atHead: fc.record({ epochs: epochList, operators }),
    atConfirmed: fc.record({ epochs: epochList, operators }),
    held: fc.uniqueArray(fc.nat(2)),
    candidates: fc.uniqueArray(hash),
    offers: fc.array(fc.tuple(hash, fc.uniqueArray(fc.constantFrom(a, b, c)), fc.integer({ min: HEAD - 5, max: HEAD + 600 })), {
      maxLength: 3,
    }),
    odyn: fc.constantFrom('present', 'present', 'present', 'changed', 'unreachable'),
    readable: mostly,
  })
  .map(({ same, atHead, atConfirmed, held, candidates, offers, odyn, readable }) =>
    factsOf(blocksOf({}, same ? atConfirmed : atHead, atConfirmed), {
      odyn,
      held: new Set(held.map(epochOf)),
      candidates,
      offers: offers.map(([each, signers, validUntil]) => offerOf(each, signers, validUntil)),
      ...(readable ? {} : { chain: { kind: 'unusable', reason: 'chain_stale', detail: '' } }),
    }),
  );

const RUNS = { numRuns: 3_000 };

describe('the gate', () => {
  it('S-C1 serves only what the confirmed chain has active, the head agrees with and the vault holds, with every other usable secret', () => {
    let served = 0;
    fc.assert(
      fc.property(facts, (given) => {
        const { gate } = decide(given);
        if (gate.kind !== 'serving') return;
        served += 1;
        expect(given.odyn).toBe('present');
        if (given.chain.kind !== 'fresh') throw new Error('served without a fresh chain');
        const { head, confirmed } = given.chain.blocks;
        const record = confirmed.epochs[gate.epoch];
        expect(record?.state).toBe('active');
        expect(record?.hash).toBeDefined();
        expect(['active', 'previous']).toContain(head.epochs[gate.epoch]?.state);
        expect(head.epochs[gate.epoch]?.hash).toBe(record?.hash);
        for (const epoch of confirmed.epochs) {
          const counterpart = head.epochs[epoch.epoch];
          const both = [epoch, counterpart].every((each) => each?.state === 'active' || each?.state === 'previous');
          if (both && epoch.hash !== undefined && counterpart?.hash === epoch.hash) expect(given.held.has(epoch.epoch)).toBe(true);
        }
        for (const view of [head, confirmed]) expect(view.operators.find((each) => each.wallet === a)?.live).toBe(true);
      }),
      RUNS,
    );
    expect(served).toBeGreaterThan(20);
  });
  it('S-H4 asks to be given a secret or to sign only what eligible members may', () => {
    let asked = 0;
    fc.assert(
      fc.property(facts, (given) => {
        const { step } = decide(given);
        if (step.kind === 'none') return;
        asked += 1;
        if (given.chain.kind !== 'fresh') throw new Error('a step without a fresh chain');
        const { head, confirmed } = given.chain.blocks;
        for (const view of [head, confirmed]) expect(view.operators.find((each) => each.wallet === a)?.eligible).toBe(true);
        if (step.kind === 'fetchSecret') return;
        for (const view of [head, confirmed]) expect(view.epochs[step.epoch]?.state).toBe('open');
        if (step.kind === 'endorse') expect(given.candidates).toContain(step.hash);
        if (step.kind === 'generate') expect(given.candidates).toEqual([]);
      }),
      RUNS,
    );
    expect(asked).toBeGreaterThan(20);
  });
});

describe('the proposer', () => {
  it('is one wallet per block for all nodes that see the same blocks, and everybody’s turn comes', () =>
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer({ min: 1, max: 999 }), { minLength: 3, maxLength: 3 }), fc.nat(500), (ids, elapsed) => {
        const list = [a, b, c].map((wallet, index) => operator(wallet, ids[index] as number));
        const open: EpochRecord = { epoch: epochOf(0), state: 'open', hash: undefined, openedAtBlock: 10, activatedAtMs: 0 };
        const seen = (order: Operator[], block: number) => {
          const view = cluster({ operators: order, blockNumber: block });
          return proposersNow({ head: view, confirmed: view }, open, profile)[0];
        };
        expect(seen(list.toReversed(), 10 + elapsed)).toBe(seen(list, 10 + elapsed));
        const turns = [0, 1, 2].map((turn) => seen(list, 10 + elapsed + turn * profile.proposalWindowBlocks));
        const view = cluster({ operators: list });
        expect(new Set(turns)).toEqual(new Set(eligibleInOrder({ head: view, confirmed: view })));
      }),
    ));
});
