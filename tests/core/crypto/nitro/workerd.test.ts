/** The room under workerd, whose host verifies with another library: the same judgements as under Node. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bytesOf, encodeDer, INTEGER, sequence } from '../../../../core/ca/der.ts';
import { verifyAttestation } from '../../../../core/crypto/nitro/attestation.ts';
import { base64, concat } from '../../../../core/wire/bytes.ts';
import { flipped } from '../../fakes.ts';
import { integer } from '../../../attestation/certificates.ts';
import { chainWith, LEAF, leafKey, plansOf, strangerKey } from './chain-plans.ts';
import { documentOf, NOW_MS, ROOT, said } from './documents.ts';
import { sample, SAMPLES } from './samples.ts';
import { workerOf } from '../../workerd.ts';
import type { DocumentPlan } from './documents.ts';
import type { Miniflare } from 'miniflare';

const WORKER = `
  import { verifyAttestation } from './core/crypto/nitro/attestation.ts';
  import { parseBase64 } from './core/wire/bytes.ts';
  export default { async fetch(request) {
    const answer = ({ document, root, nowMs }) => {
      const verdict = verifyAttestation(parseBase64(document), { root: parseBase64(root), nowMs, skewMsMax: 0 });
      return verdict.kind === 'verified' ? verdict.attestation.measurement : verdict.why;
    };
    return Response.json((await request.json()).map(answer));
  } };`;

interface Case {
  readonly document: Uint8Array;
  readonly root: Uint8Array;
  readonly nowMs: number;
}

const own = (change: Partial<DocumentPlan>): Case => ({ document: documentOf(change), root: ROOT, nowMs: NOW_MS });
const zeros = new Uint8Array(48);
const ones = new Uint8Array(48).fill(0xff);
/** Where two libraries might judge differently. */
const cases: readonly Case[] = [
  own({}),
  ...SAMPLES.filter(({ file }) => sample(file).length > 0).map(({ file, timeMs }) => ({
    document: sample(file),
    root: sample('aws-nitro-root-g1.der'),
    nowMs: timeMs,
  })),
  own({ signer: strangerKey }),
  own({ signature: () => new Uint8Array(96) }),
  own({ signature: (raw) => concat(zeros, raw.subarray(48)) }),
  own({ signature: (raw) => concat(raw.subarray(0, 48), zeros) }),
  own({ signature: (raw) => concat(raw.subarray(0, 48), ones) }),
  own({ chain: chainWith(LEAF, { spki: flipped(leafKey.spki, leafKey.spki.length - 1) }) }),
  own({ chain: chainWith(1, { spki: flipped(plansOf()[1]?.spki ?? zeros, 60) }) }),
  own({ chain: chainWith(2, { spki: strangerKey.spki }) }),
  own({ chain: chainWith(3, { signer: strangerKey }) }),
  own({ chain: chainWith(3, { signature: () => bytesOf('3006020101020101') }) }),
  own({ chain: chainWith(3, { signature: (raw) => concat(sequence(integer(raw.subarray(0, 48)), integer(raw.subarray(48))), zeros) }) }),
  own({
    chain: chainWith(3, {
      signature: (raw) => sequence(encodeDer(INTEGER, Uint8Array.of(0, 0), raw.subarray(0, 48)), integer(raw.subarray(48))),
    }),
  }),
  ...Array.from({ length: 96 }, (_, index) => own({ signature: (raw) => flipped(raw, index, index % 8) })),
];

describe('the room under workerd', () => {
  let worker: Miniflare;
  beforeAll(async () => {
    worker = await workerOf(WORKER);
  });
  afterAll(() => worker.dispose());

  it('verifies what Node verifies, and refuses the rest for the same reasons', async () => {
    const body = JSON.stringify(cases.map(({ document, root, nowMs }) => ({ document: base64(document), root: base64(root), nowMs })));
    const there = await (await worker.dispatchFetch('http://worker/', { method: 'POST', body })).json();
    const here = cases.map(({ document, root, nowMs }) => {
      const verdict = verifyAttestation(document, { root, nowMs, skewMsMax: 0 });
      return verdict.kind === 'verified' ? verdict.attestation.measurement : said(verdict);
    });
    expect(there).toEqual(here);
    expect(here.filter((each) => each.startsWith('0x'))).toHaveLength(1 + SAMPLES.filter(({ file }) => sample(file).length > 0).length);
  });
});
