/** A worker of the source that a test gives, bundled as the node's is: what Node computes is held against it. */
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { Miniflare } from 'miniflare';

/** `source` imports by paths from the root of the repository. Whoever starts one disposes of it. */
export async function workerOf(source: string): Promise<Miniflare> {
  const { outputFiles } = await build({
    stdin: { contents: source, resolveDir: fileURLToPath(new URL('../..', import.meta.url)) },
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'neutral',
    mainFields: ['module', 'main'],
    conditions: ['workerd', 'worker', 'import'],
    external: ['node:*'],
    target: 'es2024',
  });
  return new Miniflare({
    modules: true,
    script: outputFiles[0]?.text ?? '',
    compatibilityDate: '2026-07-01',
    compatibilityFlags: ['nodejs_compat'],
    cf: false,
  });
}
