import { BlockList, isIP } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isIpv4, isWithin, parseAddress, parseBlock, prefixBits } from '../../../core/wire/address.ts';
import { hex } from '../../../core/wire/bytes.ts';

const hexOf = (text: string) => hex(parseAddress(text) ?? new Uint8Array(0));

describe('an address', () => {
  it.each([
    ['0.0.0.0', '00000000000000000000ffff00000000'],
    ['192.0.2.255', '00000000000000000000ffffc00002ff'],
    ['::', '00000000000000000000000000000000'],
    ['::1', '00000000000000000000000000000001'],
    ['1::', '00010000000000000000000000000000'],
    ['2001:db8::8:800:200C:417A', '20010db80000000000080800200c417a'],
    ['1:2:3:4:5:6:7:8', '00010002000300040005000600070008'],
    ['1:2:3:4:5:6:7::', '00010002000300040005000600070000'],
    ['::ffff:192.0.2.255', '00000000000000000000ffffc00002ff'],
    ['64:ff9b::192.0.2.33', '0064ff9b0000000000000000c0000221'],
  ])('%s is read', (text, bytes) => expect(hexOf(text)).toBe(bytes));

  it.each([
    ...['', ' 1.2.3.4', '1.2.3', '1.2.3.4.5', '01.2.3.4', '256.1.1.1', '1.2.3.4/32', '0x7f.0.0.1', '2130706433', '1.2.3.4:80'],
    ...[':', ':::', '1::2::3', '1:2:3:4:5:6:7', '1:2:3:4:5:6:7:8:9', '1:2:3:4:5:6:7:8::', '::12345', '::g', '[::1]', 'fe80::1%eth0'],
    ...['::1.2.3.4:1', '1.2.3.4::', ':1:2:3:4:5:6:7:8', '::256.1.1.1', 'localhost', 'unknown', '_hidden'],
  ])('%j is none', (text) => expect(parseAddress(text)).toBeUndefined());

  it('is one exactly when Node takes it for one', () => {
    const group = fc.stringMatching(/^[0-9a-f]{0,5}$/);
    const texts = fc.oneof(
      fc.ipV4(),
      fc.ipV6(),
      fc.array(group, { minLength: 1, maxLength: 9 }).map((groups) => groups.join(':')),
      fc.array(fc.stringMatching(/^\d{0,4}$/), { minLength: 1, maxLength: 5 }).map((parts) => parts.join('.')),
    );
    fc.assert(
      fc.property(texts, (text) => (parseAddress(text) !== undefined) === (isIP(text) !== 0)),
      { numRuns: 2_000 },
    );
  });
});

describe('a block', () => {
  it.each(['10.0.0.0/8', '0.0.0.0/0', '1.2.3.4/32', '::/0', '2001:db8::/32', 'fd00::/8', '::1/128'])('%s is read', (text) =>
    expect(prefixBits(parseBlock(text) as never)).toBe(Number(text.split('/')[1])),
  );
  it.each(['10.0.0.1/8', '10.0.0.0/33', '::/129', '10.0.0.0', '10.0.0.0/', '10.0.0.0/08', '10.0.0.0/-1', 'a/8', '::1/127'])(
    '%s is none',
    (text) => expect(parseBlock(text)).toBeUndefined(),
  );

  it.each([
    ['::/0', '192.0.2.1', false],
    ['::/8', '192.0.2.1', false],
    ['::/80', '192.0.2.1', false],
    ['::/8', '::1', true],
    ['::ffff:0.0.0.0/96', '192.0.2.1', true],
    ['::ffff:192.0.2.0/120', '192.0.2.1', true],
    ['0.0.0.0/0', '192.0.2.1', true],
    ['0.0.0.0/0', '::1', false],
  ])('%s and %s: within is %s, each in its own family', (block, address, within) =>
    expect(isWithin(parseAddress(address) as Uint8Array, parseBlock(block) as never)).toBe(within),
  );

  it('holds what Node’s own list says', () =>
    fc.assert(
      fc.property(fc.ipV4(), fc.integer({ min: 0, max: 32 }), fc.ipV4(), (base, bits, other) => {
        const list = new BlockList();
        list.addSubnet(base, bits, 'ipv4');
        const [bytes, mask] = [(parseAddress(base) as Uint8Array).slice(12), bits === 0 ? 0 : (-1 << (32 - bits)) >>> 0];
        const bare = (new DataView(bytes.buffer).getUint32(0) & mask) >>> 0;
        const block = parseBlock(`${[24, 16, 8, 0].map((shift) => (bare >>> shift) & 0xff).join('.')}/${bits}`);
        for (const text of [other, base]) expect(isWithin(parseAddress(text) as Uint8Array, block as never)).toBe(list.check(text));
      }),
    ));

  it('of one family holds none of the other, but for the mapped form', () => {
    const block = parseBlock('127.0.0.0/8') as never;
    expect(
      ['127.1.2.3', '::ffff:127.0.0.1', '::127.0.0.1', '7f00::'].map((text) => isWithin(parseAddress(text) as Uint8Array, block)),
    ).toEqual([...[true, true, false, false]]);
    expect(['1.2.3.4', '::ffff:1.2.3.4', '::1.2.3.4'].map((text) => isIpv4(parseAddress(text) as Uint8Array))).toEqual([true, true, false]);
  });
});
