/** Judges what leaves a store: dead for long enough, on all live members, or of a secret that is gone. */
import * as limits from '../../../core/limits.ts';
import { STATES } from '../../core/fakes.ts';
import { hold } from './invariants.ts';
import { isLater } from './known.ts';
import type { Stored } from '../../../core/store/stored.ts';
import type { Known } from './known.ts';
import type { Shelf } from './ledger.ts';
import type { Boot } from '../world/node.ts';
import type { World } from '../world/world.ts';

export interface Collecting {
  /** A record is there no more, and nothing else is in its place. */
  judge(boot: Boot, shelf: Shelf, known: Known, record: Stored): void;
  /** The latest that was collected of each place. */
  readonly collected: ReadonlyMap<string, Known>;
}

export function createCollecting(world: World, shelves: ReadonlyMap<Boot, Shelf>): Collecting {
  const collected = new Map<string, Known>();

  /** A value that nobody can open any more: its epoch is over, or has had more secrets than one. */
  function isLost({ epoch, deadSinceMs }: Stored): boolean {
    const state = world.chain.confirmed().epochs.find(({ id }) => Number(id) === epoch)?.state;
    const isOver = state !== STATES.active && state !== STATES.previous;
    return deadSinceMs === undefined && (isOver || world.readiness.secrets(epoch) > 1);
  }

  /** What was before the tombstone on another node may be under way for a while longer. */
  function judgeDelay(boot: Boot, other: Boot, known: Known): void {
    const taken = known.holders.get(other);
    // Of a node that has just started this one may not know yet; nor does that bring anything back.
    const isSettled = world.timeline.nowMs() - other.startedAtMs > 2 * limits.MESSAGE_LIFETIME_MS;
    if (!taken?.over || !isSettled || shelves.get(other)?.hasForgotten) return;
    const agoMs = world.timeline.nowMs() - taken.sinceMs;
    hold('I12', agoMs >= limits.MESSAGE_LIFETIME_MS, () => `${boot.name} collected ${known.place} ${agoMs} ms after ${other.name} took it`);
  }

  return {
    collected,
    judge(boot, shelf, known, record) {
      if (isLost(record)) return;
      const { place } = known;
      const deadSinceMs = shelf.deadSinceMs.get(known.version);
      hold('I12', deadSinceMs !== undefined, () => `${boot.name} does not hold ${place} ${known.version} any more, which was alive`);
      const ageMs = world.timeline.nowMs() - (deadSinceMs ?? 0);
      hold('I12', ageMs >= limits.MESSAGE_LIFETIME_MS, () => `${boot.name} collected ${place} ${ageMs} ms after its end`);
      const live = new Set(world.chain.confirmed().operators.flatMap((operator) => (operator.live ? [operator.wallet] : [])));
      for (const other of world.running()) {
        if (other === boot || !live.has(other.kms.identity.wallet)) continue;
        const theirs = shelves.get(other)?.held.get(place);
        const isBehind = theirs !== undefined && isLater(known, theirs);
        hold('I12', !isBehind, () => `${boot.name} collected ${place} while ${other.name} holds what it deleted`);
        judgeDelay(boot, other, known);
      }
      shelf.collections += 1;
      shelf.gone.add(known.version);
      shelf.lastGone.set(place, known);
      const last = collected.get(place);
      if (!last || isLater(known, last)) collected.set(place, known);
    },
  };
}
