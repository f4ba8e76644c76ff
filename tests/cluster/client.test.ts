/**
 * The client on a real cluster with hosts in between, each of which may do what a host can, and with nodes whose enclaves are
 * broken, which may do what a node can. It ends with the right key from another node, or with one clear error.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { Miniflare } from 'miniflare';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { buildClient } from '../../build.mjs';
import { createClient, KmsError, keysInMemory, odyn, parseProfile } from '../../core/client/main.ts';
import { contentDigestOf } from '../../core/crypto/digest.ts';
import { encodeResponseInput, responseBase } from '../../core/wire/httpsig.ts';
import { parseWallet } from '../../core/identity.ts';
import { noteOdyn } from '../secrecy/odyn.ts';
import { createBox } from '../simulation/odyn/box.ts';
import { createWallet } from '../simulation/odyn/wallet.ts';
import { call } from '../simulation/platform-client.ts';
import { withoutForeignSignals } from '../simulation/processes.ts';
import { createWorld, until, untilServing } from '../simulation/world.ts';
import { untilEpoch } from './observe.ts';
import type { ClientOptions, KmsClient } from '../../core/client/main.ts';
import type { ByteIntention, Handling } from '../simulation/carrier.ts';
import type { Exchange, Intention, Reply } from '../simulation/host.ts';
import type { App, Member, World } from '../simulation/world.ts';

const PATH = 'my/disk';
/** For a node that never answers. */
const QUICK = { attemptMs: 1_500 };
/** For one that does, on a machine that is very busy, and be it after the ten seconds that a body may take. */
const PATIENT = { attemptMs: 25_000, callMs: 50_000 };
let world: World;
let app: App;
let other: App;
let key: string;
let client: KmsClient;
/** Whose hosts carry bytes, until the test is over. */
const tampering: Member[] = [];

beforeAll(async () => {
  world = await createWorld({ nodes: 3, kinds: ['worker', 'binary', 'worker'], apps: 2, hosts: true });
  [app, other] = world.apps as [App, App];
  await world.contracts.openGenesis();
  await untilServing(world.members);
  const [member] = world.members as [Member];
  const { body } = await call(app, member.keys(), '/kms/derive', { path: PATH });
  key = Buffer.from(String(body?.['key']), 'base64').toString('hex');
  client = clientOf(app);
});

afterAll(async () => world?.stop());
afterEach(() => {
  bendAll(undefined);
  for (const { host } of tampering.splice(0)) host?.carry(undefined);
});

function clientOf({ odyn: enclave }: App, options: Partial<ClientOptions> = {}): KmsClient {
  return createClient({ profile: parseProfile(world.profile), chain: world.chain.rpcUrl, keys: odyn(enclave.url), ...options });
}

/** Hosts leave peers alone: what is tested here is what apps get. */
function bend({ host }: Member, intention: Intention | undefined): void {
  host?.intend(intention && ((request, forward) => (request.path.startsWith('/kms/') ? intention(request, forward) : forward(request))));
}

function bendAll(intention: Intention | undefined): void {
  for (const member of world.members) bend(member, intention);
}

function memberOf(kind: 'worker' | 'binary'): Member {
  return world.members[kind === 'worker' ? 0 : 1] as Member;
}

const hexOf = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const json = (status: number, body: object): Reply => ({
  status,
  headers: { 'content-type': 'application/json' },
  body: Buffer.from(JSON.stringify(body)),
});

/** Bends whichever node is asked first, with a fresh client; the key must come from another. Resolves with how much later that was asked. */
async function msToNext(attack: (member: Member) => Intention, asker: KmsClient, options: object): Promise<number> {
  let bent: Member | undefined;
  const askedAtMs: number[] = [];
  for (const member of world.members)
    bend(member, (request, forward) => {
      bent ??= member;
      askedAtMs.push(Date.now());
      return bent === member ? attack(member)(request, forward) : forward(request);
    });
  const derived = await asker.derive(PATH, options);
  expect(bent).toBeDefined();
  expect(hexOf(derived.key)).toBe(key);
  expect(derived.node).not.toBe(bent?.node.odyn.wallet);
  const [first = 0, second = Infinity] = askedAtMs;
  return second - first;
}

async function survives(attack: (member: Member) => Intention, asker = clientOf(app)): Promise<void> {
  await msToNext(attack, asker, PATIENT);
}

/**
 * The host of one node does this to the bytes of every request for a key; the others are down until that one was asked. The key
 * must come from them. Resolves with what the node answered to the first such request.
 */
