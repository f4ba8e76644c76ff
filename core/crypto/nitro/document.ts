/**
 * The payload of an attestation document: its members, each of its type and size, and no other. A document of a NitroTPM, which the same
 * root signs, has other members and is none of these.
 * @see https://docs.aws.amazon.com/enclaves/latest/user/verify-root.html
 */
import { decodeDocumentCbor } from './cbor.ts';
import { Unverified } from './fault.ts';
import type { CborTable, CborValue } from './cbor.ts';

/** What a document says; nothing of it is believed before its signatures are verified. All bytes are views into the document. */
export interface Document {
  readonly moduleId: string;
  readonly timeMs: number;
  readonly pcrs: ReadonlyMap<number, Uint8Array>;
  /** DER of the leaf. */
  readonly certificate: Uint8Array;
  /** DER of the others, root first. */
  readonly bundle: readonly Uint8Array[];
  readonly publicKey: Uint8Array | undefined;
  readonly userData: Uint8Array | undefined;
  readonly nonce: Uint8Array | undefined;
}

const REQUIRED = ['module_id', 'digest', 'timestamp', 'pcrs', 'certificate', 'cabundle'];
const OPTIONAL = ['public_key', 'user_data', 'nonce'];

/** An instance and an enclave id; those there are have some forty characters. */
const MODULE_ID_CHARS_MAX = 128;
const PCR_INDEX_MAX = 31;
const PCR_BYTES = [32, 48, 64];
/** Image, kernel and application: there in every document, and SHA-384. */
const MEASURED = [0, 1, 2];
const MEASURED_BYTES = 48;
const CERTIFICATE_BYTES_MAX = 1_024;
/** AWS has four; each costs a verification. */
const BUNDLE_MAX = 8;
const PUBLIC_KEY_BYTES_MAX = 1_024;
const USER_DATA_BYTES_MAX = 512;
const NONCE_BYTES_MAX = 512;

/** Throws `Unverified`. */
export function parseDocument(payload: Uint8Array): Document {
  const members = decodeDocumentCbor(payload);
  if (!(members instanceof Map)) throw new Unverified('member_missing', 'not a map');
  const odd = [...members.keys()].find((key) => !REQUIRED.includes(String(key)) && !OPTIONAL.includes(String(key)));
  if (odd !== undefined) throw new Unverified('member_unknown', String(odd).slice(0, 32));
  const absent = REQUIRED.find((name) => !members.has(name));
  if (absent !== undefined) throw new Unverified('member_missing', absent);
  if (members.get('digest') !== 'SHA384') throw malformed('digest');
  return {
    moduleId: readModuleId(members.get('module_id')),
    timeMs: readTimeMs(members.get('timestamp')),
    pcrs: readPcrs(members.get('pcrs')),
    certificate: readSized(members.get('certificate'), 'certificate', 1, CERTIFICATE_BYTES_MAX),
    bundle: readBundle(members.get('cabundle')),
    publicKey: readOptional(members, 'public_key', 1, PUBLIC_KEY_BYTES_MAX),
    userData: readOptional(members, 'user_data', 0, USER_DATA_BYTES_MAX),
    nonce: readOptional(members, 'nonce', 0, NONCE_BYTES_MAX),
  };
}

function readModuleId(value: CborValue | undefined): string {
  if (typeof value !== 'string' || value === '' || value.length > MODULE_ID_CHARS_MAX) throw malformed('module_id');
  return value;
}

function readTimeMs(value: CborValue | undefined): number {
  if (typeof value !== 'number' || value <= 0) throw malformed('timestamp');
  return value;
}

function readPcrs(value: CborValue | undefined): ReadonlyMap<number, Uint8Array> {
  if (!(value instanceof Map)) throw malformed('pcrs');
  const pcrs = new Map([...value].map(([index, digest]) => readPcr(index, digest)));
  const short = MEASURED.find((index) => pcrs.get(index)?.length !== MEASURED_BYTES);
  if (short !== undefined) throw malformed(`pcrs: ${short} is not of ${MEASURED_BYTES} bytes`);
  return pcrs;
}

function readPcr(index: number | string, digest: CborValue): readonly [number, Uint8Array] {
  if (typeof index !== 'number' || index < 0 || index > PCR_INDEX_MAX) throw malformed('pcrs: an index');
  if (!(digest instanceof Uint8Array) || !PCR_BYTES.includes(digest.length)) throw malformed(`pcrs: ${index}`);
  return [index, digest];
}

function readBundle(value: CborValue | undefined): readonly Uint8Array[] {
  if (!Array.isArray(value) || value.length === 0 || value.length > BUNDLE_MAX) throw malformed('cabundle');
  return value.map((item: CborValue, index) => readSized(item, `cabundle: ${index}`, 1, CERTIFICATE_BYTES_MAX));
}

/** Left out and null are the same. */
function readOptional(members: CborTable, name: string, bytesMin: number, bytesMax: number): Uint8Array | undefined {
  const value = members.get(name) ?? null;
  return value === null ? undefined : readSized(value, name, bytesMin, bytesMax);
}

function readSized(value: CborValue | undefined, name: string, bytesMin: number, bytesMax: number): Uint8Array {
  if (!(value instanceof Uint8Array) || value.length < bytesMin || value.length > bytesMax) throw malformed(name);
  return value;
}

function malformed(detail: string): Unverified {
  return new Unverified('member_malformed', detail);
}
