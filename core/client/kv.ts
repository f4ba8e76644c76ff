/**
 * This app's keys and values (`docs/protocol.md` clause 13). Every call is one sealed batch, so that no key stands in a URL. A node that
 * was sent a write and gave no answer that holds may have done it, or do it minutes later: the next node is asked all the same, and
 * where its answer can then not be told from one to our own earlier try, the call ends with `outcome_unknown`.
 */
import { DATA_BODY_BYTES_MAX } from '../limits.ts';
import { utf8 } from '../wire/bytes.ts';
import { choiceOf, kmsRequestOf } from './arguments.ts';
import { AttemptFailed, KmsError } from './error.ts';
import { replicasOf, wireOperation, wireOperations } from './kv-operations.ts';
import { readResults } from './kv-results.ts';
import type { Wallet } from '../identity.ts';
import type { CallOptions } from './arguments.ts';
import type { KmsRequest, Purpose } from './attempt.ts';
import type { Choice } from './failover.ts';
import type { KvOperation, ListOptions, ReplicaOptions, ValueOptions, VersionOptions, WireOperation } from './kv-operations.ts';
import type { LiveNode } from './directory.ts';
import type { Attempt, KmsErrorCode } from './error.ts';
import type { KvDelete, KvPage, KvPut, KvResult, KvValue } from './kv-results.ts';

export interface PutOptions extends ValueOptions, VersionOptions, ReplicaOptions, CallOptions {}
export interface DeleteOptions extends VersionOptions, ReplicaOptions, CallOptions {}
export interface PageOptions extends ListOptions, CallOptions {}
export interface KeysOptions extends Pick<ListOptions, 'prefix'>, CallOptions {}
export interface BatchOptions extends ReplicaOptions, CallOptions {}

/** By which node. It has what it acknowledged; the others follow. */
export interface ByNode {
  readonly node: Wallet;
}

export interface KvBatch extends ByNode {
  /** One for each operation, in their order. Those that were refused leave the others as they are. */
  readonly results: readonly KvResult[];
  /** A write of this batch was sent to another node before, and may have been done there as well: a conflict may be with itself. */
  readonly isRepeated: boolean;
}

/** Every method rejects with a `KmsError`. */
export interface Kv {
  /** `undefined`: there is no such key on the node that answered, or its value has expired. */
  get(key: string, options?: CallOptions): Promise<(KvValue & ByNode) | undefined>;
  /** Text is stored as UTF-8. A condition that does not hold is `refused`, with the reason `version_conflict`. */
  put(key: string, value: Uint8Array | string, options?: PutOptions): Promise<KvPut & ByNode>;
  delete(key: string, options?: DeleteOptions): Promise<KvDelete & ByNode>;
  list(options?: PageOptions): Promise<KvPage & ByNode>;
  /** All keys with that prefix, page after page. What is written meanwhile may be among them or not. */
  keys(options?: KeysOptions): AsyncGenerator<string, void>;
  /** In order, in one stretch on one node, where each operation sees those before it. */
  batch(operations: readonly KvOperation[], options?: BatchOptions): Promise<KvBatch>;
}

type Refused = Extract<KvResult, { kind: 'refused' }>;
type Done = Exclude<KvResult, Refused>;

export type Ask = <T>(request: KmsRequest, choice: Choice, purpose: Purpose<T>) => Promise<T>;

/** Names and tags around the sealed body, as hex. */
const ENVELOPE_BYTES = 1_024;

/** Refusals of one operation that the next node may not repeat: its load, its clock, what it holds so far. */
const PASSING: readonly number[] = [429, 503];

