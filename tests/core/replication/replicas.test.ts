import { describe, expect, it } from 'vitest';
import { createReplicas } from '../../../core/replication/replicas.ts';
import { utf8 } from '../../../core/wire/bytes.ts';
import { app } from '../store/stores.ts';
import { linked } from './linked.ts';
import type { Membership } from '../../../core/replication/membership.ts';

describe('several records', () => {
  it.each([
    ['first', (large: string, small: string) => [large, small]],
    ['last', (large: string, small: string) => [small, large]],
  ])('are held by so many as hold every one of them, also when the one that fewest hold is the %s', async (_place, order) => {
    const links = linked(3, (index) => (index === 2 ? { quotaBytes: 2_000 } : {}));
    const { store, cursors, pushes } = links.node(0);
    const wallets = links.nodes.map(({ wallet }) => wallet);
    const membership: Membership = {
      observe: () => true,
      live: () => new Set(wallets),
      others: () => wallets.slice(1),
      recent: () => wallets.slice(1),
    };
    const { wait } = createReplicas({ store, cursors, pushes, membership, clock: links.clock });
    await pushes.pushAll();
    const keys = order('large', 'small');
    const records = keys.map((key) => store.put(app, key, key === 'large' ? new Uint8Array(20_000) : utf8('v')).record);
    for (const peer of [1, 2]) await pushes.push(links.peer(peer));
    const held = async (...of: typeof records) => (await wait(of, 3, 0)).replicas;
    expect([await held(...records), await held(...records.filter(({ key }) => key === 'small'))]).toEqual([2, 3]);
  });
});
