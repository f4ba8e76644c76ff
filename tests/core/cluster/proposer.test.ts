import { describe, expect, it } from 'vitest';
import { eligibleInOrder, proposersNow, relayPlace } from '../../../core/cluster/proposer.ts';
import { profile } from '../fakes.ts';
import { a, b, blocksOf, c, epochs, OPENED, operator, three } from './facts.ts';
import type { EpochRecord } from '../../../core/chain/registry.ts';

const open = epochs('open')[0] as EpochRecord;
const WINDOW = profile.proposalWindowBlocks;
const at = (confirmed: number, head = confirmed) => blocksOf({}, { blockNumber: head }, { blockNumber: confirmed });

describe('the order', () => {
  it('is by instance id, as a number, whatever the order of the list', () => {
    const operators = [operator(c, 10), operator(a, 9), operator(b, 2)];
    expect(eligibleInOrder(blocksOf({ operators }))).toEqual([b, a, c]);
    expect(eligibleInOrder(blocksOf({ operators: operators.toReversed() }))).toEqual([b, a, c]);
  });
  it('holds who is eligible at both blocks', () => {
    const without = (wallet: string) => three().map((each) => (each.wallet === wallet ? { ...each, eligible: false } : each));
    expect(eligibleInOrder(blocksOf({}, { operators: without(a) }))).toEqual([b, c]);
    expect(eligibleInOrder(blocksOf({}, {}, { operators: without(b) }))).toEqual([a, c]);
    expect(eligibleInOrder(blocksOf({}, { operators: three().slice(1) }))).toEqual([b, c]);
  });
});

describe('the turn', () => {
  it.each([
    [OPENED, a],
    [OPENED + WINDOW - 1, a],
    [OPENED + WINDOW, b],
    [OPENED + 2 * WINDOW, c],
    [OPENED + 3 * WINDOW, a],
    [OPENED + 4 * WINDOW - 1, a],
    [OPENED - 5, a],
  ])('at block %i is with the next in line', (block, proposer) =>
    expect(proposersNow(at(block), open, profile)).toEqual([proposer, proposer]),
  );
  it('moves first at the head: between the two, both may offer, the confirmed one first', () => {
    expect(proposersNow(at(OPENED + WINDOW - 3, OPENED + WINDOW), open, profile)).toEqual([a, b]);
  });
  it('is nobody’s when nobody is eligible', () => {
    expect(proposersNow(blocksOf({ operators: three().map((each) => ({ ...each, eligible: false })) }), open, profile)).toEqual([]);
  });
  it('passes over the dead', () => {
    const operators = three({ eligible: false });
    expect(proposersNow(blocksOf({ operators }, { blockNumber: OPENED }, { blockNumber: OPENED }), open, profile)[0]).toBe(b);
  });
});

describe('the place of a relayer', () => {
  it('is counted from the proposer around', () => {
    const places = (block: number) => [a, b, c].map((wallet) => relayPlace(at(block), open, profile, wallet));
    expect(places(OPENED)).toEqual([0, 1, 2]);
    expect(places(OPENED + WINDOW)).toEqual([2, 0, 1]);
    expect(places(OPENED + 2 * WINDOW)).toEqual([1, 2, 0]);
  });
});
