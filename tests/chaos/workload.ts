/**
 * Two apps at every node at a time, through the real client, without pause: writes of all sorts, reads of what was just written and of
 * anything else, keys, and the trust bundle. Everything goes into the history. Each value begins with the id of its write.
 */
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { KmsError } from '../../core/client/main.ts';
import { drawing } from './faults.ts';
import type { KvValue } from '../../core/client/main.ts';
import type { Found } from '../cluster/data-ledger.ts';
import type { Wanted, Writers } from '../cluster/data-writers.ts';
import type { App, World } from '../simulation/world.ts';
import type { Draw } from './faults.ts';
import type { Op, ReadOp, Seen, WriteOp } from './history.ts';
import type { Subject } from './nodes.ts';

export interface Workload {
  readonly ops: readonly Op[];
  /** Errors of calls, by code. */
  readonly errors: ReadonlyMap<string, number>;
  /** Resolves when nothing is under way any more. */
  stop(): Promise<void>;
}

const PAUSE_MS = 80;
const PATIENCE_MS = 400;
const CALL = { attemptMs: 6_000, callMs: 8_000 };
const CA_MS_MAX = 5_000;
/** Keys that all nodes write at once; others come after a while, so that one write of unknown outcome excuses few. */
const SHARED_KEYS = 16;
const SHARED_MS = 20_000;
const PATHS = 5;
const TTL_MS_MAX = 4_000;
const TEXT_BYTES_MAX = 200;
const LARGE_BYTES = 40_000;

