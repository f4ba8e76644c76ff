/**
 * the documents against the code. What they name must exist, what they list must be complete, and their programs run.
 * The findings table of `docs/security.md` is checked here too: `npm test -- tests/docs.test.ts`.
 */
import { execFile } from 'node:child_process';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { kmsRegistryAbi, novaAppRegistryAbi } from '../core/chain/abi.ts';
import { buildClient } from '../build.mjs';
import * as limits from '../core/limits.ts';
import { wireOf } from '../functions/reply.ts';
import { describeCluster } from './simulation/cluster-file.ts';
import { FAULT_KINDS } from './dst/report.ts';
import { invariantsTable, plantedTable } from './dst/tables.ts';
import { createWorld, until, untilDataReady, untilServing } from './simulation/world.ts';
import type { Reason } from '../core/errors.ts';
import type { World } from './simulation/world.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const read = (path: string) => readFileSync(`${ROOT}${path}`, 'utf8');
const documents = ['README.md', ...globSync('docs/**/*.md', { cwd: ROOT })].toSorted();
const texts = documents.map((path) => ({ path, text: read(path) }));
const all = texts.map(({ text }) => text).join('\n');

/** Named as not there yet; one that appears must be taken off this list and out of those sentences. */
const NOT_YET: readonly string[] = [];
/** Of formulas. */
const NOTATION = ['min', 'max'];
/** Made by a command, not in the repository. */
const GENERATED = ['contracts/out', 'contracts/broadcast'];

const inlineCode = (text: string) => [...text.replaceAll(/^```[^]*?^```/gm, '').matchAll(/`([^`\n]+)`/g)].map((match) => match[1] ?? '');
const codeBlocks = (text: string) =>
  [...text.matchAll(/^```(\w*)\n([^]*?)^```/gm)].map((match) => ({ language: match[1] ?? '', code: match[2] ?? '' }));
const shown = (text: string) => [...inlineCode(text), ...codeBlocks(text).map(({ code }) => code)];

function section(text: string, heading: string): string {
  const start = text.indexOf(`\n## ${heading}`);
  expect(start, `a section ${heading}`).toBeGreaterThan(0);
  const end = text.indexOf('\n## ', start + 1);
  return text.slice(start, end < 0 ? undefined : end);
}

/** Cells of the rows of the first table of a text, without its header. */
function tableRows(text: string): string[][] {
  const lines = text.split('\n');
  const ruler = lines.findIndex((line) => /^\|(?:\s*-+\s*\|)+$/.test(line));
  const end = lines.findIndex((line, index) => index > ruler && !line.startsWith('|'));
  const rows = lines.slice(ruler + 1, end < 0 ? undefined : end);
  return rows.map((row) =>
    row
      .slice(1, row.lastIndexOf('|'))
      .split('|')
      .map((cell) => cell.trim()),
  );
}

const codesIn = (cell: string) => [...cell.matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? '');
const reasonsOf = (union: string) => {
  const [, body = ''] = new RegExp(`export type ${union} =([^;]+);`).exec(read('core/errors.ts')) ?? [];
  return [...body.matchAll(/'(\w+)'/g)].map((match) => match[1] ?? '');
};

/** Files and pages that a document names and that are not there. */
function missingFiles({ path, text }: { readonly path: string; readonly text: string }): string[] {
  const named = shown(text).flatMap((code) => code.match(/(?<![\w/.@])(?:core|functions|contracts|tests|docs|\.ci)\/[\w./-]*\w/g) ?? []);
  const missing = named.filter(
    (name) => !GENERATED.some((made) => name.startsWith(made)) && !NOT_YET.includes(name) && !existsSync(`${ROOT}${name}`),
  );
  const links = [...text.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)].map((match) => posix.join(posix.dirname(path), match[1] ?? ''));
  return [...missing, ...links.filter((link) => !existsSync(`${ROOT}${link}`))];
}

function missingScripts(code: string): string[] {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
  return npmWords(code).filter((name) => !Object.hasOwn(scripts, name));
}

function npmWords(code: string): string[] {
  const named = [...code.matchAll(/npm (?:run (?:-s )?)?(\w+)/g)].map((match) => match[1] ?? '');
  return named.filter((name) => !['ci', 'pack', 'install'].includes(name));
}

