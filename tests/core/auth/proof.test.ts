import { describe, expect, it } from 'vitest';
import { createNonces } from '../../../core/auth/nonces.ts';
import { checkTimestamp, verifyPlatformProof } from '../../../core/auth/proof.ts';
import { recoverWallet } from '../../../core/crypto/wallet.ts';
import { NONCE_LIFETIME_MS, PROOF_AGE_MAX_MS, PROOF_HEADER_CHARS_MAX } from '../../../core/limits.ts';
import { hex, parseHex } from '../../../core/wire/bytes.ts';
import { appProofText } from '../../../core/wire/pop.ts';
import { createClock, createRandom, flipped, reasonOf, signerNamed, START_MS } from '../fakes.ts';
import type { ProofHeaders } from '../../../core/auth/proof.ts';

const app = signerNamed('an app');
const node = signerNamed('a node').wallet;
const other = signerNamed('another node').wallet;

function setUp(nowMs = START_MS) {
  const clock = createClock(nowMs);
  const nonces = createNonces({ clock, random: createRandom('boot') });
  const nonce = nonces.issue();
  const prove = (timestamp = String(Math.floor(clock.nowMs() / 1_000)), recipient = node): ProofHeaders => ({
    signature: app.signNow(appProofText(nonce, recipient, timestamp)),
    nonce,
    timestamp,
    wallet: null,
  });
  const verify = (headers: ProofHeaders) => verifyPlatformProof(headers, { node, clock, recover: recoverWallet, nonces });
  return { clock, nonces, nonce, prove, verify, verdict: (headers: ProofHeaders) => reasonOf(() => verify(headers)) };
}

