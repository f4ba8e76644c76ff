/** Brings a fault about, and ends it. What would lose the cluster's secret for good, as no cluster survives it, is not done. */
import { opened, retired, stopped } from './chain.ts';
import { STATES } from '../../core/fakes.ts';
import type { Epoch, Hash } from '../../../core/identity.ts';
import type { StoredRecord } from '../../../core/store/interface.ts';
import type { Stored } from '../../../core/store/stored.ts';
import type { Apps } from './apps.ts';
import { CLEAN_DELAY_MS } from './network.ts';
import type { LinkFaults } from './network.ts';
import type { Boot, Slot } from './node.ts';
import type { Fault, FaultKind } from './schedule.ts';
import type { World } from './world.ts';

export interface Faults {
  inject(fault: Fault): void;
  /** Ends all that is still wrong; who is down starts again, who is stopped is started. */
  healAll(): void;
  /** Those that were brought about, and those that were not because nothing would have survived. */
  readonly counts: Map<FaultKind | 'spared', number>;
}

const SLOTS_MAX = 6;

export function createFaults(world: World, apps: Apps): Faults {
  const { chain, network, readiness, timeline } = world;
  const counts = new Map<FaultKind | 'spared', number>();
  /** What ends each fault that goes on. */
  const ends = new Set<() => void>();

  function during(forMs: number, end: () => void): void {
    const once = (): void => {
      if (!ends.delete(once)) return;
      end();
    };
    ends.add(once);
    timeline.after(forMs, once);
  }

  /** Until the end of the fault; the last to end leaves the links clean. */
  function impair(links: readonly LinkFaults[], faults: Partial<LinkFaults>, forMs: number): void {
    for (const link of links) Object.assign(link, faults);
    during(forMs, () => {
      for (const link of links) Object.assign(link, { loss: 0, duplication: 0, delayMs: CLEAN_DELAY_MS });
    });
  }

  function block(links: readonly LinkFaults[], how: 'cuts' | 'clogs', forMs: number): void {
    for (const link of links) link[how] += 1;
    during(forMs, () => {
      for (const link of links) link[how] -= 1;
      network.release();
    });
  }

  const names = () => [...world.slots.keys()];
  const between = (from: readonly string[], to: readonly string[]) =>
    from.flatMap((a) => to.filter((b) => b !== a).map((b) => network.link(a, b)));

  /** Whether the cluster still has every secret that it needs, on a node that serves, when this one is gone. */
  function isSurvivable(gone: Boot): boolean {
    const { epochs } = chain.head();
    const others = world.running().filter((boot) => boot !== gone);
    const serving = others.filter(({ kms }) => kms.admission.gate().kind === 'serving');
    const isSafe = epochs.every(({ id, state, secretHash }) => {
      const epoch = Number(id) as Epoch;
      if (state === STATES.active || state === STATES.previous)
        return serving.filter(({ kms }) => kms.vault.holdsExactly(epoch, secretHash as Hash)).length >= 2;
      const candidates = state === STATES.open ? gone.kms.vault.candidates(epoch) : [];
      return candidates.every((hash) => others.filter(({ kms }) => kms.vault.candidates(epoch).includes(hash)).length >= 2);
    });
    return isSafe && (serving.length >= 2 || epochs.every(({ state }) => state === STATES.open));
  }

  /** `moved`: the next one has another wallet at another URL, and the old one stays registered until the owner sees to it. */
  function crash(slot: Slot, { downMs, as }: Extract<Fault, { kind: 'crash' }>): boolean {
    if (!slot.boot || !isSurvivable(slot.boot) || (as === 'moved' && world.slots.size >= SLOTS_MAX)) return false;
    const { wallet } = slot.boot.kms.identity;
    world.kill(slot);
    if (as === 'moved') {
      slot.isGone = true;
      timeline.after(downMs, () => world.add(`${slot.name}m`));
      const end = (): void => {
        ends.delete(end);
        chain.submit(stopped(wallet, true));
      };
      ends.add(end);
      return true;
    }
    if (as === 'new') slot.enclave = `${slot.enclave}'`;
    during(downMs, () => world.start(slot));
    return true;
  }

  /** An owner retires an epoch once no node needs it: all serve the next one, and have sealed everything under it. */
  function retire(): boolean {
    const active = chain.head().epochs.find(({ state }) => state === STATES.active);
    const isDone = [...world.slots.values()].every(({ boot }) => {
      const gate = boot?.kms.admission.gate();
      if (!boot || gate?.kind !== 'serving' || gate.epoch !== Number(active?.id)) return false;
      const isSealed = (record: StoredRecord) => (record as Stored).deadSinceMs !== undefined || (record as Stored).epoch === gate.epoch;
      return [...boot.kms.store.changes(0)].every(isSealed);
    });
    const previous = chain.head().epochs.flatMap(({ id, state }) => (state === STATES.previous ? [id] : []));
    if (isDone && previous.length > 0) chain.submit(retired(previous));
    return isDone && previous.length > 0;
  }

  function stop(slot: Slot, forMs: number): boolean {
    const wallet = slot.boot?.kms.identity.wallet;
    if (!slot.boot || !wallet || !isSurvivable(slot.boot)) return false;
    chain.submit(stopped(wallet, true));
    during(forMs, () => chain.submit(stopped(wallet, false)));
    return true;
  }

  /** Each link is clogged a step after the one before, and let go in the other order. */
  function clog({ links, stepMs, freed }: Extract<Fault, { kind: 'clog' }>): boolean {
    links.forEach(([from, to], index) => {
      const forMs = stepMs * (links.length - index + freed.indexOf(index));
      timeline.after(stepMs * index, () => block([network.link(from, to)], 'clogs', forMs));
    });
    return true;
  }

  /** Adds to what is wrong with a slot, and takes it away again: faults of one kind may overlap. */
  function lasting(slot: Slot, forMs: number, change: (sign: 1 | -1) => void): boolean {
    if (!slot.boot) return false;
    change(1);
    during(forMs, () => change(-1));
    return true;
  }

  function apply(fault: Fault): boolean {
    const slot = 'slot' in fault ? (world.slots.get(fault.slot) as Slot) : undefined;
    switch (fault.kind) {
      case 'cut':
        return (block([network.link(fault.from, fault.to)], 'cuts', fault.forMs), true);
      case 'isolate':
        return (block([...between([fault.slot], names()), ...between(names(), [fault.slot])], 'cuts', fault.forMs), true);
      case 'loss':
        return (impair(between(names(), names()), { loss: fault.rate }, fault.forMs), true);
      case 'duplicate':
        return (impair(between(names(), names()), { duplication: fault.rate }, fault.forMs), true);
      case 'slow':
        return (impair(between([fault.slot], names()), { delayMs: { min: 1, max: fault.maxMs } }, fault.forMs), true);
      case 'clog':
        return clog(fault);
      case 'reorg':
        return (chain.reorganise(fault.depth), readiness.mined(), true);
      case 'late_transactions':
        return (chain.holdTransactions(true), during(fault.forMs, () => chain.holdTransactions(false)), true);
      case 'lost_activations':
        return (chain.loseActivations(true), during(fault.forMs, () => chain.loseActivations(false)), true);
      case 'join':
        return world.slots.size < SLOTS_MAX && world.add(fault.slot) !== undefined;
      case 'rotate':
        return (chain.submit(opened), true);
      case 'retire':
        return retire();
      case 'revoke_app': {
        const app = apps.apps[fault.app];
        return app !== undefined && (apps.revoke(app, true), during(fault.forMs, () => apps.revoke(app, false)), true);
      }
      default:
        return slot !== undefined && applyTo(slot, fault);
    }
  }

  function applyTo(slot: Slot, fault: Fault): boolean {
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
        return false;
    }
  }

  return {
    counts,
    inject(fault) {
      const isDone = apply(fault);
      const name = isDone ? fault.kind : 'spared';
      counts.set(name, (counts.get(name) ?? 0) + 1);
      world.trace.note(`${isDone ? 'fault' : 'spared'} ${JSON.stringify(fault)}`);
    },
    healAll() {
      for (const end of [...ends]) end();
      network.healAll();
    },
  };
}
