/**
 * What will happen in a run, as data: made from the seed before it begins, so that it can be printed, cut down and replayed. Faults and
 * operations stand in one list by their time; each is independent of the others, and leaving one out leaves the rest as they are.
 */
import type { Dice } from './dice.ts';

export type Fault =
  | { readonly kind: 'cut'; readonly from: string; readonly to: string; readonly forMs: number }
  /** From all other nodes, and, if so, from apps as well. */
  | { readonly kind: 'isolate'; readonly slot: string; readonly isFromApps: boolean; readonly forMs: number }
  | { readonly kind: 'loss'; readonly rate: number; readonly forMs: number }
  | { readonly kind: 'duplicate'; readonly rate: number; readonly forMs: number }
  | { readonly kind: 'slow'; readonly slot: string; readonly maxMs: number; readonly forMs: number }
  /** Links are clogged one by one and let go in another order. */
  | {
      readonly kind: 'clog';
      readonly links: readonly (readonly [string, string])[];
      readonly stepMs: number;
      readonly freed: readonly number[];
    }
  | { readonly kind: 'crash'; readonly slot: string; readonly downMs: number; readonly as: 'same' | 'new' | 'moved' }
  | { readonly kind: 'skew'; readonly slot: string; readonly byMs: number; readonly forMs: number }
  | { readonly kind: 'rpc_down' | 'odyn_down' | 'stop'; readonly slot: string; readonly forMs: number }
  | { readonly kind: 'rpc_lag'; readonly slot: string; readonly blocks: number; readonly forMs: number }
  | { readonly kind: 'reorg'; readonly depth: number }
  | { readonly kind: 'late_transactions' | 'lost_activations'; readonly forMs: number }
  | { readonly kind: 'join'; readonly slot: string }
  | { readonly kind: 'rotate' | 'retire' }
  | { readonly kind: 'revoke_app'; readonly app: number; readonly forMs: number };

export type FaultKind = Fault['kind'];

export interface Operation {
  readonly kind: 'put' | 'delete' | 'get' | 'list' | 'batch' | 'derive' | 'cert';
  readonly slot: string;
  readonly app: number;
  readonly key: string;
  /** Differs for each, and stands in the value. */
  readonly id: number;
  readonly valueBytes: number;
  readonly ttlMs: number | undefined;
  /** Of what this client saw last under the key. */
  readonly ifVersion: boolean;
  readonly minReplicas: number | 'majority' | undefined;
  readonly whenFull: 'refuse' | 'evict';
}

export interface Item {
  readonly atMs: number;
  readonly does: Fault | Operation;
}

export interface ProfileSettings {
  readonly nodes: readonly [number, number];
  readonly phaseMs: number;
  /** From when on there are faults; operations begin when there may be an answer. */
  readonly faultsFromMs: number;
  readonly faults: readonly [number, number];
  readonly kinds: Partial<Record<FaultKind, number>>;
  readonly operations: readonly [number, number];
  readonly keys: number;
  readonly valueBytes: readonly [number, number];
  /** How long faults last, and how long some of them. */
  readonly forMs: readonly [number, number];
  /** How far clocks are set, at most. */
  readonly skewMs: number;
  readonly reorgDepth: number;
  /** So many nodes that serve, and hold each secret that the chain names, a crash or a stop leaves at least. */
  readonly holdersLeft: number;
}

const usual: ProfileSettings = {
  ...{ nodes: [3, 3], phaseMs: 38_000, faultsFromMs: 14_000, faults: [3, 6], kinds: {}, operations: [30, 50] },
  ...{ keys: 4, valueBytes: [10, 120], forMs: [8_000, 20_000], skewMs: 4_000, reorgDepth: 2, holdersLeft: 2 },
};
const everything: ProfileSettings['kinds'] = {
  ...{ cut: 2, isolate: 2, loss: 2, duplicate: 1, slow: 1, clog: 1, crash: 3, skew: 1, rpc_down: 1, odyn_down: 1, stop: 1, rpc_lag: 1 },
  ...{ reorg: 1, late_transactions: 1, lost_activations: 1, join: 1, rotate: 1, retire: 1, revoke_app: 1 },
};

export const PROFILES = {
  calm: { ...usual, faults: [0, 0], operations: [50, 80] },
  loss: { ...usual, kinds: { loss: 4, duplicate: 2, slow: 2 } },
  partition: { ...usual, kinds: { cut: 3, isolate: 3, clog: 2 } },
  crash: { ...usual, kinds: { crash: 6, isolate: 1, loss: 1, join: 1 }, nodes: [3, 4], holdersLeft: 1 },
  birth: { ...usual, faultsFromMs: 0, kinds: { ...everything, stop: 0, revoke_app: 0 }, faults: [4, 8], nodes: [3, 4] },
  skew: { ...usual, kinds: { skew: 5, isolate: 2, loss: 1, crash: 1 }, skewMs: 25_000 },
  chain: { ...usual, kinds: { rpc_down: 2, rpc_lag: 2, reorg: 3, late_transactions: 1, stop: 2, rotate: 1, revoke_app: 1 }, reorgDepth: 5 },
  rotation: {
    ...usual,
    kinds: { rotate: 2, retire: 3, crash: 1, isolate: 1, late_transactions: 1, lost_activations: 1, reorg: 1 },
    faults: [4, 8],
    phaseMs: 70_000,
  },
  quota: { ...usual, kinds: { isolate: 3, cut: 1, crash: 1, loss: 1 }, keys: 24, valueBytes: [200, 1_000], operations: [60, 90] },
  forget: {
    ...usual,
    kinds: { isolate: 3, cut: 2, crash: 2, stop: 2, join: 1, clog: 1 },
    keys: 2,
    phaseMs: 110_000,
    forMs: [20_000, 60_000],
    operations: [40, 70],
  },
  swarm: { ...usual, kinds: everything, faults: [6, 14], nodes: [3, 5], phaseMs: 50_000 },
} satisfies Record<string, ProfileSettings>;

