/**
 * Asking for a key (`docs/protocol.md` clause 6): what may be asked, and whether an answer is the one to it. The node has
 * vouched for the answer by then; what is checked here is that it derived for this app, from what was asked, in the epoch
 * that our own chain makes right.
 */
import { chooseEpoch } from '../chain/epochs.ts';
import { Refusal } from '../errors.ts';
import { parseEpoch } from '../identity.ts';
import { DERIVE_CONTEXT_BYTES_MAX, DERIVE_LENGTH_DEFAULT_BYTES, DERIVE_LENGTH_MAX_BYTES, DERIVE_PATH_BYTES_MAX } from '../limits.ts';
import { parseBase64 } from '../wire/bytes.ts';
import { isPlainText } from '../wire/text.ts';
import { AttemptFailed, KmsError } from './error.ts';
import type { EpochChoice } from '../chain/epochs.ts';
import type { ClusterView } from '../chain/registry.ts';
import type { Epoch, Wallet } from '../identity.ts';
import type { NetworkProfile } from '../networks.ts';
import type { JsonObject } from '../wire/json.ts';
import type { Known, LiveNode } from './directory.ts';

/** What may be said of a key beside its path. */
export interface KeyOptions {
  /** Separates keys of one path; default empty. */
  readonly context?: string;
  /** In bytes, 1 to 1,024; default 32. */
  readonly length?: number;
  /** Default: the epoch of this app's creation, so that a rotation changes no key. */
  readonly epoch?: number | 'current';
}

export interface DerivedKey {
  readonly key: Uint8Array;
  readonly epoch: number;
  /** The node's head when it judged this app. */
  readonly block: number;
  /** The wallet of the node that answered. */
  readonly node: Wallet;
}

export interface DeriveRequest {
  readonly path: string;
  readonly context: string;
  readonly length: number;
  readonly epoch: Epoch | 'current' | undefined;
}

/** Throws `bad_argument` for what every node would refuse. */
export function deriveRequest(path: string, { context = '', length = DERIVE_LENGTH_DEFAULT_BYTES, epoch }: KeyOptions): DeriveRequest {
  if (path === '' || !isPlainText(path, DERIVE_PATH_BYTES_MAX)) throw badArgument(`path must be a text of 1 to ${DERIVE_PATH_BYTES_MAX}`);
  if (!isPlainText(context, DERIVE_CONTEXT_BYTES_MAX)) throw badArgument(`context must be a text of at most ${DERIVE_CONTEXT_BYTES_MAX}`);
  if (!Number.isInteger(length) || length < 1 || length > DERIVE_LENGTH_MAX_BYTES)
    throw new KmsError('bad_argument', `length must be a whole number from 1 to ${DERIVE_LENGTH_MAX_BYTES}.`);
  const named = epoch === undefined || epoch === 'current' ? epoch : parseEpoch(epoch);
  if (epoch !== undefined && named === undefined) throw new KmsError('bad_argument', 'epoch must be the number of an epoch, or "current".');
  return { path, context, length, epoch: named };
}

function badArgument(what: string): KmsError {
  return new KmsError('bad_argument', `${what} bytes of well-formed UTF-8 without control characters.`);
}

/** Throws `AttemptFailed`: the node answers something else, and another may do better. */
export function readDerived(answer: JsonObject, asked: DeriveRequest, { app }: Known, node: LiveNode): DerivedKey {
  const { app_id: appId, path, context, length, key: encoded, epoch, block } = answer;
  const isOurs = typeof appId === 'number' && Number.isSafeInteger(appId) && BigInt(appId) === app.appId;
  if (!isOurs) throw new AttemptFailed('other_answer', 'the key is of another app');
  if (path !== asked.path || context !== asked.context || length !== asked.length)
    throw new AttemptFailed('other_answer', 'the key is of another path, context or length');
  const key = typeof encoded === 'string' ? parseBase64(encoded) : undefined;
  if (key?.length !== asked.length) throw new AttemptFailed('other_answer', 'the key has not the length that was asked for');
  const [inEpoch, atBlock] = [parseEpoch(epoch), parseEpoch(block)];
  if (inEpoch === undefined || atBlock === undefined) throw new AttemptFailed('other_answer', 'names no epoch and block');
  return { key, epoch: inEpoch, block: atBlock, node: node.wallet };
}

/**
 * The epochs that a node may answer with now. Mostly one. Nodes decide at their confirmed block, which is a moment before or
 * after ours: what is right at our head counts too, and `"current"` may mean the epoch before for as long as an honest
 * node may not have seen the change.
 */
export function rightEpochs({ app, blocks: { head, confirmed } }: Known, named: DeriveRequest['epoch'], profile: NetworkProfile): Epoch[] {
  const choice = choiceOf(named, app.appCreatedAtMs);
  const chosen = [confirmed, head].flatMap((view) => chooseIn(view, choice));
  const [current] = chosen;
  const activatedAtMs = current === undefined ? undefined : confirmed.epochs[current]?.activatedAtMs;
  const isRecent = activatedAtMs !== undefined && confirmed.blockTimeMs - activatedAtMs < profile.headAgeMaxMs;
  const before = named === 'current' && isRecent ? confirmed.epochs.findLast(({ state }) => state === 'previous') : undefined;
  return [...chosen, ...(before ? [before.epoch] : [])].filter((epoch) => isUsable(head, epoch));
}

function choiceOf(named: DeriveRequest['epoch'], appCreatedAtMs: number): EpochChoice {
  if (named === 'current') return { kind: 'current' };
  return named === undefined ? { kind: 'ofApp', appCreatedAtMs } : { kind: 'number', epoch: named };
}

function chooseIn({ epochs }: ClusterView, choice: EpochChoice): Epoch[] {
  try {
    return [chooseEpoch(epochs, choice)];
  } catch (error) {
    if (error instanceof Refusal) return [];
    throw error;
  }
}

/** What was given up at the head is given up. */
function isUsable({ epochs }: ClusterView, epoch: Epoch): boolean {
  return ['active', 'previous'].includes(epochs[epoch]?.state ?? '');
}

export function epochUnavailable(named: DeriveRequest['epoch'], { blocks: { head } }: Known): KmsError {
  const which = named === undefined ? 'no epoch for this app' : named === 'current' ? 'no active epoch' : `no usable epoch ${named}`;
  const listed = head.epochs.map(({ epoch, state }) => `${epoch} ${state}`).join(', ') || 'none';
  return new KmsError('epoch_unavailable', `The chain has ${which} (epochs at block ${head.blockNumber}: ${listed}).`);
}
