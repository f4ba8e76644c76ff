/** The sealed body that every private request and answer travels in (`docs/protocol.md` clause 4). */
import { hex, parseHex } from './bytes.ts';
import { canonicalJson, parseJsonObject } from './json.ts';

/** `nonce` is 12 bytes; platforms before v1.4.1 send 32, of which the first 12 count. */
export interface Envelope {
  readonly senderTeePubkey: Uint8Array;
  readonly nonce: Uint8Array;
  readonly encrypted: Uint8Array;
}

export type EnvelopeOutcome =
  { readonly kind: 'envelope'; readonly envelope: Envelope } | { readonly kind: 'plaintext' } | { readonly kind: 'malformed' };

const GCM_TAG_BYTES = 16;
const NONCE_BYTES_ALLOWED = [12, 32];

/** Fields beyond the three are ignored, as the platform does. */
export function parseEnvelope(text: string): EnvelopeOutcome {
  const body = parseJsonObject(text);
  if (!body) return { kind: 'malformed' };
  const { sender_tee_pubkey: sender, nonce, encrypted_data: encrypted } = body;
  if (sender === undefined && nonce === undefined && encrypted === undefined) return { kind: 'plaintext' };
  const fields = [sender, nonce, encrypted].map((field) => (typeof field === 'string' ? parseHex(field) : undefined));
  const [senderTeePubkey, nonceBytes, encryptedBytes] = fields;
  if (!senderTeePubkey || !nonceBytes || !encryptedBytes) return { kind: 'malformed' };
  if (!NONCE_BYTES_ALLOWED.includes(nonceBytes.length) || encryptedBytes.length < GCM_TAG_BYTES) return { kind: 'malformed' };
  return { kind: 'envelope', envelope: { senderTeePubkey, nonce: nonceBytes, encrypted: encryptedBytes } };
}

/** Lower-case hex without `0x`, as the strictest clients want it. */
export function encodeEnvelope(envelope: Envelope): string {
  return canonicalJson({
    sender_tee_pubkey: hex(envelope.senderTeePubkey),
    nonce: hex(envelope.nonce),
    encrypted_data: hex(envelope.encrypted),
  });
}
