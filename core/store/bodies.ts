/** Opening and sealing bodies with the keys that are held now. There is no other form of a value: without its key there is none. */
import { Refusal } from '../errors.ts';
import { isCommitted, openBody, sealBody, valueOf } from './record.ts';
import { headerBytesOf, isDead, reseal, sealedOf } from './stored.ts';
import type { AppId, Epoch } from '../identity.ts';
import type { Random } from '../ports.ts';
import type { DataKeys } from './interface.ts';
import type { Header, TravellingRecord } from './record.ts';
import type { Stored } from './stored.ts';

const NOTHING = new Uint8Array(0);

/** Under what new bodies are sealed. */
export interface Sealing {
  readonly epoch: Epoch;
  readonly key: Uint8Array;
}

export interface Bodies {
  /** Throws `fetching_secret`. */
  sealing(appId: AppId): Sealing;
  /** Throws `fetching_secret` when the epoch's key is not held. */
  value(record: Stored): Uint8Array;
  /** `undefined` when there is no key for it. */
  travelling(record: Stored): TravellingRecord | undefined;
  judge(travelling: TravellingRecord, header: Header): 'authentic' | 'unknown_epoch' | 'bad_record';
  /** Seals the value under the current epoch, if both keys are held. `unreadable`: the key is held, and it does not open. */
  renew(record: Stored): 'renewed' | 'no_key' | 'unreadable';
  isReadable(record: Stored): boolean;
}

export function createBodies(keys: DataKeys, random: Random): Bodies {
  function opened(record: Stored): Uint8Array | undefined {
    const key = keys.recordKey(record.appId, record.epoch);
    return key && openBody(key, headerBytesOf(record), sealedOf(record), false);
  }

  /** `undefined` while the key of the current epoch is not held. */
  function current(appId: AppId): Sealing | undefined {
    const epoch = keys.current();
    const key = epoch === undefined ? undefined : keys.recordKey(appId, epoch);
    return epoch === undefined || !key ? undefined : { epoch, key };
  }

  return {
    sealing(appId) {
      const sealing = current(appId);
      if (!sealing) throw new Refusal('fetching_secret', 'no data key of the current epoch');
      return sealing;
    },
    value(record) {
      const body = opened(record);
      if (!body) throw new Refusal('fetching_secret', `the data key of epoch ${record.epoch} is not held`);
      return valueOf(body);
    },
    travelling(record) {
      const { clock } = record;
      const header = headerBytesOf(record);
      if (!isDead(record)) {
        const { appId, epoch } = record;
        return keys.recordKey(appId, epoch) && { header, clock, epoch, isEmpty: false, sealed: sealedOf(record) };
      }
      const sealing = current(record.appId);
      return sealing && { header, clock, epoch: sealing.epoch, isEmpty: true, sealed: sealBody(sealing.key, header, NOTHING, random) };
    },
    judge({ header: bytes, epoch, isEmpty, sealed }, header) {
      const key = keys.recordKey(header.appId, epoch);
      if (!key) return 'unknown_epoch';
      const body = openBody(key, bytes, sealed, isEmpty);
      if (!body) return 'bad_record';
      const isWhole = isEmpty ? body.length === 0 : isCommitted(body, header.commitment);
      return isWhole ? 'authentic' : 'bad_record';
    },
    renew(record) {
      const sealing = current(record.appId);
      if (!sealing || !keys.recordKey(record.appId, record.epoch)) return 'no_key';
      const body = opened(record);
      if (!body) return 'unreadable';
      reseal(record, sealing.epoch, sealBody(sealing.key, headerBytesOf(record), body, random));
      return 'renewed';
    },
    isReadable: (record) => opened(record) !== undefined,
  };
}
