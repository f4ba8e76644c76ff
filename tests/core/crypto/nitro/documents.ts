/** Attestation documents of the real shape under a root of the tests' own: good by themselves, and wrong in the one thing that a test asks for. */
import { expect } from 'vitest';
import { verifyAttestation } from '../../../../core/crypto/nitro/attestation.ts';
import { bytesOf } from '../../../../core/ca/der.ts';
import { utf8 } from '../../../../core/wire/bytes.ts';
import { bytes, list, table, text, uint } from '../../../attestation/cbor-writer.ts';
import { certificateOf } from '../../../attestation/certificates.ts';
import { leafKey, MADE_MS, plansOf } from './chain-plans.ts';
import type { Attestation, Verdict } from '../../../../core/crypto/nitro/attestation.ts';
import type { CertificatePlan, TestKey } from '../../../attestation/certificates.ts';
import type { Entry } from '../../../attestation/cbor-writer.ts';

/** Encoded, by name and in their order. */
export type Members = ReadonlyMap<string, Uint8Array>;

export interface DocumentPlan {
  readonly chain: readonly CertificatePlan[];
  readonly members: (members: Members) => Iterable<readonly [string, Uint8Array]>;
  readonly payload: (entries: readonly Entry[]) => Uint8Array;
  /** What is in the protected header, and what goes into the signature. */
  readonly header: Uint8Array;
  readonly signer: TestKey;
  /** The four parts, encoded. */
  readonly parts: (header: Uint8Array, unprotected: Uint8Array, payload: Uint8Array, signature: Uint8Array) => Uint8Array;
  readonly signature: (raw: Uint8Array) => Uint8Array;
}

export const NOW_MS = MADE_MS + 250;
export const WALLET = '0x90f8bf6a479f320ead074411a4b0e7944ea8c9c1';
export const USER_DATA = utf8(`{"app_wallet":null,"eth_addr":"${WALLET}"}`);
export const NONCE = utf8('thirty-two bytes that were asked');
export const PUBLIC_KEY = utf8(`${'k'.repeat(97)}`);
export const ES384 = bytesOf('a1013822');
export const pcr = (index: number, length = 48): Uint8Array => new Uint8Array(length).fill(index + 1);
export const pcrs = (...indexes: readonly number[]): Uint8Array =>
  table(...indexes.map((index): Entry => [uint(index), bytes(pcr(index))]));

const INDEXES = Array.from({ length: 16 }, (_, index) => index);

function goodMembers(chain: readonly CertificatePlan[]): Members {
  const certificates = chain.map(written);
  return new Map([
    ['module_id', text('i-0d77c5a9ff8a7dbad-enc0199e6cadc8142c2')],
    ['digest', text('SHA384')],
    ['timestamp', uint(MADE_MS)],
    ['pcrs', pcrs(...INDEXES)],
    ['certificate', bytes(certificates.at(-1) as Uint8Array)],
    ['cabundle', list(...certificates.slice(0, -1).map(bytes))],
    ['public_key', bytes(PUBLIC_KEY)],
    ['user_data', bytes(USER_DATA)],
    ['nonce', bytes(NONCE)],
  ]);
}

export const entriesOf = (members: Iterable<readonly [string, Uint8Array]>): Entry[] =>
  [...members].map(([name, value]) => [text(name), value]);

const GOOD: DocumentPlan = {
  chain: plansOf(),
  members: (members) => members,
  payload: (entries) => table(...entries),
  header: ES384,
  signer: leafKey,
  parts: list,
  signature: (raw) => raw,
};

/** Signatures cost more than everything else here, and most certificates are those of the good chain. */
const kept = new WeakMap<CertificatePlan, Uint8Array>();

function written(plan: CertificatePlan): Uint8Array {
  const known = kept.get(plan) ?? certificateOf(plan);
  kept.set(plan, known);
  return known;
}

export const ROOT = certificateOf(plansOf()[0] as CertificatePlan);

export function documentOf(change: Partial<DocumentPlan> = {}): Uint8Array {
  const { chain, members, payload, header, signer, parts, signature } = { ...GOOD, ...change };
  const body = bytes(payload(entriesOf(members(goodMembers(chain)))));
  const message = list(text('Signature1'), bytes(header), bytes(new Uint8Array(0)), body);
  return parts(bytes(header), table(), body, bytes(signature(signer.sign(message))));
}

/** With one member more, or another value for one. */
export const withMember =
  (name: string, value: Uint8Array): DocumentPlan['members'] =>
  (members) =>
    new Map([...members, [name, value]]);

export const without =
  (name: string): DocumentPlan['members'] =>
  (members) =>
    [...members].filter(([other]) => other !== name);

export const verify = (document: Uint8Array, nowMs = NOW_MS): Verdict => verifyAttestation(document, { root: ROOT, nowMs, skewMsMax: 0 });
export const said = (verdict: Verdict): string => (verdict.kind === 'verified' ? 'verified' : verdict.why);

export function verified(verdict: Verdict): Attestation {
  if (verdict.kind === 'refused') throw new Error(`${verdict.why}: ${verdict.detail}`);
  return verdict.attestation;
}

/** The document without the deviation verifies; with it, it is refused for that reason. */
export function expectRefused(change: Partial<DocumentPlan>, why: string): void {
  expect(said(verify(documentOf()))).toBe('verified');
  expect(said(verify(documentOf(change)))).toBe(why);
}
