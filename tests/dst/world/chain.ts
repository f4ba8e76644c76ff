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

/** What it may not do leaves the state as it was. */
export type Transaction = (state: RegistryState, block: Pick<Block, 'number' | 'timeMs'>) => RegistryState;

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
const OPERATORS_MIN = 3;

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
    if (!areLost) mempool.push(activated(args, options));
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
export function activated(
  [epoch, hash, validUntil, signatures]: ActivationArguments,
  { chainId, recover }: Pick<ChainOptions, 'chainId' | 'recover'>,
): Transaction {
  return (state, at) => {
    const text = endorsementText(chainId, KMS_REGISTRY, Number(epoch) as Epoch, hash, Number(validUntil));
    const signers = signatures.map((signature) => recover(text, parseHex(signature) as Uint8Array));
    const isAscending = signers.every((signer, index) => signer !== undefined && (index === 0 || signer > (signers[index - 1] as string)));
    const areEligible = signers.every((signer) => state.operators.some(({ wallet, eligible }) => wallet === signer && eligible));
    const isTimely = Number(validUntil) >= at.number && Number(validUntil) <= at.number + VALID_BLOCKS_MAX;
    const isOpen = state.epochs[Number(epoch)]?.state === STATES.open && !/^0x0*$/.test(hash);
    const majority = Math.max(2, Math.floor(liveOf(state) / 2) + 1);
    if (!isOpen || !isAscending || !areEligible || !isTimely || signers.length < majority) return state;
    const activation = { activatedAtBlock: BigInt(at.number), activatedAt: BigInt(Math.floor(at.timeMs / 1_000)) };
    const epochs = state.epochs.map((record) => {
      if (record.id === epoch) return { ...record, state: STATES.active, secretHash: hash, ...activation };
      return record.state === STATES.active ? { ...record, state: STATES.previous } : record;
    });
    return { ...state, epochs };
  };
}

const liveOf = ({ operators }: RegistryState): number => operators.filter(({ live }) => live).length;

/** An active instance is superseded for as long as a later one of its URL is active. */
function judged(operators: readonly OperatorAnswer[]): readonly OperatorAnswer[] {
  const active = operators.filter(({ instanceStatus }) => instanceStatus === 0);
  return operators.map((operator) => {
    const isLater = (other: OperatorAnswer) => other.instanceUrl === operator.instanceUrl && other.instanceId > operator.instanceId;
    const isActive = active.includes(operator);
    const superseded = isActive && active.some(isLater);
    return { ...operator, superseded, live: isActive && !superseded, eligible: isActive && !superseded };
  });
}

/** A wallet enters the operator set, once. */
export function registered(wallet: Wallet, teePubkey: string, url: string): Transaction {
  return (state) => {
    if (state.operators.some((operator) => operator.wallet === wallet)) return state;
    const entry = { ...operatorAnswer(wallet, state.operators.length + 1, url), teePubkey: `0x${teePubkey}` as const };
    return { ...state, operators: judged([...state.operators, entry]) };
  };
}

/** The owner stops instances, or starts them again; stopped they stay in the set, as when the platform's callback is lost. */
export function stopped(which: (operator: OperatorAnswer) => boolean, isStopped: boolean): Transaction {
  return (state) => ({
    ...state,
    operators: judged(state.operators.map((each) => (which(each) ? { ...each, instanceStatus: isStopped ? 1 : 0 } : each))),
  });
}

/** The genesis of enough live operators, or a rotation; nothing happens while an epoch is open. */
export const opened: Transaction = (state, { number }) => {
  const { epochs } = state;
  const mayOpen = epochs.some((epoch) => epoch.state === STATES.active) || liveOf(state) >= OPERATORS_MIN;
  if (!mayOpen || epochs.some((epoch) => epoch.state === STATES.open)) return state;
  return { ...state, epochs: [...epochs, { ...epochAnswer(epochs.length, STATES.open, undefined, BigInt(number)), activatedAtBlock: 0n }] };
};

/** The epochs that the owner names, if they are still previous ones. */
export function retired(ids: readonly bigint[]): Transaction {
  return (state) => {
    const isDue = ({ id, state: of }: EpochAnswer) => ids.includes(id) && of === STATES.previous;
    if (!state.epochs.some(isDue)) return state;
    return { ...state, epochs: state.epochs.map((epoch) => (isDue(epoch) ? { ...epoch, state: STATES.retired } : epoch)) };
  };
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
