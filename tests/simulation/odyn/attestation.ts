/**
 * What the Odyn has its enclave's hardware attest, and in which form: the wallet always in the user data, whatever else is asked; keys of
 * a caller reduced to their bits; its own box's key without one.
 */
import { createPublicKey } from 'node:crypto';
import { OdynFailure, parseFields, type Fields } from './failure.ts';
import type { SecurityModule } from '../../attestation/module.ts';
import type { Box, Hex } from './box.ts';
import type { Wallet } from './wallet.ts';

export interface Attestation {
  /** A document as it is sent: COSE_Sign1. */
  answer(body: Uint8Array): Uint8Array;
  /** Base64, for a signature of the wallet over that hash. */
  ofSigned(hash: Hex): string;
}

/** What stands before the uncompressed point in the SPKI DER of every secp256k1 key. */
const WALLET_SPKI_HEAD = '3056301006072a8648ce3d020106052b8104000a034200';
/** The hardware's own limits. */
const BYTES_MAX = { public_key: 1024, user_data: 512, nonce: 512 } as const;

export function createAttestation(module: SecurityModule, wallet: Wallet, box: Box): Attestation {
  function attest(publicKey: Uint8Array, nonce: Uint8Array | null, members: Fields = {}): Uint8Array {
    const userData = new TextEncoder().encode(sortedJson({ ...members, eth_addr: wallet.address }));
    const sizes = { public_key: publicKey.length, user_data: userData.length, nonce: nonce?.length ?? 0 };
    for (const [name, size] of Object.entries(sizes))
      if (size > BYTES_MAX[name as keyof typeof BYTES_MAX]) throw new OdynFailure(500, `Attestation failed: ${name} is too large`);
    return module.attest({ publicKey, userData, nonce });
  }

  return {
    answer(body) {
      const fields = parseFields(body);
      const nonce = readOptionalText(fields, 'nonce');
      const pem = readOptionalText(fields, 'public_key');
      const publicKey = pem === null ? Buffer.from(box.teePubkey, 'hex') : bitsOf(pem);
      return attest(publicKey, nonce === null ? null : readBase64(nonce), readUserData(fields['user_data']));
    },
    ofSigned(hash) {
      const spki = Buffer.from(WALLET_SPKI_HEAD + wallet.publicKey.slice(2), 'hex');
      return Buffer.from(attest(spki, Buffer.from(hash.slice(2), 'hex'))).toString('base64');
    },
  };
}

function readOptionalText(fields: Fields, name: string): string | null {
  const value = fields[name] ?? null;
  if (value !== null && typeof value !== 'string') throw new OdynFailure(400, `invalid type for \`${name}\`: expected a string`);
  return value;
}

function readBase64(text: string): Uint8Array {
  const bytes = Buffer.from(text, 'base64');
  if (bytes.toString('base64') !== text) throw new OdynFailure(400, 'Invalid base64 in nonce');
  return new Uint8Array(bytes);
}

function readUserData(value: unknown): Fields {
  if (value === undefined || value === null) return {};
  if (typeof value !== 'object' || Array.isArray(value)) throw new OdynFailure(400, 'user_data must be a JSON object');
  return value as Fields;
}

/** What is in the BIT STRING of a SubjectPublicKeyInfo: the last thing in it, behind the number of unused bits. */
function bitsOf(pem: string): Uint8Array {
  const der = orRefuse(() => createPublicKey(pem).export({ format: 'der', type: 'spki' }));
  // SEQUENCE, then the algorithm's SEQUENCE, then the BIT STRING.
  const [, algorithmAt] = lengthAt(der, 1);
  const [algorithmBytes, algorithmBody] = lengthAt(der, algorithmAt + 1);
  const [, bitsAt] = lengthAt(der, algorithmBody + algorithmBytes + 1);
  return new Uint8Array(der.subarray(bitsAt + 1));
}

/** A DER length at that place, and where what it counts begins. */
function lengthAt(der: Buffer, at: number): readonly [length: number, bodyAt: number] {
  const first = der.readUInt8(at);
  if (first < 0x80) return [first, at + 1];
  const digits = first - 0x80;
  return [der.readUIntBE(at + 1, digits), at + 1 + digits];
}

function orRefuse<Result>(act: () => Result): Result {
  try {
    return act();
  } catch (cause) {
    throw new OdynFailure(400, `Invalid public_key PEM: ${(cause as Error).message}`);
  }
}

/** Members in the order of their names at every depth, and no spaces. */
function sortedJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(sortedJson).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${sortedJson(member)}`).join(',')}}`;
}
