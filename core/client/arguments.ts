/**
 * What an app hands in, checked before anything is asked: not every app has a compiler that did it. Each throws `bad_argument`
 * for what is of the wrong type, for a wait that no timer can hold, and for a body that is no JSON.
 */
import { CLIENT_ATTEMPT_MS, CLIENT_BODY_DEPTH_MAX, CLIENT_CALL_MS, CLIENT_WAIT_MS_MAX } from '../limits.ts';
import { parseWallet } from '../identity.ts';
import { canonicalJson, isJsonObject, unknownMember } from '../wire/json.ts';
import { KmsError, printable } from './error.ts';
import type { Wallet } from '../identity.ts';
import type { Json } from '../wire/json.ts';
import type { KmsRequest } from './attempt.ts';
import type { Choice } from './failover.ts';

export interface CallOptions {
  /** The wallet of a live node: ask this one and no other. */
  readonly node?: string;
  readonly signal?: AbortSignal;
  /** For the whole call; default 30 s. */
  readonly callMs?: number;
  /** For one try at one node; default 5 s. */
  readonly attemptMs?: number;
}

export type RequestBody = { readonly [name: string]: Json | undefined };

/** `others` are the options of the call itself: a misspelt one must not be left out in silence. */
export function choiceOf(options: CallOptions, ...others: readonly string[]): Choice {
  if (!isJsonObject(options)) throw new KmsError('bad_argument', 'options must be an object.');
  const known = ['node', 'signal', 'callMs', 'attemptMs', ...others];
  const stranger = unknownMember(options, known);
  if (stranger !== undefined)
    throw new KmsError('bad_argument', `There is no option ${printable(stranger)}; there are ${known.join(', ')}.`);
  const { node, signal, callMs = CLIENT_CALL_MS, attemptMs = CLIENT_ATTEMPT_MS } = options as CallOptions;
  if (signal !== undefined && !(signal instanceof AbortSignal)) throw new KmsError('bad_argument', 'signal must be an AbortSignal.');
  return { only: walletOf(node), signal, callMs: waitOf('callMs', callMs), attemptMs: waitOf('attemptMs', attemptMs) };
}

function walletOf(node: unknown): Wallet | undefined {
  if (node === undefined) return undefined;
  const wallet = typeof node === 'string' ? parseWallet(node) : undefined;
  if (wallet === undefined) throw new KmsError('bad_argument', 'node must be the wallet of a live node, 0x and 40 hex digits.');
  return wallet;
}

function waitOf(name: string, ms: number): number {
  if (Number.isInteger(ms) && ms >= 1 && ms <= CLIENT_WAIT_MS_MAX) return ms;
  throw new KmsError('bad_argument', `${name} must be a whole number from 1 to ${CLIENT_WAIT_MS_MAX}.`);
}

const METHODS: readonly KmsRequest['method'][] = ['GET', 'POST', 'PUT', 'DELETE'];

/** The body as it is now: what the app makes of it later changes nothing. */
export function kmsRequestOf(method: KmsRequest['method'], path: string, body: RequestBody | undefined): KmsRequest {
  if (!METHODS.includes(method)) throw new KmsError('bad_argument', `method must be one of ${METHODS.join(', ')}.`);
  if (typeof path !== 'string' || !path.startsWith('/')) throw new KmsError('bad_argument', 'path must begin with a slash.');
  if (method === 'GET' && body !== undefined) throw new KmsError('bad_argument', 'body must be left out of a GET.');
  return { method, path, plaintext: body === undefined ? undefined : plaintextOf(body) };
}

function plaintextOf(body: RequestBody): string {
  if (!isJsonObject(body) || !isJson(body, CLIENT_BODY_DEPTH_MAX))
    throw new KmsError('bad_argument', `body must be an object of JSON values, at most ${CLIENT_BODY_DEPTH_MAX} levels deep.`);
  return canonicalJson(body as RequestBody);
}

function isJson(value: unknown, levels: number): boolean {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return true;
  if (typeof value !== 'object') return typeof value === 'number' && Number.isFinite(value);
  if (levels === 0) return false;
  // A hole of an array is `undefined` here, and no JSON; a member that is `undefined` is left out.
  if (Array.isArray(value)) return Array.from(value).every((each) => isJson(each, levels - 1));
  return Object.values(value).every((each) => each === undefined || isJson(each, levels - 1));
}
