/**
 * The enclave's way out: calls over https leave through the proxy of its host by CONNECT, and the proxy sees names and
 * ciphertext. Plain http is loopback only and goes straight.
 */
import { setGlobalProxyFromEnv } from 'node:http';

/** Node completes what it is not told from the environment, http_proxy and no_proxy too: whoever calls this has emptied it. */
export function leaveThrough(proxyUrl: string): void {
  setGlobalProxyFromEnv({ https_proxy: proxyUrl });
}
