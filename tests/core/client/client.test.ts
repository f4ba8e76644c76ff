import { readFileSync } from 'node:fs';
import { beforeEach, describe, expect, it } from 'vitest';
import { KmsError } from '../../../core/client/error.ts';
import { Refusal } from '../../../core/errors.ts';
import { CLIENT_BODY_DEPTH_MAX, CLIENT_VIEW_MS, CLIENT_WAIT_MS_MAX } from '../../../core/limits.ts';
import { hex, utf8 } from '../../../core/wire/bytes.ts';
import { encodeEnvelope } from '../../../core/wire/envelope.ts';
import { wireOf } from '../../../functions/reply.ts';
import { epochAnswer, hashOf, profile, signerNamed, STATES } from '../fakes.ts';
import { APP_CREATED_S, createStubCluster, keyOf, keysNamed, passing, plain, refusal, vouch, withHeader } from './stubs.ts';
import type { AttemptOutcome, KmsErrorCode } from '../../../core/client/error.ts';
import type { KmsClient } from '../../../core/client/client.ts';
import type { Reason } from '../../../core/errors.ts';
import type { OutboundAnswer } from '../../../core/ports.ts';
import type { Bend, StubCluster, StubNode } from './stubs.ts';

let cluster: StubCluster;
let client: KmsClient;
let one: StubNode;

beforeEach(async () => {
  cluster = await createStubCluster();
  client = cluster.client();
  [one] = cluster.nodes;
});

const path = 'my/disk';
const derive = (options = {}, asker = client) => passing(cluster.clock, asker.derive(path, options));
const ask = async (options = {}, asker = client): Promise<KmsError> => {
  const outcome = await derive(options, asker).catch((error: unknown) => error);
  if (outcome instanceof KmsError) return outcome;
  throw outcome instanceof Error ? outcome : new Error('no error');
};
const bendAll = (bend: Bend) => cluster.nodes.forEach((node) => (node.bend = bend));

/** The first node asked is bent, the others are honest: the client must end with the right key from one of them. */
async function survives(bend: (node: StubNode) => Bend, options = {}, asker = client): Promise<StubNode> {
  let bent: StubNode | undefined;
  for (const node of cluster.nodes)
    node.bend = (sent) => {
      bent ??= node;
      return node === bent ? bend(node)(sent) : sent.honest();
    };
  const derived = await derive(options, asker);
  expect(hex(derived.key)).toBe(hex(keyOf(path)));
  expect(bent).toBeDefined();
  expect(derived.node).not.toBe(bent?.signer.wallet);
  return bent as StubNode;
}

/** With every node bent alike, the call fails and says so of each try. */
async function refuses(bend: (node: StubNode) => Bend, outcome: AttemptOutcome, options = {}, asker = client): Promise<KmsError> {
  await survives(bend, options, asker);
  for (const node of cluster.nodes) node.bend = (sent) => bend(node)(sent);
  const error = await ask(options, cluster.client());
  expect(error.code).toBe('no_answer');
  expect(new Set(error.attempts.map((attempt) => attempt.outcome))).toEqual(new Set([outcome]));
  return error;
}

