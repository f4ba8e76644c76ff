/** The verdict over a run: what a leak is called, how a secret is put together again, and that a watch which sees nothing says so. */
import { hkdfSync, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { judge } from './judge.ts';
import { createRecorder, DERIVED_KEY, ENTROPY, KINDS_OF_SECRETS, TEE_KEY, VALUE, WALLET_KEY } from './recorder.ts';
import type { Recorder } from './recorder.ts';

const key = randomBytes(32);
const master = randomBytes(32);
let folder: string;
let recorder: Recorder;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'nova-kms-'));
  recorder = createRecorder(folder);
  recorder.note('file', 'tests/some.test.ts', '');
  recorder.note('secret', DERIVED_KEY, key);
  recorder.note('secret', ENTROPY, master);
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

const leaks = () => judge(folder).leaks;
/** In this order. */
const PLACES = [
  ...['any log', 'any record of an audit trail in a log', 'any refusal in a log', 'any answer', 'any header of a node', 'any error'],
  ...['any sealed answer', 'any metric', 'any record of an audit trail in an answer', 'any request'],
];

describe('X-15 the verdict over a run', () => {
  it('counts what was searched and finds nothing where nothing is', () => {
    recorder.note('log', 'node-1', '{"event":"node.serving"}\n');
    recorder.note('answer', 'connection 1', 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}HTTP/1.1 503 Service Unavailable\r\n\r\n');
    recorder.note('request', 'a host', 'POST /sync');
    // The derived key and the entropy, and of that twelve keys for each of three epochs.
    expect(judge(folder).text).toMatch(/^38 secrets, 1 lines, 2 answers and 1 requests searched \(0\.0 MB\), none found$/);
    expect(leaks()).toEqual([]);
  });

  it('names the secret, its form, who showed it, in which file, and the line around it', () => {
    recorder.note('log', 'node-1', `{"event":"node.serving"}\n{"event":"odd","detail":"it was ${key.toString('hex')}"}\n`);
    const [leak = '', ...others] = leaks();
    expect(others).toEqual([]);
    expect(leak).toContain('a derived key as hex in one log, first in that of node-1, tests/some.test.ts\n');
    expect(leak).toContain(`{"event":"odd","detail":"it was [${key.toString('hex').slice(0, 12)} …]`);
    expect(leak).not.toContain('node.serving');
    expect(judge(folder).text).toContain(' 1 FOUND');
  });

  it('complains once of what is shown a thousand times', () => {
    for (const node of ['node-1', 'node-2']) recorder.note('log', node, `${key.toString('base64')}\n`.repeat(500));
    expect(leaks()).toHaveLength(1);
  });

  it('knows a secret of another process, also when it was shown before it was known', () => {
    const other = createRecorder(folder);
    const late = randomBytes(48);
    other.note('log', 'node-2', `${late.toString('base64')}\n`);
    recorder.note('secret', 'the TEE key of an enclave', late);
    expect(leaks()).toHaveLength(1);
  });

  it.each(['log', 'request', 'answer'] as const)('puts together what one source showed in two parts: %s', (kind) => {
    const text = key.toString('hex');
    recorder.note(kind, 'a', text.slice(0, 11));
    recorder.note(kind, 'b', 'something between');
    recorder.note(kind, 'a', text.slice(11));
    expect(leaks().join()).toContain(`in one ${kind}, first in that of a,`);
  });

  it('sees through the chunks of an answer', () => {
    const text = key.toString('hex');
    const parts = [text.slice(0, 9), text.slice(9, 25), text.slice(25, 40), text.slice(40)];
    const chunks = parts.map((part) => `${part.length.toString(16)}\r\n${part}\r\n`).join('');
    recorder.note('answer', 'connection 1', `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}0\r\n\r\n`);
    expect(leaks()).toHaveLength(1);
  });

  it.each([
    ['gzip', gzipSync],
    ['br', brotliCompressSync],
    ['deflate', deflateSync],
  ])('sees through an answer that is compressed, in chunks or not: %s', (encoding, compress) => {
    const body = compress(`{"key":"${key.toString('hex')}"}`);
    const head = `HTTP/1.1 200 OK\r\nContent-Encoding: ${encoding}\r\n`;
    const chunks = [body.subarray(0, 20), body.subarray(20)].map((part) =>
      Buffer.concat([Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from('\r\n')]),
    );
    const other = createRecorder(folder);
    recorder.note('answer', 'whole', Buffer.concat([Buffer.from(`${head}\r\n`), body]));
    expect(leaks()).toHaveLength(1);
    other.note(
      'answer',
      'chunked',
      Buffer.concat([Buffer.from(`${head}Transfer-Encoding: chunked\r\n\r\n`), ...chunks, Buffer.from('0\r\n\r\n')]),
    );
    expect(leaks().map((leak) => /^[^,]*/.exec(leak)?.[0])).toEqual(Array(2).fill('a derived key as hex in one answer'));
  });

  it('complains about an answer that it cannot read', () => {
    recorder.note('answer', 'connection 1', 'HTTP/1.1 200 OK\r\nContent-Encoding: zstd\r\n\r\nx');
    expect(leaks()).toEqual(['an answer that is encoded and cannot be searched, first in that of connection 1, tests/some.test.ts']);
  });

  it('complains about a gzip stream that is broken, and not about what only calls itself gzip', () => {
    recorder.note('answer', 'connection 1', 'HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\nplain');
    expect(leaks()).toEqual([]);
    recorder.note('answer', 'connection 2', Buffer.from('HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8bplain', 'latin1'));
    expect(leaks()).toHaveLength(1);
  });

  it.each([
    ['a record key', 'nova-kms:internal:data:epoch:1', 'record:2'],
    ['a digest key', 'nova-kms:internal:data:epoch:0', 'digest'],
  ])('knows what a node derives from a master secret for itself: %s', (what, salt, use) => {
    recorder.note('log', 'node-1', Buffer.from(hkdfSync('sha256', master, salt, use, 32)).toString('hex'));
    expect(leaks().join()).toContain(`${what} as hex`);
  });

  it('is not believed of a whole run that lacks any kind of what is watched', () => {
    expect(judge(folder).missing).toEqual([...KINDS_OF_SECRETS.slice(1, 3), KINDS_OF_SECRETS[4], ...PLACES]);
    expect(judge(join(folder, 'nowhere')).missing).toEqual([...KINDS_OF_SECRETS, ...PLACES]);
  });

  it('has seen each place where a secret could stand by what a node shows there, also in chunks', () => {
    recorder.note('log', 'node-1', '{"event":"node.serving"}\n');
    expect(judge(folder).missing).not.toContain('any log');
    recorder.note('log', 'node-1', '{"event":"audit.recorded","record":{}}\n{"event":"request.refused"}\n');
    const head = 'HTTP/1.1 403 Forbidden\r\nX-Request-Id: 0123456789abcdef\r\n\r\n';
    recorder.note('answer', 'one', `${head}{"reason":"proof_refused"}`);
    expect(judge(folder).missing).toEqual([...KINDS_OF_SECRETS.slice(1, 3), KINDS_OF_SECRETS[4], ...PLACES.slice(6)]);
    const metrics = '# HELP nova_kms_ready x\n# TYPE nova_kms_ready gauge\nnova_kms_ready 1\n';
    const chunked = `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n${metrics.slice(0, 9)}\r\n${(metrics.length - 9).toString(16)}\r\n${metrics.slice(9)}\r\n0\r\n\r\n`;
    recorder.note('answer', 'two', chunked);
    recorder.note('answer', 'three', `HTTP/1.1 200 OK\r\n\r\n{"encrypted_data":"00ff"}HTTP/1.1 200 OK\r\n\r\n{"prev":"${'0'.repeat(64)}"}`);
    recorder.note('request', 'a host', 'POST /sync');
    expect(judge(folder).missing).toEqual([...KINDS_OF_SECRETS.slice(1, 3), KINDS_OF_SECRETS[4]]);
  });

  it('knows every kind of secret: of those named in the page on security none is left out', () => {
    expect(KINDS_OF_SECRETS).toEqual([ENTROPY, WALLET_KEY, TEE_KEY, DERIVED_KEY, VALUE]);
  });

  it('reads what a process that was killed left behind', () => {
    recorder.note('log', 'node-1', key.toString('hex'));
    recorder.note('log', 'node-1', '');
    expect(leaks()).toHaveLength(1);
  });
});
