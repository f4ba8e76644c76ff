/** The timer of a host that has none of its own for ticks, and what it sees of a node that cannot start. */
import { withDeadline } from '../core/deadline.ts';
import { Refusal } from '../core/errors.ts';
import { BOOT_MS_MAX, TICK_MS_MAX } from '../core/limits.ts';
import type { Clock, Log } from '../core/ports.ts';
import type { Node } from './boot.ts';

export interface Ticking {
  readonly node: Pick<Node, 'tick' | 'obstacle'>;
  readonly tickMs: number;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/**
 * One tick after the other, never two at once, until the signal; what one of them throws is logged. Resolves early with the
 * reason for which there will be no node: no wallet, or no Odyn in all this time.
 */
export async function runTicks({ node, tickMs, clock, log, signal }: Ticking): Promise<Refusal | undefined> {
  let isLate = false;
  const onLate = () => {
    isLate = true;
  };
  // By a timer, not by the time of day: an enclave's clock is set while it boots.
  void clock.sleep(BOOT_MS_MAX, signal).then(onLate, () => undefined);
  while (!signal.aborted) {
    await withDeadline(clock, TICK_MS_MAX, 'deadline_exceeded', node.tick()).catch((error: unknown) => {
      const { reason, detail } = error instanceof Refusal ? error : new Refusal('internal', String(error));
      log('tick.failed', { reason, detail });
    });
    const obstacle = node.obstacle();
    if (obstacle && (isLate || obstacle.reason === 'zero_wallet')) return obstacle;
    await clock.sleep(tickMs, signal).catch(() => undefined);
  }
  return undefined;
}
