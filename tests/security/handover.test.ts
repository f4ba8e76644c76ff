/**
 * To whom no secret is handed, as one table: a real node behind a real server, asked over sockets of which every byte is kept, both ways.
 * In each row the same member is handed the secret first, by the same code; then one thing is different, nothing is handed, the trail has
 * exactly the records of the row, and no byte of the secret went over the wire. That the documents of these rows are taken by a weakened
 * copy, which judges none, is shown in `tests/core/cluster/attestations.test.ts`; that the search finds what is there, at the end of this file.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { createEphemeral, deriveSessionKeys } from '../../core/cluster/keys.ts';
import { decodeFrame, openFrame, sealFrame } from '../../core/cluster/frames.ts';
import { encodeHello, helloChallenge, helloText } from '../../core/cluster/hello.ts';
import { decodeGiven, encodeWanted } from '../../core/cluster/messages.ts';
import { secretHash } from '../../core/crypto/kdf.ts';
import { ATTESTATION_AGE_MAX_MS, HANDOVERS_BURST, SESSION_AGE_MAX_MS } from '../../core/limits.ts';
import { systemClock } from '../../core/platform/system.ts';
import { hex, utf8 } from '../../core/wire/bytes.ts';
import { decodeCborMap, encodeCbor } from '../../core/wire/cbor.ts';
import { createApi } from '../../functions/api.ts';
import { startServer } from '../../functions/server.ts';
import { measurementOf, pcrsOf } from '../attestation/pcrs.ts';
import { foreignRoot } from '../attestation/roots.ts';
import { createCluster, createRandom, epochOf, flipped, hashOf } from '../core/fakes.ts';
import { exchange } from '../functions/raw.ts';
import { createMatcher } from '../secrecy/matcher.ts';
import type { SessionSecrets } from '../../core/cluster/frames.ts';
import type { Hello } from '../../core/cluster/hello.ts';
import type { Wanted } from '../../core/cluster/messages.ts';
import type { Hash } from '../../core/identity.ts';
import type { HttpServer } from '../../functions/server.ts';
import type { OperatorAnswer, TestNode } from '../core/fakes.ts';

const HOUR_MS = 3_600_000;
const ALL = { recordsMax: 10_000, bytesMax: 100_000_000 };
const HELLO_ANSWER = ['v', 'kind', 'wallet', 'recipient', 'incarnation', 'ephemeral', 'session', 'attestation'];
let server: HttpServer | undefined;

afterEach(async () => {
  await server?.stop(0);
  server = undefined;
});

interface Answer {
  readonly status: number;
  readonly body: Uint8Array;
}

interface Said extends Answer {
  /** As it was sent, so that it can be sent again. */
  readonly request: string;
  readonly session: SessionSecrets | undefined;
}

/** What of a hello is different. */
interface Bend {
  readonly attestation?: (made: { readonly challenge: Uint8Array; readonly ephemeral: Uint8Array }) => Promise<Uint8Array> | Uint8Array;
  readonly hello?: Partial<Hello>;
  readonly body?: (hello: Hello) => Uint8Array;
  readonly signer?: { signNow(text: string): string };
}

/** Two that serve, one of them on a socket, and a third wallet whose enclave the test speaks for. */
async function born() {
  const cluster = createCluster('a', 'b');
  cluster.chain.openNext();
  await cluster.until(() => cluster.nodes.every(({ kms }) => kms.admission.gate().kind === 'serving'));
  const [holder, other] = cluster.nodes as [TestNode, TestNode];
  const requester = cluster.boot('c');
  // Its own node never speaks: the test does.
  cluster.down.add('c');
  for (let round = 0; round < 5; round += 1) await cluster.round();
  server = await startServer({
    answer: createApi(holder.kms),
    listen: { host: '127.0.0.1', port: 0 },
    clock: systemClock,
    log: () => undefined,
  });
  const hash = cluster.chain.epochs[0]?.secretHash as Hash;
  const secret = cluster.nodes.flatMap(({ box }) => box.drawn).find((drawn) => secretHash(drawn) === hash) as Uint8Array;
  return { cluster, holder, other, requester, hash, secret, url: `http://127.0.0.1:${server.address.port}` };
}

