/** Brings a fault about, and ends it. What would lose the cluster's secret for good, as no cluster survives it, is not done. */
import { opened, retired, stopped } from './chain.ts';
import { STATES } from '../../core/fakes.ts';
import type { Epoch, Hash } from '../../../core/identity.ts';
import type { StoredRecord } from '../../../core/store/interface.ts';
import type { Stored } from '../../../core/store/stored.ts';
import type { App, Apps } from './apps.ts';
import type { Impairment } from './network.ts';
import type { Boot, Slot } from './node.ts';
import { APPS_PARTY } from './schedule.ts';
import type { Fault, FaultKind } from './schedule.ts';
import type { World } from './world.ts';

/** What became of a fault: brought about, not done as too little would have been left, or with nothing there to do it to. */
type Outcome = 'done' | 'spared' | 'idle';

export interface Faults {
  inject(fault: Fault): void;
  /** Ends all that is still wrong, and all that was to come; who is down starts again, who is stopped is started. */
  healAll(): void;
  /** Those that were brought about by their kind, and those that were not. */
  readonly counts: Map<FaultKind | Exclude<Outcome, 'done'>, number>;
}

const SLOTS_MAX = 6;

export function createFaults(world: World, apps: Apps, holdersLeft: number): Faults {
  const { chain, network, readiness, timeline } = world;
  const counts: Faults['counts'] = new Map();
  /** What ends each fault that goes on, and calls off what was to come. */
  const ends = new Set<() => void>();
  /** By how many faults something that is either on or off is on. */
  const causes = new Map<string, number>();

  function during(forMs: number, end: () => void): void {
    const once = (): void => {
      if (!ends.delete(once)) return;
      end();
    };
    ends.add(once);
    timeline.after(forMs, once);
  }

  /** A part of a fault that begins later, unless all is healed before. */
  function later(delayMs: number, begin: () => void): void {
    const callOff = timeline.after(delayMs, () => {
      ends.delete(callOff);
      begin();
    });
    ends.add(callOff);
  }

  const impair = (forMs: number, impairment: Impairment): void => during(forMs, network.impair(impairment));

  /** The first fault of those that overlap turns it on, the last to end turns it off. */
  function shared(what: string, forMs: number, turn: (isOn: boolean) => void): void {
    const change = (by: 1 | -1): number => causes.set(what, (causes.get(what) ?? 0) + by).get(what) as number;
    if (change(1) === 1) turn(true);
    during(forMs, () => {
      if (change(-1) === 0) turn(false);
    });
  }

  /** Whether the cluster still has every secret that it needs, on a node that serves, when this one is gone. */
  function isSurvivable(gone: Boot): boolean {
    const { epochs } = chain.head();
    const others = world.running().filter((boot) => boot !== gone);
    const serving = others.filter(({ kms }) => kms.admission.gate().kind === 'serving');
    const isSafe = epochs.every(({ id, state, secretHash }) => {
      const epoch = Number(id) as Epoch;
      if (state === STATES.active || state === STATES.previous)
        return serving.filter(({ kms }) => kms.vault.holdsExactly(epoch, secretHash as Hash)).length >= holdersLeft;
      const candidates = state === STATES.open ? gone.kms.vault.candidates(epoch) : [];
      return candidates.every((hash) => others.filter(({ kms }) => kms.vault.candidates(epoch).includes(hash)).length >= holdersLeft);
    });
    return isSafe && (serving.length >= holdersLeft || epochs.every(({ state }) => state === STATES.open));
  }

  /** `moved`: the next one has another wallet at another URL, and the old one stays registered until the owner sees to it. */
  function crash(slot: Slot, { downMs, as }: Extract<Fault, { kind: 'crash' }>): Outcome {
    if (!slot.boot || (as === 'moved' && world.slots.size >= SLOTS_MAX)) return 'idle';
    if (!isSurvivable(slot.boot)) return 'spared';
    world.kill(slot);
    if (as === 'moved') {
      slot.isGone = true;
      during(downMs, () => void world.add(`${slot.name}m`));
      ends.add(() => chain.submit(stopped(({ instanceUrl }) => instanceUrl === slot.origin, true)));
      return 'done';
    }
    if (as === 'new') slot.enclave = `${slot.enclave}'`;
    during(downMs, () => world.start(slot));
    return 'done';
  }

  function rotate(): Outcome {
    if (chain.head().epochs.some(({ state }) => state === STATES.open)) return 'idle';
    chain.submit(opened);
    return 'done';
  }

  /** An owner retires an epoch once no node needs it: all serve the next one, and have sealed everything under it. */
  function retire(): Outcome {
    const active = chain.head().epochs.find(({ state }) => state === STATES.active);
    const isDone = [...world.slots.values()].every(({ boot }) => {
      const gate = boot?.kms.admission.gate();
      if (!boot || gate?.kind !== 'serving' || gate.epoch !== Number(active?.id)) return false;
      const isSealed = (record: StoredRecord) => (record as Stored).deadSinceMs !== undefined || (record as Stored).epoch === gate.epoch;
      return [...boot.kms.store.changes(0)].every(isSealed);
    });
    const previous = chain.head().epochs.flatMap(({ id, state }) => (state === STATES.previous ? [id] : []));
    if (previous.length === 0) return 'idle';
    if (!isDone) return 'spared';
    chain.submit(retired(previous));
    return 'done';
  }

  function stop({ boot }: Slot, forMs: number): Outcome {
    if (!boot) return 'idle';
    if (!isSurvivable(boot)) return 'spared';
    const { wallet } = boot.kms.identity;
    shared(`stop ${wallet}`, forMs, (isOn) => chain.submit(stopped((operator) => operator.wallet === wallet, isOn)));
    return 'done';
  }

  /** Each link is clogged a step after the one before, and let go in the other order. */
  function clog({ links, stepMs, freed }: Extract<Fault, { kind: 'clog' }>): void {
    links.forEach(([a, b], index) => {
      const forMs = stepMs * (links.length - index + freed.indexOf(index));
      later(stepMs * index, () => impair(forMs, { isClogged: true, touches: (from, to) => from === a && to === b }));
    });
  }

  function isolate({ slot, forMs, isFromApps }: Extract<Fault, { kind: 'isolate' }>): void {
    const touches = (from: string, to: string) =>
      (from === slot || to === slot) && (isFromApps || (from !== APPS_PARTY && to !== APPS_PARTY));
    impair(forMs, { isCut: true, touches });
  }

  function revokeApp(app: App, forMs: number): void {
    shared(`revoke ${app.wallet}`, forMs, (isOn) => apps.revoke(app, isOn));
  }

  function apply(fault: Fault): Outcome {
    const did = (_done: void): Outcome => 'done';
    switch (fault.kind) {
      case 'cut':
        return did(impair(fault.forMs, { isCut: true, touches: (from, to) => from === fault.from && to === fault.to }));
      case 'isolate':
        return did(isolate(fault));
      case 'loss':
        return did(impair(fault.forMs, { loss: fault.rate, touches: () => true }));
      case 'duplicate':
        return did(impair(fault.forMs, { duplication: fault.rate, touches: () => true }));
      case 'slow':
        return did(impair(fault.forMs, { delayMaxMs: fault.maxMs, touches: (from) => from === fault.slot }));
      case 'clog':
        return did(clog(fault));
      case 'reorg':
        return did((chain.reorganise(fault.depth), readiness.reorganised()));
      case 'late_transactions':
        return did(shared(fault.kind, fault.forMs, chain.holdTransactions));
      case 'lost_activations':
        return did(shared(fault.kind, fault.forMs, chain.loseActivations));
      case 'join':
        return world.slots.size < SLOTS_MAX && world.add(fault.slot) ? 'done' : 'idle';
      case 'rotate':
        return rotate();
      case 'retire':
        return retire();
      case 'revoke_app':
        return did(revokeApp(apps.apps[fault.app] as App, fault.forMs));
      default:
        return applyTo(world.slots.get(fault.slot) as Slot, fault);
    }
  }

  /** Adds to what is wrong with a slot, and takes it away again: faults of one kind may overlap. */
  function lasting(slot: Slot, forMs: number, change: (sign: 1 | -1) => void): Outcome {
    if (!slot.boot) return 'idle';
    change(1);
    during(forMs, () => change(-1));
    return 'done';
  }

  function applyTo(slot: Slot, fault: Extract<Fault, { kind: 'crash' | 'stop' | 'skew' | 'rpc_down' | 'rpc_lag' | 'odyn_down' }>): Outcome {
    switch (fault.kind) {
      case 'crash':
        return crash(slot, fault);
      case 'stop':
        return stop(slot, fault.forMs);
      case 'skew':
        return lasting(slot, fault.forMs, (sign) => void (slot.skewMs += sign * fault.byMs));
      case 'rpc_down':
        return lasting(slot, fault.forMs, (sign) => void (slot.rpc.downs += sign));
      case 'rpc_lag':
        return lasting(slot, fault.forMs, (sign) => void (slot.rpc.lagBlocks += sign * fault.blocks));
      case 'odyn_down':
        return lasting(slot, fault.forMs, (sign) => void (slot.odynDowns += sign));
      default:
        return fault satisfies never;
    }
  }

  return {
    counts,
    inject(fault) {
      const outcome = apply(fault);
      const name = outcome === 'done' ? fault.kind : outcome;
      counts.set(name, (counts.get(name) ?? 0) + 1);
      world.trace.note(`${outcome === 'done' ? 'fault' : outcome} ${JSON.stringify(fault)}`);
    },
    healAll() {
      for (const end of [...ends]) end();
      ends.clear();
    },
  };
}
