import { describe, expect, it } from 'vitest';
import { readEnvironment } from '../../core/environment.ts';

const defaults = {
  listen: { host: '0.0.0.0', port: 8_000 },
  odynUrl: 'http://127.0.0.1:18000',
  rpcUrl: 'http://127.0.0.1:18545',
  proxyUrl: undefined,
};

describe('the environment', () => {
  it('may be empty', () => expect(readEnvironment({})).toEqual(defaults));

  it('may hold what a system and Odyn put there', () => {
    const proxy = 'http://127.0.0.1:10000/';
    const put = {
      PATH: '/bin',
      HOME: '/',
      TERM: 'linux',
      TZ: 'Europe/Berlin',
      AWS_KMS_ENDPOINT: 'x',
      NO_PROXY: 'localhost,127.0.0.1',
      no_proxy: '*',
    };
    const proxies = { http_proxy: proxy, HTTP_PROXY: proxy, https_proxy: proxy, HTTPS_PROXY: 'http://127.0.0.1:10000' };
    expect(readEnvironment({ ...put, ...proxies })).toEqual({ ...defaults, proxyUrl: 'http://127.0.0.1:10000' });
  });

  it.each([
    ['127.0.0.1:0', { host: '127.0.0.1', port: 0 }],
    ['[::1]:65535', { host: '::1', port: 65_535 }],
  ])('names where to listen: %s', (value, listen) => expect(readEnvironment({ NOVA_KMS_LISTEN: value }).listen).toEqual(listen));

  it.each([
    '',
    '8000',
    ':8000',
    'localhost:8000',
    '127.0.0.1:',
    '127.0.0.1:65536',
    '127.0.0.1:80x',
    '::1:80',
    ' 127.0.0.1:80',
    '127.0.0.1:80 ',
    '999.999.999.999:80',
    '127.0.0.256:80',
    '010.0.0.1:80',
    '[0:0]:0',
    '[1:2:3:4:5:6:7:8:9]:0',
    '[:::]:0',
  ])('is refused when it names "%s"', (value) => expect(() => readEnvironment({ NOVA_KMS_LISTEN: value })).toThrow('NOVA_KMS_LISTEN'));

  it.each([
    'NODE_OPTIONS',
    'NODE_EXTRA_CA_CERTS',
    'NODE_TLS_REJECT_UNAUTHORIZED',
    'NODE_USE_ENV_PROXY',
    'NODE_USE_SYSTEM_CA',
    'NODE_V8_COVERAGE',
    'NODE_COMPILE_CACHE',
    'NODE_REPL_EXTERNAL_MODULE',
    'NODE_DEBUG',
    'NODE_CHANNEL_FD',
    'NODE_',
    'LOCPATH',
    'HOSTALIASES',
    'RES_OPTIONS',
    'localdomain',
    'TZDIR',
    'SSL_CERT_FILE',
    'SSL_CERT_DIR',
    'SSLKEYLOGFILE',
    'OPENSSL_CONF',
    'OPENSSL_MODULES',
    'OPENSSL_ENGINES',
    'LD_PRELOAD',
    'LD_LIBRARY_PATH',
    'LD_AUDIT',
    'GLIBC_TUNABLES',
    'GCONV_PATH',
    'MALLOC_CHECK_',
    'UV_THREADPOOL_SIZE',
    'ICU_DATA',
    'node_options',
  ])('U-16 is refused with %s, whatever it holds', (name) => {
    for (const value of ['', '0', 'x']) expect(() => readEnvironment({ [name]: value })).toThrow(`${name} is refused`);
  });

  it.each([':/tmp/zone', '/tmp/zone', '../../tmp/zone'])('U-16 is refused with a time zone that is a path: TZ=%s', (value) =>
    expect(() => readEnvironment({ TZ: value })).toThrow('TZ is refused'),
  );

  it.each(['NOVA_KMS_PROFILE', 'NOVA_KMS_RELEASE', 'NOVA_KMS_', 'nova_kms_listen', 'Nova_Kms_Odyn_Url'])(
    'S-L1 is refused with the unknown setting %s',
    (name) => expect(() => readEnvironment({ [name]: 'x' })).toThrow(`unknown setting ${name}`),
  );

  it.each(['NOVA_KMS_ODYN_URL', 'NOVA_KMS_RPC_URL', 'https_proxy', 'HTTPS_PROXY'])('X-4 names %s on loopback only', (name) => {
    expect(() => readEnvironment({ [name]: 'http://127.0.0.1:1' })).not.toThrow();
    for (const url of [
      'rpc',
      'https://127.0.0.1:1',
      'http://10.0.0.1',
      'http://evil.example',
      'http://user@127.0.0.1',
      'http://127.0.0.1/p',
    ])
      expect(() => readEnvironment({ [name]: url })).toThrow(name);
  });
});
