/** S-M6, X-13: for whom a node signs a vote, that it signs votes and nothing else, and that its trail has each. */
import { beforeEach, describe, expect, it } from 'vitest';
import { createApi } from '../../functions/api.ts';
import { parseSignature, recoverWallet } from '../../core/crypto/wallet.ts';
import { Refusal } from '../../core/errors.ts';
import { ENDORSEMENT_LIFE_BLOCKS, OPERATOR_REQUESTS_BURST, VOTE_BODY_BYTES_MAX } from '../../core/limits.ts';
import { KMS_REGISTRY, profile, signerNamed } from '../core/fakes.ts';
import { createDataWorld } from './data-world.ts';
import { exchanged } from './signed-answer.ts';
import type { AppId } from '../../core/identity.ts';
import type { Kms } from '../../core/kms.ts';
import type { DataWorld, TestApp } from './data-world.ts';
import type { Body, SignedAnswer } from './signed-answer.ts';

const operatorNamed = (name: string): TestApp => ({ signer: signerNamed(name), appId: 0n as AppId });
const registrant = operatorNamed('the registrant');
const owner = operatorNamed('the owner');
const PATH = '/operator/vote';
const MEASUREMENT = `0x${'5a'.repeat(32)}`;
let world: DataWorld;

beforeEach(async () => {
  world = await createDataWorld(['a', 'b']);
  change(() => ({ operator: registrant.signer.wallet }), { operator: signerNamed('another registrant').wallet });
  world.cluster.chain.owner = owner.signer.wallet;
  await world.cluster.round();
});

type StubOperator = DataWorld['cluster']['chain']['operators'][number];

/** Of this node on the chain, and of the others. */
function change(ours: () => Partial<StubOperator>, others: Partial<StubOperator> = {}): void {
  const { chain } = world.cluster;
  chain.operators = chain.operators.map((each) => ({ ...each, ...(each.wallet === world.node.wallet ? ours() : others) }));
}

const headBlock = () => {
  const state = world.kms.view.state();
  if (state.kind !== 'fresh') throw new Error(state.reason);
  return state.blocks.head.blockNumber;
};
const veto = (more: Body = {}) => ({ purpose: 'veto', subject: '3', valid_until_block: headBlock() + 100, ...more });

async function votes(who: TestApp, body: unknown, kms: Kms = world.kms): Promise<SignedAnswer> {
  world.cluster.clock.advance(250);
  return await exchanged(createApi(kms), world.request(who, 'POST', PATH, typeof body === 'string' ? body : JSON.stringify(body)));
}

/** As the registrant reads them: where the owner asked, too. */
async function recorded(): Promise<readonly Body[]> {
  world.cluster.clock.advance(250);
  const { body } = await exchanged(world.send, world.request(registrant, 'GET', '/audit'));
  return (body['records'] as Body[]).filter(({ kind }) => kind === 'vote_signed');
}

/** The node, with every text that its wallet is asked to sign for the registry. */
function watched(): { readonly kms: Kms; readonly signed: string[] } {
  const signed: string[] = [];
  const signer: Kms['signer'] = {
    ...world.kms.signer,
    sign(text) {
      if (text.includes(KMS_REGISTRY)) signed.push(text);
      return world.kms.signer.sign(text);
    },
  };
  return { kms: { ...world.kms, signer }, signed };
}

