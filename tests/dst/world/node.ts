/** One node of the simulated cluster: the real `createKms`, its handlers and its ticks, on virtual ports. A crash ends all that it had begun. */
import { Refusal } from '../../../core/errors.ts';
import { createKms } from '../../../core/kms.ts';
import { createApi } from '../../../functions/api.ts';
import { runTicks } from '../../../functions/ticks.ts';
import { profile, START_MS } from '../../core/fakes.ts';
import type { Kms } from '../../../core/kms.ts';
import type { NetworkProfile } from '../../../core/networks.ts';
import type { Clock, Fetch, Log } from '../../../core/ports.ts';
import type { Endpoint } from './chain.ts';
import type { World } from './world.ts';

export const CLUSTER_PROFILE: NetworkProfile = {
  ...profile,
  confirmationBlocks: 2,
  headAgeMaxMs: 24_000,
  tickMs: 2_000,
  proposalWindowBlocks: 6,
};

/** A place for a node: its URL, its endpoint, its enclave's clock and Odyn. What runs there comes and goes. */
export interface Slot {
  readonly name: string;
  readonly origin: string;
  readonly rpc: Endpoint;
  skewMs: number;
  /** By how many faults its Odyn does not answer now. */
  odynDowns: number;
  /** Names the enclave: another one has another wallet. */
  enclave: string;
  boot: Boot | undefined;
  /** Nothing will run here any more. */
  isGone: boolean;
}

/** One boot of a node, until it is killed. */
export interface Boot {
  readonly slot: Slot;
  readonly name: string;
  readonly kms: Kms;
  readonly api: (request: Request) => Promise<Response>;
  readonly startedAtMs: number;
  isAlive: boolean;
  /** Sleeps and calls that have not ended. */
  readonly pending: () => number;
  nowMs(): number;
}

/** Odyn answers at once mostly. */
const SLOW_ODYN = 0.05;

export function bootNode(world: World, slot: Slot, number: number): Boot {
  const { timeline, platform, chain } = world;
  const dice = world.dice.fork(`boot ${number} of ${slot.name}`);
  let pending = 0;
  /** Resolves into a live node only; the timeline calls it. */
  const reach = (act: () => void): void => {
    if (!boot.isAlive) return;
    world.touch(boot);
    act();
  };

  const clock: Clock = {
    nowMs: () => START_MS + timeline.nowMs() + slot.skewMs,
    elapsedMs: () => timeline.nowMs(),
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        if (signal?.aborted) return reject(signal.reason as Error);
        pending += 1;
        const settle = (how: () => void) => {
          pending -= 1;
          how();
        };
        const cancel = timeline.after(ms, () => {
          signal?.removeEventListener('abort', onAbort);
          reach(() => settle(resolve));
        });
        const onAbort = (): void => {
          cancel();
          settle(() => reject(signal?.reason as Error));
        };
        signal?.addEventListener('abort', onAbort, { once: true });
      }),
  };

  async function odyn(): Promise<void> {
    if (dice.chance(SLOW_ODYN)) await clock.sleep(dice.between(1, 40));
    if (slot.odynDowns > 0) throw new Refusal('odyn_unavailable', 'Odyn is down');
  }

  const fetch: Fetch = (request, { timeoutMs, bodyBytesMax }) =>
    new Promise((resolve, reject) => {
      pending += 1;
      let isOver = false;
      const settle = (how: () => void): void => {
        if (isOver) return;
        isOver = true;
        cancel();
        reach(() => {
          pending -= 1;
          how();
        });
      };
      const cancel = timeline.after(timeoutMs, () => settle(() => reject(new Refusal('outbound_timeout', 'no answer'))));
      world.exchange(slot, request, (answer) =>
        settle(() => {
          if (!answer) reject(new Refusal('outbound_failed'));
          else if (answer.body.length > bodyBytesMax) reject(new Refusal('outbound_too_large', `over ${bodyBytesMax} bytes`));
          else resolve(answer);
        }),
      );
    });

  const { wallet, teePubkey, signer, box, attester } = platform.enclave(slot.enclave, odyn, clock.nowMs);
  const log: Log = (event, fields) => world.logged(slot, event, fields);
  const kms = createKms({
    identity: { wallet, teePubkey },
    profile: CLUSTER_PROFILE,
    clock,
    random: dice,
    signer,
    recover: platform.recover,
    box,
    attester,
    chain: tapped(chain.endpoint(slot.rpc), reach),
    fetch,
    log,
  });
  const boot: Boot = {
    slot,
    name: `${slot.name}#${number}`,
    kms,
    api: createApi(kms),
    startedAtMs: timeline.nowMs(),
    isAlive: true,
    pending: () => pending,
    nowMs: clock.nowMs,
  };
  // Of this boot alone: what waits for it goes with it.
  const never = new AbortController().signal;
  const tick = async (): Promise<void> => void (await Promise.all([kms.admission.tick(), kms.replication.tick()]));
  // Neighbours do not tick at the same moment.
  timeline.after(dice.between(1, CLUSTER_PROFILE.tickMs), () =>
    reach(() => void runTicks({ node: { tick, obstacle: () => undefined }, tickMs: CLUSTER_PROFILE.tickMs, clock, log, signal: never })),
  );
  return boot;
}

/** A chain whose answers reach live nodes only. */
function tapped<Port extends object>(port: Port, reach: (act: () => void) => void): Port {
  const wrap =
    (method: (...args: unknown[]) => Promise<unknown>) =>
    (...args: unknown[]) =>
      new Promise((resolve, reject) => {
        method(...args).then(
          (value) => reach(() => resolve(value)),
          (error: unknown) => reach(() => reject(error as Error)),
        );
      });
  return Object.fromEntries(Object.entries(port).map(([name, method]) => [name, wrap(method as never)])) as Port;
}
