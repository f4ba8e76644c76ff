/**
 * `npm run siege`: the enclave binary under attacks of load, one after the other, while an honest app goes on asking for keys. Prints for
 * each what came, the node's memory at its highest, how long the honest app waited before, during and after. Nothing here passes or fails.
 */
import { fork } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { parsed, UsageError } from '../simulation/usage.ts';
import { call, platformRequest, sealedBody, send } from '../simulation/platform-client.ts';
import { createWorld, untilServing } from '../simulation/world.ts';
import { ATTACKS, besiege, residentBytes } from '../runtime/siege.ts';
import { median, shown } from './figures.ts';
import { askAsStrangers } from './strangers.ts';
import type { App, Member, World } from '../simulation/world.ts';
import type { Attack } from '../runtime/attacker.ts';
import type { Manner, Tally } from '../runtime/crowd.ts';

const USAGE = `npm run siege -- [options]
  --seconds N    how long each attack lasts (default 15; 10,000 wallets take as long as they take)
  --only NAMES   some of ${[...Object.keys(ATTACKS), 'idle', 'slow', 'deep-json', 'strangers'].join(', ')}; with commas between
  --strangers N  wallets that nobody knows, in this process (default 1000000)
  --help         this text

Takes about ten minutes. Everything runs on this machine: attackers and honest clients share its processors with the node.`;

const MIB = 1_048_576;
const HONEST = 2;
const IDLE = 10_000;
const SLOW = 1_000;
const DEPTH = 10_000;
const LARGEST_DEPTH = 1_500_000;
/** Each of them a recovery over HTTP: so many are waited for, however long the node takes. */
const FRESH_WALLETS_MIN = 10_000;

interface Row {
  readonly name: string;
  readonly came: string;
  readonly peakBytes: number;
  readonly before: Waits;
  readonly during: Waits;
  readonly after: Waits;
}

interface Waits {
  readonly medianMs: number;
  readonly longestMs: number;
  readonly refused: number;
}

interface Place {
  readonly app: App;
  readonly member: Member;
  readonly pid: number;
}

/** What an honest app waits for its keys, the request ready before the clock runs. */
async function honest({ app, member }: Place, seconds: number): Promise<Waits> {
  const until = performance.now() + seconds * 1_000;
  const waits: number[] = [];
  let refused = 0;
  const ask = async (): Promise<void> => {
    for (let asked = 0; performance.now() < until; asked += 1) {
      const parts = await platformRequest(app, member.keys(), { path: `beside/${asked}` });
      const startedAtMs = performance.now();
      const { status } = await send(member.keys(), '/kms/derive', parts);
      waits.push(performance.now() - startedAtMs);
      if (status !== 200) refused += 1;
    }
  };
  await Promise.all(Array.from({ length: HONEST }, ask));
  return { medianMs: median(waits), longestMs: Math.max(...waits), refused };
}

async function watched(place: Place, name: string, seconds: number, attack: () => Promise<() => Promise<string>>): Promise<Row> {
  const before = await honest(place, 5);
  let peakBytes = 0;
  const look = setInterval(() => (peakBytes = Math.max(peakBytes, residentBytes(place.pid))), 100);
  const end = await attack();
  const during = await honest(place, seconds);
  const came = await end();
  await sleep(1_000);
  const after = await honest(place, 5);
  clearInterval(look);
  return { name, came, peakBytes, before, during, after };
}

/** One of `ATTACKS`. */
async function strangers(url: string, attack: Attack): Promise<() => Promise<string>> {
  const besieger = besiege(url, attack);
  await sleep(1_000);
  const answered = (): number => Object.values(besieger.told()?.statuses ?? {}).reduce((sum, count) => sum + count, 0);
  return async () => {
    while (attack === 'fresh-wallets' && answered() < FRESH_WALLETS_MIN) await sleep(100);
    const { opened = 0, sentBytes = 0, statuses = {} } = besieger.told() ?? {};
    besieger.end();
    const answers = Object.entries(statuses).map(([status, count]) => `${count.toLocaleString('en')} × ${status}`);
    return `${opened.toLocaleString('en')} connections, ${shown(sentBytes / MIB)} MiB; ${answers.join(', ') || 'no answer'}`;
  };
}

/** Crowds that hold connections. */
async function crowd(url: string, manners: readonly (readonly [Manner, number])[]): Promise<() => Promise<string>> {
  const child = fork(fileURLToPath(new URL('../runtime/crowd.ts', import.meta.url)), [url], { execArgv: [] });
  let tally: Tally | undefined;
  child.on('message', (told: Tally) => (tally = told));
  for (const [manner, count] of manners) child.send({ manner, count });
  while ((tally?.done ?? 0) < manners.length) await sleep(100);
  return async () => {
    const told = manners.map(([manner]) => `${manner}: ${tally?.of[manner].open} open, ${tally?.of[manner].closed} closed`);
    child.kill('SIGKILL');
    return told.join('; ');
  };
}

