/** `npm run derive`: asks the running cluster for a key, as an app does. */
import { parseArgs } from 'node:util';
import { createClient, odyn, parseProfile } from '../../core/client/main.ts';
import { readClusterFile } from './cluster-file.ts';
import { parsed, UsageError } from './usage.ts';

const USAGE = `npm run derive -- --path PATH [options]
  --context TEXT   separates keys of one path
  --length N       bytes, 1 to 1024 (default 32)
  --epoch E        a number, or current (default: the epoch of the app's creation)
  --node NAME      ask this node and no other
  --app NAME       default app-1
  --platform       prove by the platform's older form
  --json           the whole answer`;

async function derive(): Promise<void> {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean', default: false } as const;
  const options = { path: text, context: text, length: text, epoch: text, node: text, app: text, platform: flag, json: flag, help: flag };
  const { values } = parsed(() => parseArgs({ options }));
  if (values.help) return console.log(USAGE);
  if (!values.path) throw new UsageError('--path is missing');
  const cluster = await readClusterFile();
  const app = named(cluster.apps, values.app ?? 'app-1');
  const kms = createClient({
    profile: parseProfile(cluster.profile),
    chain: cluster.rpc_url,
    keys: odyn(app.odyn_url),
    proof: values.platform ? 'platform' : 'erc8128',
  });
  const { key, ...rest } = await kms.derive(values.path, {
    ...(values.context !== undefined && { context: values.context }),
    ...(values.length !== undefined && { length: Number(values.length) }),
    ...(values.epoch !== undefined && { epoch: values.epoch === 'current' ? values.epoch : Number(values.epoch) }),
    ...(values.node !== undefined && { node: named(cluster.nodes, values.node).wallet }),
  });
  const shown = Buffer.from(key).toString('hex');
  console.log(values.json ? JSON.stringify({ key: shown, ...rest }) : shown);
}

function named<T extends { readonly name: string }>(all: readonly T[], name: string): T {
  const found = all.find((each) => each.name === name);
  if (!found) throw new Error(`there is no ${name}; there are ${all.map((each) => each.name).join(', ')}`);
  return found;
}

try {
  await derive();
} catch (error) {
  const isUsage = error instanceof UsageError;
  console.error(isUsage ? `${error.message}\n\n${USAGE}` : error instanceof Error ? error.message : error);
  process.exitCode = isUsage ? 2 : 1;
}