/** What stands in the place of something in a good vote. */
const WRONG: readonly (readonly [string, Body, string])[] = [
  ['a field of its own', { text: 'NovaKMS:Endorse:…' }, 'field_unknown'],
  ['no purpose', { purpose: undefined }, 'purpose_malformed'],
  ['an endorsement', { purpose: 'endorse' }, 'purpose_malformed'],
  ['the contract’s name for it', { purpose: 'Veto' }, 'purpose_malformed'],
  ['a name that every object has', { purpose: 'constructor' }, 'purpose_malformed'],
  ['no subject', { subject: undefined }, 'subject_malformed'],
  ['a change as a number', { subject: 3 }, 'subject_malformed'],
  ['a change with a zero before it', { subject: '03' }, 'subject_malformed'],
  ['a change with a sign', { subject: '-3' }, 'subject_malformed'],
  ['a change and what would follow it', { subject: '3:99' }, 'subject_malformed'],
  ['a change and a line end', { subject: '3\n' }, 'subject_malformed'],
  ['a change beyond uint256', { subject: String(2n ** 256n) }, 'subject_malformed'],
  ['an epoch as a text', { purpose: 'rotate', subject: '1' }, 'subject_malformed'],
  ['an epoch below zero', { purpose: 'rotate', subject: -1 }, 'subject_malformed'],
  ['half an epoch', { purpose: 'rotate', subject: 0.5 }, 'subject_malformed'],
  ['a measurement without 0x', { purpose: 'remove_measurement', subject: '5a'.repeat(32) }, 'subject_malformed'],
  ['a measurement cut short', { purpose: 'remove_measurement', subject: MEASUREMENT.slice(0, -1) }, 'subject_malformed'],
  ['a measurement in a list', { purpose: 'remove_measurement', subject: [MEASUREMENT] }, 'subject_malformed'],
  ['no end', { valid_until_block: undefined }, 'valid_until_malformed'],
  ['an end as a text', { valid_until_block: '100' }, 'valid_until_malformed'],
  ['half a block', { valid_until_block: 100.5 }, 'valid_until_malformed'],
];

