/**
 * HTTP message signatures (RFC 9421) as this service writes and reads them (`docs/protocol.md` clauses 3.2 and 3.3): one
 * signature with the label `eth`, in the canonical form of structured fields (RFC 8941 §4.1) and in no other. Bytes and texts
 * only: who signed, and whether that counts, is decided elsewhere.
 */
import { SIGNATURE_COMPONENTS_MAX, SIGNATURE_INPUT_CHARS_MAX, SIGNATURE_NONCE_CHARS_MAX } from '../limits.ts';
import { parseWallet } from '../identity.ts';
import { base64, parseBase64 } from './bytes.ts';
import type { Wallet } from '../identity.ts';

/** ERC-8128: the key is a wallet on a chain. */
export interface KeyId {
  readonly chainId: number;
  readonly wallet: Wallet;
}

/** Times are unix seconds. */
export interface RequestParams {
  readonly created: number;
  readonly expires: number;
  readonly nonce: string;
  readonly keyId: KeyId;
}

export interface RequestInput {
  readonly components: readonly string[];
  readonly params: RequestParams;
  /** The member's value as sent: it is signed as such. */
  readonly text: string;
}

/** What of a request can be signed. `query` is empty or begins with `?`. */
export interface RequestTarget {
  readonly method: string;
  readonly authority: string;
  readonly path: string;
  readonly query: string;
  readonly headers: Headers;
}

interface ResponseInput {
  readonly created: number;
  readonly keyId: KeyId;
  readonly text: string;
}

// Sticky: `lastIndex` is set before each use, so nothing is kept between two calls.
const COMPONENT = /"(@method|@authority|@path|@query|[a-z0-9!#$%&'*+.^_`|~-]+)"/y;
const PARAMETER = /;([a-z]+)=(?:(0|[1-9]\d{0,11})|"([\x20-\x21\x23-\x5b\x5d-\x7e]*)")/y;
const KEY_ID = /^erc8128:([1-9]\d{0,15}):(0x[0-9a-fA-F]{40})$/;
const SIGNATURE_MEMBER = /^eth=:([A-Za-z0-9+/]+={0,2}):$/;
const DIGEST_MEMBER = /^sha-256=:([A-Za-z0-9+/]{43}=):$/;
const RESPONSE_COMPONENTS = '("@status" "content-digest" "signature";req;key="eth")';
const RESPONSE_PARAMS = /^;created=(0|[1-9]\d{0,11});keyid="([^"]*)"$/;
const FIELD_VALUE = /^[\x20-\x7e]*$/;

/** The header's one member, or `undefined` when it is anything else: another label, two signatures, an unknown parameter. */
export function parseRequestInput(header: string): RequestInput | undefined {
  if (header.length > SIGNATURE_INPUT_CHARS_MAX || !header.startsWith('eth=(')) return undefined;
  const text = header.slice('eth='.length);
  const components = readComponents(text);
  if (!components) return undefined;
  const params = readParams(text, components.endsAt);
  return params && { components: components.names, params, text };
}

function readComponents(text: string): { readonly names: readonly string[]; readonly endsAt: number } | undefined {
  const names: string[] = [];
  let at = 1;
  while (names.length < SIGNATURE_COMPONENTS_MAX) {
    COMPONENT.lastIndex = at;
    const name = COMPONENT.exec(text)?.[1];
    if (name === undefined || names.includes(name)) return undefined;
    names.push(name);
    at = COMPONENT.lastIndex + 1;
    if (text[at - 1] === ')') return { names, endsAt: at };
    if (text[at - 1] !== ' ') return undefined;
  }
  return undefined;
}

function readParams(text: string, startsAt: number): RequestParams | undefined {
  const found = new Map<string, string>();
  for (let at = startsAt; at < text.length; at = PARAMETER.lastIndex) {
    PARAMETER.lastIndex = at;
    const [, name, number, quoted] = PARAMETER.exec(text) ?? [];
    if (name === undefined || found.has(name)) return undefined;
    if ((number !== undefined) !== (name === 'created' || name === 'expires')) return undefined;
    found.set(name, number ?? quoted ?? '');
  }
  const { created, expires, nonce = '', keyid = '', tag, ...others } = Object.fromEntries(found);
  const keyId = parseKeyId(keyid);
  if (created === undefined || expires === undefined || !keyId || Object.keys(others).length > 0) return undefined;
  if (nonce.length === 0 || nonce.length > SIGNATURE_NONCE_CHARS_MAX || tag === '') return undefined;
  return { created: Number(created), expires: Number(expires), nonce, keyId };
}

