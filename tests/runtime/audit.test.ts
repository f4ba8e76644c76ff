/** The road of operators over HTTP, the same on every kind of node: what was done on it is in its trail, and only operators read that. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { verifyTrail } from '../../core/audit/verify.ts';
import { call } from '../simulation/platform-client.ts';
import { NODE_KINDS } from '../simulation/node.ts';
import { answerSigner, signedRequest } from '../simulation/signed-client.ts';
import { createWorld, until, untilDataReady } from '../simulation/world.ts';
import type { NodeLogLine } from '../simulation/node.ts';
import type { PlatformApp } from '../simulation/platform-client.ts';
import type { App, Member, World } from '../simulation/world.ts';

let world: World;
let app: App;
let owner: PlatformApp;
const lines = new Map<string, NodeLogLine[]>();

beforeAll(async () => {
  const onLog = (node: string, line: NodeLogLine) => lines.set(node, [...(lines.get(node) ?? []), line]);
  world = await createWorld({ nodes: 3, kinds: NODE_KINDS, onLog });
  await world.contracts.openGenesis();
  await untilDataReady(world.members);
  [app] = world.apps as [App];
  owner = { walletKey: world.contracts.ownerKey, box: app.box };
});

afterAll(async () => world?.stop());

type Body = Readonly<Record<string, unknown>>;

async function ask(member: Member, path: string, who = owner): Promise<{ status: number; signer: string; body: Body; text: string }> {
  const request = await signedRequest(who, member.keys(), { chainId: world.profile.chainId, method: 'GET', path });
  const sent = { method: request.method, url: request.url, headers: Object.fromEntries(request.headers) };
  const response = await fetch(request);
  const text = await response.text();
  return { status: response.status, signer: await answerSigner(response, text, sent), body: JSON.parse(text) as Body, text };
}

/** Names, secrets and values that must not be found in it. */
const NAME = 'a-name-that-nobody-shall-read';
const VALUE = 'a value that nobody shall read';

describe.each(NODE_KINDS)('%s:', (kind) => {
  let member: Member;

  beforeAll(async () => {
    member = world.members.find(({ node }) => node.kind === kind) as Member;
    await until('the node to be old enough for a signature', async () => (await ask(member, '/audit/head')).status === 200);
  });

  it('S-M1 S-M2 an operator reads a whole trail of what was done here, and nobody else does', async () => {
    const value = Buffer.from(VALUE).toString('base64');
    const put = await call(app, member.keys(), '/kms/data', { key: NAME, value }, 'PUT');
    expect(put.status).toBeLessThan(300);
    const signer = `erc8128:${world.profile.chainId}:${member.node.odyn.wallet}`;
    const head = await ask(member, '/audit/head');
    const page = await ask(member, '/audit');
    expect([head.status, head.signer, page.status, page.signer]).toEqual([200, signer, 200, signer]);
    const records = (page.body['records'] as Body[]).filter(({ seq }) => (seq as number) <= (head.body['seq'] as number));
    const to = head.body['seq'];
    expect(verifyTrail(records, head.body, { node: member.node.odyn.wallet })).toEqual({ kind: 'whole', from: 1, to });
    expect(records[0]).toMatchObject({ kind: 'boot', node: member.node.odyn.wallet, incarnation: head.body['incarnation'] });
    expect(records.filter(({ kind: each }) => each === 'value_written')).toMatchObject([
      { app_id: String(app.appId), version: put.body?.['version'], bytes: VALUE.length },
    ]);
    const altered = records.map((record) => (record['kind'] === 'value_written' ? { ...record, bytes: 1 } : record));
    expect(verifyTrail(altered, head.body, { node: member.node.odyn.wallet })).toMatchObject({ kind: 'broken', fault: 'altered' });
    for (const text of [NAME, VALUE, value]) expect(page.text + head.text).not.toContain(text);
    for (const path of ['/audit', '/audit/head', '/operator/status'])
      expect(await ask(member, path, app)).toMatchObject({ status: 403, signer: 'unsigned', body: { reason: 'proof_refused' } });
  });

  it('S-M2 the log has the same records, whole', async () => {
    const { body } = await ask(member, '/audit');
    const records = body['records'] as Body[];
    const logged = await until('the log to have them', async () => {
      const found = (lines.get(member.name) ?? []).filter(({ event }) => event === 'audit.recorded').map(({ record }) => record);
      return found.length >= records.length ? found : undefined;
    });
    expect(logged.slice(0, records.length)).toEqual(records);
  });

  it('S-M1 an operator sees which secrets it holds and how it gets on with its peers', async () => {
    // It knows of each at its own next tick; until then, or over its rate, it is asked again.
    const body = await until('its peers to have told it that they have their data', async () => {
      const { status, body: told } = await ask(member, '/operator/status');
      const isReady = ({ replication }: { replication: { data_ready: boolean } | null }) => replication?.data_ready === true;
      return status === 200 && (told['peers'] as { replication: { data_ready: boolean } | null }[]).every(isReady) && told;
    });
    expect(body['gate']).toEqual({ serving: true });
    expect(body['epochs']).toMatchObject([{ epoch: 0, state: 'active', held: true, candidates: [] }]);
    const peers = body['peers'] as Body[];
    expect(peers.map(({ wallet }) => wallet).toSorted()).toEqual(
      world.members.flatMap(({ node }) => (node === member.node ? [] : [node.odyn.wallet])).toSorted(),
    );
    for (const peer of peers) expect(peer).toMatchObject({ live: true, replication: { data_ready: true } });
  });
});

it('S-M2 nodes of a cluster call the same key by the same name', async () => {
  const names = await Promise.all(
    world.members.map(async (member) => {
      const { body } = await ask(member, '/audit');
      return (body['records'] as Body[]).filter(({ kind }) => kind === 'value_written').map(({ name }) => name);
    }),
  );
  expect(new Set(names.flat()).size).toBe(1);
  expect(names.flat().length).toBe(NODE_KINDS.length);
});

it('S-M2 the trails of a cluster together tell who gave the secret to whom', async () => {
  const all = await Promise.all(world.members.map(async (member) => (await ask(member, '/audit')).body['records'] as Body[]));
  const given = all.flat().filter(({ kind }) => kind === 'handover_given');
  const wallets = world.members.map(({ node }) => node.odyn.wallet);
  expect(given.length).toBeGreaterThanOrEqual(wallets.length - 1);
  for (const { peer } of given) expect(wallets).toContain(peer);
});
