/**
 * The security module of an emulated enclave. It signs documents of the real shape (members, order, lengths, five certificates) under the
 * root of the simulated network; a test can make it one of other code, of another root, of another time, or one in debug mode.
 */
import { randomBytes } from 'node:crypto';
import { bytesOf } from '../../core/ca/der.ts';
import { bytes, list, NULL, openTable, table, text, uint } from './cbor-writer.ts';
import { certificateOf, levelsAt, plansFor } from './certificates.ts';
import { pcrBytes } from './pcrs.ts';
import { freshKey, simulatedRoot } from './roots.ts';
import type { Entry } from './cbor-writer.ts';
import type { TestKey } from './certificates.ts';
import type { Pcrs } from './pcrs.ts';
import type { Root } from './roots.ts';

/** What whoever asks has the module sign; `null` is written as such. */
export interface Asked {
  readonly publicKey: Uint8Array | null;
  readonly userData: Uint8Array | null;
  readonly nonce: Uint8Array | null;
}

export interface SecurityModule {
  /** May be set at any time; counts from the next document on. */
  pcrs: Pcrs;
  /** The host can read the enclave, and PCR 0, 1 and 2 are zero. */
  isDebug: boolean;
  root: Root;
  /** Documents, and certificates, of so much later. */
  shiftMs: number;
  attest(asked: Asked): Uint8Array;
}

interface Chain {
  readonly madeMs: number;
  readonly root: Root;
  /** Root first. */
  readonly certificates: readonly Uint8Array[];
  readonly leaf: TestKey;
}

const ES384 = bytesOf('a1013822');
/** Longer than any test, shorter than the life of a leaf. */
const CHAIN_MS_MAX = 3_600_000;
const ZEROS = new Uint8Array(48);

export function createSecurityModule(pcrs: Pcrs, nowMs: () => number): SecurityModule {
  const id = `i-0d77c5a9ff8a7dbad-enc${randomBytes(8).toString('hex')}`;
  let chain: Chain | undefined;

  function chainAt(atMs: number): Chain {
    const isGood = chain && chain.root === module.root && atMs >= chain.madeMs && atMs - chain.madeMs < CHAIN_MS_MAX;
    if (!isGood) chain = newChain(module.root, atMs);
    return chain as Chain;
  }

  const module: SecurityModule = {
    pcrs,
    isDebug: false,
    root: simulatedRoot(),
    shiftMs: 0,
    attest({ publicKey, userData, nonce }) {
      const atMs = nowMs() + module.shiftMs;
      const { certificates, leaf } = chainAt(atMs);
      const optional = (value: Uint8Array | null): Uint8Array => (value === null ? NULL : bytes(value));
      const payload = openTable(
        [text('module_id'), text(id)],
        [text('digest'), text('SHA384')],
        [text('timestamp'), uint(atMs)],
        [text('pcrs'), table(...measured(module))],
        [text('certificate'), bytes(certificates.at(-1) as Uint8Array)],
        [text('cabundle'), list(...certificates.slice(0, -1).map(bytes))],
        [text('public_key'), optional(publicKey)],
        [text('user_data'), optional(userData)],
        [text('nonce'), optional(nonce)],
      );
      const signed = list(text('Signature1'), bytes(ES384), bytes(new Uint8Array(0)), bytes(payload));
      return list(bytes(ES384), table(), bytes(payload), bytes(leaf.sign(signed)));
    },
  };
  return module;
}

function newChain(root: Root, madeMs: number): Chain {
  const keys = [root.key, ...Array.from({ length: 4 }, freshKey)];
  const [, ...below] = plansFor(levelsAt(madeMs), keys);
  return { madeMs, root, certificates: [root.der, ...below.map(certificateOf)], leaf: keys.at(-1) as TestKey };
}

/** Sixteen, as the hardware has; of those that nobody reads, the instance's and its role's are set. */
function measured({ pcrs, isDebug }: SecurityModule): Entry[] {
  const known = isDebug ? [ZEROS, ZEROS, ZEROS] : pcrBytes(pcrs);
  const others = [new Uint8Array(48).fill(3), new Uint8Array(48).fill(4)];
  return Array.from({ length: 16 }, (_, index): Entry => [uint(index), bytes([...known, ...others][index] ?? ZEROS)]);
}
