/** Reads what the processes of a run wrote down, and joins what came from one source into one stream. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { RECORD_SUFFIX } from './recorder.ts';
import type { Kind } from './recorder.ts';
import type { Secret } from './forms.ts';

export interface Stream {
  readonly kind: Kind;
  readonly source: string;
  /** How often it was written down. */
  readonly notes: number;
  readonly bytes: Buffer;
}

export interface Records {
  /** Of the tests. */
  readonly file: string;
  readonly secrets: readonly Secret[];
  readonly streams: readonly Stream[];
}

const NEWLINE = 0x0a;

/** One process at a time. */
export function* readRecords(folder: string): Generator<Records> {
  for (const name of existsSync(folder) ? readdirSync(folder) : [])
    if (name.endsWith(RECORD_SUFFIX)) yield parseRecords(readFileSync(join(folder, name)));
}

/** A process that was killed may have left its last record unfinished. */
function parseRecords(bytes: Buffer): Records {
  const secrets: Secret[] = [];
  const parts = new Map<string, { readonly kind: Kind; readonly source: string; readonly chunks: Buffer[] }>();
  let file = 'a process beside the tests';
  for (let at = 0; at < bytes.length;) {
    const end = bytes.indexOf(NEWLINE, at);
    if (end < 0) break;
    const [, kind = '', length = '', source = ''] = /^(\w+) (\d+) (.*)$/.exec(bytes.toString('utf8', at, end)) ?? [];
    const content = bytes.subarray(end + 1, end + 1 + Number(length));
    at = end + 1 + Number(length);
    if (kind === 'file') file = source;
    else if (kind === 'secret') secrets.push({ what: source, bytes: content });
    else partOf(kind as Kind, source).push(content);
  }
  const streams = [...parts.values()].map(({ chunks, ...part }) => ({ ...part, notes: chunks.length, bytes: Buffer.concat(chunks) }));
  return { file, secrets, streams };

  function partOf(kind: Kind, source: string): Buffer[] {
    const key = `${kind} ${source}`;
    const part = parts.get(key) ?? { kind, source, chunks: [] };
    parts.set(key, part);
    return part.chunks;
  }
}
