/**
 * Certificates of the shape that AWS gives a document's chain: root, region, zone, instance, leaf, all ECDSA with SHA-384 on P-384. A plan says
 * what one will hold, so that a test changes one thing of a chain that is good. Signed by other code than verifies.
 */
import {
  BIT_STRING,
  bytesOf,
  encodeDer,
  GENERALIZED_TIME,
  INTEGER,
  objectId,
  OCTET_STRING,
  sequence,
  SET,
  UTC_TIME,
  UTF8_STRING,
} from '../../core/ca/der.ts';
import { concat, utf8 } from '../../core/wire/bytes.ts';

export interface TestKey {
  readonly spki: Uint8Array;
  readonly point: Uint8Array;
  /** r‖s. */
  readonly sign: (message: Uint8Array) => Uint8Array;
}

export interface CertificatePlan {
  readonly version: Uint8Array;
  readonly serial: Uint8Array;
  /** AlgorithmIdentifier inside, and the one outside. */
  readonly signedWith: Uint8Array;
  readonly algorithm: Uint8Array;
  readonly issuer: Uint8Array;
  readonly validity: Uint8Array;
  readonly subject: Uint8Array;
  readonly spki: Uint8Array;
  /** What follows the key. */
  readonly tail: readonly Uint8Array[];
  readonly signer: TestKey;
  /** r‖s to what is written. */
  readonly signature: (raw: Uint8Array) => Uint8Array;
  /** Anything at all, done to the whole. */
  readonly bend: (der: Uint8Array) => Uint8Array;
}

export const ECDSA_SHA256 = bytesOf('300a06082a8648ce3d040302');
export const ECDSA_SHA384 = bytesOf('300a06082a8648ce3d040303');
export const VERSION_3 = bytesOf('a003020102');
export const CRITICAL = bytesOf('0101ff');
const BASIC_CONSTRAINTS = '2.5.29.19';
const KEY_USAGE = '2.5.29.15';
const SUBJECT_KEY_ID = extension('2.5.29.14', `0414${'5a'.repeat(20)}`);
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

export interface Level {
  readonly name: string;
  readonly fromMs: number;
  readonly toMs: number;
  readonly extensions: readonly Uint8Array[];
}

/** Root first, with lives as AWS gives them, for a document that is asked for at that time. */
export function levelsAt(madeMs: number): readonly Level[] {
  return [
    {
      name: 'root',
      fromMs: Date.parse('2019-10-28T13:28:05Z'),
      toMs: Date.parse('2054-10-28T14:28:05Z'),
      extensions: authority(undefined, 0x86),
    },
    { name: 'region', fromMs: madeMs - 2 * DAY_MS, toMs: madeMs + 18 * DAY_MS, extensions: authority(2, 0x86) },
    { name: 'zone', fromMs: madeMs - DAY_MS, toMs: madeMs + 5 * DAY_MS, extensions: authority(1, 0x86) },
    { name: 'instance', fromMs: madeMs - HOUR_MS, toMs: madeMs + 23 * HOUR_MS, extensions: authority(0, 0x04) },
    { name: 'leaf', fromMs: madeMs - 3_000, toMs: madeMs + 3 * HOUR_MS, extensions: leafExtensions() },
  ];
}

/** The good chain of these levels, each signed by the key above; the first signs itself. */
export function plansFor(levels: readonly Level[], keys: readonly TestKey[]): readonly CertificatePlan[] {
  return levels.map(({ name, fromMs, toMs, extensions }, index) => ({
    version: VERSION_3,
    serial: bytesOf(`00f931${index}0`),
    signedWith: ECDSA_SHA384,
    algorithm: ECDSA_SHA384,
    issuer: nameOf(levels[Math.max(0, index - 1)]?.name ?? ''),
    validity: validityOf(fromMs, toMs),
    subject: nameOf(name),
    spki: (keys[index] as TestKey).spki,
    tail: [extensionsOf(...extensions)],
    signer: keys[Math.max(0, index - 1)] as TestKey,
    signature: derSignature,
    bend: (der) => der,
  }));
}

export function certificateOf(plan: CertificatePlan): Uint8Array {
  const { version, serial, signedWith, issuer, validity, subject, spki, tail } = plan;
  const tbs = sequence(version, encodeDer(INTEGER, serial), signedWith, issuer, validity, subject, spki, ...tail);
  const bits = encodeDer(BIT_STRING, Uint8Array.of(0), plan.signature(plan.signer.sign(tbs)));
  return plan.bend(sequence(tbs, plan.algorithm, bits));
}

export function nameOf(common: string): Uint8Array {
  const attributes = [objectId('2.5.4.10'), objectId('2.5.4.3')].map((type, index) =>
    sequence(type, encodeDer(UTF8_STRING, utf8(index ? common : 'Test'))),
  );
  return sequence(...attributes.map((attribute) => encodeDer(SET, attribute)));
}

export function validityOf(fromMs: number, toMs: number): Uint8Array {
  return sequence(timeOf(fromMs), timeOf(toMs));
}

function timeOf(ms: number): Uint8Array {
  const text = new Date(ms).toISOString().replaceAll(/[-:T]|\.\d+/g, '');
  return text < '2050' ? encodeDer(UTC_TIME, utf8(text.slice(2))) : encodeDer(GENERALIZED_TIME, utf8(text));
}

export function extensionsOf(...extensions: readonly Uint8Array[]): Uint8Array {
  return encodeDer(0xa3, sequence(...extensions));
}

/** `value` as hex. */
export function extension(id: string, value: string, ...flag: readonly Uint8Array[]): Uint8Array {
  return sequence(objectId(id), ...flag, encodeDer(OCTET_STRING, bytesOf(value)));
}

export function constraints(value: string, ...flag: readonly Uint8Array[]): Uint8Array {
  return extension(BASIC_CONSTRAINTS, value, ...flag);
}

/** A key usage of one byte, in DER. */
export function usage(bits: number, ...flag: readonly Uint8Array[]): Uint8Array {
  const unused = bits === 0 ? 0 : 31 - Math.clz32(bits & -bits);
  return extension(KEY_USAGE, bits === 0 ? '030100' : `0302${byte(unused)}${byte(bits)}`, ...flag);
}

export function authority(pathLength: number | undefined, usages: number): readonly Uint8Array[] {
  const value = pathLength === undefined ? '30030101ff' : `30060101ff0201${byte(pathLength)}`;
  return [constraints(value, CRITICAL), SUBJECT_KEY_ID, usage(usages, CRITICAL)];
}

export function leafExtensions(): readonly Uint8Array[] {
  return [constraints('3000', CRITICAL), usage(0xc0)];
}

function byte(value: number): string {
  return value.toString(16).padStart(2, '0');
}

/** ECDSA-Sig-Value. */
export function derSignature(raw: Uint8Array): Uint8Array {
  return sequence(integer(raw.subarray(0, 48)), integer(raw.subarray(48)));
}

export function integer(digits: Uint8Array): Uint8Array {
  const from = digits.findIndex((digit) => digit !== 0);
  const shortest = digits.subarray(from);
  return encodeDer(INTEGER, (shortest[0] as number) < 0x80 ? shortest : concat(Uint8Array.of(0), shortest));
}
