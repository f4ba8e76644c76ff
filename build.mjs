/**
 * Bundles the node with esbuild. `node build.mjs` writes `dist/worker.js`, the worker that workerd runs; the simulated
 * world and `wrangler dev` use the same file.
 */
import { build } from 'esbuild';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('.', import.meta.url));

/** Writes the worker bundle and answers with its path and its size in bytes by package. */
export async function buildWorker(outfile = `${root}dist/worker.js`) {
  const result = await build({
    absWorkingDir: root,
    entryPoints: ['functions/worker.ts'],
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'neutral',
    target: 'es2024',
    mainFields: ['module', 'main'],
    conditions: ['workerd', 'worker', 'import'],
    external: ['node:*'],
    legalComments: 'none',
    metafile: true,
    logLevel: 'warning',
  });
  return { outfile, bytesByPackage: sizes(Object.values(result.metafile.outputs)[0].inputs) };
}

function sizes(inputs) {
  const bytes = {};
  for (const [path, { bytesInOutput }] of Object.entries(inputs)) {
    const name = /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? 'nova-kms';
    bytes[name] = (bytes[name] ?? 0) + bytesInOutput;
  }
  return bytes;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { outfile, bytesByPackage } = await buildWorker();
  const rows = Object.entries(bytesByPackage).sort(([, a], [, b]) => b - a);
  for (const [name, bytes] of rows) console.log(`${String(Math.ceil(bytes / 1024)).padStart(6)} KiB  ${name}`);
  console.log(outfile);
}