describe('derive', () => {
  it('gives the key, the epoch, the block and the node', async () => {
    const { key, epoch, block, node } = await derive();
    expect(hex(key)).toBe(hex(keyOf(path)));
    expect({ epoch, block }).toEqual({ epoch: 0, block: 21 });
    expect(cluster.nodes.map(({ signer }) => signer.wallet)).toContain(node);
  });

  it('gives it by the platform’s proof as well', async () => {
    const { key } = await derive({}, cluster.client({ proof: 'platform' }));
    expect(hex(key)).toBe(hex(keyOf(path)));
  });

  it('asks one node that is named, and no other', async () => {
    for (const node of cluster.nodes) expect((await derive({ node: node.signer.wallet })).node).toBe(node.signer.wallet);
    expect(cluster.nodes.map(({ asked }) => asked.length)).toEqual([1, 1, 1]);
  });

  it('spreads over the nodes', async () => {
    for (let count = 0; count < 30; count += 1) await derive();
    for (const { asked } of cluster.nodes) expect(asked.length).toBeGreaterThan(2);
  });

  it('signs every try anew, for the node that is asked', async () => {
    bendAll(() => Promise.reject(new Refusal('outbound_failed')));
    await ask();
    const sent = cluster.nodes.flatMap(({ asked }) => asked);
    expect(sent.length).toBe(9);
    const nonces = sent.map(({ headers }) => /;nonce="([0-9a-f]{32})";/.exec(headers?.['signature-input'] ?? '')?.[1]);
    expect(new Set(nonces).size).toBe(9);
    expect(new Set(sent.map(({ body }) => Buffer.from(body ?? '').toString())).size).toBe(9);
  });

  it.each([
    ['an empty path', '', {}],
    ['a path of 257 bytes', 'x'.repeat(257), {}],
    ['a path with a control character', 'a\nb', {}],
    ['a path that is not well-formed', '\ud800', {}],
    ['a context of 257 bytes', 'x', { context: 'x'.repeat(257) }],
    ['length 0', 'x', { length: 0 }],
    ['length 1025', 'x', { length: 1_025 }],
    ['length 1.5', 'x', { length: 1.5 }],
    ['epoch −1', 'x', { epoch: -1 }],
    ['an epoch as text', 'x', { epoch: '0' }],
    ['a path that is no text', 5, {}],
    ['a context that is no text', 'x', { context: null }],
    ['a length of another type', 'x', { length: 1n }],
    ['a node that is no wallet', 'x', { node: 'node-1' }],
    ['a node that is no text', 'x', { node: 5 }],
    ['options that are none', 'x', null],
    ['a misspelt option', 'x', { contxt: 'tenant-1' }],
    ['an option of another call', 'x', { ttlSeconds: 600 }],
    ['a signal that is none', 'x', { signal: {} }],
    ...[0, -1, 1.5, NaN, Infinity, CLIENT_WAIT_MS_MAX + 1, 3e9, '1000', null].flatMap((ms): [string, string, object][] => [
      [`callMs ${ms}`, 'x', { callMs: ms }],
      [`attemptMs ${ms}`, 'x', { attemptMs: ms }],
    ]),
  ])('refuses %s before anything is asked', async (_what, badPath, options) => {
    await expect(client.derive(badPath as string, options as object)).rejects.toMatchObject({ name: 'KmsError', code: 'bad_argument' });
    expect(cluster.chain.calls).toEqual([]);
  });

  it.each([
    [1, 1],
    [256, 1_024],
  ])('takes a path of %i bytes and a length of %i', async (pathBytes, length) => {
    const { key } = await passing(cluster.clock, client.derive('x'.repeat(pathBytes), { context: 'c'.repeat(256), length }));
    expect(key.length).toBe(length);
  });

  it.each([1, CLIENT_WAIT_MS_MAX])('takes waits of %i ms', async (ms) => {
    expect(hex((await derive({ callMs: ms, attemptMs: ms })).key)).toBe(hex(keyOf(path)));
  });
});