/** A registered app whose bodies are brackets inside brackets: one of the largest size where an envelope belongs, one sealed. */
async function deepJson({ member }: Place, app: App): Promise<() => Promise<string>> {
  let isOver = false;
  const statuses: Record<string, number> = {};
  const nested = (depth: number) => `{"key":${'['.repeat(depth)}${']'.repeat(depth)}}`;
  const plain = nested(LARGEST_DEPTH);
  const asking = (async () => {
    for (let asked = 0; !isOver; asked += 1) {
      const { headers } = await platformRequest(app, member.keys());
      const body = asked % 2 === 0 ? plain : sealedBody(app, member.keys(), nested(DEPTH));
      const { status } = await send(member.keys(), '/kms/data', { headers, body }, 'PUT');
      statuses[status] = (statuses[status] ?? 0) + 1;
    }
  })();
  return async () => {
    isOver = true;
    await asking;
    return Object.entries(statuses)
      .map(([status, count]) => `${count} × ${status}`)
      .join(', ');
  };
}

function told(rows: readonly Row[]): string {
  const ms = ({ medianMs, longestMs, refused }: Waits) =>
    `${shown(medianMs)} / ${shown(longestMs)} ms${refused > 0 ? `, ${refused} refused` : ''}`;
  const lines = rows.map(({ name, came, peakBytes, before, during, after }) => [
    ...[name, came, `${shown(peakBytes / MIB)} MiB`, ms(before), ms(during), `${shown(during.medianMs / before.medianMs)} ×`, ms(after)],
  ]);
  const header = ['attack', 'what came', 'memory, at most', 'before, median / longest', 'during', 'factor', 'after'];
  return [header, header.map(() => '---'), ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

async function besiegeBinary(names: readonly string[], seconds: number): Promise<void> {
  const world: World = await createWorld({ nodes: 2, apps: 2, kinds: ['binary', 'worker'], prepare: true });
  try {
    await world.contracts.openGenesis();
    await untilServing(world.members);
    const [app, other] = world.apps as [App, App];
    const [member] = world.members as [Member];
    const place = { app, member, pid: member.node.binary().pid ?? 0 };
    for (let warm = 0; warm < 50; warm += 1) await call(app, member.keys(), '/kms/derive', { path: `warm/${warm}` });
    const { url } = member.node;
    const attacks: Readonly<Record<string, readonly [string, () => Promise<() => Promise<string>>]>> = {
      ...Object.fromEntries(
        (Object.keys(ATTACKS) as Attack[]).map((attack) => [attack, [ATTACKS[attack], () => strangers(url, attack)]] as const),
      ),
      idle: [`${IDLE.toLocaleString('en')} idle connections`, () => crowd(url, [['idle', IDLE]])],
      slow: [
        `${SLOW.toLocaleString('en')} each of silent clients, of headers and of bodies byte by byte`,
        () =>
          crowd(url, [
            ['silent', SLOW],
            ['slow-headers', SLOW],
            ['slow-body', SLOW],
          ]),
      ],
      'deep-json': ['JSON of 10,000 levels, sealed by an app, and of 1,500,000 beside it', () => deepJson(place, other)],
    };
    const rows: Row[] = [];
    for (const [name, [what, attack]] of Object.entries(attacks).filter(([each]) => names.includes(each))) {
      console.error(`  ${name}`);
      rows.push(await watched(place, what, seconds, attack));
    }
    console.log(`\nresident at rest ${shown(residentBytes(place.pid) / MIB)} MiB\n\n${told(rows)}`);
  } finally {
    await world.stop();
  }
}

async function askMillions(count: number): Promise<void> {
  const startedAtMs = performance.now();
  let heapBytes = 0;
  const { answers, chainReads, usedNonces } = await askAsStrangers(count, () => {
    heapBytes = Math.max(heapBytes, process.memoryUsage().heapUsed);
  });
  const seconds = (performance.now() - startedAtMs) / 1_000;
  console.log(
    `\n${count.toLocaleString('en')} wallets that nobody knows, in process: ${JSON.stringify(answers)}, ${chainReads.toLocaleString('en')} reads of the chain, ${usedNonces} nonces used up, heap at most ${shown(heapBytes / MIB)} MiB, ${shown(seconds)} s`,
  );
}

async function run(): Promise<void> {
  const every = [...Object.keys(ATTACKS), 'idle', 'slow', 'deep-json', 'strangers'];
  const options = {
    seconds: { type: 'string', default: '15' },
    only: { type: 'string', default: every.join(',') },
    strangers: { type: 'string', default: '1000000' },
    help: { type: 'boolean' },
  } as const;
  const { values } = parsed(() => parseArgs({ options }));
  if (values.help) return console.log(USAGE);
  const names = values.only.split(',');
  const [seconds, count] = [Number(values.seconds), Number(values.strangers)];
  if (names.some((name) => !every.includes(name))) throw new UsageError(`--only takes of ${every.join(', ')}`);
  if (![seconds, count].every((value) => Number.isInteger(value) && value > 0)) throw new UsageError('numbers are whole and from 1');
  if (names.some((name) => name !== 'strangers')) await besiegeBinary(names, seconds);
  if (names.includes('strangers')) await askMillions(count);
}

try {
  await run();
} catch (error) {
  const isUsage = error instanceof UsageError;
  console.error(isUsage ? `${error.message}\n\n${USAGE}` : error);
  process.exitCode = isUsage ? 2 : 1;
}
