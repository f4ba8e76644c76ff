/**
 * Sends the activation of an epoch when this wallet holds gas for it: the only transaction that a node ever sends. Anyone may
 * send it instead; the contract checks the signatures, not the sender.
 */
import { Refusal } from '../errors.ts';
import { RELAY_FEE_STEPS_MAX, RELAY_GAS_PERCENT, RELAY_RETRY_BLOCKS } from '../limits.ts';
import { encodeActivate } from '../chain/registry.ts';
import { eligibleSigners } from './readiness.ts';
import type { Blocks } from '../chain/view.ts';
import type { Epoch, Wallet } from '../identity.ts';
import type { NetworkProfile } from '../networks.ts';
import type { Chain, Log, Signer } from '../ports.ts';
import type { Offer } from './messages.ts';

export interface Relay {
  /** Sends at most one transaction per epoch in `RELAY_RETRY_BLOCKS`; what fails is logged and tried again then. */
  send(epoch: Epoch, offer: Offer, blocks: Blocks): Promise<void>;
}

export interface RelayDependencies {
  readonly self: Wallet;
  readonly profile: NetworkProfile;
  readonly chain: Chain;
  readonly signer: Signer;
  readonly log: Log;
}

export function createRelay({ self, profile, chain, signer, log }: RelayDependencies): Relay {
  let last: { readonly epoch: Epoch; readonly blockNumber: number; readonly feeSteps: bigint } | undefined;

  async function sendActivation(epoch: Epoch, offer: Offer, blocks: Blocks, feeSteps: bigint): Promise<void> {
    const signatures = inContractOrder(offer, blocks);
    const data = encodeActivate(epoch, offer.hash, offer.validUntilBlock, signatures);
    const to = profile.kmsRegistry;
    const [{ balanceWei, nonce }, { gasPriceWei, priorityFeeWei }] = await Promise.all([chain.account(self), chain.fees()]);
    const gasLimit = ((await chain.estimateGas(self, to, data)) * RELAY_GAS_PERCENT) / 100n;
    const maxFeePerGas = (gasPriceWei * 2n + priorityFeeWei) * feeSteps;
    if (balanceWei < gasLimit * maxFeePerGas) throw new Refusal('chain_unavailable', 'this wallet holds too little gas to relay');
    const request = {
      chainId: profile.chainId,
      nonce,
      maxPriorityFeePerGas: priorityFeeWei * feeSteps,
      maxFeePerGas,
      gasLimit,
      to,
      data,
    };
    const transaction = await chain.send(await signer.signTransaction(request));
    log('activation.sent', { epoch, hash: offer.hash, signatures: signatures.length, transaction });
  }

  return {
    async send(epoch, offer, blocks) {
      const { blockNumber } = blocks.head;
      const same = last?.epoch === epoch ? last : undefined;
      if (same && blockNumber < same.blockNumber + RELAY_RETRY_BLOCKS) return;
      const feeSteps = same?.feeSteps ?? 1n;
      last = { epoch, blockNumber, feeSteps };
      try {
        await sendActivation(epoch, offer, blocks, feeSteps);
        // Only what was really sent, and is not seen when its time is over, is worth a higher fee.
        last = { epoch, blockNumber, feeSteps: feeSteps < RELAY_FEE_STEPS_MAX ? feeSteps + 1n : feeSteps };
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        log('activation.failed', { epoch, reason: error.reason, detail: error.detail });
      }
    },
  };
}

/** A majority of the eligible signatures, by ascending signer, as the contract wants them. */
export function inContractOrder(offer: Offer, blocks: Blocks): `0x${string}`[] {
  const signers = eligibleSigners(offer, blocks).toSorted((a, b) => (a < b ? -1 : 1));
  return signers.slice(0, blocks.head.majority).flatMap((signer) => offer.signatures.get(signer) ?? []);
}
