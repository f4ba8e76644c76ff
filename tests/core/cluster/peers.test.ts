import { describe, expect, it } from 'vitest';
import { createPeers } from '../../../core/cluster/peers.ts';
import { Refusal } from '../../../core/errors.ts';
import { HELLO_BYTES_MAX, PEER_BACKOFF_MAX_MS, PEER_BACKOFF_MIN_MS, PEER_MS_MAX, SYNC_BODY_BYTES_MAX } from '../../../core/limits.ts';
import { utf8 } from '../../../core/wire/bytes.ts';
import { createClock, createRandom, createRecordingLog, profile, reasonOfAsync, signerNamed } from '../fakes.ts';
import { a, b, blocksOf, c, operator } from './facts.ts';
import type { ChainState } from '../../../core/chain/view.ts';
import type { Peer } from '../../../core/cluster/peers.ts';
import type { PeerWire } from '../../../core/cluster/sessions.ts';
import type { Wallet } from '../../../core/identity.ts';
import type { OutboundAnswer, OutboundLimits, OutboundRequest } from '../../../core/ports.ts';

function setUp(state: ChainState = { kind: 'fresh', blocks: blocksOf() }) {
  const clock = createClock();
  const logs = createRecordingLog();
  const fetched: { request: OutboundRequest; limits: OutboundLimits }[] = [];
  const world = {
    state,
    fails: false,
    answer: { status: 200, headers: new Headers(), body: utf8('{}') } as OutboundAnswer,
    use: (_wire: PeerWire): Promise<Uint8Array> => Promise.resolve(utf8('fine')),
  };
  const peers = createPeers({
    self: a,
    view: { refresh: () => Promise.resolve(), state: () => world.state },
    profile,
    sessions: {
      acceptHello: () => Promise.reject(new Refusal('internal')),
      acceptFrame: () => Promise.reject(new Refusal('internal')),
      requireSession: (id) => id as Wallet,
      with: () => [],
      call: (_peer, wire) => (world.fails ? Promise.reject(new Refusal('outbound_timeout', 'it hangs')) : world.use(wire)),
    },
    fetch: (request, limits) => {
      fetched.push({ request, limits });
      return Promise.resolve(world.answer);
    },
    clock,
    random: createRandom('jitter'),
    log: logs.log,
  });
  const peer = (wallet = b): Peer => peers.due().find((each) => each.wallet === wallet) as Peer;
  const call = (to: Peer) => reasonOfAsync(peers.call(to, 'endorsement', utf8('x'), (answer) => answer));
  return { clock, logs, fetched, world, peers, peer, call };
}

const wallets = (peers: readonly Peer[]) => peers.map((each) => each.wallet);

describe('the peers', () => {
  it('are the other members, each at the origin of its registered URL', () => {
    expect(setUp().peers.due()).toEqual([
      { wallet: b, origin: 'https://node-2.nova.example' },
      { wallet: c, origin: 'https://node-3.nova.example' },
    ]);
  });
  it('S-M8 are none whose URL the policy refuses', () => {
    for (const instanceUrl of ['https://10.0.0.1', 'http://node-2.nova.example', 'https://evil-nova.example', '']) {
      expect(
        wallets(
          setUp({
            kind: 'fresh',
            blocks: blocksOf({ operators: [operator(a, 1), operator(b, 2, { instanceUrl }), operator(c, 3)] }),
          }).peers.due(),
        ),
      ).toEqual([c]);
    }
  });
  it('R-5 are none who are not live at both blocks', () => {
    const dead = [operator(a, 1), operator(b, 2, { live: false }), operator(c, 3)];
    expect(wallets(setUp({ kind: 'fresh', blocks: blocksOf({}, { operators: dead }) }).peers.due())).toEqual([c]);
    expect(wallets(setUp({ kind: 'fresh', blocks: blocksOf({}, {}, { operators: dead }) }).peers.due())).toEqual([c]);
  });
  it('are nobody while the chain is not known', () =>
    expect(setUp({ kind: 'unusable', reason: 'chain_stale', detail: '' }).peers.due()).toEqual([]));
});

