/**
 * Builds the simulation as one file that Node runs: the node's own source, with limits scaled down so that runs reach them, with cheaper
 * key agreement and ABI coding, and, if asked, with one planted bug. Nothing of it is in the node: it is text that is replaced here.
 */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Text of a source file that is there exactly once, and what stands there instead. */
export interface Patch {
  readonly file: string;
  readonly find: string;
  readonly put: string;
}

/** A run of a minute meets what takes a cluster hours; what is longer than what stays longer. */
const LIMITS = {
  CLOCK_SKEW_MAX_MS: '10_000',
  MESSAGE_LIFETIME_MS: '30_000',
  SESSION_AGE_MAX_MS: '20_000',
  MEMBERSHIP_GRACE_MS: '20_000',
  CURSOR_SAMPLE_MS: '2_000',
  PEER_BACKOFF_MAX_MS: '8_000',
  REFUSED_RETRY_MAX_MS: '8_000',
  ANTI_ENTROPY_MIN_MS: '5_000',
  ANTI_ENTROPY_MAX_MS: '12_000',
  CATCH_UP_TURN_MS: '6_000',
  CATCH_UP_MS_MAX: '30_000',
  INCARNATIONS_PER_SECOND: '1 / 4',
  ENDORSEMENT_LIFE_BLOCKS: '12',
  ENDORSEMENT_MARGIN_BLOCKS: '2',
  RELAY_RETRY_BLOCKS: '4',
  RELAY_STEP_BLOCKS: '2',
  APP_QUOTA_BYTES: '8 * KIB',
  TOMBSTONES_PER_APP_MAX: '8',
  OWED_PER_PEER_MAX: '24',
  DATA_FRAME_BYTES_MAX: '3 * KIB',
  DATA_FRAME_ITEMS_MAX: '24',
  DIGEST_PART_OFFERS_MAX: '8',
  DIGEST_FAN_OUT: '4',
  DIGEST_LISTED_MAX: '4',
  STORE_MAINTENANCE_RECORDS: '8',
  CALLERS_CACHED_MAX: '16',
  ADDRESSES_REMEMBERED_MAX: '16',
  DATA_KEYS_CACHED_MAX: '16',
  OPERATORS_MAX: '16',
} as const;

/** Hellos of the node's own; cheaper are the agreement between them and what their enclaves attest. */
const CHEAP: readonly Patch[] = [
  {
    file: 'core/cluster/sessions.ts',
    find: "import { createEphemeral, deriveSessionKeys } from './keys.ts';",
    put: "import { deriveSessionKeys } from './keys.ts';\nimport { createEphemeral } from '../../tests/dst/cheap/ephemeral.ts';",
  },
  {
    file: 'core/crypto/nitro/judgement.ts',
    find: "import { verifyAttestation } from './attestation.ts';",
    put: "import { verifyAttestation } from '../../../tests/dst/cheap/attestation.ts';",
  },
];

export interface BundleOptions {
  readonly outfile: string;
  readonly patches?: readonly Patch[];
  /** Without it, limits are those of the node, and runs take hours of virtual time to meet them. */
  readonly isScaled?: boolean;
}

function scaled(source: string): string {
  let text = source;
  for (const [name, value] of Object.entries(LIMITS)) {
    const declared = new RegExp(`export const ${name} = [^;]+;`);
    if (!declared.test(text)) throw new Error(`core/limits.ts has no ${name}`);
    text = text.replace(declared, `export const ${name} = ${value};`);
  }
  return text;
}

export function patched(file: string, source: string, patches: readonly Patch[]): string {
  let text = source;
  for (const { find, put } of patches.filter((patch) => patch.file === file)) {
    if (text.split(find).length !== 2) throw new Error(`${file} does not have exactly once: ${find}`);
    text = text.replace(find, () => put);
  }
  return text;
}

export async function bundle({ outfile, patches = [], isScaled = true }: BundleOptions): Promise<void> {
  const all = [...CHEAP, ...patches];
  const met = new Set<string>();
  await build({
    ...{ entryPoints: [`${ROOT}tests/dst/worker.ts`], outfile, bundle: true, platform: 'node', format: 'esm', target: 'node20' },
    ...{
      minify: false,
      sourcemap: false,
      logLevel: 'warning',
      absWorkingDir: ROOT,
      alias: { viem: `${ROOT}tests/dst/cheap/viem.ts` },
    },
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
    plugins: [
      {
        name: 'simulation',
        setup({ onLoad }) {
          onLoad({ filter: /\/(?:core|functions)\/.*\.ts$/ }, async ({ path }) => {
            const file = path.slice(ROOT.length);
            met.add(file);
            const source = await readFile(path, 'utf8');
            const text = file === 'core/limits.ts' && isScaled ? scaled(source) : source;
            return { contents: patched(file, text, all), loader: 'ts' };
          });
        },
      },
    ],
  });
  const missed = all.find(({ file }) => !met.has(file));
  if (missed) throw new Error(`${missed.file} is no part of the simulation`);
}
