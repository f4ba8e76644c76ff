/**
 * An app that counts its own starts in the cluster's KV store (beside `npm start`): read, change, write on condition, and again when
 * somebody else was faster. `npx node docs/examples/kv.ts`
 */
import { readFile } from 'node:fs/promises';
import { createClient, KmsError, odyn, parseProfile } from 'nova-kms/client';

const [clusterFile = new URL('../../.simulation/cluster.json', import.meta.url)] = process.argv.slice(2);
const cluster = JSON.parse(await readFile(clusterFile, 'utf8'));

const { kv } = createClient({
  profile: parseProfile(cluster.profile),
  chain: cluster.rpc_url,
  keys: odyn(cluster.apps[0].odyn_url),
});

for (;;) {
  const found = await kv.get('examples/starts');
  const starts = Number(found ? new TextDecoder().decode(found.value) : 0) + 1;
  try {
    const { replicas } = await kv.put('examples/starts', String(starts), { ifVersion: found?.version ?? null });
    console.log(`start ${starts}, on ${replicas} nodes`);
    break;
  } catch (error) {
    // Somebody else wrote in between, or the nodes have not told each other yet: look again.
    if (!(error instanceof KmsError && error.reason === 'version_conflict')) throw error;
  }
}
