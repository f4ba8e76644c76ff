/**
 * The box of one enclave: P-384 ECDH, HKDF-SHA256, AES-256-GCM, in every key schedule that released platforms have used.
 * The Odyn seals and opens with it, and so do the apps of the tests, which are enclaves with an Odyn of their own.
 * Nothing in a sealed text says which schedule made it: both ends must run the same one.
 */
import { createCipheriv, createDecipheriv, createECDH, hkdfSync, randomBytes } from 'node:crypto';

export type Hex = `0x${string}`;

interface Schedule {
  readonly info: string;
  /** Salted with both public points and the nonce; without, the salt is HKDF's 32 zero bytes. */
  readonly isBound: boolean;
  readonly nonceBytesEmitted: 12 | 32;
  readonly acceptsNonceBytes: (length: number) => boolean;
  readonly refusesReuse: boolean;
}

const unbound = { info: 'encryption data', isBound: false };
const acceptsShortOrLong = (length: number): boolean => length === 12 || length === 32;
const bound = { isBound: true, nonceBytesEmitted: 12, acceptsNonceBytes: acceptsShortOrLong, refusesReuse: true } as const;

/** Named after the release that introduced them. */
export const schedules = {
  'v1.3.0': { ...unbound, nonceBytesEmitted: 32, acceptsNonceBytes: (length: number) => length >= 12, refusesReuse: false },
  'v1.4.0': { ...unbound, nonceBytesEmitted: 32, acceptsNonceBytes: acceptsShortOrLong, refusesReuse: true },
  'v1.4.1': { ...unbound, nonceBytesEmitted: 12, acceptsNonceBytes: acceptsShortOrLong, refusesReuse: true },
  'v1.4.2': { ...bound, info: 'enclaver-ecdh-aes256gcm-v1' },
  'v1.7.2': { ...bound, info: 'capsule-api-ecdh-aes256gcm-v1' },
  'v1.8.0': { ...bound, info: 'capsule-ecdh-aes256gcm-v1' },
} as const satisfies Record<string, Schedule>;

export type KeySchedule = keyof typeof schedules;

/** Both in lower-case hex without `0x`; the 16-byte tag ends `encryptedData`. */
export interface Sealed {
  readonly nonce: string;
  readonly encryptedData: string;
}

export interface Box {
  readonly boxKey: Hex;
  /** SPKI DER, lower-case hex without `0x`, as the registry and the envelopes carry it. */
  readonly teePubkey: string;
  readonly keySchedule: KeySchedule;
  /** The nonce is drawn afresh unless a vector fixes it. */
  sealTo(peerTeePubkey: string, plaintext: Uint8Array, nonce?: Uint8Array): Sealed;
  /** Throws when the nonce has a length that the schedule refuses, the key is no P-384 key, or the tag does not verify. */
  openFrom(peerTeePubkey: string, sealed: Sealed): Uint8Array;
}

/** What stands before the uncompressed point in the SPKI DER of every P-384 key. */
const spkiPrefix = '3076301006072a8648ce3d020106052b81040022036200';
const pointBytes = 97;
const nonceBytes = 12;
const tagBytes = 16;

export function newBoxKey(): Hex {
  const ecdh = createECDH('secp384r1');
  ecdh.generateKeys();
  return `0x${ecdh.getPrivateKey().toString('hex').padStart(96, '0')}`;
}

export function createBox(keySchedule: KeySchedule = 'v1.8.0', boxKey: Hex = newBoxKey()): Box {
  const schedule: Schedule = schedules[keySchedule];
  const ecdh = createECDH('secp384r1');
  ecdh.setPrivateKey(Buffer.from(boxKey.slice(2), 'hex'));
  const ownPoint = ecdh.getPublicKey();

  function deriveKey(peerTeePubkey: string, nonce: Uint8Array): Uint8Array {
    const peerPoint = parsePoint(peerTeePubkey);
    const salt = schedule.isBound ? bindingSalt(ownPoint, peerPoint, nonce) : new Uint8Array(32);
    return new Uint8Array(hkdfSync('sha256', ecdh.computeSecret(peerPoint), salt, schedule.info, 32));
  }

  function sealTo(peerTeePubkey: string, plaintext: Uint8Array, nonce: Uint8Array = randomBytes(schedule.nonceBytesEmitted)): Sealed {
    const used = usedNonce(schedule, nonce);
    const cipher = createCipheriv('aes-256-gcm', deriveKey(peerTeePubkey, used), used, { authTagLength: tagBytes });
    const encryptedData = Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]).toString('hex');
    return { nonce: Buffer.from(nonce).toString('hex'), encryptedData };
  }

  function openFrom(peerTeePubkey: string, sealed: Sealed): Uint8Array {
    const used = usedNonce(schedule, Buffer.from(sealed.nonce, 'hex'));
    const bytes = Buffer.from(sealed.encryptedData, 'hex');
    // The cipher itself accepts tags of four bytes: a text too short for a whole tag is refused here.
    if (bytes.length < tagBytes) throw new Error('encrypted data is shorter than its tag');
    const decipher = createDecipheriv('aes-256-gcm', deriveKey(peerTeePubkey, used), used, { authTagLength: tagBytes });
    decipher.setAuthTag(bytes.subarray(-tagBytes));
    return new Uint8Array(Buffer.concat([decipher.update(bytes.subarray(0, -tagBytes)), decipher.final()]));
  }

  return { boxKey, teePubkey: spkiPrefix + ownPoint.toString('hex'), keySchedule, sealTo, openFrom };
}

/** The part of a nonce that reaches the cipher: what two texts must not share. */
export function usedNonce(schedule: Schedule, nonce: Uint8Array): Uint8Array {
  if (!schedule.acceptsNonceBytes(nonce.length)) throw new Error(`invalid nonce length ${nonce.length}`);
  return nonce.subarray(0, nonceBytes);
}

function parsePoint(teePubkey: string): Buffer {
  const digits = teePubkey.toLowerCase();
  const isWhole = digits.startsWith(spkiPrefix) && digits.length === spkiPrefix.length + pointBytes * 2;
  if (!isWhole) throw new Error('not the SPKI DER of an uncompressed P-384 key');
  return Buffer.from(digits.slice(spkiPrefix.length), 'hex');
}

/** Both sides must reach the same salt, so the points go in by their order as bytes. */
function bindingSalt(one: Buffer, other: Buffer, nonce: Uint8Array): Uint8Array {
  const [first, second] = Buffer.compare(one, other) <= 0 ? [one, other] : [other, one];
  return Buffer.concat([first, second, nonce]);
}
