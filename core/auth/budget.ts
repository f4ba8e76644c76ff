/** Room that is taken and given back, in all and for each owner: what a crowd or one owner can hold at a time has an end. */
import { SHARED_PERCENT } from '../limits.ts';

export interface BudgetBounds {
  readonly perOwnerMax: number;
  readonly totalMax: number;
  /** The last of the room is for owners that hold no more than this: a few that hold all they may lock nobody else out. */
  readonly ownerReserveMax: number;
}

export interface Budget {
  /** Runs `work` while `amount` is held for the owner; `undefined` when there is no room, and `work` has not begun. */
  hold<T>(owner: string, amount: number, work: () => Promise<T>): Promise<T> | undefined;
  held(): number;
}

/** Of the whole room what an owner may share in that will then hold so much: who holds much stops before it is full. */
export function roomOf(totalMax: number, holds: number, ownerReserveMax: number): number {
  return holds <= ownerReserveMax ? totalMax : Math.floor((totalMax * SHARED_PERCENT) / 100);
}

export function createBudget({ perOwnerMax, totalMax, ownerReserveMax }: BudgetBounds): Budget {
  const perOwner = new Map<string, number>();
  let total = 0;

  function change(owner: string, amount: number): void {
    const left = (perOwner.get(owner) ?? 0) + amount;
    total += amount;
    if (left > 0) perOwner.set(owner, left);
    else perOwner.delete(owner);
  }

  return {
    hold(owner, amount, work) {
      const holds = (perOwner.get(owner) ?? 0) + amount;
      if (holds > perOwnerMax || total + amount > roomOf(totalMax, holds, ownerReserveMax)) return undefined;
      change(owner, amount);
      return work().finally(() => change(owner, -amount));
    },
    held: () => total,
  };
}
