import { describe, expect, it } from 'vitest';
import { createEndorsements } from '../../../core/cluster/endorsements.ts';
import { createGossip } from '../../../core/cluster/gossip.ts';
import { decodeEndorsements, encodeEndorsements } from '../../../core/cluster/messages.ts';
import { recoverWallet } from '../../../core/crypto/wallet.ts';
import { Refusal } from '../../../core/errors.ts';
import { PEER_PROBE_MS } from '../../../core/limits.ts';
import { endorsementText } from '../../../core/wire/pop.ts';
import { createClock, createRecordingLog, epochOf, hashOf, profile, signerNamed } from '../fakes.ts';
import { a, b, blocksOf, c, epochs, operator, VALID_UNTIL } from './facts.ts';
import type { ChainState } from '../../../core/chain/view.ts';
import type { Peers } from '../../../core/cluster/peers.ts';

const x = hashOf(1);
const offerBy = (name: string, epoch = 0) => ({
  hash: x,
  validUntilBlock: VALID_UNTIL,
  signatures: new Map([
    [
      signerNamed(name).wallet,
      signerNamed(name).signNow(endorsementText(profile.chainId, profile.kmsRegistry, epochOf(epoch), x, VALID_UNTIL)),
    ],
  ]),
});
const payload = (name: string, epoch = 0) => encodeEndorsements({ epoch: epochOf(epoch), offers: [offerBy(name, epoch)] });

function setUp(state: ChainState = { kind: 'fresh', blocks: blocksOf() }) {
  const clock = createClock();
  const logs = createRecordingLog();
  const endorsements = createEndorsements({ recover: recoverWallet, profile });
  const gossip = createGossip({ view: { refresh: () => Promise.resolve(), state: () => state }, endorsements, clock, log: logs.log });
  const asked: string[] = [];
  const quietMs = new Map<string, number>();
  const answers = new Map<string, Uint8Array | Error>();
  const peers: Peers = {
    due: () => [b, c].map((wallet) => ({ wallet, origin: 'https://x.nova.example' })),
    heard: () => undefined,
    contact: (wallet) => ({ reachable: null, lastContactAtMs: null, quietMs: quietMs.get(wallet) ?? Infinity, failures: 0, failure: null }),
    call: async (peer, _type, _payload, read) => {
      asked.push(peer.wallet);
      const answer = answers.get(peer.wallet) ?? encodeEndorsements({ epoch: undefined, offers: [] });
      if (answer instanceof Error) throw answer;
      return read(answer);
    },
  };
  const signers = () => endorsements.offers(epochOf(0)).flatMap((offer) => [...offer.signatures.keys()]);
  return { gossip, endorsements, logs, peers, asked, quietMs, answers, signers };
}

describe('the answer to a peer’s endorsements', () => {
  it('learns them, and tells ours', async () => {
    const { gossip, endorsements, signers } = setUp();
    endorsements.add(epochOf(0), x, VALID_UNTIL, a, offerBy('a').signatures.get(a) as `0x${string}`);
    const answer = decodeEndorsements(await gossip.handler(operator(b, 2), payload('b')));
    expect(signers()).toEqual([a, b]);
    expect(answer.offers.flatMap((offer) => [...offer.signatures.keys()])).toEqual([a, b]);
  });
  it.each([
    ['another epoch', 1],
    ['no epoch', undefined],
  ] as const)('learns nothing of %s', async (_what, epoch) => {
    const { gossip, signers, endorsements } = setUp();
    await gossip.handler(
      operator(b, 2),
      encodeEndorsements({ epoch: epoch === undefined ? undefined : epochOf(epoch), offers: [offerBy('b', epoch ?? 0)] }),
    );
    expect([signers(), endorsements.offers(epochOf(1))]).toEqual([[], []]);
  });
  it('names who told what is false', async () => {
    const { gossip, logs } = setUp();
    const lie = { hash: x, validUntilBlock: VALID_UNTIL, signatures: new Map([[c, offerBy('b').signatures.get(b) as `0x${string}`]]) };
    await gossip.handler(operator(b, 2), encodeEndorsements({ epoch: epochOf(0), offers: [lie] }));
    expect(logs.named('endorsement.refused')).toMatchObject([{ peer: b, epoch: 0 }]);
  });
  it('is empty while nothing is open, or the chain is not known', async () => {
    for (const state of [
      { kind: 'fresh', blocks: blocksOf({ epochs: epochs('active') }) },
      { kind: 'unusable', reason: 'chain_stale', detail: '' },
    ] as const) {
      const { gossip, signers } = setUp(state);
      expect(decodeEndorsements(await gossip.handler(operator(b, 2), payload('b')))).toEqual({ epoch: undefined, offers: [] });
      expect(signers()).toEqual([]);
    }
  });
});

describe('a round', () => {
  it('goes to every peer while an epoch is open, and learns what they know', async () => {
    const { gossip, peers, asked, answers, quietMs, signers } = setUp();
    quietMs.set(b, 0);
    answers.set(b, payload('b'));
    answers.set(c, payload('c'));
    await gossip.exchange(peers);
    expect(asked).toEqual([b, c]);
    expect(signers().toSorted()).toEqual([b, c].toSorted());
  });
  it('S-M4 probes only the peers not heard of for a while, when nothing is open', async () => {
    const { gossip, peers, asked, quietMs } = setUp({ kind: 'fresh', blocks: blocksOf({ epochs: epochs('active') }) });
    quietMs.set(b, PEER_PROBE_MS - 1);
    quietMs.set(c, PEER_PROBE_MS);
    await gossip.exchange(peers);
    expect(asked).toEqual([c]);
  });
  it('is not ended by one bad peer', async () => {
    const { gossip, peers, answers, signers } = setUp();
    answers.set(b, new Refusal('peer_unreachable'));
    answers.set(c, payload('c'));
    await gossip.exchange(peers);
    expect(signers()).toEqual([c]);
    answers.set(b, Uint8Array.of(1));
    await gossip.exchange(peers);
    answers.set(b, new TypeError('a mistake'));
    await expect(gossip.exchange(peers)).rejects.toThrow('a mistake');
  });
  it('S-L8 asks all at once, so that one that hangs delays no other', async () => {
    const { gossip, peers, answers, signers } = setUp();
    answers.set(c, payload('c'));
    const hanging: Peers = {
      ...peers,
      call: (peer, type, body, read) => (peer.wallet === b ? new Promise(() => undefined) : peers.call(peer, type, body, read)),
    };
    void gossip.exchange(hanging);
    for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
    expect(signers()).toEqual([c]);
  });
});
