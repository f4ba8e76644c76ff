import { describe, expect, it } from 'vitest';
import { createHandover, fetchSecret } from '../../../core/cluster/handover.ts';
import { decodeGiven, encodeGiven, encodeWanted } from '../../../core/cluster/messages.ts';
import { secretHash } from '../../../core/crypto/kdf.ts';
import { createVault } from '../../../core/crypto/vault.ts';
import { Refusal } from '../../../core/errors.ts';
import { HANDOVERS_BURST, HANDOVERS_PER_SECOND } from '../../../core/limits.ts';
import { createClock, createRecordingLog, epochOf, reasonOfAsync, signerNamed } from '../fakes.ts';
import { a, b, blocksOf, c, operator, three } from './facts.ts';
import type { ChainState } from '../../../core/chain/view.ts';
import type { Peer, Peers } from '../../../core/cluster/peers.ts';
import type { Wallet } from '../../../core/identity.ts';

const [e0, e1] = [epochOf(0), epochOf(1)];
const [secret, candidate] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];
const [hash, candidateHash] = [secretHash(secret), secretHash(candidate)];

describe('the responder', () => {
  function setUp(state: ChainState = { kind: 'fresh', blocks: blocksOf() }) {
    const clock = createClock();
    const logs = createRecordingLog();
    const vault = createVault();
    vault.install(e0, hash, secret);
    vault.keepCandidate(e1, candidate, new Set());
    let refreshed = 0;
    const world = { state };
    const view = {
      refresh: () => {
        refreshed += 1;
        return Promise.resolve();
      },
      state: () => world.state,
    };
    const handler = createHandover({ view, vault, clock, log: logs.log });
    const ask = async (wallet: Wallet = b, wanted = [{ epoch: e0, hash }]) =>
      decodeGiven(await handler(operator(wallet, 2), encodeWanted(wanted)));
    return { clock, logs, world, ask, handler, refreshed: () => refreshed };
  }

  it('hands an eligible member what it names by hash, reads the chain first, and leaves a record', async () => {
    const { ask, logs, refreshed } = setUp();
    expect(await ask()).toEqual([{ epoch: e0, hash, secret }]);
    expect(refreshed()).toBe(1);
    expect(logs.named('handover.given')).toEqual([{ epoch: e0, hash, peer: b, measurement: operator(b, 2).measurement }]);
  });
  it('hands over candidates by hash too, and only what it holds', async () => {
    const { ask } = setUp();
    expect(
      await ask(b, [
        { epoch: e1, hash: candidateHash },
        { epoch: e0, hash },
      ]),
    ).toHaveLength(2);
    expect(
      await ask(b, [
        { epoch: e0, hash: candidateHash },
        { epoch: e1, hash },
        { epoch: epochOf(9), hash },
      ]),
    ).toEqual([]);
  });
  it('X-15 S-M2 writes no byte of a secret to its log', async () => {
    const { ask, logs } = setUp();
    await ask();
    expect(JSON.stringify(logs.lines)).not.toContain('01'.repeat(16));
  });
  const not = (change: object) => three().map((each) => (each.wallet === b ? { ...each, ...change } : each));
  it.each<[string, ChainState, string]>([
    ['is no operator', { kind: 'fresh', blocks: blocksOf({ operators: [operator(a, 1), operator(c, 3)] }) }, 'handover_not_eligible'],
    [
      'was removed a block ago',
      { kind: 'fresh', blocks: blocksOf({}, { operators: [operator(a, 1), operator(c, 3)] }) },
      'handover_not_eligible',
    ],
    [
      'is not confirmed yet',
      { kind: 'fresh', blocks: blocksOf({}, {}, { operators: [operator(a, 1), operator(c, 3)] }) },
      'handover_not_eligible',
    ],
    [
      'runs a version that is only deprecated',
      { kind: 'fresh', blocks: blocksOf({ operators: not({ eligible: false }) }) },
      'handover_not_eligible',
    ],
    [
      'lost its approval at the head',
      { kind: 'fresh', blocks: blocksOf({}, { operators: not({ eligible: false }) }) },
      'handover_not_eligible',
    ],
    ['is judged by a chain that is stale', { kind: 'unusable', reason: 'chain_stale', detail: '' }, 'chain_unavailable'],
  ])('S-M2 U-10 refuses a peer that %s, and leaves a record', async (_what, state, reason) => {
    const { ask, logs } = setUp(state);
    expect(await reasonOfAsync(ask())).toBe(reason);
    expect(logs.named('handover.refused')).toEqual([{ peer: b, reason }]);
    expect(logs.named('handover.given')).toEqual([]);
  });
  it('S-M2 hands one wallet a burst and then its rate, while others are served', async () => {
    const { ask, clock, logs } = setUp();
    for (let asked = 0; asked < HANDOVERS_BURST; asked += 1) expect(await reasonOfAsync(ask())).toBe('none');
    expect(await reasonOfAsync(ask())).toBe('handover_rate_limited');
    expect(logs.named('handover.refused')).toEqual([{ peer: b, reason: 'handover_rate_limited' }]);
    expect(await reasonOfAsync(ask(c))).toBe('none');
    clock.advance(1_000 / HANDOVERS_PER_SECOND);
    expect(await reasonOfAsync(ask())).toBe('none');
    expect(await reasonOfAsync(ask())).toBe('handover_rate_limited');
  });
  it('refuses a request that does not decode', async () => {
    const { handler } = setUp();
    expect(await reasonOfAsync(handler(operator(b, 2), Uint8Array.of(1)))).toBe('frame_malformed');
  });
});

