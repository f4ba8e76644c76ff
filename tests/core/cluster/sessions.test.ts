import { beforeEach, describe, expect, it } from 'vitest';
import { createNonces } from '../../../core/auth/nonces.ts';
import { decodeFrame, sealFrame } from '../../../core/cluster/frames.ts';
import { createSessions } from '../../../core/cluster/sessions.ts';
import { recoverWallet } from '../../../core/crypto/wallet.ts';
import { Refusal } from '../../../core/errors.ts';
import {
  PEER_MS_MAX,
  FRAME_WINDOW,
  HELLOS_BURST,
  NONCE_LIFETIME_MS,
  SESSION_AGE_MAX_MS,
  SESSIONS_PER_PEER_MAX,
  SESSIONS_TOTAL_MAX,
} from '../../../core/limits.ts';
import { concat, hex, parseUtf8, utf8 } from '../../../core/wire/bytes.ts';
import { credulous, MEASUREMENT } from '../../attestation/attester.ts';
import {
  attestationsOf,
  createClock,
  createRandom,
  createRecordingLog,
  flipped,
  noHandlers,
  reasonOf,
  reasonOfAsync,
  signerNamed,
} from '../fakes.ts';
import { operator } from './facts.ts';
import type { PeerWire, Sessions } from '../../../core/cluster/sessions.ts';
import type { HelloHeaders } from '../../../core/cluster/hello.ts';
import type { Wallet } from '../../../core/identity.ts';

type Sent = { readonly body: Uint8Array; readonly headers: Readonly<Record<string, string>> };

/** Two nodes and the host between them, who sees every message and may change it. */
function setUp() {
  const clock = createClock();
  const members = new Set<Wallet>();
  const handled: string[] = [];

  function boot(name: string, incarnation = name) {
    const signer = signerNamed(name);
    members.add(signer.wallet);
    const nonces = createNonces({ clock, random: createRandom(`nonces of ${incarnation}`) });
    const echo = (type: string) => (peer: { wallet: Wallet }, payload: Uint8Array) => {
      handled.push(`${name} ${type} ${parseUtf8(payload)} from ${peer.wallet === signerNamed('a').wallet ? 'a' : 'b'}`);
      return Promise.resolve(concat(utf8('re: '), payload));
    };
    const logs = createRecordingLog();
    const attestations = attestationsOf(signer.wallet, clock, logs.log);
    const sessions = createSessions({
      heard: () => undefined,
      self: { wallet: signer.wallet, incarnation: createRandom(incarnation).bytes(16) },
      clock,
      random: createRandom(`random of ${incarnation}`),
      signer,
      recover: recoverWallet,
      nonces,
      attestations,
      log: logs.log,
      member: (wallet) => (members.has(wallet) ? operator(wallet, 1) : undefined),
      handlers: { ...noHandlers, endorsement: echo('endorsement'), handover: echo('handover') },
    });
    return { name, wallet: signer.wallet, signer, nonces, sessions, logs, attester: attestations.attester };
  }

  const a = boot('a');
  let b = boot('b');
  const sent: Sent[] = [];
  const host = {
    request: (message: Sent): Sent => message,
    answerLater: undefined as (() => Promise<never>) | undefined,
    answer: (body: Uint8Array, signature: string | null): { body: Uint8Array; signature: string | null } => ({ body, signature }),
  };

  const deliver = async (to: Sessions, { body, headers }: Sent) => {
    const signature = headers['x-kms-signature'];
    if (signature === undefined) return { body: await to.acceptFrame(body), signature: null };
    return await to.acceptHello(body, helloHeaders(headers));
  };
  const wireToB: PeerWire = {
    nonce: () => Promise.resolve(b.nonces.issue()),
    async post(body, headers) {
      const message = host.request({ body, headers });
      sent.push(message);
      await host.answerLater?.();
      const answer = await deliver(b.sessions, message);
      return host.answer(answer.body, answer.signature);
    },
  };
  const say = async (text: string, type: 'endorsement' | 'handover' = 'handover') =>
    parseUtf8(await a.sessions.call(b.wallet, wireToB, type, utf8(text)));
  const isHello = (message: Sent) => message.headers['x-kms-signature'] !== undefined;
  return {
    clock,
    members,
    handled,
    a,
    wireToB,
    sent,
    host,
    say,
    isHello,
    hellos: () => sent.filter(isHello).length,
    get b() {
      return b;
    },
    restartB: () => (b = boot('b', 'b again')),
    boot,
    deliverToB: (message: Sent) => deliver(b.sessions, message),
  };
}

