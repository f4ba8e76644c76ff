/**
 * The owner of the registry turns on a living cluster: it announces what would take it over, and waits. Who registered the nodes has them sign
 * vetoes over HTTP, and a stranger relays them. Each attempt of the owner is made twice, two days later: without the veto, and after it.
 */
import { readFile } from 'node:fs/promises';
import { keccak256 } from 'viem';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NODE_KINDS } from '../simulation/node.ts';
import { answerSigner, signedRequest } from '../simulation/signed-client.ts';
import { createWorld, until, untilServing } from '../simulation/world.ts';
import { agreedKey, chainEpochs, untilEpoch } from './observe.ts';
import type { Address, Hex } from 'viem';
import type { AnvilAccount } from '../simulation/anvil.ts';
import type { Member, World } from '../simulation/world.ts';

const DELAY_SECONDS = 2 * 24 * 60 * 60;
/** EIP-1967: where the proxy keeps whose code it runs. */
const IMPLEMENTATION_SLOT = '0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc';
let world: World;
let owner: AnvilAccount;
let stranger: AnvilAccount;
let key: string;

beforeAll(async () => {
  world = await createWorld({ nodes: 3, kinds: NODE_KINDS, minOperators: 3 });
  const { contracts, chain } = world;
  [owner, stranger] = chain.accounts.slice(-2) as [AnvilAccount, AnvilAccount];
  await contracts.openGenesis();
  await untilServing(world.members);
  // From here on the registry is not of the account that registers nodes.
  await contracts.writeKms('transferOwnership', [owner.address]);
  await contracts.writeKms('acceptOwnership', [], owner.privateKey);
  key = await agreedKey(world);
});

afterAll(async () => world?.stop());

interface Voted {
  readonly status: number;
  readonly signer: string;
  readonly body: Readonly<Record<string, unknown>>;
}

async function ask(member: Member, walletKey: Hex, motion: object, validUntil: number): Promise<Voted> {
  const { chainId } = world.profile;
  const [app] = world.apps;
  if (!app) throw new Error('the world has no app');
  const body = JSON.stringify({ ...motion, valid_until_block: validUntil });
  const request = await signedRequest({ walletKey, box: app.box }, member.keys(), { chainId, path: '/operator/vote', body });
  const sent = { method: request.method, url: request.url, headers: Object.fromEntries(request.headers) };
  const response = await fetch(request);
  const text = await response.text();
  return { status: response.status, signer: await answerSigner(response, text, sent), body: JSON.parse(text) as Voted['body'] };
}

/** What these nodes sign for who registered them, in the order that the contract wants, and until when it is good. */
async function votesOf(members: readonly Member[], motion: object): Promise<{ readonly validUntil: bigint; readonly signatures: Hex[] }> {
  const validUntil = Number((await world.chain.head()).number) + 200;
  const signed = await Promise.all(
    members.map((member) =>
      until(`${member.name} to vote`, async () => {
        const { status, signer, body } = await ask(member, world.contracts.ownerKey, motion, validUntil);
        return status === 200 && signer.endsWith(member.keys().wallet) && (body as { node: string; signature: Hex });
      }),
    ),
  );
  return {
    validUntil: BigInt(validUntil),
    signatures: signed.toSorted((a, b) => (a.node < b.node ? -1 : 1)).map(({ signature }) => signature),
  };
}

