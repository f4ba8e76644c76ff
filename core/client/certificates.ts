/**
 * Asking for a certificate (`docs/protocol.md` clause 12): a key made here and never sent, a request that proves it, and an answer
 * that is believed only when it is, byte for byte, what our own chain and our own key make it, but for serial and times; and
 * when a second node serves the same CA.
 */
import { caCertificate, keyIdOf, leafCertificate } from '../ca/certificate.ts';
import { BIT_STRING, bytesOf, childrenOf, encodeDer, INTEGER, parseDer, SEQUENCE, sequence } from '../ca/der.ts';
import { encodePem, parsePem } from '../ca/pem.ts';
import { isSignedByP256, p256Key, P256_SEED_BYTES } from '../crypto/p256.ts';
import {
  CA_LIFE_MS,
  CERTIFICATE_DEPTH_MAX,
  CLIENT_BUNDLE_BYTES_MAX,
  CLIENT_CLOCK_MS,
  LEAF_LIFE_DEFAULT_MS,
  LEAF_LIFE_MAX_MS,
  LEAF_LIFE_MIN_MS,
} from '../limits.ts';
import { base64, equalBytes, parseBase64, parseUtf8, utf8 } from '../wire/bytes.ts';
import { Refusal } from '../errors.ts';
import { AttemptFailed, KmsError } from './error.ts';
import type { Element } from '../ca/der.ts';
import type { Validity } from '../ca/certificate.ts';
import type { P256Key } from '../crypto/p256.ts';
import type { Epoch, Wallet } from '../identity.ts';
import type { NetworkProfile } from '../networks.ts';
import type { Fetch, Random } from '../ports.ts';
import type { JsonObject } from '../wire/json.ts';
import type { Known, LiveNode } from './directory.ts';

export interface CertificateOptions {
  /** Its life in seconds, 300 to 7,776,000; default 24 hours. */
  readonly ttlSeconds?: number;
}

/** PEMs as Node's `tls` takes them: `{ key: privateKey, cert: certificate, ca }`. */
export interface SignedCertificate {
  /** PKCS #8, P-256. Made here; no node has seen it. */
  readonly privateKey: string;
  readonly certificate: string;
  /** The CA of the epoch, alone. */
  readonly ca: string;
  readonly notAfter: Date;
  readonly epoch: number;
  /** The node's head when it judged this app. */
  readonly block: number;
  /** Who signed, and who else serves that CA. */
  readonly node: Wallet;
  readonly confirmedBy: Wallet;
}

export interface CertificateOrder {
  readonly key: P256Key;
  readonly lifeMs: number;
  readonly body: { readonly csr: string; readonly ttl_seconds: number };
}

/** An empty name and no attributes: a request says nothing but its key. */
const NO_NAME = bytesOf('3000');
const NO_ATTRIBUTES = bytesOf('a000');
const VERSION_1 = bytesOf('020100');
const ECDSA_SHA256 = bytesOf('300a06082a8648ce3d040302');

/** Throws `bad_argument`. */
export function certificateOrder({ ttlSeconds = LEAF_LIFE_DEFAULT_MS / 1_000 }: CertificateOptions, random: Random): CertificateOrder {
  const lifeMs = ttlSeconds * 1_000;
  if (!Number.isInteger(ttlSeconds) || lifeMs < LEAF_LIFE_MIN_MS || lifeMs > LEAF_LIFE_MAX_MS) {
    const [min, max] = [LEAF_LIFE_MIN_MS / 1_000, LEAF_LIFE_MAX_MS / 1_000];
    throw new KmsError('bad_argument', `ttlSeconds must be a whole number from ${min} to ${max}.`);
  }
  const key = p256Key(random.bytes(P256_SEED_BYTES));
  const info = sequence(VERSION_1, NO_NAME, key.spki, NO_ATTRIBUTES);
  const csr = sequence(info, ECDSA_SHA256, encodeDer(BIT_STRING, Uint8Array.of(0), key.sign(info)));
  return { key, lifeMs, body: { csr: base64(csr), ttl_seconds: ttlSeconds } };
}

