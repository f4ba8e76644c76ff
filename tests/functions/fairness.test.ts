/** What one caller, or who has seen one of its requests, can take from the others. */
import { beforeEach, describe, expect, it } from 'vitest';
import { createApi } from '../../functions/api.ts';
import { createBudget } from '../../core/auth/budget.ts';
import * as limits from '../../core/limits.ts';
import { parseBlock } from '../../core/wire/address.ts';
import { signerNamed } from '../core/fakes.ts';
import { createDataWorld } from './data-world.ts';
import type { AppId } from '../../core/identity.ts';
import type { Kms } from '../../core/kms.ts';
import type { AddressBlock } from '../../core/wire/address.ts';
import type { DataWorld } from './data-world.ts';

const REPLAYS = 5;
const LIST = '/kms/data';
let world: DataWorld;
/** Tokens that wallets paid. */
let paid: number;

beforeEach(async () => {
  world = await createDataWorld();
  paid = 0;
});

function counted(kms: Kms): Kms {
  const take: Kms['callerRate']['take'] = (wallet, tokens = 1) => ((paid += tokens), kms.callerRate.take(wallet, tokens));
  const takeOperator: Kms['callerRate']['take'] = (wallet, tokens = 1) => ((paid += tokens), kms.operatorRate.take(wallet, tokens));
  const trustedProxies = [parseBlock('10.0.0.0/8') as AddressBlock];
  return {
    ...kms,
    profile: { ...kms.profile, trustedProxies },
    callerRate: { ...kms.callerRate, take },
    operatorRate: { ...kms.operatorRate, take: takeOperator },
  };
}

/** What becomes of one request that its sender's host, or whoever else saw it, sends again and again from an address of its own. */
async function replayed(kms: Kms, request: Request): Promise<ReadonlyMap<number, number>> {
  const api = createApi(counted(kms));
  const from = (address: string) => {
    const again = request.clone();
    again.headers.set('x-forwarded-for', address);
    return api(again, '10.0.0.1');
  };
  expect((await from('198.51.100.1')).status).toBe(200);
  paid = 0;
  const answers = new Map<number, number>();
  const visit = () => api(new Request('http://node/nonce', { headers: { 'x-forwarded-for': '198.51.100.2' } }), '10.0.0.1');
  for (let left = limits.ADDRESS_REQUESTS_BURST; left > REPLAYS * limits.ADDRESS_PROOF_REQUESTS; left -= 1) await visit();
  for (let count = 0; count < 2 * REPLAYS; count += 1) {
    const { status } = await from('198.51.100.2');
    answers.set(status, (answers.get(status) ?? 0) + 1);
  }
  return answers;
}

describe('U-15 a request that was seen and is sent again', () => {
  it('takes its sender’s rate, and costs an address nothing, where it is known as a replay only when it is used up', async () => {
    const forgetful = { ...world.kms, usedSignatures: { ...world.kms.usedSignatures, has: () => false } };
    await replayed(forgetful, world.request(world.a, 'GET', LIST));
    expect(paid).toBe(2 * REPLAYS);
  });

  it('takes nothing of its sender’s rate, and is paid by the address that it comes from', async () => {
    const answers = await replayed(world.kms, world.request(world.a, 'GET', LIST));
    expect([paid, [...answers]]).toEqual([
      0,
      [
        [403, REPLAYS],
        [429, REPLAYS],
      ],
    ]);
  });

  it('takes nothing of an operator’s rate either', async () => {
    const owner = { signer: signerNamed('the owner'), appId: 0n as AppId };
    world.cluster.chain.owner = owner.signer.wallet;
    await world.cluster.round();
    const answers = await replayed(world.kms, world.request(owner, 'GET', '/audit/head'));
    expect([paid, answers.get(403)]).toEqual([0, REPLAYS]);
  });
});

describe('four wallets that hold all that they may', () => {
  const crowd = (kms: Kms): void => {
    const never = () => new Promise<void>(() => undefined);
    for (const wallet of ['w1', 'w2', 'w3', 'w4'])
      for (let held = 0; held < limits.REQUESTS_PER_WALLET_MAX; held += 1) kms.requestsInWork.hold(wallet, 1, never);
    for (const wallet of ['w1', 'w2', 'w3', 'w4'])
      for (let held = 0; held < limits.BODIES_PER_WALLET_BYTES_MAX; held += limits.BODIES_RESERVE_BYTES_MAX)
        kms.bodiesInFlight.hold(wallet, limits.BODIES_RESERVE_BYTES_MAX, never);
  };
  const derives = async (kms: Kms): Promise<number> => {
    crowd(kms);
    const api = createApi(kms);
    const text = world.envelope(world.a, { path: 'p' });
    return (await api(world.request(world.a, 'POST', '/kms/derive', text, { 'content-length': String(text.length) }))).status;
  };

  it('lock everybody else out where all room is everybody’s', async () => {
    const open = (perOwnerMax: number, totalMax: number) => createBudget({ perOwnerMax, totalMax, ownerReserveMax: perOwnerMax });
    const requestsInWork = open(limits.REQUESTS_PER_WALLET_MAX, limits.REQUESTS_IN_WORK_MAX);
    const bodiesInFlight = open(limits.BODIES_PER_WALLET_BYTES_MAX, limits.BODIES_TOTAL_BYTES_MAX);
    expect(await derives({ ...world.kms, requestsInWork })).toBe(503);
    expect(await derives({ ...world.kms, bodiesInFlight })).toBe(429);
  });

  it('leave a fifth its key', async () => {
    expect(await derives(world.kms)).toBe(200);
  });
});
