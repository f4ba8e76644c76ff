/**
 * `npm run bench`: the figures that docs/performance.md publishes, each beside its target. Nothing here passes or fails:
 * a figure that misses its target says so.
 */
import { spawnSync } from 'node:child_process';
import { arch, cpus, platform, totalmem } from 'node:os';
import { parseArgs } from 'node:util';
import { parsed, UsageError } from '../simulation/usage.ts';
import { measureCertificates } from './certificates.ts';
import { measureCryptography } from './cryptography.ts';
import { table } from './figures.ts';
import { measureNode } from './node.ts';
import { measureServer } from './server.ts';
import { measureStarts } from './starts.ts';
import type { Figure } from './figures.ts';

const USAGE = `npm run bench -- [options]
  --requests N   derive requests before memory is read again (default 100000; at least 24,000 are made)
  --json         one JSON object on standard output, progress on standard error (with npm run --silent, npm adds nothing)
  --help         this text

Takes about five minutes. Close other programs first: everything runs on this machine, clients and emulated enclaves included.`;

interface Options {
  readonly requests: number;
  readonly json: boolean;
}

function readOptions(): Options | 'help' {
  const options = {
    requests: { type: 'string', default: '100000' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean' },
  } as const;
  const { values } = parsed(() => parseArgs({ options }));
  if (values.help) return 'help';
  const requests = Number(values.requests);
  if (!Number.isInteger(requests) || requests < 1) throw new UsageError('--requests takes a whole number from 1');
  return { requests, json: values.json };
}

function surroundings(): Readonly<Record<string, string | number>> {
  const git = spawnSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' });
  const [cpu] = cpus();
  return {
    processor: cpu?.model ?? 'unknown',
    cores: cpus().length,
    memory_gib: Math.round(totalmem() / 2 ** 30),
    system: `${platform()} ${arch()}`,
    node: process.version,
    commit: git.status === 0 ? git.stdout.trim() : 'unknown',
    date: new Date().toISOString().slice(0, 10),
  };
}

async function run({ requests, json }: Options): Promise<void> {
  const say = (line: string): void => console.error(`  ${line}`);
  const around = surroundings();
  const figures: Figure[] = [];
  say('the cryptography of one request, alone');
  const cryptography = await measureCryptography(say);
  figures.push(...cryptography.figures);
  say('certificates');
  figures.push(...measureCertificates());
  say('the server, with a constant answer and with the road of a request');
  figures.push(...(await measureServer(say)));
  say('the binary under load, in a cluster of two');
  figures.push(...(await measureNode(cryptography.requestUs, { requests, onProgress: say })));
  say('starts');
  figures.push(...(await measureStarts()));
  if (json) return console.log(JSON.stringify({ surroundings: around, figures }, null, 2));
  console.log(
    `\n${Object.entries(around)
      .map(([name, value]) => `${name}: ${value}`)
      .join(', ')}\n\n${table(figures)}`,
  );
}

try {
  const options = readOptions();
  if (options === 'help') console.log(USAGE);
  else await run(options);
} catch (error) {
  const isUsage = error instanceof UsageError;
  console.error(isUsage ? `${error.message}\n\n${USAGE}` : error);
  process.exitCode = isUsage ? 2 : 1;
}
