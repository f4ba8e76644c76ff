/**
 * The whole table of readiness: every reason that it can give, every step that it can ask for, and every branch between
 * (S-H4). The laws about the gate are in `tests/properties/readiness.test.ts`.
 */
import { describe, expect, it } from 'vitest';
import { decide, eligibleSigners, openEpoch, usableEpochs } from '../../../core/cluster/readiness.ts';
import { ENDORSEMENT_LIFE_BLOCKS, ENDORSEMENT_MARGIN_BLOCKS, RELAY_STEP_BLOCKS } from '../../../core/limits.ts';
import { epochOf, hashOf, profile, signerNamed } from '../fakes.ts';
import { a, b, blocksOf, c, epochs, factsOf, HEAD, offerOf, OPENED, operator, three, VALID_UNTIL } from './facts.ts';
import type { Facts, Step } from '../../../core/cluster/readiness.ts';
import type { Blocks } from '../../../core/chain/view.ts';
import type { UnreadyReason } from '../../../core/errors.ts';

const [e0, e1] = [epochOf(0), epochOf(1)];
const [x, y] = [hashOf(0x11), hashOf(0x22)];
const NONE: Step = { kind: 'none' };
const unregistered = three().slice(1);
const dead = three({ live: false, eligible: false });
const deprecated = three({ eligible: false, versionStatus: 'deprecated' });
const born = { epochs: epochs('active') };

