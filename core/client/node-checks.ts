/**
 * What nodes prove of their enclaves to an app that asks for it (`attestNodes`): before a node is used, its hardware vouches, under a nonce
 * of ours, that the enclave of the registered wallet and TEE key runs what the chain says. A check counts for one record of the registry
 * and for a while; calls that need it at a time share it. A node about which anything is in doubt is passed over.
 */
import { judgeDocument } from '../crypto/nitro/judgement.ts';
import { Refusal } from '../errors.ts';
import { ATTESTATION_BYTES_MAX, CLIENT_CHECK_MS, CLIENT_CHECKED_MS } from '../limits.ts';
import { hex, parseHex } from '../wire/bytes.ts';
import { failureOf } from './attempt.ts';
import { AttemptFailed } from './error.ts';
import type { NetworkProfile } from '../networks.ts';
import type { Clock, Fetch, Random } from '../ports.ts';
import type { Wallet } from '../identity.ts';
import type { LiveNode } from './directory.ts';

export interface NodeChecks {
  /** Throws `AttemptFailed` when the node's enclave has not proven, for this record of the registry, to be the registered one. */
  require(node: LiveNode): Promise<void>;
}

export interface NodeChecksDependencies {
  readonly profile: Pick<NetworkProfile, 'attestationRoot'>;
  readonly fetch: Fetch;
  readonly clock: Clock;
  readonly random: Random;
}

interface Check {
  /** What the registry said of the node when it was checked. */
  readonly record: string;
  /** By elapsed time, when it was begun. */
  readonly sinceMs: number;
  readonly outcome: Promise<void>;
  isPassed: boolean;
}

const NONCE_BYTES = 32;

export function createNodeChecks({ profile, fetch, clock, random }: NodeChecksDependencies): NodeChecks {
  const checks = new Map<Wallet, Check>();

  async function ask(node: LiveNode): Promise<void> {
    const nonce = random.bytes(NONCE_BYTES);
    const request = { url: `${node.url}/attestation?nonce=${hex(nonce)}`, method: 'GET' } as const;
    // No signal: who waits for it may leave, and others wait for the same answer.
    const answer = await fetch(request, { timeoutMs: CLIENT_CHECK_MS, bodyBytesMax: ATTESTATION_BYTES_MAX });
    if (answer.status !== 200) throw new AttemptFailed('unattested', `gives no attestation document (status ${answer.status})`);
    const fault = faultIn(answer.body, nonce, node);
    if (fault !== undefined) throw new AttemptFailed('unattested', `its enclave is not proven to be the registered one (${fault})`);
  }

  function faultIn(document: Uint8Array, nonce: Uint8Array, { wallet, teePubkey, measurement }: LiveNode): string | undefined {
    const publicKey = parseHex(teePubkey);
    if (!publicKey) return 'its registered key is none';
    const trust = { root: profile.attestationRoot, nowMs: clock.nowMs() };
    const judged = judgeDocument(document, trust, { measurement, nonce, publicKey, wallet });
    return judged.kind === 'refused' ? judged.why : undefined;
  }

  /** There are never more than nodes that were live within the time for which a check counts. */
  function begin(node: LiveNode, record: string): Check {
    const nowMs = clock.elapsedMs();
    for (const [wallet, { sinceMs }] of checks) if (nowMs - sinceMs >= CLIENT_CHECKED_MS) checks.delete(wallet);
    const asked = ask(node).then(
      () => {
        check.isPassed = true;
      },
      (error: unknown) => {
        if (checks.get(node.wallet) === check) checks.delete(node.wallet);
        throw error instanceof Refusal ? failureOf(error) : error;
      },
    );
    const check: Check = { record, sinceMs: nowMs, outcome: asked, isPassed: false };
    checks.set(node.wallet, check);
    return check;
  }

  return {
    async require(node) {
      const record = [node.url, node.teePubkey, node.measurement].join(' ');
      const known = checks.get(node.wallet);
      const ageMs = clock.elapsedMs() - (known?.sinceMs ?? 0);
      // In a worker one under way may have died with the request that began it.
      const stands = known?.record === record && ageMs < (known.isPassed ? CLIENT_CHECKED_MS : CLIENT_CHECK_MS);
      await (stands ? known : begin(node, record)).outcome;
    },
  };
}
