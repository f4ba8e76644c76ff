import { beforeEach, describe, expect, it } from 'vitest';
import { KmsError } from '../../../core/client/error.ts';
import { CLIENT_READING_MS, CLIENT_VIEW_MS } from '../../../core/limits.ts';
import { callerAnswer, operatorAnswer, profile, signerNamed } from '../fakes.ts';
import { MEASUREMENT } from '../../attestation/attester.ts';
import { createStubCluster } from './stubs.ts';
import type { KmsClient } from '../../../core/client/client.ts';
import type { CallerAnswer } from '../fakes.ts';
import type { StubCluster } from './stubs.ts';

let cluster: StubCluster;
let client: KmsClient;

beforeEach(async () => {
  cluster = await createStubCluster();
  client = cluster.client();
});

const refused = async (asker = client): Promise<KmsError> => {
  const outcome = await asker.nodes().catch((error: unknown) => error);
  if (outcome instanceof KmsError) return outcome;
  throw new Error(`no KmsError: ${String(outcome)}`);
};
const deepen = (blocks = profile.confirmationBlocks + 1) => cluster.chain.mine(blocks);
const changeApp = (change: Partial<CallerAnswer>) => {
  const known = cluster.chain.callers.get(cluster.app.wallet) ?? callerAnswer(cluster.app.wallet);
  cluster.chain.callers.set(cluster.app.wallet, { ...known, ...change });
};

/** Its first reading of the chain never ends; any later one would. */
async function askerOfDeadReading() {
  const { chain } = cluster;
  let dead = true;
  const headNumber = () => (dead ? new Promise<number>(() => undefined) : chain.headNumber());
  const asker = cluster.client({ chain: { headNumber, call: chain.call } });
  void asker.nodes();
  await new Promise((resolve) => setImmediate(resolve));
  dead = false;
  return asker;
}

describe('the nodes', () => {
  it('are the live operators, with the URL, wallet, key and measurement of the registry', async () => {
    const expected = cluster.nodes.map(({ signer, url, teePubkey }) => ({
      wallet: signer.wallet,
      url,
      teePubkey,
      measurement: MEASUREMENT,
    }));
    expect(await client.nodes()).toEqual(expected);
  });

  it.each([
    ['is not live', { live: false }],
    ['has a URL that the profile refuses', { instanceUrl: 'https://10.0.0.1' }],
    ['has a URL with a path', { instanceUrl: 'https://node-1.nova.example/x' }],
  ])('are without one that %s', async (_what, change) => {
    const [first, ...others] = cluster.chain.operators;
    if (!first) throw new Error('no operator');
    cluster.chain.operators = [{ ...first, ...change }, ...others];
    deepen();
    expect((await client.nodes()).map(({ url }) => url)).toEqual(cluster.nodes.slice(1).map(({ url }) => url));
  });

  it('are without one that is not confirmed yet, or that is revoked at the head', async () => {
    cluster.chain.operators = [...cluster.chain.operators.slice(1), operatorAnswer(signerNamed('four').wallet, 4)];
    deepen(1);
    expect((await client.nodes()).length).toBe(2);
  });

  it('are none, which is said, only when the chain was read and names none', async () => {
    cluster.chain.operators = [];
    deepen();
    expect(await client.nodes()).toEqual([]);
    await expect(client.derive('x')).rejects.toMatchObject({ code: 'no_live_node' });
    await expect(client.derive('x', { node: signerNamed('one').wallet })).rejects.toMatchObject({ code: 'no_live_node' });
  });

  it('do not hold one that was asked for by a wallet that is not live', () =>
    expect(client.derive('x', { node: signerNamed('four').wallet })).rejects.toMatchObject({ code: 'node_not_live' }));
});