describe('the gate', () => {
  it('serves the epoch that is active at the confirmed block, agreed at the head, and held', () => {
    expect(decide(factsOf(blocksOf(born), { held: new Set([e0]) }))).toEqual({ gate: { kind: 'serving', epoch: e0 }, step: NONE });
  });
  it('serves the active of several epochs, all held', () => {
    expect(
      decide(factsOf(blocksOf({ epochs: epochs('retired', 'previous', 'active') }), { held: new Set([1, 2].map(epochOf)) })).gate,
    ).toEqual({ kind: 'serving', epoch: 2 });
  });
  it('X-12 serves on while the next epoch is open, and while it is active at the head only', () => {
    const held = new Set([e0]);
    expect(decide(factsOf(blocksOf({ epochs: epochs('active', 'open') }), { held })).gate).toEqual({ kind: 'serving', epoch: 0 });
    expect(
      decide(factsOf(blocksOf({ epochs: epochs('active', 'open') }, { epochs: epochs('previous', 'active') }), { held })).gate,
    ).toEqual({ kind: 'serving', epoch: 0 });
  });

  const held: Partial<Facts> = { held: new Set([e0]) };
  const offered = (...signers: (typeof a)[]): Partial<Facts> => ({ offers: [offerOf(x, signers)], candidates: [x] });
  const rows: readonly (readonly [UnreadyReason, string, Blocks, Partial<Facts>])[] = [
    ['wallet_changed', 'Odyn answers with another wallet', blocksOf(born), { ...held, odyn: 'changed' }],
    ['odyn_unreachable', 'Odyn does not answer', blocksOf(born), { ...held, odyn: 'unreachable' }],
    [
      'chain_unreadable',
      'no block was ever read',
      blocksOf(born),
      { ...held, chain: { kind: 'unusable', reason: 'chain_unreadable', detail: '' } },
    ],
    ['chain_stale', 'the head is too old', blocksOf(born), { ...held, chain: { kind: 'unusable', reason: 'chain_stale', detail: '' } }],
    [
      'chain_clock_ahead',
      'the head is in the future',
      blocksOf(born),
      { ...held, chain: { kind: 'unusable', reason: 'chain_clock_ahead', detail: '' } },
    ],
    [
      'chain_mismatch',
      'the registry is not the profile’s',
      blocksOf(born),
      { ...held, chain: { kind: 'unusable', reason: 'chain_mismatch', detail: '' } },
    ],
    ['not_registered', 'it is in no operator set', blocksOf({ ...born, operators: unregistered }), held],
    ['not_registered', 'it is registered at the head only', blocksOf(born, {}, { operators: unregistered }), held],
    ['not_registered', 'it was removed at the head', blocksOf(born, { operators: unregistered }), held],
    ['not_live', 'its instance is dead at both blocks', blocksOf({ ...born, operators: dead }), held],
    ['not_live', 'its instance died at the head', blocksOf(born, { operators: dead }), held],
    ['not_live', 'its instance is live at the head only', blocksOf(born, {}, { operators: dead }), held],
    ['tee_key_mismatch', 'the registry shows another TEE key', blocksOf({ ...born, operators: three({ teePubkey: 'ab' }) }), held],
    [
      'url_refused',
      'its own URL is one that no peer may dial',
      blocksOf({ ...born, operators: three({ instanceUrl: 'https://127.0.0.1' }) }),
      held,
    ],
    ['not_eligible', 'it lacks a secret that its version may not be given', blocksOf({ ...born, operators: deprecated }), {}],
    ['not_eligible', 'it lost its eligibility at the head', blocksOf(born, { operators: deprecated }), {}],
    ['not_eligible', 'its eligibility is not confirmed', blocksOf(born, {}, { operators: deprecated }), {}],
    ['fetching_secret', 'it lacks the active secret', blocksOf(born), {}],
    ['fetching_secret', 'it lacks a previous secret', blocksOf({ epochs: epochs('previous', 'active') }), { held: new Set([e1]) }],
    ['genesis_not_open', 'there is no epoch yet', blocksOf({ epochs: [] }), {}],
    ['awaiting_proposal', 'nobody offered a candidate', blocksOf(), {}],
    [
      'awaiting_proposal',
      'nobody is eligible to offer one',
      blocksOf({ operators: three({ eligible: false }).map((each) => ({ ...each, eligible: false })) }),
      {},
    ],
    ['awaiting_proposal', 'an offer is signed by strangers only', blocksOf(), offered(signerNamed('stranger').wallet)],
    ['collecting_endorsements', 'one of a majority of two has signed', blocksOf(), offered(a)],
    ['awaiting_activation', 'a majority has signed', blocksOf(), offered(a, b)],
    ['awaiting_activation', 'it is active at the head and not confirmed', blocksOf({}, born), {}],
    ['cluster_reset', 'every epoch was lost', blocksOf({ epochs: epochs('lost') }), held],
    ['cluster_reset', 'every epoch was lost at the head', blocksOf(born, { epochs: epochs('lost') }), held],
    [
      'cluster_reset',
      'the head holds another hash',
      blocksOf(born, { epochs: epochs('active').map((epoch) => ({ ...epoch, hash: y })) }),
      held,
    ],
    ['cluster_reset', 'the head does not list the epoch', blocksOf(born, { epochs: [] }), held],
    ['awaiting_proposal', 'every epoch was lost and the next is open', blocksOf({ epochs: epochs('lost', 'open') }), held],
  ];
  it.each(rows)('S-H4 waits for %s when %s', (reason, _what, blocks, change) => {
    expect(decide(factsOf(blocks, change)).gate).toMatchObject({ kind: 'waiting', reason });
  });
  it('S-H4 the table has every reason but those that are given before there are facts', () => {
    const all: Record<UnreadyReason, boolean> = {
      starting: false,
      zero_wallet: false,
      odyn_unreachable: true,
      wallet_changed: true,
      chain_unreadable: true,
      chain_stale: true,
      chain_clock_ahead: true,
      chain_mismatch: true,
      not_registered: true,
      not_live: true,
      tee_key_mismatch: true,
      url_refused: true,
      genesis_not_open: true,
      awaiting_proposal: true,
      collecting_endorsements: true,
      awaiting_activation: true,
      not_eligible: true,
      fetching_secret: true,
      cluster_reset: true,
    };
    expect([...new Set(rows.map(([reason]) => reason))].toSorted()).toEqual(
      Object.entries(all)
        .flatMap(([reason, given]) => (given ? [reason] : []))
        .toSorted(),
    );
  });
  it('S-H4 asks for no step while it is unfit', () => {
    for (const [reason, , blocks, change] of rows) {
      if (['fetching_secret', 'awaiting_proposal', 'collecting_endorsements', 'awaiting_activation'].includes(reason)) continue;
      expect(decide(factsOf(blocks, change)).step).toEqual(NONE);
    }
  });
  it('S-C1 does not serve an active epoch that names no hash', () => {
    const without = { epochs: epochs('active').map((epoch) => ({ ...epoch, hash: undefined })) };
    expect(decide(factsOf(blocksOf(without), { held: new Set() })).gate.kind).toBe('waiting');
    expect(decide(factsOf(blocksOf(without), { held: new Set([e0]) })).gate.kind).toBe('waiting');
  });
  it('names in its detail whose proposal it waits for, and how many have signed', () => {
    expect(decide(factsOf(blocksOf())).gate).toMatchObject({ detail: `epoch 0, proposer ${a}` });
    expect(decide(factsOf(blocksOf({ operators: three().map((each) => ({ ...each, eligible: false })) }))).gate).toMatchObject({
      detail: 'epoch 0, proposer none',
    });
    expect(decide(factsOf(blocksOf(), { offers: [offerOf(x, [a]), offerOf(y, [])] })).gate).toMatchObject({
      detail: '1 endorsed, 2 needed',
    });
    expect(decide(factsOf(blocksOf({ epochs: [] }))).gate).toMatchObject({ detail: '3 of 3 operators are live' });
  });
});

