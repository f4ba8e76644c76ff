/** The timer of ticks over a clock that a test turns: one at a time, none lost to an error, and an end for a node that cannot start. */
import { describe, expect, it } from 'vitest';
import { Refusal } from '../../core/errors.ts';
import { BOOT_MS_MAX, TICK_MS_MAX } from '../../core/limits.ts';
import { runTicks } from '../../functions/ticks.ts';
import type { Clock } from '../../core/ports.ts';
import type { Ticking } from '../../functions/ticks.ts';

const TICK_MS = 400;

/** Time passes when a test lets it, and stands still while anything else is to be done. */
function createTime() {
  let nowMs = 0;
  const sleepers = new Set<{ readonly atMs: number; readonly wake: () => void }>();
  const clock: Clock = {
    nowMs: () => nowMs,
    elapsedMs: () => nowMs,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        const sleeper = { atMs: nowMs + ms, wake: resolve };
        const abort = (): void => {
          sleepers.delete(sleeper);
          reject(new Error('aborted'));
        };
        if (signal?.aborted) return abort();
        sleepers.add(sleeper);
        signal?.addEventListener('abort', abort, { once: true });
      }),
  };
  const settle = () => new Promise<void>((resolve) => setImmediate(resolve));
  return {
    clock,
    async pass(ms: number): Promise<void> {
      const untilMs = nowMs + ms;
      for (;;) {
        await settle();
        const next = [...sleepers].filter(({ atMs }) => atMs <= untilMs).toSorted((a, b) => a.atMs - b.atMs)[0];
        if (!next) break;
        nowMs = Math.max(nowMs, next.atMs);
        sleepers.delete(next);
        next.wake();
      }
      nowMs = untilMs;
    },
  };
}

function start(tick: () => Promise<void>, obstacle: () => Refusal | undefined = () => undefined) {
  const time = createTime();
  const ending = new AbortController();
  const lines: string[] = [];
  const log: Ticking['log'] = (event, fields) => void lines.push(`${event} ${Object.values(fields).join(' ')}`);
  const ended = runTicks({ node: { tick, obstacle }, tickMs: TICK_MS, clock: time.clock, log, signal: ending.signal });
  return { ...time, ending, lines, ended };
}

describe('ticks', () => {
  it('come at once, and again after each pause', async () => {
    let ticks = 0;
    const { pass, ending, ended } = start(async () => void (ticks += 1));
    await pass(0);
    expect(ticks).toBe(1);
    await pass(10 * TICK_MS);
    expect(ticks).toBe(11);
    ending.abort();
    expect(await ended).toBeUndefined();
    await pass(10 * TICK_MS);
    expect(ticks).toBe(11);
  });

  it('are never two at once, however long one takes', async () => {
    const time = createTime();
    let [running, most, ticks] = [0, 0, 0];
    const tick = async (): Promise<void> => {
      running += 1;
      ticks += 1;
      most = Math.max(most, running);
      await time.clock.sleep(5 * TICK_MS);
      running -= 1;
    };
    const ending = new AbortController();
    const node = { tick, obstacle: () => undefined };
    const ended = runTicks({ node, tickMs: TICK_MS, clock: time.clock, log: () => undefined, signal: ending.signal });
    await time.pass(60 * TICK_MS);
    expect([most, ticks]).toEqual([1, 11]);
    ending.abort();
    await time.pass(10 * TICK_MS);
    await ended;
  });

  it('that throw are logged, and the next one comes', async () => {
    let ticks = 0;
    const { pass, lines } = start(async () => {
      ticks += 1;
      if (ticks === 1) throw new Error('odd');
      if (ticks === 2) throw new Refusal('chain_unreadable', 'no block');
    });
    await pass(2 * TICK_MS);
    expect([ticks, lines]).toEqual([3, ['tick.failed internal Error: odd', 'tick.failed chain_unreadable no block']]);
  });

  it('that never end are given up, and the next one comes', async () => {
    let ticks = 0;
    const { pass, lines } = start(async () => {
      ticks += 1;
      if (ticks === 1) await new Promise(() => undefined);
    });
    await pass(TICK_MS_MAX + TICK_MS);
    expect([ticks, lines.length]).toEqual([2, 1]);
  });
});

describe('a node that cannot start', () => {
  it('X-1 for want of a wallet is the end at once', async () => {
    const { pass, ended } = start(
      async () => undefined,
      () => new Refusal('zero_wallet', 'none'),
    );
    await pass(0);
    expect((await ended)?.reason).toBe('zero_wallet');
  });

  it('X-1 for want of an Odyn is tried again, and is the end after a while', async () => {
    let ticks = 0;
    let result: Refusal | undefined;
    const { pass, ended } = start(
      async () => void (ticks += 1),
      () => new Refusal('odyn_unreachable', 'nobody'),
    );
    void ended.then((obstacle) => (result = obstacle));
    await pass(BOOT_MS_MAX - TICK_MS);
    expect(result).toBeUndefined();
    expect(ticks).toBeGreaterThan(50);
    await pass(2 * TICK_MS);
    expect(result?.reason).toBe('odyn_unreachable');
  });

  it('goes on once it could, however late something fails', async () => {
    let obstacle: Refusal | undefined = new Refusal('odyn_unreachable', 'nobody yet');
    let ticks = 0;
    const { pass } = start(
      async () => void (ticks += 1),
      () => obstacle,
    );
    await pass(BOOT_MS_MAX / 2);
    obstacle = undefined;
    const before = ticks;
    await pass(2 * BOOT_MS_MAX);
    expect(ticks).toBeGreaterThan(before + 100);
  });
});