function speakerOf(world: Awaited<ReturnType<typeof born>>) {
  const { cluster, holder, requester, hash, url } = world;
  const random = createRandom('the requester');
  const wire: Buffer[] = [];

  async function send(request: string): Promise<Answer> {
    const text = await exchange(url, request);
    wire.push(Buffer.from(request, 'latin1'), Buffer.from(text, 'latin1'));
    const end = text.indexOf('\r\n\r\n');
    return { status: Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1]), body: Buffer.from(text.slice(end + 4), 'latin1') };
  }

  function post(body: Uint8Array, headers: Readonly<Record<string, string>>): string {
    const lines = Object.entries({ host: 'node', connection: 'close', 'content-length': String(body.length), ...headers });
    return `POST /sync HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${Buffer.from(body).toString('latin1')}`;
  }

  async function hello(bend: Bend = {}): Promise<Said> {
    const asked = await send('GET /nonce HTTP/1.1\r\nhost: node\r\nconnection: close\r\n\r\n');
    const { nonce } = JSON.parse(Buffer.from(asked.body).toString()) as { nonce: string };
    const ephemeral = createEphemeral(random);
    const pair = { wallet: requester.wallet, recipient: holder.wallet, nonce, ...bend.hello };
    const made = { challenge: helloChallenge(pair), ephemeral: ephemeral.publicKey };
    const attest = bend.attestation ?? (() => requester.attester.document({ nonce: made.challenge, publicKey: made.ephemeral }));
    const attestation = await attest(made);
    const timestamp = String(Math.floor(cluster.clock.nowMs() / 1_000));
    const incarnation = random.bytes(16);
    const whole: Hello = { ...pair, incarnation, ephemeral: ephemeral.publicKey, timestamp, attestation };
    const body = bend.body?.(whole) ?? encodeHello(whole);
    const request = post(body, {
      'content-type': 'application/cbor',
      'x-kms-signature': (bend.signer ?? requester.signer).signNow(helloText(whole, body)),
      'x-kms-wallet': whole.wallet,
      'x-kms-nonce': nonce,
      'x-kms-timestamp': timestamp,
    });
    const answer = await send(request);
    if (answer.status !== 200) return { ...answer, request, session: undefined };
    const told = decodeCborMap(answer.body, HELLO_ANSWER);
    const bytes = (name: string) => told.get(name) as Uint8Array;
    const keys = deriveSessionKeys(ephemeral.agree(bytes('ephemeral')), body, answer.body);
    const session = { id: bytes('session'), initiatorIncarnation: incarnation, responderIncarnation: bytes('incarnation'), keys };
    return { ...answer, request, session };
  }

  const counters = new Map<SessionSecrets, number>();
  function frame(session: SessionSecrets, wanted: Wanted): string {
    const counter = (counters.get(session) ?? 0) + 1;
    counters.set(session, counter);
    const body = sealFrame(session, 'toResponder', 'handover', counter, encodeWanted([wanted]));
    return post(body, { 'content-type': 'application/octet-stream', 'x-kms-session': hex(session.id) });
  }

  return {
    wire,
    send,
    hello,
    frame,
    /** Whatever is handed over, opened; the status alone when it is an error. */
    async ask(session: SessionSecrets, wanted: Wanted = { epoch: epochOf(0), hash }): Promise<Answer> {
      const answer = await send(frame(session, wanted));
      return answer.status === 200 ? { ...answer, body: openFrame(session, 'toInitiator', decodeFrame(answer.body)) } : answer;
    },
  };
}

