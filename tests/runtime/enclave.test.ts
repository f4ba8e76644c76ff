/** The enclave binary as a program: what it says, what it refuses to start with, and how it ends. Exit codes are those of `docs/operations.md`. */
import { createServer } from 'node:http';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { NAMED_PROFILES } from '../../core/profiles.ts';
import { builtBinary } from '../simulation/binaries.ts';
import { spawnBinary } from '../simulation/kinds/binary.ts';
import { open } from '../functions/raw.ts';
import { startOdyn } from '../simulation/odyn.ts';
import { until } from '../simulation/world.ts';
import { simulatedProfile } from '../simulation/node.ts';
import type { AddressInfo } from 'node:net';
import type { SpawnedBinary, SpawnOptions } from '../simulation/kinds/binary.ts';
import type { Odyn } from '../simulation/odyn.ts';

const simulation = simulatedProfile();
/** A port that nobody listens on. */
const NOBODY = 'http://127.0.0.1:1';
const base = { NOVA_KMS_LISTEN: '127.0.0.1:0', NOVA_KMS_ODYN_URL: NOBODY, NOVA_KMS_RPC_URL: NOBODY };

let path: string;
let odyn: Odyn;
const running: SpawnedBinary[] = [];

beforeAll(async () => {
  [path, odyn] = await Promise.all([builtBinary({ release: false, profile: simulation }), startOdyn()]);
});
afterEach(async () => {
  odyn.faults.clear();
  await Promise.all(running.splice(0).map((binary) => binary.end()));
});
afterAll(() => odyn?.close());

function start(options: SpawnOptions = {}, program = path): SpawnedBinary {
  const binary = spawnBinary(program, options);
  running.push(binary);
  return binary;
}

/** How it ended, and the detail of its refusal or what it printed. */
async function outcome(options: SpawnOptions, program = path): Promise<{ code: unknown; said: string }> {
  const binary = start(options, program);
  const code = await binary.ended;
  const refused = binary.lines.find((line) => line.includes('"event":"binary.refused"'));
  return { code, said: refused ? String((JSON.parse(refused) as { detail: string }).detail) : binary.lines.join('\n') };
}

describe('the binary says', () => {
  it('for which network it was built, and that it is no release', async () => {
    expect(await outcome({ args: ['--version'] })).toEqual({ code: 0, said: 'nova-kms 0.1.0, simulation, not for release' });
    const { code, said } = await outcome({ args: ['--profile'] });
    expect([code, JSON.parse(said)]).toEqual([0, { version: '0.1.0', release: false, profile: simulation }]);
  });

  it('the same in the first line of its log', async () => {
    const { lines, ended } = start({ env: { ...base, NODE_DEBUG: 'http' } });
    await ended;
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ event: 'binary.started', version: '0.1.0', profile: 'simulation', release: false });
  });

  it('how it is used', async () => {
    const { code, said } = await outcome({ args: ['--help'] });
    expect(code).toBe(0);
    for (const name of ['NOVA_KMS_LISTEN', 'NOVA_KMS_ODYN_URL', 'NOVA_KMS_RPC_URL', '--profile', '--version']) expect(said).toContain(name);
  });
});

