import { describe, expect, it } from 'vitest';
import { SIGNATURE_COMPONENTS_MAX, SIGNATURE_INPUT_CHARS_MAX, SIGNATURE_NONCE_CHARS_MAX } from '../../../core/limits.ts';
import {
  encodeContentDigest,
  encodeRequestInput,
  encodeResponseInput,
  encodeSignature,
  parseContentDigest,
  parseRequestInput,
  parseResponseInput,
  parseSignatureMember,
  requestBase,
  responseBase,
} from '../../../core/wire/httpsig.ts';
import type { Wallet } from '../../../core/identity.ts';

const WALLET = `0x${'ab'.repeat(20)}` as Wallet;
const KEY_ID = `erc8128:31337:${WALLET}`;
const INPUT = `("@method" "@authority" "@path" "content-digest");created=1770000000;expires=1770000060;nonce="n-1";keyid="${KEY_ID}"`;

describe('a Signature-Input of a request', () => {
  it('is read with its components, its parameters and its text as sent', () => {
    expect(parseRequestInput(`eth=${INPUT}`)).toEqual({
      components: ['@method', '@authority', '@path', 'content-digest'],
      params: { created: 1_770_000_000, expires: 1_770_000_060, nonce: 'n-1', keyId: { chainId: 31_337, wallet: WALLET } },
      text: INPUT,
    });
  });

  it('is written as it is read', () => {
    const { components, params } = parseRequestInput(`eth=${INPUT}`) ?? { components: [], params: undefined };
    expect(params && encodeRequestInput(components, params)).toBe(INPUT);
  });

  it('may have its parameters in any order, a tag, and its wallet in any case', () => {
    const text = `("@path");keyid="erc8128:1:0x${'AB'.repeat(20)}";tag="app";nonce="!~";expires=2;created=1`;
    expect(parseRequestInput(`eth=${text}`)).toMatchObject({ params: { created: 1, nonce: '!~', keyId: { chainId: 1, wallet: WALLET } } });
  });

  const without = (name: string) => INPUT.replace(new RegExp(`;${name}=(?:\\d+|"[^"]*")`), '');
  it.each([
    ['nothing', ''],
    ['another label', `sig1=${INPUT}`],
    ['no label', INPUT],
    ['two signatures', `eth=${INPUT}, eth2=${INPUT}`],
    ['the same signature twice', `eth=${INPUT}, eth=${INPUT}`],
    ['two signatures, the second first', `eth2=${INPUT}, eth=${INPUT}`],
    ['a trailing comma', `eth=${INPUT},`],
    ['a space before the list', `eth= ${INPUT}`],
    ['two spaces between components', `eth=${INPUT.replace(' "@path"', '  "@path"')}`],
    ['a space before a parameter', `eth=${INPUT.replace(';nonce', '; nonce')}`],
    ['no components', `eth=${INPUT.replace(/\(.*?\)/, '()')}`],
    ['a component twice', `eth=${INPUT.replace('"@path"', '"@path" "@path"')}`],
    ['a component with a parameter', `eth=${INPUT.replace('"@path"', '"@path";req')}`],
    ['an upper-case component', `eth=${INPUT.replace('"content-digest"', '"Content-Digest"')}`],
    ['a derived component that is not known', `eth=${INPUT.replace('"@path"', '"@request-target"')}`],
    ['a list that does not end', `eth=${INPUT.replace(')', '')}`],
    ['no created', `eth=${without('created')}`],
    ['no expires', `eth=${without('expires')}`],
    ['no nonce', `eth=${without('nonce')}`],
    ['an empty nonce', `eth=${INPUT.replace('"n-1"', '""')}`],
    ['a nonce that is a number', `eth=${INPUT.replace('"n-1"', '1')}`],
    ['a nonce with an escape', `eth=${INPUT.replace('"n-1"', String.raw`"n\"1"`)}`],
    ['a nonce that is not ASCII', `eth=${INPUT.replace('n-1', 'ñ')}`],
    ['no keyid', `eth=${without('keyid')}`],
    ['a keyid of another kind', `eth=${INPUT.replace('erc8128', 'eip155')}`],
    ['a keyid without a chain', `eth=${INPUT.replace('31337', '')}`],
    ['a chain id with a leading zero', `eth=${INPUT.replace('31337', '031337')}`],
    ['a chain id of zero', `eth=${INPUT.replace('31337', '0')}`],
    ['something before its keyid', `eth=${INPUT.replace('erc8128', 'xerc8128')}`],
    ['something after its keyid', `eth=${INPUT.replace(KEY_ID, `${KEY_ID}0`)}`],
    ['a wallet cut short', `eth=${INPUT.replace('abab"', 'ab"')}`],
    ['a parameter twice', `eth=${INPUT};created=1770000000`],
    ['an algorithm', `eth=${INPUT};alg="eip191"`],
    ['a parameter that is not known', `eth=${INPUT};x="y"`],
    ['an empty tag', `eth=${INPUT};tag=""`],
    ['times that are texts', `eth=${INPUT.replace('=1770000000', '="1770000000"')}`],
    ['a negative time', `eth=${INPUT.replace('=1770000000', '=-1770000000')}`],
    ['a time with a leading zero', `eth=${INPUT.replace('=1770000000', '=01770000000')}`],
    ['a fraction of a second', `eth=${INPUT.replace('=1770000000', '=1770000000.5')}`],
    ['something after it', `eth=${INPUT} x`],
  ])('is none with %s', (_what, header) => {
    expect(parseRequestInput(header)).toBeUndefined();
  });

  it('has a nonce, components and a length up to their limits and not one more', () => {
    const nonce = (length: number) => parseRequestInput(`eth=${INPUT.replace('n-1', 'n'.repeat(length))}`);
    expect([nonce(SIGNATURE_NONCE_CHARS_MAX) !== undefined, nonce(SIGNATURE_NONCE_CHARS_MAX + 1)]).toEqual([true, undefined]);
    const fields = (count: number) => Array.from({ length: count }, (_, index) => `"f${index}"`).join(' ');
    const covering = (count: number) => parseRequestInput(`eth=${INPUT.replace(/\(.*?\)/, `(${fields(count)})`)}`);
    expect([covering(SIGNATURE_COMPONENTS_MAX) !== undefined, covering(SIGNATURE_COMPONENTS_MAX + 1)]).toEqual([true, undefined]);
    const tagged = (length: number) => {
      const bare = `eth=${INPUT};tag=""`;
      return parseRequestInput(bare.replace('""', `"${'t'.repeat(length - bare.length)}"`));
    };
    expect([tagged(SIGNATURE_INPUT_CHARS_MAX) !== undefined, tagged(SIGNATURE_INPUT_CHARS_MAX + 1)]).toEqual([true, undefined]);
  });
});

