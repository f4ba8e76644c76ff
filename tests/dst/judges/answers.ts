/** Judges what nodes tell apps: reads against what the node held, acknowledgements against what others hold, keys against each other. */
import { CALLER_CACHE_MS } from '../../../core/limits.ts';
import { hold } from './invariants.ts';
import { placeOf } from './known.ts';
import { createKeyJudge } from './keys.ts';
import { BATCHED_KEY, createReads } from './reads.ts';
import type { App, Told } from '../world/apps.ts';
import type { KeyJudge } from './keys.ts';
import type { Known } from './known.ts';
import type { Floor } from './reads.ts';
import type { Boot } from '../world/node.ts';
import type { Operation } from '../world/schedule.ts';
import type { World } from '../world/world.ts';

/** An operation that has reached its node. */
export interface Began {
  readonly boot: Boot;
  readonly app: App;
  readonly operation: Operation;
  readonly atMs: number;
  readonly nodeMs: number;
  /** The newest record of the key that this boot had shown by then, and how. */
  readonly floor: Floor | undefined;
  /** Whether other requests of the app were under way there: for one of them the chain is asked, and the others go by the judgement before. */
  readonly isAmongOthers: boolean;
  /** What this boot held under the key, and what a conditional write expects there. */
  readonly held: Known | undefined;
  readonly condition: string | null | undefined;
}

/** A write that an app was told of. */
export interface Acknowledged {
  readonly known: Known;
  readonly replicas: number;
  /** Who held it when the app was told. */
  readonly holders: readonly Boot[];
}

export interface Answers extends KeyJudge {
  began(boot: Boot, app: App, operation: Operation): Began;
  /** When the node has answered. */
  judge(began: Began, told: Told): void;
  /** When the app has the answer. */
  delivered(began: Began, told: Told): void;
  /** One version has one value. */
  judgeText(version: string, text: string): void;
  readonly acknowledged: readonly Acknowledged[];
}

export type Fields = Readonly<Record<string, unknown>>;