async function survivesBytes(victim: Member, handle: (head: string) => Handling, options: object = PATIENT): Promise<string> {
  const answers: Buffer[] = [];
  let asked = 0;
  const intend: ByteIntention = (head) => {
    if (!head.startsWith('POST /kms/derive ')) return undefined;
    asked += 1;
    const isFirst = asked === 1;
    return { ...handle(head), heard: (bytes) => void (isFirst && answers.push(bytes)) };
  };
  tampering.push(victim);
  victim.host?.carry(intend);
  for (const member of world.members)
    if (member !== victim) bend(member, (request, forward) => (asked === 0 ? Promise.reject(new Error('down')) : forward(request)));
  const derived = await clientOf(app).derive(PATH, options);
  expect(asked).toBeGreaterThan(0);
  expect(hexOf(derived.key)).toBe(key);
  expect(derived.node).not.toBe(victim.node.odyn.wallet);
  return Buffer.concat(answers).toString('latin1');
}

/** What the node itself would send if its enclave were broken: any body, signed by its wallet for this request. */
function signedBy({ node }: Member, { headers }: Exchange, status: number, text: string): Reply {
  const body = Buffer.from(text);
  const digest = contentDigestOf(body);
  const wallet = parseWallet(node.odyn.wallet) as NonNullable<ReturnType<typeof parseWallet>>;
  const input = encodeResponseInput(Math.floor(Date.now() / 1_000), { chainId: world.profile.chainId, wallet });
  const ours = String(headers['signature']).slice('eth='.length);
  const signature = createWallet(node.odyn.walletKey).signText(responseBase(status, digest, ours, input));
  const encoded = Buffer.from(signature.slice(2), 'hex').toString('base64');
  return { status, headers: { 'content-digest': digest, 'signature-input': `eth=${input}`, signature: `eth=:${encoded}:` }, body };
}

function sealedBy(boxKey: `0x${string}`, answer: object): string {
  const box = createBox('v1.8.0', boxKey);
  const { nonce, encryptedData } = box.sealTo(app.odyn.teePubkey, Buffer.from(JSON.stringify(answer)));
  return JSON.stringify({ sender_tee_pubkey: box.teePubkey, nonce, encrypted_data: encryptedData });
}

const answerOf = (changes: object = {}) => ({
  app_id: Number(app.appId),
  block: 1,
  context: '',
  epoch: 0,
  key: Buffer.from(key, 'hex').toString('base64'),
  length: 32,
  path: PATH,
  ...changes,
});

describe('the client', () => {
  it('gets the key that every platform app gets, from every node', async () => {
    for (const { node } of world.members) expect(hexOf((await client.derive(PATH, { node: node.odyn.wallet })).key)).toBe(key);
  });

  it('gets it by the platform’s proof, and with keys in memory', async () => {
    expect(hexOf((await clientOf(app, { proof: 'platform' }).derive(PATH)).key)).toBe(key);
    const keys = keysInMemory({ walletPrivateKey: app.walletKey, teePrivateKey: app.odyn.boxKey });
    expect(hexOf((await clientOf(app, { keys }).derive(PATH)).key)).toBe(key);
  });

  it('takes what a broken enclave signs when it is the right answer', async () => {
    // What the forgeries below are made with is taken, when nothing is forged.
    for (const member of world.members)
      bend(member, async (request) => signedBy(member, request, 200, sealedBy(member.node.odyn.boxKey, answerOf())));
    expect(hexOf((await client.derive(PATH)).key)).toBe(key);
  });
});

