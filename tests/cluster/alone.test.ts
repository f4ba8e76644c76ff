/**
 * What one party can do alone: nothing. One operator, the owner's key, an enclave of an unapproved build, the first
 * registrant. Each attempt stands beside the honest one that succeeds.
 */
import { privateKeyToAccount } from 'viem/accounts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseProfile } from '../../core/networks.ts';
import { createFetch } from '../../core/platform/fetch.ts';
import { createOdyn } from '../../core/platform/odyn.ts';
import { systemClock, systemRandom } from '../../core/platform/system.ts';
import { createNonces } from '../../core/auth/nonces.ts';
import { createSessions } from '../../core/cluster/sessions.ts';
import { encodeEndorsements, encodeWanted } from '../../core/cluster/messages.ts';
import { recoverWallet } from '../../core/crypto/wallet.ts';
import { credulous } from '../attestation/attester.ts';
import { pcrsOf } from '../attestation/pcrs.ts';
import { noHandlers } from '../core/fakes.ts';
import { startNode } from '../simulation/node.ts';
import { createWorld, readiness, until, untilServing } from '../simulation/world.ts';
import { agreedKey, chainEpochs, createEar } from './observe.ts';
import type { Hex } from 'viem';
import type { Operator } from '../../core/chain/registry.ts';
import type { Epoch, Hash, Wallet } from '../../core/identity.ts';
import type { Signer } from '../../core/ports.ts';
import type { Sessions, PeerWire } from '../../core/cluster/sessions.ts';
import type { Member, World } from '../simulation/world.ts';

const HASH = `0x${'ab'.repeat(32)}` as Hash;
const EPOCH = 0 as Epoch;
const ear = createEar();
let world: World;

beforeAll(async () => {
  world = await createWorld({ nodes: 3, minOperators: 3, onLog: ear.onLog });
});

afterAll(async () => world?.stop());

const endorse = (key: Hex, validUntil: number, epoch = 0, hash: string = HASH) =>
  privateKeyToAccount(key).signMessage({
    message: `NovaKMS:Endorse:${world.contracts.chainId}:${world.contracts.kmsRegistry}:${epoch}:${hash}:${validUntil}`,
  });

async function signatures(keys: readonly Hex[], validUntil: number): Promise<Hex[]> {
  const signed = await Promise.all(
    keys.map(async (key) => ({ address: privateKeyToAccount(key).address.toLowerCase(), signature: await endorse(key, validUntil) })),
  );
  return signed.toSorted((a, b) => (a.address < b.address ? -1 : 1)).map((each) => each.signature);
}

