/**
 * Finds any of many thousand forms in hundreds of megabytes within seconds. Wherever a form of fifteen bytes or more stands, one of its first eight
 * windows of eight bytes begins at a multiple of eight in the text. So those windows of every form are kept in a table, and the text is looked up
 * there once every eight bytes; what is found is compared in full.
 */
import { formsOfPiece, formsOfWhole, piecesOf } from './forms.ts';
import type { Form, Secret } from './forms.ts';

export interface Hit {
  readonly what: string;
  readonly form: string;
  /** Of the form's first byte in the text. */
  readonly at: number;
  readonly length: number;
}

export interface Matcher {
  /** Secrets that have a piece worth searching. */
  readonly secrets: number;
  hits(text: Uint8Array): Hit[];
}

const GRAM_BYTES = 8;
const FORM_BYTES_MIN = 2 * GRAM_BYTES - 1;

interface Entry extends Form {
  readonly what: string;
}

export function createMatcher(secrets: readonly Secret[]): Matcher {
  const searched = secrets.filter(({ bytes }) => piecesOf(bytes).length > 0);
  const entries = entriesOf(searched);
  const slots = 2 ** Math.ceil(Math.log2(entries.length * GRAM_BYTES * 2 + 1));
  const [hashes, places] = [new Int32Array(slots), new Int32Array(slots)];

  entries.forEach(({ bytes }, index) => {
    for (let offset = 0; offset < GRAM_BYTES; offset += 1) {
      const hash = hashOf(bytes.readInt32LE(offset), bytes.readInt32LE(offset + 4));
      let slot = hash & (slots - 1);
      while (places[slot] !== 0) slot = (slot + 1) & (slots - 1);
      hashes[slot] = hash;
      places[slot] = index * GRAM_BYTES + offset + 1;
    }
  });

  function hits(text: Uint8Array): Hit[] {
    // A copy in memory of its own: a view of words must begin at a multiple of four.
    const bytes = new Uint8Array(text);
    const words = new Int32Array(bytes.buffer, 0, Math.floor(bytes.length / 4));
    const found: Hit[] = [];
    for (let word = 0; word + 1 < words.length; word += 2) {
      const hash = hashOf(words[word] as number, words[word + 1] as number);
      for (let slot = hash & (slots - 1); places[slot] !== 0; slot = (slot + 1) & (slots - 1))
        if (hashes[slot] === hash) found.push(...judged(bytes, word * 4, (places[slot] as number) - 1));
    }
    return found;
  }

  function judged(text: Uint8Array, position: number, place: number): Hit[] {
    const { what, name, bytes } = entries[Math.floor(place / GRAM_BYTES)] as Entry;
    const at = position - (place % GRAM_BYTES);
    if (at < 0 || at + bytes.length > text.length || bytes.compare(text, at, at + bytes.length) !== 0) return [];
    return [{ what, form: name, at, length: bytes.length }];
  }

  return { secrets: searched.length, hits };
}

/** The same piece of several secrets counts as the first's. */
function entriesOf(secrets: readonly Secret[]): Entry[] {
  const entries = new Map<string, Entry>();
  const add = (what: string, form: Form): void => {
    const key = form.bytes.toString('latin1');
    if (form.bytes.length >= FORM_BYTES_MIN && !entries.has(key)) entries.set(key, { what, ...form });
  };
  for (const { what, bytes } of secrets) {
    for (const start of piecesOf(bytes)) formsOfPiece(bytes, start).forEach((form) => add(what, form));
    formsOfWhole(bytes).forEach((form) => add(what, form));
  }
  return [...entries.values()];
}

function hashOf(low: number, high: number): number {
  const first = Math.imul(low ^ (low >>> 15), 0x85eb_ca6b) ^ Math.imul(high ^ (high >>> 13), 0xc2b2_ae35);
  const second = Math.imul(first ^ (first >>> 16), 0x9e37_79b1);
  return second ^ (second >>> 15);
}
