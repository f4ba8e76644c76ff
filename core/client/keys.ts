/**
 * An enclave's two keys in memory, for apps without an Odyn beside them: a secp256k1 wallet and a P-384 TEE key, signing and
 * sealing byte for byte as Odyn does. Nothing in a sealed text says which key schedule made it, so both ends must use the same
 * generation of the platform (`docs/protocol.md` clause 4).
 */
import { createECDH } from 'node:crypto';
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { hkdf } from '@noble/hashes/hkdf.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { AEAD_KEY_BYTES, AEAD_NONCE_BYTES, openBytes, sealBytes } from '../crypto/aead.ts';
import { p384PointOf, p384SpkiOf } from '../crypto/spki.ts';
import { personalDigest, walletOf } from '../crypto/wallet.ts';
import { Refusal } from '../errors.ts';
import { concat, hex, parseHex, parseUtf8, utf8 } from '../wire/bytes.ts';
import { isJsonObject } from '../wire/json.ts';
import { KmsError } from './error.ts';
import type { Box, Random } from '../ports.ts';
import type { AppSigner } from './documents.ts';

/** Named after the release of the platform that introduced it. */
export type KeySchedule = 'v1.3.0' | 'v1.4.1' | 'v1.4.2' | 'v1.7.2' | 'v1.8.0';

/** Both as hex, with or without `0x`: 32 bytes of secp256k1, up to 48 of P-384. */
export interface SecretKeys {
  readonly walletPrivateKey: string;
  readonly teePrivateKey: string;
  /** Default `v1.8.0`. */
  readonly keySchedule?: KeySchedule;
}

export interface EnclaveKeys {
  /** With `signAttested` where there is an enclave around the key. */
  readonly signer: AppSigner;
  readonly box: Pick<Box, 'publicKey' | 'seal' | 'open'>;
}

interface Schedule {
  readonly info: string;
  /** Salted with both points and the nonce; before, with nothing. */
  readonly isBound: boolean;
  /** Of these, the first 12 reach the cipher. */
  readonly nonceBytes: 12 | 32;
}

const SCHEDULES: Readonly<Record<KeySchedule, Schedule>> = {
  'v1.3.0': { info: 'encryption data', isBound: false, nonceBytes: 32 },
  'v1.4.1': { info: 'encryption data', isBound: false, nonceBytes: 12 },
  'v1.4.2': { info: 'enclaver-ecdh-aes256gcm-v1', isBound: true, nonceBytes: 12 },
  'v1.7.2': { info: 'capsule-api-ecdh-aes256gcm-v1', isBound: true, nonceBytes: 12 },
  'v1.8.0': { info: 'capsule-ecdh-aes256gcm-v1', isBound: true, nonceBytes: 12 },
};

const WALLET_KEY_BYTES = 32;
const TEE_KEY_BYTES = 48;
const NOTHING = new Uint8Array(0);

/** Throws `bad_argument`, without the key, for what is none. */
export function createKeys(secrets: SecretKeys, random: Random): EnclaveKeys {
  if (!isJsonObject(secrets)) throw new KmsError('bad_argument', 'keysInMemory takes { walletPrivateKey, teePrivateKey }.');
  const { walletPrivateKey, teePrivateKey, keySchedule = 'v1.8.0' } = secrets as unknown as SecretKeys;
  if (typeof walletPrivateKey !== 'string' || typeof teePrivateKey !== 'string')
    throw new KmsError('bad_argument', 'walletPrivateKey and teePrivateKey must be texts of hex.');
  const schedule = Object.hasOwn(SCHEDULES, keySchedule) ? SCHEDULES[keySchedule] : undefined;
  if (!schedule) throw new KmsError('bad_argument', `keySchedule must be one of ${Object.keys(SCHEDULES).join(', ')}.`);
  return { signer: walletSigner(walletPrivateKey), box: teeBox(teePrivateKey, schedule, random) };
}

function walletSigner(privateKey: string): EnclaveKeys['signer'] {
  const key = parseHex(privateKey);
  if (key?.length !== WALLET_KEY_BYTES || !secp256k1.utils.isValidSecretKey(key))
    throw new KmsError('bad_argument', 'walletPrivateKey must be a secp256k1 key as hex, 32 bytes.');
  const wallet = walletOf(secp256k1.getPublicKey(key, false));
  return {
    address: async () => wallet,
    async sign(text) {
      const recovered = secp256k1.sign(personalDigest(text), key, { prehash: false, format: 'recovered' });
      return `0x${hex(recovered.subarray(1))}${hex(recovered.subarray(0, 1))}`;
    },
  };
}

function teeBox(privateKey: string, { info, isBound, nonceBytes }: Schedule, random: Random): EnclaveKeys['box'] {
  const ecdh = agreement(privateKey);
  const ownPoint = new Uint8Array(ecdh.getPublicKey());
  const publicKey = p384SpkiOf(ownPoint);

  function keyFor(theirs: Uint8Array, nonce: Uint8Array): Uint8Array {
    const point = p384PointOf(theirs);
    if (!point) throw new Refusal('odyn_unavailable', 'the recipient’s TEE key is no SPKI DER of P-384');
    const [first, second] = hex(ownPoint) < hex(point) ? [ownPoint, point] : [point, ownPoint];
    return hkdf(sha256, shared(point), isBound ? concat(first, second, nonce) : undefined, utf8(info), AEAD_KEY_BYTES);
  }

  function shared(point: Uint8Array): Uint8Array {
    try {
      return new Uint8Array(ecdh.computeSecret(point));
    } catch (error) {
      throw new Refusal('odyn_unavailable', 'the recipient’s TEE key is no point of P-384', error);
    }
  }

  return {
    publicKey: async () => publicKey,
    async seal(recipient, plaintext) {
      const nonce = random.bytes(nonceBytes);
      const used = nonce.subarray(0, AEAD_NONCE_BYTES);
      return { senderTeePubkey: publicKey, nonce, encrypted: sealBytes(keyFor(recipient, used), used, utf8(plaintext), NOTHING) };
    },
    async open({ senderTeePubkey, nonce, encrypted }) {
      const used = nonce.subarray(0, AEAD_NONCE_BYTES);
      const bytes = openBytes(keyFor(senderTeePubkey, used), used, encrypted, NOTHING);
      const text = bytes && parseUtf8(bytes);
      if (text === undefined) throw new Refusal('envelope_unopenable');
      return text;
    },
  };
}

function agreement(privateKey: string): ReturnType<typeof createECDH> {
  const key = parseHex(privateKey);
  const ecdh = createECDH('secp384r1');
  try {
    if (!key || key.length === 0 || key.length > TEE_KEY_BYTES) throw new RangeError('length');
    ecdh.setPrivateKey(concat(new Uint8Array(TEE_KEY_BYTES - key.length), key));
    return ecdh;
  } catch {
    // The host's own error may show the key: it is not kept.
    throw new KmsError('bad_argument', 'teePrivateKey must be a P-384 key as hex, at most 48 bytes.');
  }
}