describe('a peer that fails', () => {
  it('X-10 is left alone for its back-off, which doubles with jitter up to its bound, and is logged once', async () => {
    const { clock, logs, world, peers, peer, call } = setUp();
    world.fails = true;
    const to = peer();
    const waits: number[] = [];
    for (let failure = 0; failure < 12; failure += 1) {
      expect(await call(to)).toBe('outbound_timeout');
      let waitedMs = 0;
      for (; !wallets(peers.due()).includes(b); waitedMs += 100) clock.advance(100);
      waits.push(waitedMs);
    }
    waits.forEach((waitedMs, failure) => {
      const fullMs = Math.min(PEER_BACKOFF_MAX_MS, PEER_BACKOFF_MIN_MS * 2 ** failure);
      expect(waitedMs).toBeGreaterThanOrEqual(fullMs / 2 - 100);
      expect(waitedMs).toBeLessThanOrEqual(fullMs + 100);
    });
    expect(new Set(waits.slice(6)).size).toBeGreaterThan(1);
    expect(logs.named('peer.unreachable')).toEqual([{ peer: b, reason: 'outbound_timeout', detail: 'it hangs' }]);
    expect(wallets(peers.due())).toContain(c);
  });
  it('counts once for calls that were under way together', async () => {
    const { clock, world, peers, peer, call } = setUp();
    const to = peer();
    world.use = async () => {
      await clock.sleep(1_000);
      throw new Refusal('outbound_timeout', 'it hangs');
    };
    const calls = [call(to), call(to), call(to)];
    await Promise.resolve();
    clock.advance(1_000);
    expect(await Promise.all(calls)).toEqual(['outbound_timeout', 'outbound_timeout', 'outbound_timeout']);
    expect(peers.contact(b).failures).toBe(1);
  });
  it('X-10 is put off by no clock that is set: an hour back, or forward', async () => {
    const { clock, world, peers, peer, call } = setUp();
    const to = peer();
    world.fails = true;
    await call(to);
    clock.set(3_600_000);
    expect(wallets(peers.due())).not.toContain(b);
    clock.set(-7_200_000);
    clock.advance(PEER_BACKOFF_MIN_MS);
    expect(wallets(peers.due())).toContain(b);
  });
  it('is tried again soon after it was heard, at most once in the shortest back-off', async () => {
    const { clock, world, peers, peer, call } = setUp();
    const to = peer();
    world.fails = true;
    for (let failure = 0; failure < 6; failure += 1) await call(to);
    clock.advance(PEER_BACKOFF_MIN_MS - 1);
    peers.heard(b);
    expect(wallets(peers.due())).not.toContain(b);
    clock.advance(1);
    expect(wallets(peers.due())).toContain(b);
    await call(to);
    expect(wallets(peers.due())).not.toContain(b);
    expect(peers.contact(b).failures).toBe(7);
  });
  it('is known as unreachable, and as reachable again after one good answer, said once', async () => {
    const { clock, logs, world, peers, peer, call } = setUp();
    expect(peers.contact(b)).toEqual({ reachable: null, lastContactAtMs: null, quietMs: Infinity, failures: 0, failure: null });
    const to = peer();
    world.fails = true;
    await call(to);
    await call(to);
    expect(peers.contact(b)).toEqual({
      reachable: false,
      lastContactAtMs: null,
      quietMs: Infinity,
      failures: 2,
      failure: 'outbound_timeout',
    });
    world.fails = false;
    await call(to);
    await call(to);
    expect(peers.contact(b)).toEqual({ reachable: true, lastContactAtMs: clock.nowMs(), quietMs: 0, failures: 0, failure: null });
    clock.advance(700);
    clock.set(-3_600_000);
    expect(peers.contact(b).quietMs).toBe(700);
    expect(logs.named('peer.reachable')).toEqual([{ peer: b, failures: 2 }]);
  });
  it('S-C3 by an authentic and wrong answer is counted like one that cannot be reached, and its back-off grows', async () => {
    const { clock, peers, peer, logs } = setUp();
    const lie = () => {
      throw new Refusal('peer_answer_odd', 'a lie');
    };
    const to = peer();
    expect(await reasonOfAsync(peers.call(to, 'handover', utf8('x'), (answer) => answer))).toBe('none');
    for (let lied = 1; lied <= 3; lied += 1) {
      expect(await reasonOfAsync(peers.call(to, 'handover', utf8('x'), lie))).toBe('peer_answer_odd');
      expect(peers.contact(b).failures).toBe(lied);
      expect(wallets(peers.due())).toEqual([c]);
    }
    clock.advance(PEER_BACKOFF_MIN_MS * 1.5);
    expect(wallets(peers.due())).toEqual([c]);
    expect(logs.named('peer.unreachable')).toEqual([{ peer: b, reason: 'peer_answer_odd', detail: 'a lie' }]);
  });
  it('X-9 that dawdles through its hello and frame is let go when its time is over, and backed off', async () => {
    const { clock, world, peers, peer } = setUp();
    let finish = (_answer: Uint8Array) => undefined as void;
    world.use = () => new Promise((resolve) => (finish = resolve));
    const waiting = reasonOfAsync(peers.call(peer(), 'endorsement', utf8('x'), (answer) => answer));
    clock.advance(PEER_MS_MAX);
    expect(await waiting).toBe('outbound_timeout');
    finish(utf8('too late'));
    expect([peers.contact(b).failures, wallets(peers.due())]).toEqual([1, [c]]);
  });
  it('by a mistake of this program counts too, and the mistake is passed on', async () => {
    const { world, peers, peer, logs } = setUp();
    world.use = () => Promise.reject(new TypeError('a mistake'));
    await expect(peers.call(peer(), 'handover', utf8('x'), (answer) => answer)).rejects.toThrow('a mistake');
    expect(logs.named('peer.unreachable')).toMatchObject([{ reason: 'internal' }]);
  });
  it('is forgotten with its membership', async () => {
    const { world, peers, peer, call } = setUp();
    world.fails = true;
    await call(peer());
    world.state = { kind: 'fresh', blocks: blocksOf({ operators: [operator(a, 1)] }) };
    peers.due();
    expect(peers.contact(b).failures).toBe(0);
  });
});

