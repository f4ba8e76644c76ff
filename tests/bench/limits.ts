/** What the limits of one request cost, by themselves: its address, its rate, its place among those in work, the depth of its JSON. */
import { createBudget } from '../../core/auth/budget.ts';
import { createRate } from '../../core/auth/rate.ts';
import * as limits from '../../core/limits.ts';
import { systemClock } from '../../core/platform/system.ts';
import { parseBlock } from '../../core/wire/address.ts';
import { parseJsonObject } from '../../core/wire/json.ts';
import { createAdmit } from '../../functions/visitors.ts';
import { profile } from '../core/fakes.ts';
import { median } from './figures.ts';

const ROUNDS = 7;
const REQUESTS = 20_000;
const BODY = JSON.stringify({ sender_tee_pubkey: 'ab'.repeat(120), nonce: 'ab'.repeat(12), encrypted_data: 'ab'.repeat(170) });

/** Microseconds for one request: with an address told by a proxy, and without. */
export async function limitsUs(): Promise<{ readonly withAddress: number; readonly without: number }> {
  const proxies = [parseBlock('10.0.0.0/8') ?? { address: new Uint8Array(16), bits: 0 }];
  const admits = {
    withAddress: createAdmit({ clock: systemClock, profile: { ...profile, trustedProxies: proxies } }),
    without: createAdmit({ clock: systemClock, profile }),
  };
  const rate = createRate(systemClock, { perSecond: 1e9, burst: 1e9, keysMax: limits.CALLERS_CACHED_MAX });
  const inWork = createBudget({
    perOwnerMax: limits.REQUESTS_PER_WALLET_MAX,
    totalMax: limits.REQUESTS_IN_WORK_MAX,
    ownerReserveMax: limits.REQUESTS_RESERVE_MAX,
  });
  const headers = { 'x-forwarded-for': '198.51.100.7' };
  const request = new Request('http://node/kms/derive', { method: 'POST', headers });

  async function oneUs(admit: (typeof admits)['without']): Promise<number> {
    const startedAtMs = performance.now();
    for (let asked = 0; asked < REQUESTS; asked += 1) {
      const welcome = admit(request, '/kms/derive', '10.0.0.1');
      welcome();
      await inWork.hold('0xwallet', 1, async () => void rate.take('0xwallet', 1));
    }
    return ((performance.now() - startedAtMs) * 1_000) / REQUESTS;
  }

  /** What the depth adds to parsing. */
  function depthUs(): number {
    const timed = (parse: (text: string) => unknown): number => {
      const startedAtMs = performance.now();
      for (let asked = 0; asked < REQUESTS; asked += 1) parse(BODY);
      return ((performance.now() - startedAtMs) * 1_000) / REQUESTS;
    };
    return Math.max(0, timed(parseJsonObject) - timed(JSON.parse));
  }

  const rounds: { withAddress: number; without: number; depth: number }[] = [];
  for (let round = 0; round < ROUNDS; round += 1)
    rounds.push({ withAddress: await oneUs(admits.withAddress), without: await oneUs(admits.without), depth: depthUs() });
  const depth = median(rounds.map((round) => round.depth));
  return {
    withAddress: median(rounds.map((round) => round.withAddress)) + depth,
    without: median(rounds.map((round) => round.without)) + depth,
  };
}