describe('S-M6 X-13 a vote', () => {
  it.each([
    ['veto', '3', 'Veto', '3'],
    ['veto', '0', 'Veto', '0'],
    ['veto', String(2n ** 256n - 1n), 'Veto', String(2n ** 256n - 1n)],
    ['rotate', 1, 'Rotate', '1'],
    ['rotate', 0, 'Rotate', '0'],
    ['remove_measurement', MEASUREMENT, 'RemoveMeasurement', MEASUREMENT],
    ['remove_measurement', MEASUREMENT.replaceAll('a', 'A'), 'RemoveMeasurement', MEASUREMENT],
  ])('%s of %s is signed for who registered the node, and recorded', async (purpose, subject, name, written) => {
    const until = headBlock() + 100;
    const { status, body, signer } = await votes(registrant, { purpose, subject, valid_until_block: until });
    const text = `NovaKMS:${name}:${profile.chainId}:${KMS_REGISTRY}:${written}:${until}`;
    expect([status, signer]).toEqual([200, world.node.wallet]);
    expect(body).toEqual({ node: world.node.wallet, text, signature: body['signature'], valid_until_block: until });
    expect(recoverWallet(text, parseSignature(String(body['signature'])) ?? new Uint8Array(0))).toBe(world.node.wallet);
    expect(await recorded()).toMatchObject([{ purpose, subject: written, valid_until_block: until, registrant: registrant.signer.wallet }]);
  });

  it('is nothing that the owner of the registry can have: votes are there to hold it back', async () => {
    const { kms, signed } = watched();
    // It is known here, and a judgement that asked no more than the rest of this road would sign for it.
    const weak = { ...kms, operators: { ...kms.operators, authorizeRegistrant: () => undefined } };
    await kms.operators.authorize(owner.signer.wallet);
    expect((await votes(owner, veto(), weak)).status).toBe(200);
    expect(signed.length).toBe(1);
    expect(await votes(owner, veto(), kms)).toMatchObject({ status: 403, signer: undefined, body: { reason: 'proof_refused' } });
    expect(signed.length).toBe(1);
  });

  it('is not for anybody else, all in the same words', async () => {
    const { kms, signed } = watched();
    const answers = new Set<string>();
    for (const who of [world.a, ...['a stranger', 'another registrant', 'a', 'b'].map(operatorNamed), owner]) {
      const { status, body, signer } = await votes(who, veto(), kms);
      expect([status, signer]).toEqual([403, undefined]);
      answers.add(JSON.stringify({ ...body, request_id: '' }));
    }
    expect([answers.size, signed, await recorded()]).toEqual([1, [], []]);
    expect((await votes(registrant, veto(), kms)).status).toBe(200);
  });

  it('is the registrant’s also where that is the owner', async () => {
    change(() => ({ operator: owner.signer.wallet }));
    await world.cluster.round();
    expect([(await votes(owner, veto())).status, (await votes(registrant, veto())).status]).toEqual([200, 403]);
  });

  it('is asked for once by each signature, with its own body and at its own path', async () => {
    const text = JSON.stringify(veto());
    const request = world.request(registrant, 'POST', PATH, text);
    const { headers } = request;
    const again = request.clone();
    const sent = (each: Request) => exchanged(world.send, each);
    expect((await sent(request)).status).toBe(200);
    expect(await sent(again)).toMatchObject({ status: 403, body: { reason: 'proof_refused' } });
    expect(world.node.logs.named('request.refused').at(-1)?.reason).toBe('nonce_replayed');
    const other = world.request(registrant, 'POST', PATH, text);
    const bent = new Request(other, { body: JSON.stringify(veto({ subject: '4' })) });
    expect(await sent(bent)).toMatchObject({ status: 400, signer: world.node.wallet, body: { reason: 'digest_mismatch' } });
    const uncovered = world.request(registrant, 'POST', PATH, undefined, { 'content-type': 'application/json' });
    expect(await sent(new Request(uncovered, { body: text }))).toMatchObject({ status: 400, body: { reason: 'digest_mismatch' } });
    const elsewhere = world.request(registrant, 'POST', '/operator/votes', text);
    expect((await sent(new Request(`http://node${PATH}`, { method: 'POST', headers: elsewhere.headers, body: text }))).status).toBe(403);
    expect((await sent(new Request(`http://node${PATH}`, { method: 'POST', headers, body: text }))).status).toBe(403);
    expect((await recorded()).length).toBe(1);
  });

  it('is signed for no body that is wrong in one thing', async () => {
    const { kms, signed } = watched();
    expect((await votes(registrant, veto(), kms)).status).toBe(200);
    for (const [what, more, reason] of WRONG) {
      const { status, signer, body } = await votes(registrant, veto(more), kms);
      expect([what, status, signer, body['reason']]).toEqual([what, 400, world.node.wallet, reason]);
    }
    expect([signed.length, (await recorded()).length]).toEqual([1, 1]);
  });

  it.each([
    [-1, 400],
    [0, 400],
    [1, 200],
    [ENDORSEMENT_LIFE_BLOCKS, 200],
    [ENDORSEMENT_LIFE_BLOCKS + 1, 400],
    [Number.MAX_SAFE_INTEGER, 400],
  ])('that lives until %i blocks after the head is answered with %i', async (lifeBlocks, status) => {
    const until = Math.min(headBlock() + lifeBlocks, Number.MAX_SAFE_INTEGER);
    expect((await votes(registrant, veto({ valid_until_block: until }))).status).toBe(status);
  });

  it('is a small object of JSON, said to be that', async () => {
    const padded = (bytes: number) => JSON.stringify(veto()).padEnd(bytes);
    const reasonFor = async (text: string) => (await votes(registrant, text)).body['reason'];
    expect(await reasonFor(padded(VOTE_BODY_BYTES_MAX))).toBeUndefined();
    expect(await reasonFor(padded(VOTE_BODY_BYTES_MAX + 1))).toBe('body_too_large');
    for (const text of ['', '[]', 'null', '{"purpose":"veto"', '\u0000']) expect(await reasonFor(text)).toBe('body_malformed');
    const request = world.request(registrant, 'POST', PATH, JSON.stringify(veto()));
    request.headers.set('content-type', 'text/plain');
    expect((await exchanged(world.send, request)).body['reason']).toBe('content_type_refused');
    expect((await exchanged(world.send, world.request(registrant, 'GET', PATH))).status).toBe(405);
  });
});

