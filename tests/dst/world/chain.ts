/**
 * A chain of blocks with the registry's state at each, and one endpoint per node: it can fail, fall behind, and see blocks replaced.
 * The registry's own rules of membership and activation are kept as the contract keeps them.
 */
import { decodeFunctionData, encodeFunctionResult } from 'viem';
import { Refusal } from '../../../core/errors.ts';
import { parseHex, parseUtf8 } from '../../../core/wire/bytes.ts';
import { endorsementText } from '../../../core/wire/pop.ts';
import { callerAnswer, clusterAnswer, epochAnswer, KMS_REGISTRY, operatorAnswer, STATES, zeroedCaller } from '../../core/fakes.ts';
import type { Epoch, Hash, Wallet } from '../../../core/identity.ts';
import type { Chain, Recover } from '../../../core/ports.ts';
import type { CallerAnswer, EpochAnswer, OperatorAnswer } from '../../core/fakes.ts';
import type { Timeline } from './timeline.ts';

export interface RegistryState {
  readonly operators: readonly OperatorAnswer[];
  readonly epochs: readonly EpochAnswer[];
  readonly callers: ReadonlyMap<Wallet, CallerAnswer>;
}

export interface Block extends RegistryState {
  readonly number: number;
  readonly timeMs: number;
}

type Transaction = (state: RegistryState, block: Pick<Block, 'number' | 'timeMs'>) => RegistryState;

/** What is wrong with one node's endpoint. */
export interface Endpoint {
  /** By how many faults it does not answer now. */
  downs: number;
  lagBlocks: number;
  /** Until an answer, a little more or less each time. */
  latencyMs: () => number;
}

export interface VirtualChain {
  head(): Block;
  /** The newest block that nodes may count as confirmed. */
  confirmed(): Block;
  mine(): void;
  /** The last blocks are replaced by as many others; their transactions come back, one by one, in later blocks. */
  reorganise(depth: number): void;
  /** Transactions wait, or are mined again. */
  holdTransactions(isHeld: boolean): void;
  /** Activations that are sent meanwhile are never seen again. */
  loseActivations(areLost: boolean): void;
  submit(transaction: Transaction): void;
  endpoint(faults: Endpoint): Chain;
}

export interface ChainOptions {
  readonly timeline: Timeline;
  readonly startMs: number;
  readonly confirmationBlocks: number;
  readonly chainId: number;
  readonly recover: Recover;
}

/** `TEXT_BLOCKS_MAX` of the contract. */
const VALID_BLOCKS_MAX = 7_200;

export function createVirtualChain(options: ChainOptions): VirtualChain {
  const { timeline, startMs, confirmationBlocks } = options;
  let blocks: Block[] = [];
  let mempool: Transaction[] = [];
  /** Of the newest blocks, for when they are replaced. */
  const included = new Map<number, Transaction[]>();
  const encoded = new WeakMap<Block, `0x${string}`>();
  let [isHeld, areLost] = [false, false];
  const empty: RegistryState = { operators: [], epochs: [], callers: new Map() };

  function append(timeMs: number, transactions: Transaction[]): void {
    const at = { number: blocks.length, timeMs };
    const state = transactions.reduce((before, transaction) => transaction(before, at), blocks.at(-1) ?? empty);
    included.set(at.number, transactions);
    included.delete(at.number - 64);
    blocks.push({ operators: state.operators, epochs: state.epochs, callers: state.callers, ...at });
  }

  function clusterAt(block: Block): `0x${string}` {
    const known =
      encoded.get(block) ??
      encodeFunctionResult({
        result: clusterAnswer(block.operators, block.epochs, BigInt(block.number), BigInt(Math.floor(block.timeMs / 1_000))),
      } as never);
    encoded.set(block, known);
    return known;
  }

  function callerAt(block: Block, wallet: Wallet): `0x${string}` {
    const known = block.callers.get(wallet) ?? zeroedCaller();
    return encodeFunctionResult({
      result: { ...known, blockNumber: BigInt(block.number), blockTimestamp: BigInt(Math.floor(block.timeMs / 1_000)) },
    } as never);
  }

  function call(data: `0x${string}`, blockNumber: number): `0x${string}` {
    const block = blocks[blockNumber];
    if (!block) throw new Refusal('chain_unavailable', `no block ${blockNumber} here`);
    const { functionName, args } = decodeFunctionData({ data } as never) as unknown as { functionName: string; args: readonly Wallet[] };
    return functionName === 'clusterView' ? clusterAt(block) : callerAt(block, args[0] as Wallet);
  }

  function send(raw: `0x${string}`): string {
    const { data } = JSON.parse(parseUtf8(parseHex(raw) as Uint8Array) ?? '') as { data: `0x${string}` };
    const { args } = decodeFunctionData({ data } as never) as unknown as { args: ActivationArguments };
    if (!areLost) mempool.push((state, at) => activated(state, args, at, options));
    return `0x${'00'.repeat(31)}01`;
  }

  append(startMs, []);
  return {
    head: () => blocks.at(-1) as Block,
    confirmed: () => blocks.at(-1 - confirmationBlocks) ?? (blocks[0] as Block),
    mine() {
      append(startMs + timeline.nowMs(), isHeld ? [] : mempool.splice(0));
    },
    reorganise(depth) {
      const kept = blocks.slice(0, Math.max(1, blocks.length - depth));
      const replaced = blocks.slice(kept.length);
      const back = replaced.flatMap(({ number }) => included.get(number) ?? []);
      blocks = kept;
      // One each, from the second block on: what was decided is undone for a while.
      replaced.forEach(({ timeMs }, index) => append(timeMs, index === 0 ? [] : back.splice(0, 1)));
      mempool = [...back, ...mempool];
    },
    holdTransactions(held) {
      isHeld = held;
    },
    loseActivations(lost) {
      areLost = lost;
    },
    submit: (transaction) => void mempool.push(transaction),
    endpoint(faults) {
      const answer = <T>(what: () => T): Promise<T> =>
        new Promise((resolve, reject) => {
          timeline.after(faults.latencyMs(), () => {
            try {
              if (faults.downs > 0) throw new Refusal('chain_unavailable', 'the endpoint is down');
              resolve(what());
            } catch (error) {
              reject(error as Error);
            }
          });
        });
      return {
        headNumber: () => answer(() => Math.max(0, blocks.length - 1 - faults.lagBlocks)),
        call: (_to, data, blockNumber) => answer(() => call(data, blockNumber)),
        account: () => answer(() => ({ balanceWei: 10n ** 18n, nonce: 0 })),
        fees: () => answer(() => ({ gasPriceWei: 10n, priorityFeeWei: 1n })),
        estimateGas: () => answer(() => 200_000n),
        send: (raw) => answer(() => send(raw)),
      };
    },
  };
}

