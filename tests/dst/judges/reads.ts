/** Judges what apps read: against what the node held meanwhile, and against all that it had shown before. */
import { hold } from './invariants.ts';
import { isLater, placeOf } from './known.ts';
import { VALUE_MARK } from '../world/world.ts';
import type { App } from '../world/apps.ts';
import type { Began, Fields } from './answers.ts';
import type { Known } from './known.ts';
import type { Boot } from '../world/node.ts';
import type { World } from '../world/world.ts';

/** The newest record of a key that a boot has shown, and how. */
export interface Floor {
  readonly known: Known;
  readonly by: 'write' | 'read';
  /** Of its store then: what it forgets, it need not show again. */
  readonly incarnation: string;
}

export interface Reads {
  floor(boot: Boot, place: string): Floor | undefined;
  raise(boot: Boot, known: Known, by: Floor['by']): void;
  /** One version has one value. */
  judgeText(version: string, text: string): void;
  /** By every clock that the node had since it was asked. */
  isExpired(known: Known, began: Began): boolean;
  judgeValue(began: Began, key: string, told: Fields): void;
  judgeAbsence(began: Began, key: string): void;
  judgeList(began: Began, told: Fields): void;
}

/** What every batch deletes beside what it writes. */
export const BATCHED_KEY = 'batched';