export function startWorkload(world: World, subjects: readonly Subject[], writers: Writers, seed: number): Workload {
  const ops: Op[] = [];
  const errors = new Map<string, number>();
  const startedAtMs = Date.now();
  let isStopped = false;
  let count = 0;

  /** Does it, and tells when, and in which memory of the node. */
  async function timed<Result>(subject: Subject, act: () => Promise<Result>) {
    const [startMs, boot] = [Date.now(), subject.boot()];
    const result = await act().catch((error: unknown) => {
      // What `fetch` throws for the trust bundle is one of these two.
      if (!(error instanceof KmsError || error instanceof TypeError || error instanceof DOMException)) throw error;
      const code = error instanceof KmsError ? error.code : error.name;
      errors.set(code, (errors.get(code) ?? 0) + 1);
      return undefined;
    });
    return { result, span: { startMs, endMs: Date.now(), boot: boot === subject.boot() ? boot : undefined } };
  }

  async function write(app: App, subject: Subject, key: string, wanted: Wanted = {}): Promise<WriteOp> {
    const { result, span } = await timed(subject, () => writers.write(app, subject.member, key, wanted));
    if (!result) throw new Error('a write tells its outcome');
    const op = { ...result, ...span };
    ops.push(op);
    return op;
  }

  async function read(app: App, subject: Subject, key: string): Promise<ReadOp> {
    const { member } = subject;
    const { kv } = writers.clientOf(app);
    const act = async () => ({ value: await kv.get(key, { ...CALL, node: member.node.odyn.wallet }) });
    const { result, span } = await timed(subject, act);
    const found = result?.value && seenOf(result.value);
    const place = { kind: 'get' as const, outcome: result ? ('answered' as const) : ('failed' as const), node: member.name, app: app.name };
    const op = { ...span, ...place, key, found, ...clocksOf(subjects, subject, span) };
    ops.push(op);
    return op;
  }

  async function derive(app: App, subject: Subject, path: string): Promise<void> {
    const { member } = subject;
    const { result, span } = await timed(subject, () => writers.clientOf(app).derive(path, { ...CALL, node: member.node.odyn.wallet }));
    const outcome = result ? 'answered' : 'failed';
    const secret = Buffer.from(result?.key ?? []).toString('hex');
    ops.push({ ...span, kind: 'derive', outcome, node: member.name, app: app.name, path, epoch: result?.epoch ?? -1, secret });
  }

  async function fetchCa(subject: Subject): Promise<void> {
    const { result, span } = await timed(subject, async () => {
      const answer = await fetch(`${subject.member.node.url}/ca`, { signal: AbortSignal.timeout(CA_MS_MAX) });
      const bytes = new Uint8Array(await answer.arrayBuffer());
      return answer.ok ? createHash('sha256').update(bytes).digest('hex') : undefined;
    });
    ops.push({ ...span, kind: 'ca', outcome: result ? 'answered' : 'failed', node: subject.member.name, digest: result ?? '' });
  }

  /** Written once and kept, or written and deleted for ever: nothing excuses what becomes of these. */
  async function writeOwn(app: App, subject: Subject, draw: Draw): Promise<WriteOp> {
    const key = `own/${subject.member.name}/${(count += 1)}`;
    const written = await write(app, subject, key, { bytes: draw(TEXT_BYTES_MAX) });
    if (written.outcome !== 'acknowledged' || draw(2) === 0) return written;
    await sleep(draw(PAUSE_MS * 10));
    return await write(app, subjects[draw(subjects.length)] ?? subject, key, { kind: 'delete', minReplicas: 2 });
  }

  /** Reads it before, at and after its end. */
  async function outlive(app: App, subject: Subject, key: string, wanted: Wanted & { readonly ttlMs: number }): Promise<WriteOp> {
    const written = await write(app, subject, key, wanted);
    if (written.outcome !== 'acknowledged') return written;
    const reader = subjects[wanted.ttlMs % subjects.length] ?? subject;
    for (const pauseMs of [0, wanted.ttlMs, PAUSE_MS]) {
      await sleep(pauseMs);
      await read(app, reader, key);
    }
    return written;
  }

  async function writeShared(app: App, subject: Subject, key: string, draw: Draw): Promise<WriteOp> {
    const minReplicas = ([1, 2, undefined, 'majority'] as const)[draw(4)];
    const wanted = { bytes: draw(60) === 0 ? LARGE_BYTES : draw(TEXT_BYTES_MAX), ...(minReplicas && { minReplicas }) };
    const dice = draw(12);
    if (dice < 6) return await write(app, subject, key, wanted);
    if (dice < 8) return await outlive(app, subject, key, { ...wanted, ttlMs: 1 + draw(TTL_MS_MAX) });
    if (dice < 10) return await write(app, subject, key, { ...wanted, kind: 'delete' });
    const { found } = await read(app, subject, key);
    return await write(app, subject, key, { ...wanted, ifVersion: found?.version ?? null, kind: found && dice === 11 ? 'delete' : 'put' });
  }

  async function act(app: App, subject: Subject, draw: Draw): Promise<void> {
    const shared = `shared/${Math.floor((Date.now() - startedAtMs) / SHARED_MS)}/${draw(SHARED_KEYS)}`;
    const dice = draw(20);
    if (dice === 0) return await derive(app, subject, `path/${draw(PATHS)}`);
    if (dice === 1) return await fetchCa(subject);
    if (dice < 6) return void (await read(app, subject, shared));
    const written = dice < 11 ? await writeOwn(app, subject, draw) : await writeShared(app, subject, shared, draw);
    if (draw(2) === 0) await read(app, subject, written.key);
  }

  async function loop(app: App, subject: Subject, draw: Draw): Promise<void> {
    while (!isStopped) {
      const opsBefore = ops.length;
      await act(app, subject, draw);
      const since = ops.slice(opsBefore).filter(({ node }) => node === subject.member.name);
      const hasFailed = since.some(({ outcome }) => outcome === 'failed' || outcome === 'unknown');
      await sleep(hasFailed ? PATIENCE_MS : PAUSE_MS / 2 + draw(PAUSE_MS));
    }
  }

  const loops = world.apps.flatMap((app, at) =>
    subjects.map((subject, index) => loop(app, subject, drawing(seed * 1_009 + at * 101 + index + 1))),
  );
  const all = Promise.all(loops);
  // Whoever stops it hears of it.
  all.catch(() => undefined);
  return {
    ops,
    errors,
    async stop() {
      isStopped = true;
      await all;
    },
  };
}

/** What the clocks said when a node answered. */
export function clocksOf(subjects: readonly Subject[], subject: Subject, { startMs, endMs }: Pick<ReadOp, 'startMs' | 'endMs'>) {
  const clockMaxMs = Math.max(...subjects.map((each) => each.clockMaxMs(endMs)));
  return { clockMinMs: subject.clockMinMs(startMs, endMs), clockMaxMs };
}

export function seenOf({ value, version, updatedAtMs, expiresAtMs = null }: NonNullable<Found> & Partial<KvValue>): Seen {
  const [id = ''] = Buffer.from(value).toString('latin1').split(' ', 1);
  return { id, version, updatedAtMs, expiresAtMs };
}
