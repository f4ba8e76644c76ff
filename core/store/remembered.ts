/** A map that forgets what was not set for long: two generations, of which the older goes when the younger is full. */

export interface Remembered<V> {
  get(key: string): V | undefined;
  set(key: string, value: V): void;
  clear(): void;
}

/** Keeps the newest half of `max` at least, and never more than `max`. */
export function createRemembered<V>(max: number): Remembered<V> {
  let young = new Map<string, V>();
  let old = new Map<string, V>();
  return {
    get: (key) => young.get(key) ?? old.get(key),
    set(key, value) {
      if (young.size >= max / 2) {
        old = young;
        young = new Map();
      }
      young.set(key, value);
    },
    clear() {
      young = new Map();
      old = new Map();
    },
  };
}
