/**
 * What a member's document must be. Each deviation stands beside the same hello in its good form, and is shown to be taken by a weakened
 * copy that judges no documents; then it is refused, with one line in the log.
 */
import { describe, expect, it } from 'vitest';
import { createNonces } from '../../../core/auth/nonces.ts';
import {
  answerChallenge,
  encodeHello,
  encodeHelloAnswer,
  helloAnswerText,
  helloChallenge,
  helloText,
} from '../../../core/cluster/hello.ts';
import { createEphemeral } from '../../../core/cluster/keys.ts';
import { createSessions } from '../../../core/cluster/sessions.ts';
import { recoverWallet } from '../../../core/crypto/wallet.ts';
import { ATTESTATION_AGE_MAX_MS, ATTESTATION_SKEW_MAX_MS, HELLOS_BURST, SESSION_AGE_MAX_MS } from '../../../core/limits.ts';
import { concat, hex, utf8 } from '../../../core/wire/bytes.ts';
import { credulous, MEASUREMENT } from '../../attestation/attester.ts';
import { measurementOf, pcrsOf } from '../../attestation/pcrs.ts';
import { foreignRoot, simulatedRoot } from '../../attestation/roots.ts';
import {
  attestationsOf,
  createClock,
  createRandom,
  createRecordingLog,
  flipped,
  noHandlers,
  reasonOfAsync,
  signerNamed,
} from '../fakes.ts';
import { operator } from './facts.ts';
import type { Attestations } from '../../../core/cluster/attestations.ts';
import type { Hello, HelloHeaders } from '../../../core/cluster/hello.ts';
import type { PeerWire } from '../../../core/cluster/sessions.ts';
import type { Operator } from '../../../core/chain/registry.ts';
import type { Wallet } from '../../../core/identity.ts';

const [a, b, c] = ['a', 'b', 'c'].map(signerNamed) as [Named, Named, Named];
type Named = ReturnType<typeof signerNamed>;
const SECRET = utf8('what only an attested member may read');
const HOUR_MS = 3_600_000;

/** A node, and the hardware of `a`, which says hello to it as the test wants. */
function setUp(judging: (honest: Attestations) => Attestations = (honest) => honest) {
  const clock = createClock();
  const random = createRandom('attested');
  const logs = createRecordingLog();
  const records = new Map<Wallet, Operator>([a, b, c].map(({ wallet }, index) => [wallet, operator(wallet, index + 1)]));
  const nonces = createNonces({ clock, random });
  const honest = attestationsOf(b.wallet, clock, logs.log);
  let judged = 0;
  const judge: Attestations['judge'] = (...claim) => ((judged += 1), judging(honest).judge(...claim));
  const node = createSessions({
    heard: () => undefined,
    self: { wallet: b.wallet, incarnation: random.bytes(16) },
    clock,
    random,
    signer: b,
    recover: recoverWallet,
    nonces,
    attestations: { ...judging(honest), judge },
    log: logs.log,
    member: (wallet) => records.get(wallet),
    handlers: { ...noHandlers, handover: () => Promise.resolve(SECRET) },
  });
  const { attester } = attestationsOf(a.wallet, clock, () => undefined);
  return { clock, random, logs, records, nonces, node, attester, judged: () => judged };
}
type World = ReturnType<typeof setUp>;

/** What a document is made for. */
interface Made {
  readonly challenge: Uint8Array;
  readonly ephemeral: Uint8Array;
}
type Bend = (world: World, made: Made) => Promise<Uint8Array> | Uint8Array;
const honest: Bend = ({ attester }, { challenge, ephemeral }) => attester.document({ nonce: challenge, publicKey: ephemeral });

async function helloOf(world: World, bend: Bend): Promise<{ body: Uint8Array; headers: HelloHeaders }> {
  const { clock, random, nonces } = world;
  const pair = { wallet: a.wallet, recipient: b.wallet, nonce: nonces.issue() };
  const ephemeral = createEphemeral(random).publicKey;
  const attestation = await bend(world, { challenge: helloChallenge(pair), ephemeral });
  const timestamp = String(Math.floor(clock.nowMs() / 1_000));
  const hello: Hello = { ...pair, incarnation: random.bytes(16), ephemeral, timestamp, attestation };
  const body = encodeHello(hello);
  return { body, headers: { signature: a.signNow(helloText(hello, body)), wallet: a.wallet, nonce: pair.nonce, timestamp } };
}

