/**
 * The verdict over a run: every line that a node logged, every answer that a process of the tests received and every request that a host saw,
 * searched for every secret that any process of the run made, wherever it made it.
 */
import { bodiesBeneath } from './encodings.ts';
import { createMatcher } from './matcher.ts';
import { offspringOf } from './offspring.ts';
import { ENTROPY, KINDS_OF_SECRETS } from './recorder.ts';
import { readRecords } from './records.ts';
import { createSights } from './sights.ts';
import type { Secret } from './forms.ts';
import type { Hit } from './matcher.ts';
import type { Stream } from './records.ts';
import type { Sights } from './sights.ts';

export interface Verdict {
  readonly text: string;
  /** Secrets that were seen, each with its place; and answers that nobody could search. */
  readonly leaks: readonly string[];
  /** What a whole run has, and this one had not: a watch that sees nothing finds nothing. */
  readonly missing: readonly string[];
}

type Searched = Record<'log' | 'answer' | 'request' | 'bytes', number>;

const CUT_BYTES = 80;
/** A secret is named by its beginning. */
const SHOWN_BYTES = 12;
const LEAKS_SHOWN_MAX = 30;

export function judge(folder: string): Verdict {
  const told: Secret[] = [];
  for (const { secrets } of readRecords(folder)) told.push(...secrets);
  const matcher = createMatcher([...told, ...told.filter(({ what }) => what === ENTROPY).flatMap(({ bytes }) => offspringOf(bytes))]);
  const searched: Searched = { log: 0, answer: 0, request: 0, bytes: 0 };
  const sights = createSights();
  const leaks = new Map<string, string>();
  for (const { file, streams } of readRecords(folder))
    for (const stream of streams)
      for (const { what, around } of leaksOf(stream, matcher.hits, searched, sights))
        if (!leaks.has(`${what} ${file}`)) leaks.set(`${what} ${file}`, `${what}, first in that of ${stream.source}, ${file}${around}`);
  const missing = [...KINDS_OF_SECRETS.filter((kind) => !told.some(({ what }) => what === kind)), ...sights.missing()];
  return { leaks: [...leaks.values()], missing, text: textOf(matcher.secrets, searched, [...leaks.values()]) };
}

interface Leak {
  readonly what: string;
  readonly around: string;
}

/** One complaint for each form of a secret in a file of the tests: a node may show it a thousand times. */
function* leaksOf({ kind, notes, bytes }: Stream, hits: (text: Uint8Array) => Hit[], searched: Searched, sights: Sights): Generator<Leak> {
  searched.bytes += bytes.length;
  const latin1 = kind === 'answer' ? bytes.toString('latin1') : '';
  if (kind === 'answer') searched.answer += latin1.match(/HTTP\/1\.[01] \d{3}/g)?.length ?? 0;
  else if (kind === 'log' || kind === 'request') searched[kind] += notes;
  for (const text of [bytes, ...bodiesBeneath(latin1)]) {
    if (text) sights.look(kind, text);
    if (!text) yield { what: 'an answer that is encoded and cannot be searched', around: '' };
    else for (const hit of hits(text)) yield { what: `${hit.what} as ${hit.form} in one ${kind}`, around: `\n    ${cutAround(text, hit)}` };
  }
}

/** What stands around it in its line, printable. */
function cutAround(text: Buffer, { at, length }: Hit): string {
  const before = text
    .toString('latin1', Math.max(0, at - CUT_BYTES), at)
    .split('\n')
    .at(-1);
  const after = text.toString('latin1', at + length, at + length + CUT_BYTES).split('\n')[0];
  const shown = text.toString('latin1', at, at + SHOWN_BYTES);
  return `${before}[${shown} …]${after}`.replaceAll(/[^\x20-\x7e…]/g, '.');
}

function textOf(secrets: number, { log, answer, request, bytes }: Searched, leaks: readonly string[]): string {
  const megabytes = (bytes / 1_000_000).toFixed(1);
  const found = leaks.length === 0 ? 'none found' : `${leaks.length} FOUND`;
  const shown = leaks.slice(0, LEAKS_SHOWN_MAX).map((leak) => `\n  ${leak}`);
  const rest = leaks.length - shown.length;
  return [
    `${secrets} secrets, ${log} lines, ${answer} answers and ${request} requests searched (${megabytes} MB), ${found}`,
    ...shown,
    rest > 0 ? `\n  and ${rest} more` : '',
  ].join('');
}
