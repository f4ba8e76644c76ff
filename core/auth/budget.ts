/** Room that is taken and given back, in all and for each owner: what a crowd or one owner can hold at a time has an end. */

export interface BudgetBounds {
  readonly perOwnerMax: number;
  readonly totalMax: number;
}

export interface Budget {
  /** Runs `work` while `amount` is held for the owner; `undefined` when there is no room, and `work` has not begun. */
  hold<T>(owner: string, amount: number, work: () => Promise<T>): Promise<T> | undefined;
  held(): number;
}

export function createBudget({ perOwnerMax, totalMax }: BudgetBounds): Budget {
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
      if ((perOwner.get(owner) ?? 0) + amount > perOwnerMax || total + amount > totalMax) return undefined;
      change(owner, amount);
      return work().finally(() => change(owner, -amount));
    },
    held: () => total,
  };
}
