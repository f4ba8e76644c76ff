/** Which epoch a request means (`docs/protocol.md` clause 6.3). Pure; decided on the confirmed block's list. */
import { Refusal } from '../errors.ts';
import type { Epoch } from '../identity.ts';
import type { EpochRecord } from './registry.ts';

/** A number, the active epoch, or the one that was current when the app was created. */
export type EpochChoice =
  | { readonly kind: 'number'; readonly epoch: Epoch }
  | { readonly kind: 'current' }
  | { readonly kind: 'ofApp'; readonly appCreatedAtMs: number };

/** Throws `epoch_unknown` or `epoch_retired`. What it names may still be missing in the vault. */
export function chooseEpoch(epochs: readonly EpochRecord[], choice: EpochChoice): Epoch {
  const chosen = find(epochs, choice);
  if (!chosen || chosen.hash === undefined) throw new Refusal('epoch_unknown');
  if (chosen.state === 'retired' || chosen.state === 'lost') throw new Refusal('epoch_retired', `epoch ${chosen.epoch} is ${chosen.state}`);
  return chosen.epoch;
}

function find(epochs: readonly EpochRecord[], choice: EpochChoice): EpochRecord | undefined {
  if (choice.kind === 'number') return epochs[choice.epoch];
  if (choice.kind === 'current') return epochs.find((epoch) => epoch.state === 'active');
  return epochOfApp(
    epochs.filter((epoch) => epoch.hash !== undefined),
    choice.appCreatedAtMs,
  );
}

/** An app keeps the epoch it was born in, so a rotation never changes its keys; a reset moves it to the first one after. */
function epochOfApp(activated: readonly EpochRecord[], appCreatedAtMs: number): EpochRecord | undefined {
  const born = activated.findLast((epoch) => epoch.activatedAtMs <= appCreatedAtMs) ?? activated[0];
  if (born?.state !== 'lost') return born;
  return activated.find((epoch) => epoch.epoch > born.epoch && epoch.state !== 'lost');
}
