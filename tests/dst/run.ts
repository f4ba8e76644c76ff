/** One run: a schedule from its seed, played to its end, and judged all the way. */
import { forgetAll } from './cheap/viem.ts';
import { createApps } from './world/apps.ts';
import { opened } from './world/chain.ts';
import { createDice } from './world/dice.ts';
import { judgeEnding } from './judges/ending.ts';
import { createFaults } from './world/faults.ts';
import { hold, Violation } from './judges/invariants.ts';
import { createSchedule, PROFILES } from './world/schedule.ts';
import { createWorld } from './world/world.ts';
import type { Fault, Item, Operation, ProfileName } from './world/schedule.ts';
import type { InvariantId } from './judges/invariants.ts';

export interface RunOptions {
  readonly seed: number;
  readonly profile: ProfileName;
  /** Only these of its items, by their place; all without. */
  readonly keep?: readonly number[];
  /** Instead of the schedule that the seed makes. */
  readonly schedule?: readonly Item[];
  readonly isTraced?: boolean;
  /** Ends with a violation that nothing caused. */
  readonly isCanary?: boolean;
}

export interface RunResult {
  readonly seed: number;
  readonly profile: ProfileName;
  readonly hash: string;
  readonly virtualMs: number;
  /** From the end of the faults to rest. */
  readonly settledMs: number;
  readonly violation: { readonly id: InvariantId | 'ERROR'; readonly detail: string } | undefined;
  readonly faults: Readonly<Record<string, number>>;
  readonly outcomes: Readonly<Record<string, number>>;
  readonly messages: Readonly<Record<string, number>>;
  readonly items: readonly Item[];
  readonly lines: readonly string[];
}

const BLOCKS_BEFORE = 4;
const OPERATIONS: readonly string[] = ['put', 'delete', 'get', 'list', 'batch', 'derive', 'cert'];

function isOperation(does: Fault | Operation): does is Operation {
  return OPERATIONS.includes(does.kind);
}

export async function runSeed({ seed, profile, keep, schedule, isTraced = false, isCanary = false }: RunOptions): Promise<RunResult> {
  const settings = PROFILES[profile];
  const dice = createDice(`${profile} ${seed}`);
  const { slots, items: made } = createSchedule(dice.fork('schedule'), settings);
  const items = schedule ?? made;
  const world = createWorld(dice.fork('world'), isTraced);
  const { timeline, chain, network, trace } = world;
  for (const name of slots) world.add(name);
  chain.submit(opened);
  // What was registered before the run began is confirmed already.
  if (settings.faultsFromMs > 0) for (let block = 0; block < BLOCKS_BEFORE; block += 1) chain.mine();
  const apps = createApps(world);
  const faults = createFaults(world, apps, settings.holdersLeft);
  items.forEach(({ atMs, does }, index) => {
    if (keep && !keep.includes(index)) return;
    timeline.after(atMs, () => (isOperation(does) ? apps.perform(does) : faults.inject(does)));
  });
  let violation: RunResult['violation'];
  // What the node lets go without a catch ends this run, and is told with its seed.
  const onRejection = (error: unknown): void => timeline.fail(new Violation('I0', `nobody caught ${String(error)}`));
  process.on('unhandledRejection', onRejection);
  try {
    await timeline.run(settings.phaseMs);
    faults.healAll();
    await judgeEnding(world, apps);
    hold('CANARY', !isCanary, () => 'as asked');
  } catch (error) {
    violation =
      error instanceof Violation
        ? { id: error.id, detail: error.message }
        : { id: 'ERROR', detail: String((error as Error).stack ?? error) };
    trace.note(violation.detail.split('\n')[0] ?? '');
  }
  process.off('unhandledRejection', onRejection);
  for (const slot of world.slots.values()) world.kill(slot);
  forgetAll();
  return {
    ...{
      seed,
      profile,
      hash: trace.hash(),
      virtualMs: timeline.nowMs(),
      settledMs: timeline.nowMs() - settings.phaseMs,
      violation,
      items,
      lines: trace.lines,
    },
    faults: Object.fromEntries(faults.counts),
    outcomes: Object.fromEntries(apps.outcomes),
    messages: { ...network.counts },
  };
}