describe('the base of a request', () => {
  const target = {
    method: 'POST',
    authority: 'node-1.kms.example.com',
    path: '/kms/derive',
    query: '?a=b',
    headers: new Headers({ 'content-digest': 'sha-256=:x:', 'x-note': '  spaced  out ', 'x-eacute': 'é', signature: 'eth=:x:' }),
  };
  it('is one line for each component and one for the parameters', () => {
    expect(requestBase(target, ['@method', '@authority', '@path', '@query', 'content-digest', 'x-note'], INPUT)).toBe(
      [
        '"@method": POST',
        '"@authority": node-1.kms.example.com',
        '"@path": /kms/derive',
        '"@query": ?a=b',
        '"content-digest": sha-256=:x:',
        '"x-note": spaced  out',
        `"@signature-params": ${INPUT}`,
      ].join('\n'),
    );
  });
  it.each([
    ['a field that the request has not', ['x-absent']],
    ['a field that is not ASCII', ['x-eacute']],
    ['the signature itself', ['signature']],
  ])('is none over %s', (_what, components) => {
    expect(requestBase(target, ['@method', ...components], INPUT)).toBeUndefined();
  });
  it('is none over a query that the request has not', () => {
    expect(requestBase({ ...target, query: '' }, ['@query'], INPUT)).toBeUndefined();
  });
});

