import { describe, expect, it } from 'vitest';
import { encodeHello, encodeHelloAnswer, helloAnswerText, helloText, verifyHello, verifyHelloAnswer } from '../../../core/cluster/hello.ts';
import { createEphemeral } from '../../../core/cluster/keys.ts';
import { recoverWallet } from '../../../core/crypto/wallet.ts';
import { ATTESTATION_BYTES_MAX, PROOF_AGE_MAX_MS } from '../../../core/limits.ts';
import { hex, parseHex } from '../../../core/wire/bytes.ts';
import { encodeCbor } from '../../../core/wire/cbor.ts';
import { asView, createRandom, flipped, reasonOf, signerNamed, START_MS } from '../fakes.ts';
import type { Hello, HelloAnswer, HelloHeaders } from '../../../core/cluster/hello.ts';

const [initiator, responder, stranger] = ['initiator', 'responder', 'stranger'].map(signerNamed) as [
  ReturnType<typeof signerNamed>,
  ReturnType<typeof signerNamed>,
  ReturnType<typeof signerNamed>,
];
const random = createRandom('hello');
const timestamp = String(START_MS / 1_000);
const hello: Hello = {
  wallet: initiator.wallet,
  recipient: responder.wallet,
  incarnation: random.bytes(16),
  ephemeral: createEphemeral(random).publicKey,
  nonce: 'a nonce',
  timestamp,
  attestation: random.bytes(64),
};

/** A hello as its wallet would sign it after `change`; what the headers say follows the body unless changed too. */
function signed(
  change: Record<string, unknown> = {},
  headers: Partial<HelloHeaders> = {},
  by = initiator,
): { body: Uint8Array; headers: HelloHeaders } {
  const whole = { ...hello, ...change } as Hello;
  const body = encodeCbor(Object.fromEntries(Object.entries({ v: 2, kind: 'hello', ...whole }).filter(([, value]) => value !== undefined)));
  return {
    body,
    headers: {
      signature: by.signNow(helloText(whole, body)),
      wallet: whole.wallet,
      nonce: whole.nonce,
      timestamp: whole.timestamp,
      ...headers,
    },
  };
}

const verify = ({ body, headers }: ReturnType<typeof signed>, nowMs = START_MS) =>
  verifyHello(body, headers, responder.wallet, nowMs, recoverWallet, () => undefined);
const verdict = (...args: Parameters<typeof verify>) => reasonOf(() => verify(...args));

describe('a hello', () => {
  it('is read as it was written, with or without the wallet header', () => {
    expect(encodeHello(hello)).toEqual(signed().body);
    expect(verify(signed())).toEqual(hello);
    expect(verify(signed({}, { wallet: null }))).toEqual(hello);
    expect(verify(signed({}, { wallet: initiator.wallet.toUpperCase().replace('X', 'x') }))).toEqual(hello);
  });
  it('is read from a view with an offset', () => {
    const { body, headers } = signed();
    expect(verify({ body: asView(body), headers })).toEqual(hello);
  });
  it.each<[string, string, ReturnType<typeof signed>]>([
    ['for another node', 'peer_proof_refused', signed({ recipient: stranger.wallet })],
    ['signed by another wallet', 'peer_proof_refused', signed({}, {}, stranger)],
    ['with another wallet in the header', 'peer_proof_refused', signed({}, { wallet: stranger.wallet })],
    ['with no wallet in the header', 'peer_proof_refused', signed({}, { wallet: 'me' })],
    ['with another nonce in the header', 'peer_proof_refused', signed({}, { nonce: 'another' })],
    ['without a nonce in the header', 'peer_proof_refused', signed({}, { nonce: null })],
    ['with another time in the header', 'peer_proof_refused', signed({}, { timestamp: String(START_MS / 1_000 + 1) })],
    ['without a time in the header', 'peer_proof_refused', signed({}, { timestamp: null })],
    ['without a signature', 'peer_proof_refused', signed({}, { signature: null })],
    ['with half a signature', 'peer_proof_refused', signed({}, { signature: '0xabcd' })],
    ['with the signature of another text', 'peer_proof_refused', signed({}, { signature: initiator.signNow('text') })],
    ['that is stale', 'timestamp_stale', signed({ timestamp: String((START_MS - PROOF_AGE_MAX_MS) / 1_000 - 1) })],
    ['from the future', 'timestamp_stale', signed({ timestamp: String((START_MS + PROOF_AGE_MAX_MS) / 1_000 + 1) })],
    ['whose time is no number', 'timestamp_malformed', signed({ timestamp: 'now' })],
    ['of another version', 'frame_malformed', signed({ v: 1 })],
    ['of another kind', 'frame_malformed', signed({ kind: 'frame' })],
    ['of the version without documents', 'frame_malformed', signed({ v: 1, attestation: undefined })],
    ['with a document that is too long', 'frame_malformed', signed({ attestation: new Uint8Array(ATTESTATION_BYTES_MAX + 1) })],
    ['with a document that is a text', 'frame_malformed', signed({ attestation: 'none' })],
    ['with a member more', 'frame_malformed', signed({ more: new Uint8Array(1) })],
    ['whose wallet is none', 'frame_malformed', signed({ wallet: 'me' })],
    ['whose recipient is none', 'frame_malformed', signed({ recipient: '0x' })],
    ['with a short incarnation', 'frame_malformed', signed({ incarnation: new Uint8Array(15) })],
    ['with a compressed ephemeral key', 'frame_malformed', signed({ ephemeral: new Uint8Array(49) })],
    ['with a nonce that is too long', 'frame_malformed', signed({ nonce: 'a'.repeat(257) })],
    ['with a time that is too long', 'frame_malformed', signed({ timestamp: '1'.repeat(17) })],
  ])('is refused %s', (_what, reason, given) => expect(verdict(given)).toBe(reason));
  it('R-4 speaks for the wallet that signed it, whatever name its body or header puts in front', () => {
    expect(verify(signed()).wallet).toBe(initiator.wallet);
    expect(verdict(signed({ wallet: stranger.wallet }))).toBe('peer_proof_refused');
    expect(verdict(signed({ wallet: stranger.wallet }, { wallet: stranger.wallet }))).toBe('peer_proof_refused');
    expect(verify(signed({ wallet: stranger.wallet }, {}, stranger)).wallet).toBe(stranger.wallet);
  });
  it.each(Object.keys(hello))('is refused without %s', (name) => expect(verdict(signed({ [name]: undefined }))).toBe('frame_malformed'));
  it('X-9 is refused with any byte of its body flipped: the signature covers all of it', () => {
    const { body, headers } = signed();
    for (let index = 0; index < body.length; index += 1)
      expect(verdict({ body: flipped(body, index, index % 8), headers })).not.toBe('none');
  });
  it('X-9 is refused when the host between swaps the ephemeral key for its own', () => {
    const honest = signed();
    const swapped = encodeHello({ ...hello, ephemeral: createEphemeral(random).publicKey });
    expect(verdict({ body: swapped, headers: honest.headers })).toBe('peer_proof_refused');
  });
});

