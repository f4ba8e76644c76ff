/**
 * Asking for a certificate (`docs/protocol.md` clause 12): a key made here and never sent, a request that proves it, and an answer
 * that is believed only when it is, byte for byte, what our own chain and our own key make it, but for serial and times; and
 * when a second node serves the same CA.
 */
import { caCertificate, ECDSA_SHA256, isLeafSerial, keyIdOf, leafCertificate, signedCertificate } from '../ca/certificate.ts';
import { BIT_STRING, bytesOf, childrenOf, encodeDer, INTEGER, parseDer, SEQUENCE, sequence } from '../ca/der.ts';
import { encodePem, parsePem } from '../ca/pem.ts';
import { parseTimeMs } from '../crypto/nitro/time.ts';
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
import { rightEpochs } from './derive.ts';
import { AttemptFailed, KmsError } from './error.ts';
import type { Element } from '../ca/der.ts';
import type { Validity } from '../ca/certificate.ts';
import type { P256Key } from '../crypto/p256.ts';
import type { Epoch, Wallet } from '../identity.ts';
import type { NetworkProfile } from '../networks.ts';
import type { Fetch, Random } from '../ports.ts';
import type { JsonObject } from '../wire/json.ts';
import type { Known, LiveNode } from './directory.ts';
import type { NodeChecks } from './node-checks.ts';

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

/** Throws `bad_argument`. */
export function certificateOrder({ ttlSeconds = LEAF_LIFE_DEFAULT_MS / 1_000 }: CertificateOptions, random: Random): CertificateOrder {
  const lifeMs = ttlSeconds * 1_000;
  if (!Number.isInteger(ttlSeconds) || lifeMs < LEAF_LIFE_MIN_MS || lifeMs > LEAF_LIFE_MAX_MS) {
    const [min, max] = [LEAF_LIFE_MIN_MS / 1_000, LEAF_LIFE_MAX_MS / 1_000];
    throw new KmsError('bad_argument', `ttlSeconds must be a whole number from ${min} to ${max}.`);
  }
  const seed = random.bytes(P256_SEED_BYTES);
  const key = p256Key(seed);
  seed.fill(0);
  const info = sequence(VERSION_1, NO_NAME, key.spki, NO_ATTRIBUTES);
  const csr = sequence(info, ECDSA_SHA256, encodeDer(BIT_STRING, Uint8Array.of(0), key.sign(info)));
  return { key, lifeMs, body: { csr: base64(csr), ttl_seconds: ttlSeconds } };
}

/** Throws `AttemptFailed` for a certificate that is not the one to this order. `nowMs` is this app's clock. */
export function readCertificate(
  answer: JsonObject,
  { key, lifeMs }: CertificateOrder,
  known: Known,
  profile: NetworkProfile,
  nowMs: number,
): Omit<SignedCertificate, 'node' | 'confirmedBy'> {
  const { certificate, ca_certificate: authority, epoch: named, block } = answer;
  const [leafPem, caPem] = [pemOf(certificate), pemOf(authority)];
  const [leaf, ca] = [partsOf(leafPem), partsOf(caPem)];
  const epoch = rightEpochs(known, 'current', profile).find((right) => right === named);
  if (epoch === undefined) throw new AttemptFailed('wrong_epoch', 'certified in an epoch that the chain does not make right');
  if (!leaf || !ca || !Number.isSafeInteger(block)) throw new AttemptFailed('other_answer', 'gave no certificate');
  const caPoint = checkedCa(ca, known, epoch, profile);
  checkLeaf(leaf, ca, caPoint, { key, lifeMs }, known, epoch, profile, nowMs);
  return {
    privateKey: encodePem('PRIVATE KEY', key.pkcs8),
    certificate: leafPem,
    ca: caPem,
    notAfter: new Date(leaf.validity.notAfterMs),
    epoch,
    block: block as number,
  };
}

/** The CA's public key. But for it and the signature the chain makes every byte. */
function checkedCa(ca: Parts, { blocks: { head, confirmed } }: Known, epoch: Epoch, { trustDomain }: NetworkProfile): Uint8Array {
  const record = [...head.epochs, ...confirmed.epochs].find((each) => each.epoch === epoch && each.hash !== undefined);
  const publicKey = inside(ca.spki)[1]?.content.subarray(1);
  const made = record?.hash &&
    publicKey && {
      ...{ epoch, hash: record.hash, trustDomain, publicKey },
      validity: { notBeforeMs: record.activatedAtMs, notAfterMs: record.activatedAtMs + CA_LIFE_MS },
    };
  if (!made || !isWhole(ca, caCertificate(made), ca))
    throw new AttemptFailed('other_answer', 'gave a CA certificate that the chain does not make');
  return made.publicKey;
}

