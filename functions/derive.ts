/** `POST /kms/derive` (`docs/protocol.md` clause 6): a key for the calling app, by path, context and epoch. */
import { chooseEpoch } from '../core/chain/epochs.ts';
import { Refusal } from '../core/errors.ts';
import { parseEpoch } from '../core/identity.ts';
import {
  DERIVE_BODY_BYTES_MAX,
  DERIVE_CONTEXT_BYTES_MAX,
  DERIVE_LENGTH_DEFAULT_BYTES,
  DERIVE_LENGTH_MAX_BYTES,
  DERIVE_PATH_BYTES_MAX,
} from '../core/limits.ts';
import { usableEpochs } from '../core/cluster/readiness.ts';
import { safeNumber } from '../core/chain/registry.ts';
import { base64 } from '../core/wire/bytes.ts';
import { unknownMember } from '../core/wire/json.ts';
import { isPlainText } from '../core/wire/text.ts';
import type { EpochChoice } from '../core/chain/epochs.ts';
import type { Epoch } from '../core/identity.ts';
import type { Kms } from '../core/kms.ts';
import type { JsonObject } from '../core/wire/json.ts';
import type { Endpoint, Work } from './sealed.ts';

interface DeriveRequest {
  readonly path: string;
  readonly context: string;
  readonly lengthBytes: number;
  /** `undefined`: the epoch that was current when the app was created. */
  readonly epoch: Epoch | 'current' | undefined;
}

const work: Work<JsonObject> = (kms, caller, request) => {
  const { path, context, lengthBytes, epoch: named } = parseDeriveRequest(request);
  const epoch = epochFor(kms, named, caller.appCreatedAtMs);
  const key = kms.vault.appKey({ appId: caller.appId, epoch, path, context, lengthBytes });
  if (!key) throw new Refusal('fetching_secret', `epoch ${epoch}`);
  const asked = { path, context, length: lengthBytes };
  return { body: { app_id: safeNumber(caller.appId), ...asked, key: base64(key), epoch, block: caller.blockNumber } };
};

export const derive: Endpoint = { work, bodyBytesMax: DERIVE_BODY_BYTES_MAX };

/** Throws a reason for the first field that is wrong. */
function parseDeriveRequest(request: JsonObject): DeriveRequest {
  if (unknownMember(request, ['path', 'context', 'length', 'epoch']) !== undefined) throw new Refusal('field_unknown');
  const { path, context = '', length = DERIVE_LENGTH_DEFAULT_BYTES, epoch } = request;
  if (!isPlainText(path, DERIVE_PATH_BYTES_MAX) || path === '') throw new Refusal('path_malformed');
  if (!isPlainText(context, DERIVE_CONTEXT_BYTES_MAX)) throw new Refusal('context_malformed');
  // The platform's clients may send the length as a text of digits.
  const lengthBytes = typeof length === 'string' && /^\d{1,4}$/.test(length) ? Number(length) : length;
  if (typeof lengthBytes !== 'number' || !Number.isInteger(lengthBytes) || lengthBytes < 1 || lengthBytes > DERIVE_LENGTH_MAX_BYTES) {
    throw new Refusal('length_malformed');
  }
  return { path, context, lengthBytes, epoch: parseNamedEpoch(epoch) };
}

function parseNamedEpoch(value: unknown): Epoch | 'current' | undefined {
  if (value === undefined || value === 'current') return value;
  const epoch = parseEpoch(value);
  if (epoch === undefined) throw new Refusal('epoch_malformed');
  return epoch;
}

function epochFor({ view }: Kms, named: DeriveRequest['epoch'], appCreatedAtMs: number): Epoch {
  const state = view.state();
  if (state.kind !== 'fresh') throw new Refusal(state.reason, state.detail);
  const epoch = chooseEpoch(state.blocks.confirmed.epochs, choiceOf(named, appCreatedAtMs));
  if (!usableEpochs(state.blocks).some((usable) => usable.epoch === epoch))
    throw new Refusal('epoch_retired', `epoch ${epoch} was given up at the head`);
  return epoch;
}

function choiceOf(named: DeriveRequest['epoch'], appCreatedAtMs: number): EpochChoice {
  if (named === 'current') return { kind: 'current' };
  return named === undefined ? { kind: 'ofApp', appCreatedAtMs } : { kind: 'number', epoch: named };
}
