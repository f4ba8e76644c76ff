/**
 * What the environment may tell the enclave binary: three addresses and the way out. It decides nothing that is trusted, and
 * a variable that could put code or another root of trust into the process ends the start (U-16).
 */
import { loopbackOrigin } from './config.ts';

export interface Environment {
  readonly listen: { readonly host: string; readonly port: number };
  readonly odynUrl: string;
  readonly rpcUrl: string;
  /** What calls over https leave by; `undefined`: they go straight. */
  readonly proxyUrl: string | undefined;
}

type Variables = Readonly<Record<string, string | undefined>>;

const KNOWN = ['NOVA_KMS_LISTEN', 'NOVA_KMS_ODYN_URL', 'NOVA_KMS_RPC_URL'];

/** Of the runtime, the loader, the C library, OpenSSL and ICU: each is a way to load code or data that was not measured. */
const REFUSED = ['NODE_', 'LD_', 'OPENSSL_', 'SSL', 'GLIBC_', 'GCONV_', 'MALLOC_', 'UV_', 'ICU_', 'V8_'];

/** Throws an error that names the variable. */
export function readEnvironment(variables: Variables): Environment {
  for (const name of Object.keys(variables)) {
    if (REFUSED.some((prefix) => name.toUpperCase().startsWith(prefix)))
      throw new TypeError(`environment: ${name} is refused: it could change what runs or whom it trusts`);
    if (name.toUpperCase().startsWith('NOVA_KMS_') && !KNOWN.includes(name)) throw new TypeError(`environment: unknown setting ${name}`);
  }
  return {
    listen: readListen(variables['NOVA_KMS_LISTEN'] ?? '0.0.0.0:8000'),
    odynUrl: loopbackOrigin('NOVA_KMS_ODYN_URL', variables['NOVA_KMS_ODYN_URL'] ?? 'http://127.0.0.1:18000'),
    rpcUrl: loopbackOrigin('NOVA_KMS_RPC_URL', variables['NOVA_KMS_RPC_URL'] ?? 'http://127.0.0.1:18545'),
    proxyUrl: readProxy(variables),
  };
}

function readListen(value: string): Environment['listen'] {
  const [, host = '', digits = ''] = /^(\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-f:]+\]):(\d{1,5})$/.exec(value) ?? [];
  const port = Number(digits);
  if (host === '' || port > 65_535) throw new TypeError('environment: NOVA_KMS_LISTEN must be an address and a port, such as 0.0.0.0:8000');
  return { host: host.replace(/^\[(.*)\]$/, '$1'), port };
}

/** Odyn names it in both spellings. Calls over plain http are to loopback and never take it. */
function readProxy(variables: Variables): string | undefined {
  const [proxy, ...others] = new Set(
    ['https_proxy', 'HTTPS_PROXY'].flatMap((name) => (variables[name] ? [loopbackOrigin(name, variables[name])] : [])),
  );
  if (others.length > 0) throw new TypeError('environment: https_proxy and HTTPS_PROXY differ');
  return proxy;
}
