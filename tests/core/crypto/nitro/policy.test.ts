/** What is expected of a document that verified. */
import { keccak256 } from 'viem';
import { describe, expect, it } from 'vitest';
import { faultOf } from '../../../../core/crypto/nitro/policy.ts';
import { ZERO_WALLET } from '../../../../core/identity.ts';
import { concat, utf8 } from '../../../../core/wire/bytes.ts';
import { asView, flipped } from '../../fakes.ts';
import { bytes, table, uint } from '../../../attestation/cbor-writer.ts';
import { MADE_MS } from './chain-plans.ts';
import { documentOf, NONCE, pcr, PUBLIC_KEY, verified, verify, WALLET, withMember } from './documents.ts';
import type { Attestation } from '../../../../core/crypto/nitro/attestation.ts';
import type { Expectation } from '../../../../core/crypto/nitro/policy.ts';
import type { Hash, Wallet } from '../../../../core/identity.ts';
import type { Entry } from '../../../attestation/cbor-writer.ts';

const good = verified(verify(documentOf()));
// By other code than ours.
const measurement = keccak256(concat(pcr(0), pcr(1), pcr(2))) as Hash;
const expected: Expectation = {
  nowMs: MADE_MS + 5_000,
  ageMsMax: 10_000,
  aheadMsMax: 2_000,
  measurement,
  nonce: NONCE,
  publicKey: PUBLIC_KEY,
  wallet: WALLET as Wallet,
};
const judged = (change: Partial<Expectation>, attestation: Partial<Attestation> = {}) =>
  faultOf({ ...good, ...attestation }, { ...expected, ...change });
const anything = { measurement: 'any', nonce: 'any', publicKey: 'any', wallet: 'any' } as const;

describe('a verified attestation', () => {
  it('S-M2 S-M5 is what was asked for: its code, nonce, key, wallet and time', () => expect(judged({})).toBeUndefined());
  it('S-M2 is refused with another nonce, or none', () => {
    const others = [flipped(NONCE), NONCE.subarray(1), concat(NONCE, Uint8Array.of(0)), new Uint8Array(0)];
    for (const nonce of others) expect(judged({ nonce })).toBe('nonce_mismatch');
    expect(judged({}, { nonce: undefined })).toBe('nonce_mismatch');
    expect(judged({ nonce: new Uint8Array(0) }, { nonce: undefined })).toBe('nonce_mismatch');
    expect(judged({ nonce: asView(NONCE) })).toBeUndefined();
  });
  it('S-M2 is refused with another public key, or none', () => {
    for (const publicKey of [flipped(PUBLIC_KEY), PUBLIC_KEY.subarray(1), new Uint8Array(0)])
      expect(judged({ publicKey })).toBe('public_key_mismatch');
    expect(judged({}, { publicKey: undefined })).toBe('public_key_mismatch');
  });
  it('S-M5 is refused with another measurement', () => {
    expect(judged({ measurement: `0x${'00'.repeat(32)}` as Hash })).toBe('measurement_mismatch');
    for (const index of [0, 1, 2]) {
      const entries = [0, 1, 2].map((each): Entry => [uint(each), bytes(each === index ? flipped(pcr(each), 47) : pcr(each))]);
      const other = verified(verify(documentOf({ members: withMember('pcrs', table(...entries)) })));
      expect(faultOf(other, expected), `PCR${index}`).toBe('measurement_mismatch');
    }
  });
  it('S-M5 is refused when the enclave is in debug mode, whatever is expected', () => {
    const zeros = [0, 1, 2].map((index): Entry => [uint(index), bytes(new Uint8Array(48))]);
    const debug = verified(verify(documentOf({ members: withMember('pcrs', table(...zeros, [uint(3), bytes(pcr(3))])) })));
    expect(debug.isDebug).toBe(true);
    expect(debug.measurement).toBe('0xcd2e66bf0b91eeedc6c648ae9335a78d7c9a4ab0ef33612a824d91cdc68a4f21');
    expect(faultOf(debug, { ...expected, measurement: debug.measurement })).toBe('debug');
    expect(faultOf(debug, { ...expected, ...anything })).toBe('debug');
    const partly = verified(verify(documentOf({ members: withMember('pcrs', table(...zeros.with(2, [uint(2), bytes(pcr(2))]))) })));
    expect(partly.isDebug).toBe(false);
  });
  it('X-9 is as old as it may be, and no older', () => {
    expect(judged({ nowMs: MADE_MS + 10_000 })).toBeUndefined();
    expect(judged({ nowMs: MADE_MS + 10_001 })).toBe('too_old');
    expect(judged({ nowMs: MADE_MS, ageMsMax: 0 })).toBeUndefined();
  });
  it('X-9 is as far ahead as it may be, and no further', () => {
    expect(judged({ nowMs: MADE_MS - 2_000 })).toBeUndefined();
    expect(judged({ nowMs: MADE_MS - 2_001 })).toBe('from_the_future');
    expect(judged({ nowMs: MADE_MS - 1, aheadMsMax: 0 })).toBe('from_the_future');
  });
  it('is refused when a bound or the time is no number', () => {
    expect(judged({ nowMs: NaN })).toBe('too_old');
    expect(judged({ ageMsMax: NaN })).toBe('too_old');
    expect(judged({ aheadMsMax: NaN })).toBe('from_the_future');
  });
  it('may be anything where anything is expected, and only there', () => {
    const bare = { nonce: undefined, publicKey: undefined, userData: undefined };
    expect(judged(anything, bare)).toBeUndefined();
    const reasons = (['measurement', 'nonce', 'publicKey', 'wallet'] as const).map((name) =>
      judged({ ...anything, [name]: expected[name] }, { ...bare, measurement: `0x${'11'.repeat(32)}` as Hash }),
    );
    expect(reasons).toEqual(['measurement_mismatch', 'nonce_mismatch', 'public_key_mismatch', 'wallet_mismatch']);
  });
});

