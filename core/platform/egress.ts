/**
 * The enclave's way out: calls over https leave through the proxy of its host by CONNECT, and the proxy sees names and
 * ciphertext. Plain http is loopback only and goes straight. The proxies that the environment names besides are not asked.
 */
import { setGlobalProxyFromEnv } from 'node:http';

export function leaveThrough(proxyUrl: string): void {
  setGlobalProxyFromEnv({ https_proxy: proxyUrl });
}