describe('an answer that nobody vouches for', () => {
  it('is passed over when it is not signed', () =>
    refuses(
      () =>
        async ({ honest }) => {
          const answer = await honest();
          return withHeader(withHeader(answer, 'signature', undefined), 'signature-input', undefined);
        },
      'unproven',
    ));

  it.each([
    ['404', 'key_unknown'],
    ['403', 'proof_refused'],
    ['400', 'path_malformed'],
    ['410', 'epoch_retired'],
  ])('U-19 is no verdict: a forged %s %s moves on to the next node', async (status, reason) => {
    const forged = () => async () => plain(Number(status), JSON.parse(refusal(reason)));
    // Signed, the same status and body are the node's own word, and are taken for it.
    one.bend = async ({ request }) => vouch(one, request, Number(status), refusal(reason));
    const signed = await ask({ node: one.signer.wallet });
    expect(['refused', 'no_answer']).toContain(signed.code);
    expect(new Set(signed.attempts.map(({ outcome }) => outcome))).toEqual(new Set(['refused']));
    const error = await refuses(forged, 'unproven');
    expect(error.message).toContain(`claims ${status} ${reason}`);
  });

  it.each<[string, (answer: OutboundAnswer) => OutboundAnswer]>([
    ['another status', (answer) => ({ ...answer, status: 201 })],
    ['another body', (answer) => ({ ...answer, body: answer.body.slice(0, -1) })],
    ['no Content-Digest', (answer) => withHeader(answer, 'content-digest', undefined)],
    ['another label', (answer) => withHeader(answer, 'signature', answer.headers.get('signature')?.replace('eth=', 'sig1='))],
    ['two signatures', (answer) => withHeader(answer, 'signature', `${answer.headers.get('signature')}, x=:AA==:`)],
    [
      'fewer components',
      (answer) => withHeader(answer, 'signature-input', answer.headers.get('signature-input')?.replace('"@status" ', '')),
    ],
    ['a flipped bit', (answer) => withHeader(answer, 'signature', flippedMember(answer.headers.get('signature') ?? ''))],
  ])('is passed over when it comes with %s', async (_what, change) => {
    // Unchanged it is the right answer: survives() is also run with nothing bent.
    expect(hex((await derive()).key)).toBe(hex(keyOf(path)));
    await refuses(
      () =>
        async ({ honest }) =>
          change(await honest()),
      'unproven',
    );
  });

  it('is passed over when another node signed it', () => {
    const other = cluster.nodes[2].signer;
    return refuses(
      (node) =>
        async ({ request, honest }) => {
          const body = Buffer.from((await honest()).body).toString();
          const by = node.signer === other ? signerNamed('stranger') : other;
          // A right answer of that other signer, in its own name.
          return vouch(node, request, 200, body, { by });
        },
      'unproven',
    );
  });

  it('is passed over when another signed it in the node’s name', () =>
    refuses(
      (node) =>
        async ({ request, honest }) =>
          vouch(node, request, 200, Buffer.from((await honest()).body).toString(), { by: signerNamed('stranger'), as: node.signer.wallet }),
      'unproven',
    ));

  it('is passed over when the node signed it in another’s name', () =>
    refuses(
      (node) =>
        async ({ request, honest }) =>
          vouch(node, request, 200, Buffer.from((await honest()).body).toString(), { as: signerNamed('stranger').wallet }),
      'unproven',
    ));

  it('is passed over when it is signed for another chain', () =>
    refuses(
      (node) =>
        async ({ request, honest }) =>
          vouch(node, request, 200, Buffer.from((await honest()).body).toString(), { chainId: 1 }),
      'unproven',
    ));

  it('is passed over when it answers another request', async () => {
    let first: OutboundAnswer | undefined;
    one.bend = async ({ honest }) => (first = await honest());
    await derive({ node: one.signer.wallet });
    const replayed = first as OutboundAnswer;
    one.bend = async () => replayed;
    const error = await ask({ node: one.signer.wallet });
    expect(error.attempts.map(({ outcome }) => outcome)).toEqual(['unproven', 'unproven', 'unproven']);
  });

  it('is passed over in the platform’s form too: unsigned, by another wallet, for another request', async () => {
    const byPlatform = cluster.client({ proof: 'platform' });
    const strip: Bend = async ({ honest }) => withHeader(await honest(), 'x-kms-response-signature', undefined);
    const stranger =
      (node: StubNode): Bend =>
      async ({ request, honest }) =>
        vouch(node, request, 200, Buffer.from((await honest()).body).toString(), { by: signerNamed('stranger') });
    await survives(() => strip, {}, byPlatform);
    await survives(stranger, {}, byPlatform);
    await survives(
      () =>
        async ({ request }) =>
          vouch(one, request, 404, refusal('not_found')),
      {},
      byPlatform,
    );
    // The signature of the right answer, under an error: that form of proof does not say what it signs.
    const underError: Bend = async ({ honest }) => ({ ...(await honest()), status: 404, body: utf8(refusal('not_found')) });
    await survives(() => underError, {}, byPlatform);
  });
});

