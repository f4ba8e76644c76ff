/** The whole of a run: time, chain, network, platform and nodes, and what it takes to start, stop and connect them. */
import { utf8 } from '../../../core/wire/bytes.ts';
import { answerOf, START_MS } from '../../core/fakes.ts';
import { createVirtualChain, registered } from './chain.ts';
import { hold } from '../judges/invariants.ts';
import { createLedger } from '../judges/ledger.ts';
import { createNetwork } from './network.ts';
import { bootNode, CLUSTER_PROFILE } from './node.ts';
import { createPlatform } from './platform.ts';
import { createReadiness } from '../judges/readiness.ts';
import { createTimeline } from './timeline.ts';
import { createTrace } from './trace.ts';
import { createTrails } from '../judges/trails.ts';
import type { EventFields, EventName } from '../../../core/events.ts';
import type { OutboundAnswer, OutboundRequest } from '../../../core/ports.ts';
import type { VirtualChain } from './chain.ts';
import type { Dice } from './dice.ts';
import type { Ledger } from '../judges/ledger.ts';
import type { Network } from './network.ts';
import type { Boot, Slot } from './node.ts';
import type { Platform } from './platform.ts';
import type { Readiness } from '../judges/readiness.ts';
import type { Timeline } from './timeline.ts';
import type { Trace } from './trace.ts';
import type { Trails } from '../judges/trails.ts';

export interface World {
  readonly dice: Dice;
  readonly timeline: Timeline;
  readonly chain: VirtualChain;
  readonly network: Network;
  readonly platform: Platform;
  readonly ledger: Ledger;
  readonly readiness: Readiness;
  readonly trails: Trails;
  readonly trace: Trace;
  readonly slots: ReadonlyMap<string, Slot>;
  running(): Boot[];
  /** A place for a node, registered on the chain, with a node that has just started. */
  add(name: string): Slot;
  start(slot: Slot): void;
  kill(slot: Slot): void;
  /** Something happened in that node: its store is looked at once that has come to rest. */
  touch(boot: Boot): void;
  logged<Name extends EventName>(slot: Slot, event: Name, fields: EventFields[Name]): void;
  /** A request of a node to whoever has that URL; `undefined`: nobody answers there. */
  exchange(from: Slot, request: OutboundRequest, done: (answer: OutboundAnswer | undefined) => void): void;
  /** Ends the run with what `act` throws, wherever it is called. */
  judge(act: () => void): void;
  /** Throws when bytes that anybody could see hold a secret, or a value. */
  seen(where: string, bytes: Uint8Array): void;
}

/** Stands in every value. */
export const VALUE_MARK = 'planted value';
/** How every value begins as base64, in which apps send and get it: whole groups of three bytes. */
const VALUE_HEAD = Buffer.from(`{"mark":"${VALUE_MARK}`).subarray(0, 21).toString('base64');
const BLOCK_MS = 2_000;

