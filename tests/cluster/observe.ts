/** What the cluster tests watch: log lines as they come, keys from each node, and the chain's own word on epochs. */
import { call } from '../simulation/platform-client.ts';
import { until } from '../simulation/world.ts';
import type { NodeLogLine } from '../simulation/node.ts';
import type { App, Member, World } from '../simulation/world.ts';

export interface Heard extends NodeLogLine {
  readonly node: string;
}

export interface Ear {
  readonly lines: readonly Heard[];
  readonly onLog: (node: string, line: NodeLogLine) => void;
  /** Calls back once, for the first line that matches from now on. */
  once(matches: (line: Heard) => boolean, then: (line: Heard) => void): void;
  /** Waits for a line, also one that was heard already. */
  hear(what: string, matches: (line: Heard) => boolean, timeoutMs?: number): Promise<Heard>;
}

export function createEar(): Ear {
  const lines: Heard[] = [];
  const waiting = new Set<{ matches: (line: Heard) => boolean; then: (line: Heard) => void }>();
  return {
    lines,
    onLog(node, line) {
      const heard = { ...line, node };
      lines.push(heard);
      for (const each of waiting) {
        if (!each.matches(heard)) continue;
        waiting.delete(each);
        each.then(heard);
      }
    },
    once: (matches, then) => void waiting.add({ matches, then }),
    hear: (what, matches, timeoutMs) => until(what, async () => lines.find(matches), timeoutMs),
  };
}

/** A node refused a key, whatever the reason. */
class NotGiven extends Error {}

/** The key of one path from one node, as hex. */
export async function keyFrom(app: App, member: Member, path = 'agreement'): Promise<string> {
  const { status, body, wire } = await call(app, member.keys(), '/kms/derive', { path });
  if (!body) throw new NotGiven(`${member.name} refused with ${status}: ${wire}`);
  return Buffer.from(String(body['key']), 'base64').toString('hex');
}

/** The one key that all these nodes give. Throws when they differ. */
export async function agreedKey(world: World, members: readonly Member[] = world.members): Promise<string> {
  const [app] = world.apps;
  if (!app) throw new Error('the world has no app');
  const keys = await Promise.all(members.map((member) => keyFrom(app, member)));
  if (new Set(keys).size !== 1) throw new Error(`the nodes disagree: ${keys.join(' ')}`);
  return String(keys[0]);
}

/** The same once they serve all at a time: who was ready a moment ago may find its head too old, where a head may age by seconds only. */
export async function untilAgreedKey(world: World, members: readonly Member[] = world.members): Promise<string> {
  let last = '';
  const asked = () =>
    agreedKey(world, members).catch((error: unknown) => {
      if (!(error instanceof NotGiven)) throw error;
      return void (last = error.message);
    });
  return await until('one key from all', asked).catch((error: unknown) => {
    throw new Error(`${String(error)}: ${last}`, { cause: error });
  });
}

/** By its bundle, which names the active epoch first; none of a node that does not serve. */
async function epochServedBy({ node }: Member): Promise<number | undefined> {
  const answer = await fetch(`${node.url}/ca`, { headers: { accept: 'application/json' } });
  const { bundle } = (await answer.json()) as { bundle?: readonly { readonly epoch: number }[] };
  return bundle?.[0]?.epoch;
}

/** A node follows a rotation at its own tick, and goes on serving the epoch before until then. */
export async function untilEpoch(members: readonly Member[], epoch: number): Promise<void> {
  for (const member of members) await until(`${member.name} to serve epoch ${epoch}`, async () => (await epochServedBy(member)) === epoch);
}

export interface ChainEpoch {
  readonly id: bigint;
  readonly state: number;
  readonly secretHash: string;
  readonly activatedAtBlock: bigint;
}

export const ACTIVE = 2;

export async function chainEpochs({ contracts }: World): Promise<readonly ChainEpoch[]> {
  const count = (await contracts.readKms('epochCount')) as bigint;
  return Promise.all(
    Array.from({ length: Number(count) }, async (_, id) => (await contracts.readKms('getEpoch', [BigInt(id)])) as ChainEpoch),
  );
}
