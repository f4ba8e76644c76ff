/**
 * A client that has nodes attested, on a real cluster with emulated hardware: a node whose enclave is not, or not any more, what the chain
 * says is passed over, and the others serve. To its peers each of them is good: what is tested is what the app sees.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createClient, KmsError, odyn, parseProfile } from '../../core/client/main.ts';
import { pcrsOf } from '../attestation/pcrs.ts';
import { foreignRoot } from '../attestation/roots.ts';
import { NODE_KINDS } from '../simulation/node.ts';
import { createWorld, untilServing } from '../simulation/world.ts';
import type { ClientOptions, KmsClient } from '../../core/client/main.ts';
import type { SecurityModule } from '../attestation/module.ts';
import type { App, Member, World } from '../simulation/world.ts';

const PATH = 'my/disk';
let world: World;
let app: App;
let key: string;
let undo: (() => void) | undefined;

beforeAll(async () => {
  world = await createWorld({ nodes: 3, kinds: NODE_KINDS, hosts: true });
  app = world.apps[0] as App;
  await world.contracts.openGenesis();
  await untilServing(world.members);
  key = hexOf((await clientOf({ attestNodes: false }).derive(PATH)).key);
});

afterAll(async () => world?.stop());
afterEach(() => {
  undo?.();
  undo = undefined;
  for (const { host } of world.members) host?.intend(undefined);
});

const hexOf = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const clientOf = (options: Partial<ClientOptions> = {}): KmsClient =>
  createClient({
    profile: parseProfile(world.profile),
    chain: world.chain.rpcUrl,
    keys: odyn(app.odyn.url),
    attestNodes: true,
    ...options,
  });

function change({ node }: Member, to: Partial<SecurityModule>): void {
  const { module } = node.odyn;
  const before = { pcrs: module.pcrs, isDebug: module.isDebug, root: module.root };
  Object.assign(module, to);
  undo = () => void Object.assign(module, before);
}

async function refusedBy(member: Member): Promise<string[]> {
  const asked: unknown = await clientOf()
    .derive(PATH, { node: member.node.odyn.wallet })
    .catch((error: unknown) => error);
  if (!(asked instanceof KmsError)) throw new Error(`no KmsError: ${String(asked)}`);
  return [...new Set(asked.attempts.map(({ outcome, detail }) => `${outcome}: ${detail}`))];
}

describe('a client that has nodes attested', () => {
  it('S-M5 gets its key from every honest node', async () => {
    const client = clientOf();
    for (const { node } of world.members) {
      const derived = await client.derive(PATH, { node: node.odyn.wallet });
      expect([derived.node, hexOf(derived.key)]).toEqual([node.odyn.wallet, key]);
    }
    const { node, confirmedBy } = await client.signCertificate();
    expect(confirmedBy).not.toBe(node);
  });

  it.each([
    ['is in debug mode', 'debug', { isDebug: true }],
    ['runs other code than is registered', 'measurement_mismatch', { pcrs: pcrsOf(66) }],
    ['is of hardware that nobody knows', 'root_unknown', { root: foreignRoot() }],
  ] as const)('S-M5 passes over a node whose enclave %s, and gets its key from another', async (_what, fault, to) => {
    for (const member of world.members) {
      const { wallet } = member.node.odyn;
      change(member, to);
      expect((await clientOf({ attestNodes: false }).derive(PATH, { node: wallet })).node).toBe(wallet);
      expect(await refusedBy(member)).toEqual([`unattested: its enclave is not proven to be the registered one (${fault})`]);
      const client = clientOf();
      for (let count = 0; count < 4; count += 1) {
        const derived = await client.derive(PATH);
        expect([derived.node === wallet, hexOf(derived.key)]).toEqual([false, key]);
      }
      undo?.();
    }
  });

  it('S-M5 passes over a node whose host answers with the document of another node’s enclave, fresh and whole', async () => {
    const [bad, good] = world.members as [Member, Member];
    bad.host?.intend(async (request, forward) => {
      if (!request.path.startsWith('/attestation')) return await forward(request);
      const borrowed = await fetch(`${good.node.url}${request.path}`);
      return { status: borrowed.status, headers: {}, body: Buffer.from(await borrowed.arrayBuffer()) };
    });
    expect(await refusedBy(bad)).toEqual([expect.stringMatching(/^unattested: .*\(public_key_mismatch\)$/)]);
    expect((await clientOf().derive(PATH)).node).not.toBe(bad.node.odyn.wallet);
  });
});
