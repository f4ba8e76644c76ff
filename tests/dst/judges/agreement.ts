/** What all nodes have alike when they have come to rest: the records, and the certificates. */
import { trustBundle } from '../../../core/ca/bundle.ts';
import { usableBlocks } from '../../../core/chain/view.ts';
import { base64, utf8 } from '../../../core/wire/bytes.ts';
import { hold } from './invariants.ts';
import { isCovered } from './known.ts';
import type { KeyJudge } from './keys.ts';
import type { Known } from './known.ts';
import type { Ledger } from './ledger.ts';
import type { Boot } from '../world/node.ts';
import type { World } from '../world/world.ts';

/** Versions by place, of each node. */
export type Standing = ReadonlyMap<Boot, ReadonlyMap<string, string>>;

export function isAlive({ shelf }: Pick<Ledger, 'shelf'>, { kind, version, expiresAtMs }: Known, boot: Boot): boolean {
  return kind === 'value' && !shelf(boot).deadSinceMs.has(version) && (expiresAtMs === 0 || expiresAtMs > boot.nowMs());
}

/** What two nodes hold differently: only what is dead, and has been collected by one of them, may be missing on another. */
export function differing({ ledger, running }: World): string | undefined {
  const boots = running();
  const places = new Set(boots.flatMap((boot) => [...ledger.shelf(boot).held.keys()]));
  const told = (known: Known | undefined, boot: Boot) =>
    known ? `${isAlive(ledger, known, boot) ? '' : 'the end of '}${known.version}` : 'nothing';
  for (const place of places) {
    const [first] = boots.flatMap((boot) => ledger.shelf(boot).held.get(place) ?? []);
    const gone = ledger.collected.get(place);
    const mayLack = first !== undefined && isCovered(first, gone);
    const seen = boots.map((boot) => told(ledger.shelf(boot).held.get(place), boot)).filter((each) => !mayLack || each !== 'nothing');
    if (new Set(seen).size > 1) return `${place}: ${boots.map(({ name }) => name).join()} have ${seen.join(', ')}`;
  }
  return boots.length > 0 ? undefined : 'no node runs';
}

export function standingOf({ ledger, running }: World): Standing {
  return new Map(running().map((boot) => [boot, new Map([...ledger.shelf(boot).held].map(([place, { version }]) => [place, version]))]));
}

/** What came or changed since. What was collected meanwhile may be gone. */
export function changedSince(before: Standing, now: Standing): string | undefined {
  for (const [boot, places] of now)
    for (const [place, version] of places)
      if (before.get(boot)?.get(place) !== version) return `${boot.name}: ${place} became ${version}, with nothing left to do`;
  return undefined;
}

/** Two nodes of each run serve the same trust bundle, and the certificates that apps were given: a certificate costs as much as a second of a run. */
export function judgeCertificates({ running, chain }: World, { judgeCertificate }: Pick<KeyJudge, 'judgeCertificate'>): void {
  const boots = running();
  const at = chain.head().number;
  const asked = [at, at + 1].flatMap((place) => boots[place % boots.length] ?? []);
  const bundles = asked.map(({ kms }) => trustBundle(kms.ca, usableBlocks(kms.view)?.confirmed.epochs ?? []));
  for (const { epoch, certificate } of bundles.flat()) judgeCertificate(epoch, base64(utf8(certificate)));
  const [first, second] = bundles.map((bundle) => JSON.stringify(bundle));
  hold('I19', first === second, () => `${asked.map(({ name }) => name).join(' and ')} have ${first} and ${second}`);
}
