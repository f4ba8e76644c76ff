/**
 * The two certificates that exist (RFC 5280, SPIFFE X509-SVID), as bytes to be signed: that of an epoch's CA, a function of what the chain
 * says, and that of an app's instance. `docs/protocol.md` clause 12 has each field. Pure.
 */
import { digestOf } from '../crypto/digest.ts';
import { P256_SPKI_HEAD } from '../crypto/spki.ts';
import { concat, utf8 } from '../wire/bytes.ts';
import {
  BIT_STRING,
  BOOLEAN,
  bytesOf,
  childrenOf,
  encodeDer,
  GENERALIZED_TIME,
  INTEGER,
  objectId,
  OCTET_STRING,
  parseDer,
  sequence,
  SET,
  UTC_TIME,
  UTF8_STRING,
} from './der.ts';
import type { Element } from './der.ts';
import type { AppId, Epoch, Hash } from '../identity.ts';

/** Both ends included, whole seconds. */
export interface Validity {
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

export interface CaFields {
  readonly epoch: Epoch;
  /** Of the epoch's secret, as the chain has it. */
  readonly hash: Hash;
  readonly validity: Validity;
  readonly trustDomain: string;
  /** The point of the CA's key, uncompressed. */
  readonly publicKey: Uint8Array;
}

/** What the registry knows of whom a certificate names. */
export interface Subject {
  readonly appId: AppId;
  readonly instanceId: bigint;
}

export interface LeafFields {
  readonly subject: Subject;
  readonly trustDomain: string;
  /** As `leafSerial` makes it. */
  readonly serial: Uint8Array;
  readonly validity: Validity;
  /** SubjectPublicKeyInfo, as the policy let it pass. */
  readonly spki: Uint8Array;
  readonly issuer: { readonly epoch: Epoch; readonly keyId: Uint8Array };
}

const VERSION_3 = bytesOf('a003020102');
/** ecdsa-with-SHA256 (RFC 5758 §3.2). */
export const ECDSA_SHA256 = bytesOf('300a06082a8648ce3d040302');

const CA_TRUE_LENGTH_0 = bytesOf('30060101ff020100');
const CA_FALSE = bytesOf('3000');
/** keyCertSign and cRLSign. */
const USAGE_OF_CA = bytesOf('03020106');
/** digitalSignature. */
const USAGE_OF_LEAF = bytesOf('03020780');
const USAGES_EXTENDED = sequence(objectId('1.3.6.1.5.5.7.3.1'), objectId('1.3.6.1.5.5.7.3.2'));

const ORGANIZATION = objectId('2.5.4.10');
const COMMON_NAME = objectId('2.5.4.3');
const SUBJECT_KEY_ID = objectId('2.5.29.14');
const KEY_USAGE = objectId('2.5.29.15');
const SUBJECT_ALTERNATIVE_NAME = objectId('2.5.29.17');
const BASIC_CONSTRAINTS = objectId('2.5.29.19');
const AUTHORITY_KEY_ID = objectId('2.5.29.35');
const EXTENDED_KEY_USAGE = objectId('2.5.29.37');

/** What a serial has besides its first byte, which keeps it positive and never zero, and a leaf's from being its CA's. */
export const SERIAL_BYTES = 16;
const LEAF_SERIAL = 1;
const CA_SERIAL = 2;

/** The TBSCertificate of an epoch's CA. */
export function caCertificate({ epoch, hash, validity, trustDomain, publicKey }: CaFields): Uint8Array {
  const spki = concat(bytesOf(P256_SPKI_HEAD), publicKey);
  const serial = concat(Uint8Array.of(CA_SERIAL), bytesOf(hash).subarray(0, SERIAL_BYTES));
  return toBeSigned(serial, nameOfCa(epoch), validity, nameOfCa(epoch), spki, [
    critical(BASIC_CONSTRAINTS, CA_TRUE_LENGTH_0),
    critical(KEY_USAGE, USAGE_OF_CA),
    extension(SUBJECT_KEY_ID, encodeDer(OCTET_STRING, keyIdOf(publicKey))),
    extension(SUBJECT_ALTERNATIVE_NAME, uriName(`spiffe://${trustDomain}`)),
  ]);
}

/** The TBSCertificate of an instance. Nothing in it is of the request but the key. */
export function leafCertificate({ subject, trustDomain, serial, validity, spki, issuer }: LeafFields): Uint8Array {
  const { appId, instanceId } = subject;
  return toBeSigned(serial, nameOfCa(issuer.epoch), validity, name([[COMMON_NAME, `app-${appId}`]]), spki, [
    critical(BASIC_CONSTRAINTS, CA_FALSE),
    critical(KEY_USAGE, USAGE_OF_LEAF),
    extension(EXTENDED_KEY_USAGE, USAGES_EXTENDED),
    extension(SUBJECT_KEY_ID, encodeDer(OCTET_STRING, keyIdOf(keyBits(spki)))),
    extension(AUTHORITY_KEY_ID, sequence(encodeDer(0x80, issuer.keyId))),
    extension(SUBJECT_ALTERNATIVE_NAME, uriName(`spiffe://${trustDomain}/app/${appId}/instance/${instanceId}`)),
  ]);
}

/** 128 random bits as a serial of 17 bytes. */
export function leafSerial(random: Uint8Array): Uint8Array {
  return concat(Uint8Array.of(LEAF_SERIAL), random);
}

/** As `leafSerial` makes them. */
export function isLeafSerial(serial: Uint8Array): boolean {
  return serial.length === 1 + SERIAL_BYTES && serial[0] === LEAF_SERIAL;
}

/** The Certificate of a TBSCertificate and the DER of its ECDSA signature. */
export function signedCertificate(tbs: Uint8Array, signature: Uint8Array): Uint8Array {
  return sequence(tbs, ECDSA_SHA256, encodeDer(BIT_STRING, Uint8Array.of(0), signature));
}

/** RFC 7093 §2, method 1: the first 160 bits of SHA-256 over the key's own bits. */
export function keyIdOf(key: Uint8Array): Uint8Array {
  return digestOf(key).subarray(0, 20);
}

/** The bits of the key itself. */
function keyBits(spki: Uint8Array): Uint8Array {
  const [, bits] = childrenOf(parseDer(spki, 2) as Element);
  return (bits as Element).content.subarray(1);
}

function toBeSigned(
  serial: Uint8Array,
  issuer: Uint8Array,
  { notBeforeMs, notAfterMs }: Validity,
  subject: Uint8Array,
  spki: Uint8Array,
  extensions: readonly Uint8Array[],
): Uint8Array {
  const validity = sequence(time(notBeforeMs), time(notAfterMs));
  const listed = encodeDer(0xa3, sequence(...extensions));
  return sequence(VERSION_3, encodeDer(INTEGER, serial), ECDSA_SHA256, issuer, validity, subject, spki, listed);
}

function nameOfCa(epoch: Epoch): Uint8Array {
  return name([
    [ORGANIZATION, 'Nova KMS'],
    [COMMON_NAME, `Nova KMS CA epoch ${epoch}`],
  ]);
}

function name(attributes: readonly (readonly [type: Uint8Array, value: string])[]): Uint8Array {
  return sequence(...attributes.map(([type, value]) => encodeDer(SET, sequence(type, encodeDer(UTF8_STRING, utf8(value))))));
}

function uriName(uri: string): Uint8Array {
  return sequence(encodeDer(0x86, utf8(uri)));
}

function extension(id: Uint8Array, value: Uint8Array): Uint8Array {
  return sequence(id, encodeDer(OCTET_STRING, value));
}

function critical(id: Uint8Array, value: Uint8Array): Uint8Array {
  return sequence(id, encodeDer(BOOLEAN, Uint8Array.of(0xff)), encodeDer(OCTET_STRING, value));
}

/** RFC 5280 §4.1.2.5: two digits of the year through 2049, four from 2050. */
function time(ms: number): Uint8Array {
  const digits = new Date(ms)
    .toISOString()
    .replace(/\.\d+Z$/, 'Z')
    .replaceAll(/[-:T]/g, '');
  return digits < '2050' ? encodeDer(UTC_TIME, utf8(digits.slice(2))) : encodeDer(GENERALIZED_TIME, utf8(digits));
}