describe('a chain', () => {
  it('that cannot be read is an error, never "no nodes"', async () => {
    cluster.chain.outage = true;
    const error = await refused();
    expect(error).toMatchObject({ code: 'chain_unavailable', reason: 'chain_unavailable' });
    expect(error.message).toContain('could not be read');
    await expect(client.derive('x')).rejects.toMatchObject({ code: 'chain_unavailable', attempts: [] });
  });

  it('that falls silent is believed until its head is too old', async () => {
    const before = await client.nodes();
    cluster.chain.outage = true;
    cluster.clock.advance(profile.headAgeMaxMs);
    expect(await client.nodes()).toEqual(before);
    cluster.clock.advance(1);
    cluster.clock.advance(CLIENT_VIEW_MS);
    expect((await refused()).code).toBe('chain_unavailable');
  });

  it('that stands still is too old', async () => {
    cluster.clock.advance(profile.headAgeMaxMs + 1);
    expect(await refused()).toMatchObject({ code: 'chain_unavailable', reason: 'chain_stale' });
  });

  it.each([
    ['another chain id', { chainId: 1 }],
    ['another app', { kmsAppId: 8n as typeof profile.kmsAppId }],
    ['another app registry', { novaAppRegistry: signerNamed('other').wallet }],
  ])('with %s is not the one of the profile', async (_what, change) => {
    const other = cluster.client({ profile: { ...profile, ...change } });
    expect(await refused(other)).toMatchObject({ code: 'chain_unavailable', reason: 'chain_mismatch' });
  });

  it('is read once for many who ask at once, and again after a moment', async () => {
    await Promise.all(Array.from({ length: 20 }, () => client.nodes()));
    expect(cluster.chain.calls.length).toBe(4);
    cluster.clock.advance(CLIENT_VIEW_MS - 1);
    await client.nodes();
    expect(cluster.chain.calls.length).toBe(4);
    cluster.clock.advance(1);
    await client.nodes();
    expect(cluster.chain.calls.length).toBe(8);
  });
});

describe('a clock that is set back', () => {
  const HOUR_MS = 3_600_000;
  const revoke = () => void (cluster.chain.operators = cluster.chain.operators.slice(1));

  it('makes no view younger: a node that was revoked is not known for an hour more', async () => {
    expect((await client.nodes()).length).toBe(3);
    revoke();
    deepen();
    cluster.clock.set(-10_000);
    cluster.clock.advance(CLIENT_VIEW_MS);
    expect((await client.nodes()).length).toBe(2);
  });

  it('lets no view stand that the chain has not spoken for', async () => {
    await client.nodes();
    cluster.chain.outage = true;
    cluster.clock.set(-HOUR_MS);
    cluster.clock.advance(profile.headAgeMaxMs + 1);
    expect((await refused()).code).toBe('chain_unavailable');
  });

  it('keeps nobody waiting for a reading that died', async () => {
    const asker = await askerOfDeadReading();
    cluster.clock.set(-10_000);
    cluster.clock.advance(CLIENT_READING_MS);
    expect((await asker.nodes()).length).toBe(3);
  });
});

it('a reading that died with the request that began it is begun anew', async () => {
  const asker = await askerOfDeadReading();
  cluster.clock.advance(CLIENT_READING_MS - 1);
  const waits = Promise.race([asker.nodes(), new Promise((resolve) => setTimeout(resolve, 50, 'waits'))]);
  expect(await waits).toBe('waits');
  cluster.clock.advance(1);
  expect((await asker.nodes()).length).toBe(3);
});

it('an enclave is asked for its keys once', async () => {
  let asked = 0;
  const address = async () => ((asked += 1), cluster.app.wallet);
  const asker = cluster.client({ signer: { ...cluster.app, address } });
  await asker.nodes();
  cluster.clock.advance(CLIENT_VIEW_MS);
  await asker.nodes();
  expect(asked).toBe(1);
});

describe('this app', () => {
  it.each<[string, Partial<CallerAnswer>, string]>([
    ['unknown', { instanceId: 0n }, 'instance_unknown'],
    ['stopped', { instanceStatus: 1 }, 'instance_not_active'],
    ['not verified', { zkVerified: false }, 'instance_not_verified'],
    ['of an inactive app', { appStatus: 1 }, 'app_not_active'],
    ['of a revoked version', { versionStatus: 2 }, 'version_not_allowed'],
    ['registered with another TEE key', { teePubkey: '0xabcd' }, 'tee_key_mismatch'],
  ])('%s learns that from its own chain, and asks no node', async (_what, change, reason) => {
    changeApp(change);
    deepen();
    expect(await refused()).toMatchObject({ code: 'not_registered', reason });
    await expect(client.derive('x')).rejects.toMatchObject({ code: 'not_registered', reason });
    expect(cluster.nodes.flatMap(({ asked }) => asked)).toEqual([]);
  });

  it('that is not confirmed yet is told to wait', async () => {
    const [known] = cluster.chain.callers.values();
    cluster.chain.callers.clear();
    deepen();
    if (known) cluster.chain.callers.set(cluster.app.wallet, known);
    deepen(1);
    const error = await refused();
    expect(error.message).toContain(`not yet ${profile.confirmationBlocks} blocks deep`);
    deepen();
    expect((await client.nodes()).length).toBe(3);
  });
});