describe('an answer that the node vouches for', () => {
  it('is taken with v 27 and 28 as well', async () => {
    for (const node of cluster.nodes)
      node.bend = async ({ request, honest }) => vouch(node, request, 200, Buffer.from((await honest()).body).toString(), { v27: true });
    expect(hex((await derive()).key)).toBe(hex(keyOf(path)));
  });

  it('is passed over when another key sealed it', async () => {
    const stranger = keysNamed('stranger');
    await refuses(
      (node) =>
        async ({ request }) => {
          const text = JSON.stringify({ app_id: 9, path, context: '', length: 32, key: 'AAAA', epoch: 0, block: 1 });
          const envelope = await stranger.box.seal(await cluster.appKeys.box.publicKey(), text);
          // It opens, for whoever does not look at its sender.
          expect(await cluster.appKeys.box.open(envelope)).toBe(text);
          return vouch(node, request, 200, encodeEnvelope(envelope));
        },
      'unopenable',
    );
  });

  it('is passed over when it is sealed to another, or is none', async () => {
    const stranger = keysNamed('stranger');
    await refuses(
      (node) =>
        async ({ request }) =>
          vouch(node, request, 200, encodeEnvelope(await node.keys.box.seal(await stranger.box.publicKey(), '{}'))),
      'unopenable',
    );
    await refuses(
      (node) =>
        async ({ request }) =>
          vouch(node, request, 200, '{"key":"plain"}'),
      'unopenable',
    );
  });

  it.each([
    ['another app', { app_id: 10 }],
    ['no app', { app_id: undefined }],
    ['another path', { path: 'other' }],
    ['another context', { context: 'other' }],
    ['another length', { length: 16 }],
    ['a shorter key', { key: Buffer.alloc(31).toString('base64') }],
    ['a longer key', { key: Buffer.alloc(33).toString('base64') }],
    ['a key that is no base64', { key: '*'.repeat(44) }],
    ['no epoch', { epoch: undefined }],
    ['a block that is no number', { block: '21' }],
  ])('is passed over when it names %s', async (_what, changes) => {
    await refuses(
      () =>
        ({ honest }) =>
          honest(changes),
      'other_answer',
    );
  });
});

describe('the epoch of an answer', () => {
  const activated = (...at: number[]) => {
    cluster.chain.epochs = at.map((atS, id) =>
      epochAnswer(id, id === at.length - 1 ? STATES.active : STATES.previous, hashOf(0xe0 + id), 1n, BigInt(atS)),
    );
    cluster.chain.mine(profile.confirmationBlocks + 1);
  };

  it('is the one of the app’s creation, when none was asked for', async () => {
    activated(APP_CREATED_S - 100, APP_CREATED_S + 100);
    expect((await derive()).epoch).toBe(0);
    const later: Bend = ({ honest }) => honest({ epoch: 1 });
    // The same answer is right for whoever asks for that epoch.
    bendAll(later);
    expect((await derive({ epoch: 1 })).epoch).toBe(1);
    expect((await derive({ epoch: 'current' })).epoch).toBe(1);
    await refuses(() => later, 'wrong_epoch');
  });

  it('is refused when a node serves an old one', async () => {
    activated(APP_CREATED_S - 200, APP_CREATED_S - 100);
    const old: Bend = ({ honest }) => honest({ epoch: 0 });
    bendAll(old);
    expect((await derive({ epoch: 0 })).epoch).toBe(0);
    for (const options of [{}, { epoch: 'current' }, { epoch: 1 }]) {
      bendAll(old);
      const error = await ask(options, cluster.client());
      expect(error.attempts.every(({ outcome }) => outcome === 'wrong_epoch')).toBe(true);
    }
  });

  it('may be the one before for "current", while an honest node cannot know better', async () => {
    activated(APP_CREATED_S, Math.floor(cluster.clock.nowMs() / 1_000));
    for (const epoch of [0, 1]) {
      bendAll(({ honest }) => honest({ epoch }));
      expect((await derive({ epoch: 'current' })).epoch).toBe(epoch);
    }
    cluster.chain.mine(Math.ceil(profile.headAgeMaxMs / 2_000) + 1);
    bendAll(({ honest }) => honest({ epoch: 0 }));
    expect((await ask({ epoch: 'current' }, cluster.client())).code).toBe('no_answer');
  });

  it('may be either for "current", while the change is not confirmed', async () => {
    activated(APP_CREATED_S);
    const nowS = BigInt(Math.floor(cluster.clock.nowMs() / 1_000));
    cluster.chain.epochs = [
      epochAnswer(0, STATES.previous, hashOf(0xe0), 1n, BigInt(APP_CREATED_S)),
      epochAnswer(1, STATES.active, hashOf(0xe1), 1n, nowS),
    ];
    cluster.chain.mine(1);
    for (const epoch of [0, 1]) {
      bendAll(({ honest }) => honest({ epoch }));
      expect((await derive({ epoch: 'current' })).epoch).toBe(epoch);
    }
  });

  it('is judged by a fresh look at the chain before a node is called wrong', async () => {
    const asker = cluster.client({ profile: { ...profile, confirmationBlocks: 1 } });
    await derive({}, asker);
    cluster.chain.epochs = [0, 1].map((id) =>
      epochAnswer(id, id === 1 ? STATES.active : STATES.previous, hashOf(0xe0 + id), 1n, BigInt(APP_CREATED_S - 200 + id)),
    );
    // Two blocks are less than what was read is kept for.
    const readAtMs = cluster.clock.nowMs();
    cluster.chain.mine(2);
    expect(cluster.clock.nowMs() - readAtMs).toBeLessThan(CLIENT_VIEW_MS);
    bendAll(({ honest }) => honest({ epoch: 1 }));
    expect((await derive({}, asker)).epoch).toBe(1);
    expect(cluster.nodes.flatMap(({ asked }) => asked).length).toBe(2);
  });

  it('is not asked for when it was given up at the head alone', async () => {
    expect((await derive({ epoch: 0 })).epoch).toBe(0);
    cluster.chain.epochs = [epochAnswer(0, STATES.retired, hashOf(0xe0), 1n, BigInt(APP_CREATED_S - 100))];
    cluster.chain.mine(1);
    expect((await ask({ epoch: 0 }, cluster.client())).code).toBe<KmsErrorCode>('epoch_unavailable');
  });

  it.each([
    ['retired', STATES.retired],
    ['lost', STATES.lost],
  ])('that is %s is not asked for', async (_what, state) => {
    cluster.chain.epochs = [epochAnswer(0, state, hashOf(1), 1n, 1n)];
    cluster.chain.mine(profile.confirmationBlocks + 1);
    const error = await ask({ epoch: 0 });
    expect(error.code).toBe<KmsErrorCode>('epoch_unavailable');
    expect(cluster.nodes.flatMap(({ asked }) => asked)).toEqual([]);
  });
});