type ActivationArguments = readonly [bigint, Hash, bigint, readonly `0x${string}`[]];

/** `activate`: an open epoch, a text that lives, ascending eligible signers, a majority of the live. */
function activated(
  state: RegistryState,
  [epoch, hash, validUntil, signatures]: ActivationArguments,
  at: Pick<Block, 'number' | 'timeMs'>,
  { chainId, recover }: ChainOptions,
): RegistryState {
  const text = endorsementText(chainId, KMS_REGISTRY, Number(epoch) as Epoch, hash, Number(validUntil));
  const signers = signatures.map((signature) => recover(text, parseHex(signature) as Uint8Array));
  const isAscending = signers.every((signer, index) => signer !== undefined && (index === 0 || signer > (signers[index - 1] as string)));
  const areEligible = signers.every((signer) => state.operators.some(({ wallet, eligible }) => wallet === signer && eligible));
  const live = state.operators.filter((operator) => operator.live).length;
  const isTimely = Number(validUntil) >= at.number && Number(validUntil) <= at.number + VALID_BLOCKS_MAX;
  const isOpen = state.epochs[Number(epoch)]?.state === STATES.open;
  if (!isOpen || !isAscending || !areEligible || !isTimely || signers.length < Math.max(2, Math.floor(live / 2) + 1)) return state;
  const activatedAt = BigInt(Math.floor(at.timeMs / 1_000));
  const epochs = state.epochs.map((record) => {
    if (record.id === epoch) return { ...record, state: STATES.active, secretHash: hash, activatedAt };
    return record.state === STATES.active ? { ...record, state: STATES.previous } : record;
  });
  return { ...state, epochs };
}

/** A wallet enters the operator set; an older one of the same URL is superseded. */
export function registered(wallet: Wallet, teePubkey: string, url: string): Transaction {
  return (state) => {
    const others = state.operators.map((operator) =>
      operator.instanceUrl === url && operator.wallet !== wallet
        ? { ...operator, superseded: true, live: false, eligible: false }
        : operator,
    );
    if (others.some((operator) => operator.wallet === wallet)) return { ...state, operators: others };
    const entry = { ...operatorAnswer(wallet, others.length + 1, url), teePubkey: `0x${teePubkey}` as const };
    return { ...state, operators: [...others, entry] };
  };
}

/** The owner stops an instance, or starts it again. */
export function stopped(wallet: Wallet, isStopped: boolean): Transaction {
  return (state) => ({
    ...state,
    operators: state.operators.map((operator) =>
      operator.wallet === wallet && !operator.superseded
        ? { ...operator, instanceStatus: isStopped ? 1 : 0, live: !isStopped, eligible: !isStopped }
        : operator,
    ),
  });
}

/** Nothing happens while an epoch is open. */
export const opened: Transaction = (state, { number }) =>
  state.epochs.some((epoch) => epoch.state === STATES.open)
    ? state
    : { ...state, epochs: [...state.epochs, epochAnswer(state.epochs.length, STATES.open, undefined, BigInt(number))] };

/** The epochs that the owner names, if they are still previous ones. */
export function retired(ids: readonly bigint[]): Transaction {
  return (state) => ({
    ...state,
    epochs: state.epochs.map((epoch) =>
      ids.includes(epoch.id) && epoch.state === STATES.previous ? { ...epoch, state: STATES.retired } : epoch,
    ),
  });
}

/** `isRevoked`: the app's instance is stopped. */
export function appRegistered(wallet: Wallet, teePubkey: string, appId: bigint, isRevoked: boolean): Transaction {
  return (state) => {
    const entry = {
      ...callerAnswer(wallet),
      ...{ appId, appRecordId: appId, instanceId: 100n + appId, teePubkey: `0x${teePubkey}` as const, instanceStatus: isRevoked ? 1 : 0 },
    };
    return { ...state, callers: new Map([...state.callers, [wallet, entry]]) };
  };
}
