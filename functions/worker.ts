/**
 * The main for workerd. The host forbids randomness and network while a module loads, so the node is made on its first
 * event; that node is the only thing kept between events.
 */
import { parseConfig } from '../core/config.ts';
import { IDLE_AFTER_TICK_MS, PEER_MS_MAX } from '../core/limits.ts';
import { createNode } from './boot.ts';
import type { Node } from './boot.ts';

/** Of the host: work that an event began goes on after its answer only while somebody waits for it. */
interface Event {
  waitUntil(work: Promise<void>): void;
}

let node: Node | undefined;

function nodeOf(settings: unknown): Node {
  node ??= createNode(parseConfig(settings), (line) => console.log(line));
  return node;
}

/** Work first; what is still going on behind it is waited for. */
async function during<T>(event: Event, { idle }: Node, work: Promise<T>, idleMsMax: number): Promise<T> {
  try {
    return await work;
  } finally {
    event.waitUntil(idle(idleMsMax));
  }
}

export default {
  fetch: (request: Request, settings: unknown, event: Event): Promise<Response> =>
    during(event, nodeOf(settings), nodeOf(settings).fetch(request), PEER_MS_MAX),
  scheduled: (_trigger: unknown, settings: unknown, event: Event): Promise<void> =>
    during(event, nodeOf(settings), nodeOf(settings).tick(), IDLE_AFTER_TICK_MS),
};
