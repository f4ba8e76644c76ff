/** Keys, certificate requests of any shape, and a certificate authority to send them to. */
import { createHash, generateKeyPairSync, generatePrimeSync, sign } from 'node:crypto';
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { bytesOf, encodeDer, objectId, sequence } from '../../../core/ca/der.ts';
import { createCa } from '../../../core/ca/issuer.ts';
import { secretHash } from '../../../core/crypto/kdf.ts';
import { createVault } from '../../../core/crypto/vault.ts';
import { concat, parseHex, utf8 } from '../../../core/wire/bytes.ts';
import { createClock, createRandom, epochOf, profile } from '../fakes.ts';
import type { EpochRecord } from '../../../core/chain/registry.ts';
import type { Ca } from '../../../core/ca/issuer.ts';
import type { AppId } from '../../../core/identity.ts';
import type { Vault } from '../../../core/crypto/vault.ts';
import type { VirtualClock } from '../fakes.ts';

/** 000102…1e1f. */
export const SECRET = Uint8Array.from({ length: 32 }, (_, index) => index);
export const ACTIVATED_AT_MS = 1_770_000_000_000;
export const subject = { appId: 43n as AppId, instanceId: 21n };

export interface TestCa {
  readonly ca: Ca;
  readonly vault: Vault;
  readonly clock: VirtualClock;
  readonly record: (epoch: number, changes?: Partial<EpochRecord>) => EpochRecord;
}

/** Of epochs 0 and 1, one day after the activation of each. */
export function createTestCa(secret: Uint8Array = SECRET, trustDomain = profile.trustDomain): TestCa {
  const vault = createVault();
  const hash = secretHash(secret);
  for (const epoch of [0, 1]) vault.install(epochOf(epoch), hash, secret);
  const clock = createClock(ACTIVATED_AT_MS + 86_400_000);
  const ca = createCa({ vault, trustDomain, random: createRandom('ca'), clock });
  const record = (epoch: number, changes = {}) => ({
    ...{ epoch: epochOf(epoch), state: 'active' as const, hash, openedAtBlock: 1, activatedAtMs: ACTIVATED_AT_MS },
    ...changes,
  });
  return { ca, vault, clock, record };
}

/** A key that signs requests: its SubjectPublicKeyInfo, an AlgorithmIdentifier and what makes signatures under it. */
export interface Signing {
  readonly spki: Uint8Array;
  readonly algorithm: Uint8Array;
  readonly sign: (message: Uint8Array) => Uint8Array;
  readonly privateKeyPem?: string;
}

const NULL = bytesOf('0500');
export const algorithmOf = (oid: string, parameters: Uint8Array = new Uint8Array(0)): Uint8Array => sequence(objectId(oid), parameters);
export const ALGORITHM = {
  ecdsaSha1: algorithmOf('1.2.840.10045.4.1'),
  ecdsaSha256: algorithmOf('1.2.840.10045.4.3.2'),
  ecdsaSha384: algorithmOf('1.2.840.10045.4.3.3'),
  ecdsaSha512: algorithmOf('1.2.840.10045.4.3.4'),
  rsaMd5: algorithmOf('1.2.840.113549.1.1.4', NULL),
  rsaSha1: algorithmOf('1.2.840.113549.1.1.5', NULL),
  rsaSha256: algorithmOf('1.2.840.113549.1.1.11', NULL),
  rsaSha384: algorithmOf('1.2.840.113549.1.1.12', NULL),
  rsaSha512: algorithmOf('1.2.840.113549.1.1.13', NULL),
  rsaPss: algorithmOf('1.2.840.113549.1.1.10', bytesOf('3000')),
  ed25519: algorithmOf('1.3.101.112'),
} as const;

export function ecSigning(namedCurve: string, hash = 'sha256', algorithm: Uint8Array = ALGORITHM.ecdsaSha256): Signing {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve });
  return {
    spki: new Uint8Array(publicKey.export({ format: 'der', type: 'spki' })),
    algorithm,
    sign: (message) => new Uint8Array(sign(hash, message, privateKey)),
    privateKeyPem: privateKey.export({ format: 'pem', type: 'pkcs8' }) as string,
  };
}

export function ed25519Signing(): Signing {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  return {
    spki: new Uint8Array(publicKey.export({ format: 'der', type: 'spki' })),
    algorithm: ALGORITHM.ed25519,
    sign: (message) => new Uint8Array(sign(null, message, privateKey)),
    privateKeyPem: privateKey.export({ format: 'pem', type: 'pkcs8' }) as string,
  };
}

export function rsaHostSigning(): Signing {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 });
  return {
    spki: new Uint8Array(publicKey.export({ format: 'der', type: 'spki' })),
    algorithm: ALGORITHM.rsaSha256,
    sign: (message) => new Uint8Array(sign('sha256', message, privateKey)),
    privateKeyPem: privateKey.export({ format: 'pem', type: 'pkcs8' }) as string,
  };
}

export function secp256k1Signing(): Signing {
  const key = createHash('sha256').update('secp256k1').digest();
  const spki = concat(bytesOf('3056301006072a8648ce3d020106052b8104000a034200'), secp256k1.getPublicKey(key, false));
  return { spki, algorithm: ALGORITHM.ecdsaSha256, sign: (message) => secp256k1.sign(message, key, { format: 'der' }) };
}

