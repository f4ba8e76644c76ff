/**
 * The chain of the simulation beside the real registry, move by move: both allow and refuse the same, and show the same of it. The app
 * registry is the scripted one of the contracts' tests, where an instance that was stopped may start again. Neither calls back when one
 * stops: then it stays in the set, which is the case that asks most of nodes.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { profile } from '../../core/fakes.ts';
import { startAnvil } from '../../simulation/anvil.ts';
import { forge } from '../../simulation/contracts.ts';
import { MOVES } from './moves.ts';
import { createReal } from './real.ts';
import { createSimulated } from './simulated.ts';
import type { Anvil } from '../../simulation/anvil.ts';
import type { Side } from './moves.ts';

/** All that nodes go by, with blocks named by the moves that made them. */
async function shown(side: Side, heads: readonly { readonly number: number; readonly seconds: number }[]): Promise<unknown> {
  const { epochs, operators, majority } = await side.cluster();
  const moveOf = (block: bigint) => heads.findIndex(({ number }) => BigInt(number) === block);
  const { appId, appRecordId, instanceStatus, appStatus, versionStatus, zkVerified } = await side.caller();
  return {
    majority: Number(majority),
    app: { appId, appRecordId, instanceStatus, appStatus, versionStatus, zkVerified },
    epochs: epochs.map(({ id, state, secretHash, openedAtBlock, activatedAtBlock, activatedAt }) => {
      const activatedIn = moveOf(activatedAtBlock);
      const isOfItsBlock = Number(activatedAt) === (heads[activatedIn]?.seconds ?? 0);
      return { id, state, secretHash, openedIn: moveOf(openedAtBlock), activatedIn, isOfItsBlock };
    }),
    operators: operators.map(({ wallet, instanceUrl, instanceStatus: status, superseded, live, eligible }) => {
      return { wallet: wallet.toLowerCase(), instanceUrl, status, superseded, live, eligible };
    }),
  };
}

describe('the simulated chain and the real registry', () => {
  let anvil: Anvil;
  let sides: readonly [Side, Side];

  beforeAll(async () => {
    await forge(['build', 'test/support/ScriptedAppRegistry.sol']);
    anvil = await startAnvil({ chainId: profile.chainId });
    sides = [createSimulated(), await createReal(anvil)];
  });

  afterAll(() => anvil?.stop());

  it('allow and show the same, move by move', async () => {
    const heads: { number: number; seconds: number }[][] = [[], []];
    for (const [index, [move, isAllowed]] of MOVES.entries()) {
      const [simulated, real] = await Promise.all(
        sides.map(async (side, at) => {
          const allowed = await side.play(move);
          heads[at]?.push(await side.head());
          return { index, move, isAllowed: allowed, shows: await shown(side, heads[at] ?? []) };
        }),
      );
      expect(simulated).toEqual(real);
      expect({ index, move, isAllowed: real?.isAllowed }).toEqual({ index, move, isAllowed });
    }
  });
});
