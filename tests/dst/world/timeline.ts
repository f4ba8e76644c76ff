/**
 * Virtual time. Events happen one after the other, by their time and then by the order in which they were planned; whatever an event
 * sets going has come to rest before the next one happens. So a run is the same however fast the machine is.
 */

export interface Timeline {
  /** Milliseconds since the start of the run. */
  nowMs(): number;
  /** Plans an event; what it answers takes the event back. */
  after(delayMs: number, act: () => void): () => void;
  /** Lets time pass until then. What an event throws ends the run. */
  run(untilMs: number): Promise<void>;
  /** Called whenever what an event set going has come to rest. */
  onRest: () => void;
  /** Ends the run with that error, also from where somebody would catch what is thrown. */
  fail(error: unknown): void;
}

interface Planned {
  readonly atMs: number;
  readonly order: number;
  act: (() => void) | undefined;
}

/** Between two events the host's queue of microtasks is emptied; so many events share one turn of its loop. */
const EVENTS_PER_TURN = 64;

export function createTimeline(): Timeline {
  const heap: Planned[] = [];
  let nowMs = 0;
  let order = 0;
  let failure: { readonly error: unknown } | undefined;

  const isBefore = (a: Planned, b: Planned) => a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);

  function push(item: Planned): void {
    let at = heap.push(item) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(item, heap[parent] as Planned)) break;
      heap[at] = heap[parent] as Planned;
      at = parent;
    }
    heap[at] = item;
  }

  function pop(): Planned {
    const top = heap[0] as Planned;
    const last = heap.pop() as Planned;
    if (heap.length === 0) return top;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Planned, heap[child] as Planned)) child += 1;
      if (!isBefore(heap[child] as Planned, last)) break;
      heap[at] = heap[child] as Planned;
      at = child;
    }
    heap[at] = last;
    return top;
  }

  /** False when nothing is left to happen until then. */
  function step(untilMs: number): boolean {
    timeline.onRest();
    if (failure) throw failure.error;
    while (heap[0] && heap[0].act === undefined) pop();
    if (!heap[0] || heap[0].atMs > untilMs) return false;
    const { atMs, act } = pop();
    nowMs = atMs;
    act?.();
    return true;
  }

  function turn(untilMs: number): Promise<boolean> {
    return new Promise((resolve, reject) => {
      let goesOn = true;
      const one = (): void => {
        try {
          goesOn = goesOn && step(untilMs);
        } catch (error) {
          goesOn = false;
          reject(error as Error);
        }
      };
      for (let event = 0; event < EVENTS_PER_TURN; event += 1) setImmediate(one);
      setImmediate(() => resolve(goesOn));
    });
  }

  const timeline: Timeline = {
    nowMs: () => nowMs,
    after(delayMs, act) {
      const item: Planned = { atMs: nowMs + Math.max(0, delayMs), order: (order += 1), act };
      push(item);
      return () => {
        item.act = undefined;
      };
    },
    async run(untilMs) {
      while (await turn(untilMs));
      nowMs = Math.max(nowMs, untilMs);
    },
    onRest: () => {},
    fail: (error) => void (failure ??= { error }),
  };
  return timeline;
}
