/** An enclave's hardware as a node's port, without an Odyn in between; and two ends of a hello that believe each other. */
import { parseHex, utf8 } from '../../core/wire/bytes.ts';
import { createSecurityModule } from './module.ts';
import { measurementOf, pcrsOf } from './pcrs.ts';
import type { Attestations } from '../../core/cluster/attestations.ts';
import type { Attester, Clock } from '../../core/ports.ts';
import type { SecurityModule } from './module.ts';

export interface TestAttester extends Attester {
  /** Whose documents the test may bend. */
  readonly module: SecurityModule;
  /** Whose enclave Odyn says it is; the test may have it lie. */
  wallet: string;
  /** In its place; `undefined` lets it answer. */
  answer: Uint8Array | undefined;
}

/** What enclaves of these tests run, and their registry says, unless a test says otherwise. */
export const PCRS = pcrsOf(1);
export const MEASUREMENT = measurementOf(PCRS);

export function createTestAttester(wallet: string, teePubkey: string, clock: Clock): TestAttester {
  const module = createSecurityModule(PCRS, () => clock.nowMs());
  const attester: TestAttester = {
    module,
    wallet,
    answer: undefined,
    document: ({ nonce, publicKey }) =>
      Promise.resolve(
        attester.answer ??
          module.attest({
            nonce,
            publicKey: publicKey === 'tee' ? (parseHex(teePubkey) as Uint8Array) : publicKey,
            userData: utf8(JSON.stringify({ eth_addr: attester.wallet })),
          }),
      ),
  };
  return attester;
}

/** A weakened copy: it attests nothing and believes everybody. For tests of something else that open many sessions, and to show attacks. */
export const credulous: Attestations = {
  ours: () => Promise.resolve(Uint8Array.of(0)),
  judge: (peer) => peer.measurement,
  requireUnchanged: () => undefined,
};
