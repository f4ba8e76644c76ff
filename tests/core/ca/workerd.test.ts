/** U-5 the room under workerd: the same bytes as under Node, the same judgements of requests. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bytesOf } from '../../../core/ca/der.ts';
import { LEAF_LIFE_DEFAULT_MS } from '../../../core/limits.ts';
import { base64, concat, hex, utf8 } from '../../../core/wire/bytes.ts';
import vectors from '../../vectors/ca.json' with { type: 'json' };
import { flipped, reasonOf } from '../fakes.ts';
import { ALGORITHM, createTestCa, csrOf, ecSigning, ed25519Signing, rsaSigning, SECRET, secp256k1Signing, subject } from './fixtures.ts';
import { workerOf } from '../workerd.ts';
import type { Miniflare } from 'miniflare';

const WORKER = `
  import { createCa } from './core/ca/issuer.ts';
  import { createVault } from './core/crypto/vault.ts';
  import { secretHash } from './core/crypto/kdf.ts';
  import { base64, parseBase64, parseHex } from './core/wire/bytes.ts';
  export default { async fetch(request) {
    const { secret, nowMs, serial, trustDomain, activatedAtMs, csrs, subject, lifeMs } = await request.json();
    const bytes = parseHex(secret);
    const vault = createVault();
    for (const epoch of [0, 1]) vault.install(epoch, secretHash(bytes), bytes);
    const ca = createCa({ vault, trustDomain, random: { bytes: () => parseHex(serial) }, clock: { nowMs: () => nowMs } });
    const record = (epoch) => ({ epoch, state: 'active', hash: secretHash(bytes), openedAtBlock: 1, activatedAtMs });
    const named = { appId: BigInt(subject.appId), instanceId: BigInt(subject.instanceId) };
    const answer = (csr) => {
      try {
        const { leaf } = ca.issue({ subject: named, csr: parseBase64(csr), lifeMs, epoch: record(0) });
        return base64(leaf);
      } catch (error) {
        return error.reason ?? String(error);
      }
    };
    return Response.json({ cas: [0, 1].map((epoch) => base64(ca.certificate(record(epoch)).der)), leaves: csrs.map(answer) });
  } };`;

const good = [
  ecSigning('P-256'),
  ecSigning('P-384', 'sha384', ALGORITHM.ecdsaSha384),
  ed25519Signing(),
  rsaSigning(2_048),
  rsaSigning(8_192),
];
/** A key of small order and a signature that needs no private key: workerd's own verification takes it. */
const forged = {
  spki: bytesOf(`302a300506032b657003210001${'00'.repeat(31)}`),
  algorithm: ALGORITHM.ed25519,
  sign: () => bytesOf(`01${'00'.repeat(63)}`),
};
const csrs = [
  ...good.map((signing) => csrOf(signing)),
  ...good.map((signing) => csrOf(signing, {}, (signature) => flipped(signature, signature.length - 1))),
  ...good.map((signing) => csrOf(signing, {}, () => new Uint8Array(0))),
  ...good.map((signing) => csrOf(signing, {}, (signature) => concat(signature, Uint8Array.of(0)))),
  csrOf(forged),
  csrOf(secp256k1Signing()),
  csrOf(rsaSigning(2_048, { exponent: 2n ** 31n - 1n })),
  csrOf(rsaSigning(1_024)),
  utf8('hello'),
];

describe('the room under workerd', () => {
  let worker: Miniflare;
  beforeAll(async () => {
    worker = await workerOf(WORKER);
  });
  afterAll(() => worker.dispose());

  it('U-5 gives the CA certificates and the leaves that Node gives, and refuses what Node refuses', async () => {
    const { ca, clock, vault, record } = createTestCa();
    const serial = '5a'.repeat(16);
    const body = JSON.stringify({
      secret: hex(SECRET),
      nowMs: clock.nowMs(),
      serial,
      trustDomain: vectors.trustDomain,
      activatedAtMs: vectors.activatedAtMs,
      csrs: csrs.map(base64),
      subject: { appId: '43', instanceId: '21' },
      lifeMs: LEAF_LIFE_DEFAULT_MS,
    });
    const answer = (await (await worker.dispatchFetch('http://worker/', { method: 'POST', body })).json()) as {
      cas: string[];
      leaves: string[];
    };
    expect(answer.cas).toEqual(vectors.cas.map(({ certificate }) => certificate));
    expect(answer.cas[0]).toBe(base64(ca.certificate(record(0)).der));
    const { createCa } = await import('../../../core/ca/issuer.ts');
    const fixed = createCa({ vault, trustDomain: vectors.trustDomain, random: { bytes: () => new Uint8Array(16).fill(0x5a) }, clock });
    const here = csrs.map((csr) => {
      const order = { subject, csr, lifeMs: LEAF_LIFE_DEFAULT_MS, epoch: record(0) };
      const reason = reasonOf(() => fixed.issue(order));
      return reason === 'none' ? base64(fixed.issue(order).leaf) : reason;
    });
    expect(answer.leaves).toEqual(here);
    expect(here.filter((each) => each.startsWith('MII'))).toHaveLength(good.length + 1);
  });
});
