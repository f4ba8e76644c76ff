/** A record as the judges know it: where it is, and whether it comes after another. */
import type { Boot } from '../world/node.ts';

/** From the first time that any node held it. */
export interface Known {
  readonly version: string;
  readonly place: string;
  readonly kind: 'value' | 'tombstone';
  readonly ms: number;
  readonly logical: number;
  readonly origin: string;
  readonly expiresAtMs: number;
  /** Boots that ever held it. */
  readonly holders: Map<Boot, Holding>;
}

interface Holding {
  readonly sinceMs: number;
  /** By the node's own clock. */
  readonly nodeMs: number;
  /** What it took the place of. */
  readonly over: Known | undefined;
}

export const placeOf = (appId: bigint, key: string): string => `${appId}/${key}`;

export function isLater(a: Pick<Known, 'ms' | 'logical' | 'origin'>, b: Pick<Known, 'ms' | 'logical' | 'origin'>): boolean {
  return a.ms - b.ms > 0 || (a.ms === b.ms && (a.logical > b.logical || (a.logical === b.logical && a.origin > b.origin)));
}

/** Whether one of these is this record, or came later. */
export function isCovered(known: Known, ...by: readonly (Known | undefined)[]): boolean {
  return by.some((each) => each !== undefined && (each === known || isLater(each, known)));
}