/** Every reason there is, by what can bring it about. Only the first kind says something final of a request. */
const REASONS: Readonly<Record<'plaintext' | 'carrier' | 'node' | 'peer', readonly Reason[]>> = {
  /** What was sealed, alone: no clock, no chain, no byte that is not authenticated. */
  plaintext: [
    ...(['request_malformed', 'field_unknown', 'path_malformed', 'context_malformed', 'length_malformed', 'epoch_malformed'] as const),
    ...(['csr_too_large', 'csr_malformed', 'csr_key_refused', 'csr_algorithm_refused', 'csr_signature_invalid'] as const),
    'validity_malformed',
    ...(['key_malformed', 'value_malformed', 'value_too_large', 'ttl_malformed', 'version_malformed', 'min_replicas_malformed'] as const),
    ...(['when_full_malformed', 'prefix_malformed', 'limit_malformed', 'cursor_malformed', 'operations_malformed'] as const),
  ],
  /** Whoever carries the bytes, by altering them, adding to them, cutting them short or holding them back; or a node of another build. */
  carrier: [
    ...(['not_found', 'method_not_allowed', 'url_too_long', 'content_type_refused', 'body_too_large', 'body_timeout'] as const),
    ...(['body_malformed', 'digest_mismatch', 'plaintext_refused', 'envelope_malformed'] as const),
    ...(['proof_missing', 'proof_form_refused', 'proof_ambiguous', 'timestamp_malformed', 'timestamp_stale'] as const),
    ...(['nonce_malformed', 'nonce_unknown', 'nonce_expired', 'nonce_replayed'] as const),
    ...(['signature_malformed', 'signature_invalid', 'component_missing', 'chain_id_mismatch', 'wallet_mismatch'] as const),
  ],
  /** One node’s view of the chain, its clock, its memory, its load or its own parts. */
  node: [
    ...(['starting', 'zero_wallet', 'odyn_unreachable', 'wallet_changed', 'chain_unreadable', 'chain_stale'] as const),
    ...(['chain_clock_ahead', 'chain_mismatch', 'not_registered', 'not_live', 'tee_key_mismatch', 'url_refused'] as const),
    ...(['genesis_not_open', 'awaiting_proposal', 'collecting_endorsements', 'awaiting_activation', 'not_eligible'] as const),
    ...(['fetching_secret', 'cluster_reset'] as const),
    ...(['instance_unknown', 'instance_not_active', 'instance_not_verified', 'app_not_active', 'version_not_allowed'] as const),
    ...(['operator_unknown', 'from_malformed', 'purpose_malformed', 'subject_malformed', 'valid_until_malformed'] as const),
    ...(['envelope_sender_mismatch', 'envelope_replayed', 'envelope_unopenable', 'epoch_unknown', 'epoch_retired'] as const),
    ...(['validity_beyond_ca', 'rate_limited', 'busy', 'replay_memory_full', 'deadline_exceeded'] as const),
    ...(['odyn_unavailable', 'chain_unavailable', 'internal'] as const),
    // Of one operation, these stand inside a sealed answer (`kv.test.ts`).
    ...(['key_not_found', 'version_conflict', 'quota_exceeded', 'tombstones_full', 'store_full', 'answer_too_large'] as const),
    ...(['clock_unusable', 'data_catching_up', 'attestation_nonce_malformed'] as const),
    ...(['attestation_required', 'attestation_refused'] as const),
    ...([
      'url_refused_outbound',
      'address_refused_outbound',
      'outbound_timeout',
      'outbound_failed',
      'outbound_too_large',
      'outbound_redirect',
    ] as const),
  ],
  /** Said to peers only. */
  peer: [
    ...(['peer_not_member', 'peer_proof_refused', 'peer_not_attested', 'peer_unreachable', 'peer_answer_odd', 'session_unknown'] as const),
    ...([
      'frame_malformed',
      'frame_too_deep',
      'frame_too_full',
      'frame_unauthentic',
      'frame_replayed',
      'cursor_ahead',
      'handover_not_eligible',
      'handover_not_held',
      'handover_rate_limited',
    ] as const),
  ],
};

