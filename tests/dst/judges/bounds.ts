/** Judges how much a node holds beside its records, of what it shows of itself: never more than the limit, nor more than there was cause for. */
import * as limits from '../../../core/limits.ts';
import { hold } from './invariants.ts';
import type { Epoch } from '../../../core/identity.ts';
import type { Boot } from '../world/node.ts';
import type { World } from '../world/world.ts';

export function judgeBounds({ ledger, chain }: World, boot: Boot): void {
  const { name, kms } = boot;
  const { requests } = ledger.shelf(boot);
  const { usedNonces, usedEnvelopes, usedSignatures, bodiesInFlight, replication, vault } = kms;
  const bounds: [string, number, number][] = [
    ['used nonces', usedNonces.size(), Math.min(requests, limits.CONSUMED_NONCES_TOTAL_MAX)],
    ['used envelopes', usedEnvelopes.size(), Math.min(requests, limits.ENVELOPE_NONCES_TOTAL_MAX)],
    ['used signatures', usedSignatures.size(), Math.min(requests, limits.USED_SIGNATURES_TOTAL_MAX)],
    ['bytes of bodies', bodiesInFlight.held(), limits.BODIES_TOTAL_BYTES_MAX],
    ...chain.head().epochs.map(({ id }): [string, number, number] => {
      return ['candidates', vault.candidates(Number(id) as Epoch).length, limits.CANDIDATES_PER_EPOCH_MAX];
    }),
    ...replication.report().peers.map(({ refusedThere }): [string, number, number] => {
      const refused = Object.values(refusedThere).reduce((sum, count) => sum + count, 0);
      return ['records to be tried again', refused, limits.OWED_PER_PEER_MAX];
    }),
  ];
  for (const [what, size, max] of bounds) hold('I22', size <= max, () => `${name} holds ${size} ${what}, of ${max}`);
}