describe('S-M6 X-13 a node that', () => {
  it('does not serve yet signs all the same', async () => {
    const admission = { ...world.kms.admission, gate: () => ({ kind: 'waiting', reason: 'fetching_secret', detail: '' }) as const };
    expect((await votes(registrant, veto(), { ...world.kms, admission })).status).toBe(200);
  });

  it('is not live signs nothing, at the head or at the confirmed block', async () => {
    change(() => ({ live: false, eligible: false }));
    await world.cluster.round();
    expect(await votes(registrant, veto())).toMatchObject({ status: 503, signer: world.node.wallet, body: { reason: 'not_live' } });
    for (let blocks = 0; blocks <= profile.confirmationBlocks; blocks += 1) await world.cluster.round();
    change(() => ({ live: true, eligible: true }));
    await world.cluster.round();
    expect((await votes(registrant, veto())).body['reason']).toBe('not_live');
    expect(await recorded()).toEqual([]);
  });

  it('is on a deprecated version signs vetoes, and nothing for which the contract would not count it', async () => {
    change(() => ({ eligible: false }));
    await world.cluster.round();
    for (const motion of [
      { purpose: 'rotate', subject: 1 },
      { purpose: 'remove_measurement', subject: MEASUREMENT },
    ])
      expect((await votes(registrant, veto(motion))).body['reason']).toBe('not_eligible');
    expect((await votes(registrant, veto())).status).toBe(200);
  });

  it('cannot read the chain signs for nobody', async () => {
    const body = veto();
    world.cluster.clock.advance(profile.headAgeMaxMs + 1);
    expect((await votes(registrant, body)).body['reason']).toBe('chain_stale');
  });

  it('was registered anew while a body came signs nothing for who asked', async () => {
    const text = JSON.stringify(veto());
    const { headers } = world.request(registrant, 'POST', PATH, text);
    const begun = Promise.withResolvers<void>();
    const late = Promise.withResolvers<void>();
    const body = new ReadableStream<Uint8Array>(
      {
        async pull(controller) {
          begun.resolve();
          await late.promise;
          controller.enqueue(new TextEncoder().encode(text));
          controller.close();
        },
      },
      { highWaterMark: 0 },
    );
    const request = new Request(`http://node${PATH}`, { method: 'POST', headers, body, duplex: 'half' } as RequestInit);
    const answer = exchanged(world.send, request);
    await begun.promise;
    change(() => ({ operator: signerNamed('another registrant').wallet }));
    await world.cluster.round();
    late.resolve();
    expect(await answer).toMatchObject({ status: 403, signer: world.node.wallet, body: { reason: 'proof_refused' } });
  });

  it('is asked too often says so, whatever is asked', async () => {
    const statuses: number[] = [];
    for (let index = 0; index <= OPERATOR_REQUESTS_BURST; index += 1) {
      const request =
        index % 2 ? world.request(registrant, 'GET', '/audit/head') : world.request(registrant, 'POST', PATH, JSON.stringify(veto()));
      statuses.push((await world.send(request)).status);
    }
    expect([new Set(statuses.slice(0, -1)), statuses.at(-1)]).toEqual([new Set([200]), 429]);
  });

  it('has an Odyn that signs nothing, or oddly, records no vote', async () => {
    const without = (sign: Kms['signer']['sign']): Kms => ({ ...world.kms, signer: { ...world.kms.signer, sign } });
    const out = without(() => Promise.reject(new Refusal('odyn_unavailable', 'out')));
    const odd = without((text) => (text.startsWith('NovaKMS:') ? Promise.resolve('0x00') : world.kms.signer.sign(text)));
    for (const kms of [out, odd])
      expect(await votes(registrant, veto(), kms)).toMatchObject({ status: 503, body: { reason: 'odyn_unavailable' } });
    expect(await recorded()).toEqual([]);
  });
});
