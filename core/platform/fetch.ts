/**
 * The one way out: every outbound call passes this URL policy, follows no redirect and is bounded in time and size. What it
 * may dial is this enclave's Odyn, its light client, and peers that the profile allows.
 */
import { Refusal } from '../errors.ts';
import { peerOrigin } from '../cluster/peer-url.ts';
import { readBounded } from '../wire/stream.ts';
import type { NodeConfig } from '../config.ts';
import type { Fetch, OutboundAnswer, OutboundRequest } from '../ports.ts';

/** What a host makes of one call. It follows no redirect and ends when the signal does. */
export type HostFetch = (url: string, call: HostCall) => Promise<HostAnswer>;

export interface HostCall {
  readonly method: string;
  readonly redirect: 'manual';
  readonly signal: AbortSignal;
  readonly headers?: Record<string, string>;
  readonly body?: string | Uint8Array<ArrayBuffer>;
}

export type HostAnswer = Pick<Response, 'status' | 'headers' | 'body'>;

/** `dial` reaches peers, where the process has a way of its own; whatever else there is lies on loopback. */
export function createFetch(config: NodeConfig, hostFetch: HostFetch, dial: HostFetch = hostFetch): Fetch {
  const own = new Set([config.odynUrl, config.rpcUrl]);

  function wayTo(url: string): HostFetch {
    const origin = URL.canParse(url) ? new URL(url).origin : undefined;
    if (origin === undefined || (!own.has(origin) && peerOrigin(origin, config.profile.peerUrls) !== origin)) {
      throw new Refusal('url_refused_outbound', origin ?? 'no URL');
    }
    return own.has(origin) ? hostFetch : dial;
  }

  return async (request, { timeoutMs, bodyBytesMax, signal: ended }) => {
    const way = wayTo(request.url);
    const timeout = AbortSignal.timeout(timeoutMs);
    const signal = ended ? AbortSignal.any([timeout, ended]) : timeout;
    try {
      signal.throwIfAborted();
      return await whileGoing(signal, exchange(way, request, bodyBytesMax, signal));
    } catch (error) {
      if (error instanceof Refusal) throw error;
      throw new Refusal(timeout.aborted ? 'outbound_timeout' : 'outbound_failed', `${request.method} ${new URL(request.url).host}`, error);
    }
  };
}

async function exchange(
  way: HostFetch,
  { url, method, headers, body }: OutboundRequest,
  bodyBytesMax: number,
  signal: AbortSignal,
): Promise<OutboundAnswer> {
  const answer = await way(url, {
    method,
    redirect: 'manual',
    signal,
    ...(headers && { headers: { ...headers } }),
    ...(body !== undefined && { body: body as string | Uint8Array<ArrayBuffer> }),
  });
  if (answer.status >= 300 && answer.status < 400) {
    await answer.body?.cancel();
    throw new Refusal('outbound_redirect', `${method} answered ${answer.status}`);
  }
  const bytes = await readBounded(answer.body, bodyBytesMax);
  if (!bytes) throw new Refusal('outbound_too_large', `over ${bodyBytesMax} bytes`);
  return { status: answer.status, headers: answer.headers, body: bytes };
}

/** Ends with the signal, whatever the host makes of it: one that is still making a connection may not look at it. */
function whileGoing<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    work.then(resolve, reject);
  });
}
