/**
 * `npm start`: a cluster on this machine, from nothing to one key on every node, told as it happens. Stays until Ctrl-C;
 * `--once` ends after the tables.
 */
import { parseArgs } from 'node:util';
import { CLUSTER_FILE, describeCluster, writeClusterFile } from './cluster-file.ts';
import { showKv } from './kv-demo.ts';
import { elapsed, narrate, table } from './narrate.ts';
import { AnotherRun } from './processes.ts';
import { parsed, UsageError } from './usage.ts';
import { createWorld, untilDataReady, untilServing, WORLDS_FOLDER } from './world.ts';
import { buildClient } from '../../build.mjs';
import { createClient, KmsError, odyn, parseProfile } from '../../core/client/main.ts';
import type { KvStep } from './kv-demo.ts';
import type { World } from './world.ts';

const USAGE = `npm start -- [options]
  --nodes N   nodes of the cluster, 2 to 9 (default 3)
  --apps N    registered apps, 1 to 9 (default 1)
  --once      end after the tables; the exit code is 0 when every node gave the same key and the KV store replicated
  --json      one JSON object on standard output, progress on standard error (with npm start --silent, npm adds nothing)
  --help      this text`;

const NODES_MIN = 2;
const COUNT_MAX = 9;
const DEMO_PATH = 'demo/first-key';

interface Options {
  readonly nodes: number;
  readonly apps: number;
  readonly once: boolean;
  readonly json: boolean;
}

interface DerivedRow {
  readonly node: string;
  readonly url: string;
  readonly epoch: number | null;
  readonly block: number | null;
  readonly key: string | null;
  /** Why there is no key. */
  readonly error: string | null;
}

const startedAtMs = Date.now();

function readOptions(): Options | undefined {
  const options = {
    nodes: { type: 'string', default: '3' },
    apps: { type: 'string', default: '1' },
    once: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  } as const;
  const { values } = parsed(() => parseArgs({ options }));
  if (values.help) return undefined;
  return { nodes: count('--nodes', values.nodes, NODES_MIN), apps: count('--apps', values.apps, 1), once: values.once, json: values.json };
}

function count(name: string, text: string, min: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < min || value > COUNT_MAX)
    throw new UsageError(`${name} takes a whole number from ${min} to ${COUNT_MAX}`);
  return value;
}

async function run(options: Options): Promise<number> {
  const say = (line: string) => (options.json ? console.error(line) : console.log(line));
  const step = (who: string, what: string) => say(`${elapsed(startedAtMs)}  ${who.padEnd(8)}${what}`);
  say('Nova KMS: a simulated cluster on this machine. A real chain and real cryptography, everything on 127.0.0.1.\n');
  const names = new Map<string, string>();
  const world = await createWorld({
    nodes: options.nodes,
    apps: options.apps,
    prepare: true,
    pidFile: `${WORLDS_FOLDER}processes.json`,
    onProgress: (what) => step('world', what),
    onLog: (node, line) => {
      if (line.event === 'node.booted') names.set(String(line['wallet']), node);
      const told = narrate(line, names);
      if (told) step(node, told);
    },
    onEnded: () => say('Stopped; nothing is left behind.'),
  });
  try {
    await world.contracts.openGenesis();
    step('owner', `opened the first epoch; nodes count it ${world.profile.confirmationBlocks} blocks later`);
    await untilServing(world.members);
    const rows = await deriveEverywhere(world);
    const agree = rows.every((row) => row.key !== null && row.key === rows[0]?.key);
    await untilDataReady(world.members);
    const kv = await showKv(world);
    const isGood = agree && kv.every(({ ok }) => ok);
    world.keepFile(CLUSTER_FILE);
    await writeClusterFile(world);
    // Programs that are tried beside a cluster that stays import the client as a package.
    if (!options.once) await buildClient();
    if (options.json)
      console.log(
        JSON.stringify({ agree, seconds: (Date.now() - startedAtMs) / 1_000, derived: rows, kv, cluster: describeCluster(world) }),
      );
    else report(world, rows, agree, kv);
    if (options.once) return isGood ? 0 : 1;
    if (!options.json) invite(world);
    await stay(say);
    return isGood ? 0 : 1;
  } finally {
    await world.stop();
  }
}