describe('the client gets the right key from another node when one', () => {
  it('is down', () => survives(() => () => Promise.reject(new Error('down'))));

  it('hangs, within the time of one try', async () => {
    expect(await msToNext(() => () => new Promise(() => undefined), clientOf(app), QUICK)).toBeLessThan(QUICK.attemptMs + 3_000);
  });

  it('redirects', () =>
    survives((member) => async ({ path }) => {
      const elsewhere = world.members.find((each) => each !== member)?.url;
      return { status: 307, headers: { location: `${elsewhere}${path}` }, body: Buffer.alloc(0) };
    }));

  it.each([
    [404, { code: 'not_found', reason: 'not_found', message: 'Key not found', request_id: '0' }],
    [403, { code: 'unauthorized', reason: 'proof_refused', message: 'no', request_id: '0' }],
    [400, { code: 'bad_request', reason: 'path_malformed', message: 'no', request_id: '0' }],
  ])('U-19 has a host that forges an unsigned %i', async (status, body) => {
    await survives(() => async () => json(status, body));
    await survives(() => async () => json(status, body), clientOf(app, { proof: 'platform' }));
  });

  it('has a host that alters the status', () => survives(() => async (request, forward) => ({ ...(await forward(request)), status: 203 })));

  it('has a host that alters the body', () =>
    survives(() => async (request, forward) => {
      const reply = await forward(request);
      return { ...reply, body: Buffer.concat([reply.body, Buffer.from(' ')]) };
    }));

  it('has a host that alters the request, so that the node itself refuses it', async () => {
    let refused: Reply | undefined;
    await survives(() => async (request, forward) => (refused = await forward({ ...request, body: Buffer.from('{}') })));
    // A signed refusal, and yet no verdict on the request.
    expect(refused).toMatchObject({ status: 400, headers: { signature: expect.stringMatching(/^eth=/) } });
    expect(String(refused?.body)).toContain('digest_mismatch');
  });

  it.each(['worker', 'binary'] as const)('is a %s whose host carries the bytes, and alters none', async (kind) => {
    // What the attacks below are made with leaves an honest request whole.
    const victim = memberOf(kind);
    const heads: string[] = [];
    tampering.push(victim);
    victim.host?.carry((head) => void heads.push(head));
    expect((await clientOf(app).derive(PATH, { node: victim.node.odyn.wallet })).node).toBe(victim.node.odyn.wallet);
    expect(heads.filter((head) => head.startsWith('POST /kms/derive ')).length).toBe(1);
  });

  describe.each(['worker', 'binary'] as const)('is a %s whose host', (kind) => {
    const length = (head: string, bytes: number) => head.replace(/^content-length: *\d+/im, `content-length: ${bytes}`);
    const bodyBytes = (head: string) => Number(/^content-length: *(\d+)/im.exec(head)?.[1]);
    const isSigned = (answer: string) => /^signature: eth=:/im.test(answer);

    it.each([0, 20])('ends the connection after %i bytes of the body', async (bytes) => {
      const answer = await survivesBytes(memberOf(kind), () => ({ bodyBytesMax: bytes, then: 'half-close' }));
      // One says so and signs it, the other closes the connection too.
      if (kind === 'binary') return expect(answer).toBe('');
      expect(answer).toContain('"body_malformed"');
      expect(isSigned(answer)).toBe(true);
    });

    it('ends the connection before the last byte of the body', async () => {
      await survivesBytes(memberOf(kind), (head) => ({ bodyBytesMax: bodyBytes(head) - 1, then: 'half-close' }));
    });

    it.each([0, 20])('makes a whole body of its first %i bytes', async (bytes) => {
      const answer = await survivesBytes(memberOf(kind), (head) => ({ head: length(head, bytes), bodyBytesMax: bytes, then: 'hold' }));
      expect(answer).toContain('"digest_mismatch"');
      expect(isSigned(answer)).toBe(true);
    });

    it('swells the body beyond what is read', async () => {
      const padding = 4 * 1024 * 1024;
      const swollen = (head: string) => `${length(head, padding + bodyBytes(head))}${' '.repeat(padding)}`;
      const answer = await survivesBytes(memberOf(kind), (head) => ({ head: swollen(head), bodyBytesMax: Infinity, then: 'hold' }));
      expect(answer).toContain('"body_too_large"');
      expect(isSigned(answer)).toBe(true);
    });

    it('holds the last byte of the body, for longer than a try may take', async () => {
      const startedAtMs = Date.now();
      await survivesBytes(memberOf(kind), (head) => ({ bodyBytesMax: bodyBytes(head) - 1, then: 'hold' }), QUICK);
      expect(Date.now() - startedAtMs).toBeGreaterThanOrEqual(QUICK.attemptMs);
    });

    it('holds the last byte of the body, until the node says so', async () => {
      const holds = (head: string): Handling => ({ bodyBytesMax: bodyBytes(head) - 1, then: 'hold' });
      const answer = await survivesBytes(memberOf(kind), holds);
      expect(answer).toContain('"body_timeout"');
      expect(isSigned(answer)).toBe(true);
    });

    it('alters the content type', async () => {
      const altered = (head: string) => head.replace(/^content-type: .*$/im, 'content-type: text/plain');
      const answer = await survivesBytes(memberOf(kind), (head) => ({ head: altered(head), bodyBytesMax: Infinity, then: 'hold' }));
      // Our client covers the type, so this is no longer its request: refused, unsigned.
      expect(answer).toContain('"proof_refused"');
      expect(isSigned(answer)).toBe(false);
    });

    it('alters the path', async () => {
      const altered = (head: string) => head.replace('/kms/derive', '/kms/other');
      const answer = await survivesBytes(memberOf(kind), (head) => ({ head: altered(head), bodyBytesMax: Infinity, then: 'hold' }));
      expect(answer).toContain('"not_found"');
      expect(isSigned(answer)).toBe(false);
    });
  });

  it('answers with another app’s response', async () => {
    let theirs: Reply | undefined;
    bendAll(async (request, forward) => (theirs = await forward(request)));
    await clientOf(other).derive(PATH);
    await survives(() => async () => theirs as Reply);
  });

  it('answers with its own answer to an earlier request', async () => {
    let earlier: Reply | undefined;
    bendAll(async (request, forward) => (earlier = await forward(request)));
    await client.derive(PATH);
    await survives(() => async () => earlier as Reply);
  });

  it('seals with another key than the registry names', () =>
    survives((member) => async (request) => signedBy(member, request, 200, sealedBy(createBox().boxKey, answerOf()))));

  it.each([
    ['for another app', { app_id: 1_000 }],
    ['for another path', { path: 'other' }],
    ['of another length', { length: 16, key: Buffer.alloc(16).toString('base64') }],
    ['in an epoch that is none', { epoch: 7 }],
  ])('derives %s', (_what, changes) =>
    survives((member) => async (request) => signedBy(member, request, 200, sealedBy(member.node.odyn.boxKey, answerOf(changes)))),
  );

  it('says, signed, that it is not ready', () =>
    survives((member) => async (request) => signedBy(member, request, 503, JSON.stringify({ reason: 'fetching_secret' }))));
});

