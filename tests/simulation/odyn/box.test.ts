import { describe, expect, it } from 'vitest';
import { createBox, type Hex, type KeySchedule } from './box.ts';

const keyA: Hex = `0x${'11'.repeat(48)}`;
const keyB: Hex = `0x${'22'.repeat(48)}`;
const derA =
  '3076301006072a8648ce3d020106052b8104002203620004386e767ea5cb716c9cd620ff7342129c892a6fccefe612140c80bff59e943468019dda16e5079b0c1d9001d23a624b6dd088d0c3826394194787403e8a7d07e5e22f7e9c0b8e80fa1faff5d28b4bb597b267f0b87023ca61fc8454bddefd2e0e';
const derB =
  '3076301006072a8648ce3d020106052b81040022036200044f2bda7fd2105f8467e21f45223ad58863ffa4c084832d9f6c64ffc47fdd519727ab53cb71f9c40de24b64acde61f02fc7dce130b612fa5dbcac94573a2354fd005d8e9caefdc5fde48304474708bbd82f77e1fd2c630bea236f6f8dccc1678e';
const nonce = Uint8Array.from({ length: 12 }, (_, index) => index);
const nonceHex = '000102030405060708090a0b';
const plaintext = new TextEncoder().encode('{"path":"x"}');

const vectors: readonly (readonly [KeySchedule, string])[] = [
  ['v1.3.0', '4540dd93b97093e3cd45341bf23d8f81eb6ac22ecce57ecab9bba539'],
  ['v1.4.0', '4540dd93b97093e3cd45341bf23d8f81eb6ac22ecce57ecab9bba539'],
  ['v1.4.1', '4540dd93b97093e3cd45341bf23d8f81eb6ac22ecce57ecab9bba539'],
  ['v1.4.2', '3b20546d1944cb990d841027008dccea926e5945b867d9d7bf07a7b9'],
  ['v1.7.2', '736f675301816f60dd11f94d0f47d964d1ff9d504dff3b710bf9e5ff'],
  ['v1.8.0', '77c801c775ab624be983e91a4014114af79be3d8bc607f14a610a6bb'],
];

const flip = (hex: string, byte: number): string => {
  const bytes = Buffer.from(hex, 'hex');
  bytes.writeUInt8(bytes.readUInt8(byte) ^ 1, byte);
  return bytes.toString('hex');
};

it('writes the public key as SPKI DER', () => {
  expect(createBox('v1.8.0', keyA).teePubkey).toBe(derA);
  expect(createBox('v1.8.0', keyB).teePubkey).toBe(derB);
});

describe.each(vectors)('%s', (keySchedule, encryptedData) => {
  const a = createBox(keySchedule, keyA);
  const b = createBox(keySchedule, keyB);

  it('seals the vector', () => {
    expect(a.sealTo(derB, plaintext, nonce)).toEqual({ nonce: nonceHex, encryptedData });
  });

  it('opens the vector in both directions', () => {
    expect(b.openFrom(derA, { nonce: nonceHex, encryptedData })).toEqual(plaintext);
    expect(a.openFrom(derB, b.sealTo(derA, plaintext, nonce))).toEqual(plaintext);
  });

  it('opens an empty text', () => {
    expect(b.openFrom(derA, a.sealTo(derB, new Uint8Array(0)))).toEqual(new Uint8Array(0));
  });

  it.each([0, 11, 12, 27])('refuses a flipped byte %i', (byte) => {
    expect(() => b.openFrom(derA, { nonce: nonceHex, encryptedData: flip(encryptedData, byte) })).toThrow();
  });

  it('refuses another nonce', () => {
    expect(() => b.openFrom(derA, { nonce: flip(nonceHex, 11), encryptedData })).toThrow();
  });

  it('refuses a text from another key', () => {
    expect(() => b.openFrom(derB, { nonce: nonceHex, encryptedData })).toThrow();
  });

  it('refuses a tag cut to four bytes', () => {
    expect(() => b.openFrom(derA, { nonce: nonceHex, encryptedData: encryptedData.slice(0, -24) })).toThrow();
    const empty = a.sealTo(derB, new Uint8Array(0), nonce).encryptedData;
    expect(() => b.openFrom(derA, { nonce: nonceHex, encryptedData: empty.slice(0, 8) })).toThrow('shorter than its tag');
  });

  it('uses the first twelve bytes of a nonce of 32', () => {
    const long = nonceHex + 'ff'.repeat(20);
    expect(b.openFrom(derA, { nonce: long, encryptedData })).toEqual(plaintext);
  });

  it('refuses a nonce of eleven bytes', () => {
    expect(() => b.openFrom(derA, { nonce: nonceHex.slice(2), encryptedData })).toThrow('nonce length 11');
  });
});

it('takes any nonce of at least twelve bytes up to v1.3.0 and only 12 or 32 later', () => {
  const sealed = (nonceBytes: number, encryptedData: string) => ({ nonce: nonceHex + 'ff'.repeat(nonceBytes - 12), encryptedData });
  for (const [keySchedule, encryptedData] of vectors) {
    const box = createBox(keySchedule, keyB);
    for (const nonceBytes of [13, 16, 31, 33]) {
      const open = () => box.openFrom(derA, sealed(nonceBytes, encryptedData));
      if (keySchedule === 'v1.3.0') expect(open()).toEqual(plaintext);
      else expect(open).toThrow(`nonce length ${nonceBytes}`);
    }
  }
});

it.each([
  ['v1.3.0', 64],
  ['v1.4.0', 64],
  ['v1.4.1', 24],
  ['v1.4.2', 24],
  ['v1.8.0', 24],
] as const)('%s draws nonces of %i hex digits', (keySchedule, digits) => {
  const box = createBox(keySchedule);
  const drawn = [box.sealTo(derB, plaintext).nonce, box.sealTo(derB, plaintext).nonce];
  expect(drawn.map((each) => each.length)).toEqual([digits, digits]);
  expect(drawn[0]).not.toBe(drawn[1]);
});

it('does not open what another generation sealed', () => {
  const sealed = createBox('v1.7.2', keyA).sealTo(derB, plaintext);
  expect(() => createBox('v1.8.0', keyB).openFrom(derA, sealed)).toThrow();
});

it.each([
  ['a byte short', derB.slice(0, -2)],
  ['a byte long', `${derB}00`],
  ['a bare point', derB.slice(46)],
  ['a point off the curve', flip(derB, 119)],
  ['empty', ''],
])('refuses a peer key that is %s', (_, teePubkey) => {
  expect(() => createBox('v1.8.0', keyA).sealTo(teePubkey, plaintext)).toThrow();
});