describe('the answer to a hello', () => {
  const ours = { hello, signature: signed().headers.signature as string };
  const answer: HelloAnswer = {
    wallet: responder.wallet,
    recipient: initiator.wallet,
    incarnation: random.bytes(16),
    ephemeral: createEphemeral(random).publicKey,
    session: random.bytes(16),
    attestation: random.bytes(64),
  };

  function answered(change: Record<string, unknown> = {}, by = responder, clientSignature = ours.signature) {
    const body = encodeCbor(
      Object.fromEntries(Object.entries({ v: 2, kind: 'hello', ...answer, ...change }).filter(([, value]) => value !== undefined)),
    );
    return { body, signature: by.signNow(helloAnswerText(clientSignature, responder.wallet, body)) as string | null };
  }
  const read = ({ body, signature }: { body: Uint8Array; signature: string | null }) =>
    verifyHelloAnswer(body, signature, ours, recoverWallet);
  const reason = (given: { body: Uint8Array; signature: string | null }) => reasonOf(() => read(given));

  it('is read as it was written', () => {
    expect(encodeHelloAnswer(answer)).toEqual(answered().body);
    expect(read(answered())).toEqual(answer);
  });
  it.each<[string, string, { body: Uint8Array; signature: string | null }]>([
    ['signed by another node', 'peer_answer_odd', answered({}, stranger)],
    ['without a signature', 'peer_answer_odd', { ...answered(), signature: null }],
    ['with half a signature', 'peer_answer_odd', { ...answered(), signature: '0xab' }],
    ['to another hello', 'peer_answer_odd', answered({}, responder, `0x${'11'.repeat(65)}`)],
    ['to the same hello, its signature spelt otherwise', 'peer_answer_odd', answered({}, responder, ours.signature.toUpperCase())],
    ['for another initiator', 'peer_answer_odd', answered({ recipient: stranger.wallet })],
    ['in the name of another responder', 'peer_answer_odd', answered({ wallet: stranger.wallet })],
    ['of another version', 'peer_answer_odd', answered({ v: 1 })],
    ['of another kind', 'peer_answer_odd', answered({ kind: 'frame' })],
    ['with a short session', 'frame_malformed', answered({ session: new Uint8Array(8) })],
    ['with a short incarnation', 'frame_malformed', answered({ incarnation: new Uint8Array(1) })],
    ['of the version without documents', 'peer_answer_odd', answered({ v: 1, attestation: new Uint8Array(0) })],
    ['with a document that is too long', 'frame_malformed', answered({ attestation: new Uint8Array(ATTESTATION_BYTES_MAX + 1) })],
    ['with a short ephemeral key', 'frame_malformed', answered({ ephemeral: new Uint8Array(96) })],
    ['with a member more', 'frame_malformed', answered({ secret: new Uint8Array(32) })],
    ['that is our own hello, reflected', 'peer_answer_odd', { body: signed().body, signature: ours.signature }],
  ])('is refused %s', (_what, expected, given) => expect(reason(given)).toBe(expected));
  it.each(Object.keys(answer))('is refused without %s', (name) => expect(reason(answered({ [name]: undefined }))).toBe('frame_malformed'));
  it('X-9 is refused with any byte flipped, and with keys swapped by the host between', () => {
    const { body, signature } = answered();
    for (let index = 0; index < body.length; index += 1) expect(reason({ body: flipped(body, index), signature })).not.toBe('none');
    expect(reason({ body: encodeHelloAnswer({ ...answer, ephemeral: createEphemeral(random).publicKey }), signature })).toBe(
      'peer_answer_odd',
    );
    expect(reason({ body, signature: `0x${hex(flipped(parseHex(signature as string) as Uint8Array, 40))}` })).toBe('peer_answer_odd');
  });
});