export function createAnswers(world: World, apps: readonly App[]): Answers {
  const { ledger } = world;
  const reads = createReads(world, apps);
  const keys = createKeyJudge((epoch) => world.readiness.activations(epoch));
  const acknowledged: Acknowledged[] = [];
  /** Requests of each app at each boot. */
  const underWay = new Map<string, number>();

  function changeUnderWay(boot: Boot, { wallet }: App, by: 1 | -1): number {
    const name = `${boot.name} ${wallet}`;
    return underWay.set(name, (underWay.get(name) ?? 0) + by).get(name) as number;
  }

  function judgeWrite(boot: Boot, told: Fields): Known | undefined {
    const known = ledger.known(String(told['version']));
    hold('I4', known !== undefined, () => `${boot.name} acknowledged ${String(told['key'])}, which it does not hold`);
    if (known) reads.raise(boot, known, 'write');
    return known;
  }

  /** A write that was done over what it named, and counted where as many hold it as it asked for. */
  function judgeTerms({ boot, operation, condition }: Began, status: number, told: Fields, known: Known): void {
    const { minReplicas } = operation;
    const isEnough = status !== 200 || typeof minReplicas !== 'number' || Number(told['replicas']) >= minReplicas;
    hold('I2', isEnough, () => `${boot.name} answered 200 for ${String(told['replicas'])} replicas of ${minReplicas}`);
    if (condition === undefined) return;
    const { over, nodeMs } = known.holders.get(boot) ?? { over: undefined, nodeMs: 0 };
    const isOver =
      over !== undefined && over.expiresAtMs !== 0 && (over.expiresAtMs <= nodeMs || ledger.shelf(boot).deadSinceMs.has(over.version));
    const isFree = !over || over.kind === 'tombstone' || isOver;
    const isMet = condition === null ? isFree : over?.version === condition && !isFree;
    hold('I25', isMet, () => `${boot.name} wrote ${known.place} on condition of ${condition} over ${over?.version}`);
  }

  /** Why a write was refused. */
  function judgeRefusal(began: Began, status: number, told: Fields): void {
    const { boot, app, operation, held } = began;
    if (!held || ledger.shelf(boot).held.get(held.place) !== held) return;
    const isOver = reads.isExpired(held, began) && told['current_version'] === held.version;
    hold('I7', status !== 412 || !isOver, () => `${boot.name} named ${held.place} ${held.version}, which has ended`);
    const isKept = operation.kind === 'delete' && status === 507;
    hold('I8', !isKept, () => `${boot.name} refused to delete ${operation.key} of app ${app.appId}: ${String(told['reason'])}`);
  }

  function judgeOne(began: Began, op: string, key: string, status: number, told: Fields): void {
    if (op === 'get' && status === 200) reads.judgeValue(began, key, told);
    if (op === 'get' && status === 404) reads.judgeAbsence(began, key);
    if (op !== 'put' && op !== 'delete') return;
    if (status !== 200 && status !== 202) return judgeRefusal(began, status, told);
    const known = judgeWrite(began.boot, told);
    world.trails.judgeAnswer(began.boot, op === 'put' ? 'value_written' : 'value_deleted', String(told['version']));
    if (known) judgeTerms(began, status, told, known);
  }

  /** Nodes that went since it was asked still count: who answered may not have known. */
  function acknowledge({ boot, atMs }: Began, told: Fields): void {
    const known = ledger.known(String(told['version']));
    if (!known || told['superseded_by'] !== undefined) return;
    const replicas = Number(told['replicas'] ?? 0);
    const holders = ledger.holders.since(known, atMs);
    const nodes = new Set(holders.map(({ kms }) => kms.identity.wallet)).size;
    hold('I2', nodes >= replicas, () => `${boot.name} counted ${replicas} replicas of ${known.place}, and ${nodes} hold it`);
    acknowledged.push({ known, replicas, holders: holders.filter(({ isAlive }) => isAlive) });
  }

  /** What a request may delete is no eviction. One that was given up may do it later. */
  function noteDelete(boot: Boot, { appId }: App, { kind, key }: Operation, by: 1 | -1): void {
    if (kind !== 'delete' && kind !== 'batch') return;
    const { deletes } = ledger.shelf(boot);
    const place = placeOf(appId, kind === 'batch' ? BATCHED_KEY : key);
    const count = (deletes.get(place) ?? 0) + by;
    if (count > 0) deletes.set(place, count);
    else deletes.delete(place);
  }

  return {
    acknowledged,
    began(boot, app, operation) {
      const place = placeOf(app.appId, operation.key);
      const isAmongOthers = changeUnderWay(boot, app, 1) > 1;
      noteDelete(boot, app, operation, 1);
      ledger.shelf(boot).requests += 1;
      const condition = operation.ifVersion ? (app.versions.get(operation.key) ?? null) : undefined;
      const before = { floor: reads.floor(boot, place), held: ledger.shelf(boot).held.get(place), condition };
      return { boot, app, operation, atMs: world.timeline.nowMs(), nodeMs: boot.nowMs(), isAmongOthers, ...before };
    },
    judge(began, { status, body }) {
      const { boot, app, operation, atMs, isAmongOthers } = began;
      changeUnderWay(boot, app, -1);
      if (status !== 504) noteDelete(boot, app, operation, -1);
      const isDone = status === 200 || status === 202;
      hold(
        'I0',
        status < 500 || status === 503 || status === 507 || status === 504,
        () => `${boot.name} answered ${status} ${JSON.stringify(body)}`,
      );
      const lateMs = isDone && !isAmongOthers ? world.readiness.knownOutMs(boot, app.wallet, atMs) : 0;
      hold(
        'I17',
        lateMs <= CALLER_CACHE_MS,
        () => `${boot.name} served app ${app.appId}, ${lateMs} ms after it must have known of its end`,
      );
      if (operation.kind === 'list' && isDone) reads.judgeList(began, body);
      else if (operation.kind === 'batch' && isDone) {
        const [, put, read, removal] = body['results'] as readonly (Fields & { status: number })[];
        if (put) judgeOne(began, 'put', operation.key, put.status, put);
        if (removal?.status === 200) world.trails.judgeAnswer(boot, 'value_deleted', String(removal['version']));
        // In one stretch after the write: no floor of before it counts, and its own does.
        if (put?.status === 200 && read?.status === 200)
          hold(
            'I4',
            read['version'] === put['version'] || put['superseded_by'] !== undefined,
            () => `${boot.name} read another in one batch`,
          );
      } else if (operation.kind === 'derive' && isDone) {
        const name = `${body['app_id'] as number} ${String(body['path'])} ${String(body['context'])} ${body['epoch'] as number}`;
        keys.judgeKey(name, String(body['key']));
        // The epoch that an app was born in does not change.
        if (operation.id % 2 !== 0) keys.judgeOwnEpoch(app, body['epoch'] as number);
      } else if (operation.kind === 'cert' && isDone) {
        keys.judgeCertificate(body['epoch'] as number, String(body['ca_certificate']));
        world.trails.judgeAnswer(boot, 'certificate_issued', String(body['serial']));
      } else judgeOne(began, operation.kind, operation.key, status, body);
    },
    delivered(began, { status, body }) {
      const { app, operation } = began;
      if (status === 412) app.versions.set(operation.key, (body['current_version'] as string | null | undefined) ?? null);
      if (status === 404 && operation.kind === 'get') app.versions.set(operation.key, null);
      // Its epoch may have been retired since.
      if (body['reason'] === 'cursor_malformed') app.page.cursor = undefined;
      if (status !== 200 && status !== 202) return;
      if (operation.kind === 'put' || operation.kind === 'get') app.versions.set(operation.key, String(body['version']));
      if (operation.kind === 'list') app.page.cursor = (body['cursor'] as string | null) ?? undefined;
      if (operation.kind === 'delete') app.versions.set(operation.key, null);
      if (operation.kind === 'put' || operation.kind === 'delete') acknowledge(began, body);
      if (operation.kind === 'batch')
        for (const result of body['results'] as readonly (Fields & { status: number })[])
          if (result['replicas'] !== undefined) acknowledge(began, result);
    },
    judgeText: reads.judgeText,
    ...keys,
  };
}