function checkLeaf(
  leaf: Parts,
  ca: Parts,
  caPoint: Uint8Array,
  { key, lifeMs }: Pick<CertificateOrder, 'key' | 'lifeMs'>,
  { app }: Known,
  epoch: Epoch,
  { trustDomain }: NetworkProfile,
  nowMs: number,
): void {
  const expected = leafCertificate({
    ...{ subject: { appId: app.appId, instanceId: app.instanceId }, trustDomain, spki: key.spki },
    ...{ serial: leaf.serial, validity: leaf.validity, issuer: { epoch, keyId: keyIdOf(caPoint) } },
  });
  if (!isLeafSerial(leaf.serial) || !isWhole(leaf, expected, ca))
    throw new AttemptFailed('other_answer', 'gave a certificate of another key, app or CA');
  const { notBeforeMs, notAfterMs } = leaf.validity;
  const isAsked = Math.abs(notAfterMs - nowMs - lifeMs) <= CLIENT_CLOCK_MS && notBeforeMs <= nowMs + CLIENT_CLOCK_MS;
  if (!isAsked || notAfterMs <= nowMs) throw new AttemptFailed('other_answer', 'gave a certificate of another time');
}

/** Every byte but those of the signature is expected, and the signature is the CA's. */
function isWhole({ whole, signature }: Parts, expected: Uint8Array, ca: Parts): boolean {
  return equalBytes(signedCertificate(expected, signature), whole) && isSignedByP256(ca.spki.whole, expected, signature);
}

/** The first of the other live nodes whose `/ca` has this CA; all are asked at once. Throws `AttemptFailed` when none has. */
export async function confirmCa(
  fetch: Fetch,
  ca: string,
  others: readonly LiveNode[],
  limits: { readonly timeoutMs: number; readonly signal: AbortSignal },
  checks?: NodeChecks,
): Promise<Wallet> {
  const enough = new AbortController();
  const signal = AbortSignal.any([limits.signal, enough.signal]);
  try {
    return await Promise.any(others.map((node) => confirmedBy(fetch, ca, node, { ...limits, signal }, checks)));
  } catch (error) {
    const mistake = error instanceof AggregateError ? error.errors.find((each) => !isNode(each)) : error;
    if (mistake !== undefined) throw mistake;
    throw new AttemptFailed('unproven', `gave a CA that none of ${others.length} other live nodes serves; two are needed`);
  } finally {
    enough.abort();
  }
}

async function confirmedBy(
  fetch: Fetch,
  ca: string,
  node: LiveNode,
  limits: { readonly timeoutMs: number; readonly signal: AbortSignal },
  checks?: NodeChecks,
): Promise<Wallet> {
  await checks?.require(node);
  // A cache in between may hold the other form, or an older bundle.
  const headers = { accept: 'application/pem-certificate-chain', 'cache-control': 'no-cache' };
  const { status, body } = await fetch(
    { url: `${node.url}/ca`, method: 'GET', headers },
    { ...limits, bodyBytesMax: CLIENT_BUNDLE_BYTES_MAX },
  );
  if (status !== 200 || !(parseUtf8(body) ?? '').includes(ca)) throw new AttemptFailed('unproven', 'serves another CA');
  return node.wallet;
}

/** Whether it is a node's fault, not this program's. */
function isNode(error: unknown): boolean {
  return error instanceof Refusal || error instanceof AttemptFailed;
}

function pemOf(value: unknown): string {
  const bytes = typeof value === 'string' ? parseBase64(value) : undefined;
  return (bytes && parseUtf8(bytes)) ?? '';
}

interface Parts {
  readonly whole: Uint8Array;
  readonly signature: Uint8Array;
  readonly serial: Uint8Array;
  readonly validity: Validity;
  readonly spki: Element;
}

/** What a certificate says that is not known beforehand. Everything else is compared whole. */
function partsOf(pem: string): Parts | undefined {
  const der = parsePem('CERTIFICATE', utf8(pem));
  const [signed, algorithm, signature, ...rest] = inside(der && parseDer(der, CERTIFICATE_DEPTH_MAX));
  if (!der || !signed || !algorithm || signature?.tag !== BIT_STRING || rest.length > 0) return undefined;
  const [, serial, , , validity, , spki] = inside(signed);
  const [notBeforeMs, notAfterMs] = inside(validity).map(parseTimeMs);
  if (serial?.tag !== INTEGER || !spki || notBeforeMs === undefined || notAfterMs === undefined) return undefined;
  return { whole: der, signature: signature.content.subarray(1), serial: serial.content, validity: { notBeforeMs, notAfterMs }, spki };
}

/** The elements of a SEQUENCE, none of anything else: primitive contents were not looked into. */
function inside(element: Element | undefined): Element[] {
  return element?.tag === SEQUENCE ? childrenOf(element) : [];
}