export function encodeRequestInput(components: readonly string[], { created, expires, nonce, keyId }: RequestParams): string {
  const names = components.map((name) => `"${name}"`).join(' ');
  return `(${names});created=${created};expires=${expires};nonce="${nonce}";keyid="${encodeKeyId(keyId)}"`;
}

/** What the wallet signs (RFC 9421 §2.5), or `undefined` when a covered component is not there or cannot be signed. */
export function requestBase(target: RequestTarget, components: readonly string[], inputText: string): string | undefined {
  const lines: string[] = [];
  for (const name of components) {
    const value = componentOf(target, name);
    if (value === undefined || !FIELD_VALUE.test(value)) return undefined;
    lines.push(`"${name}": ${value}`);
  }
  return [...lines, `"@signature-params": ${inputText}`].join('\n');
}

function componentOf({ method, authority, path, query, headers }: RequestTarget, name: string): string | undefined {
  switch (name) {
    case '@method':
      return method;
    case '@authority':
      return authority;
    case '@path':
      return path;
    case '@query':
      return query === '' ? undefined : query;
    case 'signature':
    case 'signature-input':
      return undefined;
    default:
      return headers.get(name)?.trim();
  }
}

/** The answer's `Signature-Input`. It always covers the same: status, body and the request's own signature. */
export function parseResponseInput(header: string): ResponseInput | undefined {
  const text = header.slice('eth='.length);
  if (header.length > SIGNATURE_INPUT_CHARS_MAX || !header.startsWith(`eth=${RESPONSE_COMPONENTS}`)) return undefined;
  const [, created, keyid] = RESPONSE_PARAMS.exec(text.slice(RESPONSE_COMPONENTS.length)) ?? [];
  const keyId = parseKeyId(keyid ?? '');
  return keyId && { created: Number(created), keyId, text };
}

export function encodeResponseInput(created: number, keyId: KeyId): string {
  return `${RESPONSE_COMPONENTS};created=${created};keyid="${encodeKeyId(keyId)}"`;
}

/** `requestSignature` is the value of the request's member: `:…:`. */
export function responseBase(status: number, contentDigest: string, requestSignature: string, inputText: string): string {
  return [
    `"@status": ${status}`,
    `"content-digest": ${contentDigest}`,
    `"signature";req;key="eth": ${requestSignature}`,
    `"@signature-params": ${inputText}`,
  ].join('\n');
}

function encodeKeyId({ chainId, wallet }: KeyId): string {
  return `erc8128:${chainId}:${wallet}`;
}

function parseKeyId(text: string): KeyId | undefined {
  const [, chainId, address] = KEY_ID.exec(text) ?? [];
  const wallet = parseWallet(address ?? '');
  return wallet && { chainId: Number(chainId), wallet };
}

/** A signature as the value of its member (RFC 8941 §3.3.5). */
export function encodeSignature(signature: Uint8Array): string {
  return `:${base64(signature)}:`;
}

/** The bytes of the header's one member, labelled `eth`. */
export function parseSignatureMember(header: string): Uint8Array | undefined {
  const encoded = header.length <= SIGNATURE_INPUT_CHARS_MAX ? SIGNATURE_MEMBER.exec(header)?.[1] : undefined;
  return encoded === undefined ? undefined : parseBase64(encoded);
}

/** `Content-Digest` (RFC 9530) of a SHA-256. */
export function encodeContentDigest(sha256: Uint8Array): string {
  return `sha-256=${encodeSignature(sha256)}`;
}

/** 32 bytes, or `undefined` when the field holds anything but one SHA-256. */
export function parseContentDigest(header: string): Uint8Array | undefined {
  const encoded = DIGEST_MEMBER.exec(header)?.[1];
  return encoded === undefined ? undefined : parseBase64(encoded);
}
