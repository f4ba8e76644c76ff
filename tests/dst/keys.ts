/** Judges keys and certificates against all that were given before: by any node, at any time. */
import { hold } from './invariants.ts';
import type { App } from './apps.ts';

export interface KeyJudge {
  /** `what`: all that the key is derived from. */
  judgeKey(what: string, key: string): void;
  /** The epoch of a derivation that names none: that in which the app was born. */
  judgeOwnEpoch(app: App, epoch: number): void;
  judgeCertificate(epoch: number, certificate: string): void;
}

export function createKeyJudge(): KeyJudge {
  const keys = new Map<string, string>();
  const owners = new Map<string, string>();
  const ownEpochs = new Map<bigint, number>();
  const certificates = new Map<number, string>();
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
      hold('I19', (certificates.get(epoch) ?? certificate) === certificate, () => `two certificates of epoch ${epoch}`);
      certificates.set(epoch, certificate);
    },
  };
}
