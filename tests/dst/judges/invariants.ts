/** What must hold in every run. A checker that finds otherwise throws a `Violation` with the id, and the run ends there. */

export const INVARIANTS = {
  I0: 'nothing fails for a reason that nobody expected',
  I1: 'after the faults all nodes hold the same records, the dead ones too until one of them has collected them',
  I2: 'an acknowledged write is there at the end, or a later one, while a node that held it lives; and no answer counts a node that did not hold it while it was asked',
  I3: 'what was deleted and collected does not come back',
  I4: 'what a node holds is read there: the node that took a write reads it, or a later one',
  I5: 'reads of one boot of a node never go back',
  I6: 'a delete is final on its node, unless a later write came',
  I7: 'a value ends when its writer said, nothing is read after its end, and an end that was seen stays',
  I8: 'admission never exceeds the quota nor refuses what fits, merging never quotas of all members, gauges are what is held and what happened, and what is held may be deleted',
  I9: 'what no app deletes is taken only by eviction that its app allows: never the key that is written, nor a record that too few nodes hold, but for some that went since it last took note of the members',
  I10: 'no two records share a dot or a time',
  I11: 'times of one boot rise, and none is ahead of the clock by more than clocks may differ',
  I12: 'only what is dead is collected, when old enough and when no live member holds anything older under its key',
  I13: 'a node serves only with the secret that the chain names, and data only once it has all',
  I15: 'one derivation gives one key, on all nodes and at all times',
  I16: 'no secret and no value is seen on any wire, in any log or in a stored record',
  I17: 'a revoked app or node is refused within the bound',
  I18: 'what an app reads, lists and derives is its own, and a list leaves nothing out',
  I19: 'all nodes have the same certificates of an epoch, and two of each run at the end the same trust bundle',
  I20: 'a trail is one row of records: one for each write, delete, eviction and certificate that was answered for, none of a write that was not, and for each secret that a node has from another',
  I21: 'after the faults every node serves within the time, none lags, and nothing changes any more',
  I22: 'what a node holds is bounded: tombstones, bodies, calls, what was used up, what is tried again, candidates',
  I23: 'a secret is installed only for the epoch and hash that the chain names, has that hash, and is gone when its epoch is over',
  I24: 'a digest is that of the records that are held',
  I25: 'a conditional write is done over the version that it names, and over no other',
  I26: 'who is counted as having everything has it',
  I27: 'what an answer tells of a write or a value is so, and replicas were waited for',
  CANARY: 'planted in every run that is to fail',
} as const;

export type InvariantId = keyof typeof INVARIANTS;

export class Violation extends Error {
  readonly id: InvariantId;
  constructor(id: InvariantId, detail: string) {
    super(`${id}: ${INVARIANTS[id]}: ${detail}`);
    this.name = 'Violation';
    this.id = id;
  }
}

/** Throws when it does not hold. */
export function hold(id: InvariantId, holds: boolean, detail: () => string): void {
  if (!holds) throw new Violation(id, detail());
}