describe('the wallet in the user data', () => {
  const other = `0x${'22'.repeat(20)}`;
  const named = (text: string) => judged({}, { userData: utf8(text) });
  it.each([
    `{"eth_addr":"${WALLET}"}`,
    `{"eth_addr":"0x${WALLET.slice(2).toUpperCase()}"}`,
    `{"a":1,"app_wallet":"${other}","eth_addr":"${WALLET}","z":{"b":[]}}`,
    // As text, it names nobody.
    `{"a":"\\"eth_addr\\":\\"${other}\\"","eth_addr":"${WALLET}"}`,
  ])('is read of %s', (text) => expect(named(text)).toBeUndefined());
  it.each([
    '',
    '{}',
    'null',
    `"${WALLET}"`,
    `[{"eth_addr":"${WALLET}"}]`,
    `{"eth_addr":"${other}"}`,
    `{"eth_addr":"${ZERO_WALLET}"}`,
    `{"eth_addr":"${WALLET.slice(2)}"}`,
    `{"eth_addr":"${WALLET.slice(0, -1)}"}`,
    `{"eth_addr":"${WALLET}0"}`,
    `{"eth_addr":"${WALLET} "}`,
    `{"eth_addr": "${WALLET}"}`,
    `{"eth_addr":["${WALLET}"]}`,
    `{"ETH_ADDR":"${WALLET}"}`,
    `{"eth_addr":"${WALLET}"`,
    `{"eth_addr":"${WALLET}"}}`,
    `{"a":{"eth_addr":"${WALLET}"}}`,
    `{"app_wallet":"${WALLET}","eth_addr":"${other}"}`,
    // What a stranger may have put beside the member of the enclave.
    `{"a":{"eth_addr":"${WALLET}"},"eth_addr":"${other}"}`,
    `{"a":{"eth_addr":"${other}"},"eth_addr":"${WALLET}"}`,
    `{"a":{"eth_addr":"${WALLET}"},"eth_addr":"${WALLET}"}`,
    `{"eth_addr":"${other}","eth_addr":"${WALLET}"}`,
    `{"eth_addr":"${WALLET}","eth_addr":"${other}"}`,
    `{"eth_addr":"${WALLET}","eth\\u005faddr":"${other}"}`,
    `{"eth\\u005faddr":"${WALLET}"}`,
    `{"a":{"eth_addr":"${WALLET}"},"eth\\u005faddr":"${other}"}`,
  ])('S-M5 is not believed of %s', (text) => expect(named(text)).toBe('wallet_mismatch'));
  it('is not believed of bytes that are no text', () =>
    expect(judged({}, { userData: concat(utf8(`{"eth_addr":"${WALLET}"}`), Uint8Array.of(0xff)) })).toBe('wallet_mismatch'));
});
