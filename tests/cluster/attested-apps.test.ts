/**
 * A cluster whose profile requires that instances prove themselves: real nodes of every kind over HTTP, apps with the Odyn and the emulated
 * hardware of theirs. The client of this project does what is asked; a client of the platform, which knows nothing of it, is told.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createClient, KmsError, odyn, parseProfile } from '../../core/client/main.ts';
import { CALLER_DOCUMENT_BYTES_MAX, CLIENT_ROUNDS_MAX } from '../../core/limits.ts';
import { base64 } from '../../core/wire/bytes.ts';
import { measurementOf, pcrsOf } from '../attestation/pcrs.ts';
import { NODE_KINDS } from '../simulation/node.ts';
import { call, platformRequest, send } from '../simulation/platform-client.ts';
import { createWorld, until, untilDataReady, untilServing } from '../simulation/world.ts';
import { createEar } from './observe.ts';
import type { ClientOptions, KmsClient } from '../../core/client/main.ts';
import type { App, Member, World } from '../simulation/world.ts';

const PATH = 'my/disk';
const ear = createEar();
let world: World;
let app: App;
let broken: App;

beforeAll(async () => {
  world = await createWorld({
    nodes: 3,
    kinds: NODE_KINDS,
    apps: 2,
    hosts: true,
    profile: { appAttestation: 'require' },
    onLog: ear.onLog,
  });
  [app, broken] = world.apps as [App, App];
  await world.contracts.openGenesis();
  await untilServing(world.members);
});

afterAll(async () => world?.stop());

const clientOf = ({ odyn: enclave }: App, options: Partial<ClientOptions> = {}): KmsClient =>
  createClient({ profile: parseProfile(world.profile), chain: world.chain.rpcUrl, keys: odyn(enclave.url), ...options });
const walletOf = ({ node }: Member) => node.odyn.wallet;
const refusals = () => ear.lines.filter(({ event }) => event === 'caller.unattested');

async function attemptsOf(client: KmsClient, options = {}): Promise<string[]> {
  const error: unknown = await client.derive(PATH, options).catch((each: unknown) => each);
  if (!(error instanceof KmsError)) throw new Error(`no KmsError: ${String(error)}`);
  return [...new Set(error.attempts.map(({ detail }) => detail))];
}

/** Whether each request to a node's host bore a document. */
function watch({ host }: Member): boolean[] {
  const bore: boolean[] = [];
  host?.intend((request, forward) => {
    if (request.path.startsWith('/kms/')) bore.push(request.headers['x-kms-attestation'] !== undefined);
    return forward(request);
  });
  return bore;
}

describe('an app whose enclave runs what the registry says', () => {
  it('S-M5 gets its key by both forms of proof from nodes of every kind, and shows its document to each once', async () => {
    const keys = new Set<string>();
    for (const proof of ['platform', 'erc8128'] as const) {
      const client = clientOf(app, { proof });
      for (const member of world.members) {
        const bore = watch(member);
        for (let count = 0; count < 2; count += 1)
          keys.add(Buffer.from((await client.derive(PATH, { node: walletOf(member) })).key).toString('hex'));
        expect(bore).toEqual([true, false]);
        member.host?.intend(undefined);
      }
    }
    expect(keys.size).toBe(1);
    expect(refusals()).toEqual([]);
  });

  it('S-M5 writes and reads, and gets its certificate', async () => {
    await untilDataReady(world.members);
    const client = clientOf(app, { attestNodes: true });
    const { version } = await client.kv.put('k', 'v');
    // Any node may answer, also one that the write has yet to come to.
    await until('it to be read', async () => (await client.kv.get('k'))?.version === version);
    expect((await client.signCertificate()).certificate).toContain('BEGIN CERTIFICATE');
  });

  it('shows it again to a node that began anew and asks', async () => {
    const [member] = world.members as [Member];
    const client = clientOf(app);
    await client.derive(PATH, { node: walletOf(member) });
    await member.node.stop();
    await member.node.start();
    await untilServing([member], 90_000);
    const bore = watch(member);
    await until('its key', async () => client.derive(PATH, { node: walletOf(member) }).catch(() => undefined));
    // What is signed within seconds of a boot is refused before anybody asks for documents.
    expect([bore.slice(-2), bore.filter(Boolean).length]).toEqual([[false, true], 1]);
    member.host?.intend(undefined);
  });
});

describe('an app whose enclave does not', () => {
  it.each([
    ['runs other code', 'measurement_mismatch', { pcrs: pcrsOf(66) }],
    ['is in debug mode', 'debug', { isDebug: true }],
  ] as const)('S-M5 gets nothing when it %s, though the registry calls it verified', async (_what, fault, change) => {
    const { module } = broken.odyn;
    const before = { pcrs: module.pcrs, isDebug: module.isDebug };
    Object.assign(module, change);
    const from = refusals().length;
    expect(await attemptsOf(clientOf(broken))).toEqual(['refuses with 403 attestation_refused']);
    const tries = CLIENT_ROUNDS_MAX * world.members.length;
    // A line may come later than the answer.
    await until('a line for each try', async () => refusals().length - from >= tries);
    const lines = refusals().slice(from);
    expect(new Set(lines.map((line) => `${String(line['wallet'])} ${String(line['fault'])}`))).toEqual(
      new Set([`${broken.odyn.wallet} ${fault}`]),
    );
    expect(lines.map((line) => line['measurement'])).toContain(measurementOf(before.pcrs));
    Object.assign(module, before);
  });

  it('S-M5 gets nothing by what the platform’s own clients send', async () => {
    for (const member of world.members) {
      const { status, wire } = await call(broken, member.keys(), '/kms/derive', { path: PATH });
      expect([status, wire]).toEqual([403, expect.stringContaining('"attestation_required"')]);
    }
  });

  it('S-M5 is told that its document is none when that is of the greatest length, by nodes of every kind', async () => {
    for (const member of world.members) {
      const parts = await platformRequest(broken, member.keys(), { path: PATH });
      const header = base64(new Uint8Array(CALLER_DOCUMENT_BYTES_MAX));
      const answer = await send(member.keys(), '/kms/derive', { ...parts, headers: { ...parts.headers, 'x-kms-attestation': header } });
      expect([answer.status, await answer.text()]).toEqual([403, expect.stringContaining('"attestation_refused"')]);
    }
  });

  it('S-M5 gets its key once it runs what the registry says', async () => {
    const client = clientOf(broken);
    expect((await until('its key', async () => client.derive(PATH).catch(() => undefined))).key.length).toBe(32);
  });
});
