/**
 * The root of the simulated network's enclaves: one key and one certificate in every run, because builds and clusters carry it in their
 * profile. Whoever reads this can attest anything under it, which is why no release takes it.
 */
import { createECDH, createHash, createPrivateKey, generateKeyPairSync, sign } from 'node:crypto';
import { bytesOf } from '../../core/ca/der.ts';
import { P384_SPKI_HEAD } from '../../core/crypto/spki.ts';
import { concat, parseBase64 } from '../../core/wire/bytes.ts';
import { certificateOf, levelsAt, plansFor } from './certificates.ts';
import type { KeyObject } from 'node:crypto';
import type { CertificatePlan, TestKey } from './certificates.ts';

export interface Root {
  readonly key: TestKey;
  readonly der: Uint8Array;
}

/** Base64 of its DER, as the profile has it. */
export const SIMULATED_ROOT = [
  'MIIBrzCCATWgAwIBAgIEAPkxADAKBggqhkjOPQQDAzAeMQ0wCwYDVQQKDARUZXN0MQ0wCwYDVQQDDARyb290MCAXDTE5MTAyODEzMjgwNVoYDzIwNTQxMDI4',
  'MTQyODA1WjAeMQ0wCwYDVQQKDARUZXN0MQ0wCwYDVQQDDARyb290MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEBCWRjgzIMw4FruRNE9GcErABNyS6+bLC31U9',
  '+E0w2xWL4Mws32pmoJslhl1M1rle0az5XtDyjZ2mjWVgtch+L5P13Tn45vngh2TXC3rOrruickAlU/nViGV/W7ukL6jzo0IwQDAPBgNVHRMBAf8EBTADAQH/',
  'MB0GA1UdDgQWBBRaWlpaWlpaWlpaWlpaWlpaWlpaWjAOBgNVHQ8BAf8EBAMCAYYwCgYIKoZIzj0EAwMDaAAwZQIwHFZOeZ0tyAi73lg6v/UeKGOf57gVjsIc',
  'zGLEy354wV3Dz9iGfCcZIXzFO51mqpe8AjEAyVli1DTuWjLi8jhPF9tSL/M6LqJjA01Hc6aWNIHLrZTuMKsTksGalUQd7GVRoa5p',
].join('');

export function simulatedRoot(): Root {
  return { key: keyNamed('the root of the simulated network'), der: parseBase64(SIMULATED_ROOT) as Uint8Array };
}

/** Another one, as good by itself, in which no profile trusts. */
export function foreignRoot(): Root {
  const key = keyNamed('a root that nobody trusts');
  return { key, der: certificateOf(plansFor(levelsAt(0).slice(0, 1), [key])[0] as CertificatePlan) };
}

/** The same key for the same name. */
function keyNamed(name: string): TestKey {
  const ecdh = createECDH('secp384r1');
  const scalar = createHash('sha384').update(name).digest();
  ecdh.setPrivateKey(scalar);
  const point = ecdh.getPublicKey();
  const [x, y] = [point.subarray(1, 49), point.subarray(49)].map((half) => half.toString('base64url')) as [string, string];
  const jwk = { kty: 'EC', crv: 'P-384', d: scalar.toString('base64url'), x, y };
  return keyOf(createPrivateKey({ key: jwk, format: 'jwk' }), point);
}

export function freshKey(): TestKey {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' });
  const spki = publicKey.export({ format: 'der', type: 'spki' });
  return keyOf(privateKey, spki.subarray(P384_SPKI_HEAD.length / 2));
}

/** Signs by the host's own code, which is fast. */
function keyOf(privateKey: KeyObject, point: Uint8Array): TestKey {
  return {
    spki: concat(bytesOf(P384_SPKI_HEAD), point),
    point: new Uint8Array(point),
    sign: (message) => new Uint8Array(sign('sha384', message, { key: privateKey, dsaEncoding: 'ieee-p1363' })),
  };
}