describe('the requester', () => {
  const waiting = new AbortController().signal;
  const peerOf = (wallet: Wallet): Peer => ({ wallet, origin: `https://${wallet}.nova.example` });
  function fetching(answers: Partial<Record<Wallet, Uint8Array | Error>>) {
    const asked: Wallet[] = [];
    const blamed: Wallet[] = [];
    const peers: Peers = {
      due: () => [],
      heard: () => undefined,
      contact: () => ({ reachable: null, lastContactAtMs: null, quietMs: Infinity, failures: 0, failure: null }),
      call: async (peer, _type, _payload, read) => {
        asked.push(peer.wallet);
        const answer = answers[peer.wallet];
        if (!(answer instanceof Uint8Array)) throw answer ?? new Refusal('peer_unreachable');
        try {
          return read(answer);
        } catch (error) {
          blamed.push(peer.wallet);
          throw error;
        }
      },
    };
    return { asked, blamed, fetched: fetchSecret(e0, hash, [peerOf(b), peerOf(c)], peers, waiting) };
  }
  const good = encodeGiven([{ epoch: e0, hash, secret }]);

  it('takes the first answer whose bytes have the hash that it asked for', async () => {
    const { asked, blamed, fetched } = fetching({ [b]: good, [c]: good });
    expect(await fetched).toEqual({ secret, peer: b });
    expect([asked, blamed]).toEqual([[b], []]);
  });
  it.each<[string, Uint8Array]>([
    ['bytes of another hash', encodeGiven([{ epoch: e0, hash, secret: candidate }])],
    ['a secret of another epoch', encodeGiven([{ epoch: e1, hash, secret }])],
    ['a secret that nobody asked for', encodeGiven([{ epoch: e0, hash: candidateHash, secret: candidate }])],
  ])('S-C3 refuses %s, blames the peer, and asks the next', async (_what, odd) => {
    const { asked, blamed, fetched } = fetching({ [b]: odd, [c]: good });
    expect(await fetched).toEqual({ secret, peer: c });
    expect([asked, blamed]).toEqual([[b, c], [b]]);
  });
  it('S-C3 takes nothing when all lie', async () => {
    const lie = encodeGiven([{ epoch: e0, hash, secret: candidate }]);
    const { blamed, fetched } = fetching({ [b]: lie, [c]: lie });
    expect(await fetched).toBeUndefined();
    expect(blamed).toEqual([b, c]);
  });
  it('blames nobody for having nothing', async () => {
    const { blamed, fetched } = fetching({ [b]: encodeGiven([]), [c]: good });
    expect(await fetched).toMatchObject({ peer: c });
    expect(blamed).toEqual([]);
  });
  it('asks the next when one cannot be reached, or answers what does not decode', async () => {
    expect(await fetching({ [c]: good }).fetched).toMatchObject({ peer: c });
    expect(await fetching({ [b]: Uint8Array.of(1), [c]: good }).fetched).toMatchObject({ peer: c });
  });
  it('hides no mistake of this program', async () => {
    await expect(fetching({ [b]: new TypeError('a mistake') }).fetched).rejects.toThrow('a mistake');
  });
  it('asks nobody when nobody is there', async () => {
    const peers = { call: () => Promise.reject(new Error(signerNamed('x').wallet)) } as unknown as Peers;
    expect(await fetchSecret(e0, hash, [], peers, waiting)).toBeUndefined();
  });
});
