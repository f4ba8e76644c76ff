/** Whether a request is signed by its key, said by other code than ours and the host's: for those that a library will not read. */
import { createHash } from 'node:crypto';
import { ed25519 } from '@noble/curves/ed25519.js';
import { p256, p384 } from '@noble/curves/nist.js';
import { hex } from '../../../core/wire/bytes.ts';
import { number, pkcs1Padded, power } from './fixtures.ts';

const HASHES: Readonly<Record<string, 'sha256' | 'sha384' | 'sha512'>> = {
  '2a8648ce3d040302': 'sha256',
  '2a8648ce3d040303': 'sha384',
  '2a8648ce3d040304': 'sha512',
  '2a864886f70d01010b': 'sha256',
  '2a864886f70d01010c': 'sha384',
  '2a864886f70d01010d': 'sha512',
};

/** `undefined` when the key is the request's and its signature is right, else why not. Elements are skipped by their lengths alone. */
export function secondOpinion(csr: Uint8Array, key: Uint8Array): string | undefined {
  const [signed, algorithm, bits] = inside(csr);
  const [, , spki] = signed ? inside(signed) : [];
  if (!signed || !algorithm || !bits || !spki) return 'it has not the elements of a request';
  if (hex(spki) !== hex(key)) return 'the key is not the third element';
  const [oid] = inside(algorithm);
  const hash = HASHES[hex(contentOf(oid as Uint8Array))];
  return isSigned(spki, hash, signed, contentOf(bits).subarray(1)) ? undefined : 'the signature is wrong';
}

function isSigned(spki: Uint8Array, hash: 'sha256' | 'sha384' | 'sha512' | undefined, message: Uint8Array, signature: Uint8Array): boolean {
  const keyBits = contentOf(inside(spki)[1] as Uint8Array).subarray(1);
  if (hash === undefined) return ed25519.verify(signature, message, keyBits);
  const digest = new Uint8Array(createHash(hash).update(message).digest());
  const options = { prehash: false, format: 'der', lowS: false } as const;
  if (keyBits.length === 65) return p256.verify(signature, digest, keyBits, options);
  if (keyBits.length === 97) return p384.verify(signature, digest, keyBits, options);
  const [modulus, exponent] = inside(keyBits).map((element) => number(contentOf(element))) as [bigint, bigint];
  return power(number(signature), exponent, modulus) === number(pkcs1Padded(hash, digest, Math.ceil(modulus.toString(2).length / 8)));
}

function inside(element: Uint8Array): Uint8Array[] {
  const content = contentOf(element);
  const elements: Uint8Array[] = [];
  for (let at = 0; at < content.length; at += (elements.at(-1) as Uint8Array).length) {
    const rest = content.subarray(at);
    elements.push(rest.subarray(0, headBytes(rest) + lengthOf(rest)));
  }
  return elements;
}

function headBytes(bytes: Uint8Array): number {
  const first = bytes[1] as number;
  return first < 0x80 ? 2 : 2 + (first & 0x7f);
}

function lengthOf(bytes: Uint8Array): number {
  const first = bytes[1] as number;
  return first < 0x80 ? first : Number(number(bytes.subarray(2, headBytes(bytes))));
}

function contentOf(bytes: Uint8Array): Uint8Array {
  return bytes.subarray(headBytes(bytes), headBytes(bytes) + lengthOf(bytes));
}