function helloHeaders(headers: Readonly<Record<string, string>>): HelloHeaders {
  const at = (name: string) => headers[`x-kms-${name}`] ?? null;
  return { signature: at('signature'), wallet: at('wallet'), nonce: at('nonce'), timestamp: at('timestamp') };
}

let world: ReturnType<typeof setUp>;
beforeEach(() => {
  world = setUp();
});

describe('a call', () => {
  it('opens a session once, and goes through it', async () => {
    expect(await world.say('one')).toBe('re: one');
    expect(await world.say('two', 'endorsement')).toBe('re: two');
    expect(world.hellos()).toBe(1);
    expect(world.handled).toEqual(['b handover one from a', 'b endorsement two from a']);
    expect(world.a.logs.named('session.opened')).toEqual([{ peer: world.b.wallet, role: 'initiator', measurement: MEASUREMENT }]);
    expect(world.b.logs.named('session.opened')).toEqual([{ peer: world.a.wallet, role: 'responder', measurement: MEASUREMENT }]);
  });
  it('S-H1 shows the host no byte of what is said', async () => {
    const plain = 'a master secret of 32 bytes or so';
    await world.say(plain);
    for (const { body } of world.sent) expect(Buffer.from(body).includes(plain)).toBe(false);
  });
  it('works twice at once over one session', async () => {
    await world.say('open');
    expect(await Promise.all([world.say('one'), world.say('two'), world.say('three')])).toEqual(['re: one', 're: two', 're: three']);
    expect(world.hellos()).toBe(1);
  });
  it('works many times at once without a session, after one hello', async () => {
    const words = ['one', 'two', 'three', 'four', 'five'];
    expect(await Promise.all(words.map((word) => world.say(word)))).toEqual(words.map((word) => `re: ${word}`));
    expect(await world.say('six')).toBe('re: six');
    expect(world.hellos()).toBe(1);
  });
  it('says hello for itself when the hello that it would share does not end', async () => {
    world.host.answerLater = () => new Promise(() => undefined);
    void world.say('lost');
    while (world.hellos() === 0) await Promise.resolve();
    world.host.answerLater = undefined;
    world.clock.advance(PEER_MS_MAX);
    expect(await world.say('two')).toBe('re: two');
    expect(world.hellos()).toBe(2);
  });
  it('opens a new session when the old one is worn by age', async () => {
    await world.say('one');
    world.clock.advance(SESSION_AGE_MAX_MS);
    await world.say('two');
    expect(world.hellos()).toBe(1);
    world.clock.advance(1);
    expect(await world.say('three')).toBe('re: three');
    expect(world.hellos()).toBe(2);
  });
  it('X-9 lives by the time that passed, wherever the clock is set', async () => {
    await world.say('one');
    world.clock.set(-SESSION_AGE_MAX_MS);
    world.clock.advance(SESSION_AGE_MAX_MS);
    await world.say('two');
    expect(world.hellos()).toBe(1);
    world.clock.advance(1);
    await world.say('three');
    expect(world.hellos()).toBe(2);
    world.clock.set(SESSION_AGE_MAX_MS);
    await world.say('four');
    expect(world.hellos()).toBe(2);
  });
  it('opens a new session when the peer restarted and forgot the old one', async () => {
    await world.say('one');
    world.restartB();
    expect(await world.say('two')).toBe('re: two');
    expect(world.hellos()).toBe(2);
  });
  it('is not made to who is no member', async () => {
    await world.say('one');
    world.members.delete(world.b.wallet);
    expect(await reasonOfAsync(world.say('two'))).toBe('peer_not_member');
    expect(world.handled).toHaveLength(1);
  });
});

