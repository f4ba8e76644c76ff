/** Who holds a record, by what stores really contain. Wallets are counted, not boots: one that started again is one node. */
import { isCovered } from './known.ts';
import type { Wallet } from '../../../core/identity.ts';
import type { Known } from './known.ts';
import type { Shelf } from './ledger.ts';
import type { Boot } from '../world/node.ts';
import type { World } from '../world/world.ts';

export interface Holders {
  /** Boots that took it, or hold what came later, and that were alive at that time or since. */
  since(known: Known, sinceMs: number): Boot[];
  /** Other nodes that hold it, or what came later: those that live, and those of which this one cannot know yet that they are gone. */
  besides(by: Boot, known: Known): number;
}

export function createHolders(world: World, shelves: ReadonlyMap<Boot, Shelf>): Holders {
  const has = ({ held }: Shelf, known: Known): boolean => isCovered(known, held.get(known.place));

  /** The incarnation by which a node goes, if it goes by any, of a wallet that it need not know to be out. */
  function isGoneBy(by: Boot, wallet: Wallet, incarnation: string): boolean {
    const peer = by.kms.replication.report().peers.find((each) => each.wallet === wallet);
    return peer ? peer.incarnation === incarnation : world.readiness.countedOutMs(by, wallet) === 0;
  }

  return {
    since: (known, sinceMs) =>
      [...shelves].flatMap(([boot, shelf]) =>
        (boot.isAlive || shelf.seenAtMs >= sinceMs) && (known.holders.has(boot) || has(shelf, known)) ? [boot] : [],
      ),
    besides(by, known) {
      const wallets = new Set<Wallet>();
      for (const [boot, shelf] of shelves) {
        const { wallet } = boot.kms.identity;
        if (boot === by || wallets.has(wallet) || !has(shelf, known)) continue;
        if (boot.isAlive || isGoneBy(by, wallet, shelf.incarnation)) wallets.add(wallet);
      }
      return wallets.size;
    },
  };
}
