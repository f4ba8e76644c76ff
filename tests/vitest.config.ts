import { defineConfig } from 'vitest/config';
import { LongestFirst } from './sequencer.ts';

/** Tests of what ends processes, and of programs that are installed elsewhere: each file has a process to itself. */
const ALONE = ['tests/{simulation,chaos}/**/*.test.ts', 'tests/core/client/package.test.ts', 'tests/docs.test.ts'];
/** Tests with runtimes, builds and networks: files share processes, which saves a tenth of all, and wait for them more than they compute. */
const REAL = ['tests/{cluster,runtime,dst}/**/*.test.ts', 'tests/core/**/{workerd,recover-wasm}.test.ts'];

const common = {
  root: new URL('..', import.meta.url).pathname,
  setupFiles: ['tests/secrecy/tap.ts', 'tests/esbuild.ts'],
  pool: 'forks' as const,
  // Longer than what a test waits for, which says what that was when it does not come.
  testTimeout: 120_000,
  hookTimeout: 240_000,
};

export default defineConfig({
  test: {
    root: common.root,
    globalSetup: ['tests/setup.ts'],
    maxWorkers: 4,
    sequence: { sequencer: LongestFirst },
    reporters: ['default'],
    projects: [
      { test: { ...common, name: 'alone', include: ALONE } },
      { test: { ...common, name: 'real', include: REAL, isolate: false } },
      // Nothing of the rest keeps anything in a module, and neither does the node.
      { test: { ...common, name: 'quick', include: ['tests/**/*.test.ts'], exclude: [...ALONE, ...REAL], isolate: false } },
    ],
  },
});
