/** Judges of nodes as a whole: with which secret they serve, when they say that they have all data, and whom they still talk to. */
import * as limits from '../../core/limits.ts';
import { revocationBoundMs } from '../../core/auth/caller.ts';
import { STATES } from '../core/fakes.ts';
import { hold } from './invariants.ts';
import { isLater } from './ledger.ts';
import { CLUSTER_PROFILE } from './node.ts';
import type { EventFields } from '../../core/events.ts';
import type { Hash, Wallet } from '../../core/identity.ts';
import type { Known } from './ledger.ts';
import type { Boot, Slot } from './node.ts';
import type { World } from './world.ts';

export interface Readiness {
  began(boot: Boot): void;
  mined(): void;
  installed(slot: Slot, fields: EventFields['secret.installed']): void;
  /** A node answered what a peer had signed or sealed. */
  admitted(boot: Boot, peer: Wallet, receivedAtMs: number): void;
  observe(boot: Boot): void;
  /** A fault of the network, the chain, a clock or an enclave begins, or ends. */
  fault(isOn: boolean): void;
  /** Since when nothing has been wrong. */
  calmSinceMs(): number;
  /** Since when a wallet is no live operator at the head; `undefined` while it is. */
  outSinceMs(wallet: Wallet): number | undefined;
}

interface Held {
  readonly by: Boot;
  readonly known: Known;
}

/** Clocks of nodes are set by so much at most while the bound is judged. */
const SKEW_MS = 8_000;

export function createReadiness(world: World): Readiness {
  const { chain, timeline } = world;
  const hashes = new Map<number, Set<string>>();
  const outSinceMs = new Map<Wallet, number>();
  /** What ready nodes held when a node began. */
  const baselines = new Map<Boot, Held[]>();
  const ready = new Set<Boot>();
  let faults = 0;
  let calmSinceMs = 0;

  const isDataReady = ({ kms }: Boot) => kms.admission.gate().kind === 'serving' && kms.replication.gate().kind === 'serving';

  function judgeData(boot: Boot): void {
    const tookMs = timeline.nowMs() - boot.startedAtMs;
    if (faults > 0 || calmSinceMs > boot.startedAtMs || tookMs > limits.CATCH_UP_MS_MAX) return;
    const { held } = world.ledger.shelf(boot);
    for (const { by, known } of baselines.get(boot) ?? []) {
      if (!by.isAlive || world.ledger.shelf(by).hasForgotten) continue;
      const mine = held.get(known.place);
      const gone = world.ledger.collected.get(known.place);
      const isThere = [mine, gone].some((each) => each === known || (each !== undefined && isLater(each, known)));
      hold('I13', isThere, () => `${boot.name} is ready without ${known.place} ${known.version} of ${by.name}`);
    }
  }

  return {
    began(boot) {
      const held = world.running().filter((other) => other !== boot && isDataReady(other));
      baselines.set(
        boot,
        held.flatMap((by) => [...world.ledger.shelf(by).held.values()].map((known) => ({ by, known }))),
      );
    },
    mined() {
      const { epochs, operators } = chain.head();
      for (const { id, state, secretHash } of epochs)
        if (state !== STATES.open) hashes.set(Number(id), (hashes.get(Number(id)) ?? new Set()).add(secretHash));
      for (const { wallet, live } of operators) {
        const known = wallet as Wallet;
        if (live) outSinceMs.delete(known);
        else if (!outSinceMs.has(known)) outSinceMs.set(known, timeline.nowMs());
      }
    },
    installed(slot, { epoch, hash }) {
      hold('I23', hashes.get(epoch)?.has(hash) ?? false, () => `${slot.name} installed ${hash} as epoch ${epoch}`);
    },
    admitted(boot, peer, receivedAtMs) {
      const sinceMs = outSinceMs.get(peer);
      const boundMs = CLUSTER_PROFILE.headAgeMaxMs + CLUSTER_PROFILE.tickMs + SKEW_MS;
      const isLate = sinceMs !== undefined && receivedAtMs - sinceMs > boundMs;
      hold('I17', !isLate || boot.slot.skewMs !== 0, () => `${boot.name} answered ${peer}, out for ${receivedAtMs - (sinceMs ?? 0)} ms`);
    },
    observe(boot) {
      const gate = boot.kms.admission.gate();
      if (gate.kind === 'serving') {
        const named = [...(hashes.get(gate.epoch) ?? [])];
        const isRight = named.some((hash) => boot.kms.vault.holdsExactly(gate.epoch, hash as Hash));
        hold('I13', isRight, () => `${boot.name} serves epoch ${gate.epoch} with another secret than the chain's`);
      }
      if (!isDataReady(boot)) return void ready.delete(boot);
      if (ready.has(boot)) return;
      ready.add(boot);
      judgeData(boot);
    },
    fault(isOn) {
      faults += isOn ? 1 : -1;
      if (faults === 0) calmSinceMs = timeline.nowMs();
    },
    calmSinceMs: () => (faults > 0 ? Infinity : calmSinceMs),
    outSinceMs: (wallet) => outSinceMs.get(wallet),
  };
}

export const APP_BOUND_MS = revocationBoundMs(CLUSTER_PROFILE) + SKEW_MS;
