/** What happened, as a hash that two runs of one seed share, and as lines when somebody wants to read them. */

export interface Trace {
  note(what: string): void;
  /** Hex. */
  hash(): string;
  readonly lines: readonly string[];
}

export function createTrace(nowMs: () => number, isKept: boolean): Trace {
  let [a, b] = [0xdeadbeef, 0x41c6ce57];
  const lines: string[] = [];
  return {
    lines,
    note(what) {
      const line = `${nowMs()} ${what}`;
      for (let at = 0; at < line.length; at += 1) {
        const code = line.charCodeAt(at);
        a = Math.imul(a ^ code, 2654435761);
        b = Math.imul(b ^ code, 1597334677);
      }
      if (isKept) lines.push(line);
    },
    hash: () => `${(a >>> 0).toString(16).padStart(8, '0')}${(b >>> 0).toString(16).padStart(8, '0')}`,
  };
}
