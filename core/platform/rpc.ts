/**
 * The chain through JSON-RPC, carried by the fetch port. Plain requests only: viem's higher actions may follow a contract's
 * off-chain look-up (EIP-3668) to a URL of the contract's choice. The endpoint's error texts stay in the log.
 */
import { createClient, http } from 'viem';
import { Refusal } from '../errors.ts';
import { RPC_ANSWER_BYTES_MAX, RPC_MS_MAX } from '../limits.ts';
import { safeNumber } from '../chain/registry.ts';
import type { Chain, Fetch } from '../ports.ts';

export function createRpc(url: string, fetch: Fetch): Chain {
  const { request } = createClient({ transport: http(url, { fetchFn: adapt(fetch), retryCount: 0, timeout: RPC_MS_MAX }) });

  async function quantity(what: string, answer: Promise<string>): Promise<bigint> {
    const value = await named(what, answer);
    if (!/^0x[0-9a-f]{1,64}$/i.test(value)) throw new Refusal('chain_unavailable', `${what} answered no quantity`);
    return BigInt(value);
  }

  async function count(what: string, answer: Promise<string>): Promise<number> {
    const value = await quantity(what, answer);
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new Refusal('chain_unavailable', `${what} answered too large a number`);
    return safeNumber(value);
  }

  return {
    headNumber: () => count('eth_blockNumber', request({ method: 'eth_blockNumber' })),
    async call(to, data, blockNumber) {
      const block = `0x${blockNumber.toString(16)}` as const;
      const answer = await named('eth_call', request({ method: 'eth_call', params: [{ to, data }, block] }));
      if (answer === '0x') throw new Refusal('chain_unavailable', `no contract answers at block ${blockNumber}`);
      return answer;
    },
    async account(wallet) {
      const balance = quantity('eth_getBalance', request({ method: 'eth_getBalance', params: [wallet, 'latest'] }));
      const nonce = count('eth_getTransactionCount', request({ method: 'eth_getTransactionCount', params: [wallet, 'latest'] }));
      const [balanceWei, used] = await Promise.all([balance, nonce]);
      return { balanceWei, nonce: used };
    },
    async fees() {
      const gasPrice = quantity('eth_gasPrice', request({ method: 'eth_gasPrice' }));
      const priorityFee = quantity('eth_maxPriorityFeePerGas', request({ method: 'eth_maxPriorityFeePerGas' }));
      const [gasPriceWei, priorityFeeWei] = await Promise.all([gasPrice, priorityFee]);
      return { gasPriceWei, priorityFeeWei };
    },
    estimateGas: (from, to, data) => quantity('eth_estimateGas', request({ method: 'eth_estimateGas', params: [{ from, to, data }] })),
    send: (rawTransaction) => named('eth_sendRawTransaction', request({ method: 'eth_sendRawTransaction', params: [rawTransaction] })),
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
    const request = {
      url: String(input),
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: String(init?.body),
    } as const;
    const { status, headers, body } = await fetch(request, { timeoutMs: RPC_MS_MAX, bodyBytesMax: RPC_ANSWER_BYTES_MAX });
    return new Response(body as Uint8Array<ArrayBuffer>, {
      status,
      headers: { 'content-type': headers.get('content-type') ?? 'application/json' },
    });
  };
}
