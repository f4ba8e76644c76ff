/** How a wallet stands by the registry's word at one block (`docs/protocol.md` clause 5.1). Pure; nodes and apps judge alike. */
import { Refusal } from '../errors.ts';
import { parseAppId } from '../identity.ts';
import type { AppId, Hash, Wallet } from '../identity.ts';
import type { CallerView } from '../chain/registry.ts';

export interface Caller {
  readonly wallet: Wallet;
  readonly instanceId: bigint;
  readonly appId: AppId;
  readonly versionId: bigint;
  /** Lower-case hex of the SPKI DER, without `0x`. */
  readonly teePubkey: string;
  readonly appCreatedAtMs: number;
  /** Of the code that its version enrolled. */
  readonly measurement: Hash;
  /** The head at which the wallet was found good. */
  readonly blockNumber: number;
}

/** One block's word on a wallet. Ids come first: for an unknown wallet every other field reads as good. */
export function judgeCaller(wallet: Wallet, view: CallerView): Caller | Refusal {
  const appId = parseAppId(view.appId);
  const at = `at block ${view.blockNumber}`;
  if (view.instanceId === 0n || view.wallet !== wallet || appId === undefined) return new Refusal('instance_unknown', at);
  if (view.instanceStatus !== 'active') return new Refusal('instance_not_active', at);
  if (!view.zkVerified) return new Refusal('instance_not_verified', at);
  if (view.appRecordId !== view.appId || view.appStatus !== 'active') return new Refusal('app_not_active', at);
  if (view.versionRecordId !== view.versionId || view.versionStatus === 'revoked') return new Refusal('version_not_allowed', at);
  const { instanceId, versionId, teePubkey, appCreatedAtMs, measurement } = view;
  return { wallet, instanceId, appId, versionId, teePubkey, appCreatedAtMs, measurement, blockNumber: view.blockNumber };
}