describe('the client', () => {
  it('takes neither of two answers that a host swapped', async () => {
    const [member] = world.members as [Member];
    const node = member.node.odyn.wallet;
    const right = await Promise.all(['a', 'b'].map(async (path) => hexOf((await client.derive(path, { node })).key)));
    let asked = 0;
    const replies: Promise<Reply>[] = [];
    let both: (() => void) | undefined;
    const together = new Promise<void>((resolve) => (both = resolve));
    bend(member, async (request, forward) => {
      const index = asked++;
      if (index > 1) return forward(request);
      replies[index] = forward(request);
      if (index === 1) both?.();
      await together;
      return (await replies[1 - index]) as Reply;
    });
    const swapped = await Promise.all(['a', 'b'].map(async (path) => hexOf((await client.derive(path, { node })).key)));
    expect(swapped).toEqual(right);
    expect(asked).toBe(4);
  });

  it('ends at once with a refusal that a node signed', async () => {
    let asked = 0;
    bendAll((request, forward) => forward(request).finally(() => (asked += 1)));
    const error = await client.request('POST', '/kms/derive', { colour: 'blue' }).catch((each: unknown) => each);
    expect(error).toMatchObject({ name: 'KmsError', code: 'refused', status: 400, reason: 'field_unknown' });
    expect(asked).toBe(1);
  });

  it('ends with one clear error when all nodes are down', async () => {
    bendAll(() => Promise.reject(new Error('down')));
    const error = (await clientOf(app)
      .derive(PATH)
      .catch((each: unknown) => each)) as KmsError;
    expect(error).toBeInstanceOf(KmsError);
    expect(error).toMatchObject({ code: 'no_answer' });
    expect(error.attempts.length).toBe(9);
    for (const { url } of world.members) expect(error.message.split(url).length).toBe(2);
    expect(error.message).toContain('Check that this app reaches the nodes’ URLs');
  });

  it('says of a chain that is down that it is the chain', async () => {
    const withKey = clientOf(app, { chain: 'http://127.0.0.1:9/secret-path' });
    const error: unknown = await withKey.derive(PATH).catch((each: unknown) => each);
    expect(error).toMatchObject({ name: 'KmsError', code: 'chain_unavailable' });
    expect(inspect(error, { depth: null })).not.toContain('secret-path');
  });

  it('says of an app that nobody registered that it is the app', async () => {
    const keys = keysInMemory({ walletPrivateKey: '0x'.padEnd(66, '5'), teePrivateKey: '0x'.padEnd(98, '5') });
    await expect(clientOf(app, { keys }).derive(PATH)).rejects.toMatchObject({ code: 'not_registered', reason: 'instance_unknown' });
  });

  it('gets its key in a worker, made once for many requests', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'nova-kms-client-'));
    const { outfile } = await buildClient(folder);
    const settings = { profile: world.profile, chain: world.chain.rpcUrl, odyn: app.odyn.url, path: PATH };
    const program = `
      import { createClient, odyn, parseProfile } from './client.js';
      const settings = ${JSON.stringify(settings)};
      const kms = createClient({ profile: parseProfile(settings.profile), chain: settings.chain, keys: odyn(settings.odyn) });
      export default { fetch: async () => Response.json(Buffer.from((await kms.derive(settings.path)).key).toString('hex')) };`;
    const modules = [
      { type: 'ESModule' as const, path: 'main.js', contents: `import { Buffer } from 'node:buffer';${program}` },
      { type: 'ESModule' as const, path: 'client.js', contents: await readFile(outfile, 'utf8') },
    ];
    await rm(folder, { recursive: true });
    const options = { modules, compatibilityDate: '2026-07-01', compatibilityFlags: ['nodejs_compat'], cf: false as const };
    const worker = withoutForeignSignals(() => new Miniflare(options));
    try {
      // An app's: its key is at home there.
      noteOdyn(Number((await worker.ready).port));
      const ask = async () => (await worker.dispatchFetch('http://worker/')).json();
      expect(await ask()).toBe(key);
      expect(await Promise.all(Array.from({ length: 8 }, ask))).toEqual(Array.from({ length: 8 }, () => key));
    } finally {
      await worker.dispose();
    }
  });
});

