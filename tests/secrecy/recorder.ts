/**
 * What a process of the tests writes down for the watch: the secrets that were made in it, and what nodes let out. One file for each process,
 * in the folder that the run names; a process of no watched run writes nothing. Nodes know nothing of it.
 */
import { mkdirSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** A file of the tests begins; a secret is known; a node logged, answered, or was asked through a host. */
export type Kind = 'file' | 'secret' | 'log' | 'answer' | 'request';

export interface Recorder {
  /** `source` names a secret, or where bytes came from: those of one source are read as one stream, in this order. */
  note(kind: Kind, source: string, content: Uint8Array | string): void;
}

/** Set by the run, for its own processes only. */
export const WATCH_FOLDER = 'SECRECY_WATCH_FOLDER';
export const RECORD_SUFFIX = '.record';

/** Entropy may become a master secret: the judge knows what nodes derive from it. */
export const ENTROPY = 'entropy of an enclave';
export const WALLET_KEY = 'the wallet key of an enclave';
export const TEE_KEY = 'the TEE key of an enclave';
export const DERIVED_KEY = 'a derived key';
export const VALUE = 'a value of the KV store';
export const KINDS_OF_SECRETS = [ENTROPY, WALLET_KEY, TEE_KEY, DERIVED_KEY, VALUE] as const;
export type KindOfSecret = (typeof KINDS_OF_SECRETS)[number];

/** Written at once: a process of the tests may be ended at any time. */
export function createRecorder(folder: string): Recorder {
  mkdirSync(folder, { recursive: true });
  const file = openSync(join(folder, `${process.pid}-${process.hrtime.bigint()}${RECORD_SUFFIX}`), 'a');
  return {
    note(kind, source, content) {
      const bytes = Buffer.from(content);
      writeSync(file, Buffer.concat([Buffer.from(`${kind} ${bytes.length} ${source.replaceAll('\n', ' ')}\n`), bytes]));
    },
  };
}

const folder = process.env[WATCH_FOLDER];
const recorder = folder === undefined ? undefined : createRecorder(folder);
const known = new Set<string>();

export function noteFile(path: string): void {
  recorder?.note('file', path, '');
}

/** What must be seen nowhere, neither from now on nor before. */
export function noteSecret(what: KindOfSecret, bytes: Uint8Array): void {
  if (!recorder) return;
  const key = Buffer.from(bytes).toString('latin1');
  if (known.has(key)) return;
  known.add(key);
  recorder.note('secret', what, bytes);
}

export function noteLine(node: string, line: string): void {
  recorder?.note('log', node, `${line}\n`);
}

export function noteAnswer(connection: string, bytes: Uint8Array): void {
  recorder?.note('answer', connection, bytes);
}

export function noteRequest(host: string, bytes: Uint8Array): void {
  recorder?.note('request', host, bytes);
}