export function createWorld(dice: Dice, isTraced: boolean): World {
  const timeline = createTimeline();
  const platform = createPlatform(dice.fork('platform'));
  const { chainId, confirmationBlocks } = CLUSTER_PROFILE;
  const chain = createVirtualChain({
    ...{ timeline, startMs: START_MS, confirmationBlocks, chainId, recover: platform.recover },
  });
  const network = createNetwork(timeline, dice.fork('network'));
  const trace = createTrace(timeline.nowMs, isTraced);
  const trails = createTrails();
  const slots = new Map<string, Slot>();
  const touched = new Set<Boot>();
  const endpointDice = dice.fork('endpoints');
  let boots = 0;

  const world: World = {
    ...{ dice, timeline, chain, network, platform, trace, trails, slots },
    get ledger() {
      return ledger;
    },
    get readiness() {
      return readiness;
    },
    running: () => [...slots.values()].flatMap(({ boot }) => (boot?.isAlive ? [boot] : [])),
    add(name) {
      const rpc = { downs: 0, lagBlocks: 0, latencyMs: () => endpointDice.between(1, 15) };
      const slot: Slot = {
        name,
        origin: `https://${name}.nova.example`,
        rpc,
        skewMs: 0,
        odynDowns: 0,
        enclave: name,
        boot: undefined,
        isGone: false,
      };
      slots.set(name, slot);
      world.start(slot);
      return slot;
    },
    start(slot) {
      boots += 1;
      const boot = bootNode(world, slot, boots);
      slot.boot = boot;
      const { wallet, teePubkey } = boot.kms.identity;
      chain.submit(registered(wallet, teePubkey, slot.origin));
      trace.note(`${boot.name} started`);
      readiness.began(boot);
    },
    kill(slot) {
      if (!slot.boot) return;
      trace.note(`${slot.boot.name} killed`);
      slot.boot.isAlive = false;
      slot.boot = undefined;
    },
    touch: (boot) => void touched.add(boot),
    logged(slot, event, fields) {
      const text = JSON.stringify(fields);
      trace.note(`${slot.name} ${event} ${text}`);
      // In the middle of the node's own work, which might catch what is thrown here.
      world.judge(() => {
        world.seen(`log of ${slot.name}`, utf8(text));
        const isInternal = event === 'request.failed' || ('reason' in fields && fields.reason === 'internal');
        hold('I0', !isInternal, () => `${slot.name}: ${event} ${text}`);
        if (event === 'secret.installed') readiness.installed(slot, fields as EventFields['secret.installed']);
        // While a node is made it has no boot yet, and records nothing of these.
        if (!slot.boot) return;
        if (event === 'audit.recorded') trails.recorded(slot.boot, (fields as EventFields['audit.recorded']).record);
        if (event === 'secret.installed') trails.judgeHandover(slot.boot, fields as EventFields['secret.installed']);
        if (event === 'peer.unreachable') readiness.unreached(slot, fields as EventFields['peer.unreachable']);
      });
    },
    judge(act) {
      try {
        act();
      } catch (error) {
        timeline.fail(error);
      }
    },
    exchange(from, { url, body, headers = {} }, done) {
      const target = [...slots.values()].find(({ origin }) => url.startsWith(`${origin}/`));
      const bytes = typeof body === 'string' ? utf8(body) : (body ?? new Uint8Array(0));
      const wallet = from.boot?.kms.identity.wallet;
      world.judge(() => world.seen(`wire from ${from.name}`, bytes));
      if (!target) return void timeline.after(1, () => done(undefined));
      network.carry(from.name, target.name, () => {
        const { boot } = target;
        if (!boot) return network.carry(target.name, from.name, () => done(undefined));
        touched.add(boot);
        const receivedAtMs = timeline.nowMs();
        const told = (answer: OutboundAnswer): void => {
          if (!boot.isAlive) return;
          trace.note(
            `${from.name} > ${target.name} ${url.slice(target.origin.length)} ${bytes.length} ${answer.status} ${answer.body.length}`,
          );
          world.seen(`wire from ${target.name}`, answer.body);
          if (answer.status === 200 && wallet && url.endsWith('/sync')) readiness.admitted(boot, wallet, receivedAtMs);
          network.carry(target.name, from.name, () => done(answer));
        };
        answerOf(boot.kms, url, bytes, headers).then(told).catch(timeline.fail);
      });
    },
    seen(where, bytes) {
      const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      const found =
        view.includes(VALUE_MARK) ||
        view.includes(VALUE_HEAD) ||
        platform.secrets.some((secret) => view.includes(secret) || view.includes(secret, 'hex'));
      hold('I16', !found, () => where);
    },
  };
  const ledger = createLedger(world);
  const readiness = createReadiness(world);
  const mine = (): void => {
    chain.mine();
    readiness.mined();
    timeline.after(BLOCK_MS, mine);
  };
  mine();
  timeline.onRest = () => {
    for (const boot of touched) {
      if (!boot.isAlive) continue;
      ledger.observe(boot);
      readiness.observe(boot);
    }
    touched.clear();
  };
  return world;
}
