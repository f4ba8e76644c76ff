/**
 * The host between two nodes, with the whole attack written out: it swaps both ephemeral keys, opens every frame and seals it
 * again. Against nodes that do not check who signed a hello it reads the secret; against ours it gets nothing.
 */
import { describe, expect, it } from 'vitest';
import { createNonces } from '../../core/auth/nonces.ts';
import { recoverWallet } from '../../core/crypto/wallet.ts';
import { createSessions } from '../../core/cluster/sessions.ts';
import { decodeFrame, openFrame, sealFrame } from '../../core/cluster/frames.ts';
import { createEphemeral, deriveSessionKeys } from '../../core/cluster/keys.ts';
import { decodeCborMap, encodeCbor } from '../../core/wire/cbor.ts';
import { utf8 } from '../../core/wire/bytes.ts';
import { credulous, MEASUREMENT } from '../attestation/attester.ts';
import { attestationsOf, createClock, createRandom, noHandlers, reasonOfAsync, signerNamed } from '../core/fakes.ts';
import type { Operator } from '../../core/chain/registry.ts';
import type { SessionSecrets } from '../../core/cluster/frames.ts';
import type { PeerWire } from '../../core/cluster/sessions.ts';
import type { Recover } from '../../core/ports.ts';

const SECRET = utf8('the master secret of the cluster');
const HELLO = ['v', 'kind', 'wallet', 'recipient', 'incarnation', 'ephemeral', 'nonce', 'timestamp', 'session', 'attestation'];

/** One end; `recover` and `isCredulous` are what a weakened copy has. */
function nodeNamed(name: string, recover: Recover, isCredulous = true) {
  const clock = createClock();
  const random = createRandom(name);
  const nonces = createNonces({ clock, random });
  const signer = signerNamed(name);
  const handler = async () => SECRET;
  const sessions = createSessions({
    heard: () => undefined,
    self: { wallet: signer.wallet, incarnation: random.bytes(16) },
    clock,
    random,
    signer,
    recover,
    nonces,
    attestations: isCredulous ? credulous : attestationsOf(signer.wallet, clock, () => undefined),
    log: () => undefined,
    member: (wallet) => ({ wallet, measurement: MEASUREMENT }) as Operator,
    handlers: { ...noHandlers, handover: handler, endorsement: handler },
  });
  return { wallet: signer.wallet, nonces, sessions };
}

/** The attacker. It sits on the wire to `victim` and keeps what it could read. */
function swappingHost(victim: ReturnType<typeof nodeNamed>) {
  const random = createRandom('host');
  const read: Uint8Array[] = [];
  let near: SessionSecrets | undefined;
  let far: SessionSecrets | undefined;

  async function hello(body: Uint8Array, headers: Readonly<Record<string, string>>) {
    const [toNear, toFar] = [createEphemeral(random), createEphemeral(random)];
    const asked = decodeCborMap(body, HELLO);
    const swapped = encodeCbor({ ...Object.fromEntries(asked), ephemeral: toFar.publicKey });
    const {
      'x-kms-signature': signature = '',
      'x-kms-wallet': wallet = '',
      'x-kms-nonce': nonce = '',
      'x-kms-timestamp': timestamp = '',
    } = headers;
    const answer = await victim.sessions.acceptHello(swapped, { signature, wallet, nonce, timestamp });
    const told = decodeCborMap(answer.body, HELLO);
    const back = encodeCbor({ ...Object.fromEntries(told), ephemeral: toNear.publicKey });
    const bytes = (map: ReadonlyMap<string, unknown>, name: string) => map.get(name) as Uint8Array;
    const pair = {
      id: bytes(told, 'session'),
      initiatorIncarnation: bytes(asked, 'incarnation'),
      responderIncarnation: bytes(told, 'incarnation'),
    };
    near = { ...pair, keys: deriveSessionKeys(toNear.agree(bytes(asked, 'ephemeral')), body, back) };
    far = { ...pair, keys: deriveSessionKeys(toFar.agree(bytes(told, 'ephemeral')), swapped, answer.body) };
    return { body: back, signature: answer.signature };
  }

  async function frame(body: Uint8Array) {
    if (!near || !far) throw new Error('no session to read');
    const asked = decodeFrame(body);
    const forwarded = sealFrame(far, 'toResponder', asked.type, asked.counter, openFrame(near, 'toResponder', asked));
    const answer = openFrame(far, 'toInitiator', decodeFrame(await victim.sessions.acceptFrame(forwarded)));
    read.push(answer);
    return { body: sealFrame(near, 'toInitiator', asked.type, asked.counter, answer), signature: null };
  }

  const wire: PeerWire = {
    nonce: async () => victim.nonces.issue(),
    post: (body, headers) => ('x-kms-signature' in headers ? hello(body, headers) : frame(body)),
  };
  return { wire, read };
}

describe('X-9 a host that swaps both ephemeral keys', () => {
  const [a, b] = [signerNamed('a').wallet, signerNamed('b').wallet];

  it('reads the secret between two weakened nodes, which believe whoever a hello names', async () => {
    const [joiner, holder] = [nodeNamed('a', () => b), nodeNamed('b', () => a)];
    const host = swappingHost(holder);
    expect(await joiner.sessions.call(b, host.wire, 'handover', utf8('wanted'))).toEqual(SECRET);
    expect(host.read).toEqual([SECRET]);
  });

  it.each([
    ['both ends check', recoverWallet, recoverWallet, 'peer_proof_refused'],
    ['only the holder checks', () => b, recoverWallet, 'peer_proof_refused'],
    ['only the joiner checks', recoverWallet, () => a, 'peer_answer_odd'],
  ] as const)('gets nothing when %s', async (_what, joinerRecover, holderRecover, reason) => {
    const [joiner, holder] = [nodeNamed('a', joinerRecover), nodeNamed('b', holderRecover)];
    const host = swappingHost(holder);
    expect(await reasonOfAsync(joiner.sessions.call(b, host.wire, 'handover', utf8('wanted')))).toBe(reason);
    expect(host.read).toEqual([]);
  });

  it.each([
    ['both ends do', false, false],
    ['only the holder does', true, false],
    ['only the joiner does', false, true],
  ])('S-M2 gets nothing of nodes that believe whoever a hello names, and ask for its document, when %s', async (_what, joins, holds) => {
    const [joiner, holder] = [nodeNamed('a', () => b, joins), nodeNamed('b', () => a, holds)];
    const host = swappingHost(holder);
    const asked = joiner.sessions.call(b, host.wire, 'handover', utf8('wanted'));
    expect(await reasonOfAsync(asked)).toBe('peer_not_attested');
    expect(host.read).toEqual([]);
  });
});
