/**
 * Handing a secret to a member, and fetching one (`docs/protocol.md` clause 8.2). There is one form of this message: inside a sealed frame
 * of an attested session, named by its hash, to an eligible member, at a bounded rate, with a record in the audit trail. What arrives is
 * checked against the hash that was asked for before anything is kept.
 */
import { Refusal } from '../errors.ts';
import { HANDOVERS_BURST, HANDOVERS_PER_SECOND, OPERATORS_MAX } from '../limits.ts';
import { createRate } from '../auth/rate.ts';
import { eligibleMemberOf } from '../chain/view.ts';
import { secretHash } from '../crypto/kdf.ts';
import { decodeGiven, decodeWanted, encodeGiven, encodeWanted } from './messages.ts';
import type { Operator } from '../chain/registry.ts';
import type { ChainView } from '../chain/view.ts';
import type { Vault } from '../crypto/vault.ts';
import type { Epoch, Hash, Wallet } from '../identity.ts';
import type { Clock, Log } from '../ports.ts';
import type { Peer, Peers } from './peers.ts';
import type { FrameHandler } from './sessions.ts';

export interface HandoverDependencies {
  readonly view: ChainView;
  readonly vault: Vault;
  readonly clock: Clock;
  readonly log: Log;
}

/** The responder's side. */
export function createHandover({ view, vault, clock, log }: HandoverDependencies): FrameHandler {
  const rate = createRate(clock, { perSecond: HANDOVERS_PER_SECOND, burst: HANDOVERS_BURST, keysMax: OPERATORS_MAX });

  /** Eligible by the chain, and running what the chain says of it: its enclave proved it when the session was opened. */
  async function checkEligible({ wallet, measurement }: Operator): Promise<void> {
    // Read now, not on the last tick: a member that was removed a block ago gets nothing.
    await view.refresh();
    const state = view.state();
    if (state.kind !== 'fresh') throw new Refusal('chain_unavailable', state.detail);
    const record = eligibleMemberOf(state.blocks, wallet);
    if (!record) throw new Refusal('handover_not_eligible', wallet);
    if (record.measurement !== measurement)
      throw new Refusal('peer_not_attested', `attested ${measurement}, registered ${record.measurement}`);
  }

  return async (peer, payload) => {
    const wanted = decodeWanted(payload);
    try {
      if (!rate.take(peer.wallet)) throw new Refusal('handover_rate_limited', peer.wallet);
      await checkEligible(peer);
    } catch (error) {
      if (error instanceof Refusal) log('handover.refused', { peer: peer.wallet, reason: error.reason });
      throw error;
    }
    const given = wanted.flatMap(({ epoch, hash }) => {
      const secret = vault.handOver(epoch, hash);
      return secret ? [{ epoch, hash, secret }] : [];
    });
    // Nobody is blamed for asking, and the asker goes on to the next holder; but whoever names what is not here leaves a record.
    if (given.length < wanted.length) log('handover.refused', { peer: peer.wallet, reason: 'handover_not_held' });
    for (const { epoch, hash } of given) log('handover.given', { epoch, hash, peer: peer.wallet, measurement: peer.measurement });
    return encodeGiven(given);
  };
}

/** The requester's side: the first peer that hands over bytes of that hash. `undefined` when none does before the signal. */
export async function fetchSecret(
  epoch: Epoch,
  hash: Hash,
  holders: readonly Peer[],
  peers: Peers,
  signal: AbortSignal,
): Promise<{ readonly secret: Uint8Array; readonly peer: Wallet } | undefined> {
  for (const peer of holders) {
    // Nobody waits for it any more: what would come is not asked for, and no record says that it was given.
    if (signal.aborted) return undefined;
    try {
      const secret = await peers.call(peer, 'handover', encodeWanted([{ epoch, hash }]), (payload) => takeGiven(payload, epoch, hash));
      if (secret) return { secret, peer: peer.wallet };
    } catch (error) {
      // Back-off and the log line are the business of `peers`; the next holder is asked.
      if (!(error instanceof Refusal)) throw error;
    }
  }
  return undefined;
}

/** Nothing is an honest answer; anything but the bytes of the hash that was asked for is not. */
function takeGiven(payload: Uint8Array, epoch: Epoch, hash: Hash): Uint8Array | undefined {
  const [given] = decodeGiven(payload);
  if (!given) return undefined;
  const asked = given.epoch === epoch && given.hash === hash && secretHash(given.secret) === hash;
  if (!asked) throw new Refusal('peer_answer_odd', 'the secret does not have the hash that was asked for');
  return given.secret;
}
