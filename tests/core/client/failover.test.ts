import { beforeEach, describe, expect, it } from 'vitest';
import { KmsError } from '../../../core/client/error.ts';
import { Refusal } from '../../../core/errors.ts';
import {
  CLIENT_ATTEMPT_MS,
  CLIENT_CALL_MS,
  CLIENT_FAILED_MS,
  CLIENT_PAUSE_MS,
  CLIENT_ROUNDS_MAX,
  CLIENT_VIEW_MS,
} from '../../../core/limits.ts';
import { hex } from '../../../core/wire/bytes.ts';
import { operatorAnswer, profile, signerNamed } from '../fakes.ts';
import { createStubCluster, keyOf, passing } from './stubs.ts';
import type { KmsClient } from '../../../core/client/client.ts';
import type { Bend, StubCluster } from './stubs.ts';

let cluster: StubCluster;
let client: KmsClient;

beforeEach(async () => {
  cluster = await createStubCluster();
  client = cluster.client();
});

const down: Bend = () => Promise.reject(new Refusal('outbound_failed', 'POST'));
const hangs: Bend = () => new Promise(() => undefined);
const bendAll = (bend: Bend) => cluster.nodes.forEach((node) => (node.bend = bend));
const asked = () => cluster.nodes.reduce((sum, node) => sum + node.asked.length, 0);
const derive = (options = {}) => passing(cluster.clock, client.derive('x', options));
const failure = async (options = {}): Promise<KmsError> => {
  const outcome = await derive(options).catch((error: unknown) => error);
  if (outcome instanceof KmsError) return outcome;
  throw new Error(`no KmsError: ${String(outcome)}`);
};
const took = async (work: () => Promise<unknown>): Promise<number> => {
  const startedAtMs = cluster.clock.nowMs();
  await work();
  return cluster.clock.nowMs() - startedAtMs;
};

describe('one call', () => {
  it('ends with one error that names everything that was tried', async () => {
    bendAll(down);
    const error = await failure();
    expect(error).toMatchObject({ name: 'KmsError', code: 'no_answer' });
    expect(error.attempts.length).toBe(3 * CLIENT_ROUNDS_MAX);
    for (const { url } of cluster.nodes) expect(error.message.split(url).length).toBe(2);
    expect(error.message).toContain('None of 3 nodes gave an answer that holds, in 9 tries');
    expect(error.message).toContain('could not be reached');
  });

  it('names a few of many nodes in its message, and all of them beside it', async () => {
    const many = Array.from({ length: 20 }, (_, index) => operatorAnswer(signerNamed(`node ${index}`).wallet, 100 + index));
    cluster.chain.operators = many;
    cluster.chain.mine(profile.confirmationBlocks + 1);
    const error = await failure();
    expect(new Set(error.attempts.map(({ node }) => node)).size).toBe(20);
    expect(error.message.match(/https:/g)?.length).toBe(8);
    expect(error.message).toContain('; and 12 more. ');
  });

  it.each([
    ['redirects', 'outbound_redirect', 'redirect'],
    ['answers too much', 'outbound_too_large', 'too_large'],
    ['breaks off in time', 'outbound_timeout', 'timeout'],
  ] as const)('passes over a node that %s', async (_what, reason, outcome) => {
    bendAll(() => Promise.reject(new Refusal(reason)));
    expect(new Set((await failure()).attempts.map((attempt) => attempt.outcome))).toEqual(new Set([outcome]));
    const [first] = cluster.nodes;
    bendAll(({ honest }) => honest());
    first.bend = () => Promise.reject(new Refusal(reason));
    expect(hex((await derive()).key)).toBe(hex(keyOf('x')));
  });

  it('goes around again after a pause, and finds a node that came back', async () => {
    let failures = 0;
    bendAll((sent) => (++failures <= 3 ? down(sent) : sent.honest()));
    const ms = await took(() => derive());
    expect(asked()).toBe(4);
    expect(ms).toBeGreaterThanOrEqual(CLIENT_PAUSE_MS);
    expect(ms).toBeLessThan(3 * CLIENT_PAUSE_MS);
  });

  it('looks at the chain again before it goes around again', async () => {
    const { chain, clock, nodes } = cluster;
    const [first, second, third] = chain.operators;
    if (!first || !second || !third) throw new Error('no operators');
    chain.operators = [first, second];
    chain.mine(profile.confirmationBlocks + 1);
    client = cluster.client({ profile: { ...profile, confirmationBlocks: 1 } });
    await derive();
    bendAll(down);
    nodes[2].bend = ({ honest }) => honest();
    chain.operators = [first, second, third];
    // Two blocks are less than what was read is kept for.
    const readAtMs = clock.nowMs();
    chain.mine(2);
    expect(clock.nowMs() - readAtMs).toBeLessThan(CLIENT_VIEW_MS);
    expect((await derive()).node).toBe(nodes[2].signer.wallet);
  });
});

