/**
 * `npm run weaken`: weakens the node and its contracts as each finding has it, one weakness at a time, and sees a test of that finding
 * fail. Ends with 1 when a weakness was not noticed. The files of the tree are not touched.
 */
import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { startVitest } from 'vitest/node';
import { patched } from '../dst/bundle.ts';
import { forgePath } from '../simulation/contracts.ts';
import { CONTRACT_WEAKNESSES } from './contracts.ts';
import { isOf } from './names.ts';
import { NODE_WEAKNESSES } from './node.ts';
import type { Weakness } from './weakness.ts';

const USAGE = `npm run weaken -- [options]
  --only IDS     some findings, with commas between: S-C1,U-13 (default all)
  --help         this text

Takes a few minutes.`;

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const run = promisify(execFile);
/** Of tests that are of a finding. */
const NAMES = /(?<![\w-])[SRXU]-[A-Z]?\d/;

/** The names of the tests that failed with what they import replaced while it is read. */
async function failuresOfNode({ test, patches }: Weakness): Promise<string[]> {
  const plugin = {
    name: 'weakness',
    enforce: 'pre' as const,
    transform(code: string, id: string) {
      const file = id.split('?')[0]?.slice(ROOT.length) ?? '';
      return patches.some((patch) => patch.file === file) ? patched(file, code, patches) : undefined;
    },
  };
  const options = {
    root: ROOT,
    config: false as const,
    fsModuleCache: false,
    watch: false,
    reporters: [{}],
    testNamePattern: NAMES,
    testTimeout: 60_000,
  };
  const vitest = await startVitest('test', [], { ...options, include: [test] }, { plugins: [plugin] });
  const modules = vitest.state.getTestModules();
  const failed = modules.flatMap((module) => [...module.children.allTests('failed')]);
  await vitest.close();
  const [broken] = modules.flatMap((module) => [...module.errors()]);
  if (broken || modules.length === 0) throw new Error(`${test} did not run: ${broken?.message ?? 'there is no such file'}`);
  return failed.map(({ fullName }) => fullName);
}

interface ForgeReport {
  readonly [contract: string]: { readonly test_results: Readonly<Record<string, { readonly status: string }>> };
}

/** Of all of them together: the compiler takes most of the time. */
async function failuresOfContracts(weaknesses: readonly Weakness[]): Promise<string[]> {
  const folder = await mkdtemp(join(tmpdir(), 'nova-kms-weakened-'));
  try {
    const ours = (source: string) => !/\/contracts\/(?:out|cache|broadcast)(?:\/|$)/.test(source);
    await cp(join(ROOT, 'contracts'), join(folder, 'contracts'), { recursive: true, filter: ours });
    await cp(join(ROOT, 'tests/vectors'), join(folder, 'tests/vectors'), { recursive: true });
    await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
    const patches = weaknesses.flatMap((weakness) => weakness.patches);
    for (const file of new Set(patches.map((patch) => patch.file)))
      await writeFile(join(folder, file), patched(file, await readFile(join(ROOT, file), 'utf8'), patches));
    const names = weaknesses.flatMap(({ ids }) => ids.map((id) => `_${id.replaceAll('-', '_')}_`)).join('|');
    const options = { cwd: join(folder, 'contracts'), maxBuffer: 100_000_000 };
    // It ends with 1 when tests fail, as they must.
    const { stdout } = await run(forgePath(), ['test', '--json', '--match-test', names], options).catch(
      (error: { stdout: string }) => error,
    );
    const report = JSON.parse(stdout.slice(stdout.indexOf('{'))) as ForgeReport;
    return Object.values(report).flatMap(({ test_results }) =>
      Object.entries(test_results).flatMap(([name, { status }]) => (status === 'Failure' ? [name] : [])),
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Whether a test of such a finding is among those that failed. */
function isNoticed({ ids, what, test }: Weakness, failed: readonly string[]): boolean {
  const noticing = failed.filter((name) => isOf(name, ids)).length;
  console.log(`${noticing > 0 ? 'noticed  ' : 'UNNOTICED'} ${ids.join(' ')}: ${what}; ${noticing} in ${test}`);
  return noticing > 0;
}

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { only: { type: 'string' }, help: { type: 'boolean' } } });
  if (values.help) return (console.log(USAGE), 0);
  const isWanted = ({ ids }: Weakness) => values.only === undefined || ids.some((id) => values.only?.split(',').includes(id));
  const [node, contracts] = [NODE_WEAKNESSES.filter(isWanted), CONTRACT_WEAKNESSES.filter(isWanted)];
  if (node.length + contracts.length === 0) throw new TypeError(`there is no weakness of ${values.only}`);
  let unnoticed = 0;
  for (const each of node) if (!isNoticed(each, await failuresOfNode(each))) unnoticed += 1;
  const failed = contracts.length === 0 ? [] : await failuresOfContracts(contracts);
  for (const each of contracts) if (!isNoticed(each, failed)) unnoticed += 1;
  console.log(`${node.length + contracts.length} weaknesses, ${unnoticed === 0 ? 'all noticed' : `${unnoticed} UNNOTICED`}`);
  return unnoticed === 0 ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(`${(error as Error).stack}\n\n${USAGE}`);
  process.exitCode = 2;
}