describe('a Signature-Input of an answer', () => {
  const input = encodeResponseInput(1_770_000_000, { chainId: 1, wallet: WALLET });
  it('is read as it is written', () => {
    expect(parseResponseInput(`eth=${input}`)).toEqual({ created: 1_770_000_000, keyId: { chainId: 1, wallet: WALLET }, text: input });
  });
  it.each([
    ['another label', `sig=${input}`],
    ['the status left out', `eth=${input.replace('"@status" ', '')}`],
    ['the digest left out', `eth=${input.replace('"content-digest" ', '')}`],
    ['the request’s signature left out', `eth=${input.replace(' "signature";req;key="eth"', '')}`],
    ['the answer’s own signature covered instead', `eth=${input.replace(';req;key="eth"', '')}`],
    ['a component more', `eth=${input.replace('"@status"', '"@status" "date"')}`],
    ['another order', `eth=${input.replace('"@status" "content-digest"', '"content-digest" "@status"')}`],
    ['no key', `eth=${input.replace(/;keyid=.*/, '')}`],
    ['no time', `eth=${input.replace(/;created=\d+/, '')}`],
    ['another parameter', `eth=${input};nonce="n"`],
    ['two members', `eth=${input}, eth2=${input}`],
  ])('is none with %s', (_what, header) => {
    expect(parseResponseInput(header)).toBeUndefined();
  });
  it('covers the status, the digest and the request’s signature, line by line', () => {
    expect(responseBase(403, 'sha-256=:d:', ':s:', input)).toBe(
      [
        '"@status": 403',
        '"content-digest": sha-256=:d:',
        '"signature";req;key="eth": :s:',
        `"@signature-params": ("@status" "content-digest" "signature";req;key="eth");created=1770000000;keyid="erc8128:1:${WALLET}"`,
      ].join('\n'),
    );
  });
});

describe('a Signature and a Content-Digest', () => {
  const bytes = Uint8Array.from({ length: 65 }, (_, index) => index);
  it('hold the bytes that were written', () => {
    expect(parseSignatureMember(`eth=${encodeSignature(bytes)}`)).toEqual(bytes);
    expect(parseContentDigest(encodeContentDigest(bytes.subarray(0, 32)))).toEqual(bytes.subarray(0, 32));
  });
  it.each([
    ['another label', `sig=${encodeSignature(bytes)}`],
    ['two members', `eth=${encodeSignature(bytes)}, b=${encodeSignature(bytes)}`],
    ['no colons', `eth=${encodeSignature(bytes).slice(1, -1)}`],
    ['base64url', 'eth=:-_-_:'],
    ['bits that are not canonical', 'eth=:AB==:'],
    ['nothing', 'eth=::'],
    ['a space', `eth=${encodeSignature(bytes)} `],
  ])('are none with %s (signature)', (_what, header) => {
    expect(parseSignatureMember(header)).toBeUndefined();
  });
  it.each([
    ['another algorithm', encodeContentDigest(bytes.subarray(0, 32)).replace('sha-256', 'sha-512')],
    ['two digests', `${encodeContentDigest(bytes.subarray(0, 32))}, sha-512=:AAAA:`],
    ['31 bytes', encodeContentDigest(bytes.subarray(0, 31))],
    ['33 bytes', encodeContentDigest(bytes.subarray(0, 33))],
    ['bits that are not canonical', `sha-256=:${'A'.repeat(42)}B=:`],
  ])('are none with %s (digest)', (_what, header) => {
    expect(parseContentDigest(header)).toBeUndefined();
  });
});
