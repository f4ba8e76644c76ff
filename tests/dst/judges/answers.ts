/** Judges what nodes tell apps: reads against what the node held, acknowledgements against what others hold, keys against each other. */
import { CALLER_CACHE_MS } from '../../../core/limits.ts';
import { hold } from './invariants.ts';
import { placeOf } from './known.ts';
import { createKeyJudge } from './keys.ts';
import { BATCHED_KEY, createReads } from './reads.ts';
import { createTerms, membersOf } from './terms.ts';
import type { App, Told } from '../world/apps.ts';
import type { KeyJudge } from './keys.ts';
import type { Known } from './known.ts';
import type { Floor } from './reads.ts';
import type { Members } from './terms.ts';
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
  /** Where a list goes on. */
  readonly cursor: string | undefined;
  readonly members: Members;
}

/** A write that an app was told of. */
export interface Acknowledged {
  readonly known: Known;
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
  const terms = createTerms(world, reads);
  const keys = createKeyJudge((epoch) => world.readiness.activations(epoch));
  const acknowledged: Acknowledged[] = [];
  /** Requests of each app at each boot. */
  const underWay = new Map<string, number>();

  function changeUnderWay(boot: Boot, { wallet }: App, by: 1 | -1): number {
    const name = `${boot.name} ${wallet}`;
    return underWay.set(name, (underWay.get(name) ?? 0) + by).get(name) as number;
  }

  function judgeWrite(boot: Boot, told: Fields): void {
    const known = ledger.known(String(told['version']));
    hold('I4', known !== undefined, () => `${boot.name} acknowledged ${String(told['key'])}, which it does not hold`);
    if (known) reads.raise(boot, known, 'write');
  }

  function judgeOne(began: Began, op: string, key: string, status: number, told: Fields): void {
    if (op === 'get' && status === 200) reads.judgeValue(began, key, told);
    if (op === 'get' && status === 404) reads.judgeAbsence(began, key);
    if (op !== 'put' && op !== 'delete') return;
    if (status !== 200 && status !== 202) return terms.refused(began, status, told);
    judgeWrite(began.boot, told);
    world.trails.judgeAnswer(began.boot, op === 'put' ? 'value_written' : 'value_deleted', String(told['version']));
    if (op === 'put') world.trails.judgeAnswer(began.boot, 'value_evicted', String(told['version']), Number(told['evicted'] ?? 0));
    terms.done(began, op, status, told);
  }

  /** Nodes that went since it was asked still count: who answered may not have known. */
  function acknowledge({ boot, atMs }: Began, told: Fields): void {
    const known = ledger.known(String(told['version']));
    if (!known) return;
    const holders = ledger.holders.since(known, atMs);
    terms.counted(known, told, new Set(holders.map(({ kms }) => kms.identity.wallet)).size, boot);
    if (told['superseded_by'] === undefined) acknowledged.push({ known, holders: holders.filter(({ isAlive }) => isAlive) });
  }

  /** What a request may delete is no eviction, and what may evict. One that was given up may do it later. */
  function noteLeave(boot: Boot, { appId }: App, { kind, key, whenFull }: Operation, by: 1 | -1): void {
    const { deletes, evictors } = ledger.shelf(boot);
    if (kind === 'delete' || kind === 'batch') addTo(deletes, placeOf(appId, kind === 'batch' ? BATCHED_KEY : key), by);
    if ((kind === 'put' || kind === 'batch') && whenFull === 'evict') addTo(evictors, appId, by);
  }

  function addTo<Name>(counts: Map<Name, number>, name: Name, by: 1 | -1): void {
    const count = (counts.get(name) ?? 0) + by;
    if (count > 0) counts.set(name, count);
    else counts.delete(name);
  }

  return {
    acknowledged,
    began(boot, app, operation) {
      const place = placeOf(app.appId, operation.key);
      const isAmongOthers = changeUnderWay(boot, app, 1) > 1;
      noteLeave(boot, app, operation, 1);
      ledger.shelf(boot).requests += 1;
      const condition = operation.ifVersion ? (app.versions.get(operation.key) ?? null) : undefined;
      const asked = { condition, cursor: operation.kind === 'list' && operation.id % 3 === 0 ? app.page.cursor : undefined };
      const before = { floor: reads.floor(boot, place), held: ledger.shelf(boot).held.get(place), members: membersOf(boot) };
      return { boot, app, operation, atMs: world.timeline.nowMs(), nodeMs: boot.nowMs(), isAmongOthers, ...asked, ...before };
    },
    judge(began, { status, body }) {
      const { boot, app, operation, atMs, isAmongOthers } = began;
      changeUnderWay(boot, app, -1);
      if (status !== 504) noteLeave(boot, app, operation, -1);
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