describe('the step', () => {
  const step = (change: Partial<Facts> = {}, blocks = blocksOf()) => decide(factsOf(blocks, change)).step;

  it('fetches a secret that is missing, the oldest first', () => {
    expect(step({}, blocksOf(born))).toEqual({ kind: 'fetchSecret', epoch: 0, hash: hashOf(1) });
    expect(step({ held: new Set([e0]) }, blocksOf({ epochs: epochs('previous', 'active') }))).toEqual({
      kind: 'fetchSecret',
      epoch: 1,
      hash: hashOf(2),
    });
  });
  it('generates when it is the proposer and holds nothing', () =>
    expect(step()).toEqual({ kind: 'generate', epoch: 0, validUntilBlock: VALID_UNTIL }));
  it('generates for a rotation as for genesis', () => {
    expect(step({ held: new Set([e0]) }, blocksOf({ epochs: epochs('active', 'open') }))).toEqual({
      kind: 'generate',
      epoch: 1,
      validUntilBlock: VALID_UNTIL,
    });
  });
  it('S-C1 generates nothing when it is another’s turn', () => expect(step(asSelfNamed('b'), blocksOf())).toEqual(NONE));
  it('generates in its own later turn', () => {
    const later = blocksOf(
      {},
      { blockNumber: OPENED + profile.proposalWindowBlocks + 5 },
      { blockNumber: OPENED + profile.proposalWindowBlocks + 2 },
    );
    expect(step(asSelfNamed('b'), later)).toMatchObject({ kind: 'generate' });
    expect(step({}, later)).toEqual(NONE);
  });
  it('does nothing when the epoch is no longer open at the head', () => {
    expect(step({}, blocksOf({}, born))).toEqual(NONE);
    expect(step({}, blocksOf({}, { epochs: [] }))).toEqual(NONE);
  });
  it('does nothing when nothing is open', () => expect(step({}, blocksOf({ epochs: [] }))).toEqual(NONE));
  it('U-10 does nothing when it is not eligible, at either block', () => {
    expect(step({}, blocksOf({}, { operators: deprecated }))).toEqual(NONE);
    expect(step({}, blocksOf({}, {}, { operators: deprecated }))).toEqual(NONE);
  });

  describe('of the proposer', () => {
    it('re-offers the candidate that most have endorsed, not a new one', () => {
      const offers = [offerOf(x, [b], HEAD + 5), offerOf(y, [b, c], HEAD + 5)];
      expect(step({ candidates: [x, y], offers })).toEqual({ kind: 'endorse', epoch: 0, hash: y, validUntilBlock: VALID_UNTIL });
    });
    it('re-offers the smaller of two hashes with equal support, whatever the order', () => {
      for (const candidates of [
        [x, y],
        [y, x],
      ])
        expect(step({ candidates })).toEqual({ kind: 'endorse', epoch: 0, hash: x, validUntilBlock: VALID_UNTIL });
    });
    it('joins a standing offer of that hash while it lives long enough', () => {
      const long = HEAD + ENDORSEMENT_LIFE_BLOCKS / 2 + 1;
      expect(step({ candidates: [x], offers: [offerOf(x, [b], long)] })).toEqual({
        kind: 'endorse',
        epoch: 0,
        hash: x,
        validUntilBlock: long,
      });
      expect(step({ candidates: [x], offers: [offerOf(x, [b], long - 1)] })).toEqual({
        kind: 'endorse',
        epoch: 0,
        hash: x,
        validUntilBlock: VALID_UNTIL,
      });
    });
    it('waits when its own offer stands', () => expect(step({ candidates: [x], offers: [offerOf(x, [a])] })).toEqual(NONE));
    it('offers again when half the life of its own offer is over', () => {
      expect(step({ candidates: [x], offers: [offerOf(x, [a], HEAD + ENDORSEMENT_LIFE_BLOCKS / 2 + 1)] })).toEqual(NONE);
      expect(step({ candidates: [x], offers: [offerOf(x, [a], HEAD + ENDORSEMENT_LIFE_BLOCKS / 2)] })).toEqual({
        kind: 'endorse',
        epoch: 0,
        hash: x,
        validUntilBlock: VALID_UNTIL,
      });
    });
    it('draws anew, after a loss of memory, when nobody else has what it offered', () => {
      expect(step({ offers: [offerOf(x, [a])] })).toMatchObject({ kind: 'generate' });
    });
    it('fetches back, after a loss of memory, what its wallet has endorsed and another holds', () => {
      expect(step({ offers: [offerOf(x, [a, b])] }, blocksOf({}, { majority: 3 }))).toEqual({
        kind: 'fetchCandidate',
        epoch: 0,
        hash: x,
        holders: [b],
      });
    });
  });

  describe('of the others', () => {
    const asB = asSelfNamed('b');
    it('fetches what the proposer offers from its signers', () => {
      expect(step({ ...asB, offers: [offerOf(x, [a])] })).toEqual({ kind: 'fetchCandidate', epoch: 0, hash: x, holders: [a] });
    });
    it('S-H5 follows one candidate a turn, so that a proposer who offers many fills nobody’s vault', () => {
      const offers = [offerOf(y, [a])];
      const turn = (followedTurn: number | undefined) => step({ ...asB, offers, candidates: [x], followedTurn });
      expect([turn(undefined), turn(1)].map((each) => each.kind)).toEqual(['fetchCandidate', 'fetchCandidate']);
      expect(turn(0)).toEqual(NONE);
      expect(step({ ...asB, offers: [offerOf(y, [a, b])], candidates: [x], followedTurn: 0 }, blocksOf({}, { majority: 3 }))).toMatchObject(
        {
          kind: 'fetchCandidate',
        },
      );
    });
    it('S-C1 endorses it only once it is held', () => {
      expect(step({ ...asB, offers: [offerOf(x, [a])], candidates: [y] })).toMatchObject({ kind: 'fetchCandidate' });
      expect(step({ ...asB, offers: [offerOf(x, [a])], candidates: [x] })).toEqual({
        kind: 'endorse',
        epoch: 0,
        hash: x,
        validUntilBlock: VALID_UNTIL,
      });
    });
    it('neither fetches nor endorses what only a non-proposer offers', () =>
      expect(step({ ...asB, offers: [offerOf(x, [c])], candidates: [x] })).toEqual(NONE));
    it('takes the offer of the proposer at the head, when the turn has just moved on', () => {
      const moving = blocksOf(
        {},
        { blockNumber: OPENED + profile.proposalWindowBlocks },
        { blockNumber: OPENED + profile.proposalWindowBlocks - 3 },
      );
      const valid = OPENED + profile.proposalWindowBlocks + ENDORSEMENT_LIFE_BLOCKS;
      expect(step({ ...asSelfNamed('c'), offers: [offerOf(x, [b], valid)] }, moving)).toMatchObject({ kind: 'fetchCandidate' });
      expect(step({ ...asSelfNamed('c'), offers: [offerOf(x, [a], valid)] }, moving)).toMatchObject({ kind: 'fetchCandidate' });
    });
    it('endorses once, then waits', () => {
      expect(step({ ...asB, offers: [offerOf(x, [a, b])], candidates: [x] }, blocksOf({}, { majority: 3 }))).toEqual(NONE);
    });
    it('follows no offer with less than half a life: a short one would make all relay at once', () => {
      expect(step({ ...asB, offers: [offerOf(x, [a], HEAD + ENDORSEMENT_LIFE_BLOCKS / 2 + 1)] })).toMatchObject({ kind: 'fetchCandidate' });
      for (const lifeBlocks of [ENDORSEMENT_LIFE_BLOCKS / 2, ENDORSEMENT_MARGIN_BLOCKS + 1, ENDORSEMENT_MARGIN_BLOCKS]) {
        expect(step({ ...asB, offers: [offerOf(x, [a], HEAD + lifeBlocks)], candidates: [x] })).toEqual(NONE);
      }
    });
    it('moves on between offers that it lacks, so that one that nobody hands over does not stand before the others', () => {
      const offers = [offerOf(x, [a]), offerOf(y, [a])];
      const at = (head: number) => step({ ...asB, offers }, blocksOf({}, { blockNumber: head }));
      expect([at(HEAD), at(HEAD + 1)].map((each) => (each.kind === 'fetchCandidate' ? each.hash : each.kind)).toSorted()).toEqual([x, y]);
    });
  });

  describe('of whoever relays', () => {
    const offers = [offerOf(x, [a, b])];
    it('is the proposer’s at once', () => expect(step({ candidates: [x], offers })).toEqual({ kind: 'relay', epoch: 0, offer: offers[0] }));
    it.each([
      ['b', 1],
      ['c', 2],
    ])('is %s’s some blocks later, so that one transaction is sent and not one per node', (name, place) => {
      const at = (head: number) => step({ ...asSelfNamed(name), candidates: [x], offers }, blocksOf({}, { blockNumber: head }));
      expect(at(HEAD + place * RELAY_STEP_BLOCKS - 1)).not.toMatchObject({ kind: 'relay' });
      expect(at(HEAD + place * RELAY_STEP_BLOCKS)).toMatchObject({ kind: 'relay' });
    });
    it('does not wait for an offer that claims to have been made in the future', () => {
      expect(step({ candidates: [x], offers: [offerOf(x, [a, b], VALID_UNTIL + 10)] })).toMatchObject({ kind: 'relay' });
    });
    it('S-H5 counts eligible signers only, and relays nothing below a majority', () => {
      expect(step({ candidates: [x], offers: [offerOf(x, [a, signerNamed('stranger').wallet])] })).toEqual(NONE);
      const without = blocksOf({}, { operators: [operator(a, 1), operator(b, 2, { eligible: false }), operator(c, 3)] });
      expect(step({ candidates: [x], offers }, without)).toEqual(NONE);
    });
    it('relays nothing that is about to expire', () => {
      expect(step({ candidates: [x], offers: [offerOf(x, [a, b], HEAD + ENDORSEMENT_MARGIN_BLOCKS)] })).not.toMatchObject({
        kind: 'relay',
      });
    });
    it('relays another’s offer without holding it: anyone may', () =>
      expect(step({ offers: [offerOf(x, [b, c])] })).toMatchObject({ kind: 'relay' }));
  });

  it('S-H4 the tables above hold every kind of step', () => {
    const kinds: Record<Step['kind'], Step> = {
      none: step({}, blocksOf({ epochs: [] })),
      fetchSecret: step({}, blocksOf(born)),
      generate: step(),
      fetchCandidate: step({ ...asSelfNamed('b'), offers: [offerOf(x, [a])] }),
      endorse: step({ ...asSelfNamed('b'), offers: [offerOf(x, [a])], candidates: [x] }),
      relay: step({ offers: [offerOf(x, [a, b])] }),
    };
    for (const [kind, given] of Object.entries(kinds)) expect(given.kind).toBe(kind);
  });
});

