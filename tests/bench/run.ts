/**
 * `npm run bench`: the figures that docs/performance.md publishes, each beside its target. Nothing here passes or fails:
 * a figure that misses its target says so.
 */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { arch, cpus, platform, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { parsed, UsageError } from '../simulation/usage.ts';
import { measureAttestation } from './attestation.ts';
import { measureCertificates } from './certificates.ts';
import { measureCryptography } from './cryptography.ts';
import { table } from './figures.ts';
import { measureNode } from './node.ts';
import { lineChart } from './plot.ts';
import { measureReplication } from './replication.ts';
import { measureServer } from './server.ts';
import { measureStarts } from './starts.ts';
import { measureStore } from './store.ts';
import type { Figure } from './figures.ts';
import type { Chart } from './plot.ts';

const USAGE = `npm run bench -- [options]
  --requests N   derive requests before memory is read again (default 100000; at least 24,000 are made)
  --only PARTS   some of attestation, certificates, server, node, starts, store, replication; with commas between
  --json         one JSON object on standard output, progress on standard error (with npm run --silent, npm adds nothing)
  --help         this text

Takes about ten minutes, and writes the charts of docs/ anew. Close other programs first: everything runs on this machine, clients and emulated enclaves included.`;

const PARTS = ['attestation', 'certificates', 'server', 'node', 'starts', 'store', 'replication'] as const;

type Part = (typeof PARTS)[number];

interface Options {
  readonly requests: number;
  readonly parts: readonly Part[];
  readonly json: boolean;
}

function readOptions(): Options | 'help' {
  const options = {
    requests: { type: 'string', default: '100000' },
    only: { type: 'string', default: PARTS.join(',') },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean' },
  } as const;
  const { values } = parsed(() => parseArgs({ options }));
  if (values.help) return 'help';
  const requests = Number(values.requests);
  if (!Number.isInteger(requests) || requests < 1) throw new UsageError('--requests takes a whole number from 1');
  const parts = PARTS.filter((part) => values.only.split(',').includes(part));
  if (parts.length !== values.only.split(',').length) throw new UsageError(`--only takes of ${PARTS.join(', ')}, each once`);
  return { requests, parts, json: values.json };
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

function draw(charts: Readonly<Record<string, Chart>>): void {
  for (const [name, chart] of Object.entries(charts))
    writeFileSync(fileURLToPath(new URL(`../../docs/${name}.svg`, import.meta.url)), lineChart(chart));
}

function createParts(requests: number, say: (line: string) => void): Readonly<Record<Part, () => Promise<readonly Figure[]>>> {
  return {
    attestation() {
      say('what nodes prove to each other');
      return measureAttestation();
    },
    async certificates() {
      say('certificates');
      return measureCertificates();
    },
    server() {
      say('the server, with a constant answer and with the road of a request');
      return measureServer(say);
    },
    async node() {
      say('the cryptography of one request, alone');
      const cryptography = await measureCryptography(say);
      say('the binary under load, in a cluster of two');
      return [...cryptography.figures, ...(await measureNode(cryptography.requestUs, { requests, onProgress: say }))];
    },
    starts() {
      say('starts');
      return measureStarts();
    },
    async store() {
      say('the store, from 1,000 to 1,000,000 keys');
      const { figures, charts } = await measureStore(say);
      draw(charts);
      return figures;
    },
    async replication() {
      say('replication: two stores in this process, then binaries');
      const { figures, charts } = await measureReplication(say);
      draw(charts);
      return figures;
    },
  };
}

async function run({ requests, parts, json }: Options): Promise<void> {
  const say = (line: string): void => console.error(`  ${line}`);
  const around = surroundings();
  const figures: Figure[] = [];
  const measure = createParts(requests, say);
  for (const part of parts) figures.push(...(await measure[part]()));
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
