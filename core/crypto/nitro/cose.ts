/** COSE_Sign1 (RFC 9052 §4.2) with ES384 (RFC 9053 §2.1), as the Nitro Security Module writes it: untagged, or under tag 18. */
import { concat, equalBytes, utf8 } from '../../wire/bytes.ts';
import { decodeDocumentCbor } from './cbor.ts';
import { Unverified } from './fault.ts';
import { SIGNATURE_BYTES } from './ecdsa.ts';

export interface Signed {
  readonly payload: Uint8Array;
  /** The Sig_structure (RFC 9052 §4.4): what the signature is over. */
  readonly message: Uint8Array;
  /** r‖s. */
  readonly signature: Uint8Array;
}

const TAG_18 = 0xd2;
/** {1: −35}, the only protected header there is. */
const ES384 = Uint8Array.of(0xa1, 0x01, 0x38, 0x22);
const LIST_OF_4 = Uint8Array.of(0x84);
const EMPTY_MAP = Uint8Array.of(0xa0);
/** A list of four that begins with the context. */
const BEFORE_PROTECTED = concat(LIST_OF_4, Uint8Array.of(0x6a), utf8('Signature1'));

/** Parts of strangers' bytes, of which nothing is verified yet. Throws `Unverified`. */
export function parseCoseSign1(bytes: Uint8Array): Signed {
  const untagged = bytes[0] === TAG_18 ? bytes.subarray(1) : bytes;
  const parts = decodeDocumentCbor(untagged);
  if (!Array.isArray(parts) || parts.length !== 4) throw new Unverified('cose_malformed', 'not a list of four');
  const [header, unprotected, payload, signature] = parts;
  if (!(header instanceof Uint8Array) || !(unprotected instanceof Map)) throw new Unverified('cose_malformed', 'not two headers');
  if (!equalBytes(header, ES384)) throw new Unverified('algorithm_refused', 'the protected header is not ES384 alone');
  if (unprotected.size > 0) throw new Unverified('algorithm_refused', 'an unprotected header');
  if (!(payload instanceof Uint8Array) || !(signature instanceof Uint8Array)) throw new Unverified('cose_malformed', 'no payload');
  if (signature.length !== SIGNATURE_BYTES) throw new Unverified('cose_malformed', `a signature of ${signature.length} bytes`);
  const [head, body] = [bytesItem(header), bytesItem(payload)];
  // What is around the payload is not signed: it has one form, or one document would have many.
  if (!equalBytes(untagged, concat(LIST_OF_4, head, EMPTY_MAP, body, bytesItem(signature))))
    throw new Unverified('cose_malformed', 'with indefinite lengths');
  return { payload, message: concat(BEFORE_PROTECTED, head, bytesItem(new Uint8Array(0)), body), signature };
}

/** A byte string with its head, in its shortest form; shorter than 64 KiB, as whole documents are. */
function bytesItem(bytes: Uint8Array): Uint8Array {
  const { length } = bytes;
  if (length < 24) return concat(Uint8Array.of(0x40 | length), bytes);
  return concat(length < 0x100 ? Uint8Array.of(0x58, length) : Uint8Array.of(0x59, length >> 8, length & 0xff), bytes);
}