function missingFunctions(text: string): string[] {
  const source = globSync('{core,functions,contracts/src,contracts/script}/**/*.{ts,sol}', { cwd: ROOT }).map(read).join('\n');
  const named = inlineCode(text).flatMap((code) => [...code.matchAll(/\b([a-z]\w+)\(/g)].map((match) => match[1] ?? ''));
  return named.filter((name) => !NOTATION.includes(name) && !ABI.includes(name) && !new RegExp(`function ${name}\\(`).test(source));
}

const ABI: readonly string[] = [...kmsRegistryAbi, ...novaAppRegistryAbi].flatMap((entry) => ('name' in entry ? [entry.name] : []));

describe('R-9 a document that names what is not there', () => {
  const path = 'docs/planted.md';

  it('is caught', () => {
    const text = 'See `core/nowhere.ts`, [a page](nowhere.md) and [one that is there](protocol.md): `core/kms.ts`.';
    expect(missingFiles({ path, text })).toEqual(['core/nowhere.ts', 'docs/nowhere.md']);
    expect(missingScripts('npm test, npm run nowhere, npm run bench')).toEqual(['nowhere']);
    expect(missingFunctions('`setAdmin(owner)`, which no contract has, then `openGenesis()`')).toEqual(['setAdmin']);
  });
});

describe('R-9 the documents', () => {
  it.each(texts)('name files that exist in $path', (document) => expect(missingFiles(document)).toEqual([]));

  it('name what is not there yet only while it is not there', () =>
    expect(NOT_YET.filter((path) => existsSync(`${ROOT}${path}`))).toEqual([]));

  it('name npm scripts and programs that exist', () => {
    const code = shown(all).join('\n');
    const named = npmWords(code);
    expect(missingScripts(code)).toEqual([]);
    const started = [...code.matchAll(/\bnode ((?:docs|tests|build)[\w./-]*)/g)].map((match) => match[1] ?? '');
    const forged = [...code.matchAll(/forge script ([\w./-]+)/g)].map((match) => `contracts/${match[1]}`);
    expect([...started, ...forged].filter((path) => !existsSync(`${ROOT}${path}`))).toEqual([]);
    expect([started.length, forged.length, named.length].every((count) => count > 0)).toBe(true);
  });

  it('name functions that exist', () => {
    expect(missingFunctions(all)).toEqual([]);
    const commanded = [...all.matchAll(/examples\/registry\.ts (\w+)/g)].map((match) => match[1] ?? '');
    expect(commanded.filter((name) => !ABI.includes(name))).toEqual([]);
    expect(commanded).toContain('openGenesis');
  });

  it('leave nothing open and point at no tracker', () => {
    const strange = /(?<![\w&])#\d+\b|\bTODO\b/;
    const examples = globSync('docs/examples/*.ts', { cwd: ROOT }).map((path) => ({ path, text: read(path) }));
    expect(
      [...texts, ...examples].flatMap(({ path, text }) => (strange.test(text) ? [`${path}: ${strange.exec(text)?.[0]}`] : [])),
    ).toEqual([]);
  });

  it('show in the README what docs/examples/derive.ts holds', () => {
    const blocks = codeBlocks(read('README.md')).filter(({ language }) => language === 'ts');
    expect(blocks.length).toBeGreaterThan(0);
    for (const { code } of blocks) expect(read('docs/examples/derive.ts')).toContain(code);
    expect(read('docs/examples/derive.ts').split('\n').length).toBeLessThanOrEqual(30);
  });

  it('have a client from scratch that takes no code of ours', () => {
    const imported = [...read('docs/examples/from-scratch.ts').matchAll(/from '([^']+)'/g)].map((match) => match[1]);
    expect(imported.toSorted()).toEqual(['@slicekit/erc8128', 'node:crypto', 'node:fs/promises', 'viem', 'viem/accounts']);
  });
});

describe('R-9 the page on reliability', () => {
  it('has what must hold, what was planted, and every fault, as the simulation has them', () => {
    const page = read('docs/reliability.md');
    expect(page).toContain(invariantsTable());
    expect(page).toContain(plantedTable());
    const named = new Set(tableRows(section(page, 'Faults')).flatMap(([cell = '']) => codesIn(cell)));
    expect(named).toEqual(new Set(FAULT_KINDS));
  });
});

describe('R-9 the protocol', () => {
  const protocol = read('docs/protocol.md');

  it('has the whole table of errors, as the node answers them', () => {
    const written = tableRows(section(protocol, '10. Errors')).flatMap(([reasons = '', status, code = '', shownAs = '', message = '']) =>
      codesIn(reasons).map((reason) => [
        reason,
        Number(status),
        codesIn(code)[0],
        codesIn(shownAs)[0] ?? reason,
        message.replaceAll('\\<', '<'),
      ]),
    );
    const names = ['UnreadyReason', 'ProofReason', 'RequestReason', 'PeerReason', 'OutboundReason'].flatMap(reasonsOf);
    const answered = names.map((name) => {
      const { status, code, reason, message } = wireOf(name as Reason);
      return [name, status, code, reason, message];
    });
    expect(names.length).toBeGreaterThan(70);
    expect(written.toSorted()).toEqual(answered.toSorted());
  });

  it('lists the kinds of audit records, with their members', () => {
    const source = read('core/audit-kinds.ts');
    const [, body = ''] = /interface AuditFields \{([^]*?)\n\}/.exec(source) ?? [];
    const kinds = [...body.matchAll(/^ {2}(\w+):/gm)].map((match) => match[1] ?? '');
    const members = [...source.matchAll(/readonly (\w+):/g)].map((match) => match[1] ?? '');
    const text = section(protocol, '14. Audit');
    expect(
      tableRows(text)
        .flatMap(([cell = '']) => codesIn(cell))
        .toSorted(),
    ).toEqual(kinds.toSorted());
    expect(kinds.length).toBeGreaterThan(10);
    expect(members.filter((member) => !text.includes(`\`${member}\``))).toEqual([]);
  });

  it('lists the routes of the node', () => {
    const routes = [...read('functions/api.ts').matchAll(/^ {4}'(\/[^']*)': \{ (.*) \},$/gm)].flatMap(([, path = '', handlers = '']) =>
      [...handlers.matchAll(/\b(GET|POST|PUT|DELETE):/g)].map(([, method = '']) => `${method} ${path}`),
    );
    expect(
      tableRows(section(protocol, '11. Endpoints'))
        .flatMap(([route = '']) => codesIn(route))
        .toSorted(),
    ).toEqual(routes.toSorted());
    // What `GET /` says. A key named batch is one of the keys there.
    const told = [...read('functions/public.ts').matchAll(/^ {6}'((?:GET|POST|PUT|DELETE) \/[^']*)',$/gm)].map((match) => match[1] ?? '');
    expect(told.toSorted()).toEqual(routes.filter((route) => route !== 'GET /kms/data/batch').toSorted());
  });

  it('has every clause that the source cites', () => {
    const cited = globSync('{core,functions}/**/*.ts', { cwd: ROOT }).flatMap((path) =>
      [...read(path).matchAll(/clauses? (\d+(?:\.\d+)?(?:, \d+(?:\.\d+)?)*(?: and \d+(?:\.\d+)?)?)/g)].flatMap(
        (match) => match[1]?.match(/\d+(?:\.\d+)?/g) ?? [],
      ),
    );
    const headings = [...protocol.matchAll(/^#{2,3} (\d+(?:\.\d+)?)/gm)].map((match) => match[1] ?? '');
    expect(cited.length).toBeGreaterThan(15);
    expect(cited.filter((clause) => !headings.includes(clause))).toEqual([]);
    expect(headings).toEqual(headings.toSorted((a, b) => Number(a) - Number(b)));
  });

  it('has the numbers of core/limits.ts', () => {
    const seconds = (ms: number) => `${ms / 1_000} s`;
    const grouped = (value: number) => value.toLocaleString('en');
    const expected: readonly [string, string][] = [
      ['2. Nonces', `good for ${seconds(limits.NONCE_LIFETIME_MS)}`],
      ['3. Proofs', `within ${seconds(limits.PROOF_AGE_MAX_MS)}`],
      ['3. Proofs', `at most ${limits.PROOF_HEADER_CHARS_MAX} characters`],
      ['3. Proofs', `up to ${limits.SIGNATURE_COMPONENTS_MAX} components`],
      ['3. Proofs', `(1 to ${limits.SIGNATURE_NONCE_CHARS_MAX} printable`],
      ['3. Proofs', `after \`created\`, by at most ${limits.SIGNATURE_LIFE_MAX_MS / 1_000};`],
      ['3. Proofs', `at most ${seconds(limits.SIGNATURE_AHEAD_MAX_MS)} ahead`],
      ['3. Proofs', `from ${seconds(limits.SIGNATURE_LATE_MAX_MS)} after \`expires\``],
      ['3. Proofs', `less than ${seconds(limits.SIGNATURE_AHEAD_MAX_MS)} after the node's boot`],
      ['3. Proofs', `at most ${limits.CALLER_DOCUMENT_BYTES_MAX / 1_024} KiB before it is encoded`],
      ['3. Proofs', `${limits.CALLER_DOCUMENTS_PER_SECOND}/s, burst ${limits.CALLER_DOCUMENTS_BURST}, may be refused`],
      ['3. Proofs', `or ${grouped(limits.CALLERS_CACHED_MAX)} others came`],
      ['1. Terms', `more than ${seconds(limits.HEAD_AHEAD_MAX_MS)} ahead`],
      ['5. The sealed road', `deadline of ${seconds(limits.REQUEST_MS_MAX)}`],
      ['5. The sealed road', `the last ${limits.SIGNING_MS_MAX / 1_000} are kept for signing`],
      [
        '5. The sealed road',
        `${limits.BODIES_PER_WALLET_BYTES_MAX / 1_048_576} MiB of a wallet, ${limits.BODIES_TOTAL_BYTES_MAX / 1_048_576} MiB in all`,
      ],
      ['5. The sealed road', `${limits.CALLER_REQUESTS_PER_SECOND}/s, burst ${grouped(limits.CALLER_REQUESTS_BURST)}`],
      [
        '5. The sealed road',
        `${limits.DERIVE_BODY_BYTES_MAX / 1_024} KiB for a derivation, ${limits.SIGN_CERT_BODY_BYTES_MAX / 1_024} KiB for a certificate, counted while streaming, ${seconds(limits.REQUEST_BODY_MS_MAX)}`,
      ],
      ['5. The sealed road', `${limits.REQUESTS_PER_WALLET_MAX} requests of a wallet and ${grouped(limits.REQUESTS_IN_WORK_MAX)} of all`],
      ['5. The sealed road', `a certificate as ${limits.CERTIFICATE_REQUESTS}. Each full ${limits.BYTES_PER_REQUEST / 1_024} KiB`],
      ['11. Endpoints', `${limits.CALLER_ATTESTATIONS_PER_SECOND}/s, burst ${limits.CALLER_ATTESTATIONS_BURST}, of its own`],
      ['7. Peers', `nested ${limits.CBOR_DEPTH_MAX} deep at most`],
      ['7. Peers', `at most ${grouped(limits.CBOR_ITEMS_MAX)} values`],
      ['5. The sealed road', `each ${limits.BATCH_OPERATIONS_PER_REQUEST} operations of a batch`],
      ['5. The sealed road', `its first ${limits.ADDRESS_IPV6_BITS} bits`],
      ['5. The sealed road', `has ${grouped(limits.ADDRESS_REQUESTS_PER_SECOND)}/s, burst ${grouped(limits.ADDRESS_REQUESTS_BURST)}`],
      [
        '5. The sealed road',
        `to \`/kms\`, \`/sync\`, \`/attestation\`, \`/audit\` or \`/operator\` as ${limits.ADDRESS_PROOF_REQUESTS}, given back`,
      ],
      ['5. The sealed road', `still coming ${limits.HELLOS_READ_MAX} are kept`],
      [
        '5. The sealed road',
        `${limits.FRAMES_PER_PEER_BYTES_MAX / 1_048_576} MiB of a peer and ${limits.FRAMES_TOTAL_BYTES_MAX / 1_048_576} MiB of all`,
      ],
      [
        '5. The sealed road',
        `up to a depth of ${limits.JSON_DEPTH_MAX}, a request with more than ${limits.HTTP_HEADERS_MAX} header fields`,
      ],
      [
        '5. The sealed road',
        `${limits.REQUESTS_RESERVE_MAX} requests of a wallet, ${limits.BODIES_RESERVE_BYTES_MAX / 1_024} KiB of its bodies, one frame`,
      ],
      ['5. The sealed road', `reused for ${seconds(limits.CALLER_CACHE_MS)}; "unknown wallet" for ${seconds(limits.UNKNOWN_CACHE_MS)}`],
      ['5. The sealed road', `share ${limits.UNKNOWN_WALLETS_PER_SECOND}/s, burst ${limits.UNKNOWN_WALLETS_BURST}`],
      ['5. The sealed road', `\`${grouped(limits.CALLER_CACHE_MS)} ms + tickMs + headAgeMaxMs\``],
      ['5. The sealed road', `by this wallet in the last ${limits.ENVELOPE_NONCE_LIFETIME_MS / 60_000} minutes`],
      ['6. Derivation', `1 to ${limits.DERIVE_PATH_BYTES_MAX} bytes of UTF-8`],
      ['6. Derivation', `the same, 0 to ${limits.DERIVE_CONTEXT_BYTES_MAX} bytes`],
      [
        '6. Derivation',
        `1 to ${grouped(limits.DERIVE_LENGTH_MAX_BYTES)} bytes, a number or a text of digits; default ${limits.DERIVE_LENGTH_DEFAULT_BYTES}`,
      ],
      ['7. Peers', `at most ${limits.HELLO_BYTES_MAX / 1_024} KiB`],
      ['7. Peers', `hellos (${limits.HELLOS_PER_SECOND}/s, burst ${limits.HELLOS_BURST})`],
      ['7. Peers', `for ${seconds(limits.PEER_BACKOFF_MIN_MS)}, doubling to ${seconds(limits.PEER_BACKOFF_MAX_MS)}`],
      ['7. Peers', `after ${limits.SESSION_AGE_MAX_MS / 60_000} minutes, ${grouped(limits.SESSION_FRAMES_MAX)} frames`],
      ['7. Peers', `newest ${limits.SESSIONS_PER_PEER_MAX} sessions of a peer, ${limits.SESSIONS_TOTAL_MAX} in all`],
      ['7. Peers', `ciphertext of at most ${limits.FRAME_PAYLOAD_BYTES_MAX / 1_048_576} MiB`],
      ['7. Peers', `at most ${limits.FRAME_WINDOW} behind`],
      ['8. Messages', `every ${seconds(limits.PEER_PROBE_MS)}`],
      ['8. Messages', `${limits.ENDORSEMENT_LIFE_BLOCKS} + ${limits.ENDORSEMENT_SLACK_BLOCKS} blocks`],
      ['8. Messages', `newest ${limits.OFFERS_PER_SIGNER_MAX} offers are kept; ${limits.NEW_SIGNATURES_PER_MESSAGE_MAX} new signatures`],
      ['8. Messages', `at most ${limits.HANDOVER_SECRETS_MAX}`],
      ['8. Messages', `${limits.HANDOVERS_PER_SECOND}/s per wallet, burst ${limits.HANDOVERS_BURST}`],
      ['9. Readiness', `longer than ${seconds(limits.TICK_MS_MAX)}`],
      ['9. Readiness', `waits ${limits.RELAY_STEP_BLOCKS} blocks more. Again after ${limits.RELAY_RETRY_BLOCKS} blocks`],
      [
        '9. Readiness',
        `valid for ${limits.ENDORSEMENT_LIFE_BLOCKS} blocks from the head; they are followed while more than ${limits.ENDORSEMENT_LIFE_BLOCKS / 2} are left and relayed while more than ${limits.ENDORSEMENT_MARGIN_BLOCKS} are`,
      ],
      ['9. Readiness', `At most ${limits.CANDIDATES_PER_EPOCH_MAX} are kept`],
      ['14. Audit', `a period of ${seconds(limits.AUDIT_PERIOD_MS)}`],
      ['14. Audit', `Up to ${grouped(limits.AUDIT_RECORDS_MAX)} records and ${limits.AUDIT_BYTES_MAX / 1_048_576} MiB are kept`],
      ['14. Audit', `newest ${grouped(limits.AUDIT_MILESTONES_MAX)} milestones`],
      ['14. Audit', `1 to ${grouped(limits.AUDIT_PAGE_RECORDS_MAX)}>`],
      ['14. Audit', `at most ${limits.AUDIT_PAGE_BYTES_MAX / 1_048_576} MiB of them`],
      ['14. Audit', `believed for ${seconds(limits.OWNER_CACHE_MS)}`],
      ['14. Audit', `at most ${limits.VOTE_BODY_BYTES_MAX / 1_024} KiB, its digest signed`],
      ['14. Audit', `from 1 to ${limits.ENDORSEMENT_LIFE_BLOCKS} blocks after`],
      ['14. Audit', `${limits.OPERATOR_REQUESTS_PER_SECOND}/s, burst ${limits.OPERATOR_REQUESTS_BURST}`],
    ];
    const flat = (text: string) => text.replaceAll(/\s+/g, ' ');
    expect(expected.filter(([heading, words]) => !flat(section(protocol, heading)).includes(words))).toEqual([]);
  });
});

describe('R-9 the architecture', () => {
  it('has every file of the rooms in its picture', () => {
    const [picture] = codeBlocks(read('docs/architecture.md'));
    const files = globSync('{core/*,core/crypto/nitro,functions}/*.ts', { cwd: ROOT }).map((path) => posix.basename(path, '.ts'));
    const words = new Set(picture?.code.match(/[a-z0-9]+(?:-[a-z0-9]+)*/g));
    expect(files.length).toBeGreaterThan(100);
    expect(files.filter((name) => !words.has(name))).toEqual([]);
  });
});

describe('R-9 operations', () => {
  const operations = read('docs/operations.md');

  it('say of every reason what to do', () => {
    const rows = tableRows(section(operations, 'Not ready: reasons'));
    expect(rows.flatMap(([reason = '']) => codesIn(reason)).toSorted()).toEqual(reasonsOf('UnreadyReason').toSorted());
    expect(rows.filter((cells) => cells.length !== 3 || cells.some((cell) => cell === ''))).toEqual([]);
  });

  it('list every field of the profile', () => {
    const [, body = ''] = /interface NetworkProfile \{([^]*?)\n\}/.exec(read('core/networks.ts')) ?? [];
    const fields = [...body.matchAll(/readonly (\w+):/g)].map((match) => match[1] ?? '');
    expect(
      tableRows(section(operations, 'Profile'))
        .flatMap(([field = '']) => codesIn(field))
        .toSorted(),
    ).toEqual(fields.toSorted());
    expect(operations).toContain(`at most ${limits.TRUSTED_PROXIES_MAX}, none wider than /${limits.TRUSTED_PROXY_BITS_MIN}`);
  });

  it('list every option of the build', () => {
    const options = [...read('build.mjs').matchAll(/^ {2}(--[a-z-]+)/gm)]
      .map((match) => match[1] ?? '')
      .filter((name) => name !== '--help');
    const named = tableRows(section(operations, 'Enclave image')).flatMap(([option = '']) => codesIn(option));
    expect(options.length).toBeGreaterThan(10);
    expect(named.toSorted()).toEqual(options.toSorted());
  });

  it('list every setting and every exit code of the binary', () => {
    const text = section(operations, 'Enclave image');
    const settings = [...read('core/environment.ts').matchAll(/'(NOVA_KMS_[A-Z_]+\w)'/g)].map((match) => match[1] ?? '');
    const [, prefixes = ''] = /const REFUSED = \[([^\]]+)\]/.exec(read('core/environment.ts')) ?? [];
    const refused = [...prefixes.matchAll(/'(\w+)'/g)].map((match) => match[1] ?? '');
    const [, table = ''] = /const EXIT = \{([^}]+)\}/.exec(read('functions/enclave.ts')) ?? [];
    const codes = [...table.matchAll(/\w+: (\d+)/g)].map((match) => match[1] ?? '');
    expect([settings.length > 2, refused.length > 5, codes.length]).toEqual([true, true, 5]);
    expect([...settings, ...refused].filter((name) => !text.includes(`\`${name}\``))).toEqual([]);
    expect(codes.filter((code) => !text.includes(`\n| ${code} |`))).toEqual([]);
  });

  it('list the limits of the server', () => {
    const text = section(operations, 'Enclave image');
    const expected = [
      `${limits.CONNECTIONS_MAX.toLocaleString('en')} connections, idle ones for ${limits.HTTP_IDLE_MS_MAX / 1_000} s`,
      `${limits.HTTP_HEADERS_BYTES_MAX / 1_024} KiB of headers in at most ${limits.HTTP_HEADERS_MAX} fields, in ${limits.HTTP_HEADERS_MS_MAX / 1_000} s`,
      `a header line of ${Math.ceil((4 * limits.CALLER_DOCUMENT_BYTES_MAX) / 3 / 1_024)} KiB`,
      `${limits.DATA_BODY_BYTES_MAX / 1_048_576} MiB, and answers that take ${limits.REQUEST_MS_MAX / 1_000} s`,
      `${limits.HTTP_REQUEST_MS_MAX / 1_000} s for a whole request; ${limits.HTTP_EXCHANGE_MS_MAX / 1_000} s from a request`,
      `did not answer for ${limits.BOOT_MS_MAX / 1_000} s`,
      `${limits.REQUESTS_IN_WORK_MAX.toLocaleString('en')} requests at once, ${limits.REQUESTS_PER_WALLET_MAX} of one wallet`,
      `requests are answered, ${limits.STOP_MS_MAX / 1_000} s at most`,
      `${limits.RELEASE_CONFIRMATION_BLOCKS_MIN} confirmations or more, a head of ${limits.RELEASE_HEAD_AGE_MS_MAX / 60_000} minutes or less`,
    ];
    expect(expected.filter((words) => !text.includes(words))).toEqual([]);
  });

  it('list every variable of the deploy script', () => {
    const readByScript = [...read('contracts/script/Deploy.s.sol').matchAll(/VM\.env\w+\("(\w+)"/g)].map((match) => match[1] ?? '');
    const text = section(operations, 'Deploy');
    expect(readByScript.filter((name) => !text.includes(`\`${name}`) && !text.includes(`${name}=`))).toEqual([]);
    expect(readByScript.length).toBeGreaterThan(8);
  });
});

describe('docs/client.md', () => {
  const client = read('docs/client.md');
  const source = globSync('core/client/*.ts', { cwd: ROOT }).map(read).join('\n');

  it('lists every option', () => {
    const tables = ['ClientOptions', 'KeyOptions', 'CallOptions', 'ValueOptions', 'VersionOptions', 'ReplicaOptions', 'ListOptions'];
    const fields = tables.flatMap((name) => {
      const [, body = ''] = new RegExp(`interface ${name} \\{([^]*?)\\n\\}`).exec(source) ?? [];
      return [...body.matchAll(/readonly (\w+)\??:/g)].map((match) => match[1] ?? '');
    });
    expect(fields.length).toBeGreaterThan(10);
    expect(tableRows(client.slice(client.indexOf('| option |'))).map(([option = '']) => codesIn(option)[0])).toEqual(
      expect.arrayContaining(fields),
    );
  });

  it('says of every code what to do', () => {
    const [, union = ''] = /export type KmsErrorCode =([^]*?);\n/.exec(source) ?? [];
    const codes = [...union.matchAll(/\| '(\w+)'/g)].map((match) => match[1] ?? '');
    const rows = tableRows(client.slice(client.indexOf('| code |')));
    expect(codes.length).toBeGreaterThan(5);
    expect(rows.map(([code = '', what]) => what && codesIn(code)[0]).toSorted()).toEqual(codes.toSorted());
    const [, outcomes = ''] = /export type AttemptOutcome =([^]*?);\n/.exec(source) ?? [];
    const told = tableRows(client.slice(client.indexOf('| outcome |'))).flatMap(([outcome = '']) => codesIn(outcome));
    expect(told.toSorted()).toEqual([...outcomes.matchAll(/\| '(\w+)'/g)].map((match) => match[1] ?? '').toSorted());
  });
});

describe('docs/security.md', () => {
  const security = read('docs/security.md');
  const rows = tableRows(section(security, 'Findings')).map(([id = '', holds = '', where = '', tests = '', state = '']) => ({
    id,
    holds,
    where,
    tests,
    state,
  }));
  const numbered = (prefix: string, last: number) => Array.from({ length: last }, (_, index) => `${prefix}${index + 1}`);
  const ids = [
    ...numbered('S-C', 3),
    ...numbered('S-H', 6),
    ...numbered('S-M', 8),
    ...numbered('S-L', 10),
    ...numbered('R-', 10),
    ...numbered('X-', 18),
    ...numbered('U-', 19),
  ];

  /** A title, or a name of a test contract's function, that carries the id. */
  function carries(path: string, id: string): boolean {
    if (path.endsWith('.sol')) return new RegExp(`function (?:test|testFuzz)_\\w*?${id.replaceAll('-', '_')}_`).test(read(path));
    return new RegExp(`(?:['"\`]|['"\`][^'"\`\\n]*[ (])${id}(?!\\d)[^'"\`\\n]`).test(read(path));
  }

  it('has a row for every finding, in order', () => expect(rows.map(({ id }) => id)).toEqual(ids));

  it.each(rows)('$id is what its row says', ({ id, holds, where, tests, state }) => {
    expect(holds).not.toBe('');
    const [, alias] = /^as ([SRXU]-\w+)$/.exec(state) ?? [];
    if (alias !== undefined) return expect(ids).toContain(alias);
    expect(state).toMatch(/^(?:stands$|in part, |waits for )/);
    for (const place of codesIn(where)) expect(existsSync(`${ROOT}${place}`), place).toBe(true);
    const files = codesIn(tests);
    expect(files.length > 0).toBe(!state.startsWith('waits'));
    expect(files.filter((path) => !existsSync(`${ROOT}${path}`) || !carries(path, id))).toEqual([]);
  });

  it('names the tests of a finding as soon as there are any', () => {
    const titles = globSync('{tests,contracts/test}/**/*.{test.ts,t.sol}', { cwd: ROOT }).filter((path) => path !== 'tests/docs.test.ts');
    const unnamed = rows.filter(({ id, state }) => state.startsWith('waits') && titles.some((path) => carries(path, id)));
    expect(unnamed.map(({ id }) => id)).toEqual([]);
  });

  it('says of the client the numbers of core/limits.ts', () => {
    const text = section(security, 'What the client checks').replaceAll(/\s+/g, ' ');
    const seconds = (ms: number) => `${ms / 1_000} s`;
    const expected = [
      `is read again every ${seconds(limits.CLIENT_VIEW_MS)}`,
      `${limits.CLIENT_ANSWER_BYTES_MAX / 1_048_576} MiB and ${seconds(limits.CLIENT_ATTEMPT_MS)} are the most a try may take`,
      `at most ${limits.ATTESTATION_BYTES_MAX / 1_024} KiB and ${seconds(limits.CLIENT_CHECK_MS)}`,
      `A node gives ${limits.ATTESTATIONS_PER_SECOND} documents a second to all strangers, and each app ${limits.CALLER_ATTESTATIONS_PER_SECOND} a second`,
    ];
    expect(expected.filter((words) => !text.includes(words))).toEqual([]);
  });

  it('X-17 names every hop', () => {
    const hops = tableRows(section(security, 'Hops'))
      .map(([hop = '']) => hop)
      .join('\n');
    const places = ['app', 'host', 'network', 'Odyn', 'light client', 'egress proxy', 'RPC', 'peer', 'chain', 'log'];
    const missing = (text: string) => places.filter((place) => !text.includes(place));
    expect(missing(hops)).toEqual([]);
    // A page without any of them would not pass.
    for (const place of places) expect(missing(hops.replaceAll(place, '-'))).toContain(place);
  });
});

describe('the programs of the documents', () => {
  const run = promisify(execFile);
  let world: World;
  let folder: string;
  const node = async (args: readonly string[]) => {
    const env = {
      ...process.env,
      RPC_URL: world.chain.rpcUrl,
      KMS_REGISTRY: world.contracts.kmsRegistry,
      PRIVATE_KEY: world.contracts.ownerKey,
    };
    return (await run(process.execPath, [...args], { cwd: ROOT, env })).stdout.trim();
  };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'nova-kms-'));
    await buildClient();
    world = await createWorld({ nodes: 2, apps: 2 });
  });
  afterAll(async () => {
    await world?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it('are of the types that they use', async () => {
    const options = { extends: `${ROOT}tsconfig.json`, include: [`${ROOT}docs/examples`] };
    const compilerOptions = { typeRoots: [`${ROOT}node_modules/@types`] };
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ ...options, compilerOptions }));
    const { stdout } = await run(`${ROOT}node_modules/.bin/tsc`, ['-p', folder]).catch((error: { stdout: string }) => error);
    expect(stdout).toBe('');
  });

  it('take a cluster whose nodes hold no gas from genesis to a key', async () => {
    for (const { node: each } of world.members) await emptyWallet(world, each.odyn.wallet);
    expect(await node(['docs/examples/registry.ts', 'openGenesis'])).toMatch(/success in block \d+, answered 0$/);
    await expect(node(['docs/examples/registry.ts', 'openGenesis'])).rejects.toThrow('EpochAlreadyOpen(');
    const [member] = world.members;
    const url = member?.url ?? '';
    await until('a majority to endorse', async () => {
      const { activation } = (await (await fetch(`${url}/status`)).json()) as { activation: object | null };
      return activation ?? undefined;
    });
    expect(await node(['docs/examples/activate.ts', url])).toMatch(/^0x[0-9a-f]{64}: success in block \d+$/);
    await untilServing(world.members);
    const file = join(folder, 'cluster.json');
    await writeFile(file, JSON.stringify(describeCluster(world)));
    const byPackage = await node(['docs/examples/derive.ts', 'my/disk', file]);
    const fromScratch = await node(['docs/examples/from-scratch.ts', 'my/disk', file]);
    expect(byPackage).toMatch(/^[0-9a-f]{64} {2}epoch 0, judged at block \d+ by 0x[0-9a-f]{40}$/);
    expect(fromScratch).toMatch(/^[0-9a-f]{64} {2}epoch 0, judged at block \d+$/);
    expect(fromScratch.slice(0, 64)).toBe(byPackage.slice(0, 64));
    await untilDataReady(world.members);
    for (const starts of [1, 2]) expect(await node(['docs/examples/kv.ts', file])).toMatch(new RegExp(`^start ${starts}, on [23] nodes$`));
    expect(await node(['docs/examples/mtls.ts', file])).toMatch(
      /^app 3 says: hello URI:spiffe:\/\/[^/]+\/app\/2\/instance\/\d+\. Its certificate ends at 20/,
    );
    expect(await node(['docs/examples/registry.ts', 'masterSecretHash'])).toMatch(/^"0x[0-9a-f]{64}"$/);
    expect(await node(['docs/examples/operator.ts', url, 'status'])).toMatch(/"held": true/);
    const audit = await node(['docs/examples/operator.ts', url, 'audit']);
    expect(audit).toMatch(
      /^\{.*"kind":"boot".*\n[^]*\nwhole from 1 to \d+, boot [0-9a-f]{32} of 0x[0-9a-f]{40}; next time after \d+:[0-9a-f]{64}$/,
    );
    const [, seen = ''] = /(\d+:[0-9a-f]{64})$/.exec(audit) ?? [];
    expect(await node(['docs/examples/operator.ts', url, 'audit', seen])).toMatch(/^(?:\{.*\n)*whole from \d+ to \d+, /);
    await expect(
      node(['docs/examples/operator.ts', url, 'audit', seen.replace(/.$/, (digit) => (digit === '0' ? '1' : '0'))]),
    ).rejects.toThrow('the trail is broken at');
    // A dozen programs, one after the other.
  }, 180_000);

  it('have a node sign a vote', async () => {
    const url = world.members[0]?.url ?? '';
    const block = String((await world.chain.head()).number + 100n);
    expect(await node(['docs/examples/operator.ts', url, 'vote', 'veto', '4', block])).toContain(`:4:${block}",`);
    expect(await node(['docs/examples/operator.ts', url, 'vote', 'rotate', '1', block])).toContain(`:1:${block}",`);
  });
});

async function emptyWallet({ chain }: World, wallet: string): Promise<void> {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'anvil_setBalance', params: [wallet, '0x0'] });
  const answer = await fetch(chain.rpcUrl, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
  expect(await answer.json()).not.toHaveProperty('error');
}
