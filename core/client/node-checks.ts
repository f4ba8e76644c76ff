/**
 * What nodes prove of their enclaves to an app that asks for it (`attestNodes`): before a node is used, its hardware vouches, under a nonce
 * of ours, that the enclave of the registered wallet and TEE key runs what the chain says. A check counts for one record of the registry
 * and for a while; calls that need it at a time share it. A node about which anything is in doubt is passed over. One that strangers ask too
 * often is asked again in the app's name.
 */
import { judgeDocument } from '../crypto/nitro/judgement.ts';
import { Refusal } from '../errors.ts';
import { ATTESTATION_BYTES_MAX, CLIENT_CHECK_MS, CLIENT_CHECKED_MS } from '../limits.ts';
import { hex, parseHex } from '../wire/bytes.ts';
import { failureOf } from './attempt.ts';
import { AttemptFailed } from './error.ts';
import { proveBySignature } from './proofs.ts';
import type { NetworkProfile } from '../networks.ts';
import type { Clock, Fetch, OutboundAnswer, Random, Signer } from '../ports.ts';
import type { Wallet } from '../identity.ts';
import type { LiveNode, Self } from './directory.ts';

export interface NodeChecks {
  /** Throws `AttemptFailed` when the node's enclave has not proven, for this record of the registry, to be the registered one. */
  require(node: LiveNode): Promise<void>;
}

export interface NodeChecksDependencies {
  readonly profile: Pick<NetworkProfile, 'attestationRoot' | 'chainId'>;
  readonly signer: Pick<Signer, 'sign'>;
  readonly self: () => Promise<Pick<Self, 'wallet'>>;
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
const TOO_MANY_REQUESTS = 429;

export function createNodeChecks({ profile, signer, self, fetch, clock, random }: NodeChecksDependencies): NodeChecks {
  const checks = new Map<Wallet, Check>();

  async function ask(node: LiveNode): Promise<void> {
    const nonce = random.bytes(NONCE_BYTES);
    const url = `${node.url}/attestation?nonce=${hex(nonce)}`;
    const first = await get(url);
    // Strangers may use up what there is for all of them; each app has its own share. The document is judged like any other.
    const answer = first.status === TOO_MANY_REQUESTS ? await get(url, await signatureFor(node, url)) : first;
    if (answer.status !== 200) throw new AttemptFailed('unattested', `gives no attestation document (status ${answer.status})`);
    const fault = faultIn(answer.body, nonce, node);
    if (fault !== undefined) throw new AttemptFailed('unattested', `its enclave is not proven to be the registered one (${fault})`);
  }

  async function get(url: string, headers: Readonly<Record<string, string>> = {}): Promise<OutboundAnswer> {
    // No signal: who waits for it may leave, and others wait for the same answer.
    return await fetch({ url, method: 'GET', headers }, { timeoutMs: CLIENT_CHECK_MS, bodyBytesMax: ATTESTATION_BYTES_MAX });
  }

  /** Good for this one request to this one node: who is not proven yet learns no more by it than that this app asks. */
  async function signatureFor(node: LiveNode, url: string): Promise<Readonly<Record<string, string>>> {
    const { wallet } = await self();
    const tools = { chainId: profile.chainId, signer, wallet, clock, random, fetch };
    const limits = { timeoutMs: CLIENT_CHECK_MS, signal: new AbortController().signal };
    return (await proveBySignature(tools, node, { method: 'GET', url, body: undefined }, limits)).headers;
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
