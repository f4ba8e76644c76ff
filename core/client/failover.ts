/**
 * From node to node until one gives an answer that holds: each in turn, a few rounds with a pause between, all of it within
 * one deadline and each try within its own, so that a node that hangs costs no more than that. A node that failed a moment ago
 * comes last; the others are taken in random order, so that many clients share them.
 */
import { Refusal } from '../errors.ts';
import { CLIENT_FAILED_MS, CLIENT_PAUSE_MS, CLIENT_ROUNDS_MAX } from '../limits.ts';
import { AttemptFailed, KmsError } from './error.ts';
import { within } from './patience.ts';
import type { Directory, Known, LiveNode } from './directory.ts';
import type { Attempt } from './error.ts';
import type { Clock, Random } from '../ports.ts';
import type { Wallet } from '../identity.ts';

/** In a message; `attempts` has them all. */
const NODES_TOLD_MAX = 8;

export interface Patience {
  readonly callMs: number;
  readonly attemptMs: number;
  readonly signal: AbortSignal | undefined;
}

export interface Choice extends Patience {
  /** Ask this node and no other. */
  readonly only: Wallet | undefined;
}

/** One try. Ends with a result, or throws `AttemptFailed` for the next node, or a `KmsError` for good. */
export type Try<T> = (node: LiveNode, known: Known, signal: AbortSignal) => Promise<T>;

export interface Failover {
  ask<T>(choice: Choice, tryNode: Try<T>): Promise<T>;
}

export interface FailoverDependencies {
  readonly clock: Clock;
  readonly random: Random;
  readonly directory: Directory;
}

export function createFailover({ clock, random, directory }: FailoverDependencies): Failover {
  /** When each node failed last, by elapsed time; one that answers is forgotten. */
  const failedAtMs = new Map<Wallet, number>();

  /** After this there are never more entries than live nodes. */
  function forgive(live: readonly LiveNode[]): void {
    const nowMs = clock.elapsedMs();
    for (const [wallet, atMs] of failedAtMs)
      if (nowMs - atMs >= CLIENT_FAILED_MS || !live.some((node) => node.wallet === wallet)) failedAtMs.delete(wallet);
  }

  function inOrder(nodes: readonly LiveNode[]): readonly LiveNode[] {
    const drawn = random.bytes(nodes.length);
    return nodes
      .map((node, index) => ({ node, failed: failedAtMs.get(node.wallet) ?? -1, rank: drawn[index] ?? 0 }))
      .toSorted((a, b) => a.failed - b.failed || a.rank - b.rank)
      .map(({ node }) => node);
  }

  async function tryOne<T>(node: LiveNode, known: Known, attemptMs: number, signal: AbortSignal, tryNode: Try<T>): Promise<T> {
    try {
      const result = await within(clock, attemptMs, signal, (ended) => tryNode(node, known, ended));
      failedAtMs.delete(node.wallet);
      return result;
    } catch (error) {
      if (error instanceof AttemptFailed || error instanceof Refusal) failedAtMs.set(node.wallet, clock.elapsedMs());
      throw error;
    }
  }

  async function rounds<T>({ only, attemptMs }: Choice, signal: AbortSignal, attempts: Attempt[], tryNode: Try<T>): Promise<T> {
    for (let round = 1; ; round += 1) {
      // What led nowhere may be old news: the second round starts from a fresh look at the chain.
      const known = await (round === 1 ? directory.known() : directory.renewed());
      forgive(known.nodes);
      for (const node of inOrder(chosen(known, only))) {
        try {
          return await tryOne(node, known, attemptMs, signal, tryNode);
        } catch (error) {
          attempts.push(recordOf(node, error, signal));
        }
      }
      if (round === CLIENT_ROUNDS_MAX) throw noAnswer(attempts);
      await clock.sleep(CLIENT_PAUSE_MS * (1 + (random.bytes(1)[0] ?? 0) / 256), signal);
    }
  }

  return {
    async ask(choice, tryNode) {
      const { callMs, signal } = choice;
      const attempts: Attempt[] = [];
      try {
        return await within(clock, callMs, signal, (ended) => rounds(choice, ended, attempts, tryNode));
      } catch (error) {
        if (signal?.aborted) throw aborted(signal, attempts);
        if (error instanceof Refusal && error.reason === 'deadline_exceeded') throw noAnswer(attempts, callMs);
        throw error instanceof KmsError ? withAttempts(error, attempts) : error;
      }
    },
  };
}