async function activation(keys: readonly Hex[]): Promise<string> {
  const validUntil = Number((await world.chain.head()).number) + 100;
  const given = await signatures(keys, validUntil);
  return world.contracts.writeKms('activate', [0n, HASH, BigInt(validUntil), given]).then(
    () => 'activated',
    (error: Error) =>
      /error: (\w+)|reverted with the following reason|Error: (\w+)\(/.exec(error.message)?.slice(1).find(Boolean) ??
      error.message.slice(0, 200),
  );
}

const walletKeys = () => world.members.map(({ node }) => node.odyn.walletKey);

describe('one party alone', () => {
  it('U-11 cannot open genesis while too few operators are live, and cannot activate before it', async () => {
    const [first] = world.members;
    if (!first) throw new Error('the world has no node');
    await world.contracts.stopInstance(first.instanceId);
    await expect(world.contracts.openGenesis()).rejects.toThrow(/TooFewOperators/);
    expect(await activation(walletKeys())).toMatch(/EpochNotOpen/);
    await first.node.replaceEnclave();
    await world.register(first);
    await until('three live operators', async () => ((await world.contracts.readKms('liveOperators')) as unknown[]).length === 3);
  });

  it('S-H5 X-13 can not activate a hash: not an operator, and not the owner', async () => {
    // The nodes are down, so that nobody else activates meanwhile.
    await Promise.all(world.members.map((member) => member.node.stop()));
    await world.contracts.openGenesis();
    const [one, two] = walletKeys() as [Hex, Hex];
    expect(await activation([one])).toMatch(/TooFewSignatures/);
    expect(await activation([one, one])).toMatch(/SignersNotAscending/);
    expect(await activation([world.contracts.ownerKey])).toMatch(/NotEligible|TooFewSignatures/);
    expect(await activation([one, world.contracts.ownerKey])).toMatch(/NotEligible/);
    expect((await chainEpochs(world)).map((epoch) => epoch.secretHash)).toEqual([`0x${'00'.repeat(32)}`]);
    await Promise.all(world.members.map((member) => member.node.start()));
    await untilServing(world.members);
    // Two operators could have: the same call with a majority is what the nodes themselves just sent.
    expect(await activation([one, two])).toMatch(/EpochNotOpen/);
    expect((await chainEpochs(world))[0]?.secretHash).not.toBe(HASH);
  });
});

describe('one rogue operator among peers', () => {
  let rogue: Member;
  let sessions: Sessions;

  beforeAll(async () => {
    rogue = world.members[2] as Member;
    await rogue.node.stop();
    const account = privateKeyToAccount(rogue.node.odyn.walletKey);
    const { attester } = createOdyn(
      rogue.node.odyn.url,
      createFetch({ profile: parseProfile(world.profile), odynUrl: rogue.node.odyn.url, rpcUrl: world.chain.rpcUrl }, fetch),
    );
    const signer = { sign: (message: string) => account.signMessage({ message }) } as Pick<Signer, 'sign'> as Signer;
    const self = { wallet: rogue.keys().wallet as Wallet, incarnation: systemRandom.bytes(16) };
    const nonces = createNonces({ clock: systemClock, random: systemRandom });
    const member = (wallet: Wallet) => ({ wallet }) as Operator;
    sessions = createSessions({
      heard: () => undefined,
      self,
      clock: systemClock,
      random: systemRandom,
      signer,
      recover: recoverWallet,
      nonces,
      // Its enclave is an honest one; only the program that asks is not.
      attestations: { ...credulous, ours: ({ challenge, ephemeral }) => attester.document({ nonce: challenge, publicKey: ephemeral }) },
      log: () => undefined,
      member,
      handlers: noHandlers,
    });
  });

  const wireTo = (member: Member): PeerWire => ({
    nonce: async () => ((await (await fetch(`${member.url}/nonce`)).json()) as { nonce: string }).nonce,
    post: async (body, headers) => {
      const answer = await fetch(`${member.url}/sync`, {
        method: 'POST',
        headers: { 'content-type': 'x-kms-signature' in headers ? 'application/cbor' : 'application/octet-stream', ...headers },
        body: new Uint8Array(body),
      });
      if (!answer.ok) throw new Error(await answer.text());
      return { body: new Uint8Array(await answer.arrayBuffer()), signature: answer.headers.get('x-kms-peer-signature') };
    },
  });

  it('speaks, being a member, yet moves no epoch with endorsements of its own or forged ones', async () => {
    const [victim, other] = world.members as [Member, Member];
    const validUntilBlock = Number((await world.chain.head()).number) + 100;
    const own = await endorse(rogue.node.odyn.walletKey, validUntilBlock, 1);
    const forged = new Map<Wallet, Hex>([
      [rogue.keys().wallet as Wallet, own],
      [other.keys().wallet as Wallet, own],
    ]);
    const payload = encodeEndorsements({ epoch: 1 as Epoch, offers: [{ hash: HASH, validUntilBlock, signatures: forged }] });
    expect((await sessions.call(victim.keys().wallet as Wallet, wireTo(victim), 'endorsement', payload)).length).toBeGreaterThan(0);
    expect(ear.lines.filter((line) => line.event === 'candidate.endorsed' && line['hash'] === HASH)).toEqual([]);
    expect((await chainEpochs(world)).length).toBe(1);
  });

  it('S-M2 gets secrets at a bounded rate only, each with a record', async () => {
    const [victim] = world.members as [Member];
    const [epoch] = await chainEpochs(world);
    const wanted = encodeWanted([{ epoch: EPOCH, hash: epoch?.secretHash as Hash }]);
    const before = ear.lines.filter((line) => line.event === 'handover.given').length;
    const outcomes: string[] = [];
    for (let asked = 0; asked < 30; asked += 1) {
      outcomes.push(
        await sessions.call(victim.keys().wallet as Wallet, wireTo(victim), 'handover', wanted).then(
          () => 'given',
          (error: Error) => error.message,
        ),
      );
    }
    const given = outcomes.filter((outcome) => outcome === 'given').length;
    expect(given).toBeGreaterThan(0);
    expect(given).toBeLessThan(30);
    expect(outcomes.some((outcome) => outcome.includes('handover_rate_limited'))).toBe(true);
    await until('the records', async () => ear.lines.filter((line) => line.event === 'handover.given').length - before === given);
    await rogue.node.start();
    await untilServing([rogue]);
  });
});

describe('an enclave of a build that nobody approved', () => {
  it('U-10 S-M5 is in the set by the app owner’s word, yet no member, and gets no secret', async () => {
    const pcrs = pcrsOf(66);
    const versionId = await world.contracts.enrollVersion(world.contracts.kmsAppId, '6.6.6', pcrs);
    const node = await startNode({
      name: 'unapproved',
      profile: world.profile,
      rpcUrl: world.chain.rpcUrl,
      onLog: (line) => ear.onLog('unapproved', line),
    });
    try {
      await world.contracts.registerInstance(world.contracts.kmsAppId, versionId, node.url, node.odyn, pcrs);
      const member = {
        name: 'unapproved',
        node,
        url: node.url,
        host: undefined,
        instanceId: 0n,
        keys: () => ({ url: node.url, wallet: node.odyn.wallet, teePubkey: node.odyn.teePubkey }),
      };
      await until('its refusal', async () => (await readiness(member)).reason === 'not_live');
      const walletsOf = async (lens: string) => ((await world.contracts.readKms(lens)) as string[]).map((wallet) => wallet.toLowerCase());
      expect(await walletsOf('getOperators')).toContain(node.odyn.wallet);
      expect(await walletsOf('liveOperators')).not.toContain(node.odyn.wallet);
      expect(ear.lines.filter((line) => line.event === 'handover.given' && line['peer'] === node.odyn.wallet)).toEqual([]);
      await agreedKey(world);
    } finally {
      await node.close();
    }
  });
});
