/**
 * Relays a majority's endorsements by hand, for a cluster whose nodes hold no gas: reads the pending activation at a node's
 * `/status` and sends it. Any account may pay; the contract checks the signatures, not the sender.
 * `RPC_URL=… PRIVATE_KEY=0x… npx node docs/examples/activate.ts https://node-1.kms.example.com`
 */
import { createPublicClient, createWalletClient, http, parseAbi } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';

const { RPC_URL, PRIVATE_KEY } = process.env;
const [nodeUrl] = process.argv.slice(2);
if (!RPC_URL || !PRIVATE_KEY || !nodeUrl) throw new Error('RPC_URL=… PRIVATE_KEY=0x… npx node docs/examples/activate.ts <node URL>');

interface Status {
  readonly activation: { epoch: number; hash: `0x${string}`; valid_until_block: number; signatures: `0x${string}`[] } | null;
  readonly cluster: { kms_registry_address: `0x${string}` };
}

const { activation, cluster } = (await (await fetch(`${nodeUrl}/status`)).json()) as Status;
if (!activation) throw new Error('no epoch waits for its activation there: see /ready for what it waits for');

const transport = http(RPC_URL);
const account = privateKeyToAccount(PRIVATE_KEY as `0x${string}`);
const abi = parseAbi(['function activate(uint256 epoch, bytes32 secretHash, uint64 validUntilBlock, bytes[] signatures)']);
const reader = createPublicClient({ transport });
const { request } = await reader.simulateContract({
  account,
  address: cluster.kms_registry_address,
  abi,
  functionName: 'activate',
  args: [BigInt(activation.epoch), activation.hash, BigInt(activation.valid_until_block), activation.signatures],
});
const hash = await createWalletClient({ account, transport }).writeContract({ ...request, chain: null });
const { status, blockNumber } = await reader.waitForTransactionReceipt({ hash });
console.log(`${hash}: ${status} in block ${blockNumber}`);
