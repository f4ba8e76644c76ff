/** The side of the simulation. */
import { recoverWallet } from '../../../core/crypto/wallet.ts';
import { clusterAnswer, KMS_REGISTRY, profile, START_MS, zeroedCaller } from '../../core/fakes.ts';
import { activated, appRegistered, createVirtualChain, opened, registered, retired, stopped } from '../world/chain.ts';
import { createTimeline } from '../world/timeline.ts';
import { activationOf, APP, app, urlOf, walletOf } from './moves.ts';
import type { Transaction } from '../world/chain.ts';
import type { Move, Side } from './moves.ts';

export function createSimulated(): Side {
  const known = { chainId: profile.chainId, recover: recoverWallet };
  const chain = createVirtualChain({ timeline: createTimeline(), startMs: START_MS, confirmationBlocks: 2, ...known });

  function transactionOf(move: Move): Transaction {
    switch (move.does) {
      case 'join':
        return registered(walletOf(move.name), 'aa', urlOf(move.at ?? move.name));
      case 'stop':
      case 'start':
        return stopped(({ wallet }) => wallet === walletOf(move.name), move.does === 'stop');
      case 'open':
        return opened;
      case 'activate':
        return activated(activationOf(move, KMS_REGISTRY, chain.head().number), known);
      case 'retire':
        return retired([BigInt(move.epoch)]);
      case 'app':
        return appRegistered(app, 'aa', APP, move.isRevoked);
      default:
        return move satisfies never;
    }
  }

  return {
    play(move) {
      const transaction = transactionOf(move);
      let isAllowed = false;
      chain.submit((state, at) => {
        const after = transaction(state, at);
        isAllowed = after !== state;
        return after;
      });
      chain.mine();
      return Promise.resolve(isAllowed);
    },
    head: () => Promise.resolve({ number: chain.head().number, seconds: Math.floor(chain.head().timeMs / 1_000) }),
    cluster: () => Promise.resolve(clusterAnswer(chain.head().operators, chain.head().epochs, 0n, 0n)),
    caller: () => Promise.resolve(chain.head().callers.get(app) ?? zeroedCaller()),
  };
}