export function createKv(ask: Ask): Kv {
  async function askBatch<T>(
    operations: readonly WireOperation[],
    minReplicas: ReplicaOptions['minReplicas'],
    choice: Choice,
    finish: (batch: KvBatch, node: LiveNode) => T,
  ): Promise<T> {
    const request = kmsRequestOf('POST', '/kms/data/batch', { operations, min_replicas: minReplicas });
    if (2 * utf8(request.plaintext ?? '').length + ENVELOPE_BYTES > DATA_BODY_BYTES_MAX)
      throw new KmsError('bad_argument', 'The operations are too large for one batch: make several of them.');
    const tries = createTries(operations.some(({ op }) => op === 'put' || op === 'delete'));
    try {
      return await ask(request, choice, {
        onSend: tries.begin,
        read: (answer, { app }, node) =>
          finish({ results: readResults(answer, operations, app.appId), node: node.wallet, isRepeated: tries.perhapsDone() > 1 }, node),
      });
    } catch (error) {
      throw error instanceof KmsError && !TOLD.includes(error.code) && tries.perhapsDone() > 0 ? inDoubt(error) : error;
    }
  }

  /** One operation, and its result when it was not refused. */
  async function askOne<Kind extends Done['kind']>(
    kind: Kind,
    operation: object,
    minReplicas: ReplicaOptions['minReplicas'],
    choice: Choice,
    check: (done: Extract<Done, { kind: Kind }>) => void = () => {},
  ): Promise<Omit<Extract<Done, { kind: Kind }>, 'kind'> & ByNode> {
    return await askBatch([wireOperation({ op: kind, ...operation })], minReplicas, choice, ({ results, isRepeated }, node) => {
      const [result] = results as readonly [Extract<Done, { kind: Kind }> | Refused];
      if (isRefused(result)) throw endOf(result, node, isRepeated);
      check(result);
      const { kind: _kind, ...done } = result;
      return { ...done, node: node.wallet };
    });
  }

  /** `after`: the last key of the page before. */
  async function page({ prefix, limit, cursor }: ListOptions, choice: Choice, after?: string): Promise<KvPage & ByNode> {
    return await askOne('list', { prefix, limit, cursor }, undefined, choice, ({ keys: [first] }) => {
      if (after !== undefined && first !== undefined && first <= after)
        throw new AttemptFailed('other_answer', 'a page does not follow the one before');
    });
  }

  return {
    async get(key, options = {}) {
      const { found, node } = await askOne('get', { key }, undefined, choiceOf(options));
      return found && { ...found, node };
    },
    async put(key, value, options = {}) {
      const choice = choiceOf(options, 'ttlMs', 'whenFull', 'ifVersion', 'minReplicas');
      const { ttlMs, whenFull, ifVersion } = options;
      return await askOne('put', { key, value, ttlMs, whenFull, ifVersion }, replicasOf(options), choice);
    },
    async delete(key, options = {}) {
      const choice = choiceOf(options, 'ifVersion', 'minReplicas');
      return await askOne('delete', { key, ifVersion: options.ifVersion }, replicasOf(options), choice);
    },
    list: async (options = {}) => await page(options, choiceOf(options, 'prefix', 'limit', 'cursor')),
    async *keys(options = {}) {
      const choice = choiceOf(options, 'prefix');
      const { prefix = '' } = options;
      let last: string | undefined;
      for (let cursor: string | null | undefined; cursor !== null;) {
        const { keys, cursor: next } = await page({ prefix, cursor: cursor ?? null }, choice, last);
        yield* keys;
        last = keys.at(-1) ?? last;
        cursor = next;
      }
    },
    async batch(operations, options = {}) {
      const choice = choiceOf(options, 'minReplicas');
      return await askBatch(wireOperations(operations), replicasOf(options), choice, (batch) => batch);
    },
  };
}

/** Whether a call's write may have been done: by tries that were sent and not proven to have done nothing. */
function createTries(isWriting: boolean): { begin(): () => void; perhapsDone(): number } {
  const open = new Set<object>();
  return {
    begin() {
      const one = {};
      if (isWriting) open.add(one);
      return () => void open.delete(one);
    },
    perhapsDone: () => open.size,
  };
}

function isRefused(result: KvResult): result is Refused {
  return result.kind === 'refused';
}

function endOf({ reason, status, message, facts }: Refused, { wallet, url }: LiveNode, isRepeated: boolean): Error {
  const detail = `refuses with ${status} ${reason}`;
  if (PASSING.includes(status)) return new AttemptFailed('refused', detail, undefined, true);
  const attempts: readonly Attempt[] = [{ node: wallet, url, outcome: 'refused', detail }];
  const refused = new KmsError('refused', `The cluster refuses this request (${status} ${reason}): ${message}`, {
    reason,
    status,
    facts,
    attempts,
  });
  return isRepeated ? inDoubt(refused) : refused;
}

/** Codes that say what became of the call, also when it was a write. */
const TOLD: readonly KmsErrorCode[] = ['bad_argument', 'aborted', 'refused', 'outcome_unknown'];

function inDoubt(error: KmsError): KmsError {
  const { reason, status, facts, attempts } = error;
  const message = `The write may have been done: it was sent, and no answer that holds says more. Read before you write again. ${error.message}`;
  return new KmsError('outcome_unknown', message, { reason, status, facts, attempts, cause: error });
}
