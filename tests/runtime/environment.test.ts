/**
 * U-16: the environment puts no code and no root of trust into the enclave binary. Each attack is first shown to work on a plain
 * Node or on a binary of the same source with weaker settings, so that no verdict rests on an attack that never was one.
 */
import { createServer as createHttpServer } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeExecutable } from '../../build.mjs';
import { builtBinary } from '../simulation/binaries.ts';
import { spawnBinary } from '../simulation/kinds/binary.ts';
import { until, WORLDS_FOLDER } from '../simulation/world.ts';
import { selfSigned } from './self-signed.ts';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { SpawnedBinary } from '../simulation/kinds/binary.ts';

const profile = { name: 'environment' };
/** What Node's single executables are unless they say otherwise. */
const UNARMED = { execArgv: [], execArgvExtension: 'env' };
/** Deaf to NODE_OPTIONS, and nothing more. */
const DEAF = { execArgv: [] };
const NODE = process.execPath;

let folder: string;
/** Some library of this system, under a path of the attacker's. */
let library: string;
let ours: string;
let unarmed: string;
let deaf: string;
let tlsUrl: string;
let plainUrl: string;
let proxyUrl: string;
const servers: Server[] = [];

async function listen(server: Server): Promise<number> {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

beforeAll(async () => {
  await mkdir(WORLDS_FOLDER, { recursive: true });
  folder = await mkdtemp(join(WORLDS_FOLDER, 'environment-'));
  const target = { release: false, profile };
  ours = await builtBinary(target);
  unarmed = await builtBinary(target, UNARMED);
  deaf = await builtBinary(target, DEAF);
  const { certificate, privateKey } = selfSigned();
  const secure = createHttpsServer({ cert: certificate, key: privateKey }, (_request, response) => void response.end('believed'));
  tlsUrl = `https://localhost:${await listen(secure)}/`;
  plainUrl = `http://127.0.0.1:${await listen(createHttpServer((_request, response) => void response.end('straight')))}/`;
  proxyUrl = `http://127.0.0.1:${await listen(createHttpServer((_request, response) => void response.end('through the proxy')))}/`;
  await writeFile(join(folder, 'injected.cjs'), "require('node:fs').writeSync(2, 'INJECTED\\n');");
  await writeFile(join(folder, 'certificate.pem'), certificate);
  const { sharedObjects } = process.report.getReport() as unknown as { sharedObjects: readonly string[] };
  library = join(folder, 'injected.so');
  await copyFile(sharedObjects.find((path) => path.includes('/libm.so')) ?? '', library);
  const section = `[evil]\nmodule = ${library}\nactivate = 1\n`;
  await writeFile(join(folder, 'openssl.cnf'), `nodejs_conf = all\n[all]\nproviders = each\n[each]\nevil = evil\n${section}`);
});

afterAll(async () => {
  for (const server of servers) server.close();
  await rm(folder, { recursive: true, force: true });
});

async function outputOf(program: string, env: Readonly<Record<string, string>>, args: readonly string[] = []): Promise<string> {
  const { ended, lines } = spawnBinary(program, { env, args });
  await ended;
  return lines.join('\n');
}

/** The attack's variables are why it did not start, and their effect is nowhere. */
async function refusesToStart(env: Readonly<Record<string, string>>, name: string, effect: string): Promise<void> {
  const { ended, lines } = spawnBinary(ours, { env });
  expect(await ended).toBe(78);
  const output = lines.join('\n');
  expect(output).toContain(`environment: ${name} is refused`);
  expect(output.replaceAll(/"detail":"[^"]*"/g, '')).not.toContain(effect);
}

/** What a program with this environment gets from a URL. */
const fetched = (env: Readonly<Record<string, string>>, url: string) =>
  outputOf(NODE, env, [
    '--no-warnings',
    '-e',
    `fetch('${url}').then((answer) => answer.text()).then(console.log, (error) => console.log(error.cause.code))`,
  ]);

describe('U-16 code', () => {
  it('by NODE_OPTIONS runs in an unarmed binary, and not in ours', async () => {
    const env = { NODE_OPTIONS: `--require=${join(folder, 'injected.cjs')}` };
    expect(await outputOf(unarmed, env)).toContain('INJECTED');
    await refusesToStart(env, 'NODE_OPTIONS', 'INJECTED');
  });

  it('by OPENSSL_CONF is loaded by a binary that only ignores NODE_OPTIONS, and not by ours', async () => {
    // The loader tells what it opens.
    const env = { OPENSSL_CONF: join(folder, 'openssl.cnf'), LD_DEBUG: 'files' };
    expect(await outputOf(deaf, env)).toContain(`file=${library}`);
    await refusesToStart(env, 'OPENSSL_CONF', library);
  });

  it('by LD_PRELOAD is tried by the loader before any binary begins; ours then does not start', async () => {
    const env = { LD_PRELOAD: `${library}.missing` };
    expect(await outputOf(unarmed, env)).toContain('injected.so.missing');
    const { ended, lines } = spawnBinary(ours, { env });
    expect(await ended).toBe(78);
    expect(lines.join('\n')).toContain('environment: LD_PRELOAD is refused');
  });
});

describe('U-16 a file is written', () => {
  it.each(['NODE_V8_COVERAGE', 'NODE_COMPILE_CACHE'])('by %s beside an unarmed binary, and not beside ours', async (name) => {
    const place = join(folder, name);
    await outputOf(unarmed, { [name]: place });
    expect(existsSync(place)).toBe(true);
    await rm(place, { recursive: true });
    await refusesToStart({ [name]: place }, name, place);
    expect(existsSync(place)).toBe(false);
  });
});

describe('U-16 trust', () => {
  it('a stranger’s certificate is believed by nobody without help', async () =>
    expect(await fetched({}, tlsUrl)).toBe('DEPTH_ZERO_SELF_SIGNED_CERT'));

  it.each([
    ['NODE_EXTRA_CA_CERTS', () => ({ NODE_EXTRA_CA_CERTS: join(folder, 'certificate.pem') })],
    ['NODE_TLS_REJECT_UNAUTHORIZED', () => ({ NODE_TLS_REJECT_UNAUTHORIZED: '0' })],
    ['SSL_CERT_FILE', () => ({ SSL_CERT_FILE: join(folder, 'certificate.pem'), NODE_USE_SYSTEM_CA: '1' })],
    ['NODE_OPTIONS', () => ({ NODE_OPTIONS: '--use-openssl-ca', SSL_CERT_FILE: join(folder, 'certificate.pem') })],
  ])('goes to a stranger by %s in a plain Node; ours does not start', async (name, attack) => {
    expect(await fetched(attack(), tlsUrl)).toBe('believed');
    await refusesToStart(attack(), name, 'believed');
  });

  it('a call to loopback takes a detour by NODE_USE_ENV_PROXY in a plain Node; ours does not start', async () => {
    const env = { NODE_USE_ENV_PROXY: '1', HTTP_PROXY: proxyUrl };
    expect(await fetched({}, plainUrl)).toBe('straight');
    expect(await fetched(env, plainUrl)).toBe('through the proxy');
    await refusesToStart(env, 'NODE_USE_ENV_PROXY', 'through');
  });
});

describe('U-16 should code get in nevertheless, the runtime', () => {
  const attempts = {
    'reads no file': "require('node:fs').readFileSync('/etc/hostname')",
    'writes no file': "require('node:fs').writeFileSync(process.execPath + '.written', '')",
    'starts no program': "require('node:child_process').execFileSync('/bin/true')",
    'starts no thread': "new (require('node:worker_threads').Worker)('', { eval: true })",
    'loads no library': "process.dlopen({ exports: {} }, '/lib/x86_64-linux-gnu/libm.so.6')",
    'compiles no text': "eval('1')",
    'makes no function of a text': "new Function('return 1')()",
  };
  const program = `for (const [name, attempt] of Object.entries({ ${Object.entries(attempts)
    .map(([name, code]) => `'${name}': () => { ${code}; }`)
    .join(
      ', ',
    )} })) try { attempt(); console.log('FAILED ' + name); } catch (error) { console.log('holds ' + name, error.code ?? error.name); }
    new WebAssembly.Module(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]));
    console.log('compiles WebAssembly');`;
  let armed: SpawnedBinary;
  let plain: SpawnedBinary;

  /** Another program under the same settings: it tries everything, then waits. */
  beforeAll(async () => {
    const waiting = `${program} setInterval(() => console.log('waits'), 50);`;
    await writeExecutable(waiting, join(folder, 'armed'));
    await writeExecutable(waiting, join(folder, 'plain'), UNARMED);
    [armed, plain] = [spawnBinary(join(folder, 'armed'), {}), spawnBinary(join(folder, 'plain'), {})];
    for (const binary of [armed, plain]) await until('its first word', async () => binary.lines.includes('waits'));
  });
  afterAll(() => Promise.all([armed?.end(), plain?.end()]));

  it.each(Object.keys(attempts).filter((name) => name !== 'loads no library'))('%s, while an unarmed one does', (name) => {
    expect(plain.lines).toContain(`FAILED ${name}`);
    expect(armed.lines.join('\n')).toMatch(new RegExp(`holds ${name} (?:ERR_ACCESS_DENIED|EvalError)`));
  });

  it('loads no library', () => expect(armed.lines).toContain('holds loads no library ERR_DLOPEN_DISABLED'));

  it('opens no debugger by SIGUSR1, while an unarmed one does', async () => {
    for (const binary of [armed, plain]) {
      const waits = () => binary.lines.filter((line) => line === 'waits').length;
      binary.signal('SIGUSR1');
      const before = waits();
      await expect.poll(waits, { timeout: 20_000 }).toBeGreaterThan(before + 10);
    }
    // Said on the other of its two outputs, which come each at its own pace.
    await until('the debugger', async () => plain.lines.join('\n').includes('Debugger listening'));
    expect(armed.lines.join('\n')).not.toContain('Debugger');
  });

  it('still compiles the WebAssembly that recovers wallets', () => expect(armed.lines).toContain('compiles WebAssembly'));
});
