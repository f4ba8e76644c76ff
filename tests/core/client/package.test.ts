/** `nova-kms/client` and `nova-kms/attestation` as an app installs them: packed, unpacked into an empty folder beside nothing, type-checked and run. */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { builtinModules } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Miniflare } from 'miniflare';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildClient } from '../../../build.mjs';
import { AWS_NITRO_ROOT_G1 } from '../../../core/crypto/nitro/root.ts';
import { base64, utf8 } from '../../../core/wire/bytes.ts';
import { MEASUREMENT, PCRS } from '../../attestation/attester.ts';
import { createSecurityModule } from '../../attestation/module.ts';
import { SIMULATED_ROOT } from '../../attestation/roots.ts';
import { profile } from '../fakes.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const run = promisify(execFile);
const NOW_MS = Date.parse('2026-03-01T12:00:00Z');
const WALLET = `0x${'5a'.repeat(20)}`;
const DOCUMENT = createSecurityModule(PCRS, () => NOW_MS).attest({
  publicKey: null,
  userData: utf8(`{"eth_addr":"${WALLET}"}`),
  nonce: new Uint8Array(16),
});
let folder: string;
let staged: string;
let bytesByPackage: Record<string, number>;

const PROGRAM = `
import { createClient, keysInMemory, KmsError, odyn, parseProfile } from 'nova-kms/client';
import type { ChainReader, DerivedKey, KmsClient, Keys } from 'nova-kms/client';
import { AWS_NITRO_ROOT_G1, awsNitroRoot, faultOf, verifyAttestation } from 'nova-kms/attestation';
import type { Attestation, Expectation, Hash, PolicyFault, Trust, Verdict, Wallet } from 'nova-kms/attestation';

const chain: ChainReader = { headNumber: () => Promise.reject(new Error('down')), call: () => Promise.reject(new Error('down')) };
const profile = parseProfile(${JSON.stringify({ ...profile, kmsAppId: String(profile.kmsAppId), attestationRoot: SIMULATED_ROOT })});
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
const document = Uint8Array.from(atob('${base64(DOCUMENT)}'), (byte) => byte.charCodeAt(0));
const root = Uint8Array.from(atob('${SIMULATED_ROOT}'), (byte) => byte.charCodeAt(0));
const trust: Trust = { root, nowMs: ${NOW_MS}, skewMsMax: 0 };
const verdict: Verdict = verifyAttestation(document, trust);
if (verdict.kind === 'refused') throw new Error(verdict.detail);
const attestation: Attestation = verdict.attestation;
const expected: Expectation = {
  ...{ nowMs: ${NOW_MS}, ageMsMax: 1000, aheadMsMax: 1000, nonce: document.subarray(0, 16), publicKey: 'any' },
  ...{ measurement: '${MEASUREMENT}' as Hash, wallet: '${WALLET}' as Wallet },
};
const fault: PolicyFault | undefined = faultOf(attestation, expected);
const other: Verdict = verifyAttestation(document, { ...trust, root: awsNitroRoot() });
console.log(fault, faultOf(attestation, { ...expected, nonce: 'any' }), other.kind === 'refused' && other.why, AWS_NITRO_ROOT_G1.length);
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
    expect(stdout).toBe(`chain_unavailable 0\nnonce_mismatch undefined root_unknown ${AWS_NITRO_ROOT_G1.length}\n`);
  });

  it('holds the client, its types and nothing of the node', async () => {
    const { stdout } = await run('npm', ['pack', '--dry-run', '--json', '--silent'], { cwd: staged });
    const [packed] = JSON.parse(stdout) as [{ files: { path: string }[] }];
    const paths = packed.files.map(({ path }) => path).filter((path) => !/^types\/core\/.*\.d\.ts$/.test(path));
    expect(paths.toSorted()).toEqual(['LICENSE', 'attestation.d.ts', 'attestation.js', 'client.d.ts', 'client.js', 'package.json']);
    const manifest = JSON.parse(await readFile(join(staged, 'package.json'), 'utf8')) as object;
    expect(Object.keys(manifest).filter((name) => /dependencies/i.test(name))).toEqual([]);
  });

  it.each(['client', 'attestation'])('is one file for %s, that imports nothing but Node’s own modules, and stays small', async (name) => {
    const text = await readFile(join(staged, `${name}.js`), 'utf8');
    const imported = [...text.matchAll(/\bfrom\s*"([^"]+)"|\bimport\(\s*"([^"]+)"|\brequire\(\s*"([^"]+)"/g)].map(
      (match) => match[1] ?? match[2] ?? match[3] ?? '',
    );
    expect(imported.length).toBeGreaterThan(0);
    expect(imported.filter((module) => !module.startsWith('node:') || !builtinModules.includes(module.slice('node:'.length)))).toEqual([]);
    expect(text.length).toBeLessThan((name === 'client' ? 352 : 60) * 1_024);
  });

  it('is made of few packages', () =>
    expect(Object.keys(bytesByPackage).toSorted()).toEqual(['@noble/curves', '@noble/hashes', 'abitype', 'nova-kms', 'viem']));

  it('verifies documents in a worker as it does in Node', async () => {
    const source = PROGRAM.slice(PROGRAM.indexOf('const document')).replaceAll(
      /: (?:Trust|Verdict|Attestation|Expectation|PolicyFault \| undefined)(?= =)| as (?:Hash|Wallet)/g,
      '',
    );
    const module = `import { AWS_NITRO_ROOT_G1, awsNitroRoot, faultOf, verifyAttestation } from './attestation.js';
      export default { fetch() { const said = []; const console = { log: (...words) => said.push(words.join(' ')) };
      ${source}
      return new Response(said.join()); } };`;
    const modules = [
      { type: 'ESModule', path: join(staged, 'main.js'), contents: module },
      { type: 'ESModule', path: join(staged, 'attestation.js'), contents: await readFile(join(staged, 'attestation.js'), 'utf8') },
    ] as const;
    const worker = new Miniflare({
      modules: [...modules],
      modulesRoot: staged,
      compatibilityDate: '2026-07-01',
      compatibilityFlags: ['nodejs_compat'],
      cf: false,
    });
    try {
      expect(await (await worker.dispatchFetch('http://worker/')).text()).toBe(`nonce_mismatch  root_unknown ${AWS_NITRO_ROOT_G1.length}`);
    } finally {
      await worker.dispose();
    }
  });
});
