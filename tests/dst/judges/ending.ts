/** After the faults: until every node serves and none lags, and then what must be true of all of them together. */
import { usableBlocks } from '../../../core/chain/view.ts';
import { createPrinter, printBytes } from '../../../core/store/prints.ts';
import { equalBytes, utf8 } from '../../../core/wire/bytes.ts';
import { STATES } from '../../core/fakes.ts';
import { changedSince, differing, isAlive, judgeCertificates, standingOf } from './agreement.ts';
import { judgeBounds } from './bounds.ts';
import { hold, Violation } from './invariants.ts';
import { isCovered } from './known.ts';
import type { AppId, Epoch } from '../../../core/identity.ts';
import type { Stored } from '../../../core/store/stored.ts';
import type { Apps } from '../world/apps.ts';
import type { Boot } from '../world/node.ts';
import type { World } from '../world/world.ts';

/** After the last fault: chain, back-off, catching up, a round of anti-entropy with everybody, and the ends that a clock far ahead saw early. */
const SETTLED_MS_MAX = 40_000;
const STEP_MS = 1_000;
/** For so long nothing may change: what was asked last has been answered by then. */
const REST_MS = 4_000;
/** Sleeps and calls of a node at rest: its ticks, what it waits for at its peers. */
const PENDING_MAX = 60;

export async function judgeEnding(world: World, apps: Apps): Promise<void> {
  const { timeline } = world;
  const untilMs = timeline.nowMs() + SETTLED_MS_MAX;
  let standing = standingOf(world);
  for (let restMs = 0; restMs <= REST_MS; restMs += STEP_MS) {
    const now = standingOf(world);
    const work = unsettled(world) ?? (restMs > 0 ? changedSince(standing, now) : undefined);
    const reason = work ?? differing(world);
    standing = now;
    if (reason !== undefined && timeline.nowMs() >= untilMs) throw new Violation(work === undefined ? 'I1' : 'I21', reason);
    if (reason !== undefined) restMs = -STEP_MS;
    if (restMs < REST_MS) await timeline.run(timeline.nowMs() + STEP_MS);
  }
  world.trace.note('settled');
  judgeLosses(world, apps);
  judgeCertificates(world, apps.answers);
  for (const boot of world.running()) judgeNode(world, apps, boot);
}

/** Why the cluster is not at rest yet. */
function unsettled(world: World): string | undefined {
  const atHead = world.chain.head().epochs.map(({ state }) => state);
  for (const boot of world.running()) {
    const confirmed = usableBlocks(boot.kms.view)?.confirmed.epochs.map(({ state }) => STATES[state]);
    // A transaction may have come late, and what it did is read at one node after the other.
    if (confirmed?.join() !== atHead.join()) return `${boot.name} counts on epochs in states ${confirmed}, and the chain says ${atHead}`;
    const { admission, replication, identity } = boot.kms;
    const gate = admission.gate();
    if (gate.kind === 'waiting') return `${boot.name}: ${gate.reason} ${gate.detail}`;
    const data = replication.gate();
    if (data.kind === 'waiting') return `${boot.name}: ${data.detail}`;
    const old = [...boot.kms.store.changes(0)].find((record) => isSealed(record as Stored) && (record as Stored).epoch !== gate.epoch);
    if (old) return `${boot.name}: ${old.key} is still sealed under epoch ${(old as Stored).epoch}`;
    const { peers } = replication.report();
    const others = world.running().filter((other) => other.kms.identity.wallet !== identity.wallet);
    if (peers.length !== others.length) return `${boot.name} has ${peers.length} peers, not ${others.length}`;
    const lagging = peers.find(({ lagRecords, isReady }) => lagRecords > 0 || !isReady);
    if (lagging)
      return `${boot.name}: ${lagging.wallet} lags ${lagging.lagRecords} records, refused ${JSON.stringify(lagging.refusedThere)}`;
  }
  return world.slots.size > 0 && [...world.slots.values()].every(({ boot, isGone }) => boot ?? isGone) ? undefined : 'not all nodes run';
}

const isSealed = ({ deadSinceMs }: Stored): boolean => deadSinceMs === undefined;

/** Every write that an app was told of, and that somebody still had, or what came after it. */
function judgeLosses(world: World, { answers }: Apps): void {
  for (const { known, holders } of answers.acknowledged) {
    const survivors = holders.filter((boot) => boot.isAlive && !world.ledger.shelf(boot).hasForgotten);
    if (survivors.length === 0) continue;
    for (const boot of world.running()) {
      const held = world.ledger.shelf(boot).held.get(known.place);
      const gone = world.ledger.collected.get(known.place);
      hold(
        'I2',
        isCovered(known, held, gone),
        () => `${boot.name} lacks ${known.place} ${known.version}, which ${survivors[0]?.name} had when it was acknowledged`,
      );
    }
  }
}

function judgeNode(world: World, { apps, answers }: Apps, boot: Boot): void {
  const { store, vault, bodiesInFlight } = boot.kms;
  judgeDigest(boot);
  judgeBounds(world, boot);
  world.trails.judgeWritten(boot, (version) => world.ledger.known(version) !== undefined);
  for (const known of world.ledger.shelf(boot).held.values()) {
    const at = known.place.indexOf('/');
    const [appId, key] = [BigInt(known.place.slice(0, at)) as AppId, known.place.slice(at + 1)];
    if (!isAlive(world.ledger, known, boot)) continue;
    const found = store.get(appId, key);
    hold('I1', found?.version === known.version, () => `${boot.name} cannot read ${known.place}`);
    answers.judgeText(known.version, Buffer.from(found?.value ?? utf8('')).toString());
  }
  for (const { id, state } of world.chain.confirmed().epochs)
    if (state === STATES.retired || state === STATES.lost)
      hold('I23', !vault.holds(Number(id) as Epoch), () => `${boot.name} still holds the secret of epoch ${id}, which is over`);
  for (const { appId } of apps)
    for (const { id } of world.chain.confirmed().epochs) {
      const key = vault.appKey({ appId: appId as AppId, epoch: Number(id) as Epoch, path: 'end', context: '', lengthBytes: 32 });
      if (key) answers.judgeKey(`${appId} end  ${id}`, Buffer.from(key).toString('base64'));
    }
  hold('I22', bodiesInFlight.held() === 0, () => `${boot.name} holds ${bodiesInFlight.held()} bytes of bodies`);
  hold('I22', boot.pending() <= PENDING_MAX, () => `${boot.name} waits for ${boot.pending()} things`);
}

/** What anti-entropy compares, made anew from the records. */
function judgeDigest({ name, kms }: Boot): void {
  const { store, vault } = kms;
  const digest = store.digest();
  const key = digest && vault.digestKey(digest.epoch);
  if (!digest || !key) return;
  const printer = createPrinter(digest.epoch, key);
  const sum = new Int32Array(4);
  let count = 0;
  for (const record of store.changes(0)) {
    printer.print(store.offerOf(record).id).forEach((lane, at) => (sum[at] = ((sum[at] ?? 0) + lane) | 0));
    count += 1;
  }
  const told = digest.fingerprint({ from: undefined, to: undefined });
  hold('I24', told.count === count, () => `${name} has a digest of ${told.count} records and holds ${count}`);
  hold('I24', equalBytes(told.print, printBytes(sum)), () => `${name} has a digest of other records than it holds`);
}