describe('the host between', () => {
  it('X-9 cannot replay a hello', async () => {
    await world.say('one');
    const hello = world.sent.find(world.isHello) as Sent;
    expect(await reasonOfAsync(world.deliverToB(hello))).toBe('nonce_replayed');
  });
  it('X-9 cannot replay a hello after its nonce was forgotten', async () => {
    await world.say('one');
    world.clock.advance(NONCE_LIFETIME_MS + 1);
    expect(await reasonOfAsync(world.deliverToB(world.sent.find(world.isHello) as Sent))).toBe('nonce_expired');
  });
  it('X-9 cannot replay a hello to the peer’s next boot', async () => {
    await world.say('one');
    world.restartB();
    expect(await reasonOfAsync(world.deliverToB(world.sent.find(world.isHello) as Sent))).toBe('nonce_unknown');
  });
  it('X-9 cannot replay a frame', async () => {
    await world.say('one');
    const frame = world.sent.find((message) => !world.isHello(message)) as Sent;
    expect(await reasonOfAsync(world.deliverToB(frame))).toBe('frame_replayed');
    expect(world.handled).toHaveLength(1);
  });
  it('X-9 cannot replay a frame into a later session', async () => {
    await world.say('one');
    const frame = world.sent.find((message) => !world.isHello(message)) as Sent;
    world.clock.advance(SESSION_AGE_MAX_MS + 1);
    expect(await reasonOfAsync(world.deliverToB(frame))).toBe('session_unknown');
  });
  it('X-9 cannot change a frame, and a changed one takes no counter from the true one', async () => {
    await world.say('one');
    const frame = world.sent.at(-1) as Sent;
    const next = { ...frame, body: Uint8Array.from(frame.body) };
    let held: Sent | undefined;
    world.host.request = (message) => {
      held = message;
      throw new Refusal('outbound_failed');
    };
    expect(await reasonOfAsync(world.say('two'))).toBe('outbound_failed');
    const changed = { ...(held as Sent), body: spoilt((held as Sent).body) };
    expect(await reasonOfAsync(world.deliverToB(changed))).toBe('frame_unauthentic');
    expect(await reasonOfAsync(world.deliverToB(held as Sent))).toBe('none');
    expect(await reasonOfAsync(world.deliverToB(next))).toBe('frame_replayed');
  });
  it('X-9 cannot answer with a changed frame, an answer to another frame, or the request itself', async () => {
    await world.say('one');
    const odd: ((body: Uint8Array) => Uint8Array)[] = [spoilt, () => (world.sent.at(-1) as Sent).body];
    let earlier: Uint8Array | undefined;
    world.host.answer = (body, signature) => ((earlier = body), { body, signature });
    await world.say('two');
    odd.push(() => earlier as Uint8Array);
    for (const change of odd) {
      world.host.answer = (body, signature) => ({ body: signature === null ? change(body) : body, signature });
      expect(['frame_unauthentic', 'peer_answer_odd']).toContain(await reasonOfAsync(world.say('three')));
      world.host.answer = (body, signature) => ({ body, signature });
      expect(await world.say('four')).toBe('re: four');
    }
  });
  it('cannot answer a hello for the peer', async () => {
    world.host.answer = (body) => ({ body, signature: world.a.signer.signNow('text') });
    expect(await reasonOfAsync(world.say('one'))).toBe('peer_answer_odd');
    expect(world.handled).toEqual([]);
  });
  it('makes a caller open one new session at most by claiming that the old one is unknown', async () => {
    await world.say('one');
    world.host.request = (message) => {
      if (world.isHello(message)) return message;
      throw new Refusal('session_unknown');
    };
    expect(await reasonOfAsync(world.say('two'))).toBe('session_unknown');
    expect(world.hellos()).toBe(2);
  });
});