/** As the node shows them, each once. */
function shownBy(...kinds: readonly (keyof typeof REASONS)[]): [number, string][] {
  const wires = kinds.flatMap((kind) => REASONS[kind]).map((reason) => wireOf(reason));
  return [...new Map(wires.map(({ status, reason }): [string, [number, string]] => [reason, [status, reason]])).values()];
}

describe('a signed refusal', () => {
  it('has every reason that there is in one of the lists', () => {
    const source = readFileSync(new URL('../../../core/errors.ts', import.meta.url), 'utf8');
    const unions = [...source.matchAll(/export type \w+Reason =([^;]+);/g)].map(([, union = '']) => union);
    const names = unions.flatMap((union) => [...union.matchAll(/'(\w+)'/g)].map(([, name = '']) => name));
    expect(names.length).toBeGreaterThan(80);
    expect(Object.values(REASONS).flat().toSorted()).toEqual(names.toSorted());
  });

  it.each(shownBy('plaintext'))('of the request (%i %s) ends the call, with its reason', async (status, reason) => {
    for (const node of cluster.nodes) node.bend = async ({ request }) => vouch(node, request, status, refusal(reason, 'why\nnot'));
    const error = await ask();
    expect(error).toMatchObject({ code: 'refused', reason, status });
    expect(error.message).toBe(`The cluster refuses this request (${status} ${reason}): why not`);
    expect(cluster.nodes.flatMap(({ asked }) => asked).length).toBe(1);
  });

  it.each([...shownBy('carrier', 'node', 'peer'), [400, 'a_reason_of_tomorrow']] as [number, string][])(
    'of the node, or brought about by its host (%i %s), leads to the next',
    async (status, reason) => {
      const bend =
        (node: StubNode): Bend =>
        async ({ request }) =>
          vouch(node, request, status, refusal(reason));
      const error = await refuses(bend, 'refused');
      expect(error.message).toContain(`refuses with ${status} ${reason}`);
    },
  );

  it('without a reason leads to the next', () =>
    refuses(
      (node) =>
        async ({ request }) =>
          vouch(node, request, 400, 'no'),
      'refused',
    ));
});

describe('this app’s own enclave', () => {
  const broken = () => Promise.reject(new Refusal('odyn_unavailable', '/v1/x answered 500'));

  it('is named when it does not answer', async () => {
    const boxes = [
      { signer: { ...cluster.app, address: broken } },
      { signer: { ...cluster.app, sign: broken } },
      { box: { ...cluster.appKeys.box, seal: broken } },
      { box: { ...cluster.appKeys.box, open: broken } },
    ];
    for (const part of boxes) expect((await ask({}, cluster.client(part))).code).toBe<KmsErrorCode>('enclave_unavailable');
  });

  it('is not called broken for a node whose registered key is none', async () => {
    const [first, ...others] = cluster.chain.operators;
    if (!first) throw new Error('no operator');
    cluster.chain.operators = [{ ...first, teePubkey: `0x${hex(utf8('no key'))}` }, ...others];
    cluster.chain.mine(profile.confirmationBlocks + 1);
    for (let count = 0; count < 5; count += 1) expect(hex((await derive()).key)).toBe(hex(keyOf(path)));
    expect(one.asked).toEqual([]);
    cluster.chain.operators = [{ ...first, teePubkey: `0x${hex(utf8('no key'))}` }];
    cluster.chain.mine(profile.confirmationBlocks + 1);
    expect((await ask()).attempts[0]).toMatchObject({ outcome: 'unopenable', detail: 'has no P-384 key in the registry' });
  });
});

