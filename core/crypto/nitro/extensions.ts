/**
 * What a certificate's extensions (RFC 5280 §4.2) say of its place in a chain: whether it is an authority, how far, and what its key may
 * do. Whatever else there is may be there as long as it is not critical, and is not read.
 */
import { BIT_STRING, BOOLEAN, childrenOf, INTEGER, objectId, OBJECT_IDENTIFIER, OCTET_STRING, parseDer, SEQUENCE } from '../../ca/der.ts';
import { equalBytes, hex } from '../../wire/bytes.ts';
import { Unverified } from './fault.ts';
import type { Element } from '../../ca/der.ts';

export interface Extensions {
  /** A CA, said by a critical basicConstraints. */
  readonly isAuthority: boolean;
  /** How many authorities may follow; `undefined` when that is not limited. */
  readonly pathLengthMax: number | undefined;
  readonly mayIssue: boolean;
  readonly maySign: boolean;
}

interface Extension {
  readonly isCritical: boolean;
  readonly value: Uint8Array;
}

const BASIC_CONSTRAINTS = hex(objectId('2.5.29.19'));
const KEY_USAGE = hex(objectId('2.5.29.15'));
/** AWS has at most five. */
const COUNT_MAX = 16;
/** Bits of the first byte (RFC 5280 §4.2.1.3). */
const DIGITAL_SIGNATURE = 0x80;
const KEY_CERT_SIGN = 0x04;
const TRUE = Uint8Array.of(0xff);

/** `tagged` is the [3] of a TBSCertificate, well-formed. */
export function readExtensions(tagged: Element): Extensions {
  const extensions = readList(tagged);
  const odd = [...extensions].find(([id, { isCritical }]) => isCritical && id !== BASIC_CONSTRAINTS && id !== KEY_USAGE);
  if (odd) throw new Unverified('extension_refused', `critical and unknown: ${odd[0].slice(0, 32)}`);
  const usage = readUsage(extensions.get(KEY_USAGE));
  return {
    ...readConstraints(extensions.get(BASIC_CONSTRAINTS)),
    mayIssue: (usage & KEY_CERT_SIGN) !== 0,
    maySign: (usage & DIGITAL_SIGNATURE) !== 0,
  };
}

/** By the DER of their ids, as hex. */
function readList(tagged: Element): ReadonlyMap<string, Extension> {
  const [list, ...more] = childrenOf(tagged);
  const items = list?.tag === SEQUENCE ? childrenOf(list) : [];
  if (more.length > 0 || items.length === 0 || items.length > COUNT_MAX) throw malformed('its extensions');
  const extensions = new Map<string, Extension>();
  for (const item of items) {
    const [id, extension] = readOne(item);
    if (extensions.has(id)) throw new Unverified('extension_refused', `twice: ${id.slice(0, 32)}`);
    extensions.set(id, extension);
  }
  return extensions;
}

/** DER leaves a criticality of FALSE out (X.690 §11.5). */
function readOne(item: Element): readonly [string, Extension] {
  const parts = item.tag === SEQUENCE ? childrenOf(item) : [];
  const [id, flag, value] = parts.length === 2 ? [parts[0], undefined, parts[1]] : parts;
  if (parts.length > 3 || id?.tag !== OBJECT_IDENTIFIER || value?.tag !== OCTET_STRING) throw malformed('an extension');
  if (flag !== undefined && !isTrue(flag)) throw malformed('the criticality of an extension');
  return [hex(id.whole), { isCritical: flag !== undefined, value: value.content }];
}

/** Without it, and with an empty one, a certificate is no CA. A CA that says so without making it critical is none either. */
function readConstraints(extension: Extension | undefined): Pick<Extensions, 'isAuthority' | 'pathLengthMax'> {
  if (extension === undefined) return { isAuthority: false, pathLengthMax: undefined };
  const root = parseDer(extension.value, 1);
  if (root?.tag !== SEQUENCE) throw malformed('basicConstraints');
  const [flag, length, ...more] = childrenOf(root);
  if (flag === undefined) return { isAuthority: false, pathLengthMax: undefined };
  const isLength = length === undefined || (length.tag === INTEGER && length.content.length === 1 && (length.content[0] as number) < 0x80);
  if (!isTrue(flag) || !isLength || more.length > 0) throw malformed('basicConstraints');
  if (!extension.isCritical) throw new Unverified('extension_refused', 'a CA whose basicConstraints are not critical');
  return { isAuthority: true, pathLengthMax: length?.content[0] };
}

/** The first eight bits; none without the extension. */
function readUsage(extension: Extension | undefined): number {
  if (extension === undefined) return 0;
  const bits = parseDer(extension.value, 1);
  const [unused, first, second] = bits?.tag === BIT_STRING ? bits.content : [];
  if (bits === undefined || unused === undefined || first === undefined || bits.content.length > 3) throw malformed('keyUsage');
  // Named bits have no zeros at their end (X.690 §11.2.2), so the last one is the last that is used.
  const last = second ?? first;
  if (unused > 7 || ((last >> unused) & 1) !== 1 || (last & ((1 << unused) - 1)) !== 0) throw malformed('keyUsage');
  return first;
}

function isTrue({ tag, content }: Element): boolean {
  return tag === BOOLEAN && equalBytes(content, TRUE);
}

function malformed(detail: string): Unverified {
  return new Unverified('certificate_malformed', detail);
}