async function setUp() {
  const world = await born();
  const { cluster, holder, requester, other } = world;
  const speaker = speakerOf(world);
  const change = (what: Partial<OperatorAnswer>) => {
    cluster.chain.operators = cluster.chain.operators.map((each) => (each.wallet === requester.wallet ? { ...each, ...what } : each));
    // The block is there; the node has had no tick to read it.
    cluster.chain.mine();
  };
  const since = { seq: 0 };
  return {
    ...world,
    ...speaker,
    other,
    change,
    /** What was recorded since, without what numbers and chains it. */
    records: () =>
      holder.kms.audit
        .page(since.seq + 1, ALL)
        .records.map(({ seq: _seq, prev: _prev, mark: _mark, at_ms: _at, since_ms: _since, count: _count, ...record }) => record),
    from: () => (since.seq = holder.kms.audit.head().seq),
    async session(): Promise<SessionSecrets> {
      const { session } = await speaker.hello();
      if (!session) throw new Error('an honest hello was refused');
      return session;
    },
  };
}
type World = Awaited<ReturnType<typeof setUp>>;

/** Why nothing is handed over. */
const WORDS = [
  'document',
  'owner',
  'key',
  'wallet',
  'epoch',
  'measurement',
  'approval',
  'debug',
  'age',
  'root',
  'version',
  'membership',
  'replay',
  'rate',
] as const;

interface Row {
  readonly word: (typeof WORDS)[number];
  readonly what: string;
  readonly status: number;
  /** Of the trail, beside the wallet that asked: who is known has a record of its own; every refused request is counted under its reason. */
  readonly records: readonly Readonly<Record<string, string>>[];
  /** Brings it about, and gives what is then to be refused. */
  readonly attempt: (world: World) => Promise<() => Promise<Answer>> | (() => Promise<Answer>);
}

const counted = (reason: string) => ({ kind: 'refused', reason });
const unattested = (fault: string) => [{ kind: 'attestation_refused', fault, reason: 'peer_not_attested' }, counted('peer_not_attested')];
const refused = (reason: string) => [{ kind: 'handover_refused', reason }, counted(reason)];

/** A hello that differs. */
const said = (word: Row['word'], what: string, records: Row['records'], bend: (world: World) => Bend, status = 403): Row => ({
  word,
  what,
  status,
  records,
  attempt: (world) => () => world.hello(bend(world)),
});
/** With the requester's hardware set so. */
const enclave = (word: Row['word'], what: string, fault: string, set: (module: TestNode['attester']['module']) => void): Row => ({
  word,
  what,
  status: 403,
  records: unattested(fault),
  attempt: (world) => () => {
    set(world.requester.attester.module);
    return world.hello();
  },
});
/** In a session that stands, the chain's word changed a block ago. */
const changed = (word: Row['word'], what: string, records: Row['records'], to: Partial<OperatorAnswer>): Row => ({
  word,
  what,
  status: 403,
  records,
  attempt: async (world) => {
    const session = await world.session();
    world.change(to);
    return () => world.ask(session);
  },
});
/** The same, asked of a node that has read it. */
const known = (word: Row['word'], what: string, records: Row['records'], to: Partial<OperatorAnswer>): Row => ({
  word,
  what,
  status: 403,
  records,
  attempt: async (world) => {
    world.change(to);
    await world.holder.kms.view.refresh();
    return () => world.hello();
  },
});

const OTHER_CODE = measurementOf(pcrsOf(66));
const GONE = { live: false, eligible: false };

