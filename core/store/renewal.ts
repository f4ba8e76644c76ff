/**
 * A pass over all records, a bounded piece at a time, whenever the current epoch or its key has changed: each body is sealed anew under
 * it, so that older epochs can go. What nobody can open any more is taken out; peers may still have it.
 */
import { STORE_MAINTENANCE_BYTES, STORE_MAINTENANCE_RECORDS } from '../limits.ts';
import { equalBytes } from '../wire/bytes.ts';
import { chargeOf, isDead } from './stored.ts';
import type { Epoch } from '../identity.ts';
import type { Shelf } from './shelf.ts';
import type { Stored } from './stored.ts';

interface Pass {
  readonly epoch: Epoch;
  /** Tells the epoch's secret: one epoch may have had another before. */
  readonly key: Uint8Array;
  /** Through this sequence, bodies that say they are of this epoch may be of a secret that it had before. */
  readonly doubtfulThrough: number;
  afterSequence: number;
}

export interface Renewal {
  /** One piece of the pass. `isGone`: no node will hold that epoch's secret again. */
  piece(isGone: (epoch: Epoch) => boolean): void;
  /** Whether a body may be of a secret that its epoch had before: not known until the pass has come to it. */
  isDoubtful(record: Stored): boolean;
  restart(): void;
}

export function createRenewal(shelf: Shelf): Renewal {
  const { keys, bodies, indexes } = shelf;
  let pass: Pass | undefined;

  function currentPass(): Pass | undefined {
    const epoch = keys.current();
    const key = epoch === undefined ? undefined : keys.digestKey(epoch);
    if (epoch === undefined || !key) return undefined;
    const isSameKey = pass !== undefined && equalBytes(pass.key, key);
    if (pass?.epoch === epoch && isSameKey) return pass;
    const isOfThisEpoch = pass === undefined || pass.epoch === epoch;
    pass = { epoch, key: key.slice(), doubtfulThrough: isOfThisEpoch ? shelf.sequence : 0, afterSequence: 0 };
    return pass;
  }

  /** What is to be done with it: nothing more, wait for a key, or give it up. */
  function outcomeOf(record: Stored, { epoch, doubtfulThrough }: Pass, isGone: (epoch: Epoch) => boolean): 'done' | 'wait' | 'lost' {
    if (isDead(record)) return 'done';
    if (record.epoch === epoch) return record.sequence > doubtfulThrough || bodies.isReadable(record) ? 'done' : 'lost';
    const renewed = bodies.renew(record);
    if (renewed === 'renewed') return 'done';
    return renewed === 'unreadable' || isGone(record.epoch) ? 'lost' : 'wait';
  }

  return {
    piece(isGone) {
      const current = currentPass();
      if (!current) return;
      const due: Stored[] = [];
      let bytes = 0;
      for (const record of indexes.orders().bySequence.after(current.afterSequence)) {
        if (due.length >= STORE_MAINTENANCE_RECORDS || bytes >= STORE_MAINTENANCE_BYTES) break;
        due.push(record);
        bytes += chargeOf(record);
      }
      for (const record of due) {
        const outcome = outcomeOf(record, current, isGone);
        if (outcome === 'wait') return;
        if (outcome === 'lost') indexes.remove(record);
        current.afterSequence = record.sequence;
      }
    },
    isDoubtful({ sequence }) {
      const current = currentPass();
      return current !== undefined && sequence > current.afterSequence && sequence <= current.doubtfulThrough;
    },
    restart() {
      pass = undefined;
    },
  };
}
