/** What tests ask of the data of a whole world: whether all nodes hold the same, how long until they do, and what `/metrics` counts. */
import { setTimeout as sleep } from 'node:timers/promises';
import { KmsError } from '../../core/client/main.ts';
import { until } from '../simulation/world.ts';
import type { Member, World } from '../simulation/world.ts';
import type { Found } from './data-ledger.ts';
import type { Writers } from './data-writers.ts';

/** Each look costs a sealed batch of every app at every node. */
const LOOK_MS = 300;

export type Contents = ReadonlyMap<string, ReadonlyMap<string, Found>>;

/** Every key that was ever written, as this node has it now, by app. */
export async function contentsOf({ apps }: World, { ledger, clientOf }: Writers, member: Member): Promise<Contents> {
  const contents = new Map<string, ReadonlyMap<string, Found>>();
  for (const app of apps) {
    const keys = ledger.keys(app.name);
    const found = new Map<string, Found>();
    for (let at = 0; at < keys.length; at += 100) {
      const asked = keys.slice(at, at + 100);
      const { results } = await clientOf(app).kv.batch(
        asked.map((key) => ({ op: 'get', key })),
        { node: member.node.odyn.wallet },
      );
      results.forEach((result, index) => {
        if (result.kind !== 'get') throw new Error(`${member.name} refuses ${asked[index]}: ${JSON.stringify(result)}`);
        found.set(asked[index] as string, result.found);
      });
    }
    contents.set(app.name, found);
  }
  return contents;
}

/** What two nodes have differently, key by key. */
export function differencesOf(a: Contents, b: Contents): string[] {
  return [...a].flatMap(([app, keys]) =>
    [...keys].flatMap(([key, found]) => {
      const [ours, theirs] = [found?.version, b.get(app)?.get(key)?.version];
      return ours === theirs ? [] : [`${app} ${key}: ${ours ?? 'nothing'} and ${theirs ?? 'nothing'}`];
    }),
  );
}

export interface Settled {
  readonly contents: Contents;
  /** When all had the same, and when nothing was owed to anybody by the nodes' own count. */
  readonly equalAtMs: number;
  readonly settledAtMs: number;
}

/** Waits for both. Writers must have paused. */
export async function untilEqual(world: World, writers: Writers, timeoutMs: number): Promise<Settled> {
  let last = '';
  let equalAtMs: number | undefined;
  const look = async (): Promise<Settled | undefined> => {
    const all = await Promise.all(world.members.map((member) => contentsOf(world, writers, member)));
    const [contents, ...others] = all as [Contents, ...Contents[]];
    const different = others.flatMap((other) => differencesOf(contents, other));
    if (different.length === 0) equalAtMs ??= Date.now();
    const lags = await Promise.all(world.members.map(async (member) => sumOf(await metricsOf(member), 'peer_lag_records')));
    last = `lags of ${lags.join(', ')}; ${different.join('; ')}`;
    const isSettled = different.length === 0 && lags.every((lag) => lag === 0);
    if (isSettled && equalAtMs !== undefined) return { contents, equalAtMs, settledAtMs: Date.now() };
    return void (await sleep(LOOK_MS));
  };
  try {
    return await until(
      'all nodes to hold the same',
      () =>
        look().catch((error: unknown) => {
          // A node takes no signatures from the first seconds of its life.
          if (!(error instanceof KmsError)) throw error;
          return void (last = error.message);
        }),
      timeoutMs,
    );
  } catch (error) {
    throw new Error(`${String(error)}: ${last.slice(0, 2_000)}`, { cause: error });
  }
}

export type Metrics = ReadonlyMap<string, number>;

/** By name, with labels if there are any. */
export async function metricsOf({ node }: Member): Promise<Metrics> {
  const text = await (await fetch(`${node.url}/metrics`)).text();
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => {
      const [, name = '', value = ''] = /^nova_kms_(\S+) (\S+)$/.exec(line) ?? [];
      return [name, Number(value)] as const;
    }),
  );
}

/** Over all labels. */
export function sumOf(metrics: Metrics, name: string): number {
  return [...metrics].reduce((sum, [each, value]) => (each === name || each.startsWith(`${name}{`) ? sum + value : sum), 0);
}