export type ProfileName = keyof typeof PROFILES;

export const PROFILE_NAMES = Object.keys(PROFILES) as ProfileName[];

/** Which profile a seed is of, when nobody says otherwise: each in turn. */
export function profileOf(seed: number): ProfileName {
  return PROFILE_NAMES[seed % PROFILE_NAMES.length] as ProfileName;
}

export const APPS = 2;
/** All apps, as the network knows them. */
export const APPS_PARTY = 'apps';

export function createSchedule(
  dice: Dice,
  settings: ProfileSettings,
): { readonly slots: readonly string[]; readonly items: readonly Item[] } {
  const slots = Array.from({ length: dice.between(...settings.nodes) }, (_, index) => `n${index}`);
  const faults = Array.from({ length: dice.between(...settings.faults) }, (_, index) => {
    const does = faultFrom(dice, settings, slots, index);
    return { atMs: timeOf(dice, does, settings), does };
  });
  const fromMs = 12_000;
  const operations = Array.from({ length: dice.between(...settings.operations) }, (_, index) => ({
    atMs: dice.between(fromMs, settings.phaseMs),
    does: operationFrom(dice, settings, slots, index),
  }));
  return { slots, items: [...faults, ...operations].toSorted((a, b) => a.atMs - b.atMs) };
}

/** An epoch is retired late, when the one after it may have come. */
function timeOf(dice: Dice, { kind }: Fault, { faultsFromMs, phaseMs }: ProfileSettings): number {
  const [fromMs, toMs] = [faultsFromMs, phaseMs - 5_000];
  const middleMs = (fromMs + toMs) / 2;
  return Math.round(dice.between(kind === 'retire' ? middleMs + 6_000 : fromMs, kind === 'rotate' ? middleMs - 4_000 : toMs));
}

function faultFrom(dice: Dice, settings: ProfileSettings, slots: readonly string[], index: number): Fault {
  const { kinds, skewMs, reorgDepth } = settings;
  const bag = Object.entries(kinds).flatMap(([kind, weight]) => Array.from({ length: weight }, () => kind as FaultKind));
  const kind = dice.pick(bag);
  const [slot, other] = twoOf(dice, slots);
  const forMs = dice.between(1_000, settings.forMs[dice.chance(0.3) ? 1 : 0]);
  switch (kind) {
    case 'cut':
      return { kind, from: slot, to: other, forMs };
    case 'isolate':
      return { kind, slot, isFromApps: dice.chance(0.3), forMs };
    case 'loss':
    case 'duplicate':
      return { kind, rate: dice.pick([0.05, 0.1, 0.3]), forMs };
    case 'slow':
      return { kind, slot, maxMs: dice.pick([300, 1_500, 6_000]), forMs };
    case 'clog': {
      const links = Array.from({ length: dice.between(2, 5) }, () => twoOf(dice, slots));
      return { kind, links, stepMs: dice.between(100, 3_000), freed: dice.shuffled(links.map((_, at) => at)) };
    }
    case 'crash':
      return { kind, slot, downMs: dice.between(100, 12_000), as: dice.pick(['same', 'new', 'new', 'moved']) };
    case 'skew':
      return { kind, slot, byMs: dice.between(-skewMs, skewMs), forMs };
    case 'rpc_lag':
      return { kind, slot, blocks: dice.between(1, 6), forMs };
    case 'reorg':
      return { kind, depth: dice.between(1, reorgDepth) };
    case 'late_transactions':
    case 'lost_activations':
      // Some of them for longer than an endorsement lives.
      return { kind, forMs: dice.between(1_000, 32_000) };
    case 'join':
      return { kind, slot: `j${index}` };
    case 'rotate':
    case 'retire':
      return { kind };
    case 'revoke_app':
      return { kind, app: dice.between(0, APPS - 1), forMs: forMs + 30_000 };
    case 'stop':
      return { kind, slot, forMs: dice.between(4_000, 40_000) };
    default:
      return { kind, slot, forMs };
  }
}

function twoOf(dice: Dice, slots: readonly string[]): readonly [string, string] {
  const first = dice.between(0, slots.length - 1);
  const second = (first + dice.between(1, slots.length - 1)) % slots.length;
  return [slots[first] as string, slots[second] as string];
}

function operationFrom(dice: Dice, settings: ProfileSettings, slots: readonly string[], id: number): Operation {
  const kinds = ['put', 'put', 'put', 'put', 'put', 'delete', 'delete', 'get', 'get', 'get', 'get', 'list', 'batch', 'derive'] as const;
  const app = dice.between(0, APPS - 1);
  return {
    kind: dice.chance(0.01) ? 'cert' : dice.pick(kinds),
    slot: dice.pick(slots),
    app,
    // Most names are of both apps; some say whose they are.
    key: dice.chance(0.15) ? `only-${app}` : `k${dice.between(1, settings.keys)}`,
    id,
    valueBytes: dice.between(...settings.valueBytes),
    ttlMs: dice.chance(0.2) ? dice.between(200, 20_000) : undefined,
    ifVersion: dice.chance(0.2),
    minReplicas: dice.pick([undefined, undefined, 1, 2, 'majority', 3]),
    whenFull: dice.chance(0.3) ? 'evict' : 'refuse',
  };
}