const outcomeOf = (attempt: Promise<unknown>): Promise<string> =>
  attempt.then(
    () => 'done',
    (error: Error) => /Error: (\w+)\(/.exec(error.message)?.[1] ?? error.message,
  );

/** What would come of it in two days. Then the chain is back where it was. */
async function inTwoDays<T>(act: () => Promise<T>): Promise<T> {
  const { chain } = world;
  const now = await chain.rpc<Hex>('evm_snapshot');
  try {
    await chain.warp(DELAY_SECONDS + 1);
    return await act();
  } finally {
    await chain.rpc('evm_revert', [now]);
    await chain.meetWallClock();
  }
}

const asOwner = (functionName: string, args: readonly unknown[]) => world.contracts.writeKms(functionName, args, owner.privateKey);
const asStranger = (functionName: string, args: readonly unknown[]) => world.contracts.writeKms(functionName, args, stranger.privateKey);

async function announced(functionName: string, args: readonly unknown[]): Promise<bigint> {
  await asOwner(functionName, args);
  return ((await world.contracts.readKms('changeCount')) as bigint) - 1n;
}

const implementation = async () =>
  `0x${(await world.chain.rpc<Hex>('eth_getStorageAt', [world.contracts.kmsRegistry, IMPLEMENTATION_SLOT, 'latest'])).slice(-40)}`;

/** Any code will do: whoever owns it owns the registry. */
async function deployHostile(): Promise<{ readonly address: Address; readonly codeHash: Hex }> {
  const file = new URL('../../contracts/out/KMSRegistry.sol/KMSRegistry.json', import.meta.url);
  const { bytecode } = JSON.parse(await readFile(file, 'utf8')) as { bytecode: { object: Hex } };
  const hash = await world.chain.rpc<Hex>('eth_sendTransaction', [{ from: owner.address, data: bytecode.object, gas: '0x989680' }]);
  const receipt = await until('the code to stand', async () =>
    world.chain.rpc<{ contractAddress: Address } | null>('eth_getTransactionReceipt', [hash]).then((found) => found ?? undefined),
  );
  const address = receipt.contractAddress;
  return { address, codeHash: keccak256(await world.chain.rpc<Hex>('eth_getCode', [address, 'latest'])) };
}

describe('a hostile owner', () => {
  it('S-M6 takes the contract over after two days, unless a majority of the nodes vetoed it', async () => {
    const before = await implementation();
    const hostile = await deployHostile();
    const change = await announced('scheduleUpgrade', [hostile.address, hostile.codeHash]);
    const [one, two, three] = world.members as [Member, Member, Member];
    const motion = { purpose: 'veto', subject: String(change) };
    const majority = await votesOf([one, three], motion);
    const alone = await votesOf([two], motion);
    const upgrade = () => outcomeOf(asOwner('upgradeToAndCall', [hostile.address, '0x']));

    expect(await inTwoDays(async () => [await upgrade(), await implementation()])).toEqual(['done', hostile.address.toLowerCase()]);
    expect(await outcomeOf(asStranger('veto', [change, alone.validUntil, alone.signatures]))).toBe('TooFewSignatures');
    expect(await inTwoDays(upgrade)).toBe('done');

    expect(await outcomeOf(asStranger('veto', [change, majority.validUntil, majority.signatures]))).toBe('done');
    expect(await inTwoDays(async () => [await upgrade(), await implementation()])).toEqual(['UpgradeNotAnnounced', before]);
  });

  it('X-13 resets a living cluster after two days, unless one node vetoed it', async () => {
    const change = await announced('scheduleReset', []);
    const [one] = world.members as [Member];
    const { validUntil, signatures } = await votesOf([one], { purpose: 'veto', subject: String(change) });
    const secretHash = (await chainEpochs(world))[0]?.secretHash;
    const reset = async () => [await outcomeOf(asOwner('execute', [change])), await world.contracts.readKms('masterSecretHash')];

    expect(await inTwoDays(reset)).toEqual(['done', `0x${'00'.repeat(32)}`]);
    expect(await outcomeOf(asStranger('veto', [change, validUntil, signatures]))).toBe('done');
    expect(await inTwoDays(reset)).toEqual(['ChangeNotPending', secretHash]);
  });

  it('S-M6 X-13 has no node vote, nor has a stranger, nor the node’s own wallet', async () => {
    const [one] = world.members as [Member];
    const validUntil = Number((await world.chain.head()).number) + 100;
    await votesOf([one], { purpose: 'rotate', subject: 1 });
    for (const walletKey of [owner.privateKey, stranger.privateKey, one.node.odyn.walletKey])
      expect(await ask(one, walletKey, { purpose: 'rotate', subject: 1 }, validUntil)).toMatchObject({
        status: 403,
        signer: 'unsigned',
        body: { reason: 'proof_refused' },
      });
  });
});

describe('a majority of nodes, without the owner', () => {
  it('S-M6 removes a measurement at once, with the texts that they sign', async () => {
    const [operator] = ((await world.contracts.readKms('clusterView')) as { operators: readonly { codeMeasurement: Hex }[] }).operators;
    const measurement = operator?.codeMeasurement as Hex;
    const { validUntil, signatures } = await votesOf(world.members, { purpose: 'remove_measurement', subject: measurement });
    const removal = () => outcomeOf(asStranger('removeMeasurementBySignatures', [measurement, validUntil, signatures]));
    const live = async () => ((await world.contracts.readKms('liveOperators')) as unknown[]).length;
    expect(await inTwoDays(async () => [await live(), await removal(), await live()])).toEqual([3, 'done', 0]);
  });

  it('S-M6 rotates, while every key of before stays', async () => {
    const { validUntil, signatures } = await votesOf(world.members.slice(0, 2), { purpose: 'rotate', subject: 1 });
    expect(await outcomeOf(asStranger('requestRotation', []))).toBe('OwnableUnauthorizedAccount');
    expect(await outcomeOf(asStranger('requestRotationBySignatures', [validUntil, signatures]))).toBe('done');
    await until('the next epoch to be active', async () => {
      const [, next] = await chainEpochs(world);
      return next !== undefined && !/^0x0+$/.test(next.secretHash);
    });
    await untilEpoch(world.members, 1);
    expect(await agreedKey(world)).toBe(key);
  });
});
