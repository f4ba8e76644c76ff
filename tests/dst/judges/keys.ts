/** Judges keys and certificates against all that were given before: by any node, at any time. */
import { hold } from './invariants.ts';
import type { App } from '../world/apps.ts';

export interface KeyJudge {
  /** `what`: all that the key is derived from. */
  judgeKey(what: string, key: string): void;
  /** The epoch of a derivation that names none: that in which the app was born. */
  judgeOwnEpoch(app: App, epoch: number): void;
  judgeCertificate(epoch: number, certificate: string): void;
}

/** `activations`: how many times of activation the chain has had for an epoch. A reorganisation moves it, and its certificate begins with it. */
export function createKeyJudge(activations: (epoch: number) => number): KeyJudge {
  const keys = new Map<string, string>();
  const owners = new Map<string, string>();
  const ownEpochs = new Map<bigint, number>();
  const certificates = new Map<number, Set<string>>();
  return {
    judgeKey(what, key) {
      hold('I15', (keys.get(what) ?? key) === key, () => `two keys for ${what}`);
      hold('I18', (owners.get(key) ?? what) === what, () => `one key for ${what} and ${owners.get(key)}`);
      keys.set(what, key);
      owners.set(key, what);
    },
    judgeOwnEpoch({ appId }, epoch) {
      hold('I15', (ownEpochs.get(appId) ?? epoch) === epoch, () => `app ${appId} has moved from epoch ${ownEpochs.get(appId)} to ${epoch}`);
      ownEpochs.set(appId, epoch);
    },
    judgeCertificate(epoch, certificate) {
      const all = (certificates.get(epoch) ?? new Set()).add(certificate);
      certificates.set(epoch, all);
      hold('I19', all.size <= activations(epoch), () => `${all.size} certificates of epoch ${epoch}`);
    },
  };
}