describe('a node that hangs', () => {
  it('costs the deadline of one try, and its request is told to stop', async () => {
    let stopped = 0;
    const [first] = cluster.nodes;
    first.bend = ({ limits }) => {
      limits.signal?.addEventListener('abort', () => (stopped += 1));
      return new Promise(() => undefined);
    };
    let longestMs = 0;
    for (let count = 0; count < 6 && stopped === 0; count += 1) longestMs = Math.max(longestMs, await took(() => derive()));
    expect(stopped).toBe(1);
    expect(longestMs).toBeGreaterThanOrEqual(CLIENT_ATTEMPT_MS);
    expect(longestMs).toBeLessThan(CLIENT_ATTEMPT_MS + 500);
  });

  it('is tried last for a while after it failed, and in turn again later', async () => {
    const [first] = cluster.nodes;
    first.bend = hangs;
    while (first.asked.length === 0) await derive();
    for (let count = 0; count < 20; count += 1) await derive();
    expect(first.asked.length).toBe(1);
    // Asking another by name does not change that.
    await derive({ node: cluster.nodes[1].signer.wallet });
    for (let count = 0; count < 10; count += 1) await derive();
    expect(first.asked.length).toBe(1);
    first.bend = ({ honest }) => honest();
    cluster.clock.advance(CLIENT_FAILED_MS);
    cluster.chain.mine();
    for (let count = 0; count < 20; count += 1) await derive();
    expect(first.asked.length).toBeGreaterThan(1);
  });

  it('on every side ends at the deadline of the call', async () => {
    bendAll(hangs);
    const keepAlive = { attemptMs: 20_000 };
    let error: KmsError | undefined;
    const ms = await took(async () => (error = await failure(keepAlive)));
    expect(error).toMatchObject({ code: 'no_answer' });
    expect(error?.message).toContain(`within ${CLIENT_CALL_MS} ms`);
    expect(ms).toBeGreaterThanOrEqual(CLIENT_CALL_MS);
    expect(ms).toBeLessThan(CLIENT_CALL_MS + 500);
  });

  it('may be given less time', async () => {
    bendAll(hangs);
    const ms = await took(() => failure({ attemptMs: 300, callMs: 1_000 }));
    expect(ms).toBeLessThan(1_500);
  });

  it('is no different when it is the chain', async () => {
    const silent = cluster.client({ chain: { headNumber: () => new Promise(() => undefined), call: () => new Promise(() => undefined) } });
    const outcome = passing(cluster.clock, silent.derive('x', { callMs: 1_000 }));
    await expect(outcome).rejects.toMatchObject({ code: 'no_answer', attempts: [] });
    await expect(outcome).rejects.toThrow('No node was asked within 1000 ms. Check the RPC endpoint');
  });
});

describe('a caller that aborts', () => {
  it('beforehand asks nobody', async () => {
    const outcome = client.derive('x', { signal: AbortSignal.abort(new Error('changed my mind')) });
    await expect(outcome).rejects.toMatchObject({ code: 'aborted', cause: { message: 'changed my mind' } });
    expect(asked()).toBe(0);
  });

  it('meanwhile is let go at once, with what was tried', async () => {
    bendAll(hangs);
    const caller = new AbortController();
    let stopped = 0;
    bendAll(({ limits }) => {
      limits.signal?.addEventListener('abort', () => (stopped += 1));
      caller.abort(new Error('enough'));
      return new Promise(() => undefined);
    });
    await expect(client.derive('x', { signal: caller.signal })).rejects.toMatchObject({ code: 'aborted', cause: { message: 'enough' } });
    await new Promise((resolve) => setImmediate(resolve));
    expect({ stopped, asked: asked() }).toEqual({ stopped: 1, asked: 1 });
  });
});

describe('what ended a call for good', () => {
  it('comes with the tries before it', async () => {
    bendAll(down);
    const work = client.derive('x');
    const [known] = cluster.chain.callers.values();
    expect(known).toBeDefined();
    const outcome = passing(cluster.clock, work);
    // The second look at the chain finds this app stopped.
    for (let turn = 0; turn < 60 && asked() < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    if (known) cluster.chain.callers.set(cluster.app.wallet, { ...known, instanceStatus: 1 });
    cluster.chain.mine(profile.confirmationBlocks + 1);
    const error = (await outcome.catch((each: unknown) => each)) as KmsError;
    expect(error).toMatchObject({ code: 'not_registered', reason: 'instance_not_active' });
    expect(error.attempts.length).toBe(3);
  });
});
