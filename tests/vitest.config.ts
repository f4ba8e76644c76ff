import { defineConfig } from 'vitest/config';
import { LongestFirst } from './sequencer.ts';

/** Tests with processes, runtimes, builds and networks of their own: each file has a process to itself. */
const REAL = [
  'tests/{cluster,runtime,simulation,dst,chaos}/**/*.test.ts',
  'tests/core/**/{workerd,package,recover-wasm}.test.ts',
  'tests/docs.test.ts',
];

const common = {
  root: new URL('..', import.meta.url).pathname,
  setupFiles: ['tests/secrecy/tap.ts'],
  pool: 'forks' as const,
  testTimeout: 60_000,
  hookTimeout: 120_000,
};

export default defineConfig({
  test: {
    root: common.root,
    globalSetup: ['tests/setup.ts'],
    maxWorkers: 4,
    sequence: { sequencer: LongestFirst },
    reporters: ['default'],
    projects: [
      { test: { ...common, name: 'real', include: REAL } },
      // The rest shares processes, which takes half the time: nothing of it keeps anything in a module, and neither does the node.
      { test: { ...common, name: 'quick', include: ['tests/**/*.test.ts'], exclude: REAL, isolate: false } },
    ],
  },
});
