/**
 * An app that asks the running cluster (`npm start`) for a key. On a real network the profile is the network's, the chain is
 * the enclave's light client, and Odyn listens beside the app: nothing else changes. `npx node docs/examples/derive.ts my/disk`
 */
import { readFile } from 'node:fs/promises';
import { createClient, odyn, parseProfile } from 'nova-kms/client';

const [path = 'my/disk', clusterFile = new URL('../../.simulation/cluster.json', import.meta.url)] = process.argv.slice(2);
const cluster = JSON.parse(await readFile(clusterFile, 'utf8'));

const kms = createClient({
  profile: parseProfile(cluster.profile),
  chain: cluster.rpc_url,
  keys: odyn(cluster.apps[0].odyn_url),
});
const { key, epoch, block, node } = await kms.derive(path);

console.log(`${Buffer.from(key).toString('hex')}  epoch ${epoch}, judged at block ${block} by ${node}`);
