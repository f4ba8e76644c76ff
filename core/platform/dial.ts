/**
 * Connections to peers from a process that has sockets: the enclave binary. A name is looked up inside the connection that dials it, so
 * that the address that was checked is the address that is dialled, whatever the name says a moment later (S-H2). Through an egress proxy
 * nothing is looked up: it gets the name by CONNECT, and its list decides. Certificates are always verified.
 */
import { lookup as systemLookup } from 'node:dns';
import { Agent as HttpAgent, request as requestHttp } from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import { isIP } from 'node:net';
import { Readable } from 'node:stream';
import { Refusal } from '../errors.ts';
import { DIAL_IDLE_MS_MAX, DIAL_SOCKETS_PER_PEER_MAX, DIAL_SOCKETS_TOTAL_MAX, HTTP_HEADERS_BYTES_MAX } from '../limits.ts';
import { parseAddress } from '../wire/address.ts';
import { isSpecial } from './special.ts';
import type { LookupAddress, LookupAllOptions } from 'node:dns';
import type { ClientRequestArgs, IncomingMessage } from 'node:http';
import type { LookupFunction } from 'node:net';
import type { Duplex } from 'node:stream';
import type { HostAnswer, HostCall, HostFetch } from './fetch.ts';

export type Resolve = (
  name: string,
  options: LookupAllOptions,
  told: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;

export interface DialOptions {
  /** Hosts that the profile lists exactly: they may have any address. */
  readonly hosts: readonly string[];
  /** What calls over https leave by. */
  readonly proxyUrl?: string | undefined;
  /** The system's by default. */
  readonly resolve?: Resolve;
  /** Whom certificates are from, as PEM; the authorities inside Node by default. */
  readonly authorities?: readonly string[];
}

export function createDial({ hosts, proxyUrl, resolve = systemLookup, authorities }: DialOptions): HostFetch {
  const kept = {
    keepAlive: true,
    maxSockets: DIAL_SOCKETS_PER_PEER_MAX,
    maxTotalSockets: DIAL_SOCKETS_TOTAL_MAX,
    timeout: DIAL_IDLE_MS_MAX,
    lookup: createLookup(hosts, resolve),
  };
  const http = new HttpAgent(kept);
  const verified = { ...kept, ...(authorities && { ca: [...authorities] }), rejectUnauthorized: true, minVersion: 'TLSv1.2' } as const;
  const https = proxyUrl === undefined ? new HttpsAgent(verified) : new TunnelAgent({ ...verified, proxyEnv: { https_proxy: proxyUrl } });

  return (target, call) => {
    const url = new URL(target);
    const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
    // Who dials an address looks nothing up.
    if (isIP(host) !== 0 && !hosts.includes(url.hostname)) throw new Refusal('address_refused_outbound', url.hostname);
    return exchange(url, call, { http, https });
  };
}

/** Of one call, as it comes to the agent. */
interface CallArgs extends ClientRequestArgs {
  readonly ends: AbortSignal;
}

/**
 * Until TLS stands, a tunnel through the proxy is nobody's: Node neither ends it with the call that it is made for, nor counts it. Of a peer
 * that takes connections and answers never, or byte by byte, each call would leave one open for good.
 */
class TunnelAgent extends HttpsAgent {
  override createConnection(args: ClientRequestArgs, told?: (error: Error | null, stream: Duplex) => void): Duplex | null | undefined {
    const { ends } = args as CallArgs;
    const end = (): void => void tunnel?.destroy(new Error('its call ended'));
    const tunnel = super.createConnection(args, (error, stream) => {
      ends.removeEventListener('abort', end);
      told?.(error, stream);
    });
    // It may have waited for its turn, and nobody waits for it any more.
    if (ends.aborted) end();
    else ends.addEventListener('abort', end);
    return tunnel;
  }
}

/** Asks once, judges every address, and gives the connection exactly those. One that no peer has spoils all of them. */
function createLookup(hosts: readonly string[], resolve: Resolve): LookupFunction {
  return (name, options, callback) => {
    resolve(name, { ...options, all: true }, (error, found) => {
      const spoilt = error || hosts.includes(name) ? undefined : found.find(({ address }) => !isPublic(address));
      const refusal = spoilt && new Refusal('address_refused_outbound', `${name} is ${spoilt.address}`);
      const [first] = found ?? [];
      if (error || refusal || !first) callback(error ?? refusal ?? new Error(`${name} has no address`), '', 0);
      else if (options.all) callback(null, found);
      else callback(null, first.address, first.family);
    });
  };
}

function isPublic(text: string): boolean {
  const address = parseAddress(text);
  return address !== undefined && !isSpecial(address);
}

interface Agents {
  readonly http: HttpAgent;
  readonly https: HttpsAgent;
}

/** Resolves with the beginning of the answer; its body is read by who asked. */
function exchange(url: URL, { method, headers, body, signal }: HostCall, agents: Agents): Promise<HostAnswer> {
  const length = body === undefined ? undefined : { 'content-length': String(Buffer.byteLength(body)) };
  const options = { method, headers: { ...headers, ...length }, signal, ends: signal, maxHeaderSize: HTTP_HEADERS_BYTES_MAX };
  return new Promise((resolve, reject) => {
    const told = (answer: IncomingMessage): void => {
      try {
        resolve({ status: answer.statusCode ?? 0, headers: headersOf(answer), body: streamOf(answer) });
      } catch (error) {
        answer.destroy();
        reject(error);
      }
    };
    const asked =
      url.protocol === 'https:'
        ? requestHttps(url, { ...options, agent: agents.https }, told)
        : requestHttp(url, { ...options, agent: agents.http }, told);
    asked.on('error', reject);
    // An answer that changes the protocol ends the connection without a word.
    asked.once('close', () => reject(new Error('the connection ended')));
    asked.end(body);
  });
}

function headersOf({ rawHeaders }: IncomingMessage): Headers {
  const headers = new Headers();
  for (let index = 0; index < rawHeaders.length; index += 2) headers.append(rawHeaders[index] ?? '', rawHeaders[index + 1] ?? '');
  return headers;
}

function streamOf(answer: IncomingMessage): ReadableStream<Uint8Array> {
  return Readable.toWeb(answer) as ReadableStream<Uint8Array>;
}
