import { createECDH } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createEphemeral, deriveSessionKeys, EPHEMERAL_BYTES } from '../../../core/cluster/keys.ts';
import { equalBytes, hex, utf8 } from '../../../core/wire/bytes.ts';
import { createRandom, flipped, reasonOf } from '../fakes.ts';

const [one, two] = [createEphemeral(createRandom('one')), createEphemeral(createRandom('two'))];

describe('an ephemeral key', () => {
  it('agrees with its counterpart, and with nobody else', () => {
    expect(one.publicKey).toHaveLength(EPHEMERAL_BYTES);
    expect(one.agree(two.publicKey)).toEqual(two.agree(one.publicKey));
    expect(one.agree(two.publicKey)).not.toEqual(createEphemeral(createRandom('three')).agree(two.publicKey));
  });
  it('meets the platform’s P-384 vector', () => {
    const scalar = (byte: number) => ({ bytes: (length: number) => new Uint8Array(length).fill(byte) });
    const shared = createEphemeral(scalar(0x11)).agree(createEphemeral(scalar(0x22)).publicKey);
    expect(hex(shared)).toBe('2ac3da23c114b5b1f3aa200cf3c57bebd1b3b880a0e68066ab5d00dda50dcfe6cd03410292346187a84b1f12d53569c0');
  });
  it('refuses what is no point of its curve', () => {
    const p256 = createECDH('prime256v1');
    p256.generateKeys();
    const odd = [
      flipped(two.publicKey, 96),
      flipped(two.publicKey, 0),
      two.publicKey.subarray(0, 96),
      new Uint8Array(97),
      Uint8Array.of(0),
      new Uint8Array(0),
      Uint8Array.of(4, ...new Uint8Array(96)),
      new Uint8Array(p256.getPublicKey()),
    ];
    for (const point of odd) expect(reasonOf(() => one.agree(point))).toBe('frame_malformed');
  });
});

describe('the keys of a session', () => {
  const shared = one.agree(two.publicKey);
  const [request, answer] = [utf8('request'), utf8('answer')];
  const keys = deriveSessionKeys(shared, request, answer);
  it('are the same for the same transcript, and differ by direction', () => {
    expect(deriveSessionKeys(shared, request, answer)).toEqual(keys);
    expect(equalBytes(keys.toInitiator, keys.toResponder)).toBe(false);
    expect(keys.toInitiator).toHaveLength(32);
  });
  it('differ with one bit of either hello, of the secret, and with a moved boundary between the two', () => {
    const others = [
      deriveSessionKeys(shared, flipped(request), answer),
      deriveSessionKeys(shared, request, flipped(answer)),
      deriveSessionKeys(flipped(shared), request, answer),
      deriveSessionKeys(shared, utf8('requesta'), utf8('nswer')),
      deriveSessionKeys(shared, answer, request),
    ];
    for (const other of others) expect(other.toResponder).not.toEqual(keys.toResponder);
  });
});
