/**
 * Sealed frames of a peer session (`docs/protocol.md` clause 7.4). The counter is the nonce; direction, session, both
 * incarnations, type and counter are authenticated, so a frame fits one place only.
 */
import { openBytes, sealBytes, AEAD_NONCE_BYTES, AEAD_TAG_BYTES } from '../crypto/aead.ts';
import { Refusal } from '../errors.ts';
import { FRAME_PAYLOAD_BYTES_MAX } from '../limits.ts';
import { concat } from '../wire/bytes.ts';
import { encodeCbor } from '../wire/cbor.ts';
import type { DirectionalKeys } from './keys.ts';

export const SESSION_ID_BYTES = 16;

/** Their places are their numbers on the wire. */
export type FrameType = 'endorsement' | 'handover' | DataFrameType;
/** Those of the store's replication (`docs/protocol.md` clause 13). */
export type DataFrameType = 'delta' | 'ack' | 'snapshot' | 'digest';
const FRAME_TYPES: readonly FrameType[] = ['endorsement', 'handover', 'delta', 'ack', 'snapshot', 'digest'];

/** version ‖ session ‖ type ‖ counter (big-endian) ‖ sealed payload. */
const VERSION = 1;
const TYPE_AT = 1 + SESSION_ID_BYTES;
const COUNTER_AT = TYPE_AT + 1;
const OUTSIDE_BYTES = COUNTER_AT + 8;

export type Direction = 'toResponder' | 'toInitiator';

export interface SessionSecrets {
  readonly id: Uint8Array;
  readonly initiatorIncarnation: Uint8Array;
  readonly responderIncarnation: Uint8Array;
  readonly keys: DirectionalKeys;
}

export interface Frame {
  readonly session: Uint8Array;
  readonly counter: number;
  readonly type: FrameType;
  readonly sealed: Uint8Array;
}

/** The frame as it is sent. No counter may come twice under one key and direction: it is the nonce. */
export function sealFrame(
  session: SessionSecrets,
  direction: Direction,
  type: FrameType,
  counter: number,
  payload: Uint8Array,
): Uint8Array {
  const outside = new Uint8Array(OUTSIDE_BYTES);
  outside[0] = VERSION;
  outside.set(session.id, 1);
  outside[TYPE_AT] = FRAME_TYPES.indexOf(type);
  new DataView(outside.buffer).setBigUint64(COUNTER_AT, BigInt(counter));
  return concat(outside, sealBytes(session.keys[direction], nonceOf(counter), payload, associatedOf(session, direction, type, counter)));
}

/** Reads the outside of a frame, byte by fixed byte: nothing of a stranger is parsed. Nothing in it is trusted before `openFrame`. */
export function decodeFrame(bytes: Uint8Array): Frame {
  if (bytes.length < OUTSIDE_BYTES + AEAD_TAG_BYTES || bytes.length > OUTSIDE_BYTES + FRAME_PAYLOAD_BYTES_MAX + AEAD_TAG_BYTES) {
    throw new Refusal('frame_malformed', `${bytes.length} bytes are no frame`);
  }
  const type = FRAME_TYPES[bytes[TYPE_AT] as number];
  const counter = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getBigUint64(COUNTER_AT);
  if (bytes[0] !== VERSION || !type || counter > BigInt(Number.MAX_SAFE_INTEGER))
    throw new Refusal('frame_malformed', 'not a frame of version 1');
  return { session: bytes.slice(1, TYPE_AT), counter: Number(counter), type, sealed: bytes.subarray(OUTSIDE_BYTES) };
}

/** The payload. Throws `frame_unauthentic`. */
export function openFrame(session: SessionSecrets, direction: Direction, frame: Frame): Uint8Array {
  const associated = associatedOf(session, direction, frame.type, frame.counter);
  const payload = openBytes(session.keys[direction], nonceOf(frame.counter), frame.sealed, associated);
  if (!payload) throw new Refusal('frame_unauthentic');
  return payload;
}

function associatedOf(session: SessionSecrets, direction: Direction, type: FrameType, counter: number): Uint8Array {
  return encodeCbor(['nova-kms:frame:1', direction, session.id, session.initiatorIncarnation, session.responderIncarnation, type, counter]);
}

function nonceOf(counter: number): Uint8Array {
  const nonce = new Uint8Array(AEAD_NONCE_BYTES);
  new DataView(nonce.buffer).setBigUint64(AEAD_NONCE_BYTES - 8, BigInt(counter));
  return nonce;
}
