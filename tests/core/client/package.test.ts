/** `nova-kms/client` as an app installs it: packed, unpacked into an empty folder beside nothing, type-checked and run. */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { builtinModules } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildClient } from '../../../build.mjs';
import { profile } from '../fakes.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const run = promisify(execFile);
let folder: string;
let staged: string;
let bytesByPackage: Record<string, number>;

const PROGRAM = `
import { createClient, keysInMemory, KmsError, odyn, parseProfile } from 'nova-kms/client';
import type { ChainReader, DerivedKey, KmsClient, Keys } from 'nova-kms/client';

const chain: ChainReader = { headNumber: () => Promise.reject(new Error('down')), call: () => Promise.reject(new Error('down')) };
const profile = parseProfile(${JSON.stringify({ ...profile, kmsAppId: String(profile.kmsAppId) })});
const keys: Keys = keysInMemory({ walletPrivateKey: '11'.repeat(32), teePrivateKey: '11'.repeat(48) });
const kms: KmsClient = createClient({ profile, chain, keys });
createClient({ profile, chain: 'http://127.0.0.1:18545', keys: odyn('http://127.0.0.1:18000') });
try {
  const derived: DerivedKey = await kms.derive('x', { length: 16, epoch: 'current', signal: AbortSignal.timeout(1000) });
  console.log(derived.key.length);
} catch (error) {
  if (!(error instanceof KmsError)) throw error;
  console.log(error.code, error.attempts.length);
}
`;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'nova-kms-package-'));
  // Beside what other tests build and read.
  staged = join(folder, 'staged');
  ({ bytesByPackage } = await buildClient(staged));
  await writeFile(join(staged, 'worker.js'), 'is not for apps');
  const { stdout } = await run('npm', ['pack', '--silent', '--pack-destination', folder], { cwd: staged });
  const home = join(folder, 'node_modules', 'nova-kms');
  await mkdir(home, { recursive: true });
  await run('tar', ['-xzf', join(folder, stdout.trim()), '--strip-components=1', '-C', home]);
  await writeFile(join(folder, 'package.json'), '{"type":"module"}');
  await writeFile(join(folder, 'app.ts'), PROGRAM);
});

afterAll(() => rm(folder, { recursive: true, force: true }));

async function typesFor(compilerOptions: object): Promise<string> {
  const options = { strict: true, target: 'es2022', noEmit: true, skipLibCheck: false, ...compilerOptions };
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions: options, files: ['app.ts'] }));
  const { stdout } = await run(`${ROOT}node_modules/.bin/tsc`, ['-p', folder]).catch((error: { stdout: string }) => error);
  return stdout;
}

describe('the package', () => {
  it('type-checks in an app for Node', async () => {
    const types = { types: ['node'], typeRoots: [`${ROOT}node_modules/@types`] };
    expect(await typesFor({ module: 'nodenext', lib: ['es2023'], ...types })).toBe('');
  });

  it('type-checks in an app for workers and browsers’ types, without Node’s', async () => {
    expect(await typesFor({ module: 'esnext', moduleResolution: 'bundler', lib: ['es2023', 'dom', 'dom.iterable'], types: [] })).toBe('');
  });

  it('runs where nothing else is installed', async () => {
    const { stdout } = await run(process.execPath, ['app.ts'], { cwd: folder });
    expect(stdout).toBe('chain_unavailable 0\n');
  });

  it('holds the client, its types and nothing of the node', async () => {
    const { stdout } = await run('npm', ['pack', '--dry-run', '--json', '--silent'], { cwd: staged });
    const [packed] = JSON.parse(stdout) as [{ files: { path: string }[] }];
    const paths = packed.files.map(({ path }) => path).filter((path) => !/^types\/core\/.*\.d\.ts$/.test(path));
    expect(paths.toSorted()).toEqual(['LICENSE', 'client.d.ts', 'client.js', 'package.json']);
    const manifest = JSON.parse(await readFile(join(staged, 'package.json'), 'utf8')) as object;
    expect(Object.keys(manifest).filter((name) => /dependencies/i.test(name))).toEqual([]);
  });

  it('is one file that imports nothing but Node’s own modules, and stays small', async () => {
    const text = await readFile(join(staged, 'client.js'), 'utf8');
    const imported = [...text.matchAll(/\bfrom\s*"([^"]+)"|\bimport\(\s*"([^"]+)"|\brequire\(\s*"([^"]+)"/g)].map(
      (match) => match[1] ?? match[2] ?? match[3] ?? '',
    );
    expect(imported.length).toBeGreaterThan(0);
    expect(imported.filter((name) => !name.startsWith('node:') || !builtinModules.includes(name.slice('node:'.length)))).toEqual([]);
    expect(Object.keys(bytesByPackage).toSorted()).toEqual(['@noble/curves', '@noble/hashes', 'abitype', 'nova-kms', 'viem']);
    expect(text.length).toBeLessThan(336 * 1_024);
  });
});