/** As an app asks, but each node for itself. */
async function deriveEverywhere({ chain, profile, members, apps: [app] }: World): Promise<DerivedRow[]> {
  if (!app) throw new Error('the world has no app');
  const kms = createClient({ profile: parseProfile(profile), chain: chain.rpcUrl, keys: odyn(app.odyn.url) });
  const rows: DerivedRow[] = [];
  for (const { name, url, node } of members) {
    try {
      const { key, epoch, block } = await kms.derive(DEMO_PATH, { node: node.odyn.wallet });
      rows.push({ node: name, url, epoch, block, key: Buffer.from(key).toString('hex'), error: null });
    } catch (error) {
      if (!(error instanceof KmsError)) throw error;
      rows.push({ node: name, url, epoch: null, block: null, key: null, error: error.message });
    }
  }
  return rows;
}

function report({ apps: [app] }: World, rows: readonly DerivedRow[], agree: boolean, kv: readonly KvStep[]): void {
  console.log(`\nOne key for ${app?.name} (app id ${app?.appId}), path "${DEMO_PATH}", asked of every node:\n`);
  const cells = rows.map((row) => [
    row.node,
    row.url,
    String(row.epoch ?? '-'),
    String(row.block ?? '-'),
    row.key ? `${row.key.slice(0, 32)}…` : '-',
  ]);
  console.log(table(['node', 'url', 'epoch', 'block', 'key (first half)'], cells));
  for (const { node, error } of rows) if (error !== null) console.log(`\n${node}: ${error}`);
  console.log(
    agree
      ? `\nAll ${rows.length} nodes gave the same key. Each answer came sealed to the app's key, and signed by its node over the request.`
      : '\nThe nodes do not agree.',
  );
  console.log('\nA value in the KV store, from node to node:\n');
  const shown = kv.map(({ what, node, outcome, arrivedAfterMs }) => [
    what,
    node,
    arrivedAfterMs === null ? '-' : `${arrivedAfterMs.toFixed(0)} ms`,
    outcome,
  ]);
  console.log(table(['what', 'node', 'there after', 'outcome'], shown));
}

/** What to do with a cluster that stays. */
function invite({ members: [node], chain, contracts }: World): void {
  console.log(`\nTry it, in another terminal, in this folder:

  curl -s ${node?.url}/status   # what a node says of itself
  curl -s ${node?.url}/nodes    # the members that it knows
  curl -s ${node?.url}/ready    # whether it serves, or why not
  npm run derive -- --path my/disk           # a key, as an app asks for it
  npx node docs/examples/derive.ts my/disk   # the same, as a program of your own
  npx node docs/examples/kv.ts               # a counter in the KV store; run it twice

Chain: ${chain.rpcUrl} (id ${chain.chainId}), KMSRegistry ${contracts.kmsRegistry}
Everything a client needs: ${CLUSTER_FILE}
`);
}

/** Until Ctrl-C; the guard of the world's processes ends them and this process. */
async function stay(say: (line: string) => void): Promise<void> {
  say('The cluster runs until you press Ctrl-C.');
  await new Promise(() => setInterval(() => undefined, 60_000));
}

try {
  const options = readOptions();
  if (!options) console.log(USAGE);
  process.exitCode = options ? await run(options) : 0;
} catch (error) {
  const isUsage = error instanceof UsageError;
  console.error(isUsage ? `${error.message}\n\n${USAGE}` : error instanceof AnotherRun ? error.message : error);
  process.exitCode = isUsage ? 2 : 1;
}