describe('a platform proof', () => {
  it('proves its wallet, and keeps signature and nonce as they came', () => {
    const { prove, verify, nonce } = setUp();
    const headers = prove();
    expect(verify(headers)).toEqual({
      form: 'platform',
      wallet: app.wallet,
      clientSignature: headers.signature,
      text: appProofText(nonce, node, headers.timestamp ?? ''),
      nonce,
    });
  });
  it.each([0, 1, 27, 28])('is taken or refused by its signer, not by the form of v (%i)', (v) => {
    const { prove, verify } = setUp();
    const headers = prove();
    const bytes = parseHex(headers.signature as string) as Uint8Array;
    const own = (bytes[64] as number) % 27 === v % 27;
    bytes[64] = v;
    const verdict = () => verify({ ...headers, signature: hex(bytes) }).wallet;
    if (own) expect(verdict()).toBe(app.wallet);
    else expect(verdict()).not.toBe(app.wallet);
  });
  it.each(['signature', 'nonce', 'timestamp'] as const)('is missing without its %s', (name) => {
    const { prove, verdict } = setUp();
    expect(verdict({ ...prove(), [name]: null })).toBe('proof_missing');
    expect(verdict({ ...prove(), [name]: '' })).toBe('proof_missing');
  });
  it.each(['signature', 'nonce', 'timestamp', 'wallet'] as const)('is refused before any work when its %s is too long', (name) => {
    const { prove, verdict } = setUp();
    expect(verdict({ ...prove(), [name]: 'a'.repeat(PROOF_HEADER_CHARS_MAX + 1) })).toBe('signature_malformed');
  });
  it('U-3 for another node is the proof of no wallet of ours', () => {
    const { prove, verify } = setUp();
    expect(verify(prove()).wallet).toBe(app.wallet);
    expect(verify(prove(undefined, other)).wallet).not.toBe(app.wallet);
    expect(reasonOf(() => verify({ ...prove(undefined, other), wallet: app.wallet }))).toBe('wallet_mismatch');
  });
  it('is good to the last millisecond of its age, on either side, and not one more', () => {
    for (const sign of [-1, 1]) {
      const { verdict, prove } = setUp();
      const seconds = START_MS / 1_000;
      expect(verdict(prove(String(seconds + (sign * PROOF_AGE_MAX_MS) / 1_000)))).toBe('none');
      expect(verdict(prove(String(seconds + sign * (PROOF_AGE_MAX_MS / 1_000 + 1))))).toBe('timestamp_stale');
    }
  });
  it.each([
    'now',
    '1770000000.5',
    '-1770000000',
    '+1770000000',
    '0x6983',
    '1770000000000000',
    ' 1770000000',
    '１７７００００００００',
    '1e9',
  ])('is refused with the timestamp %j', (timestamp) => {
    const { verdict, prove } = setUp();
    expect(verdict(prove(timestamp))).toBe('timestamp_malformed');
  });
  it('signs the timestamp as it is written', () => {
    const { verify, prove } = setUp();
    const padded = `0${START_MS / 1_000}`;
    expect(verify(prove(padded)).wallet).toBe(app.wallet);
    expect(verify({ ...prove(padded), timestamp: padded.slice(1) }).wallet).not.toBe(app.wallet);
  });
  it('is refused with a nonce that this boot did not issue, or that expired', () => {
    const { clock, prove, verdict } = setUp();
    expect(verdict({ ...prove(), nonce: 'AAECAwQFBgcICQoLDA0ODw==' })).toBe('nonce_malformed');
    const stranger = createNonces({ clock, random: createRandom('another boot') }).issue();
    expect(verdict({ ...prove(), nonce: stranger })).toBe('nonce_unknown');
    clock.advance(NONCE_LIFETIME_MS + 1);
    expect(verdict(prove())).toBe('nonce_expired');
  });
  it('U-3 is nobody’s with the nonce of another request', () => {
    const { nonces, prove, verify } = setUp();
    expect(verify({ ...prove(), nonce: nonces.issue() }).wallet).not.toBe(app.wallet);
  });
  it.each(['0x', 'signature', `0x${'00'.repeat(64)}`, `0x${'00'.repeat(66)}`])('is refused with the signature %j', (signature) => {
    const { prove, verdict } = setUp();
    expect(verdict({ ...prove(), signature })).toBe('signature_malformed');
  });
  it('is refused with a signature that recovers nothing', () => {
    const { prove, verdict } = setUp();
    expect(verdict({ ...prove(), signature: `0x${'00'.repeat(65)}` })).toBe('signature_invalid');
  });
  it('is nobody’s with a flipped byte', () => {
    const { prove, verify } = setUp();
    const headers = prove();
    for (const index of [0, 31, 32, 63]) {
      const signature = hex(flipped(parseHex(headers.signature as string) as Uint8Array, index));
      let wallet: string | undefined;
      expect(['none', 'signature_invalid']).toContain(reasonOf(() => (wallet = verify({ ...headers, signature }).wallet)));
      expect(wallet).not.toBe(app.wallet);
    }
  });
  it('takes the wallet hint in any case, with or without 0x, and trimmed', () => {
    const { prove, verify } = setUp();
    const digits = app.wallet.slice(2);
    for (const wallet of [app.wallet, digits, `0x${digits.toUpperCase()}`, ` ${app.wallet} `])
      expect(verify({ ...prove(), wallet }).wallet).toBe(app.wallet);
  });
  it.each([node, '', '0x', 'app', `${app.wallet}00`])('is refused with the wallet hint %j', (wallet) => {
    const { prove, verdict } = setUp();
    expect(verdict({ ...prove(), wallet })).toBe('wallet_mismatch');
  });
});

describe('a timestamp', () => {
  it('of the year zero is stale, not malformed', () => expect(reasonOf(() => checkTimestamp('0', START_MS))).toBe('timestamp_stale'));
  it('of twelve digits is stale, of thirteen malformed', () => {
    expect(reasonOf(() => checkTimestamp('9'.repeat(12), START_MS))).toBe('timestamp_stale');
    expect(reasonOf(() => checkTimestamp('9'.repeat(13), START_MS))).toBe('timestamp_malformed');
  });
});
