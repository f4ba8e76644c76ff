/**
 * `npm run bench`: the figures that docs/performance.md publishes, each beside its target. Nothing here passes or fails:
 * a figure that misses its target says so.
 */
import { execFileSync } from 'node:child_process';
import { arch, cpus, platform, totalmem } from 'node:os';
import { parseArgs } from 'node:util';
import { measureCertificates } from './certificates.ts';
import { measureCryptography } from './cryptography.ts';
import { table } from './figures.ts';
import { measureNode } from './node.ts';
import { measureServer } from './server.ts';
import { measureStarts } from './starts.ts';
import type { Figure } from './figures.ts';

const USAGE = `npm run bench -- [options]
  --requests N   derive requests before memory is read again (default 100000)
  --json         one JSON object on standard output, progress on standard error (with npm run --silent, npm adds nothing)
  --help         this text

Takes about five minutes. Close other programs first: everything runs on this machine, clients and emulated enclaves included.`;

interface Options {
  readonly requests: number;
  readonly json: boolean;
}

function readOptions(): Options | 'help' | undefined {
  const options = {
    requests: { type: 'string', default: '100000' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean' },
  } as const;
  try {
    const { values } = parseArgs({ options });
    const requests = Number(values.requests);
    if (values.help) return 'help';
    return Number.isInteger(requests) && requests > 0 ? { requests, json: values.json } : undefined;
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}

function surroundings(): Readonly<Record<string, string | number>> {
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim();
  const [cpu] = cpus();
  return {
    processor: cpu?.model ?? 'unknown',
    cores: cpus().length,
    memory_gib: Math.round(totalmem() / 2 ** 30),
    system: `${platform()} ${arch()}`,
    node: process.version,
    commit,
    date: new Date().toISOString().slice(0, 10),
  };
}

async function run({ requests, json }: Options): Promise<void> {
  const say = (line: string): void => console.error(`  ${line}`);
  const figures: Figure[] = [];
  say('the cryptography of one request, alone');
  const cryptography = await measureCryptography();
  figures.push(...cryptography.figures);
  say('certificates');
  figures.push(...measureCertificates());
  say('the server, with a constant answer and with the road of a request');
  figures.push(...(await measureServer()));
  say('the binary under load, in a cluster of two');
  figures.push(...(await measureNode(cryptography.requestUs, { requests, onProgress: say })));
  say('starts');
  figures.push(...(await measureStarts()));
  const around = surroundings();
  if (json) return console.log(JSON.stringify({ surroundings: around, figures }, null, 2));
  console.log(
    `\n${Object.entries(around)
      .map(([name, value]) => `${name}: ${value}`)
      .join(', ')}\n\n${table(figures)}`,
  );
}

const options = readOptions();
if (options === 'help' || options === undefined) {
  console.log(USAGE);
  process.exitCode = options === 'help' ? 0 : 2;
} else await run(options);