/** What ends a call for good may come after nodes that failed. */
function withAttempts(error: KmsError, before: readonly Attempt[]): KmsError {
  const { code, message, reason, status, facts, attempts, cause } = error;
  if (attempts.length >= before.length && before.every((each, index) => each === attempts[index])) return error;
  return new KmsError(code, message, { reason, status, facts, cause, attempts: [...before, ...attempts] });
}

function chosen(known: Known, only: Wallet | undefined): readonly LiveNode[] {
  const listed = known.blocks.head.operators.length;
  if (known.nodes.length === 0) {
    const message = `The chain names no live node whose URL the profile allows, of ${listed} operators. Nodes have to be registered, or the profile’s peerUrls corrected.`;
    throw new KmsError('no_live_node', message);
  }
  const nodes = only === undefined ? known.nodes : known.nodes.filter(({ wallet }) => wallet === only);
  if (nodes.length === 0) throw new KmsError('node_not_live', `The node ${only} is not live, by the chain. Ask without naming a node.`);
  return nodes;
}

/** What the next node may mend; anything else is for the caller. */
function recordOf({ wallet, url }: LiveNode, error: unknown, signal: AbortSignal): Attempt {
  if (signal.aborted) throw error;
  if (error instanceof AttemptFailed) return { node: wallet, url, outcome: error.outcome, detail: error.message };
  if (error instanceof Refusal && error.reason === 'deadline_exceeded')
    return { node: wallet, url, outcome: 'timeout', detail: `did not answer ${error.detail}` };
  throw error;
}

function aborted(signal: AbortSignal, attempts: readonly Attempt[]): KmsError {
  return new KmsError('aborted', 'The call was aborted by its caller.', { attempts, cause: signal.reason });
}

/** One error for everything that was tried: each node once, with what happened at it last. */
function noAnswer(attempts: readonly Attempt[], afterMs?: number): KmsError {
  const latest = new Map(attempts.map((attempt) => [attempt.url, attempt]));
  const lines = [...latest.values()].map(({ url, detail }) => `${url}: ${detail}`);
  const more = lines.length > NODES_TOLD_MAX ? [`and ${lines.length - NODES_TOLD_MAX} more`] : [];
  const told = [...lines.slice(0, NODES_TOLD_MAX), ...more].join('; ');
  const spent = afterMs === undefined ? '' : ` within ${afterMs} ms`;
  if (attempts.length > 0 && attempts.every(({ outcome }) => outcome === 'enclave'))
    return new KmsError('enclave_unavailable', `This app’s own enclave failed at every try. Check that its Odyn runs. ${told}`, {
      attempts,
    });
  const asked =
    attempts.length === 0 ? 'No node was asked' : `None of ${latest.size} nodes gave an answer that holds, in ${attempts.length} tries`;
  return new KmsError('no_answer', `${asked}${spent}. ${told}${told && '. '}${adviceFor(attempts)}`, { attempts });
}

function adviceFor(attempts: readonly Attempt[]): string {
  const all = (...outcomes: readonly string[]) => attempts.every(({ outcome }) => outcomes.includes(outcome));
  if (attempts.length === 0) return 'Check the RPC endpoint and this app’s Odyn, then ask again.';
  if (all('unreachable', 'timeout', 'redirect')) return 'Check that this app reaches the nodes’ URLs, then ask again.';
  if (all('unproven'))
    return 'GET /ready at a node says whether it serves. Check this machine’s clock, and that it reaches the nodes themselves.';
  if (all('unattested'))
    return 'Ask the operators what their enclaves run. Check that the profile’s attestationRoot is the one of this network, and this machine’s clock.';
  if (all('unopenable')) return 'Check that this app’s key schedule is the one of the nodes’ platform.';
  return 'Ask again later; GET /ready at a node says whether it serves.';
}
