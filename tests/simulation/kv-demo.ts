/** The KV store as `npm start` shows it: written on one node, read on another, deleted on a third, and how long each took to arrive. */
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient, KmsError, odyn, parseProfile } from '../../core/client/main.ts';
import type { KmsClient } from '../../core/client/main.ts';
import type { Member, World } from './world.ts';

export interface KvStep {
  readonly what: string;
  readonly node: string;
  readonly outcome: string;
  /** From the answer of the step before until this node showed its effect; as an app sees it, a proven request each time it looks. */
  readonly arrivedAfterMs: number | null;
  readonly ok: boolean;
}

const KEY = 'demo/greeting';
const VALUE = 'hello from the first node';
const ARRIVAL_MS_MAX = 10_000;
const LOOK_MS = 5;

/** Ends at the first step that fails, with what was said. */
export async function showKv({ chain, profile, members, apps: [app] }: World): Promise<KvStep[]> {
  const [first, second = first, third = second] = members;
  if (!app || !first || !second || !third) throw new Error('the world has no app, or no nodes');
  const kms = createClient({ profile: parseProfile(profile), chain: chain.rpcUrl, keys: odyn(app.odyn.url) });
  const steps: KvStep[] = [];
  const step = async (what: string, member: Member, work: () => Promise<Omit<KvStep, 'what' | 'node'>>) => {
    steps.push({ what, node: member.name, ...(await work()) });
  };
  try {
    await step('put', first, async () => {
      const { version, replicas } = await kms.kv.put(KEY, VALUE, { node: first.node.odyn.wallet });
      return { outcome: `version ${version}, on ${replicas} nodes when it was acknowledged`, arrivedAfterMs: null, ok: replicas >= 2 };
    });
    await step('get', second, () => arrival(kms, second, (value) => value === VALUE, `"${VALUE}"`));
    await step('delete', third, async () => {
      const { existed, replicas } = await kms.kv.delete(KEY, { node: third.node.odyn.wallet });
      return { outcome: existed ? `deleted, on ${replicas} nodes` : 'there was nothing to delete', arrivedAfterMs: null, ok: existed };
    });
    await step('get', first, () => arrival(kms, first, (value) => value === undefined, 'nothing is there any more'));
  } catch (error) {
    if (!(error instanceof KmsError)) throw error;
    steps.push({ what: 'failed', node: '-', outcome: error.message, arrivedAfterMs: null, ok: false });
  }
  return steps;
}

async function arrival(
  kms: KmsClient,
  { node }: Member,
  isThere: (value: string | undefined) => boolean,
  outcome: string,
): Promise<Omit<KvStep, 'what' | 'node'>> {
  const sinceMs = performance.now();
  for (;;) {
    const found = await kms.kv.get(KEY, { node: node.odyn.wallet });
    const arrivedAfterMs = performance.now() - sinceMs;
    if (isThere(found && Buffer.from(found.value).toString())) return { outcome, arrivedAfterMs, ok: true };
    if (arrivedAfterMs > ARRIVAL_MS_MAX) return { outcome: `not within ${ARRIVAL_MS_MAX} ms`, arrivedAfterMs, ok: false };
    await sleep(LOOK_MS);
  }
}