describe('a responder', () => {
  it('R-5 opens no session for who is no member', async () => {
    world.members.delete(world.a.wallet);
    const asMember = world.a;
    expect(await reasonOfAsync(asMember.sessions.call(world.b.wallet, world.wireToB, 'handover', utf8('one')))).toBe('peer_not_member');
    expect(world.handled).toEqual([]);
  });
  it('R-5 answers no frame once its member is none any more, in the middle of a session', async () => {
    await world.say('one');
    world.members.delete(world.a.wallet);
    expect(await reasonOfAsync(world.say('two'))).toBe('peer_not_member');
    expect(world.handled).toHaveLength(1);
    world.members.add(world.a.wallet);
    expect(await world.say('three')).toBe('re: three');
  });
  it('takes frames that overtake each other within the window, each once', async () => {
    await world.say('open');
    const { frames, deliver } = await heldFrames(world, 3);
    for (const index of [2, 0, 1]) expect(await deliver(frames[index] as Sent)).toBe('none');
    for (const frame of frames) expect(await deliver(frame)).toBe('frame_replayed');
  });
  it('takes the oldest frame of the window, and none before it', async () => {
    await world.say('open');
    const { frames, deliver } = await heldFrames(world, FRAME_WINDOW + 1);
    expect(await deliver(frames[FRAME_WINDOW] as Sent)).toBe('none');
    expect(await deliver(frames[0] as Sent)).toBe('frame_replayed');
    expect(await deliver(frames[1] as Sent)).toBe('none');
    expect(await deliver(frames[1] as Sent)).toBe('frame_replayed');
  });
  it('ends the sessions of a boot when its peer’s next one says hello', async () => {
    await world.say('one');
    const before = await heldFrames(world, 1);
    const again = world.boot('a', 'a again');
    await again.sessions.call(world.b.wallet, world.wireToB, 'handover', utf8('new boot'));
    expect(await before.deliver(before.frames[0] as Sent)).toBe('session_unknown');
  });
  it('keeps the newest sessions of one boot, and no more', async () => {
    const held: Sent[] = [];
    for (let session = 0; session <= SESSIONS_PER_PEER_MAX; session += 1) {
      await world.say(`session ${session}`);
      const { frames } = await heldFrames(world, 1);
      held.push(frames[0] as Sent);
      world.host.request = (message) => message;
    }
    const verdicts: string[] = [];
    for (const frame of held) verdicts.push(await reasonOfAsync(world.deliverToB(frame)));
    expect(verdicts).toEqual(['session_unknown', ...Array<string>(SESSIONS_PER_PEER_MAX).fill('none')]);
  });
  it('bounds the hellos of one member, before it signs anything', async () => {
    const verdicts: string[] = [];
    for (let tried = 0; tried <= HELLOS_BURST; tried += 1) {
      const again = world.boot('a', `boot ${tried}`);
      verdicts.push(await reasonOfAsync(again.sessions.call(world.b.wallet, world.wireToB, 'handover', utf8('x'))));
    }
    expect(verdicts).toEqual([...Array<string>(HELLOS_BURST).fill('none'), 'rate_limited']);
    world.clock.advance(1_000);
    expect(await world.say('later')).toBe('re: later');
  });
  it('X-9 lets a replayed hello cost its victim nothing of its rate', async () => {
    await world.say('once');
    const hello = world.sent.find(world.isHello) as Sent;
    for (let replayed = 0; replayed < 2 * HELLOS_BURST; replayed += 1)
      expect(await reasonOfAsync(world.deliverToB(hello))).toBe('nonce_replayed');
    const again = world.boot('a', 'after the replays');
    expect(await reasonOfAsync(again.sessions.call(world.b.wallet, world.wireToB, 'handover', utf8('x')))).toBe('none');
  });
  it('X-9 asks for membership before it recovers any signature', async () => {
    const stranger = world.boot('stranger');
    world.members.delete(stranger.wallet);
    let recovered = 0;
    const nonces = createNonces({ clock: world.clock, random: createRandom('counting') });
    const counting = createSessions({
      heard: () => undefined,
      self: { wallet: world.b.wallet, incarnation: new Uint8Array(16) },
      clock: world.clock,
      random: createRandom('counting'),
      signer: world.b.signer,
      recover: (text, signature) => ((recovered += 1), recoverWallet(text, signature)),
      nonces,
      attestations: attestationsOf(world.b.wallet, world.clock, () => undefined),
      log: () => undefined,
      member: (wallet) => (world.members.has(wallet) ? operator(wallet, 1) : undefined),
      handlers: { ...noHandlers, endorsement: async (_peer, payload) => payload, handover: async (_peer, payload) => payload },
    });
    const wire: PeerWire = {
      nonce: async () => nonces.issue(),
      post: async (body, headers) =>
        'x-kms-signature' in headers
          ? counting.acceptHello(body, helloHeaders(headers))
          : { body: await counting.acceptFrame(body), signature: null },
    };
    const asStranger = stranger.sessions;
    world.members.add(world.b.wallet);
    expect(await reasonOfAsync(asStranger.call(world.b.wallet, wire, 'handover', utf8('x')))).toBe('peer_not_member');
    expect(recovered).toBe(0);
    expect(await reasonOfAsync(world.a.sessions.call(world.b.wallet, wire, 'handover', utf8('x')))).toBe('none');
    expect(recovered).toBe(1);
  });
  it('keeps a bounded number of sessions, the oldest ended first', async () => {
    const clock = createClock();
    // Signatures that only name their wallet: this test opens hundreds of sessions, and looks at their number alone.
    const recover = (_text: string, signature: Uint8Array) => `0x${hex(signature.subarray(0, 20))}` as Wallet;
    const handlers = { ...noHandlers, handover: () => Promise.resolve(utf8('fine')) };
    const node = (index: number) => {
      const wallet = `0x${index.toString(16).padStart(40, '0')}` as Wallet;
      const random = createRandom(`node ${index}`);
      const signature = `0x${wallet.slice(2)}${'00'.repeat(45)}` as const;
      const sign = () => Promise.resolve(signature);
      const signer = { address: () => Promise.resolve(wallet), sign, signTransaction: sign };
      const nonces = createNonces({ clock, random });
      const self = { wallet, incarnation: random.bytes(16) };
      const member = (each: Wallet) => operator(each, 1);
      return {
        wallet,
        nonces,
        sessions: createSessions({
          heard: () => undefined,
          self,
          clock,
          random,
          signer,
          recover,
          nonces,
          attestations: credulous,
          log: () => undefined,
          member,
          handlers,
        }),
      };
    };
    const responder = node(1);
    const wire: PeerWire = {
      nonce: () => Promise.resolve(responder.nonces.issue()),
      async post(body, headers) {
        if (headers['x-kms-signature'] === undefined) return { body: await responder.sessions.acceptFrame(body), signature: null };
        return await responder.sessions.acceptHello(body, helloHeaders(headers));
      },
    };
    let hellos = 0;
    const counted: PeerWire = { nonce: () => ((hellos += 1), wire.nonce()), post: wire.post };
    const initiators = Array.from({ length: SESSIONS_TOTAL_MAX + 1 }, (_, index) => node(index + 2));
    const say = (from: ReturnType<typeof node> | undefined) => from?.sessions.call(responder.wallet, counted, 'handover', utf8('x'));
    for (const from of initiators) await say(from);
    expect(hellos).toBe(SESSIONS_TOTAL_MAX + 1);
    await say(initiators.at(-1));
    await say(initiators[1]);
    expect(hellos).toBe(SESSIONS_TOTAL_MAX + 1);
    await say(initiators[0]);
    expect(hellos).toBe(SESSIONS_TOTAL_MAX + 2);
  });
  it('knows no session that it did not open', async () => {
    const random = createRandom('stranger');
    const made = {
      id: random.bytes(16),
      initiatorIncarnation: random.bytes(16),
      responderIncarnation: random.bytes(16),
      keys: { toResponder: random.bytes(32), toInitiator: random.bytes(32) },
    };
    expect(await reasonOfAsync(world.b.sessions.acceptFrame(sealFrame(made, 'toResponder', 'handover', 1, utf8('x'))))).toBe(
      'session_unknown',
    );
    expect(await reasonOfAsync(world.b.sessions.acceptFrame(utf8('x')))).toBe('frame_malformed');
  });
  it('X-9 asks before it reads a frame whether its session is good: known, not worn, and of who is a member still', async () => {
    const required = () => reasonOf(() => world.b.sessions.requireSession((world.sent.at(-1) as Sent).headers['x-kms-session'] ?? ''));
    await world.say('one');
    expect(required()).toBe('none');
    expect(world.b.sessions.requireSession((world.sent.at(-1) as Sent).headers['x-kms-session'] ?? '')).toBe(world.a.wallet);
    world.members.delete(world.a.wallet);
    expect(required()).toBe('peer_not_member');
    world.members.add(world.a.wallet);
    expect(required()).toBe('none');
    world.clock.advance(SESSION_AGE_MAX_MS);
    expect(required()).toBe('none');
    world.clock.advance(1);
    expect(required()).toBe('session_unknown');
    // Forgotten, not only refused.
    world.clock.advance(-1);
    expect(required()).toBe('session_unknown');
  });
  it('forgets the keys of what is worn, its own sessions and those of others, when the next one is opened', async () => {
    const c = world.boot('c');
    await world.say('one');
    const old = (world.sent.at(-1) as Sent).headers['x-kms-session'] ?? '';
    world.clock.advance(SESSION_AGE_MAX_MS + 1);
    const wireToC: PeerWire = {
      nonce: () => Promise.resolve(c.nonces.issue()),
      post: async (body, headers) =>
        headers['x-kms-signature'] === undefined
          ? { body: await c.sessions.acceptFrame(body), signature: null }
          : c.sessions.acceptHello(body, helloHeaders(headers)),
    };
    await world.a.sessions.call(c.wallet, wireToC, 'handover', utf8('x'));
    await c.sessions.call(world.b.wallet, world.wireToB, 'handover', utf8('x'));
    // Were they still there, they would be young again.
    world.clock.advance(-SESSION_AGE_MAX_MS);
    expect(world.a.sessions.with(world.b.wallet)).toEqual([]);
    expect(world.b.sessions.with(world.a.wallet)).toEqual([]);
    expect(reasonOf(() => world.b.sessions.requireSession(old))).toBe('session_unknown');
    expect(world.b.sessions.with(c.wallet)).toHaveLength(1);
  });
  it('S-L9 shares nothing with another node: a session of one is unknown to the other', async () => {
    await world.say('one');
    const stranger = world.boot('c');
    const frame = world.sent.at(-1) as Sent;
    expect(decodeFrame(frame.body).counter).toBe(1);
    expect(await reasonOfAsync(stranger.sessions.acceptFrame(frame.body))).toBe('session_unknown');
  });
  it('refuses a hello without a nonce of its own', async () => {
    await world.say('one');
    const { body, headers } = world.sent.find(world.isHello) as Sent;
    expect(await reasonOfAsync(world.b.sessions.acceptHello(body, { ...helloHeaders(headers), nonce: null }))).toBe('nonce_malformed');
  });
});

/** A frame with one bit of its sealed part turned over. */
function spoilt(body: Uint8Array): Uint8Array {
  return flipped(body, Buffer.from(body).indexOf(decodeFrame(body).sealed));
}

/** The next frames of the standing session of `a`, kept from `b`; the session stays what it is for the responder. */
async function heldFrames({ a, b, wireToB, deliverToB }: ReturnType<typeof setUp>, count: number) {
  const frames: Sent[] = [];
  const never = new Promise<never>(() => undefined);
  const holding: PeerWire = {
    nonce: () => wireToB.nonce(),
    post(body, headers) {
      frames.push({ body, headers });
      return frames.length === count ? Promise.reject(new Refusal('outbound_failed')) : never;
    },
  };
  for (let sent = 0; sent < count - 1; sent += 1) void a.sessions.call(b.wallet, holding, 'handover', utf8(`held ${sent}`));
  await reasonOfAsync(a.sessions.call(b.wallet, holding, 'handover', utf8('held last')));
  return { frames, deliver: (frame: Sent) => reasonOfAsync(deliverToB(frame)) };
}