const ROWS: readonly Row[] = [
  said('document', 'no document', unattested('cbor_malformed'), () => ({ attestation: () => new Uint8Array(0) })),
  said(
    'document',
    'no document, not even its place',
    [counted('frame_malformed')],
    () => ({ body: ({ attestation: _, ...hello }) => encodeCbor({ v: 2, kind: 'hello', ...hello }) }),
    400,
  ),
  said(
    'document',
    'no document, in a hello of the version that had none',
    [counted('frame_malformed')],
    () => ({ body: ({ attestation: _, ...hello }) => encodeCbor({ v: 1, kind: 'hello', ...hello }) }),
    400,
  ),
  said('owner', 'the document of another enclave, for this very hello', unattested('wallet_mismatch'), ({ other }) => ({
    attestation: ({ challenge, ephemeral }) => other.attester.document({ nonce: challenge, publicKey: ephemeral }),
  })),
  {
    word: 'owner',
    what: 'a document of its own of another hello',
    status: 403,
    records: unattested('nonce_mismatch'),
    attempt: async (world) => {
      let shown = new Uint8Array(0);
      const { document } = world.requester.attester;
      await world.hello({
        attestation: async (made) => (shown = new Uint8Array(await document({ nonce: made.challenge, publicKey: made.ephemeral }))),
      });
      return () => world.hello({ attestation: () => shown });
    },
  },
  said('key', 'a document for another key', unattested('public_key_mismatch'), ({ requester }) => ({
    attestation: ({ challenge }) =>
      requester.attester.document({ nonce: challenge, publicKey: createEphemeral(createRandom('another')).publicKey }),
  })),
  said('key', 'a document for the key of its box', unattested('public_key_mismatch'), ({ requester }) => ({
    attestation: ({ challenge }) => requester.attester.document({ nonce: challenge, publicKey: 'tee' }),
  })),
  said('wallet', 'a document that names another wallet', unattested('wallet_mismatch'), ({ requester, other }) => ({
    attestation: ({ challenge, ephemeral }) =>
      requester.attester.module.attest({ nonce: challenge, publicKey: ephemeral, userData: utf8(`{"eth_addr":"${other.wallet}"}`) }),
  })),
  said('wallet', 'the signature of another wallet', [counted('peer_proof_refused')], ({ other }) => ({ signer: other.signer })),
  said('wallet', 'the wallet of nobody', [counted('peer_not_member')], () => ({
    hello: { wallet: `0x${'77'.repeat(20)}` as TestNode['wallet'] },
  })),
  {
    word: 'epoch',
    what: 'an epoch that there is not',
    status: 200,
    records: [{ kind: 'handover_refused', reason: 'handover_not_held' }],
    attempt: async (world) => {
      const session = await world.session();
      return () => world.ask(session, { epoch: epochOf(1), hash: world.hash });
    },
  },
  {
    word: 'epoch',
    what: 'an epoch with the hash of another secret',
    status: 200,
    records: [{ kind: 'handover_refused', reason: 'handover_not_held' }],
    attempt: async (world) => {
      const session = await world.session();
      return () => world.ask(session, { epoch: epochOf(0), hash: hashOf(1) });
    },
  },
  enclave('measurement', 'a measurement that is not registered for it', 'measurement_mismatch', (module) => (module.pcrs = pcrsOf(66))),
  changed('measurement', 'a measurement that the chain does not name any more', refused('peer_not_attested'), {
    codeMeasurement: OTHER_CODE,
  }),
  changed('approval', 'a measurement whose approval was taken a block ago', refused('handover_not_eligible'), {
    measurementApproved: false,
    ...GONE,
  }),
  known('approval', 'a measurement that is not approved', [counted('peer_not_member')], { measurementApproved: false, ...GONE }),
  enclave('debug', 'an enclave in debug mode', 'debug', (module) => (module.isDebug = true)),
  enclave('age', 'a document that is too old', 'too_old', (module) => (module.shiftMs = -ATTESTATION_AGE_MAX_MS - 1)),
  enclave('age', 'a document whose certificate has expired', 'expired', (module) => (module.shiftMs = -4 * HOUR_MS)),
  enclave('root', 'a document under another root', 'root_unknown', (module) => (module.root = foreignRoot())),
  changed('version', 'a version that was DEPRECATED a block ago', refused('handover_not_eligible'), { versionStatus: 1, eligible: false }),
  {
    word: 'version',
    what: 'a version that is DEPRECATED, though its hello is taken',
    status: 403,
    records: refused('handover_not_eligible'),
    attempt: async (world) => {
      world.change({ versionStatus: 1, eligible: false });
      await world.holder.kms.view.refresh();
      const session = await world.session();
      return () => world.ask(session);
    },
  },
  changed('version', 'a version that was REVOKED a block ago', refused('handover_not_eligible'), { versionStatus: 2, ...GONE }),
  known('version', 'a version that is REVOKED', [counted('peer_not_member')], { versionStatus: 2, ...GONE }),
  changed('membership', 'an instance that was stopped a block ago', refused('handover_not_eligible'), { instanceStatus: 1, ...GONE }),
  {
    word: 'membership',
    what: 'a member that was removed a block ago',
    status: 403,
    records: refused('handover_not_eligible'),
    attempt: async (world) => {
      const session = await world.session();
      const { chain } = world.cluster;
      chain.operators = chain.operators.filter(({ wallet }) => wallet !== world.requester.wallet);
      chain.mine();
      return () => world.ask(session);
    },
  },
  {
    word: 'replay',
    what: 'a hello that is sent again',
    status: 403,
    records: [counted('nonce_replayed')],
    attempt: async (world) => {
      const { request } = await world.hello();
      return () => world.send(request);
    },
  },
  {
    word: 'replay',
    what: 'a frame that is sent again',
    status: 403,
    records: [counted('frame_replayed')],
    attempt: async (world) => {
      const request = world.frame(await world.session(), { epoch: epochOf(0), hash: world.hash });
      expect((await world.send(request)).status).toBe(200);
      return () => world.send(request);
    },
  },
  {
    word: 'replay',
    what: 'a session that is over',
    status: 409,
    records: [counted('session_unknown')],
    attempt: async (world) => {
      const session = await world.session();
      world.cluster.clock.advance(SESSION_AGE_MAX_MS + 1);
      return () => world.ask(session);
    },
  },
  {
    word: 'rate',
    what: 'more than its rate',
    status: 429,
    records: refused('handover_rate_limited'),
    attempt: async (world) => {
      const session = await world.session();
      // One was handed over before.
      for (let asked = 1; asked < HANDOVERS_BURST; asked += 1) expect((await world.ask(session)).status).toBe(200);
      return () => world.ask(session);
    },
  },
];

