/** A node as the enclave binary: a process of its own with this world's profile built in. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { ChildProcessByStdio } from 'node:child_process';
import type { Readable } from 'node:stream';
import { builtBinary } from '../binaries.ts';
import { identify } from '../process-identity.ts';
import { endProcess } from '../processes.ts';
import type { RunningNode, RunOptions } from '../node.ts';

export async function runBinary({ profile, rpcUrl, odynUrl, port, heard, onSpawn }: RunOptions): Promise<RunningNode> {
  const path = await builtBinary({ release: false, profile });
  const env = { NOVA_KMS_LISTEN: `127.0.0.1:${port}`, NOVA_KMS_ODYN_URL: odynUrl, NOVA_KMS_RPC_URL: rpcUrl };
  const child = spawn(path, [], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  if (child.pid !== undefined) onSpawn(child.pid);
  return {
    port: await portOf(child, heard),
    async stop() {
      const identity = child.pid === undefined ? undefined : identify(child.pid);
      if (identity) await endProcess(identity);
    },
  };
}

/** Where it listens, as it says itself. Rejects when it ends first. */
function portOf(child: ChildProcessByStdio<null, Readable, Readable>, heard: (line: string) => void): Promise<number> {
  let last = '';
  return new Promise((resolve, reject) => {
    const onLine = (line: string): void => {
      last = line;
      heard(line);
      const port = /"event":"binary\.listening".*"port":(\d+)/.exec(line)?.[1];
      if (port !== undefined) resolve(Number(port));
    };
    createInterface(child.stdout).on('line', onLine);
    createInterface(child.stderr).on('line', onLine);
    once(child, 'close').then(
      ([code]) => reject(new Error(`the binary ended with ${String(code)}: ${last}`)),
      (error: unknown) => reject(error),
    );
  });
}
