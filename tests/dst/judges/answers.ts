/** Judges what nodes tell apps: reads against what the node held, acknowledgements against what others hold, keys against each other. */
import { CALLER_CACHE_MS } from '../../../core/limits.ts';
import { hold } from './invariants.ts';
import { isLater, placeOf } from './ledger.ts';
import { createKeyJudge } from './keys.ts';
import { VALUE_MARK } from '../world/world.ts';
import type { App, Told } from '../world/apps.ts';
import type { KeyJudge } from './keys.ts';
import type { Known } from './ledger.ts';
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

interface Floor {
  readonly known: Known;
  readonly by: 'write' | 'read';
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

type Fields = Readonly<Record<string, unknown>>;

export function createAnswers(world: World, apps: readonly App[]): Answers {
  const { ledger } = world;
  const floors = new Map<Boot, Map<string, Floor>>();
  const hidden = new Map<Boot, Set<string>>();
  const values = new Map<string, string>();
  const keys = createKeyJudge((epoch) => world.readiness.activations(epoch));
  const acknowledged: Acknowledged[] = [];
  /** Requests of each app at each boot. */
  const underWay = new Map<string, number>();

  const floorsOf = (boot: Boot) => floors.get(boot) ?? (floors.set(boot, new Map()).get(boot) as Map<string, Floor>);
  const hiddenOf = (boot: Boot) => hidden.get(boot) ?? (hidden.set(boot, new Set()).get(boot) as Set<string>);

  function changeUnderWay(boot: Boot, { wallet }: App, by: 1 | -1): number {
    const name = `${boot.name} ${wallet}`;
    return underWay.set(name, (underWay.get(name) ?? 0) + by).get(name) as number;
  }

  function raise(boot: Boot, known: Known, by: Floor['by']): void {
    const before = floorsOf(boot).get(known.place);
    if (!before || isLater(known, before.known)) floorsOf(boot).set(known.place, { known, by });
  }

  function idOf(floor: Floor): 'I4' | 'I5' | 'I6' {
    if (floor.by === 'read') return 'I5';
    return floor.known.kind === 'tombstone' ? 'I6' : 'I4';
  }

  function judgeText(version: string, text: string): void {
    hold('I18', (values.get(version) ?? text) === text, () => `version ${version} has two values`);
    values.set(version, text);
  }

  /** By every clock that the node had since it was asked. */
  function isExpired({ expiresAtMs }: Known, { boot, nodeMs }: Began): boolean {
    return expiresAtMs !== 0 && expiresAtMs <= Math.min(nodeMs, boot.nowMs());
  }

  /** A value that was read: the right app's, the one of that version, not over, and no older than what was shown before. */
  function judgeValue(began: Began, key: string, told: Fields): void {
    const { boot, app, nodeMs, floor } = began;
    const version = String(told['version']);
    const text = Buffer.from(String(told['value']), 'base64').toString();
    const value = JSON.parse(text) as { mark: string; app: number; key: string };
    const isOwn = value.mark === VALUE_MARK && apps[value.app] === app && (value.key === key || key === 'batched');
    hold('I18', isOwn, () => `${boot.name} gave app ${app.appId} under ${key}: ${text.slice(0, 90)}`);
    const known = ledger.known(version);
    hold('I18', known?.place === placeOf(app.appId, key), () => `${boot.name} gave ${key} a version that is ${known?.place}`);
    judgeText(version, text);
    if (!known) return;
    const isOver = known.expiresAtMs !== 0 && (isExpired(known, began) || hiddenOf(boot).has(version));
    hold('I7', !isOver, () => `${boot.name} gave ${key}, which ended ${nodeMs - known.expiresAtMs} ms before`);
    const isOld = floor !== undefined && isLater(floor.known, known);
    if (floor) hold(idOf(floor), !isOld, () => `${boot.name} gave ${key} ${version} after ${floor.known.kind} ${floor.known.version}`);
    raise(boot, known, 'read');
  }

  /** Nothing was found: then what was shown before has ended, or something later has. */
  function judgeAbsence({ boot, app, floor }: Began, key: string): void {
    const held = ledger.shelf(boot).held.get(placeOf(app.appId, key));
    if (held && held.expiresAtMs !== 0 && held.expiresAtMs <= boot.nowMs()) hiddenOf(boot).add(held.version);
    if (!floor || floor.known.kind === 'tombstone' || ledger.shelf(boot).hasForgotten) return;
    const { deadSinceMs } = ledger.shelf(boot);
    const isOver = ({ expiresAtMs, version }: Known) =>
      expiresAtMs <= boot.nowMs() || hiddenOf(boot).has(version) || deadSinceMs.has(version);
    const hasEnded = (known: Known) => known.expiresAtMs !== 0 && isOver(known);
    const isReplaced = held !== undefined && isLater(held, floor.known);
    const isGone = isReplaced || hasEnded(floor.known) || (!held && ledger.collected.has(floor.known.place));
    hold(idOf(floor), isGone, () => `${boot.name} found nothing under ${key} after ${floor.known.version}`);
  }

  function judgeList(began: Began, told: Fields): void {
    const { boot, app, operation, atMs } = began;
    const found = told['keys'] as readonly string[];
    if (operation.id % 3 === 0)
      hold(
        'I18',
        found.length <= 2 && found.every((key) => key.startsWith('k')),
        () => `${boot.name} listed ${found.join()} of a page of 2`,
      );
    hold('I18', !found.includes(`only-${1 - operation.app}`), () => `${boot.name} listed to app ${app.appId} a key of the other`);
    for (const key of found) {
      const { held, changedAtMs } = ledger.shelf(boot);
      const place = placeOf(app.appId, key);
      const known = held.get(place);
      const isAlive = known?.kind === 'value' && !hiddenOf(boot).has(known.version) && !isExpired(known, began);
      const isThere = isAlive || (changedAtMs.get(place) ?? 0) >= atMs;
      hold('I7', isThere, () => `${boot.name} listed ${key}, which is not there`);
    }
  }

  function judgeWrite(boot: Boot, told: Fields): Known | undefined {
    const known = ledger.known(String(told['version']));
    hold('I4', known !== undefined, () => `${boot.name} acknowledged ${String(told['key'])}, which it does not hold`);
    if (known) raise(boot, known, 'write');
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
    const isOver = isExpired(held, began) && told['current_version'] === held.version;
    hold('I7', status !== 412 || !isOver, () => `${boot.name} named ${held.place} ${held.version}, which has ended`);
    const isKept = operation.kind === 'delete' && status === 507;
    hold('I8', !isKept, () => `${boot.name} refused to delete ${operation.key} of app ${app.appId}: ${String(told['reason'])}`);
  }

  function judgeOne(began: Began, op: string, key: string, status: number, told: Fields): void {
    if (op === 'get' && status === 200) judgeValue(began, key, told);
    if (op === 'get' && status === 404) judgeAbsence(began, key);
    if (op !== 'put' && op !== 'delete') return;
    if (status !== 200 && status !== 202) return judgeRefusal(began, status, told);
    const known = judgeWrite(began.boot, told);
    if (known) judgeTerms(began, status, told, known);
  }

  function acknowledge(boot: Boot, told: Fields): void {
    const known = ledger.known(String(told['version']));
    if (!known || told['superseded_by'] !== undefined) return;
    const replicas = Number(told['replicas'] ?? 0);
    const holders = ledger.holdersOf(known);
    hold(
      'I2',
      holders.length >= replicas,
      () => `${boot.name} counted ${replicas} replicas of ${known.place}, and ${holders.length} hold it`,
    );
    acknowledged.push({ known, replicas, holders: holders.filter(({ isAlive }) => isAlive) });
  }

  return {
    acknowledged,
    began(boot, app, operation) {
      const place = placeOf(app.appId, operation.key);
      const isAmongOthers = changeUnderWay(boot, app, 1) > 1;
      const condition = operation.ifVersion ? (app.versions.get(operation.key) ?? null) : undefined;
      const before = { floor: floorsOf(boot).get(place), held: ledger.shelf(boot).held.get(place), condition };
      return { boot, app, operation, atMs: world.timeline.nowMs(), nodeMs: boot.nowMs(), isAmongOthers, ...before };
    },
    judge(began, { status, body }) {
      const { boot, app, operation, atMs, isAmongOthers } = began;
      changeUnderWay(boot, app, -1);
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
      if (operation.kind === 'list' && isDone) judgeList(began, body);
      else if (operation.kind === 'batch' && isDone) {
        const [, put, read] = body['results'] as readonly (Fields & { status: number })[];
        if (put) judgeOne(began, 'put', operation.key, put.status, put);
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
      } else if (operation.kind === 'cert' && isDone) keys.judgeCertificate(body['epoch'] as number, String(body['ca_certificate']));
      else judgeOne(began, operation.kind, operation.key, status, body);
    },
    delivered({ boot, app, operation }, { status, body }) {
      if (status === 412) app.versions.set(operation.key, (body['current_version'] as string | null | undefined) ?? null);
      if (status === 404 && operation.kind === 'get') app.versions.set(operation.key, null);
      // Its epoch may have been retired since.
      if (body['reason'] === 'cursor_malformed') app.page.cursor = undefined;
      if (status !== 200 && status !== 202) return;
      if (operation.kind === 'put' || operation.kind === 'get') app.versions.set(operation.key, String(body['version']));
      if (operation.kind === 'list') app.page.cursor = (body['cursor'] as string | null) ?? undefined;
      if (operation.kind === 'delete') app.versions.set(operation.key, null);
      if (operation.kind === 'put' || operation.kind === 'delete') acknowledge(boot, body);
      if (operation.kind === 'batch')
        for (const result of body['results'] as readonly (Fields & { status: number })[])
          if (result['replicas'] !== undefined) acknowledge(boot, result);
    },
    judgeText,
    ...keys,
  };
}