function expectUnseen({ wire, secret }: World): void {
  const all = Buffer.concat(wire);
  expect(all.length).toBeGreaterThan(9_000);
  expect(createMatcher([{ what: 'the secret', bytes: secret }]).hits(all)).toEqual([]);
}

describe('no secret is handed over', () => {
  it.each(ROWS)('S-M2 S-M5 R-5 to who comes with $what ($word)', async ({ status, records, attempt }) => {
    const world = await setUp();
    const handed = await world.ask(await world.session());
    expect(decodeGiven(handed.body).map(({ secret }) => secret)).toEqual([world.secret]);
    const act = await attempt(world);
    world.from();
    const answer = await act();
    expect(answer.status).toBe(status);
    if (status === 200) expect(decodeGiven(answer.body)).toEqual([]);
    const named = ({ kind, ...rest }: Readonly<Record<string, string>>) =>
      kind === 'refused' ? { kind, ...rest } : { kind, peer: world.requester.wallet, ...rest };
    expect(world.records()).toEqual(records.map(named));
    expectUnseen(world);
  });

  it('has a row for each reason', () => {
    expect(new Set(ROWS.map(({ word }) => word))).toEqual(new Set(WORDS));
    expect(new Set(ROWS.map(({ what }) => what)).size).toBe(ROWS.length);
  });
});

describe('what this table rests on', () => {
  it('S-M2 a hand-over that is honest leaves one record, and is seen by a search of what was sealed in it', async () => {
    const world = await setUp();
    const session = await world.session();
    world.from();
    const { body } = await world.ask(session);
    const [operator] = world.cluster.chain.operators;
    expect(world.records()).toEqual([
      {
        kind: 'handover_given',
        epoch: 0,
        secret_hash: world.hash,
        peer: world.requester.wallet,
        measurement: operator?.codeMeasurement,
      },
    ]);
    expectUnseen(world);
    // The plaintext of the last answer, and the same with a byte before it: the search looks at every place.
    const matcher = createMatcher([{ what: 'the secret', bytes: world.secret }]);
    for (const before of [0, 1, 7])
      expect(matcher.hits(Buffer.concat([...world.wire, Buffer.alloc(before), body])).length).toBeGreaterThan(0);
    expect(matcher.hits(Buffer.concat([...world.wire, flipped(world.secret, 0), flipped(world.secret, 31)]))).toHaveLength(2);
  });
});