/** Throws `AttemptFailed` for a certificate that is not the one to this order. `nowMs` is this app's clock. */
export function readCertificate(
  answer: JsonObject,
  { key, lifeMs }: CertificateOrder,
  { app, blocks }: Known,
  { trustDomain }: NetworkProfile,
  nowMs: number,
): Omit<SignedCertificate, 'node' | 'confirmedBy'> {
  const { certificate, ca_certificate: authority, epoch: named, block } = answer;
  const [leafPem, caPem] = [pemOf(certificate), pemOf(authority)];
  const [leaf, ca] = [partsOf(leafPem), partsOf(caPem)];
  const record = [...blocks.confirmed.epochs, ...blocks.head.epochs].find(({ epoch, state }) => epoch === named && state === 'active');
  if (!leaf || !ca || !record?.hash || !Number.isSafeInteger(block))
    throw new AttemptFailed('other_answer', 'gave no certificate of an active epoch');
  const { epoch, hash, activatedAtMs } = record;

  const caKey = inside(ca.spki)[1]?.content.subarray(1);
  const caValidity = { notBeforeMs: activatedAtMs, notAfterMs: activatedAtMs + CA_LIFE_MS };
  const caBytes = caKey && caCertificate({ epoch, hash, validity: caValidity, trustDomain, publicKey: caKey });
  if (!caKey || !caBytes || !equalBytes(caBytes, ca.signed.whole) || !isSignedByP256(ca.spki.whole, ca.signed.whole, ca.signature))
    throw new AttemptFailed('other_answer', 'gave a CA certificate that the chain does not make');

  const subject = { appId: app.appId, instanceId: app.instanceId };
  const expected = leafCertificate({
    ...{ subject, trustDomain, serial: leaf.serial, validity: leaf.validity, spki: key.spki },
    issuer: { epoch: epoch as Epoch, keyId: keyIdOf(caKey) },
  });
  if (!equalBytes(expected, leaf.signed.whole) || !isSignedByP256(ca.spki.whole, leaf.signed.whole, leaf.signature))
    throw new AttemptFailed('other_answer', 'gave a certificate of another key, app or CA');
  const { notBeforeMs, notAfterMs } = leaf.validity;
  if (notBeforeMs > nowMs + CLIENT_CLOCK_MS || Math.abs(notAfterMs - nowMs - lifeMs) > CLIENT_CLOCK_MS)
    throw new AttemptFailed('other_answer', 'gave a certificate of another time');
  return {
    privateKey: encodePem('PRIVATE KEY', key.pkcs8),
    certificate: leafPem,
    ca: caPem,
    notAfter: new Date(notAfterMs),
    epoch,
    block: block as number,
  };
}

/** The first of the other live nodes whose `/ca` has this CA. Throws `AttemptFailed` when none has. */
export async function confirmCa(
  fetch: Fetch,
  ca: string,
  others: readonly LiveNode[],
  limits: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<Wallet> {
  for (const { url, wallet } of others) {
    try {
      const { status, body } = await fetch({ url: `${url}/ca`, method: 'GET' }, { ...limits, bodyBytesMax: CLIENT_BUNDLE_BYTES_MAX });
      if (status === 200 && (parseUtf8(body) ?? '').includes(ca)) return wallet;
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
    }
  }
  throw new AttemptFailed('unproven', `gave a CA that none of ${others.length} other live nodes serves`);
}

function pemOf(value: unknown): string {
  const bytes = typeof value === 'string' ? parseBase64(value) : undefined;
  return (bytes && parseUtf8(bytes)) ?? '';
}

interface Parts {
  readonly signed: Element;
  readonly signature: Uint8Array;
  readonly serial: Uint8Array;
  readonly validity: Validity;
  readonly spki: Element;
}

/** What a certificate says that is not known beforehand. Everything else is compared whole. */
function partsOf(pem: string): Parts | undefined {
  const der = parsePem('CERTIFICATE', utf8(pem));
  const root = der && parseDer(der, CERTIFICATE_DEPTH_MAX);
  const [signed, algorithm, signature, ...rest] = inside(root);
  if (!signed || !algorithm || signature?.tag !== BIT_STRING || rest.length > 0) return undefined;
  const [, serial, , , validity, , spki] = inside(signed);
  const [notBeforeMs, notAfterMs] = inside(validity).map(timeOf);
  if (serial?.tag !== INTEGER || !spki || notBeforeMs === undefined || notAfterMs === undefined) return undefined;
  return { signed, signature: signature.content.subarray(1), serial: serial.content, validity: { notBeforeMs, notAfterMs }, spki };
}

/** The elements of a SEQUENCE, none of anything else: primitive contents were not looked into. */
function inside(element: Element | undefined): Element[] {
  return element?.tag === SEQUENCE ? childrenOf(element) : [];
}

/** UTCTime or GeneralizedTime in their one form (RFC 5280 §4.1.2.5). */
function timeOf({ content }: Element): number | undefined {
  const text = parseUtf8(content) ?? '';
  const match = /^(\d{2}|\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})Z$/.exec(text);
  if (!match) return undefined;
  const [, year = '', month, day, hours, minutes, seconds] = match;
  const full = year.length === 4 ? year : `${Number(year) < 50 ? '20' : '19'}${year}`;
  const ms = Date.parse(`${full}-${month}-${day}T${hours}:${minutes}:${seconds}Z`);
  return Number.isNaN(ms) ? undefined : ms;
}
