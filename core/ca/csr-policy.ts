/**
 * A certification request (RFC 2986) proves that its sender has a key, and says nothing else: the key is all that leaves
 * here. Names and attributes are stepped over, never read (`docs/protocol.md` clause 12.3, X-2).
 */
import { createPublicKey, verify } from 'node:crypto';
import { Refusal } from '../errors.ts';
import { CSR_BYTES_MAX, CSR_DEPTH_MAX } from '../limits.ts';
import { hex } from '../wire/bytes.ts';
import { BIT_STRING, childrenOf, INTEGER, parseDer, SEQUENCE } from './der.ts';
import { parsePem } from './pem.ts';
import { kindOfKey } from './public-key.ts';
import type { Element } from './der.ts';
import type { KeyKind } from './public-key.ts';

const ATTRIBUTES = 0xa0;

interface Algorithm {
  readonly kinds: readonly KeyKind[];
  /** Ed25519 hashes by itself. */
  readonly hash: 'sha256' | 'sha384' | 'sha512' | null;
}

const CURVES: readonly KeyKind[] = ['P-256', 'P-384'];

/** AlgorithmIdentifiers in full: ECDSA without parameters (RFC 5758), RSA PKCS1 v1.5 with NULL (RFC 4055), Ed25519 (RFC 8410). */
const ALGORITHMS: Readonly<Record<string, Algorithm>> = {
  '300a06082a8648ce3d040302': { kinds: CURVES, hash: 'sha256' },
  '300a06082a8648ce3d040303': { kinds: CURVES, hash: 'sha384' },
  '300a06082a8648ce3d040304': { kinds: CURVES, hash: 'sha512' },
  '300d06092a864886f70d01010b0500': { kinds: ['RSA'], hash: 'sha256' },
  '300d06092a864886f70d01010c0500': { kinds: ['RSA'], hash: 'sha384' },
  '300d06092a864886f70d01010d0500': { kinds: ['RSA'], hash: 'sha512' },
  '300506032b6570': { kinds: ['Ed25519'], hash: null },
};

/** The SubjectPublicKeyInfo whose key signed the request, given as PEM or DER. Throws a `csr_…` reason, for any bytes at all. */
export function keyOfCsr(csr: Uint8Array): Uint8Array {
  if (csr.length > CSR_BYTES_MAX) throw new Refusal('csr_too_large', `${csr.length} bytes`);
  const { signed, spki, algorithm, signature } = parseCsr(csr);
  const kind = kindOfKey(spki);
  if (kind === undefined) throw new Refusal('csr_key_refused');
  const known = ALGORITHMS[hex(algorithm.whole)];
  if (!known?.kinds.includes(kind)) throw new Refusal('csr_algorithm_refused', `with a key ${kind}`);
  if (!isSignedBy(spki.whole, known, signed.whole, signature)) throw new Refusal('csr_signature_invalid', kind);
  return spki.whole.slice();
}

interface Csr {
  readonly signed: Element;
  readonly spki: Element;
  readonly algorithm: Element;
  readonly signature: Uint8Array;
}

function parseCsr(csr: Uint8Array): Csr {
  const der = csr[0] === SEQUENCE ? csr : parsePem('CERTIFICATE REQUEST', csr);
  const root = der && parseDer(der, CSR_DEPTH_MAX);
  const [signed, algorithm, signature] = root ? fields(root, SEQUENCE, [SEQUENCE, SEQUENCE, BIT_STRING]) : [];
  const [version, , spki] = signed ? fields(signed, SEQUENCE, [INTEGER, SEQUENCE, SEQUENCE, ATTRIBUTES]) : [];
  const isVersion1 = version?.content.length === 1 && version.content[0] === 0;
  if (!signed || !algorithm || !spki || !isVersion1 || signature?.content[0] !== 0) throw new Refusal('csr_malformed');
  return { signed, spki, algorithm, signature: signature.content.subarray(1) };
}

/** The elements of one whose tag, and those of its elements, are these; none otherwise. */
function fields(parent: Element, tag: number, tags: readonly number[]): Element[] {
  const children = parent.tag === tag ? childrenOf(parent) : [];
  return children.length === tags.length && children.every((child, index) => child.tag === tags[index]) ? children : [];
}

/** The host's own verification. Its keys have passed `kindOfKey`; whatever else it does not like is no signature. */
function isSignedBy(spki: Uint8Array, { hash }: Algorithm, message: Uint8Array, signature: Uint8Array): boolean {
  try {
    return verify(hash, message, createPublicKey({ key: spki as Buffer, format: 'der', type: 'spki' }), signature);
  } catch (error) {
    throw new Refusal('csr_signature_invalid', 'the host does not verify it', error);
  }
}
