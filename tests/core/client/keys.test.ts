import { describe, expect, it } from 'vitest';
import { createKeys } from '../../../core/client/keys.ts';
import { KmsError } from '../../../core/client/error.ts';
import { recoverWallet } from '../../../core/crypto/wallet.ts';
import { hex, parseHex } from '../../../core/wire/bytes.ts';
import { createBox, newBoxKey, schedules } from '../../simulation/odyn/box.ts';
import { createWallet } from '../../simulation/odyn/wallet.ts';
import { createRandom, flipped, reasonOfAsync } from '../fakes.ts';
import type { KeySchedule } from '../../../core/client/keys.ts';

const walletPrivateKey = `0x${'17'.repeat(32)}` as const;
const bytes = (text: string) => parseHex(text) ?? new Uint8Array(0);
const keys = (teePrivateKey: string, keySchedule?: KeySchedule) =>
  createKeys({ walletPrivateKey, teePrivateKey, ...(keySchedule && { keySchedule }) }, createRandom('seals'));

describe('keys in memory', () => {
  it('sign as the enclave’s Odyn does, byte for byte', async () => {
    const { signer } = keys(newBoxKey());
    const wallet = createWallet(walletPrivateKey);
    expect(await signer.address()).toBe(wallet.address);
    for (const text of ['', 'a text', 'ÄÖ '.repeat(50)]) {
      const signature = await signer.sign(text);
      expect(signature).toBe(wallet.signText(text));
      expect(recoverWallet(text, bytes(signature))).toBe(wallet.address);
    }
  });

  it.each(['v1.3.0', 'v1.4.1', 'v1.4.2', 'v1.7.2', 'v1.8.0'] as const)(
    'seal and open with an Odyn of %s, both ways',
    async (keySchedule) => {
      const theirs = createBox(keySchedule);
      const ours = keys(newBoxKey(), keySchedule);
      const own = await ours.box.publicKey();
      const { senderTeePubkey, nonce, encrypted } = await ours.box.seal(bytes(theirs.teePubkey), 'from us ÄÖ');
      expect(nonce.length).toBe(schedules[keySchedule].nonceBytesEmitted);
      const opened = theirs.openFrom(hex(senderTeePubkey), { nonce: hex(nonce), encryptedData: hex(encrypted) });
      expect(Buffer.from(opened).toString()).toBe('from us ÄÖ');
      const sealed = theirs.sealTo(hex(own), Buffer.from('to us'));
      const envelope = { senderTeePubkey: bytes(theirs.teePubkey), nonce: bytes(sealed.nonce), encrypted: bytes(sealed.encryptedData) };
      expect(await ours.box.open(envelope)).toBe('to us');
      expect(await reasonOfAsync(ours.box.open({ ...envelope, encrypted: flipped(envelope.encrypted) }))).toBe('envelope_unopenable');
    },
  );

  it('take v1.8.0 when none is named, and no other opens it', async () => {
    const theirs = createBox('v1.8.0');
    const { senderTeePubkey, nonce, encrypted } = await keys(newBoxKey()).box.seal(bytes(theirs.teePubkey), 'x');
    const sealed = { nonce: hex(nonce), encryptedData: hex(encrypted) };
    expect(Buffer.from(theirs.openFrom(hex(senderTeePubkey), sealed)).toString()).toBe('x');
    expect(() => createBox('v1.7.2', theirs.boxKey).openFrom(hex(senderTeePubkey), sealed)).toThrow();
  });

  it('seal each time under another nonce', async () => {
    const { box } = keys(newBoxKey());
    const to = await box.publicKey();
    const nonces = await Promise.all(Array.from({ length: 20 }, async () => hex((await box.seal(to, 'x')).nonce)));
    expect(new Set(nonces).size).toBe(20);
  });

  it('refuse a recipient that is no key of P-384', async () => {
    const { box } = keys(newBoxKey());
    const good = await box.publicKey();
    const offCurve = flipped(good, good.length - 1);
    for (const bad of [new Uint8Array(0), good.subarray(1), flipped(good), offCurve])
      expect(await reasonOfAsync(box.seal(bad, 'x'))).toBe('odyn_unavailable');
  });

  it.each([
    ['a wallet key that is too short', { walletPrivateKey: '17'.repeat(31) }],
    ['a wallet key that is missing', { walletPrivateKey: undefined as unknown as string }],
    ['the wallet key 0', { walletPrivateKey: '00'.repeat(32) }],
    ['a wallet key that is no hex', { walletPrivateKey: 'my secret' }],
    ['a TEE key that is too long', { teePrivateKey: '17'.repeat(49) }],
    ['the TEE key 0', { teePrivateKey: '00'.repeat(48) }],
    ['a TEE key beyond the order', { teePrivateKey: 'ff'.repeat(48) }],
    ['a key schedule of no platform', { keySchedule: 'toString' as KeySchedule }],
  ])('refuse %s, without showing it', (_what, change) => {
    const secrets = { walletPrivateKey, teePrivateKey: newBoxKey(), ...change };
    let error: unknown;
    try {
      createKeys(secrets, createRandom('x'));
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(KmsError);
    expect(error).toMatchObject({ code: 'bad_argument' });
    expect((error as KmsError).cause).toBeUndefined();
    for (const secret of [secrets.walletPrivateKey ?? '0xnone', secrets.teePrivateKey])
      expect(String(error)).not.toContain(secret.replace('0x', ''));
  });
});
