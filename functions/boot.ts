/**
 * From configuration to a node. The identity comes first: without a wallet and a TEE key nothing is made, and until then
 * every request but `/health` gets the reason. Mains call `tick` on a timer; it boots, and later ticks the node.
 */
import { recoverWallet } from '../core/crypto/wallet.ts';
import { Refusal } from '../core/errors.ts';
import { parseWallet, ZERO_WALLET } from '../core/identity.ts';
import { createKms } from '../core/kms.ts';
import { createFetch } from '../core/platform/fetch.ts';
import { createOdyn } from '../core/platform/odyn.ts';
import { createRpc } from '../core/platform/rpc.ts';
import { createLog, systemClock, systemRandom } from '../core/platform/system.ts';
import { hex } from '../core/wire/bytes.ts';
import { createApi, newRequestId } from './api.ts';
import { health } from './public.ts';
import { notReadyReply, refusalReply } from './reply.ts';
import type { Api } from './api.ts';
import type { NodeConfig } from '../core/config.ts';
import type { HostFetch } from '../core/platform/fetch.ts';
import type { Identity, Kms } from '../core/kms.ts';
import type { Box, Log, Recover, Signer } from '../core/ports.ts';

export interface Node {
  readonly fetch: Api;
  tick(): Promise<void>;
  /** Until nothing goes on behind a request or a tick. */
  idle(msMax: number): Promise<void>;
  /** Why there is no node yet; `undefined` once there is. */
  obstacle(): Refusal | undefined;
}

/** What a host does better than what every host can do. */
export interface HostParts {
  readonly recover?: Recover;
  readonly dial?: HostFetch;
}

export function createNode(config: NodeConfig, write: (line: string) => void, { recover = recoverWallet, dial }: HostParts = {}): Node {
  const log = createLog(write, systemClock);
  const fetch = createFetch(config, globalThis.fetch.bind(globalThis), dial);
  const { signer, box, attester } = createOdyn(config.odynUrl, fetch);
  const chain = createRpc(config.rpcUrl, fetch);
  let running: { readonly kms: Kms; readonly api: Api } | undefined;
  let obstacle = new Refusal('starting');

  async function boot(): Promise<void> {
    try {
      const identity = await readIdentity(signer, box);
      const kms = createKms({
        identity,
        profile: config.profile,
        clock: systemClock,
        random: systemRandom,
        signer,
        recover,
        box,
        attester,
        chain,
        fetch,
        log,
      });
      running ??= { kms, api: createApi(kms) };
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      obstacle = reportOnce(obstacle, error, log);
    }
  }

  const answer: Api = async (request, peerAddress) => {
    if (running) return await running.api(request, peerAddress);
    return new URL(request.url).pathname === '/health' ? health() : beforeBoot(request, obstacle);
  };

  return {
    fetch: answer,
    async tick() {
      if (!running) await boot();
      running?.kms.audit.settle();
      if (running) await Promise.all([running.kms.admission.tick(), running.kms.replication.tick()]);
    },
    async idle(msMax) {
      await running?.kms.replication.idle(msMax);
    },
    obstacle: () => (running ? undefined : obstacle),
  };
}

/** Throws `zero_wallet` or `odyn_unreachable`. */
export async function readIdentity(signer: Signer, box: Box): Promise<Identity> {
  const [address, publicKey] = await Promise.all([signer.address(), box.publicKey()]).catch((error: unknown) => {
    throw error instanceof Refusal ? new Refusal('odyn_unreachable', error.detail, error) : error;
  });
  const wallet = parseWallet(address);
  if (!wallet || wallet === ZERO_WALLET) throw new Refusal('zero_wallet', 'Odyn gave no wallet of its own');
  return { wallet, teePubkey: hex(publicKey) };
}

/** The same answers as a node that waits gives, before there is one. */
function beforeBoot(request: Request, obstacle: Refusal): Response {
  const requestId = newRequestId(systemRandom);
  const waits = new URL(request.url).pathname === '/ready';
  const reply = waits ? notReadyReply(obstacle.reason) : refusalReply(obstacle, requestId);
  reply.headers.set('x-request-id', requestId);
  return reply;
}

function reportOnce(before: Refusal, now: Refusal, log: Log): Refusal {
  if (before.reason !== now.reason) log('node.boot_failed', { reason: now.reason, detail: now.detail });
  return now;
}
