/**
 * Where the next page of a list begins, in its caller's hands (`docs/protocol.md` clause 13): the last key of the page, sealed under
 * the app's record key of some epoch, for one app and one prefix. Every node that holds the epoch opens it; nobody else makes one.
 */
import { AEAD_NONCE_BYTES, AEAD_TAG_BYTES, openBytes, sealBytes } from '../crypto/aead.ts';
import { parseEpoch } from '../identity.ts';
import { KEY_BYTES_MAX } from '../limits.ts';
import { base64, concat, hex, parseBase64, parseHex, parseUtf8, utf8 } from '../wire/bytes.ts';
import type { AppId, Epoch } from '../identity.ts';
import type { Random } from '../ports.ts';
import type { DataKeys } from './interface.ts';

/** What a cursor is for: it opens for nothing else. */
export interface Listing {
  readonly appId: AppId;
  readonly prefix: string;
}

const LABEL = utf8('nova-kms:cursor:1');
const APP_ID_BYTES = 32;
const EPOCH_BYTES = 8;
const SEALED_AT = EPOCH_BYTES + AEAD_NONCE_BYTES;
const BYTES_MIN = SEALED_AT + AEAD_TAG_BYTES + 1;
const BYTES_MAX = SEALED_AT + AEAD_TAG_BYTES + KEY_BYTES_MAX;
const CHARS_MAX = Math.ceil((BYTES_MAX * 4) / 3);

/** base64url of epoch (u64, big-endian) ‖ nonce ‖ ciphertext ‖ tag. `undefined` when the epoch's key is not held. */
export function sealCursor(
  listing: Listing,
  lastKey: string,
  epoch: Epoch,
  keys: Pick<DataKeys, 'recordKey'>,
  random: Random,
): string | undefined {
  const key = keys.recordKey(listing.appId, epoch);
  if (!key) return undefined;
  const nonce = random.bytes(AEAD_NONCE_BYTES);
  const sealed = sealBytes(key, nonce, utf8(lastKey), associatedOf(listing));
  return base64(concat(encodeEpoch(epoch), nonce, sealed))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '');
}

/** The key after which the page begins; `undefined` for what was not sealed for this app and prefix, or of an epoch that is not held. */
export function openCursor(listing: Listing, text: string, keys: Pick<DataKeys, 'recordKey'>): string | undefined {
  const bytes = text.length <= CHARS_MAX && /^[\w-]*$/.test(text) ? parseBase64(padded(text)) : undefined;
  if (!bytes || bytes.length < BYTES_MIN || bytes.length > BYTES_MAX) return undefined;
  const epoch = parseEpoch(Number(`0x${hex(bytes.subarray(0, EPOCH_BYTES))}`));
  const key = epoch === undefined ? undefined : keys.recordKey(listing.appId, epoch);
  if (!key) return undefined;
  const opened = openBytes(key, bytes.subarray(EPOCH_BYTES, SEALED_AT), bytes.subarray(SEALED_AT), associatedOf(listing));
  return opened && parseUtf8(opened);
}

/** Lengths are fixed but for the last, so no two listings share it. */
function associatedOf({ appId, prefix }: Listing): Uint8Array {
  return concat(LABEL, bytesOf(appId, APP_ID_BYTES), utf8(prefix));
}

function encodeEpoch(epoch: Epoch): Uint8Array {
  return bytesOf(BigInt(epoch), EPOCH_BYTES);
}

function bytesOf(number: bigint, length: number): Uint8Array {
  return parseHex(number.toString(16).padStart(2 * length, '0')) ?? new Uint8Array(length);
}

function padded(text: string): string {
  const standard = text.replaceAll('-', '+').replaceAll('_', '/');
  return standard.padEnd(Math.ceil(standard.length / 4) * 4, '=');
}