describe('what the blocks say together', () => {
  it('names the open epoch of the confirmed block', () => {
    expect(openEpoch(blocksOf({ epochs: epochs('active', 'open') }))?.epoch).toBe(1);
    expect(openEpoch(blocksOf({ epochs: epochs('active') }, { epochs: epochs('active', 'open') }))).toBeUndefined();
  });
  it('names as usable what is active or previous at both, under one hash', () => {
    const usable = (...args: Parameters<typeof blocksOf>) => usableEpochs(blocksOf(...args)).map((epoch) => epoch.epoch);
    expect(usable({ epochs: epochs('retired', 'previous', 'lost', 'active', 'open') })).toEqual([1, 3]);
    expect(usable({ epochs: epochs('active') }, { epochs: epochs('previous', 'active') })).toEqual([0]);
    expect(usable({ epochs: epochs('previous', 'active') }, { epochs: epochs('retired', 'active') })).toEqual([1]);
    expect(usable({ epochs: epochs('open') }, { epochs: epochs('active') })).toEqual([]);
  });
  it('counts signers that are eligible at the head', () => {
    expect(eligibleSigners(offerOf(x, [a, b, signerNamed('stranger').wallet]), blocksOf({}, { operators: deprecated }))).toEqual([b]);
  });
});

function asSelfNamed(name: string): Partial<Facts> {
  const { wallet } = signerNamed(name);
  const { teePubkey } = three().find((each) => each.wallet === wallet) as { teePubkey: string };
  return { self: { wallet, teePubkey } };
}