describe('it refuses to start', () => {
  it.each([[['--simulate']], [['serve']], [['--version', '--help']], [['--profile', 'other.json']], [['__proto__']], [['']]])(
    'with the arguments %j',
    async (args) => {
      const { code, said } = await outcome({ args, env: base });
      expect([code, said]).toEqual([2, expect.stringContaining('nova-kms does not take')]);
    },
  );

  it.each([
    ['NOVA_KMS_PROFILE', 'base', 'unknown setting NOVA_KMS_PROFILE'],
    ['nova_kms_listen', '127.0.0.1:0', 'unknown setting nova_kms_listen'],
    ['NOVA_KMS_LISTEN', 'localhost:8000', 'NOVA_KMS_LISTEN'],
    ['NOVA_KMS_LISTEN', '127.0.0.1', 'NOVA_KMS_LISTEN'],
    ['NOVA_KMS_LISTEN', '127.0.0.1:65536', 'NOVA_KMS_LISTEN'],
    ['NOVA_KMS_LISTEN', '999.999.999.999:80', 'NOVA_KMS_LISTEN'],
    ['NOVA_KMS_LISTEN', '[0:0]:0', 'NOVA_KMS_LISTEN'],
    ['NOVA_KMS_ODYN_URL', 'http://odyn.example', 'NOVA_KMS_ODYN_URL'],
    ['NOVA_KMS_ODYN_URL', '', 'NOVA_KMS_ODYN_URL'],
    ['NOVA_KMS_RPC_URL', 'https://sepolia.base.org', 'NOVA_KMS_RPC_URL'],
    ['https_proxy', 'http://proxy.example:3128', 'https_proxy'],
    ['HTTPS_PROXY', 'https://127.0.0.1:10000', 'HTTPS_PROXY'],
    ['https_proxy', 'socks5://127.0.0.1:10000', 'https_proxy'],
    ['https_proxy', 'http://user:word@127.0.0.1:10000', 'https_proxy'],
  ])('with %s=%s', async (name, value, why) => {
    const { code, said } = await outcome({ env: { ...base, [name]: value } });
    expect([code, said]).toEqual([78, expect.stringContaining(why)]);
  });

  it('with two different proxies', async () => {
    const env = { ...base, https_proxy: 'http://127.0.0.1:10000', HTTPS_PROXY: 'http://127.0.0.1:10001' };
    expect(await outcome({ env })).toEqual({ code: 78, said: 'environment: https_proxy and HTTPS_PROXY differ' });
  });

  it('on a port that is taken, or an address that is not its own', async () => {
    const holder = createServer();
    await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve));
    const { port } = holder.address() as AddressInfo;
    expect(await outcome({ env: { ...base, NOVA_KMS_LISTEN: `127.0.0.1:${port}` } })).toEqual({
      code: 71,
      said: expect.stringContaining('EADDRINUSE'),
    });
    holder.close();
    expect((await outcome({ env: { ...base, NOVA_KMS_LISTEN: '192.0.2.1:8000' } })).code).toBe(71);
  });

  it.each([
    ['the zero wallet', { address: `0x${'00'.repeat(20)}` }],
    ['no wallet', { address: '' }],
  ])('X-1 when Odyn gives %s', async (_what, answer) => {
    odyn.faults.set('/v1/eth/address', { kind: 'answer', json: () => answer });
    const { code, said } = await outcome({ env: { ...base, NOVA_KMS_ODYN_URL: odyn.url } });
    expect([code, said]).toEqual([69, expect.stringMatching(/^zero_wallet/)]);
  });

  it('X-1 without an Odyn: it says so, waits for it, and ends with that reason', async () => {
    const binary = start({ env: base });
    const url = `http://127.0.0.1:${await binary.port}`;
    await until(
      'the reason',
      async () => ((await (await fetch(`${url}/ready`)).json()) as { reason: string }).reason === 'odyn_unreachable',
    );
    expect(binary.lines.some((line) => line.includes('"node.boot_failed"') && line.includes('odyn_unreachable'))).toBe(true);
    expect((await fetch(`${url}/health`)).status).toBe(200);
    expect(await binary.ended).toBe(69);
    expect(binary.lines.at(-2)).toMatch(/"binary\.refused".*odyn_unreachable/);
  });

  it('and not, when Odyn comes while it waits', async () => {
    odyn.faults.set('*', { kind: 'drop' });
    const binary = start({ env: { ...base, NOVA_KMS_ODYN_URL: odyn.url } });
    await until('the reason', async () => binary.lines.some((line) => line.includes('odyn_unreachable')));
    odyn.faults.clear();
    await until('the node', async () => binary.lines.some((line) => line.includes('"node.booted"')));
  });
});

