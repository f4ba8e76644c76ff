/**
 * The contracts of the simulated world: compiled and deployed by the same Foundry script that an operator runs, then
 * administered with viem as their owners would.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { copyFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createPublicClient, createWalletClient, encodeAbiParameters, http, keccak256, parseEther } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { anvil as anvilChain } from 'viem/chains';
import { kmsRegistryAbi, novaAppRegistryAbi } from '../../core/chain/abi.ts';
import type { Address, Hex } from 'viem';
import type { Pcrs } from '../attestation/pcrs.ts';
import type { Anvil } from './anvil.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export interface Deployment {
  readonly chainId: number;
  readonly novaAppRegistry: Address;
  readonly kmsRegistry: Address;
  readonly kmsAppId: bigint;
  readonly versionId: bigint;
}

export interface EnclaveIdentity {
  readonly wallet: Address;
  /** Hex of the SPKI DER, without `0x`. */
  readonly teePubkey: string;
}

export type InstanceStatusName = 'STOPPED' | 'FAILED';

/** forge from this project's packages, else from the PATH. */
export function forgePath(): string {
  try {
    const home = dirname(createRequire(import.meta.url).resolve('@foundry-rs/forge-linux-amd64/package.json'));
    const own = join(home, 'bin', 'forge');
    if (existsSync(own)) return own;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') throw error;
  }
  return 'forge';
}

/** Longer than compiling takes where much else is under way. */
const FORGE_MS_MAX = 100_000;

/** Throws what forge said when it fails, or does not end in time. */
export async function forge(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<string> {
  const child = spawn(forgePath(), args, {
    cwd: join(ROOT, 'contracts'),
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: FORGE_MS_MAX,
    killSignal: 'SIGKILL',
  });
  let output = '';
  child.stdout.on('data', (chunk) => (output += chunk));
  child.stderr.on('data', (chunk) => (output += chunk));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', (error: NodeJS.ErrnoException) =>
      reject(error.code === 'ENOENT' ? new Error('forge is not installed: install Foundry 1.7 or newer and put forge on the PATH') : error),
    );
    child.on('close', resolve);
  });
  if (code === null)
    throw new Error(`forge ${args[0]} was ended by ${child.signalCode}, which comes after ${FORGE_MS_MAX} ms:\n${output.slice(-4000)}`);
  if (code !== 0) throw new Error(`forge ${args[0]} failed:\n${output.slice(-4000)}`);
  return output;
}

/** Compiles what is not compiled yet: seconds on a fresh clone, nothing after. */
export async function compileContracts(): Promise<void> {
  await forge(['build', '--skip', 'test']);
}

/** forge writes its cache whenever it runs, and whoever reads it meanwhile compiles everything: each run has one of its own. */
async function ownCache(folder: string): Promise<Readonly<Record<string, string>>> {
  const name = 'solidity-files-cache.json';
  await copyFile(join(ROOT, 'contracts', 'cache', name), join(folder, name));
  return { FOUNDRY_CACHE_PATH: folder, FOUNDRY_BROADCAST: join(folder, 'broadcast') };
}