async function say(world: World, bend: Bend): Promise<string> {
  const { body, headers } = await helloOf(world, bend);
  return await reasonOfAsync(world.node.acceptHello(body, headers));
}

/** With the module set so for one document. */
const module =
  (change: Partial<World['attester']['module']>): Bend =>
  (world, made) => {
    const before = { ...world.attester.module };
    Object.assign(world.attester.module, change);
    const document = honest(world, made);
    Object.assign(world.attester.module, before);
    return document;
  };
const member =
  (userData: string): Bend =>
  ({ attester }, { challenge, ephemeral }) =>
    attester.module.attest({ nonce: challenge, publicKey: ephemeral, userData: utf8(userData) });

const BENDS: readonly (readonly [string, string, Bend])[] = [
  ['no bytes', 'cbor_malformed', () => new Uint8Array(0)],
  ['a bit of its signature flipped', 'document_signature_invalid', async (...to) => flipFrom(await honest(...to), 8)],
  ['its last byte missing', 'cbor_malformed', async (...to) => (await honest(...to)).subarray(0, -1)],
  ['the wallet of another enclave', 'wallet_mismatch', member(`{"eth_addr":"${c.wallet}"}`)],
  ['two wallets', 'wallet_mismatch', member(`{"eth_addr":"${a.wallet}","a":{"eth_addr":"${c.wallet}"}}`)],
  ['no wallet', 'wallet_mismatch', member('{}')],
  ['another key', 'public_key_mismatch', (world, made) => honest(world, { ...made, ephemeral: createEphemeral(world.random).publicKey })],
  [
    'the key of the enclave’s box, as anybody gets one of GET /attestation',
    'public_key_mismatch',
    ({ attester }, { challenge }) => attester.document({ nonce: challenge, publicKey: 'tee' }),
  ],
  ['another challenge', 'nonce_mismatch', (world, made) => honest(world, { ...made, challenge: flipped(made.challenge) })],
  [
    'the challenge of an answer to the same hello',
    'nonce_mismatch',
    (world, made) => honest(world, { ...made, challenge: answerChallenge(made.challenge) }),
  ],
  ['other code', 'measurement_mismatch', module({ pcrs: pcrsOf(2) })],
  ['debug mode', 'debug', module({ isDebug: true })],
  ['another root', 'root_unknown', module({ root: foreignRoot() })],
  ['a time long ago', 'too_old', module({ shiftMs: -ATTESTATION_AGE_MAX_MS - 1 })],
  ['a leaf that has expired', 'expired', module({ shiftMs: -4 * HOUR_MS })],
  ['a time to come', 'from_the_future', module({ shiftMs: ATTESTATION_SKEW_MAX_MS + 1 })],
  ['a leaf of a time to come', 'not_yet_valid', module({ shiftMs: ATTESTATION_SKEW_MAX_MS + 4_000, root: simulatedRoot() })],
];

const flipFrom = (bytes: Uint8Array, fromEnd: number) => flipped(bytes, bytes.length - fromEnd);

describe('the hello of a member', () => {
  it.each(BENDS)('S-M2 S-M5 is refused with a document of %s: %s', async (_what, fault, bend) => {
    const weakened = setUp(() => credulous);
    expect(await say(weakened, bend)).toBe('none');
    const world = setUp();
    expect(await say(world, honest)).toBe('none');
    expect(world.logs.lines.map(({ event }) => event)).toEqual(['session.opened']);
    expect(await say(world, bend)).toBe('peer_not_attested');
    const [, ...since] = world.logs.lines;
    expect(since).toEqual([{ event: 'attestation.refused', fields: { peer: a.wallet, fault, detail: expect.any(String) as string } }]);
  });
  it('is taken with a document as old, or as far ahead, as may be', async () => {
    for (const shiftMs of [-ATTESTATION_AGE_MAX_MS, ATTESTATION_SKEW_MAX_MS]) expect(await say(setUp(), module({ shiftMs }))).toBe('none');
  });
  it('S-M5 is judged by what the registry says of that wallet now', async () => {
    const world = setUp();
    const other = pcrsOf(7);
    expect(await say(world, module({ pcrs: other }))).toBe('peer_not_attested');
    world.records.set(a.wallet, operator(a.wallet, 1, { measurement: measurementOf(other) }));
    expect(await say(world, module({ pcrs: other }))).toBe('none');
    expect(await say(world, honest)).toBe('peer_not_attested');
  });
  it('S-M2 R-5 buys no verification of a stranger’s, a replay’s or a hurry’s', async () => {
    const world = setUp();
    const { body, headers } = await helloOf(world, honest);
    world.records.delete(a.wallet);
    expect(await reasonOfAsync(world.node.acceptHello(body, headers))).toBe('peer_not_member');
    expect(world.judged()).toBe(0);
    world.records.set(a.wallet, operator(a.wallet, 1));
    expect(await reasonOfAsync(world.node.acceptHello(body, headers))).toBe('none');
    expect(await reasonOfAsync(world.node.acceptHello(body, headers))).toBe('nonce_replayed');
    expect(world.judged()).toBe(1);
    for (let said = 1; said < HELLOS_BURST; said += 1) expect(await say(world, module({ isDebug: true }))).toBe('peer_not_attested');
    expect(await say(world, honest)).toBe('rate_limited');
    expect(world.judged()).toBe(HELLOS_BURST);
  });
  it('is not answered when this enclave gets no document of its own', async () => {
    const down: Attestations['ours'] = () => Promise.reject(new Error('Odyn is down'));
    const world = setUp((given) => ({ ...given, ours: down }));
    await expect(say(world, honest)).rejects.toThrow('Odyn is down');
    expect(world.logs.named('session.opened')).toEqual([]);
  });
});

