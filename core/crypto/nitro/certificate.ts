/**
 * A certificate (RFC 5280 §4.1) of the chain under a document, as strictly as AWS writes them: version 3, DER, ECDSA with SHA-384 on
 * P-384. It reads; `core/crypto/nitro/chain.ts` judges. Names are compared, never read.
 */
import { BIT_STRING, bytesOf, childrenOf, INTEGER, isPositive, parseDer, SEQUENCE } from '../../ca/der.ts';
import { equalBytes } from '../../wire/bytes.ts';
import { p384PointOf } from '../spki.ts';
import { readExtensions } from './extensions.ts';
import { Unverified } from './fault.ts';
import { parseTimeMs } from './time.ts';
import type { Element } from '../../ca/der.ts';
import type { Extensions } from './extensions.ts';

export interface Certificate extends Extensions {
  /** What its issuer signed. */
  readonly tbs: Uint8Array;
  readonly issuer: Uint8Array;
  readonly subject: Uint8Array;
  /** Both ends included. */
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** SubjectPublicKeyInfo, P-384. */
  readonly spki: Uint8Array;
  /** ECDSA-Sig-Value, as it came. */
  readonly signature: Uint8Array;
}

const VERSION_3 = bytesOf('a003020102');
/** AlgorithmIdentifier of ecdsa-with-SHA384 (RFC 5758 §3.2), in full. */
const ECDSA_SHA384 = bytesOf('300a06082a8648ce3d040303');
const VERSION = 0xa0;
const EXTENSIONS = 0xa3;
/** Down to the parts of a name, or of an extension. */
const DEPTH_MAX = 8;
/** RFC 5280 §4.1.2.2: 20 bytes, and one that keeps it positive. */
const SERIAL_BYTES_MAX = 21;

const FIELDS = [VERSION, INTEGER, SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE, EXTENSIONS] as const;

/** Throws `Unverified`. */
export function parseNitroCertificate(der: Uint8Array): Certificate {
  const [tbs, algorithm, bits] = inside(parseDer(der, DEPTH_MAX), [SEQUENCE, SEQUENCE, BIT_STRING]);
  const [version, serial, signedWith, issuer, validity, subject, spki, extensions] = inside(tbs, FIELDS);
  if (!equalBytes(version.whole, VERSION_3)) throw malformed('not of version 3');
  if (!isPositive(serial) || serial.content.length > SERIAL_BYTES_MAX) throw malformed('its serial number');
  if (!equalBytes(algorithm.whole, ECDSA_SHA384) || !equalBytes(signedWith.whole, ECDSA_SHA384))
    throw new Unverified('certificate_algorithm_refused', 'not ECDSA with SHA-384');
  if (!p384PointOf(spki.whole)) throw new Unverified('certificate_key_refused', 'not a point of P-384');
  if (issuer.content.length === 0 || subject.content.length === 0) throw malformed('a name that is empty');
  if (bits.content[0] !== 0) throw malformed('its signature');
  return {
    tbs: tbs.whole,
    issuer: issuer.whole,
    subject: subject.whole,
    ...readValidity(validity),
    spki: spki.whole,
    signature: bits.content.subarray(1),
    ...readExtensions(extensions),
  };
}

/** The elements inside one, which have exactly these tags. */
function inside<const Tags extends readonly number[]>(
  parent: Element | undefined,
  tags: Tags,
): { readonly [Index in keyof Tags]: Element } {
  const children = parent?.tag === SEQUENCE ? childrenOf(parent) : [];
  if (children.length !== tags.length || !children.every((child, index) => child.tag === tags[index])) throw malformed('its elements');
  return children as unknown as { readonly [Index in keyof Tags]: Element };
}

function readValidity(validity: Element): { notBeforeMs: number; notAfterMs: number } {
  const [notBeforeMs, notAfterMs, ...more] = childrenOf(validity).map(parseTimeMs);
  if (notBeforeMs === undefined || notAfterMs === undefined || more.length > 0) throw malformed('its validity');
  return { notBeforeMs, notAfterMs };
}

function malformed(detail: string): Unverified {
  return new Unverified('certificate_malformed', detail);
}
