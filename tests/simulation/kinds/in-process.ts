/** A node in the test's own process, made of the same parts as the binary and on a real port. */
import { parseConfig } from '../../../core/config.ts';
import { createWasmRecover } from '../../../core/crypto/recover-wasm.ts';
import { STOP_MS_MAX } from '../../../core/limits.ts';
import { createDial } from '../../../core/platform/dial.ts';
import { createLog, systemClock } from '../../../core/platform/system.ts';
import { createNode } from '../../../functions/boot.ts';
import { startServer } from '../../../functions/server.ts';
import { runTicks } from '../../../functions/ticks.ts';
import { noteLine } from '../../secrecy/recorder.ts';
import type { RunningNode, RunOptions } from '../node.ts';

export async function runInProcess({ name, profile, rpcUrl, odynUrl, port, heard }: RunOptions): Promise<RunningNode> {
  const config = parseConfig({ PROFILE: profile, ODYN_URL: odynUrl, RPC_URL: rpcUrl });
  const ending = new AbortController();
  // What a stopped node still says, nobody hears; a process that ended says nothing either.
  const write = (line: string): void => {
    noteLine(name, line);
    if (!ending.signal.aborted) heard(line);
  };
  const node = createNode(config, write, {
    recover: await createWasmRecover(),
    dial: createDial({ hosts: config.profile.peerUrls.hosts }),
  });
  const log = createLog(write, systemClock);
  const listen = { host: '127.0.0.1', port };
  const server = await startServer({ answer: node.fetch, listen, clock: systemClock, log });
  void runTicks({ node, tickMs: config.profile.tickMs, clock: systemClock, log, signal: ending.signal });
  return {
    async stop() {
      ending.abort();
      await server.stop(STOP_MS_MAX);
    },
  };
}
