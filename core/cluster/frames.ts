/**
 * Sealed frames of a peer session (`docs/protocol.md` clause 7.4). The counter is the nonce; direction, session, both
 * incarnations, type and counter are authenticated, so a frame fits one place only.
 */
import { openBytes, sealBytes, AEAD_NONCE_BYTES, AEAD_TAG_BYTES } from '../crypto/aead.ts';
import { Refusal } from '../errors.ts';
import { FRAME_PAYLOAD_BYTES_MAX } from '../limits.ts';
import { decodeCborMap, encodeCbor, readBytes, readCount, readText } from '../wire/cbor.ts';
import type { DirectionalKeys } from './keys.ts';

export const INCARNATION_BYTES = 16;
export const SESSION_ID_BYTES = 16;

/** Types that later rooms add: `delta`, `ack`, `snapshot`, `digest`. */
export type FrameType = 'endorsement' | 'handover';
const FRAME_TYPES: readonly FrameType[] = ['endorsement', 'handover'];

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

export function sealFrame(
  session: SessionSecrets,
  direction: Direction,
  type: FrameType,
  counter: number,
  payload: Uint8Array,
): Uint8Array {
  const sealed = sealBytes(session.keys[direction], nonceOf(counter), payload, associatedOf(session, direction, type, counter));
  return encodeCbor({ v: 1, kind: 'frame', session: session.id, counter, type, sealed });
}

/** Reads the outside of a frame; nothing in it is trusted before `openFrame`. */
export function decodeFrame(bytes: Uint8Array): Frame {
  const map = decodeCborMap(bytes, ['v', 'kind', 'session', 'counter', 'type', 'sealed']);
  if (map.get('v') !== 1 || map.get('kind') !== 'frame') throw new Refusal('frame_malformed', 'not a frame of version 1');
  const type = FRAME_TYPES.find((known) => known === readText(map, 'type', 32));
  if (!type) throw new Refusal('frame_malformed', 'unknown type');
  const sealed = readBytes(map, 'sealed', { max: FRAME_PAYLOAD_BYTES_MAX + AEAD_TAG_BYTES });
  return { session: readBytes(map, 'session', SESSION_ID_BYTES), counter: readCount(map, 'counter'), type, sealed };
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