describe('a release', () => {
  it('refuses to start with a simulated network’s profile', async () => {
    const program = await builtBinary({ release: true, profile: simulation });
    const why = 'built for release, and the profile simulation is of a simulated network';
    expect(await outcome({ env: base }, program)).toEqual({ code: 78, said: why });
  });

  it('of a named network refuses to start without its cluster’s registry', async () => {
    const program = await builtBinary({ release: true, profile: NAMED_PROFILES['base-sepolia'] ?? {} });
    expect(await outcome({ env: base }, program)).toEqual({ code: 78, said: expect.stringContaining('names no KMSRegistry') });
  });

  it('of a named network refuses to start with the names that stand there for a cluster’s', async () => {
    const { kmsRegistry, kmsAppId } = simulation;
    const program = await builtBinary({ release: true, profile: { ...NAMED_PROFILES['base-sepolia'], kmsRegistry, kmsAppId } });
    expect(await outcome({ env: base }, program)).toEqual({ code: 78, said: expect.stringContaining('--peer-suffix') });
  });

  it('S-H2 refuses to start without the proxy of an enclave, and starts with it', async () => {
    const peerUrls = { scheme: 'https', hosts: [], hostSuffixes: ['.kms.acme.org'] };
    const cluster = { kmsRegistry: simulation.kmsRegistry, kmsAppId: simulation.kmsAppId, peerUrls, trustDomain: 'kms.acme.org' };
    const program = await builtBinary({ release: true, profile: { ...NAMED_PROFILES['base-sepolia'], ...cluster } });
    expect(await outcome({ env: base }, program)).toEqual({ code: 78, said: expect.stringContaining('https_proxy') });
    const binary = start({ env: { ...base, https_proxy: 'http://127.0.0.1:10000/' } }, program);
    await binary.port;
    expect(binary.lines[0]).toContain('"profile":"base-sepolia","release":true');
    expect(binary.lines[1]).toContain('"proxy":"http://127.0.0.1:10000"');
  });
});

describe('few files', () => {
  it('leave room for its own calls: a crowd is refused before it takes those', async () => {
    // Of its own, the shell only lowers the limit.
    const binary = start({ args: ['-c', 'ulimit -n 200; exec "$0"', path], env: { ...base, NOVA_KMS_ODYN_URL: odyn.url } }, '/bin/sh');
    const url = `http://127.0.0.1:${await binary.port}`;
    expect(binary.lines.find((line) => line.includes('binary.listening'))).toContain('"connectionsMax":150');
    const crowd = await Promise.all(Array.from({ length: 300 }, () => open(url)));
    try {
      await Promise.race([...crowd.map(({ closed }) => closed)]);
      const before = odyn.calls['/v1/eth/address'] ?? 0;
      await until('it to ask its Odyn again', async () => (odyn.calls['/v1/eth/address'] ?? 0) > before + 2);
      expect(binary.lines.join('\n')).not.toContain('odyn_unreachable');
    } finally {
      crowd.forEach(({ socket }) => socket.destroy());
    }
    await until(
      'room for others',
      async () =>
        await fetch(`${url}/health`).then(
          (answer) => answer.ok,
          () => false,
        ),
    );
  });
});

describe('the end', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)('by %s is in order, with exit code 0', async (signal) => {
    const binary = start({ env: { ...base, NOVA_KMS_ODYN_URL: odyn.url } });
    // What it says of its first tick would stand in between.
    await until('it to wait for its chain', async () => binary.lines.some((line) => line.includes('"event":"node.waiting"')));
    binary.signal(signal);
    expect(await binary.ended).toBe(0);
    expect(binary.lines.slice(-2).map((line) => (JSON.parse(line) as { event: string }).event)).toEqual([
      'binary.stopping',
      'binary.stopped',
    ]);
  });

  it('does not come with the end of whoever reads its log', async () => {
    const binary = start({ env: { ...base, NOVA_KMS_ODYN_URL: odyn.url } });
    const url = `http://127.0.0.1:${await binary.port}`;
    await until('the node', async () => (await fetch(`${url}/`)).status === 200);
    binary.deafen();
    // Each refusal is a line of the log.
    for (let count = 0; count < 5; count += 1) expect((await fetch(`${url}/nope`)).status).toBe(404);
    binary.signal('SIGTERM');
    expect(await binary.ended).toBe(0);
  });

  it('opens no door for a debugger', async () => {
    const binary = start({ env: { ...base, NOVA_KMS_ODYN_URL: odyn.url } });
    const port = await binary.port;
    binary.signal('SIGUSR1');
    expect((await fetch(`http://127.0.0.1:${port}/health`)).status).toBe(200);
    binary.signal('SIGTERM');
    expect(await binary.ended).toBe(0);
    expect(binary.lines.join('\n')).not.toMatch(/Debugger|recover\.slow/);
  });
});