export function createReads(world: World, apps: readonly App[]): Reads {
  const { ledger } = world;
  const floors = new Map<Boot, Map<string, Floor>>();
  /** Since when each version was seen to be over. */
  const hidden = new Map<Boot, Map<string, number>>();
  /** What each cursor goes on from: where and when it was asked for, and the last key before it. */
  const pages = new Map<string, { readonly boot: Boot; readonly atMs: number; readonly last: string }>();
  const values = new Map<string, string>();

  const floorsOf = (boot: Boot) => floors.get(boot) ?? (floors.set(boot, new Map()).get(boot) as Map<string, Floor>);
  const hiddenOf = (boot: Boot) => hidden.get(boot) ?? (hidden.set(boot, new Map()).get(boot) as Map<string, number>);

  function raise(boot: Boot, known: Known, by: Floor['by']): void {
    const before = floorsOf(boot).get(known.place);
    const { incarnation } = ledger.shelf(boot);
    if (before?.incarnation !== incarnation || isLater(known, before.known)) floorsOf(boot).set(known.place, { known, by, incarnation });
  }

  /** What was shown before, unless its store has forgotten everything since. */
  function standing({ boot, floor }: Began): Floor | undefined {
    return floor?.incarnation === ledger.shelf(boot).incarnation ? floor : undefined;
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

  /** Before it was asked: what was found over since may be in an answer that is under way. */
  const wasHidden = ({ boot, atMs }: Began, version: string) => (hiddenOf(boot).get(version) ?? Infinity) < atMs;

  /** A value that was read: the right app's, the one of that version, not over, and no older than what was shown before. */
  function judgeValue(began: Began, key: string, told: Fields): void {
    const { boot, app, nodeMs } = began;
    const version = String(told['version']);
    const text = Buffer.from(String(told['value']), 'base64').toString();
    const value = JSON.parse(text) as { mark: string; app: number; key: string };
    const isOwn = value.mark === VALUE_MARK && apps[value.app] === app && (value.key === key || key === BATCHED_KEY);
    hold('I18', isOwn, () => `${boot.name} gave app ${app.appId} under ${key}: ${text.slice(0, 90)}`);
    const known = ledger.known(version);
    hold('I18', known?.place === placeOf(app.appId, key), () => `${boot.name} gave ${key} a version that is ${known?.place}`);
    judgeText(version, text);
    if (!known) return;
    const isOver = known.expiresAtMs !== 0 && (isExpired(known, began) || wasHidden(began, version));
    hold('I7', !isOver, () => `${boot.name} gave ${key}, which ended ${nodeMs - known.expiresAtMs} ms before`);
    const floor = standing(began);
    const isOld = floor !== undefined && isLater(floor.known, known);
    if (floor) hold(idOf(floor), !isOld, () => `${boot.name} gave ${key} ${version} after ${floor.known.kind} ${floor.known.version}`);
    const [time, end] = [told['updated_at_ms'], told['expires_at_ms'] ?? 0];
    const isTold = time === known.ms && end === known.expiresAtMs;
    hold('I27', isTold, () => `${boot.name} gave ${key} as of ${String(time)} until ${String(end)}: ${known.ms}, ${known.expiresAtMs}`);
    raise(boot, known, 'read');
  }

  /** Whether a node may hide a record that it holds: dead, or over by a clock that it had since it was asked. */
  function isHidden(known: Known, { boot, nodeMs }: Began): boolean {
    const { version, kind, expiresAtMs } = known;
    const isOver = expiresAtMs !== 0 && (expiresAtMs <= Math.max(nodeMs, boot.nowMs()) || hiddenOf(boot).has(version));
    return kind === 'tombstone' || isOver || ledger.shelf(boot).deadSinceMs.has(version);
  }

  /** Whether the node held nothing that it had to show, at any time since it was asked. */
  function wasEmpty(began: Began, held: Known | undefined): boolean {
    for (let at = held; at && !isHidden(at, began); at = at.holders.get(began.boot)?.over) if (at === began.held) return false;
    return true;
  }

  /** Nothing was found: then nothing was there, and what was shown before has ended, or something later has. */
  function judgeAbsence(began: Began, key: string): void {
    const { boot, app } = began;
    const floor = standing(began);
    const place = placeOf(app.appId, key);
    const { held: all, lastGone } = ledger.shelf(boot);
    const held = all.get(place);
    const isOver = held !== undefined && held.expiresAtMs !== 0 && held.expiresAtMs <= boot.nowMs();
    if (isOver && !hiddenOf(boot).has(held.version)) hiddenOf(boot).set(held.version, world.timeline.nowMs());
    hold(floor ? idOf(floor) : 'I4', wasEmpty(began, held), () => `${boot.name} found nothing under ${key} and holds ${held?.version}`);
    if (!floor || floor.known.kind === 'tombstone') return;
    const after = held ?? lastGone.get(place);
    const hasEnded = after === floor.known && isHidden(after, began);
    const isGone = after !== undefined && (hasEnded || isLater(after, floor.known));
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
      const isAlive = known?.kind === 'value' && !wasHidden(began, known.version) && !isExpired(known, began);
      const isThere = isAlive || (changedAtMs.get(place) ?? 0) >= atMs;
      hold('I7', isThere, () => `${boot.name} listed ${key}, which is not there`);
    }
    judgeWhole(began, found, told['cursor'] as string | null);
  }

  /** In order, and all that was there all the while, between what the page before ended with and what this one does. */
  function judgeWhole(began: Began, found: readonly string[], next: string | null): void {
    const { boot, app, operation, cursor, atMs } = began;
    const before = cursor === undefined ? undefined : pages.get(cursor);
    const last = found.at(-1);
    if (next !== null && last !== undefined) pages.set(next, { boot, atMs, last });
    const isInOrder = found.every((key, at) => key > (found[at - 1] ?? before?.last ?? ''));
    hold('I18', isInOrder, () => `${boot.name} listed ${found.join()} after ${before?.last}`);
    // Another node may have gone on from another key than it showed last.
    if ((cursor !== undefined && before?.boot !== boot) || (next !== null && last === undefined)) return;
    const { held, changedAtMs } = ledger.shelf(boot);
    const prefix = operation.id % 3 === 0 ? 'k' : '';
    for (const [place, known] of held) {
      const key = place.slice(place.indexOf('/') + 1);
      if (place !== placeOf(app.appId, key) || !key.startsWith(prefix) || key <= (before?.last ?? '')) continue;
      if ((next !== null && key > (last as string)) || isHidden(known, began)) continue;
      const isOld = (changedAtMs.get(place) ?? 0) >= (before?.atMs ?? atMs);
      hold('I18', isOld || found.includes(key), () => `${boot.name} left ${key} out of ${found.join()}`);
    }
  }

  return { floor: (boot, place) => floorsOf(boot).get(place), raise, judgeText, isExpired, judgeValue, judgeAbsence, judgeList };
}
