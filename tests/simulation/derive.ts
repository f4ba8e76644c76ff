/** `npm run derive`: asks a node of the running cluster for a key, as a platform app does. */
import { parseArgs } from 'node:util';
import { readClusterFile } from './cluster-file.ts';
import { createBox } from './odyn/box.ts';
import { call } from './platform-client.ts';

const USAGE = `npm run derive -- --path PATH [options]
  --context TEXT   separates keys of one path
  --length N       bytes, 1 to 1024 (default 32)
  --node NAME      default node-1
  --app NAME       default app-1
  --json           the whole answer`;

async function derive(): Promise<number> {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    options: { path: text, context: text, length: text, node: text, app: text, json: { type: 'boolean' }, help: { type: 'boolean' } },
  });
  if (values.help || !values.path) {
    console.log(values.help ? USAGE : `--path is missing\n\n${USAGE}`);
    return values.help ? 0 : 2;
  }
  const cluster = await readClusterFile();
  const app = cluster.apps.find((each) => each.name === (values.app ?? 'app-1'));
  const node = cluster.nodes.find((each) => each.name === (values.node ?? 'node-1'));
  if (!app || !node)
    throw new Error(
      `no ${node ? `app named ${values.app}` : `node named ${values.node}`}; there are ${[...cluster.nodes, ...cluster.apps].map((each) => each.name).join(', ')}`,
    );
  const client = { walletKey: app.wallet_private_key, box: createBox('v1.8.0', app.tee_private_key) };
  const request = {
    path: values.path,
    ...(values.context !== undefined && { context: values.context }),
    ...(values.length !== undefined && { length: values.length }),
  };
  const { status, body, wire } = await call(
    client,
    { url: node.url, wallet: node.wallet, teePubkey: node.tee_pubkey },
    '/kms/derive',
    request,
  );
  if (!body) throw new Error(`the node refused with ${status}: ${wire}`);
  console.log(values.json ? JSON.stringify(body) : Buffer.from(String(body['key']), 'base64').toString('hex'));
  return 0;
}

try {
  process.exitCode = await derive();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
