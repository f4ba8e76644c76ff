/**
 * The main for workerd. The host forbids randomness and network while a module loads, so the node is made on its first
 * event; that node is the only thing kept between events.
 */
import { parseConfig } from '../core/config.ts';
import { createNode } from './boot.ts';
import type { Node } from './boot.ts';

let node: Node | undefined;

function nodeOf(settings: unknown): Node {
  node ??= createNode(parseConfig(settings), (line) => console.log(line));
  return node;
}

export default {
  fetch: (request: Request, settings: unknown): Promise<Response> => nodeOf(settings).fetch(request),
  scheduled: (_event: unknown, settings: unknown): Promise<void> => nodeOf(settings).tick(),
};