describe('the wire to a peer', () => {
  const nonce = (text: string, status = 200) => {
    const world = setUp();
    world.world.answer = { status, headers: new Headers(), body: utf8(text) };
    world.world.use = async (wire) => utf8(await wire.nonce());
    return { ...world, verdict: () => world.call(world.peer()) };
  };
  it('asks for a nonce, bounded in time and size', async () => {
    const { verdict, fetched } = nonce('{"nonce":"abc"}');
    expect(await verdict()).toBe('none');
    expect(fetched).toEqual([
      {
        request: { url: 'https://node-2.nova.example/nonce', method: 'GET' },
        limits: { timeoutMs: PEER_MS_MAX, bodyBytesMax: HELLO_BYTES_MAX },
      },
    ]);
  });
  it.each([
    ['another status', '{"nonce":"abc"}', 500],
    ['no nonce', '{}', 200],
    ['a nonce that is no text', '{"nonce":7}', 200],
    ['a nonce that is too long', `{"nonce":"${'a'.repeat(257)}"}`, 200],
    ['no JSON', 'nonce', 200],
  ] as const)('X-9 finds %s odd', async (_what, text, status) => {
    expect(await nonce(text, status).verdict()).toBe('peer_answer_odd');
  });

  const post = (status: number, text: string, headers: Record<string, string> = { 'x-kms-session': 'ab' }) => {
    const world = setUp();
    world.world.answer = { status, headers: new Headers({ 'x-kms-peer-signature': '0xsignature' }), body: utf8(text) };
    let seen: { body: Uint8Array; signature: string | null } | undefined;
    world.world.use = async (wire) => (seen = await wire.post(utf8('body'), headers)).body;
    return { ...world, verdict: () => world.call(world.peer()), seen: () => seen };
  };
  it.each([
    ['a hello as CBOR', { 'x-kms-signature': '0x00' }, 'application/cbor'],
    ['a frame as its bytes', { 'x-kms-session': 'ab' }, 'application/octet-stream'],
  ])('posts %s to /sync, bounded, and brings body and signature back', async (_what, headers, contentType) => {
    const { verdict, seen, fetched } = post(200, 'answer', headers);
    expect(await verdict()).toBe('none');
    expect(seen()).toEqual({ body: utf8('answer'), signature: '0xsignature' });
    expect(fetched[0]).toMatchObject({
      request: {
        url: 'https://node-2.nova.example/sync',
        method: 'POST',
        headers: { 'content-type': contentType, ...headers },
      },
      limits: { timeoutMs: PEER_MS_MAX, bodyBytesMax: SYNC_BODY_BYTES_MAX },
    });
  });
  it.each([
    ['session_unknown', 403, '{"reason":"session_unknown"}'],
    ['peer_unreachable', 403, '{"reason":"peer_not_member"}'],
    ['peer_unreachable', 500, 'oops'],
    ['peer_unreachable', 302, ''],
    ['peer_unreachable', 204, ''],
  ])('takes an unauthenticated error for %s and nothing more (%i %s)', async (reason, status, text) =>
    expect(await post(status, text).verdict()).toBe(reason),
  );
  it('is not made for strangers', () => expect(wallets(setUp().peers.due())).not.toContain(signerNamed('stranger').wallet));
});
