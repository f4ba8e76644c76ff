/**
 * An Odyn of the simulated world sees every secret of its enclave: its own keys, the entropy that becomes a master secret, and what the node
 * or the app beside it seals and opens. So it is where they become known to the watch, whatever client the test uses.
 */
import { DERIVED_KEY, ENTROPY, noteSecret, TEE_KEY, VALUE, WALLET_KEY } from './recorder.ts';

/** Of a long value, its beginning. */
const VALUE_BYTES_MAX = 64;

/** Where plaintext is at home: what comes from there is no answer of a node. */
const ports = new Set<number>();

export function noteOdyn(port: number): void {
  ports.add(port);
}

export function forgetOdyn(port: number): void {
  ports.delete(port);
}

export function isOdyn(port: number | undefined): boolean {
  return port !== undefined && ports.has(port);
}

export function noteEnclaveKeys(walletKey: string, boxKey: string): void {
  noteSecret(WALLET_KEY, Buffer.from(walletKey.slice(2), 'hex'));
  noteSecret(TEE_KEY, Buffer.from(boxKey.slice(2), 'hex'));
}

/** What one exchange with an Odyn tells. */
export function noteExchange(path: string, request: Uint8Array, answer: unknown): void {
  if (path === '/v1/random') noteSecret(ENTROPY, hexBytes(fieldOf(answer, 'random_bytes')));
  if (path === '/v1/encryption/encrypt') noteSealed(fieldOf(parsed(Buffer.from(request).toString('utf8')), 'plaintext'));
  if (path === '/v1/encryption/decrypt') noteSealed(fieldOf(answer, 'plaintext'));
}

/** A sealed body: the key of a derivation, and values of the KV store wherever they stand. */
function noteSealed(text: string): void {
  const pending: unknown[] = [parsed(text)];
  while (pending.length > 0) {
    const each = pending.pop();
    if (typeof each !== 'object' || each === null) continue;
    const { key, length, value } = each as Record<string, unknown>;
    if (typeof key === 'string' && typeof length === 'number') noteSecret(DERIVED_KEY, Buffer.from(key, 'base64'));
    if (typeof value === 'string') noteSecret(VALUE, Buffer.from(value, 'base64').subarray(0, VALUE_BYTES_MAX));
    pending.push(...Object.values(each));
  }
}

function fieldOf(json: unknown, name: string): string {
  const field = typeof json === 'object' && json !== null ? (json as Record<string, unknown>)[name] : undefined;
  return typeof field === 'string' ? field : '';
}

function hexBytes(text: string): Buffer {
  return Buffer.from(text.replace(/^0x/, ''), 'hex');
}

/** `undefined` for what is no JSON: tests send that, too. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
