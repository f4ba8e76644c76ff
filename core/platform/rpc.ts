/** The chain through JSON-RPC, carried by the fetch port. Reads name their block; the endpoint's error texts stay in the log. */
import { createClient, http } from 'viem';
import { call, estimateGas, getBalance, getBlockNumber, getChainId, getGasPrice, getTransactionCount, sendRawTransaction } from 'viem/actions';
import { Refusal } from '../errors.ts';
import { RPC_ANSWER_BYTES_MAX, RPC_MS_MAX } from '../limits.ts';
import { safeNumber } from '../chain/registry.ts';
import type { Chain, Fetch } from '../ports.ts';

export function createRpc(url: string, fetch: Fetch): Chain {
  const client = createClient({ transport: http(url, { fetchFn: adapt(fetch), retryCount: 0, timeout: RPC_MS_MAX }), cacheTime: 0 });
  return {
    chainId: () => named('eth_chainId', getChainId(client)),
    headNumber: () => named('eth_blockNumber', getBlockNumber(client, { cacheTime: 0 }).then(safeNumber)),
    async call(to, data, blockNumber) {
      const answer = await named('eth_call', call(client, { to, data, blockNumber: BigInt(blockNumber) }));
      if (answer.data === undefined) throw new Refusal('chain_unavailable', `no contract answers at block ${blockNumber}`);
      return answer.data;
    },
    async account(address) {
      const [balanceWei, nonce] = await named('account', Promise.all([getBalance(client, { address }), getTransactionCount(client, { address })]));
      return { balanceWei, nonce };
    },
    async fees() {
      const [gasPriceWei, priority] = await named('fees', Promise.all([getGasPrice(client), client.request({ method: 'eth_maxPriorityFeePerGas' })]));
      return { gasPriceWei, priorityFeeWei: BigInt(priority) };
    },
    estimateGas: (account, to, data) => named('eth_estimateGas', estimateGas(client, { account, to, data })),
    send: (serializedTransaction) => named('eth_sendRawTransaction', sendRawTransaction(client, { serializedTransaction })),
  };
}

/** viem's errors name the URL and the request body: only their class is kept. */
async function named<T>(what: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw new Refusal('chain_unavailable', `${what}: ${error instanceof Error ? error.name : 'failed'}`, error);
  }
}

function adapt(fetch: Fetch): (input: string | URL | Request, init?: RequestInit) => Promise<Response> {
  return async (input, init) => {
    const request = { url: String(input), method: 'POST', headers: { 'content-type': 'application/json' }, body: String(init?.body) } as const;
    const { status, headers, body } = await fetch(request, { timeoutMs: RPC_MS_MAX, bodyBytesMax: RPC_ANSWER_BYTES_MAX });
    return new Response(body as BodyInit, { status, headers: { 'content-type': headers.get('content-type') ?? 'application/json' } });
  };
}
