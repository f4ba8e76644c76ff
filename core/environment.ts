/**
 * What the environment may tell the enclave binary: three addresses and the way out. It decides nothing that is trusted, and
 * a variable known to put code or another root of trust into the process ends the start (U-16). That is a list, as good as those
 * it was taken from; the rest of the environment is emptied before anything else reads it.
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

/** Of the runtime, the loader, OpenSSL and ICU: ways to load code or data that was not measured, or to turn a check off. */
const REFUSED = ['NODE_', 'LD_', 'OPENSSL_', 'SSL', 'GLIBC_', 'GCONV_', 'MALLOC_', 'UV_', 'ICU_', 'V8_'];
/** What else the C library takes from programs that run for another user (glibc, `unsecvars.h`): files to read, names to look up. */
const REFUSED_NAMES = [
  'GETCONF_DIR',
  'HOSTALIASES',
  'LOCALDOMAIN',
  'LOCPATH',
  'NIS_PATH',
  'NLSPATH',
  'RESOLV_HOST_CONF',
  'RES_OPTIONS',
  'TMPDIR',
  'TZDIR',
];

/** Throws an error that names the variable. */
export function readEnvironment(variables: Variables): Environment {
  for (const [name, value] of Object.entries(variables)) {
    if (isRefused(name.toUpperCase(), value))
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

function isRefused(name: string, value = ''): boolean {
  if (REFUSED.some((prefix) => name.startsWith(prefix)) || REFUSED_NAMES.includes(name)) return true;
  // A time zone by name is one; as a path it is any file.
  return name === 'TZ' && /^:|^\/|\.\./.test(value);
}

function readListen(value: string): Environment['listen'] {
  const [, host = '', digits = ''] = /^(\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-f:]+\]):(\d{1,5})$/.exec(value) ?? [];
  const port = Number(digits);
  // Of an address that is none the system would ask a name server. What a URL writes differently is an octal or a short form.
  const url = URL.canParse(`http://${host}`) ? new URL(`http://${host}`) : undefined;
  const isAddress = url !== undefined && (host.startsWith('[') || url.hostname === host);
  if (host === '' || !isAddress || port > 65_535)
    throw new TypeError('environment: NOVA_KMS_LISTEN must be an address and a port, such as 0.0.0.0:8000');
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
