import { describe, expect, it } from 'vitest';
import { hmacSha256 } from '../../../core/crypto/hmac.ts';
import { hex, utf8 } from '../../../core/wire/bytes.ts';

describe('HMAC-SHA256', () => {
  it.each([
    ['1', new Uint8Array(20).fill(0x0b), 'Hi There', 'b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7'],
    ['2', utf8('Jefe'), 'what do ya want for nothing?', '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843'],
  ])('gives what RFC 4231 says in test case %s', (_case, key, message, expected) => {
    expect(hex(hmacSha256(key, utf8(message)))).toBe(expected);
  });
});
