/** The real side: the registry behind its proxy on anvil, over the scripted app registry of the contracts' tests. */
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { decodeFunctionResult, encodeDeployData, encodeFunctionData } from 'viem';
import { kmsRegistryAbi } from '../../../core/chain/abi.ts';
import { hashOf } from '../../core/fakes.ts';
import { activationOf, APP, app, urlOf, walletOf } from './moves.ts';
import type { Abi, Hex } from 'viem';
import type { Wallet } from '../../../core/identity.ts';
import type { CallerAnswer } from '../../core/fakes.ts';
import type { Anvil } from '../../simulation/anvil.ts';
import type { Move, Side } from './moves.ts';

interface Contract {
  readonly address: Hex;
  readonly abi: Abi;
}

interface Receipt {
  readonly status: Hex;
  readonly contractAddress: Hex;
}

const [KMS_APP, VERSION, DELAY_SECONDS] = [7n, 1n, 2 * 24 * 3_600];
const MEASUREMENT = hashOf(0x11);
/** Given, so that no estimate refuses what the contract is to refuse. */
const GAS = '0xe4e1c0';

export async function createReal(anvil: Anvil): Promise<Side> {
  const from = anvil.accounts[0]?.address as Hex;
  const { write, read, deploy } = createConnection(anvil, from);
  const nova = await deploy('ScriptedAppRegistry');
  const { address: implementation } = await deploy('KMSRegistry');
  const args = [from, nova.address, 3n, [MEASUREMENT]] as const;
  const initialised = encodeFunctionData({ abi: kmsRegistryAbi, functionName: 'initialize', args });
  const kms: Contract = { abi: kmsRegistryAbi, address: (await deploy('ERC1967Proxy', [implementation, initialised])).address };
  for (const [id, dapp] of [
    [KMS_APP, kms.address],
    [APP, from],
  ] as const) {
    await write(nova, 'setApp', id, dapp);
    await write(nova, 'setVersion', id, VERSION, MEASUREMENT);
  }
  await write(kms, 'setKmsAppId', KMS_APP);
  const caller = () => read(kms, 'callerView', app) as Promise<CallerAnswer>;
  const head = async () => {
    const { number, timestampSeconds } = await anvil.head();
    return { number: Number(number), seconds: timestampSeconds };
  };

  async function join(wallet: Wallet, url: string): Promise<boolean> {
    await write(nova, 'bind', wallet, KMS_APP, VERSION, from, url);
    return write(nova, 'callAddOperator', kms.address, wallet, KMS_APP);
  }

  const setStatus = (wallet: Wallet, isStopped: boolean) => write(nova, 'setInstanceStatus', wallet, isStopped ? 1 : 0);

  async function retire(epoch: number): Promise<boolean> {
    const change = await read(kms, 'changeCount');
    if (!(await write(kms, 'scheduleRetirement', BigInt(epoch)))) return false;
    await anvil.warp(DELAY_SECONDS);
    return write(kms, 'execute', change);
  }

  async function play(move: Move): Promise<boolean> {
    switch (move.does) {
      case 'join':
        return join(walletOf(move.name), urlOf(move.at ?? move.name));
      case 'stop':
      case 'start':
        return setStatus(walletOf(move.name), move.does === 'stop');
      case 'open':
        return (await write(kms, 'requestRotation')) || (await write(kms, 'openGenesis'));
      case 'activate':
        return write(kms, 'activate', ...activationOf(move, kms.address.toLowerCase() as Wallet, (await head()).number));
      case 'retire':
        return retire(move.epoch);
      case 'app':
        if ((await caller()).instanceId === 0n) await write(nova, 'bind', app, APP, VERSION, from, urlOf('stranger'));
        return setStatus(app, move.isRevoked);
      default:
        return move satisfies never;
    }
  }

  return { play, head, caller, cluster: () => read(kms, 'clusterView') as ReturnType<Side['cluster']> };
}

function createConnection(anvil: Anvil, from: Hex) {
  async function mined(transaction: { readonly to?: Hex; readonly data: Hex }): Promise<Receipt> {
    const hash = await anvil.rpc<Hex>('eth_sendTransaction', [{ from, gas: GAS, ...transaction }]);
    for (;;) {
      const receipt = await anvil.rpc<Receipt | null>('eth_getTransactionReceipt', [hash]);
      if (receipt) return receipt;
      await sleep(1);
    }
  }

  return {
    /** Whether it was not reverted. */
    async write({ abi, address }: Contract, functionName: string, ...args: readonly unknown[]): Promise<boolean> {
      const data = encodeFunctionData({ abi, functionName, args });
      return (await mined({ to: address, data })).status === '0x1';
    },
    async read({ abi, address }: Contract, functionName: string, ...args: readonly unknown[]): Promise<unknown> {
      const data = encodeFunctionData({ abi, functionName, args });
      const answer = await anvil.rpc<Hex>('eth_call', [{ to: address, data }, 'latest']);
      return decodeFunctionResult({ abi, functionName, data: answer });
    },
    async deploy(name: string, args: readonly unknown[] = []): Promise<Contract> {
      const file = new URL(`../../../contracts/out/${name}.sol/${name}.json`, import.meta.url);
      const { abi, bytecode } = JSON.parse(await readFile(file, 'utf8')) as { abi: Abi; bytecode: { object: Hex } };
      const { contractAddress } = await mined({ data: encodeDeployData({ abi, bytecode: bytecode.object, args }) });
      return { address: contractAddress, abi };
    },
  };
}