/** SubjectPublicKeyInfo of RSA numbers, whatever they are. */
export function rsaSpki(modulus: Uint8Array, exponent: Uint8Array): Uint8Array {
  const key = sequence(encodeDer(0x02, modulus), encodeDer(0x02, exponent));
  return sequence(algorithmOf('1.2.840.113549.1.1.1', NULL), encodeDer(0x03, Uint8Array.of(0), key));
}

export function unsigned(value: bigint): Uint8Array {
  const digits = value.toString(16);
  const bytes = parseHex(digits.length % 2 === 0 ? digits : `0${digits}`) as Uint8Array;
  return (bytes[0] as number) >= 0x80 ? concat(Uint8Array.of(0), bytes) : bytes;
}

const DIGEST_INFO = {
  sha256: '3031300d060960864801650304020105000420',
  sha384: '3041300d060960864801650304020205000430',
  sha512: '3051300d060960864801650304020305000440',
};

/** EMSA-PKCS1-v1_5 (RFC 8017 §9.2). */
export function pkcs1Padded(hash: keyof typeof DIGEST_INFO, digest: Uint8Array, length: number): Uint8Array {
  const named = concat(bytesOf(DIGEST_INFO[hash]), digest);
  return concat(Uint8Array.of(0, 1), new Uint8Array(length - named.length - 3).fill(0xff), Uint8Array.of(0), named);
}

/** RSA of exactly so many bits, made of small primes so that the largest takes no minute. PKCS #1 v1.5. */
export function rsaSigning(
  bits: number,
  { exponent = 65_537n, hash = 'sha256' as keyof typeof DIGEST_INFO, algorithm = ALGORITHM.rsaSha256 as Uint8Array } = {},
): Signing {
  const { modulus, totient } = rsaModulus(bits, exponent);
  const inverse = inverseOf(exponent, totient);
  const length = Math.ceil(bits / 8);
  return {
    spki: rsaSpki(unsigned(modulus), unsigned(exponent)),
    algorithm,
    sign(message) {
      const padded = pkcs1Padded(hash, createHash(hash).update(message).digest(), length);
      return leftPadded(power(number(padded), inverse, modulus), length);
    },
  };
}

function rsaModulus(bits: number, exponent: bigint): { modulus: bigint; totient: bigint } {
  const primes: bigint[] = [];
  const product = () => primes.reduce((whole, prime) => whole * prime, 1n);
  while (primes.length < 7) primes.push(primeFor(exponent, Math.floor(bits / 8)));
  const rest = bits - product().toString(2).length;
  do {
    primes.splice(7, 1, primeFor(exponent, rest));
  } while (product().toString(2).length !== bits);
  return { modulus: product(), totient: primes.reduce((whole, prime) => whole * (prime - 1n), 1n) };
}

/** One that leaves the exponent its inverse. */
function primeFor(exponent: bigint, bits: number): bigint {
  for (;;) {
    const prime = generatePrimeSync(bits, { bigint: true });
    if (gcd(exponent, prime - 1n) === 1n) return prime;
  }
}

function gcd(a: bigint, b: bigint): bigint {
  return b === 0n ? a : gcd(b, a % b);
}

function inverseOf(value: bigint, modulus: bigint): bigint {
  let [a, b, x, y] = [value, modulus, 1n, 0n];
  while (b !== 0n) [a, b, x, y] = [b, a % b, y, x - (a / b) * y];
  return ((x % modulus) + modulus) % modulus;
}

export function power(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let [result, square] = [1n, base % modulus];
  for (let left = exponent; left > 0n; left >>= 1n) {
    if ((left & 1n) === 1n) result = (result * square) % modulus;
    square = (square * square) % modulus;
  }
  return result;
}

export function number(bytes: Uint8Array): bigint {
  return bytes.reduce((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

function leftPadded(value: bigint, length: number): Uint8Array {
  return parseHex(value.toString(16).padStart(length * 2, '0')) as Uint8Array;
}

/** What a request says besides its key. */
export interface CsrParts {
  readonly version: Uint8Array;
  readonly subject: Uint8Array;
  readonly attributes: Uint8Array;
  readonly spki: Uint8Array;
  readonly algorithm: Uint8Array;
}

export const commonName = (value: Uint8Array): Uint8Array =>
  sequence(encodeDer(0x31, sequence(objectId('2.5.4.3'), encodeDer(0x0c, value))));

/** Any request in DER: what `parts` change, signed as it then is, and `bend` for what a signature does not cover. */
export function csrOf(
  signing: Signing,
  parts: Partial<CsrParts> = {},
  bend: (signature: Uint8Array) => Uint8Array = (same) => same,
): Uint8Array {
  const {
    version = bytesOf('020100'),
    subject: name = commonName(utf8('anything')),
    attributes = bytesOf('a000'),
    spki = signing.spki,
    algorithm = signing.algorithm,
  } = parts;
  const signed = sequence(version, name, spki, attributes);
  return sequence(signed, algorithm, encodeDer(0x03, Uint8Array.of(0), bend(signing.sign(signed))));
}

/** The attribute that asks for extensions (RFC 2985 §5.4.2). */
export function extensionRequest(...extensions: readonly Uint8Array[]): Uint8Array {
  return sequence(objectId('1.2.840.113549.1.9.14'), encodeDer(0x31, sequence(...extensions)));
}

export function extensionOf(oid: string, isCritical: boolean, value: Uint8Array): Uint8Array {
  return sequence(objectId(oid), ...(isCritical ? [bytesOf('0101ff')] : []), encodeDer(0x04, value));
}