describe('request', () => {
  it('answers with what the node sealed, and covers the query', async () => {
    const { answer, node } = await passing(cluster.clock, client.request('POST', '/kms/derive?x=1', { path, context: '', length: 4 }));
    expect(answer).toMatchObject({ app_id: 9, path, length: 4 });
    expect(node).toMatch(/^0x/);
    const [sent] = cluster.nodes.flatMap(({ asked }) => asked);
    expect(sent?.headers?.['signature-input']).toContain('("@method" "@authority" "@path" "@query" "content-digest" "content-type")');
  });

  it('goes to the node’s origin and nowhere else', async () => {
    for (const bad of ['evil', '@evil.example/', '.evil.example/'])
      await expect(client.request('POST', bad, {})).rejects.toMatchObject({ code: 'bad_argument' });
  });

  const nested = (levels: number): object => (levels === 1 ? {} : { in: nested(levels - 1) });
  const around: { itself?: object } = {};
  around.itself = around;

  it.each<[string, readonly unknown[]]>([
    ['another method', ['PATCH', '/kms/derive', {}]],
    ['a method that is a property of every object', ['constructor', '/kms/derive', {}]],
    ['a method in small letters', ['post', '/kms/derive', {}]],
    ['a path that is no text', ['GET', 5]],
    ['a body of a GET', ['GET', '/kms/derive', {}]],
    ['a body that is a list', ['POST', '/kms/derive', []]],
    ['a body that is null', ['POST', '/kms/derive', null]],
    ['a body that is text', ['POST', '/kms/derive', '{}']],
    ['a bigint', ['POST', '/kms/derive', { a: 1n }]],
    ['a function', ['POST', '/kms/derive', { a: () => 1 }]],
    ['a symbol', ['POST', '/kms/derive', { a: [Symbol('a')] }]],
    ['a number that is none', ['POST', '/kms/derive', { a: [NaN] }]],
    ['nothing inside a list', ['POST', '/kms/derive', { a: [undefined] }]],
    ['a list with a hole', ['POST', '/kms/derive', { a: new Array(1) }]],
    ['a body that holds itself', ['POST', '/kms/derive', around]],
    ['a body that is too deep', ['POST', '/kms/derive', nested(CLIENT_BODY_DEPTH_MAX + 1)]],
    ['options that are none', ['POST', '/kms/derive', {}, 5]],
    ['a wait that no timer holds', ['POST', '/kms/derive', {}, { attemptMs: 3e9 }]],
  ])('refuses %s before anything is asked', async (_what, args) => {
    const request = client.request as (...args: readonly unknown[]) => Promise<unknown>;
    await expect(request(...args)).rejects.toMatchObject({ name: 'KmsError', code: 'bad_argument' });
    expect(cluster.chain.calls).toEqual([]);
  });

  it('takes a body as deep as may be, and a member that is undefined', async () => {
    const body = { path, context: '', length: 4, left: undefined, deep: nested(CLIENT_BODY_DEPTH_MAX - 1) as {} };
    expect((await passing(cluster.clock, client.request('POST', '/kms/derive', body))).answer).toMatchObject({ path, length: 4 });
  });
});

describe('an error', () => {
  it('holds no secret', async () => {
    const secrets = ['sender_tee_pubkey', 'encrypted_data'];
    bendAll(() => Promise.reject(new Refusal('outbound_failed', 'POST node-1.nova.example')));
    const error = await ask();
    const shown = JSON.stringify({ message: error.message, attempts: error.attempts });
    const sent = cluster.nodes.flatMap(({ asked }) => asked);
    for (const { headers, body } of sent)
      for (const hidden of [headers?.['signature'], headers?.['signature-input'], Buffer.from(body ?? '').toString(), ...secrets])
        expect(shown.includes(hidden ?? '?')).toBe(false);
  });
});

function flippedMember(header: string): string {
  const at = 'eth=:'.length + 10;
  return `${header.slice(0, at)}${header[at] === 'A' ? 'B' : 'A'}${header.slice(at + 1)}`;
}