/** `b` says hello to what calls itself `a`, and answers with such a document. */
async function answered(world: World, bend: Bend): Promise<string> {
  const { random } = world;
  const wire: PeerWire = {
    nonce: () => Promise.resolve('a nonce'),
    async post(body, headers) {
      const ephemeral = createEphemeral(random).publicKey;
      const attestation = await bend(world, { challenge: answerChallenge(body), ephemeral });
      const ids = { incarnation: random.bytes(16), session: random.bytes(16) };
      const answer = encodeHelloAnswer({ wallet: a.wallet, recipient: b.wallet, ephemeral, attestation, ...ids });
      return { body: answer, signature: a.signNow(helloAnswerText(headers['x-kms-signature'] ?? '', a.wallet, answer)) };
    },
  };
  const call = world.node.call(a.wallet, wire, 'handover', utf8('a secret'));
  return await reasonOfAsync(call);
}

describe('the answer of a member to a hello', () => {
  // What follows a good answer is a frame, which this `a` takes for another hello.
  const TAKEN = 'frame_malformed';

  it.each(BENDS)('S-M2 S-M5 is refused with a document of %s: %s', async (_what, fault, bend) => {
    const weakened = setUp(() => credulous);
    expect(await answered(weakened, bend)).toBe(TAKEN);
    expect(await answered(setUp(), honest)).toBe(TAKEN);
    const world = setUp();
    expect(await answered(world, bend)).toBe('peer_not_attested');
    expect(world.logs.lines).toEqual([
      { event: 'attestation.refused', fields: { peer: a.wallet, fault, detail: expect.any(String) as string } },
    ]);
  });
  it('S-M2 is refused with the document of an answer to another hello', async () => {
    const world = setUp();
    let kept: Uint8Array | undefined;
    const again: Bend = async (...to) => (kept ??= await honest(...to));
    expect(await answered(world, again)).toBe(TAKEN);
    world.clock.advance(SESSION_AGE_MAX_MS + 1);
    world.attester.module.shiftMs = -SESSION_AGE_MAX_MS;
    expect(await answered(world, again)).toBe('peer_not_attested');
  });
});

describe('what is attested', () => {
  it('is a challenge that names both ends, and what the other has drawn', () => {
    const pair = { wallet: a.wallet, recipient: b.wallet, nonce: 'one' };
    const challenges = [pair, { ...pair, nonce: 'two' }, { ...pair, wallet: c.wallet }, { ...pair, recipient: c.wallet }].map(
      helloChallenge,
    );
    expect(new Set(challenges.map(hex)).size).toBe(4);
    const hello = utf8('hello');
    expect(hex(answerChallenge(hello))).not.toBe(hex(answerChallenge(concat(hello, hello))));
    expect(challenges.every((challenge) => challenge.length === 32)).toBe(true);
  });
  it('is what the session remembers, in its line of the log too', async () => {
    const world = setUp();
    await say(world, honest);
    expect(world.logs.named('session.opened')).toEqual([{ peer: a.wallet, role: 'responder', measurement: MEASUREMENT }]);
  });
});
