/**
 * Apps that write without pause while a world has its faults: one writer for each app and node, on keys that all of them share, through the
 * real client. What they were told stands in the ledger; what they read right after a write at the same node is judged at once.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient, KmsError, odyn, parseProfile } from '../../core/client/main.ts';
import { createLedger, valueOf } from './data-ledger.ts';
import type { KmsClient } from '../../core/client/main.ts';
import type { App, Member, World } from '../simulation/world.ts';
import type { Found, Ledger, Write } from './data-ledger.ts';

export interface Wanted {
  readonly kind?: Write['kind'];
  readonly ttlMs?: number;
  readonly ifVersion?: string | null;
  readonly minReplicas?: number | 'majority';
  readonly bytes?: number;
}

export interface Failure {
  readonly node: string;
  readonly atMs: number;
  readonly doing: 'write' | 'read';
  readonly code: string;
  readonly message: string;
}

export interface Writers {
  readonly ledger: Ledger;
  /** Calls that ended with an error, but for a condition that did not hold. */
  readonly failures: readonly Failure[];
  /** Reads that did not see what their node had acknowledged. */
  readonly staleReads: readonly string[];
  clientOf(app: App): KmsClient;
  /** One write at one node, noted. Does not throw for what a client is told. */
  write(app: App, member: Member, key: string, wanted?: Wanted): Promise<Write>;
  /** Until nothing is under way any more. */
  pause(): Promise<void>;
  resume(): void;
  reads(): number;
}

const KEYS_OF_APP = 24;
const PAUSE_MS = 250;
/** After a call that failed, as whoever waits for a node would. */
const PATIENCE_MS = 400;
/** Short, so that what is written dies within the test. */
const TTL_MS_MAX = 2_000;
/** Longer than a node takes for a request on a machine that is very busy; one that is dead refuses at once. */
const CALL = { attemptMs: 12_000, callMs: 15_000 };

export function createWriters(world: World, seed: number): Writers {
  const ledger = createLedger();
  const failures: Failure[] = [];
  const staleReads: string[] = [];
  const clients = new Map(
    world.apps.map((app) => [
      app,
      createClient({ profile: parseProfile(world.profile), chain: world.chain.rpcUrl, keys: odyn(app.odyn.url) }),
    ]),
  );
  let loops: Promise<void>[] = [];
  let isPaused = true;
  let count = 0;
  let reads = 0;

  function clientOf(app: App): KmsClient {
    const client = clients.get(app);
    if (!client) throw new Error(`${app.name} came later`);
    return client;
  }

  function failed(doing: Failure['doing'], { name: node }: Member, error: unknown): KmsError {
    if (!(error instanceof KmsError)) throw error;
    failures.push({ node, doing, code: error.code, message: error.message, atMs: Date.now() });
    return error;
  }

  async function write(app: App, member: Member, key: string, wanted: Wanted = {}): Promise<Write> {
    const { kind = 'put', ttlMs, ifVersion, minReplicas, bytes = 0 } = wanted;
    const id = `w${(count += 1)}`;
    const isConditional = ifVersion !== undefined;
    const noted = ledger.note({ id, app: app.name, key, kind, node: member.name, isConditional, ttlMs, outcome: 'under way' });
    const options = { ...CALL, node: member.node.odyn.wallet, ...(isConditional && { ifVersion }), ...(minReplicas && { minReplicas }) };
    try {
      const { kv } = clientOf(app);
      const done =
        kind === 'put'
          ? await kv.put(key, valueOf(id, bytes), { ...options, ...(ttlMs !== undefined && { ttlMs }) })
          : { expiresAtMs: null, ...(await kv.delete(key, options)) };
      const { version, updatedAtMs, replicas, isReplicated, expiresAtMs } = done;
      return Object.assign(noted, { outcome: 'acknowledged' as const, version, updatedAtMs, replicas, isReplicated, expiresAtMs });
    } catch (error) {
      const { reason, code } = error instanceof KmsError ? error : failed('write', member, error);
      // A conditional write that lost to a concurrent one was done and is over: it may have been read meanwhile.
      const isRefused = code === 'refused' || ['bad_argument', 'node_not_live', 'no_live_node', 'no_answer'].includes(code);
      if (reason !== 'version_conflict') failed('write', member, error);
      return Object.assign(noted, { outcome: isRefused && reason !== 'version_conflict' ? ('refused' as const) : ('unknown' as const) });
    }
  }

  async function read(app: App, member: Member, key: string): Promise<{ readonly found: Found } | undefined> {
    try {
      reads += 1;
      return { found: await clientOf(app).kv.get(key, { ...CALL, node: member.node.odyn.wallet }) };
    } catch (error) {
      failed('read', member, error);
      return undefined;
    }
  }

  async function act(app: App, member: Member, draw: (below: number) => number): Promise<void> {
    const key = `shared/${draw(KEYS_OF_APP)}`;
    const wallet = member.node.odyn.wallet;
    const dice = draw(20);
    const minReplicas = ([1, 2, undefined, 'majority'] as const)[draw(4)];
    const wanted = { bytes: draw(40) === 0 ? 60_000 : draw(400), ...(minReplicas && { minReplicas }) };
    let written: Write;
    if (dice < 11) written = await write(app, member, key, wanted);
    else if (dice < 14) written = await write(app, member, key, { ...wanted, ttlMs: 1 + draw(TTL_MS_MAX) });
    else if (dice < 17) written = await write(app, member, key, { ...wanted, kind: 'delete' });
    else {
      const seen = await read(app, member, key);
      if (!seen) return;
      const ifVersion = seen.found?.version ?? null;
      written = await write(app, member, key, { ...wanted, ifVersion, kind: ifVersion !== null && dice === 19 ? 'delete' : 'put' });
    }
    if (written.outcome !== 'acknowledged' || draw(3) > 0) return;
    const after = await read(app, member, key);
    // A new enclave, or a node that started again, never acknowledged it.
    const complaint = after && wallet === member.node.odyn.wallet ? ledger.complaintOfRead(written, after.found) : undefined;
    if (complaint) staleReads.push(complaint);
  }

  async function loop(app: App, member: Member, draw: (below: number) => number): Promise<void> {
    while (!isPaused) {
      const failedBefore = failures.length;
      await act(app, member, draw);
      await sleep(failures.slice(failedBefore).some(({ node }) => node === member.name) ? PATIENCE_MS : PAUSE_MS / 2 + draw(PAUSE_MS));
    }
  }

  return {
    ledger,
    failures,
    staleReads,
    clientOf,
    write,
    async pause() {
      isPaused = true;
      await Promise.all(loops);
      loops = [];
    },
    resume() {
      isPaused = false;
      for (const app of world.apps)
        for (const member of world.members) loops.push(loop(app, member, drawing(seed + loops.length * 7_919 + count)));
    },
    reads: () => reads,
  };
}

/** Xorshift: the same draws for the same seed. */
function drawing(seed: number): (below: number) => number {
  let state = seed | 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}