export async function deployContracts(chain: Anvil, minOperators: number, pcrs: Pcrs): Promise<Contracts> {
  const [owner, attester] = chain.accounts;
  if (!owner || !attester) throw new Error('anvil gave no accounts');
  const file = join(ROOT, 'contracts', 'out', `deployment-${process.pid}-${chain.pid}.json`);
  const folder = await mkdtemp(join(tmpdir(), 'nova-kms-deploy-'));
  const env = {
    ...(await ownCache(folder)),
    DEV_REGISTRY: 'true',
    ATTESTER: attester.address,
    MIN_OPERATORS: String(minOperators),
    PCR0: pcrs.pcr0,
    PCR1: pcrs.pcr1,
    PCR2: pcrs.pcr2,
    DEPLOYMENT_FILE: file,
  };
  // One transaction at a time: of several at once anvil may leave one out of its block, and then forge waits for its receipt for ever.
  const how = ['--rpc-url', chain.rpcUrl, '--broadcast', '--slow', '--private-key', owner.privateKey];
  try {
    await forge(['script', 'script/Deploy.s.sol', ...how], env);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  const written = JSON.parse(await readFile(file, 'utf8')) as Record<string, string | number>;
  await rm(file);
  const deployment = {
    chainId: chain.chainId,
    novaAppRegistry: String(written['novaAppRegistry']).toLowerCase() as Address,
    kmsRegistry: String(written['kmsRegistry']).toLowerCase() as Address,
    kmsAppId: BigInt(written['kmsAppId'] ?? 0),
    versionId: BigInt(written['versionId'] ?? 0),
  };
  return createContracts(chain, deployment, owner.privateKey, attester.privateKey);
}

export type Contracts = ReturnType<typeof createContracts>;

/** The registries as their owner and the platform use them. Every write waits for its receipt and throws when reverted. */
export function createContracts(chain: Anvil, deployment: Deployment, ownerKey: Hex, attesterKey: Hex) {
  const transport = http(chain.rpcUrl, { retryCount: 0 });
  const network = { ...anvilChain, id: chain.chainId };
  const reader = createPublicClient({ chain: network, transport, pollingInterval: 50, cacheTime: 0 });
  const attester = privateKeyToAccount(attesterKey);
  const owner = walletOf(ownerKey);

  function walletOf(key: Hex) {
    return createWalletClient({ account: privateKeyToAccount(key), chain: network, transport });
  }

  async function settled(hash: Hex) {
    const receipt = await reader.waitForTransactionReceipt({ hash, timeout: 30_000 });
    if (receipt.status !== 'success') throw new Error(`transaction ${hash} reverted`);
    return receipt;
  }

  async function writeNova(functionName: string, args: readonly unknown[], key: Hex = ownerKey) {
    const request = { address: deployment.novaAppRegistry, abi: novaAppRegistryAbi, functionName, args };
    return settled(await walletOf(key).writeContract(request as never));
  }

  async function writeKms(functionName: string, args: readonly unknown[], key: Hex = ownerKey) {
    const request = { address: deployment.kmsRegistry, abi: kmsRegistryAbi, functionName, args };
    return settled(await walletOf(key).writeContract(request as never));
  }

  async function readKms(functionName: string, args: readonly unknown[] = []): Promise<unknown> {
    return reader.readContract({ address: deployment.kmsRegistry, abi: kmsRegistryAbi, functionName, args } as never);
  }

  async function readNova(functionName: string, args: readonly unknown[] = []): Promise<unknown> {
    return reader.readContract({ address: deployment.novaAppRegistry, abi: novaAppRegistryAbi, functionName, args } as never);
  }

  /** What the platform does when an enclave has started: attested wallet and key, bound to a URL. */
  async function registerInstance(appId: bigint, versionId: bigint, url: string, enclave: EnclaveIdentity, pcrs: Pcrs): Promise<bigint> {
    const publicValues = encodeJournal(enclave, pcrs);
    const proof = await attester.signMessage({ message: { raw: keccak256(publicValues) } });
    await writeNova('registerInstance', [appId, versionId, url, 2, publicValues, proof]);
    const instance = (await readNova('getInstanceByWallet', [enclave.wallet])) as { id: bigint };
    return instance.id;
  }

  return {
    ...deployment,
    owner: owner.account.address,
    ownerKey,
    writeNova,
    writeKms,
    readKms,
    readNova,
    registerInstance,
    openGenesis: () => writeKms('openGenesis', []),
    stopInstance: (instanceId: bigint, status: InstanceStatusName = 'STOPPED') =>
      writeNova('updateInstanceStatus', [instanceId, status === 'STOPPED' ? 1 : 2]),
    async createApp(dapp: Address = '0x0000000000000000000000000000000000000000'): Promise<bigint> {
      await writeNova('createApp', [`0x${'00'.repeat(32)}`, dapp, '']);
      return (await readNova('getAppCount')) as bigint;
    },
    async enrollVersion(appId: bigint, name: string, pcrs: Pcrs): Promise<bigint> {
      await writeNova('enrollVersion', [appId, name, pcrs.pcr0, pcrs.pcr1, pcrs.pcr2, `image:${name}`, '', '', '']);
      return (await readNova('getVersionCount', [appId])) as bigint;
    },
    async fund(address: Address, ether: string): Promise<void> {
      await settled(await owner.sendTransaction({ to: address, value: parseEther(ether) }));
    },
  };
}

/** The journal that the development verifier takes; its encoding is the verifier's own. */
function encodeJournal(enclave: EnclaveIdentity, pcrs: Pcrs): Hex {
  const components = [
    { name: 'result', type: 'uint8' },
    { name: 'timestampMs', type: 'uint64' },
    { name: 'userData', type: 'bytes' },
    { name: 'publicKey', type: 'bytes' },
    {
      name: 'pcrs',
      type: 'tuple[]',
      components: [
        { name: 'index', type: 'uint64' },
        { name: 'value', type: 'bytes' },
      ],
    },
  ] as const;
  const userData = `0x${Buffer.from(JSON.stringify({ eth_addr: enclave.wallet.toLowerCase() })).toString('hex')}` as const;
  const measured = [pcrs.pcr0, pcrs.pcr1, pcrs.pcr2].map((value, index) => ({ index: BigInt(index), value }));
  const journal = { result: 0, timestampMs: BigInt(Date.now()), userData, publicKey: `0x${enclave.teePubkey}` as const, pcrs: measured };
  return encodeAbiParameters([{ type: 'tuple', components }], [journal]);
}
