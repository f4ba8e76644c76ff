/**
 * Calls any function of KMSRegistry by name: reads it when it is a view, else sends a transaction of PRIVATE_KEY's account.
 * `RPC_URL=… KMS_REGISTRY=0x… PRIVATE_KEY=0x… npx node docs/examples/registry.ts scheduleRetirement 0`
 */
import { createPublicClient, createWalletClient, http } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { kmsRegistryAbi } from '../../core/chain/abi.ts';

const { RPC_URL, KMS_REGISTRY, PRIVATE_KEY } = process.env;
const [name, ...texts] = process.argv.slice(2);
if (!RPC_URL || !KMS_REGISTRY || name === undefined)
  throw new Error('RPC_URL=… KMS_REGISTRY=0x… npx node docs/examples/registry.ts <function>');
const entry = kmsRegistryAbi.find((each) => each.type === 'function' && each.name === name);
if (entry?.type !== 'function') throw new Error(`KMSRegistry has no function ${name}`);
const inputs = entry.inputs.map((input) => `${input.name} (${input.type})`);
if (texts.length !== inputs.length) throw new Error(`${name} takes ${inputs.join(', ') || 'nothing'}`);

const args = entry.inputs.map(({ type }, index) => (type.endsWith('[]') ? JSON.parse(texts[index] ?? '') : texts[index]));
const transport = http(RPC_URL);
const reader = createPublicClient({ transport });
// With the errors, a revert is told by its name.
const abi = [entry, ...kmsRegistryAbi.filter(({ type }) => type === 'error')];
const call = { address: KMS_REGISTRY, abi, functionName: name, args } as never;
if (entry.stateMutability === 'view' || entry.stateMutability === 'pure') {
  const answer = await reader.readContract(call);
  console.log(JSON.stringify(answer, (_key, value) => (typeof value === 'bigint' ? String(value) : value), 2));
} else {
  if (!PRIVATE_KEY) throw new Error(`${name} sends a transaction: set PRIVATE_KEY`);
  const account = privateKeyToAccount(PRIVATE_KEY as `0x${string}`);
  const { request, result } = await reader.simulateContract({ ...(call as object), account } as never);
  const hash = await createWalletClient({ account, transport }).writeContract({ ...(request as object), chain: null } as never);
  const { status, blockNumber } = await reader.waitForTransactionReceipt({ hash });
  console.log(`${hash}: ${status} in block ${blockNumber}${result === undefined ? '' : `, answered ${String(result)}`}`);
}
