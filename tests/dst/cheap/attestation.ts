/**
 * Stands in for attestation documents in the simulation's bundle only: a document is what it says and a hash that only its maker writes.
 * Nobody in the simulation forges documents; five signatures for each hello would take most of a run's time.
 */
import { createHash } from 'node:crypto';
import { hex, parseHex, parseUtf8, utf8 } from '../../../core/wire/bytes.ts';
import type { Verdict } from '../../../core/crypto/nitro/attestation.ts';
import type { Hash, Wallet } from '../../../core/identity.ts';
import type { AttestationRequest } from '../../../core/ports.ts';

interface Said {
  readonly wallet: Wallet;
  readonly measurement: Hash;
  readonly timeMs: number;
  readonly nonce: string;
  readonly publicKey: string;
}

const markOf = (text: string): string => createHash('sha256').update(`signed by the hardware: ${text}`).digest('hex');

/** Of an enclave with that wallet and measurement, for a key that is no box's. */
export function attest({ nonce, publicKey }: AttestationRequest, by: Pick<Said, 'wallet' | 'measurement' | 'timeMs'>): Uint8Array {
  const text = JSON.stringify({ ...by, nonce: hex(nonce), publicKey: publicKey === 'tee' ? '' : hex(publicKey) } satisfies Said);
  return utf8(`${markOf(text)}${text}`);
}

export function verifyAttestation(bytes: Uint8Array): Verdict {
  const document = parseUtf8(bytes) ?? '';
  const [mark, text] = [document.slice(0, 64), document.slice(64)];
  if (mark !== markOf(text)) return { kind: 'refused', why: 'document_signature_invalid', detail: '' };
  const { wallet, measurement, timeMs, nonce, publicKey } = JSON.parse(text) as Said;
  return {
    kind: 'verified',
    attestation: {
      ...{ moduleId: wallet, timeMs, pcrs: new Map<number, Uint8Array>(), isDebug: false, measurement },
      ...{ publicKey: parseHex(publicKey), userData: utf8(JSON.stringify({ eth_addr: wallet })), nonce: parseHex(nonce) },
    },
  };
}
