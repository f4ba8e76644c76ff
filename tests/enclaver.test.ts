/**
 * what `enclaver.yaml` lets the enclave reach, and that it holds nothing the platform would refuse. The schema is that
 * of platform v1.4 to v1.7, which refuses unknown keys at every level.
 */
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';

type Schema = 'text' | 'number' | 'boolean' | 'texts' | { readonly [key: string]: Schema } | readonly [Schema];

const s3 = {
  enabled: 'boolean',
  bucket: 'text',
  prefix: 'text',
  region: 'text',
  encryption: { mode: 'text', key_scope: 'text', aad_mode: 'text', key_version: 'text', accept_plaintext: 'boolean' },
} as const;

const schema: Schema = {
  version: 'text',
  name: 'text',
  target: 'text',
  sources: { app: 'text', odyn: 'text', sleeve: 'text' },
  signature: { certificate: 'text', key: 'text' },
  ingress: [{ listen_port: 'number' }],
  egress: { proxy_port: 'number', allow: 'texts', deny: 'texts' },
  defaults: { cpu_count: 'number', memory_mb: 'number' },
  api: { listen_port: 'number' },
  aux_api: { listen_port: 'number' },
  vsock_ports: { status_port: 'number', app_log_port: 'number', http_egress_port: 'number' },
  storage: { s3, mounts: [{ name: 'text', mount_path: 'text', required: 'boolean', size_mb: 'number' }] },
  kms_integration: { enabled: 'boolean', use_app_wallet: 'boolean', kms_app_id: 'number', nova_app_registry: 'text' },
  helios_rpc: {
    enabled: 'boolean',
    chains: [
      {
        name: 'text',
        network_id: 'text',
        kind: 'text',
        network: 'text',
        execution_rpc: 'text',
        consensus_rpc: 'text',
        checkpoint: 'text',
        local_rpc_port: 'number',
      },
    ],
  },
  clock_sync: { enabled: 'boolean', interval_secs: 'number' },
};

const required = ['version', 'name', 'target', 'sources', 'ingress', 'egress', 'api', 'helios_rpc'];
/** Labels between dots; a wildcard stands for one whole label, first and once, before two labels at least. */
const HOST_PATTERN = /^(?:\*\.)?(?!\d+(?:\.\d+)+$)(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]$/;

function misfits(value: unknown, expected: Schema, at: string): string[] {
  if (typeof expected === 'string') return fits(value, expected) ? [] : [`${at} is no ${expected}`];
  if (Array.isArray(expected)) {
    const [item] = expected as readonly [Schema];
    return Array.isArray(value) ? value.flatMap((each, index) => misfits(each, item, `${at}[${index}]`)) : [`${at} is no list`];
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [`${at} is no map`];
  const members = expected as { readonly [key: string]: Schema };
  return Object.entries(value).flatMap(([key, member]) =>
    Object.hasOwn(members, key) ? misfits(member, members[key] as Schema, `${at}.${key}`) : [`${at}.${key} is unknown`],
  );
}

function fits(value: unknown, kind: 'text' | 'number' | 'boolean' | 'texts'): boolean {
  if (kind === 'texts') return Array.isArray(value) && value.every((item) => typeof item === 'string');
  return typeof value === (kind === 'text' ? 'string' : kind);
}

interface Manifest {
  readonly version?: string;
  readonly egress?: { readonly allow?: readonly string[] };
  readonly helios_rpc?: { readonly chains?: readonly { readonly execution_rpc?: string; readonly consensus_rpc?: string }[] };
}

/** Everything wrong with a manifest, in words. */
function faults(manifest: Manifest): string[] {
  const allow = manifest.egress?.allow ?? [];
  const wide = allow.flatMap((host) => {
    if (isIP(host.split('/')[0] ?? '') !== 0) return [`egress allows the address ${host}`];
    if (host.includes('**')) return [`egress allows any depth: ${host}`];
    return HOST_PATTERN.test(host) ? [] : [`egress allows ${host}, which is no name`];
  });
  const urls = (manifest.helios_rpc?.chains ?? []).flatMap(({ execution_rpc, consensus_rpc }) => [execution_rpc, consensus_rpc]);
  const closed = urls.flatMap((url) => {
    if (url === undefined) return [];
    const { protocol, hostname } = new URL(url);
    if (protocol !== 'https:') return [`${url} is not https`];
    return allow.includes(hostname) ? [] : [`${hostname} is read and not allowed`];
  });
  return [
    ...misfits(manifest, schema, 'enclaver.yaml'),
    ...required.filter((key) => !Object.hasOwn(manifest, key)).map((key) => `enclaver.yaml.${key} is missing`),
    ...(manifest.version === 'v1' ? [] : ['the version is not v1']),
    ...(allow.length === 0 ? ['nothing is allowed out: no chain, no peers'] : []),
    ...wide,
    ...closed,
  ];
}

const text = readFileSync(new URL('../enclaver.yaml', import.meta.url), 'utf8');
const manifest = () => parse(text) as Record<string, never> & Manifest;
const allowing = (...hosts: readonly string[]) => ({ ...manifest(), egress: { allow: [...(manifest().egress?.allow ?? []), ...hosts] } });

describe('R-10 enclaver.yaml', () => {
  it('has only keys that the platform knows, a closed egress list, and every host that it reads', () =>
    expect(faults(manifest())).toEqual([]));

  it.each([
    ['**', 'any depth'],
    ['**.example.com', 'any depth'],
    ['*', 'is no name'],
    ['*.com', 'is no name'],
    ['a.*.example.com', 'is no name'],
    ['exa*.example.com', 'is no name'],
    ['0.0.0.0/0', 'address'],
    ['0.0.0.0/0:443', 'address'],
    ['10.0.0.1', 'address'],
    ['169.254.169.254', 'address'],
    ['::/0', 'address'],
    ['::1', 'address'],
    ['999.1.1.1', 'is no name'],
    ['https://example.com', 'is no name'],
    ['host', 'is no name'],
    ['', 'is no name'],
  ])('would be refused with "%s" in its egress list', (host, why) => expect(faults(allowing(host)).join()).toContain(why));

  it('would be refused without a list', () =>
    expect(faults({ ...manifest(), egress: { allow: [] } }).join()).toContain('nothing is allowed'));

  it.each([
    ['a new key', { kms_proxy: { listen_port: 9000 } }, 'kms_proxy is unknown'],
    ['a misspelt key', { egress: { allows: ['rpc.example.com'] } }, 'allows is unknown'],
    ['TLS in the ingress, which v1.4 removed', { ingress: [{ listen_port: 8000, tls: {} }] }, 'tls is unknown'],
    ['a port as text', { api: { listen_port: '18000' } }, 'is no number'],
    ['no ingress', { ingress: {} }, 'is no list'],
    ['another version', { version: 'v2' }, 'not v1'],
    [
      'a chain that it may not reach',
      { helios_rpc: { enabled: true, chains: [{ execution_rpc: 'https://rpc.elsewhere.org' }] } },
      'not allowed',
    ],
    ['a chain in the clear', { helios_rpc: { enabled: true, chains: [{ execution_rpc: 'http://sepolia.base.org' }] } }, 'not https'],
  ])('would be refused with %s', (_what, change, why) => expect(faults({ ...manifest(), ...change } as Manifest).join()).toContain(why));

  it.each(required)('would be refused without %s', (key) => {
    const { [key]: _gone, ...rest } = manifest();
    expect(faults(rest as Manifest).join()).toContain(`${key} is missing`);
  });
});
