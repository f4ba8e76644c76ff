/**
 * What the KV store costs at sizes from 1,000 to 1,000,000 keys, all in one run: one process for each size, all told the same in turns,
 * so that a machine that slows down slows all of them. One app has all the keys, which is the worst case for its order.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { below, figure, median } from './figures.ts';
import { OPERATIONS, VALUE_BYTES } from './store-process.ts';
import type { ChildProcess } from 'node:child_process';
import type { Figure } from './figures.ts';
import type { Chart, Series } from './plot.ts';
import type { Cost, Filled, Operation, Order } from './store-process.ts';

const MAIN = fileURLToPath(new URL('store-process.ts', import.meta.url));
const SIZES = [1_000, 10_000, 100_000, 1_000_000] as const;
const ROUNDS = 7;
/** In a round: some tenths of a second. */
const CALLS: Readonly<Record<Operation, number>> = {
  get: 20_000,
  'put, overwriting': 6_000,
  'put, new key': 4_000,
  delete: 4_000,
  'list, page of 100': 1_500,
  "merge of a peer's record": 4_000,
};
/** What grows by less than this, from the smallest to the largest size, is called flat. */
const FLAT_PERCENT = 10;

export interface StoreCosts {
  readonly figures: readonly Figure[];
  readonly charts: Readonly<Record<'kv-growth', Chart>>;
}

interface Child {
  readonly size: number;
  readonly filled: Filled;
  work(order: Order): Promise<Cost>;
  end(): void;
}

async function startChild(size: number): Promise<Child> {
  const child = fork(MAIN, [`${size}`], { execArgv: ['--expose-gc'], stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  const filled = await answerOf<Filled>(child);
  return {
    size,
    filled,
    work(order) {
      child.send(order);
      return answerOf<Cost>(child);
    },
    end: () => void child.kill(),
  };
}

async function answerOf<T>(child: ChildProcess): Promise<T> {
  const over = new AbortController();
  const { signal } = over;
  const ended = once(child, 'exit', { signal }).then(() => {
    throw new Error('the process of a store ended');
  });
  try {
    const [message] = await Promise.race([once(child, 'message', { signal }), ended]);
    return message as T;
  } finally {
    ended.catch(() => undefined);
    over.abort();
  }
}

/** Of each size, in order: the median of all rounds. The first is for the compiler. */
async function costsOf(children: readonly Child[], operation: Operation): Promise<Cost[]> {
  const rounds: Cost[][] = [];
  for (let round = 0; round <= ROUNDS; round += 1) {
    const costs: Cost[] = [];
    for (const child of children) costs.push(await child.work({ operation, calls: CALLS[operation] }));
    if (round > 0) rounds.push(costs);
  }
  return children.map((_, index) => ({
    wallUs: median(rounds.map((costs) => (costs[index] as Cost).wallUs)),
    cpuUs: median(rounds.map((costs) => (costs[index] as Cost).cpuUs)),
  }));
}

function figuresOf(operation: Operation, costs: readonly Cost[]): Figure[] {
  const [first, last] = [costs[0] as Cost, costs.at(-1) as Cost];
  const [smallest, largest] = [SIZES[0], SIZES[SIZES.length - 1]].map((size) => (size ?? 0).toLocaleString('en'));
  const growth = figure(
    `KV ${operation}: growth from ${smallest} to ${largest} keys`,
    (last.wallUs / first.wallUs - 1) * 100,
    '%',
    `${((last.cpuUs / first.cpuUs - 1) * 100).toFixed(0)} % by CPU time`,
  );
  const isTarget = operation === 'get' || operation.startsWith('put');
  return [
    figure(`KV ${operation}, ${smallest} keys`, first.wallUs, 'µs', `${first.cpuUs.toFixed(1)} µs of CPU time, all threads`),
    figure(`KV ${operation}, ${largest} keys`, last.wallUs, 'µs', `${last.cpuUs.toFixed(1)} µs of CPU time`),
    isTarget ? below(FLAT_PERCENT, growth) : growth,
  ];
}

export async function measureStore(onProgress: (line: string) => void): Promise<StoreCosts> {
  const children: Child[] = [];
  try {
    for (const size of SIZES) {
      children.push(await startChild(size));
      onProgress(`a store of ${size.toLocaleString('en')} keys is there`);
    }
    const figures: Figure[] = [];
    const growth: Series[] = [];
    for (const operation of OPERATIONS) {
      const costs = await costsOf(children, operation);
      onProgress(`${operation}: ${costs.map(({ wallUs, cpuUs }) => `${wallUs.toFixed(1)} (${cpuUs.toFixed(1)})`).join(' → ')} µs (of CPU)`);
      figures.push(...figuresOf(operation, costs));
      growth.push({ name: operation, points: costs.map(({ wallUs }, index) => [SIZES[index] as number, wallUs]) });
    }
    const { heapBytes, externalBytes, residentBytes } = (children.at(-1) as Child).filled;
    const note = `${VALUE_BYTES}-byte values, 1,000,000 of them; resident ${residentBytes.toFixed(0)} bytes each`;
    const chart = {
      title: 'The KV store over the number of its keys',
      xName: 'keys of 256-byte values in one app',
      yName: 'µs for one call',
    };
    return {
      figures: [...figures, figure('KV, memory of one record', heapBytes + externalBytes, 'bytes', note)],
      charts: { 'kv-growth': { ...chart, series: growth } },
    };
  } finally {
    for (const child of children) child.end();
  }
}