describe('after a rotation', () => {
  it('the client refuses a node that serves the old epoch', async () => {
    await world.contracts.writeKms('requestRotation', []);
    const rotated = await until('the new epoch', async () => client.derive(PATH, { epoch: 1 }).catch(() => undefined));
    expect(hexOf(rotated.key)).not.toBe(key);
    expect(hexOf((await client.derive(PATH)).key)).toBe(key);
    await untilEpoch(world.members, 1);
    let bent = 0;
    for (const member of world.members)
      bend(member, async (request, forward) => {
        if (bent > 0) return forward(request);
        bent += 1;
        return signedBy(member, request, 200, sealedBy(member.node.odyn.boxKey, answerOf()));
      });
    // The same forgery is the right answer for whoever asks for no epoch: see above.
    const derived = await clientOf(app).derive(PATH, { epoch: 1 });
    expect({ bent, epoch: derived.epoch, key: hexOf(derived.key) }).toEqual({ bent: 1, epoch: 1, key: hexOf(rotated.key) });
  });
});

describe('a certificate', () => {
  /** Each node is asked by name, so that it is known whose word needs another's. */
  const signedBy = async (member: Member, options = {}) => await client.signCertificate({ node: member.keys().wallet, ...options });
  const lie = () => Promise.resolve({ status: 200, headers: {}, body: Buffer.from('another bundle') });
  const bundles = (members: readonly Member[], answer: Intention) => {
    for (const { host } of members)
      host?.intend((request, forward) => (request.path === '/ca' ? answer(request, forward) : forward(request)));
  };

  it('of every node is of the same CA, and confirmed by another', async () => {
    const signed = await Promise.all(world.members.map((member) => signedBy(member)));
    expect(new Set(signed.map(({ ca }) => ca)).size).toBe(1);
    for (const [index, member] of world.members.entries()) {
      expect(signed[index]?.node).toBe(member.keys().wallet);
      expect(signed[index]?.confirmedBy).not.toBe(member.keys().wallet);
    }
  });

  it.each([
    ['hangs', () => new Promise<Reply>(() => undefined)],
    ['lies', lie],
  ])('is confirmed by the third when the CA of the second %s', async (_how, answer) => {
    for (const [signer, silent, good] of [
      [0, 1, 2],
      [2, 0, 1],
    ] as const) {
      bundles([world.members[silent] as Member], answer);
      expect((await signedBy(world.members[signer] as Member)).confirmedBy).toBe(world.members[good]?.keys().wallet);
      bendAll(undefined);
    }
  });

  it('that no other node confirms is not believed, not even on the word of its own', async () => {
    const [member, ...others] = world.members as [Member, ...Member[]];
    bundles(others, lie);
    await expect(signedBy(member, { callMs: 8_000 })).rejects.toMatchObject({ name: 'KmsError', code: 'no_answer' });
  });
});
