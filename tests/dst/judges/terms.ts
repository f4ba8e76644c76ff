/**
 * Judges what the answer to a write tells of it: on how many nodes it lies, what came later, what it was done over, when it ends, and why
 * it was refused.
 */
import { usableBlocks } from '../../../core/chain/view.ts';
import { APP_QUOTA_BYTES, REPLICAS_MS_MAX } from '../../../core/limits.ts';
import { hold } from './invariants.ts';
import { isLater } from './known.ts';
import type { Began, Fields } from './answers.ts';
import type { Known } from './known.ts';
import type { Reads } from './reads.ts';
import type { Boot } from '../world/node.ts';
import type { Operation } from '../world/schedule.ts';
import type { World } from '../world/world.ts';

export interface Terms {
  done(began: Began, op: 'put' | 'delete', status: number, told: Fields): void;
  refused(began: Began, status: number, told: Fields): void;
  /** When the app has the answer: that no more nodes are told than those that hold it, and what took its place. */
  counted(known: Known, told: Fields, nodes: number, boot: Boot): void;
}

/** How many members there are in the eyes of a node: by the chain, and by its last tick. */
export interface Members {
  readonly onChain: number;
  readonly atTick: number;
}

export function membersOf({ kms: { view, replication } }: Boot): Members {
  const onChain = usableBlocks(view)?.confirmed.operators.filter(({ live }) => live).length ?? 1;
  return { onChain, atTick: 1 + replication.report().peers.length };
}

function wantedOf({ minReplicas }: Operation, members: number): number {
  if (minReplicas === 'majority') return Math.floor(members / 2) + 1;
  return minReplicas ?? Math.min(2, members);
}

export function createTerms(world: World, { isExpired }: Pick<Reads, 'isExpired'>): Terms {
  const { ledger, timeline } = world;

  /** What can be written over as if nothing were there. */
  function isFree(boot: Boot, known: Known): boolean {
    const { over, nodeMs } = known.holders.get(boot) ?? { over: undefined, nodeMs: 0 };
    if (!over || over.kind === 'tombstone') return true;
    return over.expiresAtMs !== 0 && (over.expiresAtMs <= nodeMs || ledger.shelf(boot).deadSinceMs.has(over.version));
  }

  /** As many nodes as were asked for, or it was waited for them; members may have come or gone meanwhile. */
  function judgeReplicas({ boot, operation, atMs, members }: Began, status: number, told: Fields): void {
    const now = membersOf(boot);
    const replicas = Number(told['replicas']);
    const least = wantedOf(operation, Math.min(members.onChain, now.onChain));
    hold('I2', status !== 200 || replicas >= least, () => `${boot.name} answered 200 for ${replicas} replicas of ${least}`);
    const most = wantedOf(operation, Math.max(members.onChain, now.onChain));
    const isMissed = most > Math.min(members.atTick, now.atTick);
    const waitedMs = timeline.nowMs() - atMs;
    const isEarly = status === 202 && !isMissed && waitedMs < REPLICAS_MS_MAX;
    hold('I27', !isEarly, () => `${boot.name} waited ${waitedMs} ms for ${most} replicas and had ${replicas}`);
  }

  /** By the node's clock when it was written. */
  function judgeEnd({ boot, operation: { ttlMs } }: Began, told: Fields, known: Known): void {
    const nodeMs = known.holders.get(boot)?.nodeMs ?? 0;
    const isRight = known.expiresAtMs === (ttlMs === undefined ? 0 : nodeMs + ttlMs);
    hold('I7', isRight, () => `${boot.name} has ${known.place} end at ${known.expiresAtMs}, written at ${nodeMs} for ${ttlMs} ms`);
    const end = told['expires_at_ms'] ?? 0;
    hold('I27', end === known.expiresAtMs, () => `${boot.name} told of an end at ${String(end)}: it is at ${known.expiresAtMs}`);
  }

  /** A write that was done over what it named. */
  function judgeCondition({ boot, condition }: Began, known: Known): void {
    if (condition === undefined) return;
    const over = known.holders.get(boot)?.over;
    const isMet = condition === null ? isFree(boot, known) : over?.version === condition && !isFree(boot, known);
    hold('I25', isMet, () => `${boot.name} wrote ${known.place} on condition of ${condition} over ${over?.version}`);
  }

  return {
    done(began, op, status, told) {
      const { boot } = began;
      const known = ledger.known(String(told['version']));
      if (!known) return;
      judgeReplicas(began, status, told);
      judgeCondition(began, known);
      const time = told['updated_at_ms'];
      hold('I27', time === known.ms, () => `${boot.name} wrote ${known.place} at ${String(time)}: it was at ${known.ms}`);
      if (op === 'put') judgeEnd(began, told, known);
      else
        hold(
          'I27',
          told['existed'] === !isFree(boot, known),
          () => `${boot.name} deleted ${known.place}: existed ${String(told['existed'])}`,
        );
    },
    refused(began, status, told) {
      const { boot, app, operation, held, condition } = began;
      const current = told['current_version'];
      const isMet = status === 412 && current === condition;
      hold('I25', !isMet, () => `${boot.name} refused ${operation.key} on condition of ${condition}, which is there`);
      const { used_bytes: used, needed_bytes: needed } = told;
      const isRoom = told['reason'] === 'quota_exceeded' && Number(used) + Number(needed) <= APP_QUOTA_BYTES;
      hold('I8', !isRoom, () => `${boot.name} had ${String(used)} bytes of app ${app.appId} and refused ${String(needed)}`);
      if (!held || ledger.shelf(boot).held.get(held.place) !== held) return;
      const isOver = isExpired(held, began) && current === held.version;
      hold('I7', status !== 412 || !isOver, () => `${boot.name} named ${held.place} ${held.version}, which has ended`);
      const isKept = operation.kind === 'delete' && status === 507;
      hold('I8', !isKept, () => `${boot.name} refused to delete ${operation.key} of app ${app.appId}: ${String(told['reason'])}`);
    },
    counted(known, told, nodes, boot) {
      const replicas = Number(told['replicas'] ?? 0);
      hold('I2', nodes >= replicas, () => `${boot.name} counted ${replicas} replicas of ${known.place}, and ${nodes} hold it`);
      const name = told['superseded_by'];
      if (name === undefined) return;
      const later = ledger.known(String(name));
      const isRight = later?.place === known.place && isLater(later, known);
      hold('I27', isRight, () => `${boot.name} told that ${String(name)} took the place of ${known.place} ${known.version}`);
    },
  };
}
