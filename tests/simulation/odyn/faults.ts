/** How an Odyn misbehaves over the wire when a test asks for it, by path or everywhere. */
import type { Fields } from './failure.ts';

export type Fault =
  | { readonly kind: 'hang' }
  | { readonly kind: 'delay'; readonly delayMs: number }
  | { readonly kind: 'status'; readonly status: number; readonly text: string }
  | { readonly kind: 'redirect'; readonly location: string }
  | { readonly kind: 'garbage' }
  | { readonly kind: 'endless' }
  | { readonly kind: 'drop' }
  /** Answers 200 with another JSON, made from the honest one. */
  | { readonly kind: 'answer'; readonly json: (honest: Fields) => unknown }
  /** Answers 200 with other bytes than those of an honest document. */
  | { readonly kind: 'document'; readonly bytes: (honest: Uint8Array) => Uint8Array };

export interface Faults {
  /** `'*'` means every path; a fault of the path itself goes first. After `timesMax` requests the fault is over. */
  set(path: string, fault: Fault, timesMax?: number): void;
  /** Without a path, all of them. */
  clear(path?: string): void;
}

/** The server's side of it: takes the fault that holds for this request. */
export interface FaultQueue extends Faults {
  take(path: string): Fault | undefined;
}

export function createFaults(): FaultQueue {
  const byPath = new Map<string, { fault: Fault; timesLeft: number }>();
  return {
    set(path, fault, timesMax = Infinity) {
      byPath.set(path, { fault, timesLeft: timesMax });
    },
    clear(path) {
      if (path === undefined) byPath.clear();
      else byPath.delete(path);
    },
    take(path) {
      for (const key of [path, '*']) {
        const held = byPath.get(key);
        if (held === undefined || held.timesLeft === 0) continue;
        held.timesLeft -= 1;
        return held.fault;
      }
      return undefined;
    },
  };
}
